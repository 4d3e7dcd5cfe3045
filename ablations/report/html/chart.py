"""The curves as the page's script draws them: plain numbers, rounded to what a screen can show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ablations.analysis.curves import FLOPS, FLOPS_TOTAL, PREFIXES, SECONDS, STEPS, Curve, Numbers
from ablations.analysis.table import METRICS, lines
from ablations.report.figures import PANELS
from ablations.report.styles import Look

LOSS = "loss/t="
TITLES = {
    STEPS: "training steps",
    FLOPS: "{}FLOPs of head and language model",
    FLOPS_TOTAL: "{}FLOPs of everything",
    SECONDS: "{} of training",
}
NAMES = {STEPS: "Steps", FLOPS: "FLOPs", FLOPS_TOTAL: "FLOPs of everything", SECONDS: "Wall time"}
TIMES = {"seconds": 1.0, "minutes": 60.0, "hours": 3600.0}


def chart(own: list[Curve], looks: dict[str, Look]) -> dict[str, Any]:
    """Figure 4's panels of one sweep, on every account of cost that each of its records keeps."""
    shown = [c for c in own if c.metric in dict(PANELS)]
    accounts = [a for a in TITLES if shown and all(a in c.spent for c in shown)]
    panels = [_panel(metric, title, shown, accounts) for metric, title in PANELS]
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


def _panel(metric: str, title: str, shown: list[Curve], accounts: list[str]) -> dict[str, Any]:
    own = [c for c in shown if c.metric == metric]
    name, digits, up = METRICS[metric]
    bounds = lines(metric, (c.representation for c in own))
    return {
        "title": title,
        "name": name,
        "digits": digits,
        "log": not up,
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
    """The held-out loss of the last point by time, where an objective has times."""
    by: dict[str, list[tuple[float, Curve]]] = {}
    for c in own:
        if c.metric.startswith(LOSS):
            by.setdefault(c.design, []).append((float(c.metric.removeprefix(LOSS)), c))
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
    names = {"title": "Held-out flow loss by time", "name": "loss", "digits": 3}
    return {**names, "log": False, "axis": axis, "lines": [], "series": series} if by else None


def _list(values: Numbers) -> list[float | None]:
    return [_short(v) for v in values]


def _short(value: float) -> float | None:
    return None if np.isnan(value) else float(f"{value:.5g}")
