"""Nothing outside an objective assumes the type of its target: codes and answers train through the same step."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from headtohead.config.presets import configure
from headtohead.config.run_config import QueryConfig, Sampling
from headtohead.data.synthetic_batches import StepBatch
from headtohead.eval.curve_points.held_out_loss import HeldOut, losses
from headtohead.models.generator import Generator
from headtohead.models.objectives.noise import Draws
from headtohead.models.query_encoder import QueryEncoder
from headtohead.models.sampling import sample
from headtohead.training.lightning_module import DesignModule
from headtohead.utils.tensor_shapes import CodeGrid, Condition, DiscreteCodes, TextAnswers

GRID = CodeGrid(2, 2, 11)  # four tokens out of eleven codes
PAD = 0


class MaskedCodes(nn.Module):
    """Masked prediction of codes: a token is hidden with probability t, and predicted from the condition."""

    stochastic = True

    def __init__(self, width: int) -> None:
        super().__init__()
        self.logits = nn.Linear(width, GRID.channels)

    def loss(self, target: DiscreteCodes, condition: Condition, draws: Draws) -> Tensor:
        hidden = draws.uniform(GRID.tokens) < 0.1 + 0.9 * draws.uniform(1)
        each = F.cross_entropy(self.logits(condition.states).transpose(1, 2), target.tokens, reduction="none")
        return (each * hidden).sum() / hidden.sum().clamp(min=1)

    def held_out(self, target: DiscreteCodes, condition: Condition, draws: Draws) -> dict[str, float]:
        return {"codes": float(self.loss(target, condition, draws))}

    def sample(self, condition: Condition, draws: Draws, how: Sampling) -> DiscreteCodes:
        gumbel = -(-draws.uniform(GRID.tokens, GRID.channels).clamp(1e-9).log()).log()
        return DiscreteCodes((self.logits(condition.states) + gumbel).argmax(-1))


class Answers(nn.Module):
    """Cross-entropy of answers, one token a query."""

    stochastic = False

    def __init__(self, width: int) -> None:
        super().__init__()
        self.logits = nn.Linear(width, 64)

    def loss(self, target: TextAnswers, condition: Condition, draws: Draws) -> Tensor:
        each = F.cross_entropy(self.logits(condition.states).transpose(1, 2), target.tokens, reduction="none")
        return (each * target.mask).sum() / target.mask.sum()

    def held_out(self, target: TextAnswers, condition: Condition, draws: Draws) -> dict[str, float]:
        return {"answers": float(self.loss(target, condition, draws))}

    def sample(self, condition: Condition, draws: Draws, how: Sampling) -> TextAnswers:
        tokens = self.logits(condition.states).argmax(-1)
        return TextAnswers(tokens, tokens != PAD)


def encode(texts: list[str]) -> tuple[Tensor, Tensor]:
    ids = torch.tensor([[1, 3 + len(text) % 40, 2] for text in texts])
    return ids, torch.ones_like(ids)


def generator(kind: type[nn.Module]) -> Generator:
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=64, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=64,
    ))  # fmt: skip
    return Generator(QueryEncoder(model, encode, QueryConfig(number=GRID.tokens), False), kind(16))


TARGETS = {MaskedCodes: GRID.target, Answers: lambda tokens: TextAnswers(tokens, tokens != PAD)}


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("kind", TARGETS)
def test_codes_and_answers_go_through_the_training_step_and_the_held_out_loss(
    kind: type[nn.Module], precision: str
) -> None:
    net, config = generator(kind), configure("clip_flow", overrides={"compute.precision": precision})
    module = DesignModule(net, config, TARGETS[kind])
    module.log = lambda *_, **__: None  # type: ignore[method-assign, assignment]
    captions, tokens = [f"{'a' * k} star" for k in range(8)], torch.randint(1, 11, (8, GRID.tokens))
    tokens[:, 3] = PAD
    optimizer, values = torch.optim.Adam(net.trained().values(), 0.05), []
    for _ in range(30):
        loss = module.training_step(StepBatch(captions, tokens), 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(float(loss.detach()))
    assert values[-1] < 0.6 * values[0]
    held = losses(config, net, HeldOut(captions, TARGETS[kind](tokens)), "cpu")
    part = "codes" if kind is MaskedCodes else "answers"
    gains = [f"gain/{way}" for over in ("shuffled", "none") for way in (over, f"{over}/{part}")]
    assert list(held) == [f"loss/{part}", *gains, "gain/share"]
    assert 0 < held[f"loss/{part}"] < 2 * values[0]
    assert held["gain/shuffled"] == held[f"gain/shuffled/{part}"]
    drawn = sample(net, captions[:2], Sampling(), seed=1, numbers=[5, 6])
    assert (drawn.shape, drawn.dtype) == ((2, GRID.tokens), torch.long)
    assert torch.equal(sample(net, captions[1:2], Sampling(), seed=1, numbers=[6])[0], drawn[1])
