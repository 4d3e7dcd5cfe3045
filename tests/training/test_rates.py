"""Learning rates: one for all weights, or a lower one for a language model that learns along."""

from __future__ import annotations

import pytest
import torch

from headtohead.config.presets import configure
from headtohead.models.build import assemble
from headtohead.training.lightning_module import DesignModule
from tests.support.small import SMALL


@pytest.mark.parametrize(
    ("backbone", "own", "rates"),
    [("trained", 0.001, [0.01, 0.001]), ("trained", 0.0, [0.01]), ("frozen", 0.001, [0.01])],
)
def test_a_language_model_that_learns_along_may_have_a_rate_of_its_own(
    backbone: str, own: float, rates: list[float]
) -> None:
    given = {
        "design.backbone": backbone, "train.optimizer": "adamw", "train.lr": 0.01, "train.lr_language": own
    }  # fmt: skip
    parts = assemble(config := configure("vae_flow", overrides={**SMALL, **given}), "cpu")
    module = DesignModule(parts.generator, config, parts.target)
    optimizer: torch.optim.Optimizer = module.configure_optimizers()["optimizer"]
    assert [group["initial_lr"] for group in optimizer.param_groups] == rates
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    assert {id(p) for p in weights} == {id(p) for p in parts.generator.trained().values()}
    assert len(weights) == len(parts.generator.trained())
    if len(rates) > 1:
        language = {id(p) for p in parts.generator.queries.model.parameters() if p.requires_grad}
        assert {id(p) for p in optimizer.param_groups[1]["params"]} == language
