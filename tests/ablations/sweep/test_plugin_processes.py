"""A plugin of the command line, or of `make ... PLUGIN=`, reaches every process that a launcher starts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import plugin_file
import pytest

from ablations.sweep.launch import Launch
from headtohead.utils import plugins

ROOT = Path(__file__).parents[3]
# What a launched process does in place of a training: a file for each, with what the plugin adds.
PROBE = """
import os, sys
from pathlib import Path
from headtohead.config.design import DESIGNS
from headtohead.utils.cli import Parser

parser = Parser("probe", "x")
parser.add_argument("folder", type=Path)
folder = parser.parse_args().folder
Path(folder, "rank" + os.environ.get("RANK", "0")).write_text(f"{'my_design' in DESIGNS}")
"""
SRUN = """#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
for rank in 0 1; do RANK=$rank "$@" || exit 1; done
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the plugin and the probe, from which commands are started."""
    plugin_file.write_design(tmp_path)
    (tmp_path / "probe.py").write_text(PROBE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}{os.pathsep}{ROOT}{os.pathsep}{tmp_path}")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.fixture
def loaded(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The plugin as a command has it that loaded it; only the launched processes import it here."""
    monkeypatch.setattr(plugins, "_paths", {"my_design.py": place / "my_design.py"})
    monkeypatch.delenv(plugins.VARIABLE, raising=False)  # a cluster may pass on no environment
    return place


@pytest.mark.parametrize("processes", [1, 2], ids=["local", "torchrun"])
def test_launched_processes_have_it(processes: int, loaded: Path) -> None:
    launch = Launch("torchrun" if processes > 1 else "local", gpus=processes)
    assert launch.run("probe", [str(loaded)]) == 0
    assert [path.read_text() for path in loaded.glob("rank*")] == ["True"] * processes


def test_a_job_of_slurm_has_it(loaded: Path) -> None:
    script = Launch("slurm", gpus=2).job(loaded, "x", "probe", [str(loaded)])
    assert f"-m probe {loaded} --plugin {loaded / 'my_design.py'}" in script
    (srun := loaded / "bin" / "srun").parent.mkdir()
    srun.write_text(SRUN)
    srun.chmod(0o755)
    path = f"{srun.parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["bash", "-c", script], check=True, cwd="/", env={"PATH": path})  # elsewhere, with no environment
    assert [path.read_text() for path in loaded.glob("rank*")] == ["True"] * 2


@pytest.mark.parametrize("given", ["my_design.py other.py", "my_design.py,other.py", "my_design.py"])
@pytest.mark.parametrize("target", ["sweep", "plan", "tune", "paint", "guidance", "rescore", "points", "cache"])
def test_every_target_of_make_passes_it_on(target: str, given: str, place: Path) -> None:
    shutil.copy(ROOT / "Makefile", place)
    (place / "python").write_text('#!/bin/sh\necho "$HEADTOHEAD_PLUGINS"\n')
    (place / "python").chmod(0o755)
    environment = {**os.environ, "HEADTOHEAD_PLUGINS": "/of/mine.py"}
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        environment.pop(name, None)
    done = subprocess.run(
        ["make", target, "PY=./python", "READY=", f"PLUGIN={given}", "DESIGN=my_design"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    files = given.replace(",", " ").split()
    assert done.stdout.strip() == ":".join([*files, "/of/mine.py"])


def test_work_in_a_process_of_its_own_has_it(place: Path) -> None:
    """Local runs, trials of a search, and what paint and guidance draw."""
    (place / "command.py").write_text(
        "from headtohead.utils.cli import Parser\n"
        "from headtohead.utils.processes import isolated\n"
        "from headtohead.config.presets import configure\n"
        "if __name__ == '__main__':\n"
        "    Parser('x', 'x').parse_args()\n"
        "    print(isolated(configure, 'my_design').design)\n"
    )
    done = subprocess.run(
        [sys.executable, "command.py", "--plugin", "my_design.py"], capture_output=True, text=True, check=False
    )
    assert done.stdout == "Design(representation='clip', objective='mse', backbone='trained', head='dit')\n", (
        done.stderr
    )
