"""The comparison that ships: the README's table is what its records say."""

from __future__ import annotations

from pathlib import Path

from ablations.analysis.curves import read
from ablations.analysis.designs import cells, rank
from ablations.report.tables import scores as tables
from ablations.sweep import sweep_file
from headtohead.records import metrics

README = Path(__file__).parents[3] / "README.md"
NAME = "reference"
HEAD = ["design", "GenEval", "DPG", "FID"]


def _rows(page: str, head: list[str]) -> list[list[str]]:
    """Of the table with this head; what is bold is in stars."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines()]
    first = lines.index(head) + 2
    return lines[first : first + lines[first:].index([""])]


def test_the_readme_shows_what_the_records_say() -> None:
    found, curves = read(README.parent / "results" / NAME)
    table = tables.final(
        tables.measured(NAME, found, curves), rank(cells(found, curves)[NAME], [m.key for m in metrics.group("score")])
    )
    columns = [table.head.index(name) for name in HEAD]

    def shown(row: int, column: int) -> str:
        text = table.rows[row][column]
        return f"`{text}`" if not column else f"**{text}**" if (row, column) in table.marked else text

    assert _rows(README.read_text(), HEAD) == [[shown(k, c) for c in columns] for k in range(len(table.rows))]
    assert {len(c.seeds) for c in curves} == {len(sweep_file.read(README.parent / "sweeps" / f"{NAME}.yaml").seeds)}
