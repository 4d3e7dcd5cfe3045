"""Train the pretrained models: each stage trains one and stores its weights with a card."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from headtohead.pretrained.loading import shipped, weight_files
from headtohead.pretrained.making import train_clip, train_judge
from headtohead.pretrained.making.loop import Fitted, fit
from headtohead.pretrained.making.recipes import RECIPES, Recipe, recipe_hash
from headtohead.pretrained.networks import clip_decoder, fid_features, image_encoders, small_llama, vae
from headtohead.synthetic.dataset import pictures_of_step
from headtohead.synthetic.render import render
from headtohead.synthetic.scenes import draw
from headtohead.synthetic.splits import PICTURES
from headtohead.utils import compute, files

MEASURED = 2048  # pictures from which statistics of latents and tokens are taken
ENCODED = 256  # pictures encoded at a time


@dataclass(frozen=True)
class Stage:
    """Training of one pretrained model.

    name    of the model
    recipe  architecture, budget and seeds
    work    folder of the training's state
    folder  of the weights
    device  cpu or cuda
    say     prints a line
    """

    name: str
    recipe: Recipe
    work: Path
    folder: Path
    device: str
    say: Callable[[str], None]

    def train(self, model: nn.Module, loss: Callable[[nn.Module, int, int, int, str], dict[str, Tensor]]) -> Fitted:
        """Train a model by a loss of the form (model, stream seed, step, batch, device)."""
        r = self.recipe
        return fit(
            self.name,
            model,
            lambda m, step, device: loss(m, r.stream, step, r.budget.batch, device),
            r.budget,
            seed=r.seed,
            work=self.work,
            device=self.device,
            say=self.say,
        )


Made = tuple[dict[str, Tensor], Fitted | None]  # tensors of the weights file; None where nothing is trained


def _judge(stage: Stage) -> Made:
    fitted = stage.train(train_judge.build(stage.recipe.config), train_judge.loss)
    return fitted.model.state_dict(), fitted


def _tokenizer(stage: Stage) -> Made:
    stage.folder.mkdir(parents=True, exist_ok=True)
    small_llama.train(stage.recipe.config["vocab_size"], stage.recipe.stream).save(str(stage.folder / small_llama.FILE))
    return {}, None


def _vae(stage: Stage) -> Made:
    model = vae.build(stage.recipe.config).to(memory_format=torch.channels_last)
    fitted = stage.train(model, vae.loss)
    trained: Any = fitted.model
    pictures = pictures_of_step(stage.recipe.stream + 1, 0, MEASURED, stage.device)
    with torch.no_grad():
        latents = torch.cat([trained.encode(p * 2 - 1).latent_dist.mean for p in pictures.split(ENCODED)])
    statistics = {"shift_factor": latents.mean(), "scaling_factor": 1 / latents.std()}
    return {**fitted.model.state_dict(), **statistics}, fitted


def _features(stage: Stage) -> Made:
    model = fid_features.Vicreg(fid_features.build(stage.recipe.config))
    fitted = stage.train(model, fid_features.loss)
    learnt = fitted.model.state_dict()
    return {k.removeprefix("net."): v for k, v in learnt.items() if k.startswith("net.")}, fitted


def _language(stage: Stage) -> Made:
    fitted = stage.train(small_llama.build(stage.recipe.config), small_llama.loss)
    state = fitted.model.state_dict()
    state.pop("lm_head.weight", None)  # tied to the embedding
    return state, fitted


def _with_pixel_head(stage: Stage) -> train_clip.WithPixelHead:
    return train_clip.WithPixelHead(image_encoders.build(stage.recipe.config))


def _tower_tensors(stage: Stage, model: nn.Module) -> dict[str, Tensor]:
    """The tower with its channels' statistics, without the captioner and the pixel head, which only training uses."""
    assert isinstance(model, train_clip.WithPixelHead)
    tower = image_encoders.ClipTower(model.coca).to(stage.device).eval()
    tower.measure(pictures_of_step(stage.recipe.stream + 1, 0, MEASURED, stage.device))
    return {k: v for k, v in tower.state_dict().items() if not k.startswith("model.text_decoder.")}


def _clip_blind(stage: Stage) -> Made:
    fitted = stage.train(_with_pixel_head(stage), train_clip.pictures_loss)
    tensors = _tower_tensors(stage, fitted.model)
    # Its text side is untrained and left out. The next stage continues with the pixel head.
    seen = {k: v for k, v in tensors.items() if "visual." in k or k in ("mean", "std")}
    return {**seen, **{k: v for k, v in fitted.model.state_dict().items() if k.startswith("tell.")}}, fitted


def _clip(stage: Stage) -> Made:
    model = _with_pixel_head(stage)
    before = weight_files.tensors("clip_blind", stage.folder)
    model.tell.load_state_dict({k.removeprefix("tell."): v for k, v in before.items() if k.startswith("tell.")})
    tower = {k.removeprefix("model."): v for k, v in before.items() if k.startswith("model.")}
    model.coca.load_state_dict(tower, strict=False)
    fitted = stage.train(model, train_clip.captions_loss)
    return _tower_tensors(stage, fitted.model), fitted


def _clip_untrained(stage: Stage) -> Made:
    """Not trained; only its batch norms collect statistics of pictures."""
    model = _with_pixel_head(stage)
    with torch.no_grad():
        for step in range(50):
            model.coca.visual.conv1(pictures_of_step(stage.recipe.stream, step, 64) * 2 - 1)
    tensors = _tower_tensors(stage, model)
    return {k: v for k, v in tensors.items() if "running_" in k or k in ("mean", "std")}, None


def _decoder(stage: Stage) -> Made:
    """Train a decoder from a tower's tokens to the VAE's latents, both computed once."""
    _, tower_name = stage.recipe.needs
    autoencoder = shipped.vae(stage.device, stage.folder)
    tower = shipped.tower(tower_name, stage.device, stage.folder)
    r, number = stage.recipe, stage.recipe.config["pictures"]
    hiding = r.terms or {}
    latents = _cached(stage, "vae", number, autoencoder.encode)
    tokens = _cached(stage, tower_name, number, tower.encode)

    def loss(model: nn.Module, stream: int, step: int, batch: int, device: str) -> dict[str, Tensor]:
        epoch, at = divmod(step * batch, number - number % batch)
        order = np.random.default_rng((stream, epoch)).permutation(number)
        rows = torch.from_numpy(order[at : at + batch])
        return clip_decoder.loss(model, latents[rows].float().to(device), tokens[rows].float().to(device), **hiding)

    fitted = stage.train(clip_decoder.build(r.config["unet"]), loss)
    one = pictures_of_step(r.stream, 0, 1, stage.device)
    fitted.flops += number * compute.flops(lambda: (tower.encode(one), autoencoder.encode(one)))
    return fitted.model.state_dict(), fitted


@torch.no_grad()
def _cached(stage: Stage, name: str, number: int, encode: Callable[[Tensor], Tensor]) -> Tensor:
    """Encodings of the stage's pictures in half precision, cached for all stages that need them.

    name    of the encoder
    number  of pictures
    """
    path = stage.work.parent / f"{name}-{recipe_hash(name)}-{stage.recipe.stream}-{number}.pt"
    if path.exists():
        cached: Tensor = torch.load(path, weights_only=True, mmap=True)
        return cached
    stage.say(f"{stage.name}: encoding {number:,} pictures with {name}")
    parts = []
    for start in range(0, number, ENCODED):
        index = np.arange(start, min(start + ENCODED, number))
        pictures = render(draw(stage.recipe.stream, index, held=PICTURES), stage.device)
        parts.append(encode(pictures).half().cpu())
    out = torch.cat(parts)
    with files.beside(path) as part:  # another decoder may be trained at the same time
        torch.save(out, part)
    return out


STAGES: dict[str, Callable[[Stage], Made]] = {
    "judge": _judge,
    "tokenizer": _tokenizer,
    "vae": _vae,
    "features": _features,
    "language": _language,
    "clip_blind": _clip_blind,
    "clip": _clip,
    "clip_untrained": _clip_untrained,
    "decoder_clip": _decoder,
    "decoder_clip_blind": _decoder,
    "decoder_clip_untrained": _decoder,
}


def current(name: str, folder: Path = weight_files.WEIGHTS) -> bool:
    """Whether the stored weights were made by the present recipe."""
    try:
        return bool(weight_files.card(name, folder)["recipe_hash"] == recipe_hash(name))
    except FileNotFoundError:
        return False


def thinned(history: list[dict[str, float]], rows: int = 20) -> list[dict[str, float]]:
    """The first and the last row of a training's log, and evenly spaced ones between."""
    return [history[k] for k in sorted(set(np.linspace(0, len(history) - 1, rows).astype(int).tolist()))]


def make(
    name: str, *, work: Path, device: str, say: Callable[[str], None], folder: Path = weight_files.WEIGHTS
) -> bool:
    """Train and store one model unless it is up to date; returns whether it was trained.

    name    of a recipe
    work    folder of the states of unfinished trainings
    device  cpu or cuda
    say     prints a line
    folder  of the weights
    """
    if current(name, folder):
        return False
    recipe = RECIPES[name]
    stage = Stage(name, recipe, work / recipe_hash(name), folder, device, say)
    stage.work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    started = time.monotonic()
    tensors, fitted = STAGES[name](stage)
    card: dict[str, Any] = {
        "name": name,
        "recipe_hash": recipe_hash(name),
        "recipe": asdict(recipe),
        "made": date.today().isoformat(),
        "device": device,
        "torch": torch.__version__,
        "seconds": round(fitted.seconds if fitted else time.monotonic() - started),
        "flops": fitted.flops if fitted else 0.0,
        "parameters": sum(v.numel() for v in tensors.values() if v.is_floating_point()),
        "history": thinned(fitted.history) if fitted else [],
    }
    weight_files.save(name, tensors, card, folder)
    return True
