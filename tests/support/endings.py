"""How a command ended, whether its options or what they name were wrong."""

from __future__ import annotations

from collections.abc import Callable


def ended(command: Callable[[], int]) -> int:
    """Its exit code."""
    try:
        return command()
    except SystemExit as stop:
        return int(stop.code or 0)
