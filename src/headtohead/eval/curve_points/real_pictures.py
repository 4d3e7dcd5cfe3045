"""What a point's pictures are compared with as a set: true pictures of the same prompts, in several feature spaces.

Every point of a run compares pictures of the same prompts, the last one too, although it paints more: a Fréchet
distance depends on which prompts are asked and on how many. One distance can fall while others rise, so the ratio of a
distance to that of as many true pictures is averaged over spaces, none of which has seen a caption.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headtohead.eval.curve_points.prompts import PromptSet
from headtohead.eval.judges import pixels
from headtohead.eval.metrics.fid import FrechetDistance, Reference
from headtohead.eval.metrics.precision_recall import NEIGHBOURS, PrecisionRecall
from headtohead.pretrained.loading import shipped

Array = NDArray[np.float64]
Net = Callable[[Tensor], Tensor]  # (B, 3, H, W) in [0, 1] -> (B, d)
FIRST = "shipped"  # the space of `fid`, precision and recall


def spaces(device: str) -> dict[str, Net]:
    """The feature network, the tower that was trained without captions, and the judge's network."""
    tower, judge = shipped.tower("clip_blind", device), pixels.load(device)
    return {
        FIRST: shipped.feature_net(device),
        "tower": lambda pictures: tower.encode(pictures).mean(1),
        "judge": judge.net.features,
    }


@torch.no_grad()
def features_of(pictures: Tensor, net: Net, batch: int = 128) -> Array:
    """Features (B, d) in double precision, for Fréchet distances.

    pictures  (B, 3, H, W) in [0, 1]
    net       feature network
    batch     images in a forward pass
    """
    return torch.cat([net(part) for part in pictures.split(batch)]).double().cpu().numpy()


@dataclass(frozen=True)
class Space:
    """True pictures in a feature space.

    net    the space
    real   (n, d) features of true pictures of the prompts
    other  (n, d) of as many others
    """

    net: Net
    real: Array
    other: Array

    @cached_property
    def reference(self) -> Reference:
        return Reference.of(self.real)

    @cached_property
    def validation(self) -> float:
        """The distance between two sets of true pictures, which no generator can be expected to go below."""
        return self.reference.distance(self.other)


@dataclass(frozen=True)
class RealPictures:
    """True pictures of a point's prompts in every space, and the rows of the point's pictures to compare with them."""

    rows: NDArray[np.int64]
    by_space: dict[str, Space]

    @staticmethod
    def of(test: PromptSet, other: PromptSet, device: str) -> RealPictures:
        """
        test   the prompts of a point with true pictures of them
        other  the same prompts with others
        """
        among = test.compared[test.rendered]
        real, more = (s.pictures[torch.from_numpy(among)] for s in (other, test))
        nets = spaces(device)
        return RealPictures(
            np.flatnonzero(test.compared),
            {name: Space(net, features_of(real, net), features_of(more, net)) for name, net in nets.items()},
        )

    def values(self, pictures: Tensor) -> dict[str, float]:
        """FID, the mean ratio of distances (`fdr`) with its parts, precision and recall of a point's pictures."""
        own = pictures[torch.from_numpy(self.rows).to(pictures.device)]
        made = {name: features_of(own, space.net) for name, space in self.by_space.items()}
        distances = {name: _distance(space.reference, made[name]) for name, space in self.by_space.items()}
        ratios = {name: distances[name] / space.validation for name, space in self.by_space.items()}
        out = {"fid": distances[FIRST], "fdr": float(np.mean(list(ratios.values())))}
        out |= {f"fdr/{name}": ratio for name, ratio in ratios.items()}
        if len(self.rows) > NEIGHBOURS:
            both = PrecisionRecall(self.by_space[FIRST].real, sync_on_compute=False)
            both.update(made[FIRST])
            out |= both.values()
        return out


def _distance(reference: Reference, features: Array) -> float:
    distance = FrechetDistance(reference, sync_on_compute=False)
    distance.update(features)
    return float(distance.compute())
