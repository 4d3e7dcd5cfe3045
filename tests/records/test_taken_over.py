"""A worker that slept until it was given up for dead: what others made of its run meanwhile stays as it is."""

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small import SMALL

from headtohead.config.presets import configure
from headtohead.eval.curve_points.synthetic import SyntheticEvaluator
from headtohead.records.layout import STATUS
from headtohead.records.leases import Taken, acquire
from headtohead.records.read import runs
from headtohead.records.recorder import Recorder
from headtohead.training.run import train

CONFIG = configure("vae_flow", overrides=SMALL)  # 6 steps, a point every 3


def take_over(folder: Path, **more: Any) -> None:
    told = {"host": "elsewhere", "pid": 1, "place": "another", "started": 1.0, **more}
    (folder / "claims" / "0002.json").write_text(json.dumps(told))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.parent.name != "claims"
    }


def asked() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def no_disk() -> None:
    raise OSError(errno.EIO, "Input/output error")


def a_bug() -> None:
    raise RuntimeError("a bug")


def nothing() -> None:
    """It goes on as if it had not slept."""


@pytest.mark.parametrize("wakes", [asked, no_disk, a_bug, nothing])
def test_a_run_that_others_finished_stays_finished(
    wakes: Callable[[], None], tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, before = tmp_path / "run", dict[str, bytes]()

    def measure(self: SyntheticEvaluator, generator: Any, last: bool, at: int) -> Any:
        take_over(folder, released=2.0)
        for path in (folder / "checkpoints").iterdir():
            path.unlink()
        Recorder(folder).status("finished", steps=6)
        before.update(contents(folder))
        wakes()
        return own(self, generator, last, at)

    own = SyntheticEvaluator.measure
    monkeypatch.setattr(SyntheticEvaluator, "measure", measure)
    with pytest.raises((Taken, SystemExit, OSError, RuntimeError)):
        train(CONFIG, folder, cache, device="cpu", say=print)
    assert contents(folder) == before
    assert runs(folder)[0].state["state"] == "finished"


def test_who_lost_a_run_says_nothing_of_it(tmp_path: Path) -> None:
    with acquire(tmp_path) as lease:
        own = Recorder(tmp_path, lease)
        own.status("running")
        take_over(tmp_path)
        for say in (lambda: own.status("stopped"), lambda: own.begin({}), lambda: own.progress({})):
            with pytest.raises(Taken, match="taken over by elsewhere:1"):
                say()
        own.ended("failed", "its disk is gone", "where")
    assert contents(tmp_path) == {STATUS: b'{\n "state": "running"\n}\n'}


def test_who_looks_after_a_run_leaves_it_to_its_owner(tmp_path: Path) -> None:
    part = tmp_path / "checkpoints" / "0000003.part"
    with acquire(tmp_path):
        part.parent.mkdir()
        part.write_text("half of a state")
        with pytest.raises(Taken):
            Recorder(tmp_path).begin({})
        Recorder(tmp_path).ended("failed", "its launcher died")
        assert contents(tmp_path) == {"checkpoints/0000003.part": b"half of a state"}
    Recorder(tmp_path).ended("failed", "its launcher died")
    assert json.loads((tmp_path / STATUS).read_text()) == {"state": "failed", "reason": "its launcher died"}
