"""`eval world`: the embedded judge scores a folder in GenEval's or DPG-Bench's layout, offline."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from on_disk import cpu
from torchvision.utils import make_grid, save_image

from headtohead.eval.__main__ import main
from headtohead.eval.benchmarks.base import Item
from headtohead.eval.benchmarks.dpg import DPG
from headtohead.eval.benchmarks.geneval import synthetic_prompts
from headtohead.synthetic.render import render
from headtohead.synthetic.scenes import Scenes, draw


def pictures(items: Sequence[Item]) -> torch.Tensor:
    """A true picture of each prompt."""
    drawn = [draw(5, np.array([k]), request=p.request, held_out=True) for k, p in enumerate(items) if p.request]
    return render(Scenes.cat(drawn))


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("reached for the network"))


def test_true_pictures_in_genevals_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    items = synthetic_prompts("test")[::40]
    for item, picture in zip(items, pictures(items), strict=True):
        folder = tmp_path / "made" / item.id
        (folder / "samples").mkdir(parents=True)
        (folder / "metadata.jsonl").write_text(json.dumps(item.rule))
        large = torch.nn.functional.interpolate(picture[None], scale_factor=2)[0]
        save_image(large if item is items[0] else picture, folder / "samples" / "0000.png")
    prompts = tmp_path / "asked.jsonl"
    prompts.write_text("".join(json.dumps(item.rule) + "\n" for item in items))
    out = tmp_path / "new" / "a.json"
    asked = cpu("world", "--images", tmp_path / "made", "--out", out)
    assert main([*asked, "--prompts", str(prompts)]) == 0
    told = json.loads(out.read_text())
    assert told["metric"] == "geneval"
    assert told["scores"]["overall"] > 0.9
    assert told["judge"]["detector"]["name"] == "world-pixel-judge"
    assert told["picture_size"] == ["128x128", "64x64"]
    assert told["not_comparable_because"] == ["the prompts and the judge are the embedded dataset's"]
    capsys.readouterr()
    assert main(asked) == 1  # of all shipped prompts, most have no picture
    assert "no pictures of" in capsys.readouterr().err
    assert json.loads(out.read_text())["scores"] == told["scores"]


def test_true_pictures_in_dpg_benchs_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    items = DPG.synthetic("dev", 5)
    (tmp_path / "made").mkdir()
    for item, picture in zip(items, pictures(items), strict=True):
        save_image(make_grid([picture] * 4, nrow=2, padding=0), tmp_path / "made" / f"{item.id}.png")
    asked = cpu("world", "--images", tmp_path / "made", "--split", "dev", "--out", tmp_path / "a.json")
    assert main([*asked, "--allow-missing"]) == 0
    told = json.loads((tmp_path / "a.json").read_text())
    assert (told["metric"], told["mode"], told["n"]) == ("dpg", "fixed", {"overall": 5})
    assert told["scores"]["overall"] > 0.9
    capsys.readouterr()
    assert main([*asked, "--prompts", str(tmp_path / "a.json")]) == 2
    assert "expected GenEval's lines (.jsonl) or DPG-Bench's questions (.csv)" in capsys.readouterr().err


def test_words_that_the_embedded_dataset_lacks_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "00000").mkdir()
    line = {"tag": "colors", "include": [{"class": "dog", "count": 1, "color": "red"}], "prompt": "a red dog"}
    (tmp_path / "p.jsonl").write_text(json.dumps(line))
    assert main(cpu("world", "--images", tmp_path, "--prompts", tmp_path / "p.jsonl")) == 2
    assert "include[0].class: 'dog' is not among the class names" in capsys.readouterr().err
