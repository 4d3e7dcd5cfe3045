"""Judges load from the real formats and do what the official scorers' tools do."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import checkpoints
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from headtohead.eval.judges import colours, features, mask2former, vqa
from headtohead.pretrained.loading.by_name import Identity, ModelError
from headtohead.utils.boxes import Detection

NAMES = [f"class {k}" for k in range(80)]
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


class Fixed(torch.nn.Module):
    """A detector that always sees the same queries."""

    def __init__(self, classes: torch.Tensor, masks: torch.Tensor) -> None:
        super().__init__()
        self.classes, self.masks, self.config = classes, masks, SimpleNamespace(num_labels=classes.shape[-1] - 1)

    def forward(self, pixel_values: torch.Tensor, pixel_mask: torch.Tensor) -> Any:
        return SimpleNamespace(class_queries_logits=self.classes[None], masks_queries_logits=self.masks[None])


def test_detections_are_those_of_the_slow_rule() -> None:
    """Softmax without the null class, the best query-class pairs, masks at the picture's size, mean sigmoid inside."""
    torch.manual_seed(3)
    classes, masks = torch.randn(5, 4) * 2, torch.randn(5, 16, 16) * 3
    judge = mask2former.Mask2Former(Fixed(classes, masks), ["a", "b", "c"], Identity("fixed", ""), short=64)
    (found,) = judge.detect(torch.rand(1, 3, 64, 64))
    whole = F.interpolate(masks[None], (64, 64), mode="bilinear", align_corners=False)[0]
    want = []
    for q in range(5):
        for c in range(3):
            inside = whole[q] > 0
            mean = float(whole[q][inside].sigmoid().mean())
            y, x = np.nonzero(inside.numpy())
            box = (x.min(), y.min(), x.max() + 1, y.max() + 1)
            want.append((float(classes[q].softmax(0)[c]) * mean, "abc"[c], tuple(map(float, box))))
    got = sorted((d.score, d.name, d.box) for d in found)
    assert len(got) == 15
    for (score, name, box), (want_score, want_name, want_box) in zip(got, sorted(want), strict=True):
        assert score == pytest.approx(want_score, abs=1e-5)
        assert (name, box) == (want_name, want_box)


def test_pictures_are_resized_by_their_short_side_and_bounded() -> None:
    assert mask2former.resized(torch.zeros(1, 3, 512, 512), 800).shape[2:] == (800, 800)
    assert mask2former.resized(torch.zeros(1, 3, 300, 400), 800).shape[2:] == (800, 1067)
    assert mask2former.resized(torch.zeros(1, 3, 100, 400), 800).shape[2:] == (333, 1333)


def test_a_detector_loads_from_its_folder_and_is_known_by_its_weights(tmp_path: Path) -> None:
    folder = checkpoints.mask2former(tmp_path / "detector")
    judge = mask2former.load(str(folder), NAMES, "cpu", short=64)
    found = judge.detect(torch.rand(2, 3, 60, 80))
    assert len(found) == 2
    assert all(d.mask.shape == (60, 80) for row in found for d in row)
    assert judge.identity == mask2former.load(str(folder), NAMES, "cpu", short=64).identity
    with pytest.raises(ModelError, match="knows 80 classes, not the 3"):
        mask2former.load(str(folder), NAMES[:3], "cpu")


def test_colours_see_the_object_and_not_what_is_around_it(tmp_path: Path) -> None:
    judge = colours.load(checkpoints.clip(tmp_path), "cpu")
    mask = np.zeros((40, 40), bool)
    mask[10:30, 5:25] = True
    d = Detection("dog", 0.9, (5, 10, 25, 30), mask)
    picture = torch.rand(1, 3, 40, 40)
    other = torch.where(torch.from_numpy(mask), picture, torch.rand(1, 3, 40, 40))
    assert torch.equal(judge._crop(picture[0], d), judge._crop(other[0], d))
    (named,) = judge.colours(picture, [[d, d]])
    assert named[0] == named[1]
    assert named[0] in colours.COLOURS


@pytest.mark.parametrize("kind", ["blip", "qwen"])
def test_question_answerers_load_and_answer_each_question(kind: str, tmp_path: Path) -> None:
    judge = vqa.load(str(getattr(checkpoints, kind)(tmp_path / kind)), "cpu")
    pictures = torch.rand(2, 3, 60, 80)
    asked = [["is there a dog ?", "is there a red cat ?"], ["is there a cat ?"]]
    said = judge.answers(pictures, asked)
    assert [len(row) for row in said] == [2, 1]
    alone = [judge.answers(pictures[:1], [[q]])[0][0] for q in asked[0]]
    assert said[0] == alone  # padding to a longer question changes nothing


@pytest.mark.parametrize(
    ("text", "want"), [("Yes.", "yes"), (" yes\n", "yes"), ("yes it is", "yes it is"), ("No", "no")]
)
def test_answers_lose_their_punctuation(text: str, want: str) -> None:
    assert vqa.plain(text) == want


def test_what_cannot_be_fetched_says_what_to_download(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"download https://huggingface.co/some/detector .* --detector FOLDER"):
        mask2former.load("some/detector", NAMES, "cpu")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"--judge .*empty: cannot be loaded"):
        vqa.load(str(tmp_path / "empty"), "cpu")
    with pytest.raises(ModelError, match="open_clip knows no model nothing"):
        colours.load("nothing:openai", "cpu")
    (tmp_path / "bad.pt").write_text("no network")
    with pytest.raises(ModelError, match="is no Inception"):
        features.load("inception", "cpu", "clean", str(tmp_path / "bad.pt"))


@pytest.mark.parametrize("resizer", ["clean", "legacy_tensorflow"])
def test_inception_features_are_clean_fids(resizer: Any, tmp_path: Path) -> None:
    from cleanfid.inception_torchscript import InceptionV3W
    from cleanfid.resize import build_resizer

    path = checkpoints.inception(tmp_path)
    net = features.load("inception", "cpu", resizer, str(path))
    pictures = [torch.rand(3, 60, 80), torch.rand(3, 40, 40)]
    got = [net([p])[0] for p in pictures]
    for picture, own in zip(pictures, got, strict=True):
        pixels = (picture * 255).round().byte().permute(1, 2, 0).numpy()
        x = torch.from_numpy(np.asarray(build_resizer(resizer)(pixels), np.float32).transpose(2, 0, 1).copy())[None]
        base = InceptionV3W(str(tmp_path), download=False, resize_inside=resizer == "legacy_tensorflow").base
        want = base(x) if resizer == "legacy_tensorflow" else base.layers((x - 128) / 128)
        assert np.allclose(own, want.detach().numpy()[0], atol=1e-5)
