"""Curves as JSON for the report's script, rounded to five digits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ablations.analysis.curves import FLOPS, FLOPS_TOTAL, PREFIXES, SECONDS, STEPS, Curve, Numbers
from ablations.report.styles import Look
from headtohead.records import ceilings, metrics
from headtohead.records.metrics import LOSS_BY_TIME, Metric

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
    wanted = metrics.headline()
    shown = [c for c in own if c.metric in {m.key for m in wanted}]
    accounts = [a for a in TITLES if shown and all(a in c.spent for c in shown)]
    panels = [_panel(metric, shown, accounts) for metric in wanted]
    return {
        "axes": [_axis(a, shown) for a in accounts],
        "designs": [
            {"name": d, "shade": look.shade, "path": look.path, "dash": " ".join(map(str, look.dash))}
            for d, look in looks.items()
        ],
        "panels": [p for p in [*panels, _losses(own)] if p and p["series"]],
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
        "lines": [{"name": n, "value": _short(v), "floor": floor} for n, v, floor in bounds],
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


def _losses(own: list[Curve]) -> dict[str, Any] | None:
    """The held-out loss of the last point by time, for objectives that have times; None without any."""
    by: dict[str, list[tuple[float, Curve]]] = {}
    for c in own:
        if c.metric.startswith(LOSS_BY_TIME):
            by.setdefault(c.design, []).append((float(c.metric.removeprefix(LOSS_BY_TIME)), c))
    series = []
    for design, points in by.items():
        times, found = zip(*sorted(points, key=lambda p: p[0]), strict=True)
        last = np.array([c.values[:, -1] for c in found]).T
        series.append(
            {
                "design": design,
                "seeds": len(found[0].seeds),
                "x": {"t": list(times)},
                "y": _list(last.mean(0)),
                "low": _list(last.min(0)),
                "high": _list(last.max(0)),
                "n": [int(c.n[-1]) for c in found],
                "steps": [int(c.steps[-1]) for c in found],
            }
        )
    axis = {"key": "t", "name": "t", "title": "t, from noise (0) to data (1)", "unit": 1.0}
    loss = metrics.METRICS[LOSS_BY_TIME]
    names = {"title": loss.title, "name": loss.name, "digits": loss.digits}
    return {**names, "log": False, "axis": axis, "lines": [], "series": series} if by else None


def _list(values: Numbers) -> list[float | None]:
    return [_short(v) for v in values]


def _short(value: float) -> float | None:
    return None if np.isnan(value) else float(f"{value:.5g}")
