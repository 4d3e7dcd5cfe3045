"""Human study: a page on which raters compare images without knowing the designs, and win rates of their answers."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from ablations.analysis.human_study.answers import ANSWERS, QUESTIONS, answered
from ablations.analysis.human_study.pairs import study, write_key
from ablations.report.html.document import page
from headtohead.records.json_files import RecordError
from headtohead.records.read import runs
from headtohead.utils.cli import Parser, say

PAGE = "study.html"


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("ablations.report.human_study", __doc__)
    parser.add_argument("results", type=Path, help="a sweep's folder")
    parser.add_argument("--design", nargs="+", metavar="DESIGN", default=[], help="two or more; all when not given")
    options = parser.parse_args(arguments)
    return parser.concluded(lambda: _study(options), "stopped")


def _study(options: argparse.Namespace) -> int:
    designs = list(dict.fromkeys(options.design))
    if len(designs) == 1:
        raise RecordError(f"--design: {designs[0]} needs another one to be compared with")
    found = runs(options.results)
    sweeps = sorted({r.sweep for r in found if r.folder.parent == options.results})
    if not sweeps:
        raise RecordError(f"{options.results}: is not the folder of a sweep, which holds a folder for each run")
    made = study(found, sweeps[0], designs)
    rated = answered(options.results)
    write_key(made, options.results)
    path = options.results / PAGE
    data = {**made.data(), "questions": QUESTIONS}
    path.write_text(page("study.html", data, ("page.css", "study.css"), ("parts.js", "study.js")))
    print(f"{path}: {made.prompts} prompts, {len(made.pairs)} pairs, {len(QUESTIONS)} questions each; put answers into "
          f"{options.results / ANSWERS}/")  # fmt: skip
    for rate in rated.rates if rated else ():
        bounds = "" if math.isnan(rate.low) else f"{rate.low:.0%} to {rate.high:.0%}, "
        between = "" if math.isnan(rate.p) else f" ({bounds}p {rate.p:.2g})"
        print(f"{rate.question}: {rate.designs[0]} preferred to {rate.designs[1]} in {rate.rate:.0%}{between} of "
              f"{rate.answers} answers, {rate.prompts} prompts, {rate.raters} raters")  # fmt: skip
    for line in rated.refused if rated else ():
        say(f"study: {line}")
    return 2 if rated and rated.refused else 0


if __name__ == "__main__":
    sys.exit(main())
