"""Score kept weights again, with other sampling, other prompts or another judge."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from ablations.cli import arguments
from headtohead.config.parsing import build
from headtohead.config.run_config import RunConfig, Sampling, recorded
from headtohead.records import metrics
from headtohead.records.json_files import RecordError
from headtohead.records.layout import CONFIG, KEPT
from headtohead.records.read import Run, runs
from headtohead.utils import compute
from headtohead.utils.cli import Parser, say
from headtohead.utils.processes import isolated


def config_of(run: Run) -> RunConfig:
    """The configuration that a run was trained with."""
    return recorded(run.config, str(run.folder / CONFIG))


def scorable(results: Path) -> Iterator[tuple[Run, RunConfig]]:
    """The finished runs of a results folder that have kept weights; raises if there are none."""
    found = runs(results)
    having = [run for run in found if run.state["state"] == "finished" and any((run.folder / KEPT).glob("*"))]
    if not having:
        raise RecordError(
            f"{results}: no finished run has kept weights ({KEPT}/*.safetensors); `make weights` trains the "
            "reference's three designs once more and keeps theirs, in results/weights"
        )
    for run in having:
        yield run, config_of(run)


def sampling(own: Sampling, given: list[str], where: str) -> Sampling:
    """A run's sampling settings with those of the command line.

    own    the run's
    given  KEY=VALUE, with or without `sampling.` before the key
    where  the option that errors name
    """
    plain: dict[str, Any] = {f.name: getattr(own, f.name) for f in fields(Sampling)}
    changed = {key.removeprefix("sampling."): value for key, value in arguments.settings(given).items()}
    return build(Sampling, {**plain, **changed}, where)


def scored(run: Run, config: RunConfig, ways: list[Sampling], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Score a run's kept weights for each way of sampling; returns all rescored values that it has on record."""
    from headtohead.eval.rescore import rescore

    return rescore(
        run,
        config,
        ways,
        device=options.device or compute.best_device(),
        split=options.split,
        judge=options.judge,
        every=getattr(options, "every", False),
        say=say,
    )


def add_options(parser: Parser) -> None:
    parser.add_argument("results", type=Path, help="a results folder, a sweep's or a run's")
    parser.add_argument("--split", choices=("dev", "test"), help="which prompts; the run's own split when not given")
    parser.add_argument("--judge", type=_weights, help="weights of another training of the judge (.safetensors)")
    parser.add_device()


def _weights(text: str) -> Path:
    path = Path(text)
    if path.suffix != ".safetensors" or not path.is_file():
        raise argparse.ArgumentTypeError(f"{text}: is not a .safetensors file")
    return path


def main(given: list[str] | None = None) -> int:
    parser = Parser("ablations.posthoc.rescore", __doc__)
    add_options(parser)
    names = ", ".join(f.name for f in fields(Sampling))
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help=f"sampling settings: {names}")
    parser.add_argument("--every", action="store_true", help="every kept step instead of the last one")
    options = parser.parse_args(given)
    return parser.concluded(lambda: _rescore(options))


def _rescore(options: argparse.Namespace) -> None:
    found = list(scorable(options.results))
    ways = [sampling(config.sampling, options.set, "--set") for _, config in found]
    for (run, config), way in zip(found, ways, strict=True):
        lines = isolated(scored, run, config, [way], options)
        last = {line["metric"]: line["value"] for line in lines}
        print(f"{run.sweep}/{run.name}: {metrics.summary(last)}")


if __name__ == "__main__":
    sys.exit(main())
