"""Tables of a comparison with a row for each design, from pandas frames of the records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ablations.analysis.curves import FINISHED, Curve, by_design, counted, frame, reached
from ablations.analysis.designs import Ranking, near_floor
from ablations.analysis.leaders import Scores, leaders
from ablations.analysis.table import Table, interval
from headtohead.records import ceilings, metrics
from headtohead.records.metrics import Metric
from headtohead.records.read import Run

if TYPE_CHECKING:
    from pandas import DataFrame, Series

Pick = Callable[["DataFrame"], "Series[float]"]  # from points to a number of each curve, by design, metric and seed
LAST = 3  # points averaged in the second table
BOLD = (
    "Bold: better than every other ranked design beyond chance, by paired t tests over seeds, corrected for the choice "
    "among designs and for the columns; where no cell of a column is bold, its winner is not decided."
)
TARGET = 0.3  # of GenEval: about a quarter above what shuffled prompts score
GAIN, NOT_RECORDED = metrics.METRICS[metrics.GAIN_SHARE], "not recorded"
OVERALL, ACCEPTED = "geneval/overall", "diversity/fixed"
EACH = ["design", "metric", "seed"]


@dataclass(frozen=True, eq=False)
class Sweep:
    """Measurements of one sweep.

    points  a row for each metric, seed and step of each design; see `curves.frame`
    curves  by design and metric, designs in their order
    runs    by design
    """

    points: DataFrame
    curves: dict[tuple[str, str], Curve]
    runs: dict[str, list[Run]]

    @cached_property
    def seeds(self) -> dict[str, tuple[int, ...]]:
        """Seeds that have numbers, by design."""
        return {design: curve.seeds for (design, _), curve in self.curves.items()}

    @cached_property
    def end(self) -> DataFrame:
        """The points at the last step of each design; diversity may be missing there."""
        return self.points[self.points.step == self.points.groupby("design", observed=True).step.transform("max")]

    def of(self, keys: Iterable[str]) -> DataFrame:
        """The points of some metrics."""
        return self.points[self.points.metric.isin(keys)]


def measured(sweep: str, found: list[Run], curves: list[Curve]) -> Sweep:
    own = [c for c in curves if c.sweep == sweep]
    runs = {design: runs for (name, design), runs in by_design(found).items() if name == sweep}
    return Sweep(frame(own), {(c.design, c.metric): c for c in own}, runs)


def at_end(points: DataFrame) -> Series[float]:
    """The last number of each curve."""
    return _each(points).tail(1).set_index(EACH).value


def _late(points: DataFrame) -> Series[float]:
    return _each(_each(points).tail(LAST)).value.mean()


def _best(points: DataFrame) -> Series[float]:
    signs = {key: 1 if metrics.of(key).higher else -1 for key in points.metric.unique()}
    best = _each(points.assign(value=points.value * points.metric.map(signs).astype(int))).value.max()
    return best * best.index.get_level_values("metric").map(signs)


def _each(points: DataFrame) -> Any:
    """Points grouped by curve and seed, in their order."""
    return points.groupby(EACH, observed=True, sort=False)


def texts(scores: Series[float], digits: int | None = None) -> dict[tuple[str, str], str]:
    """Mean and interval over seeds as text, by design and metric.

    scores  by design, metric and seed
    digits  decimals; None for those of each metric
    """
    by = scores.groupby(level=["design", "metric"], observed=True, sort=False)
    return {key: interval(own.to_numpy(), metrics.of(key[1]).digits if digits is None else digits) for key, own in by}


def ranked(own: Sweep, ranking: Ranking, columns: Sequence[Metric], pick: Pick = at_end) -> list[tuple[Metric, Scores]]:
    """Scores of each metric by design and seed, for the ranked designs that have it at their last step.

    own      measurements of a sweep
    ranking  comparable designs
    columns  metrics
    pick     reduces the points of a curve to one number
    """
    at_last = own.end[own.end.design.isin(ranking.ranked) & own.end.metric.isin([m.key for m in columns])]
    ending = {*zip(at_last.design, at_last.metric, strict=True)}
    out: dict[str, dict[str, dict[int, float]]] = {m.key: {} for m in columns}
    for (design, metric, seed), value in pick(own.of(out)).dropna().items():
        if (design, metric) in ending:
            out[metric].setdefault(design, {})[seed] = value
    return [(m, out[m.key]) for m in columns]


def _scores(own: Sweep, ranking: Ranking, title: str, pick: Pick, note: str) -> Table:
    columns, overall = metrics.group("score"), own.of([OVERALL])
    cells = texts(pick(own.of([m.key for m in columns])))
    gains = texts(pick(own.of([GAIN.key])))
    shares = texts(pick(overall.assign(value=overall.relative)), 2)
    designs, steps = [*own.seeds], own.end.groupby("design", observed=True).step.max()
    gained = [GAIN.name] * bool(gains)  # no column where no design has it
    rows = [
        [d, str(len(own.seeds[d])), f"{steps[d]:,}", *(cells.get((d, m.key), "–") for m in columns),
         *(gains.get((d, GAIN.key), NOT_RECORDED) for _ in gained), shares.get((d, OVERALL), "–")]
        for d in designs
    ]  # fmt: skip
    head = ["design", "seeds", "steps", *(m.name for m in columns), *gained, "GenEval / ceiling"]
    best = leaders(ranked(own, ranking, columns, pick))
    return Table(title, head, rows, note, frozenset((designs.index(d), 3 + k) for k, d in enumerate(best) if d))


def final(own: Sweep, ranking: Ranking) -> Table:
    left = [r for d, seeds in own.seeds.items() for r in own.runs.get(d, ()) if r.seed not in seeds]
    why = {r: "has no point" if r.state["state"] == FINISHED else f"is {r.state['state']}" for r in left}
    n = {*_each(own.of([OVERALL])).tail(1).n} - {0}
    images = f"{min(n)} of GenEval's pictures" if len(n) == 1 else "as many pictures as each run has"
    against = {(f["renders"], f["dimensions"]) for runs in own.runs.values() for r in runs if (f := r.state.get("fid"))}
    fid = "".join(f" It compares with {n} independent renders in {d} dimensions." for n, d in sorted(against))
    note = f"Mean over seeds ± the half-width of the 95 % t interval over seeds; {images} a seed. FID: lower is better."
    note += f"{fid} {explained(own)}" + (f" {BOLD}" if len(own.seeds) > 1 else "")
    note += f" {ranking}" if str(ranking) else ""
    note += f" Left out: {', '.join(f'{r.design} seed {r.seed} {why[r]}' for r in left)}." if left else ""
    return _scores(own, ranking, "Final point", at_end, note + _floored(own))


def explained(own: Sweep) -> str:
    """What the column of the conditioning gain says."""
    recorded = {design for design, metric in own.curves if metric == GAIN.key}
    if not recorded:
        return "Gain, the conditioning gain, is not recorded in these runs."
    return (
        "Gain: the share of the held-out loss with another sample's caption that the right caption saves, near pure "
        "noise; about 0 where a design has not learned to read its prompt."
    )


def _floored(own: Sweep) -> str:
    """A sentence for each metric on designs near the floor, whose differences mean little."""
    ends, out = at_end(own.of([m.key for m in metrics.headline()])), ""
    low: dict[str, list[str]] = {}
    for key, mean in ends.groupby(level=["metric", "design"], observed=True, sort=False).mean().items():
        if near_floor(own.curves[key[::-1]], mean) is not None:
            low.setdefault(key[0], []).append(key[1])
    for metric, designs in low.items():
        floor = metrics.of(metric).text(ceilings.blind_floor(metric) or 0.0)
        out += f" Near the floor of {metrics.of(metric).name}, {floor}, or below it: {', '.join(designs)}."
    return out


def last(own: Sweep, ranking: Ranking) -> Table:
    note = "It varies less than the final point does. Points before the last ask fewer prompts."
    return _scores(own, ranking, f"Mean of the last {LAST} points", _late, note)


def best(own: Sweep, ranking: Ranking) -> Table:
    note = "The best of many noisy points is better than the design is: never compare with it."
    return _scores(own, ranking, "Best point (optimistic)", _best, note)


def cost(own: Sweep) -> Table:
    from headtohead.records import frames  # pandas takes most of a second to import

    target = {d: reached(c, TARGET) for (d, metric), c in own.curves.items() if metric == OVERALL}
    status = frames.costs(run for design in own.seeds for run in counted(own.runs.get(design, ())))
    means = own.end.groupby("design", observed=True)[["step", "flops", "flops_total"]].mean()
    about = ["trainable", "seconds_training", "seconds_measuring", "peak_mb"]
    means = means.join(status.groupby("design", observed=True)[about].mean().astype(float))
    means["a_step"] = means.flops / means.step
    for k, key in enumerate(("steps_to", "flops_to")):
        means[key] = [at[k] if (at := target.get(design)) else float("nan") for design in means.index]
    columns = {
        "trainable": ("trainable", 1e6, "{:.2f} M"),
        "FLOPs a step": ("a_step", 1e9, "{:,.0f} G"),
        "FLOPs in all": ("flops", 1e12, "{:,.0f} T"),
        "with everything": ("flops_total", 1e12, "{:,.0f} T"),
        f"steps to GenEval {TARGET}": ("steps_to", 1, "{:,.0f}"),
        "FLOPs to it": ("flops_to", 1e12, "{:,.0f} T"),
        "training": ("seconds_training", 60, "{:.1f} min"),
        "measuring": ("seconds_measuring", 60, "{:.1f} min"),
        "peak memory": ("peak_mb", 1024, "{:.1f} GB"),
    }
    values = means.to_dict()
    rows = [[d, *(_shown(key, values[key][d] / unit, text) for key, unit, text in columns.values())] for d in own.seeds]
    note = (
        "FLOPs are those of head and language model, forward and backward; everything is these, the encoder and a "
        "share of the training of encoder and decoder, without public models. All are means over seeds."
    )
    return Table("Cost", ["design", *columns], rows, note)


def _shown(key: str, value: float, text: str) -> str:
    return ("not reached" if key.endswith("_to") else "–") if value != value else text.format(value)


def sets(own: Sweep) -> Table | None:
    kinds, designs, cells, _ = _of_group(own, "set")
    note = (
        "The pictures of a point against as many true ones of the same prompts. FDr: Fréchet distance over that of "
        "other true pictures, a mean over three feature spaces; 1 is as near as true pictures are to each other. "
        "Precision: pictures that look true; recall: true pictures that are covered. Colours and places used: how "
        "often two pictures of a prompt differ in those of their largest object where it leaves them free, over how "
        "often true ones do."
    )
    rows = [[d, *(cells.get((d, k), "–") for k in kinds)] for d in designs]
    return Table("Pictures as a set", ["design", *kinds.values()], rows, note) if rows else None


def _of_group(
    own: Sweep, group: metrics.Group
) -> tuple[dict[str, str], list[str], dict[tuple[str, str], str], DataFrame]:
    """Names of a group's metrics by key, the designs that have any of them, their cells, and the last points."""
    kinds = {m.key: m.name for m in metrics.group(group)}
    end = own.end[own.end.metric.isin(kinds)]
    return kinds, [d for d in own.seeds if d in {*end.design}], texts(at_end(end)), end


def diversity(own: Sweep) -> Table | None:
    kinds, designs, cells, end = _of_group(own, "diversity")
    named = end[(end.metric == ACCEPTED) & end.value.notna()]
    least, most = (named.groupby("design", observed=True).n.agg(how) for how in ("min", "max"))
    accepted = {d: " to ".join(dict.fromkeys((str(least[d]), str(most[d])))) for d in least.index}
    rows = [[d, *(cells.get((d, k), "–") for k in kinds), accepted.get(d, "0")] for d in designs]
    note = (
        "Mean feature distance between pictures of one prompt, over pictures that the judge accepts, at the last "
        "point, over the seeds of which enough pictures were accepted there; beside it over all pictures, right or "
        "wrong: 0 where a design gives one picture a prompt."
    )
    return Table("Diversity", ["design", *kinds.values(), "accepted pictures"], rows, note) if rows else None
