"""Sweep files and the command line: what is meant is run, what is wrong is one line with file and key."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from ablations.cli import yaml_files
from ablations.sweep import command as sweep
from ablations.sweep import sweep_file, time_estimate
from headtohead.config.parsing import ConfigError
from headtohead.config.presets import configure
from headtohead.config.run_config import RunConfig
from headtohead.records import json_files, sweep_folder
from headtohead.records.recorder import Recorder


def read(tmp_path: Path, text: str, name: str = "my") -> sweep_file.Sweep:
    path = tmp_path / f"{name}.yaml"
    path.write_text(text)
    return sweep_file.read(path)


def test_a_sweep_file_names_its_runs(tmp_path: Path) -> None:
    found = read(tmp_path, "designs: [clip_flow, vae_flow]\nseeds: [0, 1]\nset:\n  train.lr: 1e-4\n")
    runs = found.runs()
    assert list(runs) == ["clip_flow-s0", "vae_flow-s0", "clip_flow-s1", "vae_flow-s1"]
    assert runs["vae_flow-s1"] == configure("vae_flow", seed=1, overrides={"train.lr": 1e-4})


@pytest.mark.parametrize(
    ("designs", "seeds"),
    [
        ("clip_flow,vae_flow", "0-2,4"),
        ("clip_flow vae_flow", "'0,1,2,4'"),
        ("[clip_flow, vae_flow]", "[0-2, 4]"),
        ("'clip_flow, vae_flow'", "0-2 4"),
    ],
)
def test_lists_may_be_written_with_commas_and_ranges(designs: str, seeds: str, tmp_path: Path) -> None:
    found = read(tmp_path, f"designs: {designs}\nseeds: {seeds}\n")
    assert (found.designs, found.seeds) == (("clip_flow", "vae_flow"), (0, 1, 2, 4))


def test_commas_and_ranges_are_understood_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(sweep.Worker, "work", lambda self, runs: asked.extend(runs) or {})
    words = ["--design", "clip_flow,vae_flow", "--seeds", "0-1,3", "--results", str(tmp_path), "--no-estimate"]
    assert sweep.main([*words, "--device", "cpu"]) == 0
    assert asked == [f"{design}-s{seed}" for seed in (0, 1, 3) for design in ("clip_flow", "vae_flow")]


def test_a_grid_runs_every_combination(tmp_path: Path) -> None:
    runs = read(tmp_path, "designs: [vae_flow]\ngrid: {train.lr: [0.1, 0.2], train.batch: [8]}").runs()
    assert list(runs) == ["vae_flow+train.lr=0.1+train.batch=8-s0", "vae_flow+train.lr=0.2+train.batch=8-s0"]
    assert [r.train.lr for r in runs.values()] == [0.1, 0.2]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("designs: clip_flow\ndesigns: vae_flow", "line 2: key 'designs' stands twice"),
        ("desings: clip_flow", "unknown key desings; did you mean designs?"),
        ("designs: clip_fow", "unknown design clip_fow; did you mean clip_flow?"),
        ("designs: clip_flow\nseeds: [one]", "seeds: expected whole numbers"),
        ("designs: clip_flow\nseeds: 3-1", "seeds: expected whole numbers such as 0,1,2 or 0-3, got '3-1'"),
        ("designs: clip_flow\nseeds: 0-1,1", "seeds: the same one stands twice"),
        ("designs: clip_flow,clip_flow", "designs: the same one stands twice"),
        ("designs: clip_flow,clip_fow", "unknown design clip_fow; did you mean clip_flow?"),
        ("seeds: 3", "designs: missing"),
        ("designs: clip_flow\ngrid: {train.ema: [0.9, [1]]}", "grid: train.ema: expected a list of values"),
        ("designs: clip_flow\ntuned: {clip_flow: {}}\nchosen: {clip_flow: {}}", "tuned.clip_flow.study: missing"),
        ("designs: clip_flow\nseeds: [1, 1]", "seeds: the same one stands twice"),
        ("designs: clip_flow\nscale: no", "scale: expected text, got False"),
        ("designs: clip_flow\nset: [1]", "set: expected settings"),
        ("designs: clip_flow\nset: {head.dmi: 3}", "unknown key head.dmi; did you mean head.dim?"),
        ("designs: &a [clip_flow]\nseeds: *a", "aliases are not used here"),
        ("designs: [clip_flow", "expected ',' or ']'"),
        ("just text", "expected keys such as designs and seeds"),
        ("", "expected keys such as designs and seeds, got nothing"),
        ("designs: clip_flow\ngrid: [1]", "grid: expected settings with lists of values"),
        ("designs: clip_flow\ngrid: {train.lr: 1}", "grid: train.lr: expected a list of values"),
        ("designs: clip_flow\ngrid: {train.lr: [1, 1]}", "grid: train.lr: values must differ"),
        ("designs: clip_flow\ngrid: {query.template: [../x]}", "grid: query.template: values must differ and be short"),
        ("designs: clip_flow\nset: {train.lr: 1}\ngrid: {train.lr: [1, 2]}", "train.lr stands in set and in grid"),
        ("a" * 70_000, "too many for a sweep file"),
        ("designs: clip_flow\nseeds: [010]", "line 2: '010' is no plain decimal number"),
        ("designs: clip_flow\nset: {train.batch: 1:30}", "line 2: '1:30' is no plain decimal number"),
        ("designs: clip_flow\nset: {train.lr: .inf}", "line 2: '.inf' is no plain decimal number"),
        ("designs: clip_flow\nset: {train.batch: '1e999'}", "train.batch: expected a whole number"),
        ("designs: " + "[" * 2000, "is nested too deeply"),
        ("? [a]\n: 1", "line 1: a list or a mapping cannot be a key"),
        ("designs: clip_flow\nchosen: {clip_flw: {}}", "chosen: unknown design clip_flw; did you mean clip_flow?"),
        ("designs: clip_flow\nchosen: {clip_flow: {head.dmi: 3}}", "did you mean head.dim?"),
        ('designs: "clip\\e[31m\\nflow"', r"unknown design clip\x1b[31m\nflow"),
    ],
)
def test_mistakes_are_one_line_with_the_file(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, text).runs()
    assert str(error.value).startswith(str(tmp_path / "my.yaml"))
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["1e-4", "1.0e-4", "0.0001", "+1.0e-4", "'0.0001'"])
def test_numbers_are_read_as_people_mean_them(tmp_path: Path, text: str) -> None:
    (run,) = read(tmp_path, f"designs: clip_flow\nset: {{train.lr: {text}}}").runs().values()
    assert run.train.lr == 1e-4


def test_a_missing_file_lists_those_that_are_there(tmp_path: Path) -> None:
    read(tmp_path, "designs: clip_flow", "other")
    with pytest.raises(ConfigError, match="no such sweep; there are: other"):
        sweep_file.read(tmp_path / "my.yaml")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--design", "clip_fow"],
        ["--set", "head.dim"],
        ["--set", "head.dim=192", "head.dim=384"],
        ["--set", "head.dim=wide"],
        ["--set", "seed=5"],
        ["--set", "data.mix=no/such.yaml"],
        ["--scale", "mikro"],
        ["--scale", ""],
    ],
)
def test_the_command_line_refuses_with_exit_code_2(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep.main([*arguments, "--results", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments", [["--seeds", "one"], ["--seeds=-1"], ["--seeds", "0,"], ["--steps", "0"], ["--device", "tpu"]]
)
def test_options_that_cannot_be_read_are_one_line_too(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        sweep.main(arguments)
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_other_settings_are_another_sweep() -> None:
    names = [
        sweep_file.folder_names("micro", overrides)[0]
        for overrides in ({}, {"train.steps": 9}, {"sampling.steps": 9}, {"query.template": "{caption} in /etc"})
    ]
    assert names[:3] == ["micro", "micro-train.steps_9", "micro-sampling.steps_9"]
    assert len(set(names)) == 4
    assert yaml_files.NAME.fullmatch(names[3])


LONG = {
    "train.steps": "400", "train.lr": "0.01", "head.dim": "128", "data.mix": "/my data/mix.yaml", "query.number": "32",
    "evaluation.geneval": "24", "evaluation.dpg": "12", "evaluation.diverse": "2",
}  # fmt: skip


def test_long_names_say_what_differs_and_never_meet() -> None:
    (name, old), others = sweep_file.folder_names("micro", LONG), {**LONG, "evaluation.dpg": "13"}
    assert name == f"micro-dim_128-number_32-lr_0.01-steps_400-and-4-more-{old.removeprefix('micro-')}"
    assert re.fullmatch("micro-[0-9a-f]{8}", old)
    assert name not in sweep_file.folder_names("micro", others)
    for many in range(1, len(LONG) + 1):
        for longest in ("micro", "x" * 40):
            assert yaml_files.NAME.fullmatch(sweep_file.folder_names(longest, dict([*LONG.items()][:many]))[0])


def test_a_sweep_begun_under_its_old_name_goes_on_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep.Worker, "work", lambda self, runs: {})
    new, old = sweep_file.folder_names("micro", LONG)
    settings = [f"{key}={value}" for key, value in LONG.items() if key != "data.mix"]
    words = ["--design", "vae_flow", "--set", *settings, "--results", str(tmp_path), "--no-estimate"]
    new, old = sweep_file.folder_names("micro", {k: v for k, v in LONG.items() if k != "data.mix"})
    assert sweep.main(words) == 0
    assert [path.name for path in tmp_path.iterdir()] == [new]
    (tmp_path / new).rename(tmp_path / old)
    assert sweep.main(words) == 0
    assert [path.name for path in tmp_path.iterdir()] == [old]


def test_the_example_file_has_every_key_and_is_sound() -> None:
    path = Path(__file__).parents[3] / "sweeps" / "example.yaml"
    written = yaml_files.load(path, "sweep")
    assert set(written) == {f.name for f in fields(sweep_file.SweepFile)}
    assert set(written["tuned"]["clip_flow"]) == {f.name for f in fields(sweep_folder.Tuned)}
    made = sweep_file.read(path)
    assert len(made.runs()) == 18
    assert made.tuned  # the example's own search holds: nothing above sets by hand what it searched


def test_a_dry_run_prints_every_setting_and_does_nothing(tmp_path: Path) -> None:
    words = ["--design", "clip_flow,vae_flow", "--seeds", "0-1", "--set", "head.dim=128", "--results", str(tmp_path)]
    code = f"import sys; from ablations.sweep.command import main; main({[*words, '--dry-run']!r})"
    code += "; sys.exit('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = told.stdout.splitlines()
    assert lines[0] == f"sweep micro-head.dim_128: 4 runs in {tmp_path / 'micro-head.dim_128'}"
    assert "  head.dim: 128" in lines
    row = lines.index("  vae_flow-s1 (new):")
    assert {'    design.representation: "vae"', "    seed: 1"} <= set(lines[row + 1 :])
    assert not any(tmp_path.iterdir())


def test_an_evaluation_is_chosen_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def asked(*words: str) -> list[str]:
        assert sweep.main(["--design", "vae_flow", "--results", str(tmp_path), "--dry-run", *words]) == 0
        return capsys.readouterr().out.splitlines()

    assert "  evaluation.geneval: 120" in asked("--eval", "default")
    tiny = asked("--eval", "tiny", "--set", "evaluation.dpg=6")
    assert tiny[0].startswith("sweep micro-eval_tiny-evaluation.dpg_6: 1 run")
    assert {"  evaluation.geneval: 24", "  evaluation.dpg: 6"} <= set(tiny)
    assert {"  evaluation.geneval: 0", "  evaluation.final_geneval: 0"} <= set(asked("--eval", "full"))
    assert sweep.main(["--eval", "tinny", "--dry-run"]) == 2
    assert capsys.readouterr().err == "sweep: --eval: unknown evaluation tinny; did you mean tiny?\n"


def test_timings_are_said_kept_and_skipped_for_small_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    timed: list[str] = []

    def timing(work: object, config: RunConfig, folder: Path, *_: object) -> time_estimate.Timing:
        if len(timed) == 1:
            raise KeyboardInterrupt
        timed.append(folder.name)
        return time_estimate.Timing(step=1.0, picture=0.1, a_point=240, pictures=2400)

    monkeypatch.setattr(time_estimate, "isolated", timing)
    monkeypatch.setattr(sweep.Worker, "work", lambda self, runs: {})
    words = ["--design", "clip_flow,vae_flow", "--seeds", "0,1", "--results", str(tmp_path / "r"), "--cache"]
    words += [str(tmp_path / "c"), "--device", "cpu"]
    assert sweep.main(words) == 130
    said = capsys.readouterr().err
    assert "timing a few steps of clip_flow-s0 (1 of 2; ESTIMATE=0 skips this) ..." in said
    timed.append("vae_flow is timed now")
    assert sweep.main(words) == 0
    assert [name for name in timed if name.startswith("clip_flow")] == ["clip_flow-s0"]
    said = capsys.readouterr().err
    assert "(1 of 1; " in said
    assert said.count("about 31 min") == 4
    monkeypatch.setattr(time_estimate, "isolated", None)  # nothing is timed any more
    assert sweep.main(words) == 0
    assert sweep.main([*words, "--steps", "100"]) == 0
    assert "100 steps of 64, a point every 400\n" in capsys.readouterr().err
    assert sweep.main(["--design", "clip_mse", *words[4:]]) == 0  # a single run's own progress says it sooner
    assert "timing a few" not in capsys.readouterr().err


def test_another_configuration_in_the_folder_is_refused_with_what_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "micro" / "vae_flow-s0"
    old = configure("vae_flow", overrides={"train.lr": 0.5})
    Recorder(folder).begin({**old.plain(), "hash": old.hash})
    assert sweep.main(["--design", "vae_flow", "--results", str(tmp_path)]) == 2
    assert f"train.lr: 0.5 there, {configure('vae_flow').train.lr} here" in capsys.readouterr().err


def test_finished_runs_are_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorder, run = Recorder(tmp_path / "micro" / "vae_flow-s0"), configure("vae_flow")
    recorder.begin({**run.plain(), "hash": run.hash})
    recorder.status("finished")
    assert sweep.main(["--design", "vae_flow", "--results", str(tmp_path)]) == 0
    assert "finished" in capsys.readouterr().err


def test_variants_may_have_fewer_seeds() -> None:
    rows = {"clip_flow": [{"head.dim": 128}]}
    given = {"designs": ["clip_flow"], "seeds": "0-2", "variants": rows, "variant_seeds": "0-1"}
    runs = sweep_file.parse("some", given, "file").runs()
    names = [f"clip_flow-s{k}" for k in range(3)] + [f"clip_flow+head.dim=128-s{k}" for k in range(2)]
    assert sorted(runs) == sorted(names)


def test_variants_stand_beside_their_designs_own_runs() -> None:
    rows = {"clip_flow": [{"design.backbone": "trained"}, {"head.dim": 128}]}
    made = sweep_file.parse(
        "some", {"designs": ["clip_flow", "vae_flow"], "seeds": [0, 1], "variants": rows}, "file"
    ).runs()
    assert list(made) == [
        "clip_flow-s0", "clip_flow+design.backbone=trained-s0", "clip_flow+head.dim=128-s0", "vae_flow-s0",
        "clip_flow-s1", "clip_flow+design.backbone=trained-s1", "clip_flow+head.dim=128-s1", "vae_flow-s1",
    ]  # fmt: skip
    assert made["clip_flow+design.backbone=trained-s0"].design.backbone == "trained"
    assert made["clip_flow+head.dim=128-s1"].head.dim == 128


def test_a_variant_takes_its_own_values_before_the_grids(tmp_path: Path) -> None:
    text = "designs: clip_mse\ngrid: {train.lr: [0.1, 0.2], train.batch: [8]}\nvariants: {clip_mse: [{train.lr: 0.4}]}"
    assert list(read(tmp_path, text).runs()) == [
        "clip_mse+train.lr=0.1+train.batch=8-s0", "clip_mse+train.lr=0.2+train.batch=8-s0",
        "clip_mse+train.batch=8+train.lr=0.4-s0",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("variants", "says"),
    [
        ([], "variants: expected lists of settings by design"),
        ({"clip_fow": [{"head.dim": 128}]}, "did you mean clip_flow?"),
        ({"clip_flow": {"head.dim": 128}}, "expected a list of settings"),
        ({"clip_flow": [{}]}, "expected a list of settings"),
        ({"clip_flow": [{"head.dim": "../x"}]}, "expected a list of settings"),
        ({"clip_flow": [{"head.dim": 128}, {"head.dim": 128}]}, "has one twice"),
        ({"clip_flow": [{"train.lr": 0.1}]}, "train.lr stands in variants and in set"),
        ({"vae_mse": [{"head.dim": 128}]}, "variants: vae_mse is not among the designs"),
    ],
)
def test_variants_that_cannot_be_meant_are_one_line(variants: object, says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        sweep_file.parse("some", {"designs": ["clip_flow"], "set": {"train.lr": 0.2}, "variants": variants}, "file")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b'{"runs', "sweep.json: the file is cut off"),
        (b"\xff\xfe", "sweep.json: the file is not text"),
        (b'{"commands": 3}', "sweep.json: commands is 3"),
        (b'{"runs": ["a"]}', "sweep.json: runs is ['a']"),
    ],
)
def test_a_damaged_note_of_what_was_asked_is_one_line(
    text: bytes, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "micro").mkdir()
    path = tmp_path / "micro" / sweep_folder.SWEEP
    path.write_bytes(text)
    assert sweep.main(["--design", "clip_flow", "--results", str(tmp_path), "--no-estimate"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("sweep: ")
    assert says in said
    assert said.count("\n") == 1
    assert path.read_bytes() == text


def test_two_that_ask_for_a_sweep_at_once_are_both_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, other = json_files.write, threading.Thread(target=sweep_folder.remember, args=(tmp_path, "make sweep SEEDS=1"))

    def write(path: Path, value: Any) -> None:
        if threading.current_thread() is not other:
            other.start()
            other.join(0.3)  # as far as it gets
        own(path, value)

    monkeypatch.setattr(json_files, "write", write)
    sweep_folder.remember(tmp_path, "make sweep SEEDS=0")
    other.join()
    assert sorted(sweep_folder.commands(tmp_path)) == ["make sweep SEEDS=0", "make sweep SEEDS=1"]
