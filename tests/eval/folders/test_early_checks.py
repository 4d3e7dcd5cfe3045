"""What is wrong with a command line is said before torch is imported, and leaves nothing on the disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from on_disk import save

PROGRAM = """
import sys
from headtohead.eval.__main__ import main
try:
    code = main(sys.argv[1:])
except SystemExit as stop:
    code = stop.code
assert "torch" not in sys.modules
sys.exit(code)
"""


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("geneval --images {images}", "--names: needs object_names.txt"),
        ("dpg --images nowhere --prompts {file} --device cpu", "--images nowhere: no such folder"),
        ("fid --images {images} --reference nowhere --out {new}/a.json", "--reference nowhere: no such file or folder"),
        ("diversity --images {images} --space clip --mode clean", "resizers belong to --space inception"),
        ("world --images nowhere --out {file}/a.json", "--out {file}/a.json: cannot be written"),
        ("world --images {images} --out {images}", "--out {images}: is a folder, not a file"),
        ("world --images {images} --tiles 3", "argument --tiles: invalid choice"),
        ("world --images {images} --batch 0", "expected a whole number from 1 on"),
        ("compare {file} nowhere.json", "nowhere.json: No such file"),
    ],
)
def test_errors_come_before_torch(asked: str, says: str, tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png")
    (tmp_path / "file").write_text("")
    there = {name: tmp_path / name for name in ("images", "file", "new")}
    words = asked.format(**there).split()
    done = subprocess.run([sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert says.format(**there) in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "new").exists()
