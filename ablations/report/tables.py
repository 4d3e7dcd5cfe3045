"""The tables of a comparison: a row a design, from records alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ablations.analysis.curves import FINISHED, FLOPS_TOTAL, Curve, Numbers, by_design, counted, order, reached
from ablations.analysis.designs import Ranking
from ablations.analysis.leaders import leaders
from ablations.analysis.table import Table, interval
from headtohead.records import ceilings, metrics
from headtohead.records.metrics import Metric
from headtohead.records.read import Run

Pick = Callable[[Curve, bool], Numbers]
LAST = 3  # points whose mean stands beside the final one
BOLD = (
    "Bold: better than every other ranked design beyond chance, by paired t tests over seeds, corrected for the choice "
    "among designs and for the columns; where no cell of a column is bold, its winner is not decided."
)
TARGET = 0.3  # of GenEval: about a quarter above what shuffled prompts score


@dataclass(frozen=True)
class Group:
    """One design of one sweep: its curves by metric, and its runs."""

    design: str
    curves: dict[str, Curve]
    runs: list[Run] = field(default_factory=list)

    @property
    def whole(self) -> Curve:
        """A curve that goes to the end: diversity may be missing there."""
        return max(self.curves.values(), key=lambda c: len(c.steps))

    @property
    def left(self) -> list[str]:
        """Seeds that no number here stands on, and why; a reader knows how many were planned."""
        others = [r for r in self.runs if r.config.get("seed", 0) not in self.whole.seeds]
        why = {r.name: "has no point" if r.state["state"] == FINISHED else f"is {r.state['state']}" for r in others}
        return [f"{self.design} seed {r.config.get('seed', 0)} {why[r.name]}" for r in others]


def groups(sweep: str, found: list[Run], curves: list[Curve]) -> list[Group]:
    own: dict[str, dict[str, Curve]] = {}
    for curve in curves:
        if curve.sweep == sweep:
            own.setdefault(curve.design, {})[curve.metric] = curve
    runs = by_design(found)
    return [Group(design, own[design], runs.get((sweep, design), [])) for design in sorted(own, key=order)]


def _scores(own: list[Group], ranking: Ranking, title: str, pick: Pick, note: str) -> Table:
    scores = metrics.group("score")
    rows = []
    for g in own:
        some = g.whole
        cells = [interval(pick(g.curves[m.key], m.higher), m.digits) if m.key in g.curves else "–" for m in scores]
        top = g.curves.get("geneval/overall")
        share = interval(pick(_relative(top), True), 2) if top is not None and not np.isnan(top.relative).any() else "–"
        rows.append([g.design, str(len(some.seeds)), f"{some.steps[-1]:,}", *cells, share])
    head = ["design", "seeds", "steps", *(m.name for m in scores), "GenEval / ceiling"]
    names = [g.design for g in own]
    best = leaders([(m, ended(own, ranking, m, pick)) for m in scores])
    marked = frozenset((names.index(name), 3 + k) for k, name in enumerate(best) if name)
    return Table(title, head, rows, note, marked)


def ended(own: list[Group], ranking: Ranking, m: Metric, pick: Pick) -> dict[str, dict[int, float]]:
    """Scores by design and seed, of the ranked designs whose last point has this metric.

    pick  what counts of a curve: (seeds,) from the curve and whether higher is better
    """
    having = [g for g in own if g.design in ranking.ranked and m.key in g.curves]
    return {
        g.design: dict(zip(g.curves[m.key].seeds, pick(g.curves[m.key], m.higher).tolist(), strict=True))
        for g in having
        if g.curves[m.key].steps[-1] == g.whole.steps[-1]
    }


def at_end(curve: Curve, higher: bool) -> Numbers:
    return curve.values[:, -1]


def _relative(curve: Curve) -> Curve:
    return Curve(**{**vars(curve), "values": curve.relative})


def final(own: list[Group], ranking: Ranking) -> Table:
    n = [int(g.curves["geneval/overall"].n[-1]) for g in own if "geneval/overall" in g.curves]
    pictures = f"{n[0]} of GenEval's pictures" if len(set(n)) == 1 else "as many pictures as each run has"
    against = {(f["renders"], f["dimensions"]) for g in own for r in g.runs if (f := r.state.get("fid"))}
    fid = "".join(f" It compares with {n} independent renders in {d} dimensions." for n, d in sorted(against))
    return _scores(
        own,
        ranking,
        "Final point",
        at_end,
        f"Mean over seeds ± the half-width of the 95 % t interval over seeds; {pictures} a seed. FID: lower is better."
        + fid
        + (f" {BOLD}" if len(own) > 1 else "")
        + (f" {ranking}" if str(ranking) else "")
        + (f" Left out: {', '.join(left)}." if (left := [seed for g in own for seed in g.left]) else ""),
    )


def last(own: list[Group], ranking: Ranking) -> Table:
    return _scores(
        own,
        ranking,
        f"Mean of the last {LAST} points",
        lambda c, up: c.values[:, -LAST:].mean(1),
        "Steadier than the final point; points on the way ask fewer prompts than the last.",
    )


def best(own: list[Group], ranking: Ranking) -> Table:
    return _scores(
        own,
        ranking,
        "Best point (optimistic)",
        lambda c, up: c.values.max(1) if up else c.values.min(1),
        "The best of many noisy points is better than the design is: never compare with it.",
    )


def cost(own: list[Group]) -> Table:
    from headtohead.records import frames  # pandas takes most of a second to import

    spent = frames.costs(run for g in own for run in counted(g.runs)).groupby("design", observed=True)
    means = spent.mean(numeric_only=True).astype(float).reindex([g.design for g in own])
    rows = []
    for g in own:
        some = g.whole
        at = reached(g.curves["geneval/overall"], TARGET) if "geneval/overall" in g.curves else None
        rows.append(
            [
                g.design,
                _shown(means["trainable"][g.design], 1e6, "{:.2f} M"),
                f"{some.flops[-1] / some.steps[-1] / 1e9:,.0f} G",
                f"{some.flops[-1] / 1e12:,.0f} T",
                f"{some.spent[FLOPS_TOTAL][:, -1].mean() / 1e12:,.0f} T" if FLOPS_TOTAL in some.spent else "–",
                f"{at[0]:,.0f}" if at else "not reached",
                f"{at[1] / 1e12:,.0f} T" if at else "not reached",
                _shown(means["seconds_training"][g.design], 60, "{:.1f} min"),
                _shown(means["seconds_measuring"][g.design], 60, "{:.1f} min"),
                _shown(means["peak_mb"][g.design], 1024, "{:.1f} GB"),
            ]
        )
    head = ["design", "trainable", "FLOPs a step", "FLOPs in all", "with everything", f"steps to GenEval {TARGET}",
            "FLOPs to it", "training", "measuring", "peak memory"]  # fmt: skip
    note = (
        "FLOPs are those of head and language model, forward and backward; everything is these, the encoder and a "
        "share of the decoder's own training. All are means over seeds."
    )
    return Table("Cost", head, rows, note)


def _shown(value: float, unit: float, shown: str) -> str:
    return "–" if np.isnan(value) else shown.format(value / unit)


def diversity(groups: list[Group]) -> Table | None:
    kinds = {m.key: m.name for m in metrics.group("diversity")}
    rows = []
    for g in groups:
        end = g.whole.steps[-1]
        own = {k: g.curves[k] for k in kinds if k in g.curves and g.curves[k].steps[-1] == end}
        if own:
            cells = [interval(own[k].values[:, -1], 2) if k in own else "–" for k in kinds]
            rows.append([g.design, *cells, _accepted(own.get("diversity/fixed"))])
    note = (
        "Mean feature distance between pictures of one prompt, over pictures that the judge accepts, at the last "
        "point, over the seeds of which enough pictures were accepted there; beside it over all pictures, right or "
        "wrong: 0 where a design gives one picture a prompt."
    )
    return Table("Diversity", ["design", *kinds.values(), "accepted pictures"], rows, note) if rows else None


def _accepted(curve: Curve | None) -> str:
    """At the last point, from the least of the seeds to the most."""
    n = sorted({terms[-1].n for terms in curve.terms if terms[-1]}) if curve else [0]
    return " to ".join(map(str, dict.fromkeys((n[0], n[-1]))))


def bounds(own: list[Group]) -> Table | None:
    """What could at most be reached, and what knowing nothing gives."""
    wanted = sorted({c.representation for g in own for c in g.curves.values() if c.representation})
    named = {
        "true renders": ceilings.ceiling("renders"),
        **{f"{r.upper()} ceiling": ceilings.ceiling(r) for r in wanted},
        "floor: shuffled prompts": ceilings.floor(),
    }
    rows = [
        [name, *(m.text(row[m.key]) if m.key in row else "–" for m in metrics.group("score"))]
        for name, row in named.items()
        if row
    ]
    head = ["", *(m.name for m in metrics.group("score"))]
    note = "A ceiling: true renders sent through the representation and back. A floor: pictures of other prompts."
    return Table("Ceilings and floors", head, rows, note) if rows else None
