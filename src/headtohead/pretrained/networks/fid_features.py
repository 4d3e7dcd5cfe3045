"""The feature network for FID, trained on pictures alone (VICReg on two crops of a picture).

It uses neither captions nor attributes nor CLIP nor VAE, so it favours no design. It has few dimensions, so that a
Fréchet distance can be estimated from a hundred pictures.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headtohead.synthetic.dataset import pictures_of_step
from headtohead.synthetic.judge_net import Residual

ZOOM = 0.75  # the smallest crop, as a share of the side
INVARIANCE, VARIANCE, COVARIANCE = 25.0, 25.0, 1.0


class FeatureNet(nn.Module):
    """(B, 3, H, W) in [0, 1] -> (B, dim)."""

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64, 128), dim: int = 64) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        before = 3
        for k, width in enumerate(widths):
            blocks += [nn.Conv2d(before, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.SiLU()]
            blocks += [Residual(width)] if k else []
            before = width
        self.blocks = nn.Sequential(*blocks)
        self.project = nn.Linear(2 * before, dim)

    def forward(self, pictures: Tensor) -> Tensor:
        x = self.blocks(pictures * 2 - 1)
        features: Tensor = self.project(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1))
        return features


class Vicreg(nn.Module):
    """The feature network with the expander that only training uses."""

    def __init__(self, net: FeatureNet, width: int = 256) -> None:
        super().__init__()
        self.net = net
        dim = net.project.out_features
        self.expand = nn.Sequential(nn.Linear(dim, width), nn.BatchNorm1d(width), nn.SiLU(), nn.Linear(width, width))


def build(config: dict[str, Any]) -> FeatureNet:
    return FeatureNet(**config)


def view(pictures: Tensor) -> Tensor:
    """A random crop of each picture, mirrored in half of the cases, with slightly changed brightness."""
    b, device = len(pictures), pictures.device
    zoom = ZOOM + (1 - ZOOM) * torch.rand(b, device=device)
    shift = (2 * torch.rand(b, 2, device=device) - 1) * (1 - zoom)[:, None]
    mirror = torch.where(torch.rand(b, device=device) < 0.5, -1.0, 1.0)
    theta = torch.zeros(b, 2, 3, device=device)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = zoom * mirror, zoom, shift
    crop = F.grid_sample(pictures, F.affine_grid(theta, list(pictures.shape), align_corners=False), align_corners=False)
    light = 1 + 0.15 * (2 * torch.rand(b, 1, 1, 1, device=device) - 1)
    return (crop * light).clamp(0, 1)


def _spread(z: Tensor) -> tuple[Tensor, Tensor]:
    """VICReg's variance and covariance terms of embeddings (B, D)."""
    z = z - z.mean(0)
    variance = F.relu(1 - (z.var(0) + 1e-4).sqrt()).mean()
    covariance = z.T @ z / (len(z) - 1)
    off = covariance - torch.diag(covariance.diagonal())
    return variance, off.pow(2).sum() / z.shape[1]


def loss(model: nn.Module, seed: int, step: int, batch: int, device: str) -> dict[str, Tensor]:
    assert isinstance(model, Vicreg)
    pictures = pictures_of_step(seed, step, batch, device)
    both = model.expand(model.net(torch.cat([view(pictures), view(pictures)])))
    a, b = both.chunk(2)
    (va, ca), (vb, cb) = _spread(a), _spread(b)
    same = F.mse_loss(a, b)
    total = INVARIANCE * same + VARIANCE * (va + vb) / 2 + COVARIANCE * (ca + cb) / 2
    return {"loss": total, "same": same, "variance": va, "covariance": ca}
