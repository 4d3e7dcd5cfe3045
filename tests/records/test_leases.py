"""Who works on a run: one of many, until it ends, lets go, or dies."""

from __future__ import annotations

import errno
import json
import multiprocessing as mp
import os
import subprocess
import sys
from pathlib import Path

import pytest

from headtohead.records import leases
from headtohead.records.leases import Taken, acquire, holder


def test_a_run_has_one_owner_and_then_none(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    with acquire(tmp_path) as lease:
        who = holder(tmp_path)
        assert who is not None
        assert who.alive
        assert who.pid == os.getpid()
        with pytest.raises(Taken, match=str(os.getpid())), acquire(tmp_path):
            pass
        lease.check()
    who = holder(tmp_path)
    assert who is not None
    assert not who.alive
    with acquire(tmp_path) as second:
        assert second.number == 2


def _rush(folder: str, gate: mp.synchronize.Barrier, out: mp.SimpleQueue[int]) -> None:
    gate.wait()
    try:
        with acquire(Path(folder)):
            out.put(1)
            gate.wait()  # nobody lets go before all have tried
    except Taken:
        out.put(0)
        gate.wait()


def test_of_many_at_once_one_wins(tmp_path: Path) -> None:
    context = mp.get_context("fork")
    for _ in range(5):
        gate, out = context.Barrier(6), context.SimpleQueue()
        workers = [context.Process(target=_rush, args=(str(tmp_path), gate, out)) for _ in range(6)]
        for worker in workers:
            worker.start()
        won = [out.get() for _ in workers]
        for worker in workers:
            worker.join()
        assert sum(won) == 1


def test_a_dead_owners_run_is_taken_over_at_once_on_its_own_machine(tmp_path: Path) -> None:
    code = (
        "import os, sys, pathlib, headtohead.records.leases as o\n"
        "with o.acquire(pathlib.Path(sys.argv[1])): os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 9
    who = holder(tmp_path)
    assert who is not None
    assert not who.released
    assert not who.alive
    with acquire(tmp_path) as lease:
        assert lease.number == 2


def test_an_owner_on_another_machine_is_given_up_after_its_silence(tmp_path: Path) -> None:
    path = tmp_path / leases.LEASES / "0001.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"host": "elsewhere", "pid": 1, "place": "another boot"}))
    with pytest.raises(Taken, match="elsewhere:1"), acquire(tmp_path):
        pass
    old = path.stat().st_mtime - leases.LOST - 1
    os.utime(path, (old, old))
    with acquire(tmp_path) as lease:
        assert lease.number == 2


def test_who_wakes_up_after_being_given_up_stops_before_it_writes(tmp_path: Path) -> None:
    with acquire(tmp_path) as lease:
        lease.path.with_name("0002.json").write_text(json.dumps({"host": "elsewhere", "pid": 1, "place": "other"}))
        with pytest.raises(Taken, match="taken over by elsewhere:1"):
            lease.check()


def test_a_claim_that_finds_no_room_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(about: object, file: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(leases.json, "dump", full)
        with pytest.raises(OSError, match="No space"):
            acquire(tmp_path)
    assert holder(tmp_path) is None
    with acquire(tmp_path) as lease:
        assert lease.number == 1


def test_each_has_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order, first = list[str](), acquire(tmp_path)

    def waits(seconds: float) -> None:
        order.append("the first ends")
        first.__exit__()

    monkeypatch.setattr(leases.time, "sleep", waits)
    with leases.turn(tmp_path):
        order.append("the second begins")
    assert order == ["the first ends", "the second begins"]


def test_its_heart_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "BEAT", 0.02)
    with acquire(tmp_path) as lease:
        os.utime(lease.path, (0, 0))
        for _ in range(200):
            if (who := holder(tmp_path)) and who.silent < leases.LOST:
                break
            leases.time.sleep(0.02)
        else:
            pytest.fail("no heartbeat")
