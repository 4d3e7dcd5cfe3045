"""Write the report of a results folder: report.md, comparison.csv and a self-contained report.html."""

from __future__ import annotations

import base64
from pathlib import Path

from ablations.analysis.curves import Curve, frame, read
from ablations.analysis.designs import cells
from ablations.cli.damage import conclude
from ablations.report.figures import drawn as figures
from ablations.report.html.document import page
from ablations.report.markdown import CAPTIONS, markdown
from ablations.report.section import Section, section
from headtohead.records.json_files import Damage
from headtohead.records.read import Run
from headtohead.utils.cli import Parser, say

SCRIPTS = ("parts.js", "chart.js", "report.js")
ELSEWHERE = ("guidance", "painted")  # figures of other commands, included if they exist


def sections(found: list[Run], curves: list[Curve], drawings: Path) -> list[Section]:
    by = cells(found, curves)
    names = sorted({c.sweep for c in curves})
    return [section(name, found, curves, by[name], _drawings(drawings, name, names)) for name in names]


def _drawings(folder: Path, sweep: str, sweeps: list[str]) -> dict[str, tuple[str, str]]:
    """Figures of other commands by name: caption and data URI."""
    out = {}
    for name in ELSEWHERE:
        if (path := folder / f"{figures.named(name, sweep, sweeps)}.png").exists():
            out[name] = (CAPTIONS[name], f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}")
    return out


def write(results: Path, found: list[Run], curves: list[Curve], drawings: Path) -> list[Section]:
    own = sections(found, curves, drawings)
    title = "Head to head" if len(own) > 1 else f"Head to head: {own[0].sweep}"
    (results / "report.md").write_text(markdown(title, own, sorted(p.stem for p in drawings.glob("*.png"))))
    data = {"sweeps": [{"chart": s.chart, "grids": [{"kind": g.kind, **g.data} for g in s.grids]} for s in own]}
    (results / "report.html").write_text(page("report.html", data, ("page.css",), SCRIPTS, title=title, sections=own))
    last = frame(curves).groupby(["sweep", "design", "metric", "seed"], observed=True, sort=False).tail(1)
    last = last.drop(columns="flops_total")
    last.to_csv(results / "comparison.csv", index=False, na_rep="nan", lineterminator="\n")
    return own


def make(results: Path) -> Path:
    """Write figures and report of a results folder from its records; returns the path of report.html."""
    _make(results, {})
    return results / "report.html"


def _make(results: Path, damage: Damage) -> list[Section]:
    found, curves = read(results, damage)
    figures.save(figures.drawn(found, curves), results / "figures")
    return write(results, found, curves, results / "figures")


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("ablations.report", __doc__)
    parser.add_argument("results", type=Path, help="a results folder or a sweep's")
    options = parser.parse_args(arguments)
    return parser.concluded(lambda: _tell(options.results), "stopped")


def _tell(results: Path) -> int:
    damage: Damage = {}
    own = _make(results, damage)
    print(results / "report.html")
    refused = [line for s in own if s.study for line in s.study.refused]
    for line in refused:
        say(f"report: {line}")
    return conclude("report", damage) or (2 if refused else 0)
