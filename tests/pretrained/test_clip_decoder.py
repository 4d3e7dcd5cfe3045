"""The decoder knows where a token lies, and training can put noise on tokens."""

from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DConditionModel

from headtohead.pretrained.making.recipes import RECIPES
from headtohead.pretrained.networks import clip_decoder


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return clip_decoder.build(RECIPES["decoder_clip"].config["unet"])


def test_tokens_in_another_order_are_another_picture(unet: UNet2DConditionModel) -> None:
    torch.manual_seed(1)
    tokens, x, sigma = torch.randn(2, 16, 192), torch.randn(2, 4, 8, 8), torch.ones(2)
    with torch.no_grad():
        one, other = (clip_decoder.velocity(unet, x, sigma, t) for t in (tokens, tokens.flip(1)))
    assert not torch.allclose(one, other, atol=1e-3)


def test_every_place_has_a_code_of_its_own_and_what_is_no_grid_is_refused() -> None:
    for number, width in ((16, 192), (64, 1792), (4, 10)):
        code = clip_decoder.places(number, width)
        assert code.shape == (number, width)
        away = torch.cdist(code, code) + 10 * torch.eye(number)
        assert away.min() > 0.5
    with pytest.raises(ValueError, match="12 tokens form no square grid"):
        clip_decoder.places(12, 192)


def test_noise_on_tokens_changes_the_loss_and_none_leaves_it(unet: UNet2DConditionModel) -> None:
    torch.manual_seed(1)
    latents, tokens = torch.randn(8, 4, 8, 8), torch.randn(8, 16, 192)

    def lost(**more: float) -> float:
        torch.manual_seed(2)
        return float(clip_decoder.loss(unet, latents, tokens, **more)["loss"].detach())

    assert lost() == lost(noise=0.0)
    assert lost() != lost(noise=0.5)
