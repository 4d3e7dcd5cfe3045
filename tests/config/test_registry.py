"""Registries take a plugin's declarations beside the package's own, and say clearly what is wrong with a plugin."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from headtohead.config.parsing import ConfigError
from headtohead.config.registry import Registry
from headtohead.utils import plugins
from headtohead.utils.errors import InputError


def test_names_are_found_added_once_and_suggested() -> None:
    table = Registry("head", {"linear": 1})
    table.add("mlp", 2)
    assert dict(table) == {"linear": 1, "mlp": 2}
    assert table.find("mlp") == 2
    with pytest.raises(ConfigError, match="unknown head liner; did you mean linear"):
        table.find("liner")
    with pytest.raises(ConfigError, match="head mlp: is registered already"):
        table.add("mlp", 3)
    with pytest.raises(ConfigError, match="expected a name of the form"):
        table.add("m l p", 3)


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgets plugins afterwards, also those of the environment."""
    monkeypatch.setenv(plugins.VARIABLE, "")
    for name in ("_loaded", "_paths"):
        monkeypatch.setattr(plugins, name, {})


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import torch\n\n1 / 0\n", r"line 3: ZeroDivisionError: division by zero"),
        ("def f(:\n", r"line 1: SyntaxError"),
        ("import no_such_module\n", r"line 1: ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit(3)\n", r"line 1: SystemExit: 3"),
    ],
)
def test_a_plugin_that_raises_is_one_line_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(InputError, match=rf"^--plugin \S*mine.py: {said}"):
        plugins.load([tmp_path / "mine.py"])
    assert plugins.loaded() == {}


@pytest.mark.usefixtures("clean")
def test_a_plugin_that_is_missing_or_shares_a_name_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        plugins.load([tmp_path / "none.py"])
    (tmp_path / "text.txt").write_text("")
    with pytest.raises(InputError, match="is no Python file"):
        plugins.load([tmp_path / "text.txt"])
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(f"FOLDER = {folder!r}\n")
    plugins.load([tmp_path / "a" / "mine.py"])
    plugins.load([tmp_path / "a" / "mine.py"])  # once is enough
    with pytest.raises(InputError, match="has the same name"):
        plugins.load([tmp_path / "b" / "mine.py"])
    assert list(plugins.loaded()) == ["mine.py"]
    assert len(plugins.loaded()["mine.py"]) == 16


def test_commands_end_with_one_line_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("raise KeyError('x')\n")
    done = subprocess.run(
        [sys.executable, "-m", "ablations.sweep.status", str(tmp_path), "--plugin", str(tmp_path / "mine.py")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"status: --plugin {tmp_path / 'mine.py'}: line 1: KeyError: 'x'\n"
