"""A plan as JSON: every number that its text shows, and those that they are computed from."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ablations.plan.totals import Plan, Run
from headtohead.config import flop_accounting


def plain(plan: Plan) -> dict[str, Any]:
    return {
        "machine": asdict(plan.machine),
        "seeds": plan.seeds,
        "gpu_hours": plan.hours,
        "picture": plan.picture,
        "once": [asdict(made) for made in plan.once],
        "features": {name: asdict(kept) for name, kept in plan.features.items()},
        "runs": {run.design: _run(run) for run in plan.runs},
    }


def _run(run: Run) -> dict[str, Any]:
    images, c = flop_accounting.shown(run.config), run.cost
    return {
        "config": run.config.plain(),
        "parameters": {
            "head": c.head.parameters, "trained": c.trained, "frozen": c.untrained,
            "encoder": c.frozen.encode.parameters, "decoder": c.frozen.decode.parameters,
        },
        "tokens": {
            "image": c.frozen.grid.tokens, "channels": c.frozen.grid.channels, "queries": c.queries, "prompt": c.prompt,
        },
        "flops_a_picture": {
            "head": c.head.train, "language": c.reading.train, "encode": c.frozen.encode.flops, "sample": c.sample,
            "decode": c.frozen.decode.flops, "learning": c.train, "everything": run.everything,
        },
        "flops": {"learning": images * c.train, "everything": images * run.everything},
        "gpu_hours": {**run.hours, "in all": run.all_hours, "points asking everything": run.every_all},
        "points": {**asdict(run.points), "pictures": run.points.pictures},
        "memory": {
            "as configured": asdict(run.memory), "without checkpointing": asdict(run.ways[0]),
            "with checkpointing": asdict(run.ways[1]), "most": run.memory.most, "fits": run.advice.fits,
            "settings that make it fit": list(run.advice.settings),
        },
    }  # fmt: skip
