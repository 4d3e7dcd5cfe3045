"""Compare image-generation heads on one query encoder; `load` reads what runs recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

    from headtohead.records.frames import Frames


def load(*results: str | PathLike[str]) -> Frames:
    """Read results folders into pandas frames: `runs`, `curves`, `prompts` and `costs` (see `records.frames.Frames`).

    results  results folders, sweeps' or runs' own, several of any kind
    """
    from headtohead.records import frames  # pandas takes most of a second to import

    return frames.load(*results)
