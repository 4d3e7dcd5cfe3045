"""What other tools draw of a run: steps and points arrive there, a cut run leaves nothing behind, identity stays."""

from __future__ import annotations

from pathlib import Path

import pytest
import wandb_files
from small import LINEAR
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ablations.sweep import command as sweep
from headtohead.config.parsing import ConfigError
from headtohead.config.presets import configure
from headtohead.records.read import runs
from headtohead.training.callbacks import loggers
from headtohead.training.run import train

FEW = {"evaluation.geneval": 6, "evaluation.final_geneval": 6, "evaluation.dpg": 1, "evaluation.final_dpg": 1}
CONFIG = configure("clip_mse", overrides={**LINEAR, **FEW, "train.steps": 12, "evaluation.every": 6})


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    read = EventAccumulator(str(folder / "tensorboard"), {"scalars": 0})
    read.Reload()
    return {tag: {e.step: e.value for e in read.Scalars(tag)} for tag in read.Tags()["scalars"]}


def test_tensorboard_holds_steps_and_points_and_the_record_is_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    log = loggers.chosen(loggers.checked(["tensorboard"]), folder, CONFIG)
    train(CONFIG, folder, tmp_path / "cache", device="cpu", say=lambda _: None, log=log)
    (run,) = runs(folder)
    drawn = scalars(folder)
    for line in run.curve():
        assert drawn[line["metric"]][line["step"]] == pytest.approx(line["value"], rel=1e-6)
    assert set(drawn["fid"]) == {6, 12}
    assert {"loss", "grad_norm", "samples/s", "lr-MuonAdamW/pg1"} <= set(drawn)
    assert all(len(drawn[name]) == 1 for name in ("loss", "grad_norm", "lr-MuonAdamW/pg1"))
    assert run.config == {**CONFIG.plain(), "hash": CONFIG.hash}


@pytest.mark.slow
@pytest.mark.filterwarnings("default:::wandb")
def test_wandb_holds_the_configuration_and_every_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline, as on nodes without a network: `wandb sync` sends the same file later."""
    pytest.importorskip("wandb", reason="needs `pip install wandb`")
    monkeypatch.setenv("WANDB_MODE", "offline")
    folder = tmp_path / "sweep" / "run"
    log = loggers.chosen(loggers.checked(["wandb"]), folder, CONFIG)
    train(CONFIG, folder, tmp_path / "cache", device="cpu", say=lambda _: None, log=log)
    import wandb

    wandb.finish()
    config, steps = wandb_files.offline(folder)
    assert {key: config[key] for key in CONFIG.plain()} == CONFIG.plain()
    (run,) = runs(folder)
    for line in run.curve():
        assert steps[line["step"]][line["metric"]] == pytest.approx(line["value"], rel=1e-6)
    assert {"loss", "grad_norm", "samples/s", "lr-MuonAdamW/pg1"} <= set().union(*steps.values())
    assert run.config == {**CONFIG.plain(), "hash": CONFIG.hash}


def test_what_a_cut_run_said_behind_its_checkpoint_is_dropped(tmp_path: Path) -> None:
    for start, last, value in ((0, 9, 1.0), (6, 12, 2.0)):  # cut at 9, taken up again at 6
        (logger,) = loggers.chosen(["tensorboard"], tmp_path, CONFIG)(start)
        for step in range(start + 1, last + 1):
            logger.log_metrics({"fid": value}, step)
        logger.finalize("success")
    assert scalars(tmp_path)["fid"] == {k: 1.0 if k <= 6 else 2.0 for k in range(1, 13)}


@pytest.mark.parametrize(
    ("name", "says"),
    [("wandb", "wandb is not installed; `pip install wandb`"), ("tensorbord", "did you mean tensorboard")],
)
def test_a_logger_that_cannot_be_made_is_one_line_before_anything_begins(
    name: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda package: None)
    assert sweep.main(["--design", "clip_mse", "--results", str(tmp_path), "--log", name]) == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1
    assert not any(tmp_path.iterdir())


def test_asking_for_one_twice_makes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda package: package)
    assert loggers.checked(["tensorboard", "tensorboard"]) == ("tensorboard",)
    with pytest.raises(ConfigError, match="unknown logger"):
        loggers.checked(["mlflow"])
