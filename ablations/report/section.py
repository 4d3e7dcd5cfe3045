"""The content of a report on one sweep, for report.html and report.md."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ablations.analysis import main_effects
from ablations.analysis.claims import command, declared
from ablations.analysis.claims.declared import Finding
from ablations.analysis.curves import Curve
from ablations.analysis.designs import Cell, Ranking, rank
from ablations.analysis.human_study.answers import Answered, answered
from ablations.analysis.leaders import leaders
from ablations.analysis.statistics import SMALLEST, Verdict
from ablations.analysis.table import Table
from ablations.report.html import pictures, provenance
from ablations.report.html.chart import chart
from ablations.report.styles import Look, looks
from ablations.report.tables import bounds, equal_cost
from ablations.report.tables import scores as tables
from headtohead.records import metrics
from headtohead.records.ceilings import blind_floor, ceiling
from headtohead.records.read import Run
from headtohead.records.sweep_folder import notes

MARKS = {Verdict.SUPPORTED: "✓", Verdict.CONTRADICTED: "✗", Verdict.EQUIVALENT: "=", Verdict.BY_CONSTRUCTION: "≡",
         Verdict.NOT_ASSESSABLE: "∅", Verdict.UNDECIDED: "?", Verdict.NO_RECORDS: "–"}  # fmt: skip
WORDS = {Verdict.NO_RECORDS: "without records", Verdict.BY_CONSTRUCTION: "true by construction"}
MOST_POINTS = 1500
LIMITS = (
    "The floor is the most that pictures score which ignore their prompt, the ceiling what true renders score after a "
    "round trip through the representation."
)
REACH = 100.0  # half of the width of an interval's drawing, in its own unit


PARTS: dict[str, metrics.Group] = {"GenEval by task": "task", "DPG by category": "category"}


@dataclass(frozen=True)
class Shown:
    """A finding for display: numbers as text, the interval as a drawing."""

    finding: Finding
    mark: str
    cells: tuple[str, ...]  # effect, interval, unit, g, p, Holm, n, detectable
    drawn: dict[str, float]  # x of effect, bounds and margin; findings of one unit share a scale


@dataclass(frozen=True)
class Bar:
    """A design's score of one part of a benchmark in [0, 1], with minimum and maximum over seeds and the ceiling."""

    text: str
    mean: float
    low: float
    high: float
    top: float | None


@dataclass(frozen=True)
class Parts:
    """Scores of a benchmark's parts by design."""

    title: str
    names: list[str]
    bars: dict[str, list[Bar]]


@dataclass(frozen=True)
class Section:
    sweep: str
    headline: str
    counted: str
    verdicts: list[Shown]
    legend: tuple[str, ...]
    looks: dict[str, Look]
    chart: dict[str, Any]
    final: Table
    equal_cost: Table | None
    details: list[Table]
    cost: Table
    sets: list[Table]
    bounds: Table | None
    noise: Table | None
    effects: Table | None
    parts: list[Parts]
    grids: list[pictures.Grid]
    settings: str
    commands: list[str]
    compared: Table
    again: Table
    runs: Table
    packages: list[str]
    troubles: list[str]
    study: Answered | None = None  # answers of a human study, if there are any
    damage: list[str] = field(default_factory=list)  # a line for each damaged file
    drawings: dict[str, tuple[str, str]] = field(default_factory=dict)  # of other commands: caption and data URI

    @property
    def alone(self) -> bool:
        """Whether the sweep has a single design, and therefore no comparison."""
        return len(self.looks) == 1

    @property
    def points(self) -> list[dict[str, Any]]:
        """Panels with few enough points for a table, which screen readers can read."""
        panels = [p for p in self.chart["panels"] if "axis" not in p]
        return panels if sum(len(s["y"]) for p in panels for s in p["series"]) <= MOST_POINTS else []

    @property
    def more_at_the_end(self) -> str:
        """A note if the last point uses more prompts than those before it."""
        panels = [p for p in self.chart["panels"] if "axis" not in p]
        for name, n in ((p["name"], s["n"]) for p in panels[::-1] for s in p["series"]):
            if n[0] != n[-1]:
                return f"The last point is measured on more pictures ({name}: {n[-1]}, before {n[0]}), which moves it."
        return ""

    @property
    def gain_recorded(self) -> bool:
        return any(p["name"] == metrics.METRICS[metrics.GAIN_SHARE].name for p in self.chart["panels"])


def section(
    sweep: str, found: list[Run], curves: list[Curve], cells: list[Cell], drawings: dict[str, tuple[str, str]]
) -> Section:
    runs, own = [r for r in found if r.sweep == sweep], tables.measured(sweep, found, curves)
    judged = declared.findings(cells)
    look, ranking = looks(own.seeds), rank(cells, [m.key for m in metrics.group("score")])
    note = notes(runs[0].folder.parent, {}).get("note", "")
    return Section(
        sweep=sweep,
        headline=" ".join(filter(None, (note, _tested(judged) if len(own.seeds) > 1 else "", headline(own, ranking)))),
        counted=_counted(judged),
        verdicts=_shown(judged),
        legend=command.legend(judged),
        looks=look,
        chart=chart([c for c in curves if c.sweep == sweep], look),
        final=tables.final(own, ranking),
        equal_cost=equal_cost.table(cells),
        details=[tables.last(own, ranking), tables.best(own, ranking)],
        cost=tables.cost(own),
        sets=[table for table in (tables.sets(own), tables.diversity(own)) if table],
        bounds=bounds.bounds(own),
        noise=bounds.token_noise(own),
        effects=main_effects.table(cells),
        parts=[part for title, group in PARTS.items() if (part := _parts(own, title, group)).bars],
        grids=pictures.of(found, sweep),
        settings=provenance.settings(runs),
        commands=provenance.commands(runs),
        compared=provenance.compared(cells),
        again=provenance.again(runs),
        runs=provenance.runs(runs),
        packages=[*provenance.packages(runs), *provenance.differing(runs)],
        troubles=provenance.troubles(runs),
        study=answered(runs[0].folder.parent),
        drawings=drawings,
        damage=provenance.damage(runs, sorted({c.sweep for c in curves})),  # last, as reading the above may find damage
    )


def headline(own: tables.Sweep, ranking: Ranking) -> str:
    """The result of the final table in a sentence or two; only significant leaders are named."""
    if len(own.seeds) == 1:
        return alone(own)
    columns = [(m, scores) for m, scores in tables.ranked(own, ranking, metrics.headline()) if scores]
    shown, said, open_ = tables.texts(tables.at_end(own.of([m.key for m, _ in columns]))), [], []
    for (m, scores), name in zip(columns, leaders(columns), strict=True):
        which = "highest" if m.higher else "lowest"
        if len(scores) == 1:
            name = next(iter(scores))
            said.append(f"{m.name} {shown[name, m.key]} by {name}")
        elif name:
            said.append(f"{which} {m.name} {shown[name, m.key]} by {name}")
        else:
            means = {design: float(np.mean([*own.values()])) for design, own in scores.items()}
            best = sorted(means, key=lambda design: means[design], reverse=m.higher)[:2]
            nearest = ", ".join(f"{design} {m.text(means[design])}" for design in best)
            open_.append(f"the {which} {m.name} (best means: {nearest})")
    leads = f"At the final point: {'; '.join(said)}." if said else ""
    seeds = max((len(own) for _, scores in columns for own in scores.values()), default=0)
    many = f"{seeds} seeds a design" if seeds > 1 else "one seed a design, which has no interval"
    which = f"which of all {len(own.seeds)} designs has {', '.join(open_)}"
    undecided = f"Not decided at the final point, with {many}: {which}." if open_ else ""
    return " ".join(filter(None, (leads, undecided, str(ranking))))


def _tested(judged: list[Finding]) -> str:
    """How many findings have each verdict."""
    count = Counter(f.verdict for f in judged if f.n)
    said = [f"{count[v]} {'is' if count[v] == 1 else 'are'} {WORDS.get(v, v)}" for v in Verdict if count[v]]
    return f"Of {count.total()} findings of the paper that these runs test, {', '.join(said)}." if said else ""


def alone(own: tables.Sweep) -> str:
    """Summary of a single design: axes, training, and scores between floor and ceiling."""
    ((design, seeds),) = own.seeds.items()
    config = own.runs[design][0].config if design in own.runs else {}
    axes = ", ".join(f"{axis} {level}" for axis, level in config.get("design", {}).items())
    batch = config.get("train", {}).get("batch")
    how = f"{design}{f' ({axes})' if axes else ''} was trained for {own.end.step.max():,} steps"
    how += f" of {batch} samples" if batch else ""
    how += f" with {len(seeds)} seeds." if len(seeds) > 1 else " with one seed."
    reached, shown = [], tables.texts(tables.at_end(own.of([m.key for m in metrics.headline()])))
    for m in metrics.headline():
        if curve := own.curves.get((design, m.key)):
            low, top = blind_floor(m.key), ceiling(curve.representation).get(m.key)
            around = [f"floor {m.text(low)}"] if low is not None else []
            around += [f"ceiling {m.text(top)}"] if top is not None else []
            reached.append(f"{m.name} {shown[design, m.key]}" + (f" ({', '.join(around)})" if around else ""))
    if not reached:
        return how
    *first, last = reached
    said = f"{how} It reached {' and '.join(filter(None, (', '.join(first), last)))}."
    return f"{said} {LIMITS}" if "ceiling " in said else said


def _counted(judged: list[Finding]) -> str:
    count = Counter(f.verdict for f in judged)
    return ", ".join(f"{count[v]} {WORDS.get(v, v)}" for v in Verdict if count[v])


def _shown(judged: list[Finding]) -> list[Shown]:
    most: dict[str, float] = {}
    for f in judged:
        most[f.unit] = float(np.nanmax([most.get(f.unit, 0.0), *np.abs([f.effect, f.low, f.high]), 2 * SMALLEST]))
    out = []
    for f in judged:
        at = {"effect": f.effect, "low": f.low, "high": f.high, "margin": SMALLEST if f.unit != "share" else 0.0}
        drawn = {name: round(v / most[f.unit] * REACH, 1) for name, v in at.items() if not np.isnan(v)} if f.n else {}
        out.append(Shown(f, MARKS[f.verdict], command.row(f)[2:], drawn))
    return out


def _parts(own: tables.Sweep, title: str, group: metrics.Group) -> Parts:
    """Scores of a benchmark's parts, for designs that have all of those that occur."""
    wanted = {m.key: m.name for m in metrics.group(group)}
    last = tables.at_end(own.of(list(wanted)))
    keys = [key for key in wanted if key in {*last.index.get_level_values("metric")}]
    by = last.groupby(level=["design", "metric"], observed=True)
    shown, ends = tables.texts(last), by.agg(mean="mean", low="min", high="max").to_dict("index")
    tops = {key: ceiling(own.curves[key].representation).get(key[1]) for key in ends}
    bars = {key: Bar(shown[key], **ends[key], top=tops[key]) for key in ends}
    complete = [d for d in own.seeds if keys and all((d, key) in bars for key in keys)]
    return Parts(title, [wanted[key] for key in keys], {d: [bars[d, key] for key in keys] for d in complete})
