"""What a frozen language model makes of captions, kept in a file: the same states, whatever batch they are read in."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from headtohead.models import kept_prompts
from headtohead.models.query_encoder import QueryEncoder
from tests.models.test_query_encoder import encoder

CAPTIONS = ["a", "a longer one", "b", "a", "the longest of all of these captions", "c d"]


def kept(net: QueryEncoder, folder: Path) -> kept_prompts.KeptPrompts:
    path = folder / "new" / "kept.safetensors"
    assert kept_prompts.write(path, CAPTIONS, net.tokens, net.prompt)
    return kept_prompts.KeptPrompts(path)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_kept_prompts_give_the_states_that_the_model_computes(dtype: torch.dtype, tmp_path: Path) -> None:
    net = encoder()
    net.model.to(dtype)
    computed = net(CAPTIONS)
    computed.states.square().mean().backward()
    gradient, net.queries.grad = net.queries.grad, None
    net.kept = kept(net, tmp_path)
    read = net(CAPTIONS)
    read.states.square().mean().backward()
    assert torch.allclose(read.states, computed.states, atol=1e-10 if dtype == torch.float64 else 0.03, rtol=0)
    assert gradient is not None
    assert net.queries.grad is not None
    assert torch.nn.functional.cosine_similarity(gradient.flatten(), net.queries.grad.flatten(), dim=0) > 0.999


def test_what_is_read_does_not_depend_on_the_batch_or_on_the_order_of_captions(tmp_path: Path) -> None:
    net = encoder()
    one = kept(net, tmp_path)
    found = one.read(CAPTIONS)
    assert found is not None
    layers, mask = found
    for row, caption in enumerate(CAPTIONS):
        alone = one.read([caption])
        assert alone is not None
        n = int(mask[row].sum())
        assert n == alone[1].sum() == alone[1].numel()
        for (k, v), (own_k, own_v) in zip(layers, alone[0], strict=True):
            assert torch.equal(k[row : row + 1, :, :n], own_k)
            assert torch.equal(v[row : row + 1, :, :n], own_v)
            assert not k[row, :, n:].any()
            assert not v[row, :, n:].any()


def test_a_batch_with_a_caption_that_is_not_kept_is_computed(tmp_path: Path) -> None:
    net = encoder()
    others = ["a", "never seen"]
    computed = net(others)
    net.kept = kept(net, tmp_path)
    assert net.kept.read(others) is None
    assert torch.equal(net(others).states, computed.states)


def test_nothing_is_kept_that_takes_too_much_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_prompts, "MOST", 100)
    net = encoder()
    assert not kept_prompts.write(tmp_path / "kept.safetensors", CAPTIONS, net.tokens, net.prompt)
    assert not list(tmp_path.iterdir())
