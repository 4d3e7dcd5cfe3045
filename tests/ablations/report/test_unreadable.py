"""Records that cannot be read and folders that cannot be written: one line that names the file, and exit code 2."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from made import record

from ablations import plot
from ablations.analysis.claims import command
from ablations.report import build

COMMANDS = {"claims": command.main, "plot": plot.main, "report": build.main}


@pytest.mark.parametrize(
    ("command", "name"),
    [
        *itertools.product(COMMANDS, ("config.json", "status.json", "curve.jsonl")),
        *itertools.product(("claims", "report"), ("prompts.jsonl",)),  # figures need none of it
    ],
)
def test_a_byte_that_is_no_text(command: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path / "s/clip_flow", 0.5, seeds=(0,))
    path = tmp_path / "s/clip_flow-s0" / name
    path.write_bytes(path.read_bytes()[:-2] + b"\xff\n")
    assert COMMANDS[command]([str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"{command}: {path}: ")
    assert "is not text: byte" in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("command", ["plot", "report"])
def test_a_folder_that_takes_no_files(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As one that is read-only, which is none to whoever may do everything."""
    record(tmp_path / "s/clip_flow", 0.5, seeds=(0,))
    (tmp_path / "figures").write_text("in the way")
    assert COMMANDS[command]([str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"{command}: ")
    assert str(tmp_path / "figures") in told
    assert told.count("\n") == 1


def refused(command: str, place: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert COMMANDS[command]([str(place)]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    return told


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("number", ["1e400", "NaN"])
def test_a_value_that_is_no_number(
    command: str, number: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path / "s/clip_flow", 0.5, seeds=(0,))
    path = tmp_path / "s/clip_flow-s0/curve.jsonl"
    lines = path.read_text().splitlines()
    lines[1] = '{"value": ' + number + ", " + lines[1].replace('"value"', '"was"')[1:]
    path.write_text("\n".join(lines) + "\n")
    assert f"{path}: line 2: value is" in refused(command, tmp_path, capsys)


@pytest.mark.parametrize("command", COMMANDS)
def test_seeds_that_do_not_belong_together(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path / "s/clip_flow", 0.5, seeds=(0, 1))
    config = tmp_path / "s/clip_flow-s1/config.json"
    own = config.read_text()
    config.write_text(own.replace('"seed": 1', '"seed": 0'))
    assert "clip_flow-s1: seed 0 of clip_flow stands in another folder too" in refused(command, tmp_path, capsys)
    config.write_text(own.replace('"train"', '"trian"'))
    assert "clip_flow-s1: its settings differ from clip_flow-s0's (train, trian)" in refused(command, tmp_path, capsys)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_for_a_folder(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert "is a file, not a folder of results" in refused(command, tmp_path / "file", capsys)


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A sweep of two designs; of one run the end of the curve is missing, of one the status, of one half the config."""
    for design in ("clip_flow", "vae_flow"):
        record(tmp_path / "s" / design, 0.5)
    curve = tmp_path / "s/clip_flow-s0/curve.jsonl"
    curve.write_bytes(curve.read_bytes()[:-30])
    (tmp_path / "s/clip_flow-s1/status.json").unlink()
    config = tmp_path / "s/vae_flow-s2/config.json"
    config.write_bytes(config.read_bytes()[: config.stat().st_size // 2])
    return tmp_path / "s"


SAYS = (
    "clip_flow-s0/curve.jsonl: line 18 is cut off; 1 of 18 lines is left out",
    "clip_flow-s1/status.json: the file is missing; whether the run finished is not known",
    "vae_flow-s2/config.json: the file is cut off",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_damaged_is_named_and_the_rest_is_used(
    command: str, damaged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert COMMANDS[command]([str(damaged)]) == 2
    told = capsys.readouterr()
    assert told.out
    assert len(told.err.splitlines()) == len(SAYS)
    assert all(f"{command}: {damaged}/{line}" in told.err for line in SAYS)


@pytest.mark.usefixtures("undrawn")
def test_the_report_names_what_is_damaged(damaged: Path) -> None:
    assert build.main([str(damaged)]) == 2
    page, text = (damaged / "report.html").read_text(), (damaged / "report.md").read_text()
    for line in SAYS:
        assert f'<p class="trouble">Damaged: {line}' in page
        assert f"Damaged: {line}" in text
    assert "| clip_flow | 2 | 900 |" in text  # the seed whose end is not known is left out
    assert "| vae_flow | 2 | 900 |" in text


@pytest.mark.usefixtures("undrawn")
def test_a_sweep_of_which_nothing_is_left_is_named_beside_the_others(damaged: Path) -> None:
    record(damaged.with_name("t") / "clip_flow", 0.5, seeds=(0,))
    (damaged.with_name("t") / "clip_flow-s0/config.json").write_text("{")
    assert build.main([str(damaged.parent)]) == 2
    page = (damaged.parent / "report.html").read_text()
    assert page.count("t/clip_flow-s0/config.json: the file is cut off; the run is left out") == 1
    assert page.count("Damaged: ") == len(SAYS) + 1


@pytest.mark.usefixtures("undrawn")
def test_a_damaged_note_of_the_sweep_costs_its_commands_only(damaged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (damaged / "sweep.json").write_text('{"commands": ["make sw')
    assert build.main([str(damaged)]) == 2
    assert f"report: {damaged}/sweep.json: the file is cut off; commands and searches" in capsys.readouterr().err
    assert "make sweep DESIGN='clip_flow vae_flow'" in (damaged / "report.md").read_text()


def test_nothing_readable_is_one_line(damaged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in damaged.glob("*/config.json"):
        path.write_text("[]")
    assert "does not hold a JSON object" in refused("report", damaged, capsys)
