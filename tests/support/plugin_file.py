"""The plugin of docs/extending.md: a head `mlp`, an objective `huber` and the design `clip_huber`."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"


def blocks(kind: str) -> list[str]:
    """The page's code blocks of a language."""
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def write(folder: Path) -> Path:
    (file,) = blocks("python")
    (path := folder / "my_heads.py").write_text(file)
    return path
