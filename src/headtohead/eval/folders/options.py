"""The options of each command of headtohead.eval, and checks of them before torch is imported."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from headtohead.config.published_models import ANSWERER, COLOURS, DETECTOR, RESIZERS, SPACES
from headtohead.eval.benchmarks.published import DPG, GENEVAL, MJHQ, NAMES_NEEDED
from headtohead.utils.cli import Parser, positive
from headtohead.utils.errors import InputError

DPG_MODES = ("official", "fixed")


def _common(parser: Parser) -> None:
    parser.add_argument("--images", type=Path, required=True, help="folder of images, in the official layout")
    parser.add_argument("--out", type=Path, help="the result as JSON; with it, an interrupted command resumes")
    parser.add_argument("--batch", type=positive, default=16, help="images in a forward pass")
    parser.add_argument(
        "--allow-missing", action="store_true", help="exit with 0 even if images are missing or damaged"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    parser.add_device()


def geneval(parser: Parser) -> None:
    _common(parser)
    parser.add_argument("--prompts", type=Path, help="evaluation_metadata.jsonl; prompts without images are listed")
    parser.add_argument("--names", type=Path, metavar="FILE",
                        help=f"required: the detector's class names in order; from {GENEVAL}")  # fmt: skip
    parser.add_argument("--detector", default=DETECTOR, help="a Mask2Former by name or folder")
    parser.add_argument("--colours", default=COLOURS, help="open_clip's MODEL:PRETRAINED or MODEL:FILE")
    parser.add_argument("--short", type=positive, default=800, help="the detector's short side in pixels")


def dpg(parser: Parser) -> None:
    _common(parser)
    parser.add_argument("--prompts", type=Path, required=True,
                        help=f"dpg_bench.csv, the questions; from {DPG}")  # fmt: skip
    parser.add_argument("--judge", default=ANSWERER, help="a BLIP or chat model that sees, by name or folder")
    parser.add_argument("--mode", choices=("official", "fixed", "both"), default="official",
                        help="official: with its bugs; both: side by side, and with --out NAME.json the files are "
                        "NAME.official.json and NAME.fixed.json")  # fmt: skip
    parser.add_argument("--tiles", type=int, choices=(1, 4), default=4, help="images in a file: a 2 x 2 grid, or one")


def _features(parser: Parser) -> None:
    _common(parser)
    parser.add_argument("--space", choices=SPACES, default="inception", help="feature space")
    parser.add_argument("--mode", choices=RESIZERS,
                        help="Inception's resizer, as clean-fid names them (default: clean)")  # fmt: skip
    parser.add_argument("--weights", default="", metavar="FILE",
                        help="file of the weights if the hub cannot be reached; for clip MODEL:FILE")  # fmt: skip


def fid(parser: Parser) -> None:
    _features(parser)
    parser.add_argument("--reference", type=Path, required=True,
                        help=f"folder of images, or saved statistics (.safetensors); MJHQ-30k: {MJHQ}")  # fmt: skip
    parser.add_argument("--prompts", type=Path, help="meta_data.json of MJHQ-30k: names and categories")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "headtohead" / "references",
                        help="folder that caches statistics of references")  # fmt: skip
    parser.add_argument(
        "--draws", type=_resamples, default=20, help="bootstrap resamples of the images; 0 for no interval"
    )


def diversity(parser: Parser) -> None:
    _features(parser)
    parser.add_argument("--accepted", type=Path, help="a geneval result; images that it marks wrong are left out")


def world(parser: Parser) -> None:
    _common(parser)
    parser.add_argument("--prompts", type=Path,
                        help="GenEval's lines (.jsonl) or DPG-Bench's questions (.csv) about the embedded dataset; "
                        "the shipped ones of --split when not given")  # fmt: skip
    parser.add_argument("--split", choices=("dev", "test"), default="test", help="of the shipped prompts")
    parser.add_argument("--tiles", type=int, choices=(1, 4), default=4,
                        help="pictures in a file of DPG-Bench's layout: a 2 x 2 grid, or one")  # fmt: skip


def compare(parser: Parser) -> None:
    parser.add_argument("a", type=Path)
    parser.add_argument("b", type=Path)


def _resamples(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) == 1:
        raise argparse.ArgumentTypeError(f"expected 0, or a whole number from 2 on, got {text!r}")
    return int(text)


def result_files(out: Path | None, modes: Sequence[str] = ("",)) -> list[Path]:
    """The files that results are written to.

    out    value of --out
    modes  of the results; several are written to one file each
    """
    if out is None or len(modes) == 1:
        return [out] if out else []
    stem = out.name.removesuffix(".json")
    return [out.with_name(f"{stem}.{mode}.json") for mode in modes]


def check(given: argparse.Namespace) -> None:
    """Refuse missing files, unwritable paths and contradicting options; creates nothing."""
    named = vars(given)
    both = given.command == "dpg" and given.mode == "both"
    for path in result_files(named.get("out"), DPG_MODES if both else ("",)):
        _writable(path, "--out")
    if given.command == "geneval" and given.names is None:
        raise InputError(f"--names: {NAMES_NEEDED}")
    for flag in ("names", "prompts", "accepted", "a", "b"):
        if (file := named.get(flag)) and not file.exists():
            raise InputError(f"{f'--{flag} ' if len(flag) > 1 else ''}{file}: No such file or directory")
    if "images" in named and not given.images.is_dir():
        what = "is a file, not a folder" if given.images.exists() else "no such folder"
        raise InputError(f"--images {given.images}: {what}")
    if "reference" in named and not given.reference.exists():
        raise InputError(f"--reference {given.reference}: no such file or folder")
    if "cache" in named and given.reference.is_dir():
        _writable(given.cache / "statistics", "--cache")
    if named.get("space", "inception") != "inception" and given.mode:
        raise InputError(f"--mode {given.mode}: resizers belong to --space inception, not {given.space}")


def _writable(path: Path, flag: str) -> None:
    if path.is_dir():
        raise InputError(f"{flag} {path}: is a folder, not a file")
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    if there != path and not there.is_dir():
        raise InputError(f"{flag} {path}: cannot be written ({there} is no folder)")
    if not os.access(there, os.W_OK):
        raise InputError(f"{flag} {path}: cannot be written (no permission for {there})")
