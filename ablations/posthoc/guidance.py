"""FID against GenEval over guidance scales, one curve per design, from kept weights; on dev prompts, to choose one."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ablations.analysis.curves import design_of, order
from ablations.posthoc.rescore import add_options, scorable, scored
from ablations.report.figures import layout
from ablations.report.figures.drawn import named, save
from ablations.report.styles import label, looks
from headtohead.records.metrics import METRICS, alignment
from headtohead.utils.cli import Parser
from headtohead.utils.processes import isolated

SCALES = (1.0, 1.5, 2.0, 3.0, 5.0)
GENEVAL, FID = METRICS["geneval/overall"], METRICS["fid"]


@dataclass(frozen=True)
class Front:
    """GenEval and FID of one design: (seeds, scales); a regression has no guidance, and one column."""

    sweep: str
    design: str
    guidance: tuple[float | None, ...]
    geneval: np.ndarray
    fid: np.ndarray
    aligned: np.ndarray  # mean of the scores that say how well pictures follow their prompts

    @property
    def best(self) -> float | None:
        """The scale whose pictures follow their prompts best, a mean over seeds."""
        return self.guidance[int(self.aligned.mean(0).argmax())]


def fronts(rows: list[tuple[str, str, int, list[dict[str, Any]]]]) -> list[Front]:
    """One front per design; scales that not all of its seeds were scored with are left out.

    rows  (sweep, design, seed, rescored values of that run)
    """
    by: dict[tuple[str, str], dict[int, dict[float | None, dict[str, float]]]] = {}
    for sweep, design, seed, lines in rows:
        for line in lines:
            own = by.setdefault((sweep, design), {}).setdefault(seed, {})
            own.setdefault(line["how"].get("guidance"), {})[line["metric"]] = line["value"]
    out = []
    for (sweep, design), seeds in sorted(by.items(), key=lambda item: (item[0][0], order(item[0][1]))):
        scales = sorted(set.intersection(*(set(s) for s in seeds.values())), key=lambda g: g or 0)
        measured = set.intersection(*(set(seeds[seed][g]) for seed in seeds for g in scales)) if scales else set()
        aligned = [m.key for m in alignment() if m.key in measured]
        tables = [
            np.array([[np.mean([seeds[seed][g][key] for key in keys]) for g in scales] for seed in sorted(seeds)])
            for keys in ([GENEVAL.key], [FID.key], aligned)
        ]
        out.append(Front(sweep, design, tuple(scales), *tables))
    return out


def figure(found: list[Front]) -> Figure:
    """The fronts of one sweep: better is up and to the left; whiskers span the seeds."""
    look = looks(f.design for f in found)
    out = Figure(figsize=(6.4, 4.8))
    ax = out.subplots()
    for f in found:
        x, y = f.fid.mean(0), f.geneval.mean(0)
        spread = [np.transpose([layout.whiskers(column) for column in t.T]) for t in (f.fid, f.geneval)]
        ax.errorbar(x, y, xerr=spread[0], yerr=spread[1], **layout.line(look[f.design]), ms=4,
                    lw=1.4, elinewidth=0.6, label=label(f.design))  # fmt: skip
        for g, a, b in zip(f.guidance, x, y, strict=True):
            if g is not None:
                ax.annotate(f"{g:g}", (a, b), textcoords="offset points", xytext=(5, 4), fontsize=7, color=layout.GREY)
    ax.set_xlabel(FID.title, fontsize=9)
    ax.set_ylabel(GENEVAL.name, fontsize=9)
    ax.set_title("Guidance: FID against alignment, numbers are scales", fontsize=10.5, loc="left")
    ax.legend(fontsize=8, frameon=False)
    layout.plain(ax)
    out.tight_layout()
    return out


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("ablations.posthoc.guidance", __doc__)
    add_options(parser)
    parser.add_argument("--scales", type=_scales, default=SCALES, help="guidance scales, such as 1,2,3")
    options = parser.parse_args(arguments)
    return parser.concluded(lambda: _guide(options))


def _guide(options: argparse.Namespace) -> None:
    rows = []
    for run, config in scorable(options.results):
        ways = [replace(config.sampling, guidance=g) for g in options.scales]
        rows.append((run.sweep, design_of(run), config.seed, isolated(scored, run, config, ways, options)))
    _print(fronts(rows), options.results)


def _print(found: list[Front], results: Path) -> None:
    follows = " and ".join(m.name for m in alignment())
    print(
        f"* follows prompts best, by the mean of {follows}; choose on dev prompts (--split dev), report on test prompts"
    )
    print(f"{'sweep':12} {'design':16} {'guidance':>8} {GENEVAL.name:>8} {'mean':>6}  {FID.name:>7}")
    for f in found:
        for k, g in enumerate(f.guidance):
            scale = "-" if g is None else f"{g:g}"
            geneval, fid = GENEVAL.text(f.geneval[:, k].mean()), FID.text(f.fid[:, k].mean())
            mark = "*" if g is not None and g == f.best else " "
            print(f"{f.sweep:12} {f.design:16} {scale:>8} {geneval:>8} {f.aligned[:, k].mean():>6.3f}{mark} {fid:>7}")
    sweeps = sorted({f.sweep for f in found})
    for sweep in sweeps:
        drawing = figure([f for f in found if f.sweep == sweep])
        for path in save({named("guidance", sweep, sweeps): drawing}, results / "figures"):
            print(path)


def _scales(text: str) -> tuple[float, ...]:
    try:
        scales = tuple(float(part) for part in text.split(","))
    except ValueError:
        scales = ()
    if not scales or len(set(scales)) < len(scales) or not all(0 <= s <= 100 for s in scales):
        raise argparse.ArgumentTypeError(f"expected scales such as 1,2,3, got {text!r}")
    return scales


if __name__ == "__main__":
    sys.exit(main())
