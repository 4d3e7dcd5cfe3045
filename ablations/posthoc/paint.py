"""python -m ablations.posthoc.paint results/micro --prompt "a red circle": images of each design, from kept weights.

Without prompts of your own, dense ones of the synthetic benchmark are used, which sample grids do not show.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from pathlib import Path
from typing import Any

from ablations.analysis import sample_grids
from ablations.analysis.curves import design_of, order
from ablations.posthoc.rescore import sampling, scorable
from ablations.report.figures.drawn import folder, save
from headtohead.config.parsing import known
from headtohead.config.run_config import WORLD, RunConfig, Sampling
from headtohead.records.json_files import RecordError
from headtohead.records.read import Run
from headtohead.synthetic.captions.words import words_of
from headtohead.synthetic.captions.write import known_words
from headtohead.synthetic.prompts import dense_prompts
from headtohead.utils import compute
from headtohead.utils.cli import Parser, natural, positive, say
from headtohead.utils.processes import isolated

SHOWN, MOST = 6, 60  # prompts without any given, and at most
NAME = "painted"


def first_seeds(options: argparse.Namespace) -> dict[str, tuple[Run, RunConfig]]:
    """By design, the finished run with the smallest seed; raises if the folder holds several sweeps."""
    found = sorted(scorable(options.results), key=lambda f: (f[0].sweep, order(design_of(f[0])), f[1].seed))
    if len(sweeps := list(dict.fromkeys(run.sweep for run, _ in found))) > 1:
        raise RecordError(f"{options.results}: holds several sweeps, {', '.join(sweeps)}; give one of them")
    by: dict[str, tuple[Run, RunConfig]] = {}
    for run, config in found:
        by.setdefault(design_of(run), (run, config))
    wanted = [known(design, by, "design", "--design") for design in options.design or by]
    if len(wanted) > sample_grids.MOST:
        raise RecordError(
            f"{options.results}: {len(wanted)} designs are more than {sample_grids.MOST}; --design chooses"
        )
    return {design: by[design] for design in wanted}


def prompts_of(options: argparse.Namespace) -> list[str]:
    """The prompts given, those of a file with one a line, or some of the synthetic benchmark's dense ones."""
    if options.file is not None:
        try:
            given = [line.strip() for line in options.file.read_text().splitlines() if line.strip()]
        except UnicodeDecodeError:
            raise RecordError(f"{options.file}: is not UTF-8 text") from None
    else:
        dense = [p.text for p in dense_prompts.dense("test")]
        given = options.prompt or dense[:: len(dense) // SHOWN][:SHOWN]
    if not given or len(given) > MOST:
        raise RecordError(f"{options.file or '--prompt'}: expected 1 to {MOST} prompts, got {len(given)}")
    return list(given)


def warn_of_unknown_words(prompts: list[str], runs: dict[str, tuple[Run, RunConfig]]) -> None:
    """Name the words of prompts that no caption of the synthetic dataset has, if a design was trained on it."""
    trained = [design for design, (_, config) in runs.items() if config.data.mix == WORLD]
    words = dict.fromkeys(word for prompt in prompts for word in words_of(prompt) if word not in known_words())
    if not trained or not words:
        return
    nearest = {word: difflib.get_close_matches(word, known_words(), 1) for word in words}
    named = [f"{word} (did you mean {near[0]}?)" if near else word for word, near in nearest.items()]
    say(f"paint: not in the captions that {', '.join(trained)} learnt from: {', '.join(named)}; painting all the same")


def _work(
    runs: dict[str, tuple[Run, RunConfig]], prompts: list[str], ways: dict[str, Sampling], options: argparse.Namespace
) -> dict[str, Any]:
    """Images by design. Runs in a process of its own, so that only that one loads torch."""
    from headtohead.eval.rescore import painted

    device, out = options.device or compute.best_device(), {}
    for design, (run, config) in runs.items():
        say(f"{run.name}: {len(prompts) * options.times} pictures")
        how = {"times": options.times, "seed": options.seed, "device": device}
        out[design] = painted(run.folder, config, prompts, ways[design], **how)
    return out


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("ablations.posthoc.paint", __doc__)
    parser.add_argument("results", type=Path, help="a sweep's folder, or a run's")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--prompt", nargs="+", metavar="TEXT", help="one or more, in quotes")
    what.add_argument("--file", type=Path, help="text file with one prompt a line")
    parser.add_argument("--design", nargs="+", metavar="DESIGN", help="some of the sweep's designs; all when not given")
    parser.add_argument("--times", type=positive, default=1, help="pictures of each prompt (1)")
    parser.add_argument("--seed", type=natural, default=0, help="of the noise (0)")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="sampling, such as guidance=3")
    parser.add_folder("--out", Path(), f"where {NAME}.png and .pdf go; RESULTS/figures when not given")
    parser.add_device()
    options = parser.parse_args(arguments)
    return parser.concluded(lambda: _paint(options), "stopped")


def _paint(options: argparse.Namespace) -> None:
    runs, prompts = first_seeds(options), prompts_of(options)
    warn_of_unknown_words(prompts, runs)
    ways = {design: sampling(config.sampling, options.set, "--set") for design, (_, config) in runs.items()}
    by = isolated(_work, runs, prompts, ways, options)
    print(*save({NAME: sample_grids.side_by_side(prompts, by, options.times)}, folder(options)), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
