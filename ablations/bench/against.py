"""The speed of this code beside that of an earlier commit: parts in turns, each in a process of its own, as ratios.

The earlier commit is unpacked into a temporary folder; its own benchmark measures the same parts there.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from headtohead.utils.errors import InputError

ROOT = Path(__file__).parents[2]
NEEDED = ("src", "ablations", "sweeps")
TURNS = 3
_MEASURE = """
import json, sys
from ablations.bench import measures
print(json.dumps(measures.rate(sys.argv[1], sys.argv[2], float(sys.argv[3]))))
"""


class RevisionError(InputError):
    """The revision is unknown, or its benchmark does not measure a part."""


@contextmanager
def checkout(revision: str) -> Iterator[tuple[Path, str]]:
    """A temporary folder with the files of a revision, and the revision's hash."""
    with tempfile.TemporaryDirectory(prefix="headtohead-") as folder:
        commit = _git("rev-parse", "--short=12", "--verify", f"{revision}^{{commit}}", of=revision).decode().strip()
        with tarfile.open(fileobj=io.BytesIO(_git("archive", commit, *NEEDED, of=revision))) as files:
            files.extractall(folder, filter="data")
        yield Path(folder), commit


def measure(name: str, device: str, seconds: float, before: Path) -> dict[str, Any]:
    """A part's rate here and at the earlier commit, in turns.

    name     key of parts.PARTS
    device   cpu or cuda
    seconds  for which a part is measured in each turn
    before   folder of the earlier commit
    """
    rows = [(_rate(ROOT, name, device, seconds), _rate(before, name, device, seconds)) for _ in range(TURNS)]
    now, earlier = (np.array([row["pictures/s"] for row in side]) for side in zip(*rows, strict=True))
    kept = {key: value for key, value in rows[-1][0].items() if key not in ("part", "pictures/s", "10 % to 90 %")}
    return {
        "part": name, "pictures/s": float(np.median(now)), "before/s": float(np.median(earlier)),
        "times faster": float(np.median(now / earlier)), "ratios": (now / earlier).tolist(), **kept,
    }  # fmt: skip


def _rate(tree: Path, name: str, device: str, seconds: float) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": f"{tree / 'src'}{os.pathsep}{tree}"}
    command = [sys.executable, "-c", _MEASURE, name, device, str(seconds)]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise RevisionError(f"{tree}: cannot measure {name}: {reason[0]:.200}")
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def _git(*words: str, of: str) -> bytes:
    try:
        return subprocess.run(["git", "-C", ROOT, *words], check=True, capture_output=True).stdout
    except FileNotFoundError as error:
        raise RevisionError("--against needs git and a checkout of this repository") from error
    except subprocess.CalledProcessError as error:
        raise RevisionError(f"--against {of}: {' '.join(error.stderr.decode().split()):.200}") from error
