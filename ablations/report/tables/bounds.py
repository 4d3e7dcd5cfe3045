"""Tables of what scores can be: ceilings, oracle means and floors; and of representations whose tokens carry noise."""

from __future__ import annotations

from ablations.analysis.table import Table
from ablations.report.tables.scores import Sweep
from headtohead.records import ceilings, metrics

NOTE = (
    "A ceiling: true renders sent through the representation and back. An oracle mean: the tokens of "
    f"{ceilings.RENDERS} renders of each prompt averaged and decoded, the most that a regression can reach; where it "
    "is near the ceiling, prompts leave it little to average. Retrieval floor: the training picture whose caption "
    "shares the most words with the prompt. The other floors are prompt-blind: pictures of other prompts, and training "
    "pictures chosen at random. A design has to exceed the higher of these before anything can be said of it."
)


def bounds(own: Sweep) -> Table | None:
    """Ceilings, oracle means and floors of the scores."""
    wanted = sorted({c.representation for c in own.curves.values() if c.representation})
    named = {
        "true renders": ceilings.ceiling("renders"),
        **{f"{r.upper()} ceiling": ceilings.ceiling(r) for r in wanted},
        **{f"{r.upper()} oracle mean": ceilings.oracle(r) for r in wanted},
        "retrieval floor: nearest training caption": ceilings.floor(ceilings.RETRIEVAL),
        "prompt-blind floor: unconditional": ceilings.floor("unconditional"),
        "prompt-blind floor: shuffled prompts": ceilings.floor(),
    }
    columns = metrics.group("score")
    rows = [
        [name, *(m.text(row[m.key]) if m.key in row else "–" for m in columns)] for name, row in named.items() if row
    ]
    return Table("Ceilings and floors", ["", *(m.name for m in columns)], rows, NOTE) if rows else None


def token_noise(own: Sweep) -> Table | None:
    """Scores of true renders whose tokens carry noise, by its size."""
    wanted = sorted({c.representation for c in own.curves.values() if c.representation})
    rows = []
    for r in wanted:
        by_size = ceilings.token_noise(r)
        for m in metrics.headline():
            if by_size and all(m.key in row for row in by_size.values()):
                rows.append([r.upper(), m.name, *(m.text(row[m.key]) for row in by_size.values())])
    note = (
        "Gaussian noise on the tokens of true renders before they are decoded, relative to the tokens' own deviation: "
        "what a representation's decoder makes of tokens that are not quite right, as generated ones are. On fewer "
        "prompts than the ceilings."
    )
    sizes = [f"noise {size:g}" for size in ceilings.NOISES]
    return Table("Ceilings under token noise", ["representation", "score", *sizes], rows, note) if rows else None
