"""The GPU benchmark at tiny sizes on the CPU: every line, and runs that are cut, stopped or out of memory."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest
import torch

from ablations.bench.gpu import command, models, table, worker
from ablations.bench.gpu.lines import FLOW, LIVE_AIM, SWEEP, Line, lines
from ablations.bench.gpu.measured import judges, training
from ablations.bench.gpu.rows import Rows
from ablations.bench.gpu.sizes import Sizes, tiny
from ablations.bench.parts import BatchWork
from ablations.plan.one_design import accelerators, cost, frozen
from headtohead.models import build

STEP = {
    "batch", "rounds", "pictures/s", "10 % to 90 %", "TFLOP a picture", "TFLOP/s", "peak TFLOP/s", "share of peak",
    "parameters", "trained", "peak MB", "planned TFLOP a picture", "planned pictures/s", "planned MB",
}  # fmt: skip
RATE = {"batch", "rounds", "pictures/s", "10 % to 90 %", "peak MB"}
PLANNED = {"planned TFLOP a picture"}
FIELDS = {
    "matmul": {"peak TFLOP/s", "TFLOP/s", "peak MB"}, "step": STEP, "trainer": {*RATE, "strategy"},
    "sampling": {*RATE, *PLANNED, "steps"}, "decoding": {*RATE, *PLANNED, "side"}, "judge": {*RATE, "side"},
    "distance": {"seconds", "reference once", "pictures", "reference", "dimensions"},
    "state": {"seconds to save", "seconds to resume", "GB", "trained", "peak MB"},
}  # fmt: skip


class Here(Executor):
    """A pool whose process is this one."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done = Future[Any]()
        try:
            done.set_result(work(*args, **kwargs))
        except BaseException as error:
            done.set_exception(error)
        return done

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        pass


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lines run in this process; blocks are not compiled, which takes minutes on a CPU."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    environment = dict(os.environ)
    monkeypatch.setattr(command, "processes", lambda number: Here())
    torch.compiler.set_stance("force_eager")
    yield
    torch.compiler.set_stance("default")
    for number, handler in before.items():
        signal.signal(number, handler)
    gc.enable()
    os.environ.clear()
    os.environ.update(environment)


def bench(folder: Path, *words: str) -> dict[str, dict[str, Any]]:
    """Rows by part."""
    assert command.main(["--tiny", "--device", "cpu", "--out", str(folder), *words]) == 0
    return rows(folder)


def rows(folder: Path) -> dict[str, dict[str, Any]]:
    return {row["part"]: row for path in folder.glob("*-cpu-tiny.json") for row in json.loads(path.read_text())["rows"]}


def some(line: Line) -> bool:
    """One line of every kind, and all that differ in how they are measured."""
    if line.group == "training":
        first = line.model == ("paper", FLOW) and not line.checkpointing and (line.compiled or not line.live)
        return first or (line.model == ("single", "clip_mse") and not line.live)
    return line.strategy == "fsdp" if line.group == "trainer" else line.model in (("paper", FLOW), ("", ""))


def checked(found: dict[str, dict[str, Any]], wanted: list[Line]) -> None:
    """Every line has a row with the fields of its kind, whose values make sense."""
    assert len(found) == len(wanted)
    for line in wanted:
        own = [row for part, row in found.items() if part in {line.part, line.at(1).part, line.at(2).part}]
        assert any(FIELDS[line.kind] <= row.keys() for row in own), (line.part, own)
    steps = [row for part, row in found.items() if "training step" in part]
    # A matmul this small is not the peak: shares above 1 occur here, on a GPU they cannot.
    assert all(row["share of peak"] > 0 and row["trained"] <= row["parameters"] for row in steps)
    assert len({row["trained"] for row in steps}) > 1
    live = {part for part, row in found.items() if row.get("aim pictures/s") == LIVE_AIM}
    (main,) = (row for row in steps if row.get("aim share of peak") == 0.4)
    assert live == {part for part in found if part.startswith("paper clip_flow: training step, live encoders, comp")}
    assert main["profile"]["most"][0]["ms"] >= main["profile"]["most"][-1]["ms"] >= 0
    assert main["profile"]["ms computing"] <= main["profile"]["ms a step"] * 2


def test_a_line_of_every_kind_is_measured(here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [line for line in lines({**dict.fromkeys(SWEEP, (2,)), ("paper", FLOW): (1, 2)}, (1, 2)) if some(line)]
    assert {line.kind for line in wanted} == {line.kind for line in lines()}
    monkeypatch.setattr(command, "lines", lambda *_: wanted)
    checked(bench(tmp_path, "--budget", "100000"), wanted)
    header = json.loads((tmp_path / "training-cpu-tiny.json").read_text())
    assert {"machine", "packages", "commit", "rows"} <= header.keys()


@pytest.mark.slow
def test_every_line_is_measured(here: None, tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    sizes = tiny(tmp_path / "configs")
    checked(bench(tmp_path, "--budget", "100000"), lines(sizes.sweep, sizes.sampled))


def test_counted_flops_are_the_planners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For prompts that all have the length which the planner assumes."""
    sizes = tiny(tmp_path)
    line = Line("training", "step", "paper", FLOW, 2)
    config = sizes.config(line)
    ones = torch.ones(2, accelerators.tokens(config), dtype=torch.long)
    monkeypatch.setattr(models, "prompts", lambda words, config, texts: (ones, ones))
    row, _ = worker.run(line, sizes, "cpu", 0.0)
    codec = frozen.of(build.image_tokens(config), sizes.decoder(line))
    planned = cost.of(config, codec, accelerators.tokens(config), 2)
    assert row["TFLOP a picture"] * 1e12 == pytest.approx(planned.train, rel=0.01)
    assert row["trained"] == planned.trained
    training.Kept.forget()


@pytest.mark.slow
@pytest.mark.parametrize(("scale", "design"), list(SWEEP))
def test_full_sizes_are_the_planners(scale: str, design: str) -> None:
    """Built on the meta device by the functions that build on a GPU."""
    line, sizes = Line("training", "step", scale, design, 8, live=True), Sizes()
    config = sizes.config(line)
    own = models.parts(config, sizes.decoder(line), "meta", encoder=True, decoder=True)
    codec = frozen.of(build.image_tokens(config), sizes.decoder(line))
    planned = cost.of(config, codec, accelerators.tokens(config), 8)
    assert sum(p.numel() for p in own.generator.parameters()) == planned.trained + planned.untrained
    assert own.codec.grid == codec.grid


@pytest.mark.parametrize(
    ("judge", "millions"), [("Mask2Former-swin-s", 68.7), ("BLIP-VQA", 361.2), ("Qwen2.5-VL-3B", 3754.6)]
)
def test_judges_have_the_published_sizes(judge: str, millions: float, tmp_path: Path) -> None:
    _, model = judges.JUDGES[judge](False, "meta", tmp_path)
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)


def test_what_does_not_fit_into_memory_is_recorded(here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of two asks the system for more memory than there is: that row says so, and others are measured."""
    real = training.trainer_step

    def greedy(own: Any, config: Any, device: str) -> tuple[BatchWork, BatchWork]:
        if config.train.batch > 1 and config.compute.compile:
            torch.empty(1 << 60)
        return real(own, config, device)

    monkeypatch.setattr(training, "trainer_step", greedy)
    monkeypatch.setattr(command.Bench, "_best", lambda self, line: 2)
    own = [line for line in lines() if line.model == ("single", FLOW) and line.compiled and not line.live]
    monkeypatch.setattr(command, "lines", lambda *_: own)
    found = bench(tmp_path, "training", "--budget", "100000")
    part = "single clip_flow: training step, cached features, compiled, {} at once"
    assert "can't allocate memory" in found[part.format(2)]["out of memory"]
    assert found[part.format(1)]["pictures/s"] > 0


def test_a_sweep_ends_where_memory_does(here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(line: Line, sizes: Sizes, device: str, peak: float) -> tuple[dict[str, Any], bool]:
        return ({"out of memory": "64 GiB"} if line.batch == 1 else {"pictures/s": 1.0}), True

    monkeypatch.setattr(command, "_run", run)
    monkeypatch.setattr(command, "_figures", lambda *_: {})
    found = bench(tmp_path, "training", "--budget", "100000")
    assert found["paper clip_flow: training step, cached features, eager, 1 at once"] == {
        "part": "paper clip_flow: training step, cached features, eager, 1 at once", "out of memory": "64 GiB",
    }  # fmt: skip
    skipped = found["paper clip_flow: training step, cached features, eager, 2 at once"]["skipped"]
    assert skipped == "1 at once ran out of memory"
    best = found["paper clip_flow: training step, cached features, compiled, fastest batch"]["skipped"]
    assert best == "no eager step of this model was measured"


def test_what_the_budget_leaves_out_is_listed(here: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = bench(tmp_path, "--budget", "14")
    assert found["matmul"]["peak TFLOP/s"] > 0
    assert all("skipped" in row for part, row in found.items() if part != "matmul")
    state = found["paper clip_flow: save and resume"]["skipped"]
    assert state.startswith("it takes about 120 s, ")
    assert state.endswith(" s of 14 were left")
    assert f"skipped: {state}" in capsys.readouterr().out


def test_a_killed_process_costs_one_line(here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(line: Line, sizes: Sizes, device: str, peak: float) -> tuple[dict[str, Any], bool]:
        if line.judge == "Inception":
            raise BrokenProcessPool
        if line.judge == "BLIP-VQA":
            raise KeyboardInterrupt
        return {"pictures/s": 1.0}, True

    monkeypatch.setattr(command, "_run", run)
    code = command.main(["judges", "--tiny", "--device", "cpu", "--out", str(tmp_path)])
    found = rows(tmp_path)
    assert code == 130
    assert found["Inception"]["failed"] == command.KILLED
    assert found["CLIP ViT-L/14"]["pictures/s"] == 1
    assert {found[name]["skipped"] for name in ("BLIP-VQA", "Qwen2.5-VL-3B")} == {"the command was stopped before"}


def test_rows_of_the_same_commit_stay_until_they_are_measured_again(tmp_path: Path) -> None:
    first, second = (Line("judges", "judge", judge=name) for name in ("a", "b"))
    about = {"machine": {"name": "x"}, "packages": {}, "commit": "abc"}
    for line in (first, second):
        Rows(tmp_path, "x", about).put(line, {"pictures/s": 1.0})
    again = Rows(tmp_path, "x", about)
    again.put(first, {"skipped": "no time"})
    again.put(second, {"pictures/s": 2.0})
    kept = json.loads((tmp_path / "judges-x.json").read_text())
    assert kept["rows"] == [{"part": "a", "pictures/s": 1.0}, {"part": "b", "pictures/s": 2.0}]
    for other in ({**about, "commit": "abc-dirty"}, {**about, "commit": None}, {**about, "machine": {"name": "y"}}):
        rows_ = Rows(tmp_path, "x", other)
        assert rows_.get(first) == {}
    rows_.put(second, {"skipped": "no time"})
    assert json.loads((tmp_path / "judges-x.json").read_text())["rows"] == [{"part": "b", "skipped": "no time"}]


def test_other_errors_cost_one_line_too() -> None:
    row, healthy = worker.run(Line("judges", "judge", judge="none"), Sizes(), "cpu", 0.0)
    assert row["failed"] == "KeyError: 'none'"
    assert healthy


def test_a_process_that_is_cut_keeps_its_rows(tmp_path: Path) -> None:
    """The command as people start it; SIGTERM comes after the first row."""
    words = [sys.executable, "-m", "ablations.bench.gpu", "--tiny", "--device=cpu", f"--out={tmp_path}"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("matmul ")
        process.terminate()
        said = process.stdout.read()
        assert process.wait(60) == 143
    found = rows(tmp_path)
    assert found["matmul"]["peak TFLOP/s"] > 0
    assert found["distance"]["skipped"] == "the command was stopped before"
    assert "distance" in said


def test_without_a_gpu_full_sizes_are_refused(here: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--device", "cpu", "--out", str(tmp_path)]) == 2
    assert "this needs a GPU; --tiny tries the command without one" in capsys.readouterr().err
    assert command.main(["trainnig", "--out", str(tmp_path)]) == 2
    assert "unknown group trainnig; did you mean training?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("NVIDIA H100 80GB HBM3", "h100"), ("NVIDIA H200", "h200"), ("NVIDIA H100 PCIe", "h100-pcie"),
        ("NVIDIA A100-SXM4-80GB", "a100"), ("NVIDIA GeForce GTX 1080 Ti", "geforce-gtx-1080-ti"),
    ],
)  # fmt: skip
def test_files_are_named_by_the_planners_kinds(name: str, kind: str) -> None:
    assert worker.named(name) == kind


def test_the_readme_has_room_for_the_table() -> None:
    page = (Path(__file__).parents[3] / "README.md").read_text()
    assert table.BEGIN in page
    assert table.END in page
    assert len(page.splitlines()) <= 170 - 3 - 3  # heading and a mark; a row for each design


def test_the_table_holds_what_was_measured(tmp_path: Path) -> None:
    page = f"# a\n{table.BEGIN}\n{table.END}\nb\n"
    (readme := tmp_path / "README.md").write_text(page)
    assert not table.write(readme, tmp_path)
    row = {
        "pictures/s": 20.0,
        "share of peak": 0.2,
        "peak MB": 20480,
        "planned MB": 30720,
        "planned pictures/s": 1040.4,
    }
    name = "paper clip_flow: training step, {}, eager, {} at once"
    own = [
        {"part": name.format("cached features", 8), **row}, {"part": name.format("cached features", 16), **row,
         "pictures/s": 30.0}, {"part": name.format("cached features", 32), "out of memory": "x"},
    ]  # fmt: skip
    for gpu in ("h100", "cpu-tiny"):
        (tmp_path / f"training-{gpu}.json").write_text(json.dumps({"rows": own}))
    for _ in range(2):  # again over itself
        assert command.main(["--table", "--readme", str(readme), "--out", str(tmp_path)]) == 0
        lines_ = readme.read_text().splitlines()
        assert (
            lines_[-3]
            == "| H100, `clip_flow` | not measured | 30 (plan 1,040) pictures/s, 20%, 20 (30) GiB | not measured |"
        )
        assert (lines_[:2], lines_[-2:]) == (["# a", table.BEGIN], [table.END, "b"])
        assert len(lines_) == 7
