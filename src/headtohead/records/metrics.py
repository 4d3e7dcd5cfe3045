"""Every metric of a curve, declared once; one more line here shows it in tables, figures and commands.

A plugin declares its own with `register(Metric("own/appeal", "Appeal", headline=True))`. Needs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from headtohead.config.registry import Registry
from headtohead.synthetic.prompts.short_prompts import TASKS

Group = Literal["score", "task", "category", "set", "diversity", "gain", "loss", "other"]
Scale = Literal["share", "log", "linear"]
LOSS_BY_TIME = "loss/t="  # and the time, from 0 (noise) to 1 (data)
GAIN, GAIN_NONE = "gain/shuffled", "gain/none"  # over another caption and over none; by part with "/" and its name
GAIN_SHARE = "gain/share"  # of the loss with another caption, which compares designs and objectives


@dataclass(frozen=True)
class Metric:
    """How one number of a curve is named, read and shown.

    key         its name in `curve.jsonl`; `benchmark/part` for the parts of a benchmark
    name        short, for the head of a column
    title       for a panel of a figure; the name if empty
    higher      whether larger values are better
    digits      decimals that are shown
    scale       share: from 0 to 1, shown beside the ceiling of its representation;
                log: positive without a natural unit, compared by its logarithm; linear: anything else
    group       the table or figure that shows it
    headline    has a panel in the figures, a column in `status`, and a place in the first sentence of a report
    alignment   says how well pictures follow their prompts: compared at equal cost, averaged when settings are searched
    accepted    its number of pictures is a result (how many the judge accepted) and may differ between runs
    """

    key: str
    name: str
    title: str = ""
    higher: bool = True
    digits: int = 3
    scale: Scale = "share"
    group: Group = "score"
    headline: bool = False
    alignment: bool = False
    accepted: bool = False

    def text(self, value: float) -> str:
        return f"{value:.{self.digits}f}"


CATEGORIES = ("entity", "attribute", "relation", "global", "other")  # DPG-Bench's
METRICS: Registry[Metric] = Registry("metric", pattern=r"[\w./=-]+")


def register(metric: Metric) -> Metric:
    """Add a metric; one key has one declaration."""
    return METRICS.add(metric.key, metric)


def _diversity(part: str, name: str) -> Metric:
    return Metric(f"diversity/{part}", name, digits=2, scale="linear", group="diversity", accepted=True)


for _metric in (
    Metric("geneval/overall", "GenEval", headline=True, alignment=True),
    Metric("geneval/seen", "seen"),
    Metric("geneval/unseen", "unseen"),
    Metric("dpg/overall", "DPG", headline=True, alignment=True),
    Metric("fid", "FID", "FID, lower is better", higher=False, digits=1, scale="log", headline=True),
    *(Metric(f"geneval/{task}", task.replace("_", " "), digits=2, group="task") for task in TASKS),
    *(Metric(f"dpg/{category}", category, digits=2, group="category") for category in CATEGORIES),
    Metric(
        "fdr",
        "FDr",
        "Fréchet distances over true pictures', lower is better",
        higher=False,
        digits=1,
        scale="log",
        group="set",
    ),
    Metric("precision", "precision", group="set"),
    Metric("recall", "recall", group="set"),
    Metric("coverage/colour", "colours used", digits=2, scale="linear", group="set"),
    Metric("coverage/place", "places used", digits=2, scale="linear", group="set"),
    _diversity("fixed", "decoder noise fixed"),
    _diversity("drawn", "decoder noise drawn"),
    _diversity("renders", "true renders"),
    _diversity("fixed_all", "fixed, wrong ones too"),
    Metric(GAIN_SHARE, "gain", "Conditioning gain, share of the loss", scale="linear", group="gain"),
    Metric(GAIN, "gain over shuffled captions", digits=4, scale="linear", group="gain"),
    Metric(GAIN_NONE, "gain over no caption", digits=4, scale="linear", group="gain"),
    Metric(LOSS_BY_TIME, "loss", "Held-out flow loss by time", higher=False, scale="linear", group="loss"),
):
    register(_metric)


def of(key: str) -> Metric:
    """The declaration of a key of a curve; parts without one are shown as the rest of their benchmark is."""
    if key in METRICS:
        return METRICS[key]
    part = key.rpartition("/")[2]
    if key.startswith(LOSS_BY_TIME):
        return replace(METRICS[LOSS_BY_TIME], key=key)
    if (gain := key.rpartition("/")[0]) in (GAIN, GAIN_NONE):
        return replace(METRICS[gain], key=key, name=f"{METRICS[gain].name}, {part}", group="other")
    if whole := METRICS.get(f"{key.split('/')[0]}/overall"):
        return replace(whole, key=key, name=part.replace("_", " "), group="other", headline=False, alignment=False)
    if key.startswith("diversity/"):
        return replace(_diversity(part, part), group="other")
    return Metric(key, key, scale="linear", group="other")


def group(wanted: Group) -> list[Metric]:
    """The metrics of a table, in its order."""
    return [m for m in METRICS.values() if m.group == wanted]


def headline() -> list[Metric]:
    return [m for m in METRICS.values() if m.headline]


def alignment() -> list[Metric]:
    return [m for m in METRICS.values() if m.alignment]


def summary(values: Mapping[str, float]) -> str:
    """The headline scores among some values, in words: GenEval 0.612, DPG 0.701, FID 23.4."""
    return ", ".join(f"{m.name} {m.text(values[m.key])}" for m in headline() if m.key in values)
