"""python -m ablations.report results/: the comparison as report.md, comparison.csv and a self-contained report.html."""

from __future__ import annotations

import base64
import csv
import gc
import sys
from pathlib import Path

from ablations import plot
from ablations.cells import cells
from ablations.curves import FLOPS, Curve, read
from ablations.markdown import CAPTIONS, markdown
from ablations.page.document import page
from ablations.page.section import Section, section
from headtohead.command import Parser, say
from headtohead.records import Run

SCRIPTS = ("parts.js", "chart.js", "report.js")
ELSEWHERE = ("guidance", "painted")  # drawings of other commands, which the page cannot make from records


def sections(found: list[Run], curves: list[Curve], figures: Path) -> list[Section]:
    by = cells(found, curves)
    names = sorted({c.sweep for c in curves})
    return [section(name, found, curves, by[name], _drawings(figures, name, names)) for name in names]


def _drawings(figures: Path, sweep: str, sweeps: list[str]) -> dict[str, tuple[str, str]]:
    """As data URIs by name, with what they show."""
    out = {}
    for name in ELSEWHERE:
        if (path := figures / f"{plot.named(name, sweep, sweeps)}.png").exists():
            out[name] = (CAPTIONS[name], f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}")
    return out


def write(results: Path, found: list[Run], curves: list[Curve], figures: Path) -> list[Section]:
    own = sections(found, curves, figures)
    title = "Head to head" if len(own) > 1 else f"Head to head: {own[0].sweep}"
    (results / "report.md").write_text(markdown(title, own, sorted(p.stem for p in figures.glob("*.png"))))
    data = {"sweeps": [{"chart": s.chart, "grids": [{"kind": g.kind, **g.data} for g in s.grids]} for s in own]}
    (results / "report.html").write_text(page("report.html", data, ("page.css",), SCRIPTS, title=title, sections=own))
    with (results / "comparison.csv").open("w", newline="") as f:
        rows = csv.writer(f, lineterminator="\n")
        rows.writerow(["sweep", "design", "metric", "seed", "step", "flops", "value", "relative", "n"])
        for c in curves:
            for k, seed in enumerate(c.seeds):
                n = terms.n if (terms := c.terms[k][-1]) else 0
                rows.writerow([c.sweep, c.design, c.metric, seed, c.steps[-1], c.spent[FLOPS][k, -1], c.values[k, -1],
                               c.relative[k, -1], n])  # fmt: skip
    return own


def make(results: Path) -> Path:
    """Figures and report of a results folder, from its records; the page that holds all of it."""
    _make(results)
    return results / "report.html"


def _make(results: Path) -> list[Section]:
    found, curves = read(results)
    plot.save(plot.drawn(found, curves), results / "figures")
    return write(results, found, curves, results / "figures")


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("ablations.report", __doc__)
    parser.add_argument("results", type=Path, help="a results folder or a sweep's")
    options = parser.parse_args(arguments)
    return parser.concluded(lambda: _tell(options.results), "stopped")


def _tell(results: Path) -> int:
    own = _make(results)
    print(results / "report.html")
    refused = [line for s in own if s.study for line in s.study.refused]
    for line in refused:
        say(f"report: {line}")
    return 2 if refused else 0


if __name__ == "__main__":
    gc.disable()  # what is read stays until the command ends, soon
    sys.exit(main())
