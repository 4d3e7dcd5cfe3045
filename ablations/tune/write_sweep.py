"""Write a search's result as a sweep file: each design with its best trial's settings and what the search spent.

A design that the same study searched before, and not now, keeps its settings in the file.
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
SEEDS = 3  # runs of each design


def check(path: Path, study: str, designs: Iterable[str], scale: str, kept: Mapping[str, Any]) -> None:
    """Refuse to overwrite a file of a person or another study, or other designs' results under other settings.

    path     the sweep file, which need not exist
    study    name of the study
    designs  that are searched now
    scale    preset of the search
    kept     settings that a sweep of the chosen ones needs as well
    """
    if not path.exists():
        return
    if not path.read_text(errors="replace").startswith(f"{FROM}{study} "):
        raise ConfigError(f"{path}: is there already and not of study {study}; --write gives another name")
    before = sweep_file.read(path)
    there, here = ({"scale": s, "set": dict(k)} for s, k in ((before.scale, before.set), (scale, kept)))
    others, unlike = [d for d in before.chosen if d not in set(designs)], differences(there, here)
    if others and unlike:
        raise ConfigError(f"{path}: has {', '.join(others)} of another search ({unlike}); --write gives another name")


def write(
    path: Path,
    tuned: Mapping[str, Tuned],
    command: str,
    scale: str,
    chosen: Mapping[str, Mapping[str, Any]],
    kept: Mapping[str, Any],
) -> dict[str, Tuned]:
    """Write the file, and return the search of every design in it.

    path     the sweep file; designs that are in it already and not in `chosen` stay
    tuned    each design's search, by design
    command  that makes the same search
    scale    preset of the search
    chosen   settings of the best trial, by design
    kept     settings that a sweep of the chosen ones needs as well
    """
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
    text += [f"Not seed {', '.join(map(str, sorted(used)))}: there the search's best scores are the luckiest as well."]
    text += ["Written by", command]
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = yaml.safe_dump(made, sort_keys=False, allow_unicode=True, width=110)
    files.whole(path, "".join([*(f"# {line}\n" for line in text), whole]).encode())
    return dict(tuned)
