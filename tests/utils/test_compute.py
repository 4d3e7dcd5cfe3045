"""A record says which code made it, and does not claim a checkout that it does not come from."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from headtohead.utils import compute


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_the_commit_is_that_of_the_codes_own_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = tmp_path / "machine.py"
    code.write_text("1\n")
    monkeypatch.setattr(compute, "__file__", str(code))
    assert compute.commit() is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    assert compute.commit() is None  # installed into some other project's folder
    for command in (["add", "machine.py"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], check=True)
    commit = compute.commit()
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    assert commit
    assert head.startswith(commit)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "curve.jsonl").write_text("{}")
    for command in (["add", "results"], ["commit", "-qm", "two"]):
        subprocess.run([*git, *command], check=True)
    commit = compute.commit()
    (tmp_path / "results" / "curve.jsonl").unlink()
    assert compute.commit() == commit  # a record is no code
    code.write_text("2\n")
    assert compute.commit() == f"{commit}-dirty"
