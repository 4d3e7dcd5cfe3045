"""python -m ablations.report results/: the comparison as report.md, comparison.csv and a self-contained report.html."""

from __future__ import annotations

import base64
import csv
import html
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ablations import plot
from ablations.command import Parser
from ablations.curves import Curve, bounds, curves, design_of
from headtohead.records import RecordError, Run, runs

METRICS = ("geneval/overall", "geneval/seen", "geneval/unseen", "dpg/overall", "fid", "diversity/fixed")
TITLES = ("GenEval", "seen", "unseen", "DPG", "FID", "diversity")
LAST = 3  # points whose mean stands beside the final one
# 97.5 % points of Student's t, by degrees of freedom.
T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)

STYLE = """
:root { color-scheme: light dark; --line: #8884; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .7rem; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; background: #fff; border-radius: 4px; }
.grids { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 1rem; }
.grids img { image-rendering: pixelated; width: 100%; }
figcaption, .note { color: #888; font-size: .85rem; }
code { background: #8882; padding: .1em .3em; border-radius: 3px; }
"""


@dataclass(frozen=True)
class Row:
    sweep: str
    design: str
    seeds: int
    steps: int
    cells: dict[str, str]  # by metric: final value with its interval over seeds
    means: dict[str, str]  # of the last points
    trainable: str
    minutes: str


def interval(values: np.ndarray, digits: int) -> str:
    """Mean and half-width of the 95 % t interval over seeds; one seed has no interval."""
    n = len(values)
    if n < 2:
        return f"{values.mean():.{digits}f}"
    half = T_975[min(n - 2, len(T_975) - 1)] * values.std(ddof=1) / n**0.5
    return f"{values.mean():.{digits}f} ± {half:.{digits}f}"


def rows(found: list[Curve], ran: list[Run]) -> list[Row]:
    out = []
    for sweep, design in sorted({(c.sweep, c.design) for c in found}):
        own = {c.metric: c for c in found if (c.sweep, c.design) == (sweep, design)}
        mine = [r for r in ran if (r.sweep, design_of(r)) == (sweep, design)]
        seconds = [line["seconds"] for r in mine if (line := r.curve()[-1])]
        trainable = [r.state["trainable"] for r in mine if "trainable" in r.state]
        digits = {m: 1 if m == "fid" else 3 for m in METRICS}
        some = next(iter(own.values()))
        out.append(
            Row(
                sweep,
                design,
                len(some.values),
                int(some.steps[-1]),
                {m: interval(own[m].values[:, -1], digits[m]) for m in METRICS if m in own},
                {m: interval(own[m].values[:, -LAST:].mean(1), digits[m]) for m in METRICS if m in own},
                f"{trainable[0] / 1e6:.1f} M" if trainable else "",
                f"{np.mean(seconds) / 60:.0f}",
            )
        )
    return out


def table(found: list[Row], last: bool) -> list[list[str]]:
    head = ["design", "seeds", "steps", *TITLES, "trainable", "minutes"]
    body = [
        [r.design, str(r.seeds), f"{r.steps:,}", *((r.cells if last else r.means).get(m, "") for m in METRICS),
         r.trainable, r.minutes]
        for r in found
    ]  # fmt: skip
    return [head, *body]


def markdown(cells: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join([lines[0], "|" + " --- |" * len(cells[0]), *lines[1:]])


def as_html(cells: list[list[str]]) -> str:
    head = "".join(f"<th scope=col>{html.escape(c)}</th>" for c in cells[0])
    body = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in cells[1:])
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _picture(path: Path, label: str) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    text = html.escape(label)
    return f'<figure><img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>'


def limits_line() -> str:
    known = bounds()
    shown = [
        f"{name} {known[name]['overall']:.2f}"
        for name in ("renders", "vae", "clip", "shuffled prompts")
        if name in known
    ]
    return "GenEval's ceilings and floor here: " + ", ".join(shown) + "." if shown else ""


def write(results: Path, figures: Path) -> None:
    ran, found = runs(results), curves(results)
    lines, failed = rows(found, ran), [r for r in ran if r.state["state"] == "failed"]
    told, page = ["# Comparison", ""], ["<h1>Comparison</h1>"]
    for sweep in sorted({r.sweep for r in lines}):
        own = [r for r in lines if r.sweep == sweep]
        for last, title in ((True, "final point"), (False, f"mean of the last {LAST} points")):
            cells = table(own, last)
            told += [f"## {sweep}: {title}", "", markdown(cells), ""]
            page += [f"<h2>{html.escape(sweep)}: {title}</h2>", as_html(cells)]
    note = f"± is the 95 % t interval over seeds. FID: lower is better. {limits_line()}"
    told += [note, ""]
    page += [f"<p class=note>{html.escape(note)}</p>"]
    page += [_picture(figures / f"{name}.png", name.replace("_", " over ")) for name in ("curves_steps", "tasks")]
    page += ["<h2>Samples of the last point</h2><div class=grids>"]
    for run in ran:
        grids = sorted((run.folder / "grids").glob("*.png"))
        if grids and run.name.endswith("-s0"):
            page.append(_picture(grids[-1], f"{run.sweep} {run.name}"))
    page.append("</div>")
    for run in failed:
        told.append(f"- failed: {run.sweep}/{run.name}: {run.state.get('reason', 'no reason recorded')}")
        page.append(f"<p>failed: {html.escape(told[-1][2:])}</p>")
    (results / "report.md").write_text("\n".join(told).rstrip() + "\n")
    body = "\n".join(page)
    meta = "<meta charset=utf-8><meta name=viewport content='width=device-width'>"
    head = f"{meta}<title>headtohead</title><style>{STYLE}</style>"
    (results / "report.html").write_text(
        f"<!doctype html><html lang=en><head>{head}</head><body>{body}</body></html>\n"
    )
    with (results / "comparison.csv").open("w", newline="") as f:
        csv.writer(f, lineterminator="\n").writerows([["sweep", *table(lines, True)[0]]])
        csv.writer(f, lineterminator="\n").writerows([[r.sweep, *table([r], True)[1]] for r in lines])


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("ablations.report", __doc__)
    parser.add_argument("results", type=Path, help="a results folder or a sweep's")
    options = parser.parse_args(arguments)
    if code := plot.main([str(options.results)]):
        return code
    try:
        write(options.results, options.results / "figures")
    except RecordError as error:
        print(f"report: {error}", file=sys.stderr)
        return 2
    for name in ("report.md", "report.html", "comparison.csv"):
        print(options.results / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
