"""References: their damage is remembered, and what is no number never becomes one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from on_disk import Place, geneval_folder, save
from torch import Tensor

from headtohead.eval.__main__ import main
from headtohead.eval.folders import layouts, references, score_sets
from headtohead.eval.folders.images import FolderError
from headtohead.eval.folders.resume import How
from headtohead.eval.judges.features import Features
from headtohead.pretrained.loading.by_name import Identity

QUIET = How(4, None, True)


class Means(Features):
    """Two dimensions; NaN for pictures that are black."""

    def __call__(self, pictures: Sequence[Tensor]) -> NDArray[np.float64]:
        rows = [[float(p.mean()), float(p.std())] for p in pictures]
        return np.array([row if row[0] else [np.nan, 0.0] for row in rows])


@pytest.fixture
def net() -> Means:
    return Means("inception", "clean", Identity("means", "0"), lambda p: p, lambda p: p, "cpu")


def pictures(folder: Path, number: int = 6) -> Path:
    for k in range(number):
        save(folder / f"{k}.png", 16)
    return folder


def black(path: Path) -> None:
    from torchvision.utils import save_image

    save_image(torch.zeros(3, 16, 16), path)


def test_damage_in_a_reference_is_remembered(net: Means, tmp_path: Path) -> None:
    place = pictures(tmp_path / "r")
    (place / "3.png").write_bytes(b"damaged")
    (place / "9.jpg").mkdir()
    found = layouts.mjhq(pictures(tmp_path / "made"))
    for _ in range(2):
        result = score_sets.score_fid(found, place, net, cache=tmp_path / "cache", how=QUIET, resamples=0)
        assert [line.split(": ")[1][:12] for line in result.troubles] == ["is a folder,", "is not a pic"]
        assert result.reference["n"] == 5
    (saved,) = (tmp_path / "cache").iterdir()
    assert len(references.load(saved, net).troubles) == 2


def test_the_same_pictures_in_other_categories_are_another_reference(net: Means, tmp_path: Path) -> None:
    keys = set()
    root = pictures(tmp_path / "r" / "food").parent
    keys.add(references.key_of(layouts.mjhq(root), net, QUIET))
    (root / "food").rename(root / "art")
    keys.add(references.key_of(layouts.mjhq(root), net, QUIET))
    assert len(keys) == 2


def test_cut_statistics_are_worked_out_again(net: Means, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place, cache = pictures(tmp_path / "r"), tmp_path / "cache"
    first = references.reference(place, net, cache, QUIET)
    (saved,) = cache.iterdir()
    saved.write_bytes(saved.read_bytes()[:-8])
    again = references.reference(place, net, cache, QUIET)
    assert f"{saved}: holds no statistics of this program" in capsys.readouterr().err
    assert np.array_equal(first.parts[""].mean, again.parts[""].mean)
    with pytest.raises(FolderError, match=r"--reference .*nowhere.safetensors: no such file"):
        references.load(tmp_path / "nowhere.safetensors", net)


def test_features_that_are_no_numbers_are_named(net: Means, tmp_path: Path) -> None:
    place, made = pictures(tmp_path / "r"), pictures(tmp_path / "made")
    black(made / "0.png")
    result = score_sets.score_fid(layouts.mjhq(made), place, net, cache=tmp_path / "c", how=QUIET, resamples=0)
    assert result.troubles == [f"{made}/0.png: its features are not finite"]
    assert result.n["fid"] == 5
    for k in range(6):
        black(place / f"{k}.png")
    with pytest.raises(FolderError, match="none of 6 pictures has features"):
        score_sets.score_fid(layouts.mjhq(made), place, net, cache=tmp_path / "d", how=QUIET, resamples=0)
    assert not list((tmp_path / "d").glob("*.safetensors"))  # nothing was kept of it
    prompts = geneval_folder(tmp_path / "g", samples=3)
    for k in range(2):
        black(prompts / "00001" / "samples" / f"{k:04d}.png")
    listed = layouts.geneval(prompts)
    result = score_sets.score_diversity(listed, net, None, QUIET)
    assert [row["id"] for row in result.prompts] == ["00000", "00002"]
    assert len(result.troubles) == 2


def test_a_category_without_a_distance_is_said(net: Means, tmp_path: Path) -> None:
    root = pictures(tmp_path / "r" / "food").parent
    made = pictures(tmp_path / "m" / "food").parent
    save(made / "art" / "a.png")
    result = score_sets.score_fid(layouts.mjhq(made), root, net, cache=tmp_path / "c", how=QUIET, resamples=0)
    assert set(result.scores) == {"fid", "food"}
    assert "art: no distance, of 1 pictures to 0 of the reference's" in result.notes


def test_what_takes_long_is_watched(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = [a for a in place.fid(place.root / "mjhq", tmp_path, "--draws", "3") if a != "--quiet"]
    assert main(asked) == 0
    told = capsys.readouterr().err
    for doing in ("reading: 100%", "seeing: 100%", "interval: 100%"):
        assert doing in told
    assert main([*asked, "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    assert main([a for a in place.diversity("--out", tmp_path / "d.json") if a != "--quiet"]) == 0
    assert "6/6" in capsys.readouterr().err
    assert json.loads((tmp_path / "d.json").read_text())["n"] == {"mean pairwise distance": 6}
