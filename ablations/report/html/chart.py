"""Curves as JSON for the report's script, rounded to five digits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ablations.analysis.curves import FLOPS, FLOPS_TOTAL, PREFIXES, SECONDS, STEPS, Curve, Numbers
from ablations.report.by_time import ByTime, gains_by_time, losses_by_time
from ablations.report.styles import Look, label
from headtohead.records import ceilings, metrics
from headtohead.records.metrics import GAIN_SHARE, LOSS_BY_TIME, Metric

TITLES = {
    STEPS: "training steps",
    FLOPS: "{}FLOPs of head and language model",
    FLOPS_TOTAL: "{}FLOPs of everything",
    SECONDS: "{} of training",
}
NAMES = {STEPS: "Steps", FLOPS: "FLOPs", FLOPS_TOTAL: "FLOPs of everything", SECONDS: "Wall time"}
TIMES = {"seconds": 1.0, "minutes": 60.0, "hours": 3600.0}


def chart(own: list[Curve], looks: dict[str, Look]) -> dict[str, Any]:
    """Panels of one sweep, over every measure of cost that all of its records have.

    own    curves of the sweep
    looks  colour, marker and dash by design
    """
    wanted, loss, gain = metrics.headline(), metrics.METRICS[LOSS_BY_TIME], metrics.METRICS[GAIN_SHARE]
    wanted = [*wanted, gain]
    shown = [c for c in own if c.metric in {m.key for m in wanted}]
    accounts = [a for a in TITLES if shown and all(a in c.spent for c in shown)]
    panels = [_panel(metric, shown, accounts) for metric in wanted]
    by_time = [
        _by_time(gains_by_time(own), gain, "Conditioning gain by time; a regression at t = 0"),
        _by_time(losses_by_time(own), loss, loss.title),
    ]
    return {
        "axes": [_axis(a, shown) for a in accounts],
        "designs": [
            {
                "name": d,
                "label": label(d),
                "shade": look.shade,
                "path": look.path,
                "dash": " ".join(map(str, look.dash)),
            }
            for d, look in looks.items()
        ],
        "panels": [p for p in [*panels, *by_time] if p["series"]],
    }


def _axis(account: str, shown: list[Curve]) -> dict[str, Any]:
    most = max(float(c.spent[account].max()) for c in shown)
    units = TIMES if account == SECONDS else PREFIXES
    unit = max((u for u, size in units.items() if 2 * size <= most), key=units.__getitem__, default=next(iter(units)))
    scale = 1.0 if account == STEPS else units[unit]
    return {"key": account, "name": NAMES[account], "title": TITLES[account].format(unit), "unit": scale}


def _panel(metric: Metric, shown: list[Curve], accounts: list[str]) -> dict[str, Any]:
    own = [c for c in shown if c.metric == metric.key]
    bounds = ceilings.bounds(metric.key, (c.representation for c in own))
    return {
        "title": metric.title or metric.name,
        "name": metric.name,
        "digits": metric.digits,
        "log": metric.scale == "log",
        "lines": [{"name": b.name, "value": _short(b.value), "kind": b.kind} for b in bounds],
        "series": [_series(c, accounts) for c in own],
    }


def _series(c: Curve, accounts: Iterable[str]) -> dict[str, Any]:
    return {
        "design": c.design,
        "seeds": len(c.seeds),
        "x": {a: _list(c.spent[a].mean(0)) for a in accounts},
        "y": _list(c.mean),
        "low": _list(c.values.min(0)),
        "high": _list(c.values.max(0)),
        "n": c.n.tolist(),
        "steps": c.steps.tolist(),
    }


def _by_time(found: dict[str, ByTime], metric: Metric, title: str) -> dict[str, Any]:
    """A panel of values of the last point by time."""
    series = [
        {
            "design": design,
            "seeds": len(own.values),
            "x": {"t": list(own.t)},
            "y": _list(own.values.mean(0)),
            "low": _list(own.values.min(0)),
            "high": _list(own.values.max(0)),
            "n": [own.n] * len(own.t),
            "steps": [own.step] * len(own.t),
        }
        for design, own in found.items()
    ]
    axis = {"key": "t", "name": "t", "title": "t, from noise (0) to data (1)", "unit": 1.0}
    names = {"title": title, "name": metric.name, "digits": metric.digits}
    return {**names, "log": False, "axis": axis, "lines": [], "series": series}


def _list(values: Numbers) -> list[float | None]:
    return [_short(v) for v in values]


def _short(value: float) -> float | None:
    return None if np.isnan(value) else float(f"{value:.5g}")
