"""Searches: equal budgets, dev prompts alone, and no trial lost or made twice by whatever ends a process."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from optuna.trial import TrialState
from small import SMALL

from ablations import attempt, choose, report, search, spec, sweep, trials, tune
from ablations.trials import Trials, open_storage
from headtohead.config import RunConfig
from headtohead.errors import InputError
from headtohead.presets import configure
from headtohead.records import Recorder, Spent, read_json, runs
from headtohead.strict import ConfigError

SPACE = {
    "train.lr": {"low": "1e-4", "high": 0.1, "log": True},
    "train.warmup": {"low": 2, "high": 10, "step": 2},
    "train.ema": [0.9, 0.99],
}
BEST = 0.01


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a search of tiny runs, in which the command is at home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trials, "SETTLE", 0.0)
    (tmp_path / "sweeps" / "search").mkdir(parents=True)
    few = {"evaluation.every": 6, "evaluation.final_geneval": 6, "evaluation.final_dpg": 1}
    fixed = {key: value for key, value in (SMALL | few).items() if key not in SPACE}
    (tmp_path / "sweeps" / "search" / "tiny.yaml").write_text(yaml.safe_dump({"space": SPACE, "set": fixed}))
    return tmp_path


def fit(config: RunConfig, folder: Path, *_: Any) -> None:
    """As if it had been trained: the closer to the best learning rate, the better."""
    run = Recorder(folder)
    run.begin({**config.plain(), "hash": config.hash})
    value = 1 / (1 + abs(config.train.lr - BEST))
    numbers = {"geneval/overall": value, "dpg/overall": value - 0.2, "fid": 9.0}
    n = {"geneval": 9, "dpg": 9, "fid": 9}
    for step in (3, config.train.steps):
        run.append(Spent(step, step, 1.0, 1.0), numbers, n, representation="clip", judge="judge")
    run.status("finished")


def unreal(monkeypatch: pytest.MonkeyPatch, made: Callable[..., None] = fit) -> None:
    monkeypatch.setattr(attempt, "isolated", lambda work, *given: made(*given))


def go(*words: str, many: int = 4, designs: tuple[str, ...] = ("clip_mse",)) -> int:
    return tune.main(["--space", "tiny", "--trials", str(many), "--design", *designs, "--device", "cpu", *words])


def drawn(design: str = "clip_mse", study: str = "tiny") -> dict[int, tuple[TrialState, dict[str, Any]]]:
    storage = open_storage(f"sqlite:///results/tune/{study}.db")
    found = optuna.load_study(study_name=f"{study}/{design}", storage=storage).trials
    return {t.number: (t.state, t.params) for t in found}


def test_two_real_trials_end_to_end(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Trained, measured on dev prompts, chosen from; and a second start has nothing to do."""
    assert go(many=2) == 0
    told = capsys.readouterr()
    found = {run.name: run for run in runs(place / "results")}
    assert list(found) == ["clip_mse+trial=000-s0", "clip_mse+trial=001-s0"]
    assert {run.config["evaluation"]["split"] for run in found.values()} == {"dev"}
    assert {run.state["state"] for run in found.values()} == {"finished"}
    settings = {number: params for number, (_, params) in drawn().items()}
    assert [run.config["train"]["lr"] for run in found.values()] == [settings[k]["train.lr"] for k in (0, 1)]
    scores = [attempt.outcome(run.folder) for run in found.values()]
    best = scores.index(max(scores))
    written = spec.read(place / "sweeps" / "tuned-tiny.yaml")
    assert written.chosen == {"clip_mse": settings[best]}
    assert written.tuned
    assert (written.tuned.trials, written.tuned.steps, written.tuned.study) == (2, 6, "tiny")
    row = told.out.splitlines()[1].split()
    assert row[:5] == ["clip_mse", "2", "2", "0", "0"]
    assert row[5:7] == [f"{max(scores):.4f}", str(best)]
    began = {run.name: (run.folder / "status.json").stat().st_mtime_ns for run in found.values()}
    assert go(many=2) == 0
    assert {run.name: (run.folder / "status.json").stat().st_mtime_ns for run in found.values()} == began


def test_every_design_has_the_same_budget_and_the_best_is_chosen(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unreal(monkeypatch)
    assert go(many=6, designs=("clip_mse", "vae_flow")) == 0
    text = (place / "sweeps" / "tuned-tiny.yaml").read_text()
    assert text.startswith("# Chosen by study tiny in sqlite:///results/tune/tiny.db:\n")
    assert "# make tune DESIGN='clip_mse vae_flow' TRIALS=6 SPACE=tiny" in text
    written = spec.read(place / "sweeps" / "tuned-tiny.yaml")
    for design in ("clip_mse", "vae_flow"):
        tried = [params for _, params in drawn(design).values()]
        assert len(tried) == 6
        best = min(tried, key=lambda p: abs(p["train.lr"] - BEST))
        assert written.chosen[design] == best
    assert drawn("clip_mse")[0] == drawn("vae_flow")[0]  # before anything is known, designs are drawn alike
    own = written.runs()["vae_flow-s2"]
    assert own.train.lr == written.chosen["vae_flow"]["train.lr"]
    assert (own.evaluation.split, own.train.steps) == ("test", configure("vae_flow").train.steps)
    assert own.head.dim == SMALL["head.dim"]  # under which the search's choice holds
    (found,) = choose.choices(place / "results" / "tune" / "tiny")[:1]
    assert len(found.scores) == 6
    capsys.readouterr()


def test_a_search_that_is_killed_goes_on_as_if_it_had_not_been(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve trials: past the random ones, where what is drawn depends on all that was told."""
    unreal(monkeypatch)
    assert go("--study", "whole", many=12) == 0
    monkeypatch.setattr(trials, "_runs", lambda pid: False)  # as the next process would find the one before
    trained: list[str] = []

    def killed(config: RunConfig, folder: Path, *rest: Any) -> None:
        trained.append(folder.name)
        if len(trained) in (3, 4, 13):
            raise KeyboardInterrupt
        fit(config, folder, *rest)
        if len(trained) == 8:
            raise KeyboardInterrupt  # it was finished, and nobody told the study

    unreal(monkeypatch, killed)
    assert [go("--study", "cut", many=12) for _ in range(5)] == [130, 130, 130, 130, 0]
    assert drawn(study="cut") == drawn(study="whole")
    assert {state for state, _ in drawn(study="cut").values()} == {TrialState.COMPLETE}
    assert len(trained) == 15  # once each, and again for the three that were cut
    chosen = [spec.read(Path("sweeps") / f"tuned-{study}.yaml").chosen for study in ("cut", "whole")]
    assert chosen[0] == chosen[1]


def test_a_failed_trial_counts_and_the_others_go_on(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def sometimes(config: RunConfig, folder: Path, *rest: Any) -> None:
        if "trial=001" in folder.name:
            raise ArithmeticError("step 7: the loss is nan\x1b[31m")
        fit(config, folder, *rest)

    unreal(monkeypatch, sometimes)
    assert go() == 0
    assert [state.name for state, _ in drawn().values()] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    told = capsys.readouterr()
    assert told.out.splitlines()[1].split()[:5] == ["clip_mse", "4", "3", "0", "1"]
    reason = r"ArithmeticError: step 7: the loss is nan\x1b[31m"
    assert reason in told.err
    assert read_json(place / "results/tune/tiny/clip_mse+trial=001-s0/status.json")["reason"] == reason


def test_where_every_trial_fails_alike_it_is_not_the_settings(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(*_: Any) -> None:
        raise InputError("no such model")

    unreal(monkeypatch, never)
    with pytest.raises(SystemExit) as stop:
        go(many=9)
    assert stop.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "tune: clip_mse: 3 trials in a row failed for one reason: InputError: no such model"
    )
    assert len(drawn()) == 3
    assert not (place / "sweeps" / "tuned-tiny.yaml").exists()


def test_workers_share_the_trials_and_make_no_more(place: Path) -> None:
    """Four at once, each with its own connection, and never more trials than were asked for."""
    url, asked, made = f"sqlite:///{place}/shared.db", search.read("tiny"), []
    everybody = threading.Barrier(4)

    def work() -> None:
        own = Trials(open_storage(url), "shared", asked, "clip_mse", 10, False)
        everybody.wait()
        while held := own.next():
            made.append(held.number)
            held.finished(0.5)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    own = Trials(open_storage(url), "shared", asked, "clip_mse", 10, False)
    assert len(made) == len(set(made)) == len(own.all()) == own.count(TrialState.COMPLETE) == 10


def test_what_another_worker_is_at_is_left_to_it_and_nothing_is_chosen_yet(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unreal(monkeypatch)
    own = Trials(
        open_storage("sqlite:///results/tune/tiny.db"), "tiny/clip_mse", search.read("tiny"), "clip_mse", 4, False
    )
    held = own.next()
    assert held
    assert go() == 1
    assert "1 trials still run elsewhere" in capsys.readouterr().err
    assert [state.name for state, _ in drawn().values()] == ["RUNNING", "COMPLETE", "COMPLETE", "COMPLETE"]
    assert not (place / "sweeps" / "tuned-tiny.yaml").exists()
    held.trial.set_user_attr(trials.BY, {"host": "gone", "pid": 1, "thread": 1, "seen": 1.0})
    assert go() == 0
    assert {state.name for state, _ in drawn().values()} == {"COMPLETE"}


def test_a_trial_that_ended_while_it_was_drawn_does_not_count(place: Path) -> None:
    own = Trials(open_storage("sqlite:///half.db"), "half", search.read("tiny"), "clip_mse", 2, False)
    half = own.study.ask({"train.lr": trials.distribution(own.search.space["train.lr"])})
    half.set_user_attr(trials.BY, {"host": "gone", "pid": 1, "thread": 1, "seen": 1.0})
    while held := own.next():
        held.finished(0.5)
    assert [t.number for t in own.all()] == [1, 2]


def test_one_that_trails_behind_is_pruned_where_that_is_asked_for(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Points come through the logger that a training is given; never at its end, where all was spent already."""

    def telling(config: RunConfig, folder: Path, cache: Path, device: str, told: Any) -> None:
        Recorder(folder).begin({})
        good = "trial=007" not in folder.name
        (logger,) = told(0)
        for step in (3, config.train.steps):
            score = 0.5 if good or step > 3 else 0.1
            logger.log_metrics({"loss": 0.0}, step)
            for _ in range(2):  # measured again after an interruption
                logger.log_metrics({"geneval/overall": score, "dpg/overall": score}, step)
        fit(config, folder)

    unreal(monkeypatch, telling)
    assert go("--prune", many=9) == 0
    states = [state.name for state, _ in drawn().values()]
    assert states == ["COMPLETE"] * 7 + ["PRUNED", "COMPLETE"]
    assert "clip_mse+trial=007-s0: pruned at step 3" in capsys.readouterr().err
    written = spec.read(place / "sweeps" / "tuned-tiny.yaml")
    assert written.tuned
    assert written.tuned.pruned


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--design", "clip_mes"], "did you mean clip_mse?"),
        (["--trials", "0"], "expected a whole number from 1 on"),
        (["--space", "../tiny"], "cannot be a search's name"),
        (["--space", "tinny"], "no such search; there are: tiny"),
        (["--study", "../x"], "cannot be a study's name"),
        (["--write", "/etc/x"], "cannot be a sweep's name"),
        (["--set", "evaluation.split=test"], "a search asks dev prompts"),
        (["--set", "head.dmi=3"], "did you mean head.dim?"),
        (["--storage", "nonsense"], "expected an address such as sqlite:///my.db"),
        (["--storage", "postgresql+psycopg2://me:secret@host/x"], "--storage postgresql+psycopg2://me:***@host/x: "),
        (["--storage", "sqlite:////proc/none/x.db"], "No such file or directory"),
    ],
)
def test_mistakes_are_one_line_before_anything_begins(
    words: list[str], says: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        go(*words)
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1
    assert "secret" not in told
    assert not list((place / "results").rglob("config.json"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("space: {train.lr: 3}", "train.lr: expected low and high"),
        ("space: {train.lr: [1]}", "train.lr: expected low and high, or a list of two values or more"),
        ("space: {train.lr: {low: 1}}", "train.lr.high: missing"),
        ("space: {train.lr: {low: 2, high: 1}}", "low=2 must be below high=1"),
        ("space: {train.lr: {low: 0, high: 1, log: true}}", "does not begin at 0"),
        ("space: {train.lr: {low: 0, high: 1, step: 0.3}}", "step=0.3 does not lead from 0 to 1"),
        ("space: {train.lr: {low: 0, hihg: 1}}", "did you mean train.lr.high?"),
        ("space: {train.lr: {low: 0, high: 1, whole: true}}", "unknown key train.lr.whole"),
        ("space: {train.steps: [1, 2]}", "train.steps is part of the budget"),
        ("space: {evaluation.split: [dev, test]}", "evaluation.split is part of the budget"),
        ("space: {head.dim: {low: 0.5, high: 64.5}}", "head.dim: expected a whole number"),
        ("space: {train.lr: [1, 2]}\nset: {train.lr: 1}", "train.lr stands in space and in set"),
        ("space: {train.lr: [1, 2]}\nset: {evaluation.split: test}", "a search asks dev prompts"),
        ("space: {train.lr: [1, 2]}\nseed: x", "seed as a whole number"),
        ("spice: {}", "did you mean space?"),
        ("space: {}", "space: expected settings with ranges"),
    ],
)
def test_search_files_are_strict(text: str, says: str, place: Path) -> None:
    (place / "sweeps" / "search" / "bad.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        search.read("bad").check(["clip_mse"])
    assert str(error.value).startswith("sweeps/search/bad.yaml: ")
    assert says in str(error.value)


def test_a_study_of_another_search_is_not_joined(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unreal(monkeypatch)
    assert go(many=1) == 0
    with contextlib.suppress(SystemExit):
        go("--steps", "12", many=1)
    told = capsys.readouterr().err.splitlines()[-1]
    assert "holds another search (design.train.steps: 6 there, 12 here); --study gives it another name" in told
    assert go("--steps", "12", "--study", "longer", many=1) == 0


def test_a_sweep_file_that_people_wrote_is_not_overwritten(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "sweeps" / "tuned-tiny.yaml").write_text("designs: all\n")
    with pytest.raises(SystemExit):
        go()
    assert "is there already and not of study tiny" in capsys.readouterr().err
    assert (place / "sweeps" / "tuned-tiny.yaml").read_text() == "designs: all\n"


def test_the_search_of_this_repository_fits_every_design() -> None:
    own = search.read("micro", Path(__file__).parents[2] / "sweeps" / "search")
    own.check(choose_from := ("clip_mse", "clip_flow", "vae_flow", "vae_mse", "clip_mse_dit", "vae_mse_dit"))
    assert {own.steps(design) for design in choose_from} == {400}


def test_a_report_says_what_the_search_was_allowed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And settings that it chose for each design do not keep designs from being compared."""
    unreal(monkeypatch)
    assert go(many=3, designs=("clip_flow", "vae_flow")) == 0
    written = spec.read(place / "sweeps" / "tuned-tiny.yaml")
    folder, configs = place / "results" / "tuned", written.runs()
    for name, config in configs.items():
        fit(config, folder / name)
    assert written.tuned
    hostile = spec.Tuned(**{**vars(written.tuned), "storage": "<script>hit()</script>"})
    spec.remember(folder, "make sweep NAME=tuned-tiny", configs, hostile)
    assert report.main([str(folder)]) == 0
    page, text = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    told = "the best of 3 trials of 6 steps by the mean of GenEval and DPG at the last point, on dev prompts"
    assert told in page
    assert told in text
    assert "train.lr: 0.0001 to 0.1, logarithmic" in text
    assert "<script>hit" not in page + text
    assert "train.ema is" not in text  # as a reason not to compare


def test_what_was_chosen_is_swept_and_settings_by_hand_are_no_searchs(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unreal(monkeypatch)
    assert go(many=3) == 0
    best = spec.read(place / "sweeps" / "tuned-tiny.yaml").chosen["clip_mse"]
    begun: list[tuple[dict[str, RunConfig], spec.Tuned | None]] = []

    def remember(folder: Path, command: str, runs: dict[str, RunConfig], tuned: spec.Tuned | None) -> None:
        begun.append((runs, tuned))
        raise OSError(0, "enough")

    monkeypatch.setattr(spec, "remember", remember)
    assert sweep.main(["tuned-tiny"]) == sweep.main(["tuned-tiny", "--set", "train.lr=0.5"]) == 2
    (runs, tuned), (by_hand, none) = begun
    assert {run.train.lr for run in runs.values()} == {best["train.lr"]}
    assert {run.train.lr for run in by_hand.values()} == {0.5}
    assert tuned
    assert none is None
    assert sweep.main(["tuned-tiny", "--design", "vae_mse"]) == 2
    assert "chosen: has nothing for vae_mse: the search was not for it" in capsys.readouterr().err


def test_a_folder_of_something_else_is_said_and_fails_no_trial(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unreal(monkeypatch)
    other = configure("vae_flow")
    Recorder(place / "results/tune/tiny/clip_mse+trial=000-s0").begin({**other.plain(), "hash": other.hash})
    with pytest.raises(SystemExit) as stop:
        go(many=1)
    assert stop.value.code == 2
    assert "holds another configuration" in capsys.readouterr().err
    assert [state.name for state, _ in drawn().values()] == ["RUNNING"]


def test_the_command_loads_no_torch() -> None:
    code = "import sys, ablations.tune; print([m for m in ('torch', 'lightning') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
