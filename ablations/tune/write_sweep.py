"""What a search chose, as a sweep file: each design with its best trial's settings, and what the search was allowed.

Designs that the same study searched before keep what was chosen for them: a file compares what lies in one study.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count, islice
from pathlib import Path
from typing import Any

import yaml

from ablations.sweep import sweep_file
from headtohead.config.parsing import ConfigError, differences
from headtohead.records import sweep_folder
from headtohead.records.sweep_folder import Tuned
from headtohead.utils import files

FROM = "# Chosen by study "
SEEDS = 3  # of each design


def check(path: Path, study: str, designs: Iterable[str], scale: str, kept: Mapping[str, Any]) -> None:
    """Refuses what people or another study wrote, and what holds other designs' choices under other settings."""
    if not path.exists():
        return
    if not path.read_text(errors="replace").startswith(f"{FROM}{study} "):
        raise ConfigError(f"{path}: is there already and not of study {study}; --write gives another name")
    before = sweep_file.read(path)
    there, here = ({"scale": s, "set": dict(k)} for s, k in ((before.scale, before.set), (scale, kept)))
    others, apart = [d for d in before.chosen if d not in set(designs)], differences(there, here)
    if others and apart:
        raise ConfigError(f"{path}: has {', '.join(others)} of another search ({apart}); --write gives another name")


def write(
    path: Path,
    tuned: Mapping[str, Tuned],
    command: str,
    scale: str,
    chosen: Mapping[str, Mapping[str, Any]],
    kept: Mapping[str, Any],
) -> dict[str, Tuned]:
    """What every design in the file was allowed."""
    if path.exists():
        before = sweep_file.read(path)
        chosen, tuned = {**before.chosen, **chosen}, {**before.tuned, **tuned}
    used = {search.seed for search in tuned.values()}
    seeds = list(islice((seed for seed in count() if seed not in used), SEEDS))
    made: dict[str, Any] = {"designs": list(chosen), "seeds": seeds, "scale": scale}
    made |= {"set": dict(kept)} if kept else {}
    made |= {"chosen": {design: dict(values) for design, values in chosen.items()}, "tuned": sweep_folder.plain(tuned)}
    last = [*tuned.values()][-1]
    text = [f"Chosen by study {last.study} in {last.storage}:"]
    text += [f"{design}: {sweep_folder.spent(search)}" for design, search in tuned.items()]
    text += [f"No seed is {', '.join(map(str, sorted(used)))}: the search chose what is high there, by luck as well."]
    text += ["Written by", command]
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = yaml.safe_dump(made, sort_keys=False, allow_unicode=True, width=110)
    files.whole(path, "".join([*(f"# {line}\n" for line in text), whole]).encode())
    return dict(tuned)
