"""Runs on a user's data are scored on prompts and reference pictures of the user, or warn that they are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import user_files
from on_disk import save
from small import LINEAR, SMALL

from ablations.plan import point_pictures
from headtohead.config.parsing import ConfigError
from headtohead.config.presets import configure
from headtohead.config.run_config import RunConfig, recorded
from headtohead.eval.benchmarks.own import OWN
from headtohead.eval.folders.images import FolderError
from headtohead.records.read import runs
from headtohead.training.run import train

WARNED = "scored on the embedded dataset's prompts"


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    root = tmp_path_factory.mktemp("mine")
    (root / "prompts.txt").write_text('a red circle\n\n{"prompt": "a dog on a sofa"}\n')
    for k in range(5):
        save(root / "reference" / f"{k}.png")
    return {
        "exam.source": "own", "exam.prompts": str(root / "prompts.txt"), "exam.reference": str(root / "reference"),
        "exam.a_prompt": 2, "data.mix": str(user_files.corpora(root)), "data.workers": 0,
    }  # fmt: skip


def go(config: RunConfig, folder: Path) -> list[str]:
    said: list[str] = []
    train(config, folder, folder.parent / "cache", device="cpu", say=said.append)
    return said


def test_own_prompts_reference_and_loss(mine: dict[str, object], tmp_path: Path) -> None:
    config = configure("clip_flow", overrides={**SMALL, **mine})
    said = go(config, tmp_path / "sweep" / "run")
    assert not any(WARNED in line for line in said)
    (run,) = runs(tmp_path / "sweep" / "run")
    last = {line["metric"]: line for line in run.curve() if line["step"] == 6}
    parts = [f"t={t}" for t in (0.1, 0.3, 0.5, 0.7, 0.9)]
    gains = {f"gain/{over}/{part}" for over in ("shuffled", "none") for part in parts}
    assert set(last) == {"fid", *(f"loss/{p}" for p in parts), *gains, "gain/shuffled", "gain/none", "gain/share"}
    assert {last[name]["n"] for name in last if name != "fid"} == {last["loss/t=0.1"]["n"]}
    assert (last["fid"]["n"], last["fid"]["mode"]) == (4, "own")
    assert last["fid"]["judge"].startswith("features shipped@")
    assert len(list((run.folder / "pictures" / "0000006").glob("own/0000[01]/000[01].png"))) == 4
    assert (run.folder / "grids" / "0000006-prompts.webp").exists()
    assert run.state["shown"]["prompts"] == ["a red circle", "a dog on a sofa"]
    own = point_pictures.of(config)
    assert (own.a_point, own.the_last) == (4, 4)


def test_own_data_with_the_embedded_exam_is_warned_of_once(mine: dict[str, object], tmp_path: Path) -> None:
    config = configure("clip_mse", overrides={**LINEAR, **mine, "exam.source": "world"})
    said = [line for line in go(config, tmp_path / "run") if WARNED in line]
    assert len(said) == 1
    assert "exam.source=own with exam.prompts=FILE" in said[0]
    assert not configure("clip_mse", overrides=LINEAR).warning


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"exam.prompts": ""}, "exam.source=own: needs exam.prompts, where the prompts lie"),
        ({"exam.prompts": "nowhere.txt"}, "exam.prompts: nowhere.txt: No such file"),
        ({"exam.reference": "nowhere"}, "exam.reference nowhere: no such folder"),
        ({"exam.features": "inceptions"}, r"exam.features inceptions; did you mean .*inception\?"),
    ],
)
def test_what_is_missing_is_said_before_training(
    mine: dict[str, object], tmp_path: Path, change: dict[str, object], says: str
) -> None:
    with pytest.raises((ConfigError, FolderError), match=says):
        go(configure("clip_flow", overrides={**SMALL, **mine, **change}), tmp_path / "run")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("\n \n", "holds no prompts"),
        ("ok\n{oh", "line 2: is no JSON"),
        ('{"text": "a dog"}', "line 1: prompt: expected a text, got null"),
    ],
)
def test_prompts_are_read_strictly(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "p").write_text(text)
    with pytest.raises(FolderError, match=says):
        OWN.read(tmp_path / "p")


def test_runs_from_before_these_settings_go_on() -> None:
    config = configure("clip_flow", overrides=SMALL)
    before = json.loads(json.dumps(config.plain()))
    for name in ("prompts", "reference", "features"):
        del before["exam"][name]
    assert recorded(before, "config.json") == config
