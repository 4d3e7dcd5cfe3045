"""Scores that no head can exceed, by representation, measured with the embedded dataset's prompts and judge.

ceiling      true renders of the test prompts, encoded and decoded
oracle mean  the mean of the tokens of many renders of a prompt, decoded: what a perfect regression predicts
token noise  tokens of true renders with Gaussian noise, decoded: what is left when tokens are generated with an error

Where prompts pin every thing down, the oracle mean is nearly a true picture, and a regression can be as good as a flow.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from headtohead.config.presets import configure
from headtohead.config.run_config import CodecConfig, FoundationsConfig
from headtohead.eval.curve_points.prompts import SEED, PromptSet, prompt_set, wanted
from headtohead.eval.curve_points.real_pictures import RealPictures
from headtohead.eval.curve_points.score import score
from headtohead.eval.judges import pixels
from headtohead.eval.judges.pixels import PixelJudge
from headtohead.pretrained.image_tokens import Codec, ShippedClipTokens, VaeTokens
from headtohead.pretrained.making.recipes import TOWERS
from headtohead.records.ceilings import NOISES, RENDERS, Row
from headtohead.synthetic.render import render
from headtohead.synthetic.scenes import draw

MEANS = SEED + 3  # seed of the renders of which oracle means are made
WITH_NOISE = {"geneval": 240, "dpg": 60}  # pictures of a size of token noise, by benchmark


class Scorer:
    """Scores pictures of test prompts; as a set they are compared with independent renders of the same prompts.

    device    cpu or cuda
    pictures  how many by the name of a benchmark; when not given every prompt, and as a set those that a default run
              compares, so that distances are those of as many pictures
    """

    def __init__(self, device: str = "cpu", pictures: Mapping[str, int] | None = None) -> None:
        among = None if pictures else wanted(configure("clip_flow").evaluation, last=False)
        self.test, other = (
            prompt_set("test", s, pictures=pictures, among=among, device=device) for s in (SEED, SEED + 1)
        )
        self.judge: PixelJudge = pixels.load(device)
        self.real = RealPictures.of(self.test, other, device)

    def row(self, pictures: Tensor) -> Row:
        """Scores by metric of pictures (n, 3, H, W) in [0, 1], one for each prompt."""
        return {**score(self.test, pictures, self.judge, self.real).values, "n": len(pictures)}


def codecs(device: str = "cpu", towers: tuple[str, ...] = TOWERS) -> dict[str, Codec]:
    """The shipped VAE and CLIP towers as codecs, by the name of their representation."""
    sources = {"vae": VaeTokens(FoundationsConfig(), CodecConfig().patch)} | {t: ShippedClipTokens(t) for t in towers}
    return {name: source.load(device) for name, source in sources.items()}


def psnr(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio in decibels, a mean over images.

    a  (B, 3, H, W) in [0, 1]
    b  (B, 3, H, W) in [0, 1]
    """
    mse = (a - b).pow(2).flatten(1).mean(1).clamp(min=1e-10)
    return float((-10 * mse.log10()).mean())


def encoded(codec: Codec, pictures: Tensor, batch: int = 128) -> Tensor:
    """Tokens (B, N, D) of pictures (B, 3, H, W), encoded `batch` at a time."""
    return torch.cat([codec.encode(part) for part in pictures.split(batch)])


def decoded(codec: Codec, tokens: Tensor, batch: int = 128) -> Tensor:
    """Pictures (B, 3, H, W) of tokens (B, N, D), decoded `batch` at a time."""
    return torch.cat([codec.decode(part) for part in tokens.split(batch)])


def through(codec: Codec, pictures: Tensor) -> Tensor:
    """Pictures (B, 3, H, W), encoded and decoded."""
    return decoded(codec, encoded(codec, pictures))


def ceilings(scorer: Scorer, of: dict[str, Codec]) -> dict[str, Row]:
    """Scores of true renders, and of renders after the round trip through each codec, by name."""
    true = scorer.test.pictures
    trips = {"renders": true, **{name: through(codec, true) for name, codec in of.items()}}
    return {name: {**scorer.row(pictures), "psnr": psnr(pictures, true)} for name, pictures in trips.items()}


def mean_tokens(test: PromptSet, of: dict[str, Codec], renders: int = RENDERS) -> dict[str, Tensor]:
    """For each codec, the mean token arrays (n, N, D) of each item's prompt over independent scenes that fulfil it.

    test     items; those of one prompt share the mean
    of       codecs by name
    renders  scenes of a prompt
    """
    first: dict[str, int] = {}
    place = [first.setdefault(item.prompt, len(first)) for item in test.items]
    means: dict[str, list[Tensor]] = {name: [] for name in of}
    for k, prompt in enumerate(first):
        request = next(item.request for item in test.items if item.prompt == prompt)
        index = np.arange(k * renders, (k + 1) * renders)
        pictures = render(draw(MEANS, index, request=request, held_out=True), str(test.pictures.device))
        for name, codec in of.items():
            means[name].append(codec.encode(pictures).mean(0))
    return {name: torch.stack(rows)[place] for name, rows in means.items()}


def oracle_means(scorer: Scorer, of: dict[str, Codec]) -> dict[str, Row]:
    """Scores of the decoded means of each codec's tokens, by name."""
    return {name: scorer.row(decoded(of[name], t)) for name, t in mean_tokens(scorer.test, of).items()}


def token_noise(scorer: Scorer, of: dict[str, Codec]) -> dict[str, dict[str, Row]]:
    """Scores of true renders whose tokens carry noise, by codec and by the noise's size relative to the tokens'."""
    out: dict[str, dict[str, Row]] = {}
    for name, codec in of.items():
        tokens = encoded(codec, scorer.test.pictures)
        generator = torch.Generator().manual_seed(SEED)
        noise = torch.randn(tokens.shape, generator=generator).to(tokens) * tokens.std()
        out[name] = {f"{size:g}": scorer.row(decoded(codec, tokens + size * noise)) for size in NOISES}
    return out
