"""Train a decoder from CLIP tokens to pictures.

`python -m headtohead.training.stages.clip_decoder FOLDER` reads the decoder config in the folder.

The folder can then be given as `foundations.decoder`: it holds the UNet, mean and deviation of the token channels, and
a card that names the CLIP tower and the VAE.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning as L
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.functional import to_pil_image
from torchvision.utils import make_grid

from headtohead.config.parsing import ConfigError, build
from headtohead.config.run_config import WORLD, DecoderConfig
from headtohead.data import build as training_data
from headtohead.data.order import Portion
from headtohead.models.generator import pixels
from headtohead.pretrained.image_tokens import tower_of, vae_of
from headtohead.pretrained.networks import clip_decoder
from headtohead.pretrained.networks.image_encoders import OpenTower
from headtohead.pretrained.networks.vae import Vae
from headtohead.records import json_files, leases
from headtohead.training import checkpoints, devices, run_context
from headtohead.training.callbacks.stop import stepped
from headtohead.training.lightning_module import Learner
from headtohead.training.resume import Training
from headtohead.training.run_context import RunContext
from headtohead.utils import cli, compute, files
from headtohead.utils.compute import autocast
from headtohead.utils.errors import InputError

CONFIG, FIGURE = "config.json", "reconstructions.png"
SHOWN = 8  # pictures in the figure


class Trained(nn.Module):
    """The UNet with the methods that `Learner` expects: trained weights, and units that can be sharded."""

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.unet = unet

    def trained(self) -> dict[str, nn.Parameter]:
        return dict(self.named_parameters())

    def units(self) -> list[nn.Module]:
        blocks = [*self.unet.down_blocks, self.unet.mid_block, *self.unet.up_blocks]  # type: ignore[misc]
        return [*blocks, self.unet]


class DecoderModule(Learner[Trained]):
    def __init__(self, net: Trained, config: DecoderConfig, tower: OpenTower, vae: Vae) -> None:
        super().__init__(net, config.train, config.compute, config.seed)
        self.hiding = {"drop": config.drop, "noise": config.noise}
        self.picture = config.foundations.picture
        self.frozen = (tower, vae)  # a tuple, so that torch neither registers nor saves them

    def training_step(self, batch: Any, _: int) -> Tensor:
        torch.manual_seed(self.seed * 1_000_003 + self.global_step * 4099 + batch.start)
        with autocast(self.compute.precision, self.device):
            tokens, latents = self.encoded(pixels(batch.x_1))
            loss = clip_decoder.loss(self.net.unet, latents, tokens, **self.hiding)["loss"]
        self.log("loss", loss.detach(), prog_bar=True)
        return loss

    @torch.no_grad()
    def encoded(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        tower, vae = self.frozen
        small = F.interpolate(pictures, (self.picture,) * 2, mode="bicubic", antialias=True).clamp(0, 1)
        return tower.encode(pictures), vae.encode(small)


class Figures(L.Callback):
    """Every `config.every` steps: save a state, and a figure of pictures above their reconstructions."""

    def __init__(self, config: DecoderConfig, training: Training, pictures: Tensor) -> None:
        self.config, self.training, self.pictures = config, training, pictures

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        step, last = trainer.global_step, trainer.global_step == self.config.train.steps
        if not stepped(trainer) or (step % self.config.every and not last):
            return
        assert isinstance(pl_module, DecoderModule)
        tower, vae = pl_module.frozen
        shown = self.pictures.to(pl_module.device)
        with pl_module.average as net, torch.no_grad(), autocast(self.config.compute.precision, pl_module.device):
            back = clip_decoder.ClipDecoder(net.unet, vae, self.config.steps, self.config.guidance)
            rebuilt = back.decode(tower.encode(shown)).float()
        small = F.interpolate(shown, rebuilt.shape[2:], mode="bicubic", antialias=True).clamp(0, 1)
        if trainer.is_global_zero:
            grid = make_grid(torch.cat([small, rebuilt]), nrow=len(shown), padding=2)
            run = self.training.run
            figure = run.folder / FIGURE
            run.write(lambda: to_pil_image(grid.cpu()).save(figure))
            mse = F.mse_loss(rebuilt, small)
            cli.say(f"step {step:,}: reconstructions at {-10 * float(mse.log10()):.1f} dB, {figure}")
        self.training.save(trainer)


def train(config: DecoderConfig, folder: Path, *, device: str, say: Callable[[str], None]) -> None:
    """Train a decoder to its last step, from its last state if there is one.

    config  of the decoder
    folder  to which states and the decoder are written
    device  cpu or cuda
    say     prints a line
    """
    if config.data.mix == WORLD:
        raise ConfigError(
            "data.mix: a named tower's decoder learns from corpora: give the YAML file that declares them"
        )
    with run_context.opened(folder, device, say) as run:
        _train(run, config)


def _train(run: RunContext, config: DecoderConfig) -> None:
    given, t, folder = config.foundations, config.train, run.folder
    training = Training(run, config)
    own = training.device
    tower, tower_key = tower_of(given, own)
    vae, vae_key = vae_of(given, own)
    mix = training_data.opened(config.data, max(tower.picture, given.picture))
    data = training_data.from_shards(mix, config.data, t, config.seed, training.portion)
    first = _pictures(training_data.from_shards(mix, config.data, t, config.seed, Portion.of(t.batch)), config.measured)
    statistics = tower.measured(part.to(own) for part in first.split(64))
    tower.standardise(statistics)
    torch.manual_seed(config.seed)
    unet = clip_decoder.adapted(config.unet, tower.width, side=given.picture // vae.factor, channels=vae.channels)
    module = DecoderModule(Trained(unet), config, tower, vae)
    devices.meet(training.trainer, module)
    identity = {"config": json.loads(json.dumps(asdict(config))), "data": data.fingerprint}
    training.fit(module, data.batches, Figures(config, training, first[:SHOWN]), identity)
    weights = module.average.whole()
    if not run.lease:
        return
    unet.load_state_dict({name.removeprefix("unet."): w for name, w in weights.items()})
    unet.save_pretrained(folder / "unet")
    with files.beside(folder / clip_decoder.STANDARD) as part:
        save_file({k: v.cpu() for k, v in statistics.items()}, part)
    card = {
        "stands_on": {"clip": tower_key, "vae": vae_key},
        "steps": config.steps,
        "guidance": config.guidance,
        "trained": asdict(config),
        **data.about(),
    }
    json_files.write(folder / clip_decoder.CARD, card)
    checkpoints.clear(folder)
    run.say(f"{folder}: done; foundations.decoder={folder} uses it")


def _pictures(data: training_data.TrainingData, number: int) -> Tensor:
    """The first pictures of the training, the same on every rank, whose statistics must be equal."""
    parts: list[Tensor] = []
    for batch in data.batches(0):
        parts.append(pixels(batch.x_1))
        if sum(map(len, parts)) >= number:
            break
    return torch.cat(parts)[:number]


def main(arguments: list[str] | None = None) -> int:
    parser = cli.Parser("headtohead.training.stages.clip_decoder", __doc__)
    parser.add_argument("folder", type=Path, help=f"holds the {CONFIG} that `make decoder` wrote")
    parser.add_device()
    options = parser.parse_args(arguments)
    return parser.concluded(lambda: _go(options.folder, options.device or compute.best_device()))


def _go(folder: Path, device: str) -> None:
    config = build(DecoderConfig, json.loads((folder / CONFIG).read_text()), str(folder / CONFIG))
    try:
        train(config, folder, device=device, say=cli.say)
    except leases.Taken as taken:
        raise InputError(f"{taken}") from None


if __name__ == "__main__":
    sys.exit(main())
