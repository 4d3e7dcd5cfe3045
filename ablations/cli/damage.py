"""Damaged files of a results folder, named after a command has used the rest."""

from __future__ import annotations

from headtohead.records.json_files import Damage
from headtohead.utils.cli import say
from headtohead.utils.errors import printable


def conclude(command: str, damage: Damage) -> int:
    """Print a line on standard error for each damaged file; return the exit code, 2 where there is any.

    command  its name, which begins each line
    damage   files, with what is wrong and what was done without
    """
    for path, wrong in damage.items():
        say(printable(f"{command}: {path}: {wrong}"))
    return 2 if damage else 0
