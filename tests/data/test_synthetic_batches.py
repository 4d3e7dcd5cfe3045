"""Training data: encoded once per key, every picture once an epoch, resumable at any step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from headtohead.data.synthetic_batches import Source, Steps, encoded


def steps(start: int = 0, seed: int = 1) -> Steps:
    tokens = torch.arange(40.0).reshape(40, 1, 1)
    return Steps(tokens, seed=seed, batch=8, start=start, stop=12, dense=0.5)


def test_a_run_resumes_at_any_step() -> None:
    whole = list(steps())
    for k, batch in enumerate(steps(start=7)):
        assert batch.captions == whole[7 + k].captions
        assert torch.equal(batch.x_1, whole[7 + k].x_1)
    assert not torch.equal(whole[0].x_1, next(iter(steps(seed=2))).x_1)


def test_an_epoch_shows_every_picture_once_and_the_next_in_another_order() -> None:
    rows = [steps().rows(k)[1] for k in range(10)]
    assert sorted(np.concatenate(rows[:5])) == list(range(40))
    assert sorted(np.concatenate(rows[5:])) == list(range(40))
    assert not np.array_equal(np.concatenate(rows[:5]), np.concatenate(rows[5:]))


def test_a_picture_has_the_same_two_captions_in_every_run_shown_in_turn() -> None:
    told = []
    for seed, epoch in ((1, 0), (1, 1), (1, 2), (2, 0)):
        data = Steps(torch.zeros(40, 1, 1), seed=seed, batch=8, start=0, stop=20, dense=0.5)
        told.append(
            {
                int(r): c
                for k in range(5 * epoch, 5 * epoch + 5)
                for r, c in zip(data.rows(k)[1], data.at(k)[0], strict=True)
            }
        )
    first, second, third, other_seed = told
    assert first == third == other_seed
    assert sum(first[r] != second[r] for r in first) > 30


def test_pictures_are_encoded_once_per_encoder_and_number(tmp_path: Path) -> None:
    calls = []

    def encode(pictures: Tensor) -> Tensor:
        calls.append(len(pictures))
        return pictures.mean((2, 3))[:, None]

    def get(encoder: str, number: int) -> Tensor:
        return encoded(Source(encoder, number), encode, tmp_path, "cpu", lambda line: None)

    first = get("a", 300)
    assert torch.equal(first, get("a", 300))
    assert calls == [64, 64, 64, 64, 44]
    get("b", 300)
    get("a", 10)
    assert calls == 2 * [64, 64, 64, 64, 44] + [10]
    assert torch.equal(get("a", 10), first[:10])


def test_a_batch_larger_than_the_data_is_refused() -> None:
    with pytest.raises(ValueError, match=r"train\.batch=8"):
        Steps(torch.zeros(4, 1, 1), seed=0, batch=8, start=0, stop=1, dense=0.5)
