"""What may happen to a run, and what it is afterwards: the run that never stopped."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from small import SMALL

from headtohead.config.presets import configure
from headtohead.config.run_config import RunConfig
from headtohead.data.build import TrainingData
from headtohead.eval.curve_points.synthetic import SyntheticEvaluator
from headtohead.records import leases
from headtohead.records.kept_weights import kept
from headtohead.records.read import runs
from headtohead.records.recorder import Recorder
from headtohead.training import checkpoints, resume
from headtohead.training.lightning_module import DesignModule
from headtohead.training.run import main, train
from headtohead.utils import files
from headtohead.utils.errors import Diverged, InputError

CONFIG = configure("vae_flow", overrides=SMALL)  # 6 steps, a point every 3
Step = Callable[[DesignModule, Any, int], torch.Tensor]


def go(folder: Path, cache: Path, config: RunConfig = CONFIG) -> None:
    train(config, folder, cache, device="cpu", say=print)


def made(folder: Path) -> tuple[Any, ...]:
    """All that a run leaves but times."""
    (run,) = runs(folder)
    assert run.state["state"] == "finished"
    assert not list((folder / "checkpoints").iterdir())
    curve = [{k: v for k, v in line.items() if k != "seconds"} for line in run.curve()]
    weights = {name: w.numpy().tobytes() for path in kept(folder).values() for name, w in load_file(path).items()}
    grids = {path.name: path.read_bytes() for path in (folder / "grids").iterdir()}
    return curve, run.lines("prompts.jsonl"), weights, grids


@pytest.fixture(scope="module")
def whole(finished: Path) -> tuple[Any, ...]:
    """What the run leaves that never stopped."""
    return made(finished)


@contextmanager
def at(step: int, happens: Callable[[], None]) -> Iterator[None]:
    """Something happens in the middle of a step, once."""
    own: Step = DesignModule.training_step
    left = [happens]

    def stepped(self: DesignModule, batch: Any, index: int) -> torch.Tensor:
        loss = own(self, batch, index)
        if left and self.global_step == step:
            left.pop()()
        return loss

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DesignModule, "training_step", stepped)
        yield


def ask() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_asked_to_end_it_saves_and_goes_twice_in_a_row(tmp_path: Path, cache: Path, whole: tuple[Any, ...]) -> None:
    folder = tmp_path / "run"
    for step, saved in ((1, 2), (4, 5)):
        with at(step, ask), pytest.raises(SystemExit) as stop:
            go(folder, cache)
        assert stop.value.code == 143
        assert runs(folder)[0].state["state"] == "stopped"
        state = checkpoints.newest(folder, print)
        assert state is not None
        assert state.step == saved
        torch.rand(5)  # whoever goes on finds other random states
    go(folder, cache)
    assert made(folder) == whole


@pytest.mark.parametrize("step", [3, 6])
def test_asked_while_it_measures_it_goes_at_once(
    step: int, tmp_path: Path, cache: Path, whole: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, own, slept = tmp_path / "run", SyntheticEvaluator.measure, []

    def measure(self: SyntheticEvaluator, generator: Any, last: bool, at: int) -> Any:
        if at == step:
            ask()
            time.sleep(60)
            slept.append(at)
        return own(self, generator, last, at)

    monkeypatch.setattr(SyntheticEvaluator, "measure", measure)
    with pytest.raises(SystemExit):
        go(folder, cache)
    assert not slept
    monkeypatch.undo()
    assert {line["step"] for line in runs(folder)[0].curve()} == set(range(3, step, 3))
    go(folder, cache)
    assert made(folder) == whole


def test_broken_off_between_what_it_records_nothing_is_lost_or_twice(
    tmp_path: Path, cache: Path, whole: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    for name in ("prompt_set", "prompts", "append"):  # the last one of a point counts, and what it left is half a line
        own = getattr(Recorder, name)

        def torn(self: Recorder, *args: Any, **kwargs: Any) -> None:
            with (self.folder / "curve.jsonl").open("a") as file:
                file.write('{"step": 3, "met')
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Recorder, name, torn)
            with pytest.raises((KeyboardInterrupt, SystemExit)):
                go(folder, cache)
        assert getattr(Recorder, name) is own
    go(folder, cache)
    assert made(folder) == whole


def test_a_damaged_state_is_passed_over(
    tmp_path: Path, cache: Path, whole: tuple[Any, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    with at(4, ask), pytest.raises(SystemExit):
        go(folder, cache)
    path = folder / "checkpoints" / "0000005.ckpt"
    state = bytearray(path.read_bytes())
    state[len(state) // 3] ^= 4
    path.write_bytes(state)
    go(folder, cache)
    said = capsys.readouterr().out
    assert "0000005.ckpt: is damaged (its checksum differs); going on from the one before" in said
    assert "going on at step 3" in said
    assert made(folder) == whole


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_no_number_stops_before_the_step(
    bad: float, tmp_path: Path, cache: Path, whole: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, own = tmp_path / "run", DesignModule.training_step
    monkeypatch.setattr(
        DesignModule, "training_step",
        lambda self, batch, index: own(self, batch, index) * (bad if self.global_step == 4 else 1),
    )  # fmt: skip
    with pytest.raises(Diverged):
        go(folder, cache)
    monkeypatch.undo()
    (run,) = runs(folder)
    assert run.state["state"] == "failed"
    assert run.state["reason"].startswith("step 5: the loss is")
    assert not (folder / "error.txt").exists()
    go(folder, cache)  # and no weight has seen it
    assert made(folder) == whole


def test_a_run_goes_on_as_itself_only(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    with at(4, ask), pytest.raises(SystemExit):
        go(folder, cache)
    path = folder / "config.json"
    told = path.read_text()
    path.write_text(told.replace('"lr": 0.003', '"lr": 0.004').replace('"batch": 8', '"batch": 4'))
    assert main([str(folder), "--cache", str(cache), "--device", "cpu"]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "config.train.batch: 8 there, 4 here, config.train.lr: 0.003 there, 0.004 here" in said
    path.write_text(told)
    with monkeypatch.context() as patch:
        patch.setattr(TrainingData, "fingerprint", property(lambda self: "other data"))
        assert main([str(folder), "--cache", str(cache), "--device", "cpu"]) == 2
    assert "other data here" in capsys.readouterr().err
    assert main([str(folder), "--cache", str(cache), "--device", "cpu"]) == 0


def test_a_run_that_others_work_on_is_left_alone(tmp_path: Path, cache: Path) -> None:
    with leases.acquire(tmp_path / "run"), pytest.raises(leases.Taken):
        go(tmp_path / "run", cache)
    assert not (tmp_path / "run" / "status.json").exists()


def test_a_run_taken_over_while_it_slept_writes_nothing_more(tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / "run"

    def taken() -> None:
        (folder / "claims" / "0002.json").write_text('{"host": "elsewhere", "pid": 1, "place": "another"}')

    with at(1, taken), pytest.raises(leases.Taken, match="taken over by elsewhere:1"):
        go(folder, cache)
    assert not list((folder / "checkpoints").glob("*")) if (folder / "checkpoints").exists() else True
    assert not (folder / "curve.jsonl").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", disk], check=False, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("left", [0, 20_000, 120_000])
def test_a_disk_that_fills_up_pauses_the_run(
    left: int, small_disk: Path, cache: Path, whole: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it runs out of space: at the first byte of a state, within one, or after it among the records."""
    monkeypatch.setattr(files, "AGAIN", 0.1)
    folder, filler, told = small_disk / "run", small_disk / "filler", list[str]()

    def fill() -> None:
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"0" * 4096)
        os.truncate(filler, max(0, filler.stat().st_size - left))

    def say(line: str) -> None:
        told.append(line)
        if "the disk is full" in line:
            threading.Timer(0.5, filler.unlink).start()

    with at(1, fill):
        train(CONFIG, folder, cache, device="cpu", say=say)
    assert [line.split(": ")[1] for line in told if str(folder) in line] == [
        "the disk is full; waiting for space, nothing is lost",
        "there is space again, going on",
    ]
    assert made(folder) == whole


def test_a_disk_that_is_full_before_a_run_begins_is_waited_for(
    small_disk: Path, cache: Path, whole: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "AGAIN", 0.1)
    filler, said = small_disk / "filler", list[str]()
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"0" * 4096)

    def say(line: str) -> None:
        said.append(line)
        if "the disk is full" in line:
            filler.unlink()

    train(CONFIG, small_disk / "run", cache, device="cpu", say=say)
    assert "waiting for space, nothing is lost" in said[0]
    assert made(small_disk / "run") == whole


def test_a_disk_that_fills_up_while_a_run_begins_is_waited_for(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "AGAIN", 0.0)
    left = ["begin", "status", "cut"]

    def once(name: str, own: Callable[..., None]) -> Callable[..., None]:
        def full(*args: Any, **more: Any) -> None:
            if name in left:
                left.remove(name)
                raise OSError(errno.ENOSPC, "No space left on device")
            own(*args, **more)

        return full

    for name in left:
        monkeypatch.setattr(Recorder, name, once(name, getattr(Recorder, name)))
    with at(0, ask), pytest.raises(SystemExit):
        go(tmp_path / "run", cache)
    assert not left
    assert runs(tmp_path / "run")[0].state == {"state": "stopped"}


def test_a_disk_that_is_too_small_is_said_before_anything_is_spent(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resume.shutil, "disk_usage", lambda folder: SimpleNamespace(free=100_000))
    with at(0, pytest.fail), pytest.raises(InputError, match=r"its states take 0\.\d+ GB of disk, 0\.0001 GB are free"):
        go(tmp_path / "run", cache)
    assert "GB are free" in runs(tmp_path / "run")[0].state["reason"]


def test_other_seeds_are_other_runs(tmp_path: Path, cache: Path, whole: tuple[Any, ...]) -> None:
    """What is compared above can differ."""
    go(tmp_path / "run", cache, dataclasses.replace(CONFIG, seed=1))
    assert made(tmp_path / "run") != whole
