"""Search settings of each design on dev prompts, with the same number of trials of the same length for every design.

A trial is a run like any other, in `results/tune/<study>/<design>+trial=007-s0`: it keeps its record and continues from
its checkpoint. The same command in several processes, on any machines that reach the storage, shares the trials.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from optuna.trial import TrialState

from ablations.cli import arguments
from ablations.cli.yaml_files import find, named
from ablations.sweep import sweep_file
from ablations.tune import run_trial, search_space, write_sweep
from ablations.tune.best_of_grid import objective
from ablations.tune.search_space import SEARCHES, Search
from ablations.tune.trials import Trials, open_storage, without_password
from headtohead.config.design import DESIGNS, expanded
from headtohead.config.parsing import known
from headtohead.records import sweep_folder
from headtohead.records.sweep_folder import Tuned, alike
from headtohead.utils.cli import Parser, positive, say
from headtohead.utils.errors import InputError

SAME_REASON = 3  # trials in a row that fail for one reason end the search: the reason is not their settings


def main(given: list[str] | None = None) -> int:
    parser = Parser("ablations.tune", __doc__)
    arguments.add_design(parser, given, "some of: {}", nargs="+", default=["all"])
    parser.add_argument("--trials", type=positive, default=20, help="for each design")
    parser.add_argument("--space", default="micro", metavar="FILE", help=f"what is searched: a file of {SEARCHES}/")
    parser.add_argument("--study", help="name of the study; the space's when not given")
    parser.add_argument("--storage", metavar="URL", help="database such as postgresql://host/name; else a SQLite file")
    parser.add_argument("--steps", type=positive, help="of a trial, when not the space's")
    parser.add_argument("--set", nargs="+", metavar="KEY=VALUE", help="any setting, the same for all trials")
    parser.add_argument("--prune", action="store_true", help="end trials early that score below others' median")
    parser.add_argument("--write", metavar="NAME", help="sweep file for the best settings; tuned-STUDY when not given")
    parser.add_folder("--results", Path("results"), "where records go, below tune/")
    parser.add_folder("--cache", Path(".cache/headtohead"), "where encoded pictures are kept")
    parser.add_device()
    options = parser.parse_args(given)
    return parser.concluded(lambda: _tune(options))


def _tune(options: argparse.Namespace) -> int:
    designs = list(dict.fromkeys(expanded(options.design)))
    search = replace(_search(options), designs=tuple(designs))
    search.check(known(design, DESIGNS, "design", "--design") for design in designs)
    study = named(options.study or search.name, "study", "--study")
    file = find(sweep_file.SWEEPS, options.write or f"tuned-{study}", "sweep")
    write_sweep.check(file, study, designs, search.scale, search.kept())
    folder = options.results / "tune" / study
    url = options.storage or f"sqlite:///{folder}.db"
    setup = run_trial.Setup(folder, options.cache, options.device, url, options.prune)
    storage, budget = open_storage(url), options.trials
    studies = {d: Trials(storage, f"{study}/{d}", search, d, budget, options.prune, folder) for d in designs}
    names = {run_trial.run_name(d, k, search.seed): d for d in designs for k in range(budget)}
    sweep_folder.remember(folder, make_command(options), {name: search.config(d, {}) for name, d in names.items()})
    steps = search.steps(designs[0])
    each = f"{budget} trials of {steps:,} steps for each of {', '.join(designs)}"
    say(f"study {study} in {without_password(url)}: {each}")
    for trials in studies.values():
        _work(trials, setup)
    print(table(studies))
    if not _complete(studies):
        return 1
    tuned = {
        design: Tuned(
            study=study,
            storage=without_password(url),
            trials=budget,
            finished=trials.count(TrialState.COMPLETE),
            steps=search.steps(design),
            objective=objective(),
            space=search.described(),
            pruned=bool(trials.count(TrialState.PRUNED)),
            seed=search.seed,
        )
        for design, trials in studies.items()
    }
    chosen = {design: best.params for design, trials in studies.items() if (best := trials.best())}
    written = write_sweep.write(file, tuned, make_command(options), search.scale, chosen, search.kept())
    if not alike(written.values()):
        say(f"{file}: its designs' searches were not equal; more trials or steps raise a design's score")
    again = arguments.command("sweep", {"NAME": file.stem})
    say(f"{file} holds the best settings of each design; `{again}` trains with them")
    return 0


def _search(options: argparse.Namespace) -> Search:
    steps = {"train.steps": options.steps} if options.steps else {}
    return search_space.read(options.space).over({**arguments.settings(options.set), **steps})


def make_command(options: argparse.Namespace) -> str:
    """The `make` command of the same search, without the storage's password."""
    words = {
        "DESIGN": " ".join(options.design),
        "TRIALS": options.trials,
        "SPACE": options.space,
        "STUDY": options.study,
        "STORAGE": options.storage and without_password(options.storage),
        "STEPS": options.steps,
        "SET": " ".join(options.set or ()),
        "PRUNE": int(options.prune),
        "WRITE": options.write,
    }
    return arguments.command("tune", words)


def _work(trials: Trials, setup: run_trial.Setup) -> None:
    """Run trials until the budget is spent. A failed one counts, and the next follows."""
    reasons: list[str] = []
    while trial := trials.next():
        with trial.heartbeats():
            reason = run_trial.run(trials, trial, setup)
        reasons = [*reasons, reason] if reason else []
        if len(reasons) >= SAME_REASON and len(set(reasons[-SAME_REASON:])) == 1:
            raise InputError(f"{trials.design}: {SAME_REASON} trials in a row failed for one reason: {reason}")


def table(studies: Mapping[str, Trials]) -> str:
    """Each design's trials by how they ended, with the best one's score and settings."""
    rows: list[tuple[str, ...]] = [("design", "trials", "finished", "pruned", "failed", "best", "trial", "settings")]
    for design, trials in studies.items():
        states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
        counts = [str(n) for n in (len(trials.all()), *map(trials.count, states))]
        best = trials.best()
        cells = (f"{best.value:.4f}", str(best.number), run_trial.described(best.params)) if best else ("–", "–", "–")
        rows.append((design, *counts, *cells))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def _complete(studies: Mapping[str, Trials]) -> bool:
    """Whether every design has spent the same budget and has a best trial, as a comparison needs; else say why."""
    complete = True
    for design, trials in studies.items():
        if running := trials.running():
            say(f"{design}: {len(running)} trials still run elsewhere; the worker that ends last writes the sweep file")
        elif not trials.best():
            say(f"{design}: no trial was finished, so nothing is chosen")
        elif len(trials.all()) > trials.budget:
            say(f"{design}: has had {len(trials.all())} trials already; TRIALS={len(trials.all())} gives all as many")
        else:
            continue
        complete = False
    return complete
