"""The query encoder: prompt-once equals the plain pass, batches equal prompts one at a time."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from headtohead.config.run_config import QueryConfig
from headtohead.models.query_encoder import QueryEncoder


def encode(texts: list[str]) -> tuple[Tensor, Tensor]:
    rows = [[1, *(3 + ord(c) % 40 for c in text), 2] for text in texts]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    return ids, (ids != 0).long()


def encoder(trained: bool = False) -> QueryEncoder:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64,
    )  # fmt: skip
    return QueryEncoder(LlamaForCausalLM(config).double(), encode, QueryConfig(number=5, std=1.0), trained).double()


TEXTS = ["a red star", "two moons and a small blue circle", "ring"]


def test_prompt_once_equals_the_plain_pass_in_value_and_gradient() -> None:
    frozen, weight = encoder(), torch.randn(3, 5, 32, dtype=torch.float64)
    ids, mask = encode(TEXTS)
    gradients = []
    for pass_ in (frozen._whole, lambda ids, mask: frozen.read([(ids, mask)])):
        frozen.queries.grad = None
        states = pass_(ids, mask)
        (states * weight).sum().backward()
        gradients.append((states.detach(), frozen.queries.grad.clone()))
    for whole, once in zip(*gradients, strict=True):
        assert torch.allclose(whole, once, atol=1e-10, rtol=0)


@pytest.mark.parametrize("trained", [False, True])
def test_a_batch_of_mixed_lengths_equals_one_at_a_time(trained: bool) -> None:
    model = encoder(trained)
    together = model(TEXTS).states
    for k, text in enumerate(TEXTS):
        assert torch.allclose(together[k], model([text]).states[0], atol=1e-10, rtol=0)


def test_only_a_trained_backbone_learns() -> None:
    for trained in (False, True):
        model = encoder(trained)
        model.train()
        model(TEXTS).states.sum().backward()
        learns = [p.grad is not None for n, p in model.model.named_parameters() if "lm_head" not in n]
        assert all(learns) if trained else not any(learns)
        assert model.queries.grad is not None
        assert model.model.training is trained


def test_the_template_is_used_and_has_to_have_a_place_for_the_caption() -> None:
    assert not torch.equal(encoder()(["a star"]).states, encoder()(["draw a star"]).states)
    with pytest.raises(ValueError, match=r"query\.template"):
        QueryConfig(number=5, template="draw it")
