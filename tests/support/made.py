"""Runs that never ran: records of designs whose truth is known."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from headtohead.config.design import DESIGNS
from headtohead.records.recorder import Recorder, Spent

SETTINGS = {"query": {"number": 16}, "head": {"dim": 256, "layers": 4}, "train": {"steps": 900, "lr": 0.004}}


def record(
    folder: Path,
    height: float,
    *,
    seeds: tuple[int, ...] = (0, 1, 2),
    judge: str = "judge",
    settings: dict[str, Any] | None = None,
    pictures: int = 744,
    fid: float = 50.0,
    spread: float | None = 10.0,
    exam: str = "aa",
    price: float = 1.0,
    everything: float | None = None,
    gain: float | None = None,
    dpg: float | None = None,
) -> None:
    """Runs of a design whose scores rise to a height in 900 steps, with a little of their own from each seed; with a
    conditioning gain if one is given, and DPG of its own height if that is."""
    name = folder.name.split("+")[0]
    for seed in seeds:
        run = Recorder(folder.with_name(f"{folder.name}-s{seed}"))
        run.begin({"seed": seed, "design": asdict(DESIGNS[name]), **(settings or SETTINGS)})
        for step in (300, 600, 900):
            own = (-1) ** seed * 0.004 + seed * 0.002
            value = height * step / 900 + own
            values = {"geneval/overall": value, "dpg/overall": value, "fid": fid + 100 * own, "diversity/renders": 20.0}
            if spread is not None:
                values |= {"diversity/fixed": spread, "diversity/fixed_all": spread}
            if dpg is not None:
                values["dpg/overall"] = dpg * step / 900 + own
            if gain is not None:
                gains = {"gain/shuffled": gain + own, "gain/none": gain + own, "gain/share": (gain + own) / (1 + gain)}
                values |= {"loss/t=0.1": 1.0, "gain/shuffled/t=0.1": gain + own, **gains}
            last = step == 900
            n = {
                "geneval": pictures if last else 120,
                "dpg": 120,
                "fid": 800 if last else 200,
                "diversity": 8,
                "loss": 8,
                "gain": 8,
            }
            at = Spent(step, step, price * step * 1e9, 0.5 * step, everything and everything * step * 1e9)
            run.append(at, values, n, representation="clip", judge=judge)
            run.prompts(step, f"{exam}{step}", [value], {})
        run.status("finished")
