"""The protocol of objectives: loss, held-out loss and sampler side by side, on a target of the objective's own type.

An objective wraps a head's network. It is made as `objective(network, head, grid)`: the network, the head's settings,
and the grid of image tokens; an objective whose ObjectiveSpec declares settings of its own gets them as a fourth
argument. It alone knows the target's type and precision, and draws its own noise.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

from torch import Tensor

from headtohead.config.run_config import Sampling
from headtohead.models.objectives.noise import Draws
from headtohead.utils.tensor_shapes import Condition, Target

T = TypeVar("T", bound=Target)


class Objective(Protocol[T]):
    stochastic: bool  # whether samples of one prompt differ, so that guidance, solver and steps matter

    def loss(self, target: T, condition: Condition, draws: Draws) -> Tensor:
        """Mean training loss of a batch, a scalar.

        target     image tokens of the batch's pictures, B rows
        condition  states (B, Q, W) of the prompts
        draws      random numbers for these rows
        """
        ...

    def held_out(self, target: T, condition: Condition, draws: Draws) -> dict[str, float]:
        """Loss on data that is not trained on, by part (a flow's: by t); arguments as of `loss`."""
        ...

    def sample(self, condition: Condition, draws: Draws, how: Sampling) -> T:
        """Tokens for a condition.

        condition  states (B, Q, W) of the prompts
        draws      random numbers for these rows
        how        number of steps, guidance scale and solver
        """
        ...
