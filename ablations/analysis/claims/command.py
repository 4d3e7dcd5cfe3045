"""Verdicts as a table on the terminal or as JSON: `python -m ablations.analysis.claims results/reference`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ablations.analysis.claims.declared import Finding, evaluate
from ablations.analysis.statistics import ALPHA, CONSTANT, POWER, SMALLEST, Verdict
from ablations.cli.damage import conclude
from headtohead.records.json_files import Damage
from headtohead.records.read import runs
from headtohead.utils.cli import Parser

HEAD = ("verdict", "claim", "effect", "95 % interval", "unit", "g", "p", "Holm", "n", "detectable")


def table(found: Sequence[Finding]) -> str:
    rows = [HEAD, *(row(f) for f in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    for f, k in zip(found, range(1, len(rows)), strict=True):
        lines[k] += "".join(f"\n    {text}" for text in (f.detail, f.why) if text)
    return "\n".join([*lines, *legend(found)])


def legend(found: Sequence[Finding]) -> tuple[str, ...]:
    """Explanation of the columns."""
    tested = sum(not np.isnan(f.p) for f in found)
    return (
        f"Effects are positive as claimed; t intervals over n seeds, not corrected. Verdicts need a Holm-corrected p "
        f"of at most {ALPHA:g} over {tested} comparisons and, except for shares, an effect of at least {SMALLEST:g}.",
        f"Detectable: the true effect that a comparison with as many seeds and as much spread finds with a probability "
        f"of {POWER:.0%}, at a level of {ALPHA:g} / {max(tested, 1)}.",
        "g: the effect in standard deviations over seeds (Hedges'); it needs three seeds that differ.",
        *_of_verdicts(found),
        *(
            ["A number that is the same in every seed leaves nothing to test: its sign decides, and there is no p."]
            * any(f.constant for f in found)
        ),
    )


def _of_verdicts(found: Sequence[Finding]) -> list[str]:
    """Explanation of the less common verdicts that occur, and of gains that were not recorded."""
    given, out = {f.verdict for f in found}, list[str]()
    if Verdict.EQUIVALENT in given:
        out.append(
            "Equivalent: two one-sided tests put the true difference within the claim's margin; they are a family of "
            f"their own, Holm-corrected at {ALPHA:g}."
        )
    if Verdict.BY_CONSTRUCTION in given:
        out.append("By construction: the design makes it so; it is not tested, nor counted among the comparisons.")
    if Verdict.NOT_ASSESSABLE in given:
        out.append(
            "Not assessable: by its 95 % interval a design's conditioning gain does not exceed 0, or its score not "
            "that of pictures that ignore their prompts. Its comparisons say nothing of the claim, but count."
        )
    if lacking := list(dict.fromkeys(name for f in found for name in f.without_gain)):
        out.append(
            f"Conditioning gain is not recorded for {', '.join(lacking)}: only scores are held against the floor."
        )
    return out


def row(f: Finding) -> tuple[str, ...]:
    if not f.n:
        return (f.verdict, f.id, *[""] * (len(HEAD) - 2))
    between = CONSTANT if f.constant else "" if np.isnan(f.low) else f"{f.low:+.3f} to {f.high:+.3f}"
    numbers = ["–" if f.constant else "" if np.isnan(v) else f"{v:.2g}" for v in (f.p, f.p_holm, f.mdd)]
    size = "" if np.isnan(f.size) else f"{f.size:+.2g}"
    return f.verdict, f.id, f"{f.effect:+.3f}", between, f.unit, size, *numbers[:2], str(f.n), numbers[2]


def plain(found: Sequence[Finding]) -> list[dict[str, object]]:
    """As JSON, with null for NaN and without p-values of results that are equal in every seed."""
    untested = {"p", "p_holm", "mdd"}
    return [
        {k: None if (isinstance(v, float) and np.isnan(v)) or (f.constant and k in untested) else v
         for k, v in asdict(f).items()}
        for f in found
    ]  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("ablations.analysis.claims", __doc__)
    parser.add_argument("results", type=Path, help="a results folder or a sweep's")
    parser.add_argument("--json", action="store_true", help="as JSON, by sweep")
    options = parser.parse_args(arguments)
    return parser.concluded(lambda: _tell(options.results, options.json), "stopped")


def _tell(results: Path, as_json: bool) -> int:
    damage: Damage = {}
    found = evaluate(runs(results, damage))
    if as_json:
        print(json.dumps({sweep: plain(own) for sweep, own in found.items()}, indent=1))
    else:
        print("\n\n".join(f"{sweep}\n{table(own)}" for sweep, own in found.items()))
    return conclude("claims", damage)
