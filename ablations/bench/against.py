"""The speed of this code beside that of an earlier commit: parts in turns, as ratios.

The earlier commit is unpacked into a temporary folder; its own benchmark measures the same parts there. Each side is
one process, which imports its packages once and waits while the other side measures.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from headtohead.utils.errors import InputError

ROOT = Path(__file__).parents[2]
NEEDED = ("src", "ablations", "sweeps")
TURNS = 3
LEFT_OUT = ("part", "pictures/s", "10 % to 90 %", "peak MB")  # of a side's row; the peak is that of all parts so far
_MEASURE = """
import json, sys
from ablations.bench import measures
for line in sys.stdin:
    print(json.dumps(measures.rate(*json.loads(line))), flush=True)
"""


class RevisionError(InputError):
    """The revision is unknown, or its benchmark does not measure a part."""


@dataclass(frozen=True)
class Side:
    """A tree of this repository, and a process that measures parts of it; `said` is what it complained of."""

    tree: Path
    process: subprocess.Popen[str]
    said: IO[str]

    def rate(self, name: str, device: str, seconds: float) -> dict[str, Any]:
        """A part's row, as `measures.rate` gives it."""
        assert self.process.stdin
        assert self.process.stdout
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps([name, device, seconds]) + "\n")
            self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("{"):  # packages may print lines of their own
                row: dict[str, Any] = json.loads(line)
                return row
        self.said.seek(0)
        reason = self.said.read().strip().splitlines()[-1:] or ["no reason given"]
        raise RevisionError(f"{self.tree}: cannot measure {name}: {reason[0]:.200}")


@contextmanager
def side(tree: Path) -> Iterator[Side]:
    """The process of a tree, until the block ends."""
    environment = {**os.environ, "PYTHONPATH": f"{tree / 'src'}{os.pathsep}{tree}"}
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(
            [sys.executable, "-c", _MEASURE], cwd=tree, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said,
        ) as process,
    ):  # fmt: skip
        try:
            yield Side(tree, process, said)
        finally:
            process.kill()
            with contextlib.suppress(BrokenPipeError):  # what the process no longer read
                process.stdin.close()  # type: ignore[union-attr]


@contextmanager
def sides(revision: str) -> Iterator[tuple[Side, Side, str]]:
    """This tree, that of a revision in a temporary folder, and the revision's hash."""
    with tempfile.TemporaryDirectory(prefix="headtohead-") as folder:
        commit = _git("rev-parse", "--short=12", "--verify", f"{revision}^{{commit}}", of=revision).decode().strip()
        with tarfile.open(fileobj=io.BytesIO(_git("archive", commit, *NEEDED, of=revision))) as files:
            files.extractall(folder, filter="data")
        with side(ROOT) as now, side(Path(folder)) as before:
            yield now, before, commit


def measure(name: str, device: str, seconds: float, now: Side, before: Side) -> dict[str, Any]:
    """A part's rate on both sides, in turns.

    name     key of parts.PARTS
    device   cpu or cuda
    seconds  for which a part is measured in each turn
    now      this tree
    before   that of the earlier commit
    """
    rows = [(now.rate(name, device, seconds), before.rate(name, device, seconds)) for _ in range(TURNS)]
    new, old = (np.array([row["pictures/s"] for row in own]) for own in zip(*rows, strict=True))
    kept = {key: value for key, value in rows[-1][0].items() if key not in LEFT_OUT}
    return {
        "part": name, "pictures/s": float(np.median(new)), "before/s": float(np.median(old)),
        "times faster": float(np.median(new / old)), "ratios": (new / old).tolist(), **kept,
    }  # fmt: skip


def _git(*words: str, of: str) -> bytes:
    try:
        return subprocess.run(["git", "-C", ROOT, *words], check=True, capture_output=True).stdout
    except FileNotFoundError as error:
        raise RevisionError("--against needs git and a checkout of this repository") from error
    except subprocess.CalledProcessError as error:
        raise RevisionError(f"--against {of}: {' '.join(error.stderr.decode().split()):.200}") from error
