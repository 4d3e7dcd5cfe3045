"""Plugins: the one of docs/extending.md (head `mlp`, objective `huber`, design `clip_huber`), and one without torch."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"


DESIGN = """from headtohead.plugins import DESIGNS, Design

DESIGNS.add("my_design", Design(representation="clip", objective="mse", backbone="trained", head="dit"))
"""


def blocks(kind: str) -> list[str]:
    """The page's code blocks of a language."""
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def write(folder: Path) -> Path:
    (file,) = blocks("python")
    (path := folder / "my_heads.py").write_text(file)
    return path


def write_design(folder: Path) -> Path:
    """A plugin that declares `my_design`; commands load it in no time."""
    (path := folder / "my_design.py").write_text(DESIGN)
    return path
