"""The table of a sweep: every state as it is, whatever the files hold, and nothing that a terminal would obey."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from made import record

from ablations.cli import terminal
from ablations.sweep import status, sweep_file, watch
from ablations.sweep.watch import Watched
from headtohead.config.presets import configure
from headtohead.records import leases, sweep_folder
from headtohead.records.json_files import write
from headtohead.records.recorder import Recorder

ESCAPES = "\x1b[2J\x1b]0;hit\x07\x9b31m\u202e\r\n"


def started(folder: Path, state: str, *, silent: float | None = None, released: bool = False, **progress: Any) -> None:
    """A run that somebody took, last heard of so many seconds ago."""
    Recorder(folder).begin({"seed": 0, "train": {"steps": 900}})
    Recorder(folder).status(state)
    if silent is None:
        return
    now = time.time()
    lease = folder / "claims" / "0002.json"
    lease.parent.mkdir(exist_ok=True)
    write(lease.with_name("0001.json"), {"host": "before", "pid": 1, "started": 1, "released": 2})
    write(lease, {"host": "node1", "pid": 42, "started": now - 600, **({"released": now} if released else {})})
    os.utime(lease, (now - silent, now - silent))
    if progress:
        write(folder / "progress.json", {"steps": 900, "time": now, "doing": "training", **progress})


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    folder = tmp_path / "results" / "my"
    record(folder / "clip_flow", 0.6, seeds=(0, 1))
    for seed in (0, 1):
        Recorder(folder / f"clip_flow-s{seed}").status(
            "finished", seconds_training=800.0, seconds_measuring=100.0, steps=900
        )
    started(folder / "vae_flow-s0", "running", silent=3, step=450, samples_per_second=96.4, seconds_left=480)
    started(folder / "vae_flow-s1", "running", silent=100, step=300)
    started(folder / "clip_mse-s0", "paused", silent=3, released=True, step=600)
    started(folder / "clip_mse-s1", "running", silent=3, released=True)
    started(folder / "vae_mse-s1", "failed", silent=3)
    started(folder / "vae_mse-s2", "queued")
    Recorder(folder / "vae_mse-s0").begin({})
    Recorder(folder / "vae_mse-s0").status("failed", reason="step 7: the loss is nan")
    sweep_folder.remember(
        folder, "make sweep", {"clip_flow-s2": configure("clip_flow"), "clip_flow-s0": configure("clip_flow")}
    )
    return folder


def test_every_run_is_in_its_state_with_who_works_on_it(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status.main([str(sweep.parent)]) == 0
    told = capsys.readouterr().out
    rows = {line.split()[0]: line for line in told.splitlines() if "-s" in line.split()[0]}
    assert {name: line.split()[1] for name, line in rows.items()} == {
        "clip_flow-s0": "finished", "clip_flow-s1": "finished", "clip_flow-s2": "new", "vae_flow-s0": "training",
        "vae_flow-s1": "lost", "clip_mse-s0": "paused", "clip_mse-s1": "stopped", "vae_mse-s0": "failed",
        "vae_mse-s1": "starting", "vae_mse-s2": "queued",
    }  # fmt: skip
    assert rows["clip_flow-s0"].split()[2:] == ["900/900", "100%", "0.604", "0.604", "50.4"]
    assert rows["vae_flow-s0"].split()[2:] == ["450/900", "50%", "96/s", "8", "min", "node1:42"]
    assert rows["vae_flow-s1"].endswith("node1:42, lost")
    assert "    step 7: the loss is nan" in told
    assert "my: 10 runs: 2 at work, 2 finished" in told.replace("2 finished, 2 at work", "2 at work, 2 finished")


def test_a_worker_of_this_machine_that_died_is_lost_at_once(sweep: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    folder = sweep / "vae_flow-s0"
    for pid, state in ((os.getpid(), "training"), (dead.pid, "lost")):
        lease = {"host": "here", "pid": pid, "place": leases.place(), "started": time.time() - 600}
        write(folder / "claims" / "0003.json", lease)
        assert watch.run(folder, time.time()).state == state


def test_what_is_left_is_shared_by_those_at_work(sweep: Path) -> None:
    runs = [
        Watched("a-s0", "training", 50, 100, left=100.0, at_work=True),
        Watched("a-s1", "training", 90, 100, left=20.0, at_work=True),
        Watched("a-s2", "finished", 100, 100, seconds_step=2.0),
        Watched("a-s3", "lost", 60, 100),  # 80 s of work, which the second one begins after 20 s
        Watched("b-s0", "new", 0, 100, seconds_step=None),  # as fast as any: 200 s, before the shorter one
        Watched("c-s0", "failed", 0, 100),
    ]
    assert status.until_all_is_done(runs) == 220
    assert status.until_all_is_done(runs[:2]) == 100
    assert status.until_all_is_done(runs[2:]) is None
    assert "about 5 min of work left" in status.outlook(runs[2:], time.time())
    assert status.outlook([runs[2], runs[5]], time.time()) == ""
    assert "nobody works on it" in status.outlook([runs[4]], time.time())


def test_a_worker_without_progress_is_said(sweep: Path) -> None:
    now = time.time()
    path = sweep / "vae_flow-s0" / "progress.json"
    write(path, {"step": 9, "steps": 900, "time": now - 500, "doing": "training"})
    os.utime(path, (now - 500, now - 500))
    run = watch.run(sweep / "vae_flow-s0", now)
    assert (run.state, run.why) == ("training", "no progress for 8 min")


@pytest.mark.parametrize(("silent", "state"), [(3, "paused"), (100, "lost")])
def test_a_run_that_waits_for_space_says_so_while_somebody_keeps_it(silent: float, state: str, tmp_path: Path) -> None:
    started(tmp_path / "a-s0", "paused", silent=silent, step=450, samples_per_second=96.4, seconds_left=480)
    write(tmp_path / "a-s0" / "status.json", {"state": "paused", "reason": "the disk is full"})
    run = watch.run(tmp_path / "a-s0", time.time())
    assert (run.state, run.speed, run.left) == (state, None, None)
    assert run.why == ("the disk is full" if state == "paused" else "")
    assert run.at_work == (state == "paused")


@pytest.mark.parametrize("read_only", [False, True])
def test_whose_clock_is_ahead_calls_nobody_lost(
    read_only: bool, sweep: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError

    if read_only:
        monkeypatch.setattr(leases.tempfile, "TemporaryFile", refused)
    now, before = time.time(), sorted(sweep.rglob("*"))
    monkeypatch.setattr(status.time, "time", lambda: now + 200)
    assert status.main([str(sweep)]) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("vae_flow-s0")]
    assert row.split()[1] == "training"
    assert sorted(sweep.rglob("*")) == before


def test_progress_of_the_one_before_is_not_the_new_ones(sweep: Path) -> None:
    now = time.time()
    about = {"step": 9, "steps": 900, "time": now - 700, "doing": "training", "seconds_left": 5}
    write(sweep / "vae_flow-s0" / "progress.json", about)
    run = watch.run(sweep / "vae_flow-s0", now)
    assert (run.state, run.left, run.step) == ("starting", None, 9)


def test_whatever_is_half_written_or_nonsense_the_table_stands(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every file of a run, cut at many places, and replaced by what nobody would write."""
    for path in [p for p in sorted((sweep / "vae_flow-s0").rglob("*")) if p.is_file()] + [sweep / "sweep.json"]:
        whole = path.read_bytes()
        nonsense = [b"", b"\0", b"\xff\xfe", b"[]", b"3", b"null", b"[" * 5000, b'{"step": ' + b"9" * 5000 + b"}",
                    b'{"step": NaN, "steps": -1, "time": "now", "doing": 7, "state": [], "runs": 3, "train": 0}',
                    b'{"step": 1e400, "seconds_left": true, "host": {}, "pid": null, "started": "x", "runs": [1]}',
                    b'{"state": {"a": 1}, "steps": 0, "seconds_left": Infinity, "samples_per_second": -1}',
                    b'{"runs": {"": "x", "a": -5, "b": 1e300}, "train": {"steps": "many"}}']  # fmt: skip
        for bad in nonsense + [whole[:cut] for cut in range(0, len(whole), max(1, len(whole) // 12))]:
            path.write_bytes(bad)
            assert status.main([str(sweep)]) == 0
            told = capsys.readouterr().out
            assert "vae_flow-s0" in told or path.name == "config.json"
        path.write_bytes(whole)


def test_damage_is_named_under_the_run(sweep: Path) -> None:
    done = sweep / "clip_flow-s1"
    (done / "status.json").unlink()
    curve = sweep / "clip_flow-s0" / "curve.jsonl"
    curve.write_bytes(curve.read_bytes()[:-30])
    rows = status.look(sweep)
    (row,) = [k for k, line in enumerate(rows) if line.startswith("clip_flow-s1")]
    assert rows[row].split()[1] == "unreadable"
    assert rows[row + 1].strip() == "status.json is missing"
    (row,) = [k for k, line in enumerate(rows) if line.startswith("clip_flow-s0")]
    assert rows[row].split()[1] == "finished"
    assert rows[row + 1].strip() == "the last line of curve.jsonl is cut off"
    (done / "config.json").write_text('{"seed": 1, "tra')
    assert "config.json is cut off; status.json is missing" in "\n".join(status.look(sweep))


def test_folders_that_vanish_or_cannot_be_read_are_no_error(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert watch.run(sweep / "gone", time.time()).state == "new"
    (sweep / "vae_flow-s0" / "status.json").unlink()
    (sweep / "vae_flow-s0" / "status.json").mkdir()
    (sweep / "loop").symlink_to(sweep)
    assert status.main([str(sweep.parent)]) == 0
    assert "vae_flow-s0" in capsys.readouterr().out


def test_nothing_from_a_file_reaches_the_terminal_raw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "results" / f"sweep{ESCAPES}"
    started(folder / f"run{ESCAPES}-s0", f"state{ESCAPES}", silent=3, step=1, doing=f"doing{ESCAPES}")
    started(folder / "b-s0", "failed")
    write(folder / "b-s0" / "status.json", {"state": "failed", "reason": f"why{ESCAPES}"})
    write(folder / "b-s0" / "config.json", {"train": {"steps": ESCAPES}})
    write(folder / f"run{ESCAPES}-s0" / "claims" / "0002.json", {"host": ESCAPES, "pid": ESCAPES})
    write(folder / "sweep.json", {"runs": {f"planned{ESCAPES}": 3}, "commands": [ESCAPES]})
    os.mkdir(os.fsencode(folder) + b"/raw\xff\x1b[31m-s0")
    (folder / os.fsdecode(b"raw\xff\x1b[31m-s0") / "config.json").write_text("{}")
    assert status.main([str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert all(line.isprintable() for line in told.split("\n"))
    for shown in (r"sweep\x1b[2J", r"run\x1b", r"doing\x1b", r"why\x1b", r"planned\x1b", r"raw\udcff\x1b[31m"):
        assert shown in told


def test_where_rows_are_few_those_at_work_and_troubles_are_shown() -> None:
    runs = [Watched(f"a-s{k}", "finished", 9, 9) for k in range(50)]
    runs += [Watched("a-s50", "training", 3, 9, at_work=True), Watched("a-s51", "failed", why="x" * 300)]
    lines = status.table({Path("results/a"): runs}, time.time(), columns=60, rows=20, colours=True)
    assert len(lines) <= 20
    text = "\n".join(lines)
    assert "a-s50" in text
    assert "a-s51" in text
    assert "not shown: " in text
    plain = [line.replace("\x1b[0m", "").split("m", 1)[-1] if "\x1b" in line else line for line in lines]
    assert max(map(len, plain)) == 60  # the reason is cut, so that no line wraps


def test_wide_letters_keep_columns(sweep: Path) -> None:
    assert terminal.width("日本") == 4
    assert terminal.width("e\u0301") == 1
    assert terminal.fit("日本語", 4) == "日…"
    assert terminal.pad("日本", 6) == "日本  "


def interruptible() -> None:
    """What a shell runs in the background ignores Ctrl-C, and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run(*arguments: str, **more: Any) -> subprocess.Popen[bytes]:
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    command = [sys.executable, "-m", "ablations.sweep.status", *arguments]
    return subprocess.Popen(command, env=env, preexec_fn=interruptible, **more)


def test_on_a_terminal_it_is_drawn_in_place_and_the_last_table_stays(sweep: Path) -> None:
    ours, theirs = pty.openpty()
    process = run(str(sweep), "--watch", "0.1", stdout=theirs, stderr=theirs)
    os.close(theirs)
    told = b""
    while told.count(terminal.HOME.encode()) < 3:
        assert select.select([ours], [], [], 60)[0]
        told += os.read(ours, 65536)
    process.send_signal(signal.SIGINT)
    until = time.monotonic() + 60
    while time.monotonic() < until and select.select([ours], [], [], 60)[0]:
        try:
            told += os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
    assert process.wait(60) == 0
    before, after = told.decode().split("\x1b[?1049l")
    assert before.startswith("\x1b[?1049h")
    assert "vae_flow-s0" in after
    assert b"Traceback" not in told
    os.close(ours)


def test_what_is_piped_is_plain_and_a_closed_pipe_is_no_error(sweep: Path) -> None:
    process = run(str(sweep), "--watch", "0.1", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    assert process.stderr
    first = process.stdout.readline()
    assert first.split()[0] == b"run"
    process.stdout.close()
    assert process.wait() == 0
    assert process.stderr.read() == b""
    process.stderr.close()


def test_it_loads_nothing_heavy() -> None:
    heavy = ("torch", "lightning", "pandas", "matplotlib", "optuna")
    code = f"import sys, ablations.sweep.status; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_no_folder_is_one_line_and_an_empty_one_has_no_runs_yet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        status.main([str(tmp_path / "none")])
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert status.main([str(tmp_path)]) == 0
    assert "no runs in it yet" in capsys.readouterr().out


def test_the_records_in_this_repository_are_all_finished(capsys: pytest.CaptureFixture[str]) -> None:
    results = Path(__file__).parents[3] / "results" / "reference"
    assert status.main([str(results)]) == 0
    told = re.search(r"(\d+) runs: (\d+) finished", capsys.readouterr().out)
    assert told
    asked = sweep_file.read(results.parents[1] / "sweeps" / "reference.yaml").runs()
    assert int(told[1]) == int(told[2]) == len(asked)


def test_a_name_is_cut_in_its_middle_and_who_works_on_it_stays_in_sight(sweep: Path) -> None:
    found = watch.sweeps(sweep, now := time.time())
    lines = status.table(found, now, columns=82, rows=40, colours=False)
    (row,) = [line for line in lines if "training" in line]
    assert row.endswith("node1:42")
    assert max(map(len, lines)) <= 82
    assert terminal.shorten("clip_flow+train.lr=0.004-s0", 12) == "clip_fl…4-s0"
