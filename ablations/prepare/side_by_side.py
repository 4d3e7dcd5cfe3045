"""Train pretrained models side by side, each in a process of its own.

They are so small that a second thread gains a training little: on two cores, two trainings of one thread each are done
much sooner than one after the other. The number of threads of a training decides its rounding, so with one thread the
weights are the same on few cores and on many.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache

THREADS = 1  # of each training on a CPU
MOST = 4  # trainings at once, which takes about 1.5 GB of memory each


def at_once(device: str) -> int:
    """How many trainings a machine does at once: one for each core, but one alone on an accelerator."""
    return min(MOST, os.cpu_count() or 1) if device == "cpu" else 1


def order(names: Sequence[str], needs: Mapping[str, Sequence[str]], seconds: Mapping[str, float]) -> list[str]:
    """The names, those first on which the longest chain of trainings waits.

    needs    the models that each model needs
    seconds  what each training took the last time
    """

    @cache
    def chain(name: str) -> float:
        after = [chain(other) for other in names if name in needs[other]]
        return seconds.get(name, 0.0) + max(after, default=0.0)

    return sorted(names, key=lambda name: -chain(name))


def train(
    names: Sequence[str],
    needs: Mapping[str, Sequence[str]],
    command: Callable[[str], list[str]],
    most: int,
    poll: float = 0.5,
) -> int:
    """Run the command of each model as soon as the models that it needs are there; the exit code of the first failure.

    names    in the order in which they start where several could
    needs    the models that each model needs; those not among `names` are there
    command  of a model's training
    most     trainings at once
    poll     seconds between two looks at them
    """
    left, running = list(names), dict[str, subprocess.Popen[bytes]]()
    try:
        while left or running:
            ready = [name for name in left if not any(need in left or need in running for need in needs[name])]
            for name in ready[: most - len(running)]:
                left.remove(name)
                running[name] = subprocess.Popen(command(name))
            time.sleep(poll)
            for name, process in list(running.items()):
                if (code := process.poll()) is not None:
                    del running[name]
                    if code:
                        return code
        return 0
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            with contextlib.suppress(KeyboardInterrupt):
                process.wait()
