"""Figures of the synthetic dataset: scenes with captions, the judge's detections, round trips of the encoders."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import matplotlib

from headtohead.utils import compute

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from headtohead.eval.judges import pixels
from headtohead.pretrained.loading import shipped
from headtohead.pretrained.making.recipes import TOWERS
from headtohead.pretrained.making.stages import current
from headtohead.synthetic.captions.write import captions
from headtohead.synthetic.prompts import short_prompts
from headtohead.synthetic.render import render
from headtohead.synthetic.scenes import FREE, Request, Scenes, draw
from headtohead.synthetic.vocabulary import COLOUR_NAMES, COLOURS, PICTURE_SIDE, SHAPES, SIZE_NAMES
from headtohead.utils.boxes import Detection
from headtohead.utils.cli import Parser

SEED = 9_000_000
ROUTES = {
    "clip": "CLIP tokens,\ndecoded",
    "clip_blind": "tower without\ncaptions",
    "clip_untrained": "untrained\ntower",
}


def _show(ax: Axes, picture: Tensor, title: str = "") -> None:
    ax.imshow(picture.permute(1, 2, 0).cpu().numpy(), interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    if title:
        ax.set_title(title, fontsize=7, loc="left")


def _boxes(ax: Axes, found: list[Detection]) -> None:
    for d in found:
        x0, y0, x1, y1 = d.box
        ax.add_patch(Rectangle((x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0, fill=False, lw=1.0, ec=COLOURS[d.colour]))
        above = y0 > 8
        ax.text(
            min(x0, PICTURE_SIDE - 26),
            y0 - 1.5 if above else y1 + 0.5,
            f"{d.name} {d.score:.2f}",
            fontsize=5,
            va="bottom" if above else "top",
            color="white",
            bbox={"boxstyle": "square,pad=0.1", "fc": "black", "ec": "none", "alpha": 0.65},
        )


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, bbox_inches="tight")
    plt.close(figure)
    print(path)


def inventory(folder: Path) -> None:
    """Every shape in every colour, large above small -> inventory.png."""
    figure, axes = plt.subplots(2 * len(SHAPES), len(COLOUR_NAMES), figsize=(8, 16))
    for s in range(len(SHAPES)):
        for c, colour in enumerate(COLOUR_NAMES):
            for z in range(len(SIZE_NAMES)):
                request = Request((s,), (c,), (1 - z,))
                ax = axes[2 * s + z, c]
                _show(ax, render(draw(SEED, np.array([8 * s + c]), request=request, held_out=True))[0])
                if s == z == 0:
                    ax.set_title(colour, fontsize=9)
                if c == 0:
                    ax.set_ylabel(f"{SIZE_NAMES[1 - z]}\n{SHAPES[s]}", fontsize=8)
    _save(figure, folder / "inventory.png")


def captioned(folder: Path, columns: int = 5, rows: int = 3) -> None:
    """Unconstrained scenes with a caption of one sentence and one of several each -> captions.png."""
    index = np.arange(columns * rows)
    scenes = draw(SEED + 1, index)
    short = captions(scenes, SEED, index, (1.0, 0.0, 0.0))
    dense = captions(scenes, SEED, index, (0.0, 0.0, 1.0))
    figure, axes = plt.subplots(rows, columns, figsize=(2.9 * columns, 4.4 * rows))
    for k, ax in enumerate(axes.flat):
        _show(ax, render(scenes[k : k + 1])[0])
        ax.set_title(textwrap.fill(short[k], 38), fontsize=8, loc="left", fontweight="bold")
        ax.set_xlabel(textwrap.fill(dense[k], 44), fontsize=7, loc="left")
    figure.tight_layout()
    _save(figure, folder / "captions.png")


def one_prompt(folder: Path, many: int = 8) -> None:
    """For a prompt of each GenEval task, several correct pictures -> one_prompt.png."""
    chosen = {p.tag: p for p in short_prompts.geneval("test") if p.seen}
    figure, axes = plt.subplots(len(chosen), many, figsize=(1.25 * many, 1.5 * len(chosen)))
    for j, (row, prompt) in enumerate(zip(axes, chosen.values(), strict=True)):
        pictures = render(draw(SEED + 2, j * many + np.arange(many), request=short_prompts.request(prompt)))
        for k, ax in enumerate(row):
            _show(ax, pictures[k], f"{prompt.tag}: “{prompt.prompt}”" if k == 0 else "")
    _save(figure, folder / "one_prompt.png")


def _sample(many: int) -> Scenes:
    """Scenes with one to five objects in turn."""
    counts = [1 + k % 5 for k in range(many)]
    free = [Request((FREE,) * n, (FREE,) * n) for n in counts]
    return Scenes.cat([draw(SEED + 3, np.array([k]), request=request) for k, request in enumerate(free)])


@torch.no_grad()
def round_trips(folder: Path, device: str, many: int = 10) -> None:
    """The judge's detections in pictures and in their reconstructions by each encoder -> round_trips.png."""
    scenes = _sample(many)
    pictures = render(scenes, device)
    vae, detector = shipped.vae(device), pixels.load(device)
    rows = {"true render": pictures, "VAE\nround trip": vae.decode(vae.encode(pictures))}
    for name in TOWERS:
        if current(f"decoder_{name}"):
            tower, decoder = shipped.tower(name, device), shipped.clip_decoder(name, device)
            rows[ROUTES[name]] = decoder.decode(tower.encode(pictures))
    figure, axes = plt.subplots(len(rows), many, figsize=(1.7 * many, 1.8 * len(rows)))
    for line, (label, shown) in zip(axes, rows.items(), strict=True):
        found = detector.detect(shown)
        for k, ax in enumerate(line):
            _show(ax, shown[k])
            _boxes(ax, found[k])
        line[0].set_ylabel(label, fontsize=9)
    figure.tight_layout(pad=0.3)
    _save(figure, folder / "round_trips.png")


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("ablations.prepare.gallery", __doc__)
    parser.add_folder("--out", Path("results/gallery"), "folder for the pictures")
    parser.add_device()
    options = parser.parse_args(arguments)
    inventory(options.out)
    captioned(options.out)
    one_prompt(options.out)
    round_trips(options.out, options.device or compute.best_device())
    return 0


if __name__ == "__main__":
    sys.exit(main())
