"""Search each design's settings on dev prompts, as many trials of as many steps for each.

A trial is a run like any other, in `results/tune/<study>/<design>+trial=007-s0`: it keeps its record and goes on from
its checkpoint. Started several times, on as many machines as reach the storage, the command shares the trials.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from optuna.trial import TrialState

from ablations.cli import arguments
from ablations.cli.yaml_files import find, named
from ablations.sweep import sweep_file
from ablations.tune import run_trial, search_space, write_sweep
from ablations.tune.best_of_grid import OBJECTIVE
from ablations.tune.search_space import SEARCHES, Search
from ablations.tune.trials import Trials, open_storage, shown
from headtohead.config.design import DESIGNS, expanded
from headtohead.config.parsing import known
from headtohead.records import sweep_folder
from headtohead.records.sweep_folder import Tuned, alike
from headtohead.utils.cli import Parser, positive, say
from headtohead.utils.errors import InputError

SAME = 3  # failures in a row for one reason: it is not the settings that fail


def main(given: list[str] | None = None) -> int:
    parser = Parser("ablations.tune", __doc__)
    parser.add_argument("--design", nargs="+", default=["all"], metavar="DESIGN", help=f"some of: {', '.join(DESIGNS)}")
    parser.add_argument("--trials", type=positive, default=20, help="for each design")
    parser.add_argument("--space", default="micro", metavar="FILE", help=f"what is searched: a file of {SEARCHES}/")
    parser.add_argument("--study", help="a name; the space's when not given")
    parser.add_argument("--storage", metavar="URL", help="a database whose driver is installed; else a SQLite file")
    parser.add_argument("--steps", type=positive, help="of a trial, when not the space's")
    parser.add_argument("--set", nargs="+", metavar="KEY=VALUE", help="any setting, the same for all trials")
    parser.add_argument("--prune", action="store_true", help="give up trials that trail behind others at the same step")
    parser.add_argument("--write", metavar="NAME", help="sweep file of what was chosen; tuned-STUDY when not given")
    parser.add_folder("--results", Path("results"), "where records go, below tune/")
    parser.add_folder("--cache", Path(".cache/headtohead"), "where encoded pictures are kept")
    parser.add_device()
    options = parser.parse_args(given)
    return parser.concluded(lambda: _tune(options))


def _tune(options: argparse.Namespace) -> int:
    asked = _search(options)
    designs = list(dict.fromkeys(expanded(options.design)))
    asked.check(known(design, DESIGNS, "design", "--design") for design in designs)
    study = named(options.study or asked.name, "study", "--study")
    file = find(sweep_file.SWEEPS, options.write or f"tuned-{study}", "sweep")
    write_sweep.check(file, study, designs, asked.scale, asked.kept())
    folder = options.results / "tune" / study
    url = options.storage or f"sqlite:///{folder}.db"
    at = run_trial.Place(folder, options.cache, options.device, url, options.prune)
    storage = open_storage(url)
    all_of = {d: Trials(storage, f"{study}/{d}", asked, d, options.trials, options.prune, folder) for d in designs}
    each = [(d, k) for d in designs for k in range(options.trials)]
    sweep_folder.remember(
        folder, again(options), {run_trial.named(d, k, asked.seed): asked.config(d, {}) for d, k in each}
    )
    steps = asked.steps(designs[0])
    say(f"study {study} in {shown(url)}: {options.trials} trials of {steps:,} steps for each of {', '.join(designs)}")
    for trials in all_of.values():
        _work(trials, at)
    print(table(all_of))
    if not _complete(all_of):
        return 1
    tuned = {
        design: Tuned(
            study=study,
            storage=shown(url),
            trials=options.trials,
            finished=trials.count(TrialState.COMPLETE),
            steps=asked.steps(design),
            objective=OBJECTIVE,
            space=asked.described(),
            pruned=bool(trials.count(TrialState.PRUNED)),
            seed=asked.seed,
        )
        for design, trials in all_of.items()
    }
    chosen = {d: best.params for d, trials in all_of.items() if (best := trials.best())}
    if not alike(write_sweep.write(file, tuned, again(options), asked.scale, chosen, asked.kept()).values()):
        say(f"{file}: its designs' searches were not equal, and more trials or steps flatter a design")
    say(f"{file} holds what was chosen; `make sweep NAME={file.stem}` trains it")
    return 0


def _search(options: argparse.Namespace) -> Search:
    steps = {"train.steps": options.steps} if options.steps else {}
    return search_space.read(options.space).over({**arguments.settings(options.set), **steps})


def again(options: argparse.Namespace) -> str:
    """The command that asks for the same search."""
    words = {
        "DESIGN": " ".join(options.design),
        "TRIALS": options.trials,
        "SPACE": options.space,
        "STUDY": options.study,
        "STORAGE": options.storage and shown(options.storage),
        "STEPS": options.steps,
        "SET": " ".join(options.set or ()),
        "PRUNE": int(options.prune),
        "WRITE": options.write,
    }
    return arguments.command("tune", words)


def _work(trials: Trials, at: run_trial.Place) -> None:
    """Until there are enough; a trial that fails counts, and the others go on."""
    reasons: list[str] = []
    while held := trials.next():
        with held.kept():
            reason = run_trial.attempt(trials, held, at)
        reasons = [*reasons, reason] if reason else []
        if len(reasons) >= SAME and len(set(reasons[-SAME:])) == 1:
            raise InputError(f"{trials.design}: {SAME} trials in a row failed for one reason: {reason}")


def table(all_of: Mapping[str, Trials]) -> str:
    """What every design was given, and what came of it."""
    rows: list[tuple[str, ...]] = [("design", "trials", "finished", "pruned", "failed", "best", "trial", "settings")]
    for design, trials in all_of.items():
        states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
        counts = [str(n) for n in (len(trials.all()), *map(trials.count, states))]
        best = trials.best()
        told = (f"{best.value:.4f}", str(best.number), run_trial.written(best.params)) if best else ("–", "–", "–")
        rows.append((design, *counts, *told))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def _complete(all_of: Mapping[str, Trials]) -> bool:
    """Whether every design has had its trials and has a best one; only then may they be compared."""
    whole = True
    for design, trials in all_of.items():
        if running := trials.running():
            say(f"{design}: {len(running)} trials still run elsewhere; whoever ends last writes what was chosen")
        elif not trials.best():
            say(f"{design}: no trial was finished, so nothing is chosen")
        elif len(trials.all()) > trials.most:
            say(f"{design}: has had {len(trials.all())} trials already; TRIALS={len(trials.all())} gives all as many")
        else:
            continue
        whole = False
    return whole
