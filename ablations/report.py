"""python -m ablations.report results/: the comparison as report.md, comparison.csv and a self-contained report.html."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

from ablations import plot, tables
from ablations.curves import Curve, design_of, read
from ablations.page import Page
from ablations.spec import asked
from headtohead.command import Parser
from headtohead.records import RecordError, Run

CAPTIONS = {
    "curves_steps": "Scores of held-out prompts over training. Bands span the seeds; dashed lines are what true "
    "renders score after a round trip through the representation, dotted ones what pictures of other prompts score.",
    "curves_flops": "The same over training FLOPs of head and language model.",
    "tasks": "GenEval's six tasks at the last point; whiskers span the seeds.",
    "samples": "The same prompts across designs, at the last point of the first seed; none of them was selected.",
    "one_prompt": "One prompt several times: noise differs, the prompt does not. A regression has no noise to draw.",
    "losses": "Near noise the condition decides, near data the picture itself does.",
    "guidance": "Guidance trades FID against alignment; a regression has none, so it is one point.",
}


def headline(own: list[tables.Group]) -> str:
    """What the final table says, in a sentence."""
    said = []
    for metric, (name, digits, up) in tables.METRICS.items():
        having = [g for g in own if metric in g.curves]
        if metric in ("geneval/overall", "dpg/overall", "fid") and having:
            top = (max if up else min)(having, key=lambda g: g.curves[metric].mean[-1])
            value = tables.interval(top.curves[metric].values[:, -1], digits)
            said.append(f"{'highest' if up else 'lowest'} {name} {value} by {top.design}")
    return "At the final point: " + "; ".join(said) + "." if said else ""


def commands(sweep: str, own: list[Run]) -> str:
    """How to run a sweep again: as it was asked for when its folder knows, else from what its runs are."""
    if known := asked(own[0].folder.parent):
        return "\n".join(known)
    designs = " ".join(dict.fromkeys(design_of(r).split("+")[0] for r in own))
    seeds = ",".join(sorted({str(r.config.get("seed", 0)) for r in own}))
    return f'make sweep DESIGN="{designs}" SEEDS={seeds}'


def provenance(page: Page, sweep: str, own: list[Run]) -> None:
    page.head("What was run", 3)
    page.code(commands(sweep, own))
    done = sum(r.state["state"] == "finished" for r in own)
    config = own[0].config
    settings = ""
    if "train" in config and "evaluation" in config:
        train, evaluation = config["train"], config["evaluation"]
        settings = (
            f" {train['steps']:,} steps of {train['batch']}, a point every {evaluation['every']:,} steps on the "
            f"{evaluation['split']} prompts."
        )
    page.text(f"{len(own)} runs, {done} of them finished.{settings}")
    machines = {json.dumps(r.state["machine"]): r.state["machine"] for r in own if "machine" in r.state}
    for m in machines.values():
        page.text(f"On {m['name']} ({m['device']}, {m['threads']} of {m['cores']} cores).")
    versions = {", ".join(f"{k} {v}" for k, v in r.state["packages"].items()) for r in own if "packages" in r.state}
    page.text("; ".join(sorted(versions)), "note")
    for run in own:
        if run.state["state"] == "failed":
            page.text(f"Failed: {run.name}: {run.state.get('reason', 'no reason recorded')}")
        elif run.state["state"] != "finished":
            page.text(f"Not finished: {run.name}")


def write(results: Path, found: list[Run], curves: list[Curve], figures: Path) -> None:
    page = Page("headtohead: comparison")
    sweeps = sorted({c.sweep for c in curves})
    page.head("Head to head" if len(sweeps) > 1 else f"Head to head: {sweeps[0]}", 1)
    drawn = {path.stem: path for path in sorted(figures.glob("*.png"))}

    def picture(name: str, sweep: str = "") -> None:
        path = drawn.get(f"{name}_{sweep}") if sweep else None
        if path := path or drawn.get(name):
            page.picture(path, CAPTIONS[name], results)

    if len(sweeps) > 1:
        page.text(f"{len(sweeps)} sweeps, each on its own: runs of different settings are never pooled.", "lead")
        picture("curves_steps")
    for sweep in sweeps:
        runs = [r for r in found if r.sweep == sweep]
        own = tables.groups(sweep, found, curves)
        if len(sweeps) > 1:
            page.head(sweep)
        page.text(headline(own), "lead")
        final, *others = tables.of(sweep, found, curves)
        page.table(final)
        if len(sweeps) == 1:
            for name in ("curves_steps", "curves_flops", "tasks", "losses"):
                picture(name)
        picture("samples", sweep)
        picture("one_prompt", sweep)
        picture("guidance", sweep)
        for table in others:
            page.table(table)
        provenance(page, sweep, runs)
    if len(sweeps) > 1:
        picture("tasks")
    page.write(results)
    with (results / "comparison.csv").open("w", newline="") as f:
        rows = csv.writer(f, lineterminator="\n")
        rows.writerow(["sweep", "design", "metric", "seed", "step", "flops", "value", "relative", "n"])
        for c in curves:
            for k, seed in enumerate(c.seeds):
                rows.writerow([c.sweep, c.design, c.metric, seed, c.steps[-1], c.flops[-1], c.values[k, -1],
                               c.relative[k, -1], c.n[-1]])  # fmt: skip


def make(results: Path) -> Path:
    """Figures and report of a results folder, from its records; the page that holds all of it."""
    found, curves = read(results)
    plot.save(plot.drawn(found, curves), results / "figures")
    write(results, found, curves, results / "figures")
    return results / "report.html"


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("ablations.report", __doc__)
    parser.add_argument("results", type=Path, help="a results folder or a sweep's")
    options = parser.parse_args(arguments)
    try:
        print(make(options.results))
    except RecordError as error:
        print(f"report: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
