"""A run examined by the published benchmarks: small checkpoints in the real formats, a user's own files of prompts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import user_files
from PIL import Image
from small import SMALL

from headtohead.config.parsing import ConfigError
from headtohead.config.presets import configure
from headtohead.records.kept_weights import kept
from headtohead.records.read import runs
from headtohead.training.run import train

pytestmark = [
    pytest.mark.usefixtures("few_pixels"),
    # what the packages say of themselves and of TorchScript, the format of the published Inception
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    return user_files.benchmarks(tmp_path_factory.mktemp("bench"))


def test_points_are_scored_from_files_in_the_official_layouts(bench: dict[str, object], tmp_path: Path) -> None:
    folder = tmp_path / "sweep" / "run"
    config = configure("clip_flow", overrides={**SMALL, **bench})
    train(config, folder, tmp_path / "cache", device="cpu", say=lambda line: None)
    (run,) = runs(folder)
    assert run.state["state"] == "finished"
    n = {(line["step"], line["metric"]): line["n"] for line in run.curve()}
    assert (n[3, "geneval/overall"], n[3, "dpg/overall"], n[3, "fid"]) == (4, 1, 4)
    assert (n[6, "geneval/overall"], n[6, "dpg/overall"], n[6, "fid"]) == (8, 3, 8)
    assert {line["mode"] for line in run.curve()} == {"official"}
    assert all("detector" in line["judge"] and "@" in line["judge"] for line in run.curve())
    last = folder / "pictures" / "0000006"
    assert len(list(last.glob("geneval/0000[0-3]/samples/*.png"))) == 8
    assert Image.open(last / "dpg" / "item0.png").size == (128, 128)
    assert json.loads((last / "geneval.json").read_text())["judge"]["detector"]["weights"]
    assert (folder / "grids" / "0000006-prompts.webp").exists()
    assert list(kept(folder)) == [6]


def test_a_point_that_was_cut_paints_only_what_is_missing(
    bench: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headtohead.eval.curve_points import official
    from headtohead.eval.curve_points.build import build
    from headtohead.models.build import assemble

    config = configure("vae_flow", overrides={**SMALL, **bench})
    parts = assemble(config, "cpu")
    evaluator = build(config, parts, "cpu", tmp_path)
    first = evaluator.measure(parts.generator, last=True, step=6)
    gone = tmp_path / "pictures" / "0000006" / "geneval" / "00001" / "samples" / "0001.png"
    before = np.asarray(Image.open(gone), int)
    gone.unlink()
    painted: list[str] = []
    real = official.paint

    def watched(generator: Any, codec: Any, prompts: list[str], *a: Any, **k: Any) -> Any:
        painted.extend(prompts)
        return real(generator, codec, prompts, *a, **k)

    monkeypatch.setattr(official, "paint", watched)
    again = evaluator.measure(parts.generator, last=True, step=6)
    assert painted == ["a photo of a square, single_object"]
    assert np.abs(np.asarray(Image.open(gone), int) - before).max() <= 1  # alone in its batch now: rounding
    assert first
    assert again
    assert first.point.values == again.point.values


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"exam.geneval": "", "exam.dpg": "", "exam.mjhq": ""}, "exam.source=official: needs exam.geneval"),
        ({"exam.dpg": "/nowhere.csv"}, "exam.dpg: /nowhere.csv: No such file"),
    ],
)
def test_missing_files_are_said_before_anything_is_trained(
    bench: dict[str, object], tmp_path: Path, change: dict[str, object], what: str
) -> None:
    config = configure("clip_flow", overrides={**SMALL, **bench, **change})
    with pytest.raises(ConfigError, match=what):
        train(config, tmp_path / "run", tmp_path / "cache", device="cpu", say=lambda line: None)
