"""The files of results/bench that hold the rows: written whole after every line, so that a cut run keeps its results.

Rows of an earlier run of the same commit on the same machine stay until they are measured again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ablations.bench.gpu.lines import FAILED, SKIPPED, Line
from headtohead.utils import files


class Rows:
    """Rows by group and part, in the order in which they are measured.

    folder  of the files
    gpu     that their names end in
    about   machine, packages and commit
    """

    def __init__(self, folder: Path, gpu: str, about: dict[str, Any]) -> None:
        self.folder, self.gpu, self.about = folder, gpu, about
        self.groups: dict[str, dict[str, dict[str, Any]]] = {}

    def path(self, group: str) -> Path:
        return self.folder / f"{group}-{self.gpu}.json"

    def put(self, line: Line, row: dict[str, Any]) -> None:
        """Write a line's row; a line that is skipped leaves an earlier measurement in place."""
        own = self._group(line.group)
        former = own.get(line.part, {SKIPPED: ""})
        if SKIPPED in row and not {SKIPPED, FAILED} & former.keys():
            return
        own[line.part] = {"part": line.part, **row}
        self._write(line.group)

    def add(self, line: Line, more: dict[str, Any]) -> None:
        """Add to a row that is there."""
        own = self._group(line.group)
        if line.part in own:
            own[line.part] |= more
            self._write(line.group)

    def get(self, line: Line) -> dict[str, Any]:
        """The row of a line; empty where there is none."""
        return self._group(line.group).get(line.part, {})

    def _group(self, group: str) -> dict[str, dict[str, Any]]:
        if group not in self.groups:
            self.groups[group] = self._former(group)
        return self.groups[group]

    def _former(self, group: str) -> dict[str, dict[str, Any]]:
        try:
            there = json.loads(self.path(group).read_text())
            same = all(there.get(key) == self.about.get(key) for key in ("machine", "packages", "commit"))
            commit = str(self.about.get("commit") or "-dirty")
            return {row["part"]: row for row in there["rows"]} if same and not commit.endswith("-dirty") else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def _write(self, group: str) -> None:
        text = json.dumps({**self.about, "rows": list(self.groups[group].values())}, indent=1)
        self.folder.mkdir(parents=True, exist_ok=True)
        files.whole(self.path(group), f"{text}\n".encode())
