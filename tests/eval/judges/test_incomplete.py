"""A judge is whole or refused: libraries fill what a checkpoint lacks with noise, and noise has opinions too."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import checkpoints
import pytest
import torch
from safetensors.torch import load_file, save_file

from headtohead.eval.judges import colours, features, mask2former, vqa
from headtohead.pretrained.loading.by_name import ModelError, fetched

pytestmark = [pytest.mark.filterwarnings(f"ignore::{kind}Warning") for kind in ("Deprecation", "Future", "User")]
NAMES = [f"class {k}" for k in range(80)]


def without(folder: Path, part: str) -> Path:
    """A checkpoint that has lost the tensors of one part."""
    path = folder / "model.safetensors"
    whole = load_file(path)
    kept = {name: value for name, value in whole.items() if part not in name}
    assert len(kept) < len(whole)
    save_file(kept, path, metadata={"format": "pt"})
    return folder


def test_checkpoints_without_a_part_are_refused(tmp_path: Path) -> None:
    detector = without(checkpoints.mask2former(tmp_path / "detector"), "class_predictor")
    with pytest.raises(ModelError, match=r"--detector .*: 2 tensors are missing .*\(first class_predictor.bias\)"):
        mask2former.load(str(detector), NAMES, "cpu")
    for kind, part in (("blip", "text_encoder"), ("qwen", "lm_head")):
        judge = without(getattr(checkpoints, kind)(tmp_path / kind), part)
        with pytest.raises(ModelError, match=rf"--judge .*missing or of another shape \(first {part}"):
            vqa.load(str(judge), "cpu")


def test_clip_without_weights_is_refused(tmp_path: Path) -> None:
    name = checkpoints.clip(tmp_path)
    with pytest.raises(ModelError, match=r"--weights tiny-clip: expected MODEL:PRETRAINED"):
        features.load("clip", "cpu", weights="tiny-clip")
    file = Path(name.partition(":")[2])
    tensors = load_file(file)
    save_file({k: v for k, v in tensors.items() if "visual" not in k}, file)
    with pytest.raises(ModelError, match=r"--colours .*: cannot be loaded as the colour classifier"):
        colours.load(name, "cpu")


def test_a_wrong_file_is_not_to_be_downloaded(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    checkpoints.clip(tmp_path / "clip")
    with pytest.raises(ModelError) as error:
        colours.load(f"tiny-clip:{tmp_path}/other.safetensors", "cpu")
    assert "cannot be loaded" in str(error.value)
    assert "download" not in str(error.value)


def test_weights_that_are_no_inception_are_named(tmp_path: Path) -> None:
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "linear.pt"))
    with pytest.raises(ModelError, match=r"--weights .*linear.pt: is no Inception"):
        features.load("inception", "cpu", weights=str(tmp_path / "linear.pt"))
    for space in ("inception", "dinov2"):
        with pytest.raises(ModelError, match=r"--weights nowhere.pt: no such file"):
            features.load(space, "cpu", weights="nowhere.pt")


def test_an_interrupted_download_says_to_delete_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "CACHE", tmp_path)
    whole = checkpoints.inception(tmp_path / "own")
    shutil.copy(whole, tmp_path)
    assert features.load("inception", "cpu").identity.name == features.INCEPTION
    (tmp_path / whole.name).write_bytes(whole.read_bytes()[:100])
    with pytest.raises(ModelError, match=r"^/.*\(delete it, and it is fetched anew\): is no Inception"):
        features.load("inception", "cpu")


def test_the_libraries_are_quiet_before_the_line_that_says_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    def load() -> Any:
        logging.getLogger("some.package").warning("retrying (1 of 5)")
        raise OSError("offline")

    with pytest.raises(ModelError, match=r"download https://huggingface.co/a/b into a folder"):
        fetched("the detector", "a/b", "--detector", load)
    with pytest.raises(ModelError, match=r"download https://huggingface.co/on/hub and give --colours M:FILE"):
        fetched("the classifier", "M:openai", "--colours", load, file="M:FILE", where="on/hub")
    assert not caplog.records
    logging.getLogger("some.package").warning("heard again")
    assert caplog.records
