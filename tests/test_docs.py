"""README, CONTRIBUTING and docs/ say what is there: commands parse, links and paths exist, quotations are exact."""

from __future__ import annotations

import argparse
import functools
import importlib
import itertools
import os
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ablations.cli.arguments import settings
from headtohead.config.design import DESIGNS, expanded
from headtohead.config.presets import PRESETS, configure, decoder
from headtohead.eval.__main__ import main as score
from headtohead.records import metrics
from headtohead.records.read import runs
from headtohead.synthetic.prompts.short_prompts import FOLDER as SHIPPED
from headtohead.utils.errors import InputError

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
ROOMS = {"src/headtohead": ROOT / "src" / "headtohead", "ablations": ROOT / "ablations"}
FOREIGN = {"source"}  # of the shell
BROUGHT = ("judge.safetensors",)  # files of a reader that parsers look for
STUBS = ("python", "ruff", "mypy", "lint-imports")  # what targets call in .venv; here they note their arguments
STUB = """#!/bin/sh
printf '%s' "${0##*/}" >> calls
for word; do printf '\\0%s' "$word" >> calls; done
printf '\\0\\0\\n' >> calls
"""


def blocks(page: Path, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def without_comment(line: str) -> str:
    return re.sub(r"\s+#.*", "", line).strip()


def commands(page: Path) -> Iterator[str]:
    """Each command of the page's sh blocks, and each in its text that has arguments."""
    text = page.read_text()
    for block in blocks(page, "sh"):
        yield from filter(None, map(without_comment, block.replace("\\\n", " ").splitlines()))
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    yield from re.findall(r"`(make [\w-]+ [^`]+|python -m [^`]+)`", prose)


class Parsed(Exception):
    """What a command's own parser made of its arguments; raised in place of the work."""

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self.options = options


@pytest.fixture
def parse_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Commands parse their arguments and stop, in a checkout that also has the files a reader would bring."""
    real = argparse.ArgumentParser.parse_args

    def parse(parser: argparse.ArgumentParser, args: Any = None, namespace: Any = None) -> Any:
        raise Parsed(real(parser, args, namespace))

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    for name in ("Makefile", "sweeps", "results"):  # without src: `make clean` is among the commands
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "stubs" / "bin").mkdir(parents=True)
    for name in STUBS:
        stub = tmp_path / "stubs" / "bin" / name
        stub.write_text(STUB)
        stub.chmod(0o755)
    for name in BROUGHT:
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)


def make(words: list[str]) -> list[list[str]]:
    """The programs of .venv that make calls, with their arguments."""
    Path("calls").write_text("")
    ready = ["VENV=stubs", "-o", "stubs/.ready"]
    done = subprocess.run(["make", "-s", *ready, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    calls = Path("calls").read_text().split("\0\0\n")
    return [call.split("\0") for call in calls if call]


def check_make(words: list[str]) -> None:
    """The target exists, each variable changes what it runs, and our own modules accept the arguments."""
    calls = make(words)
    for word in words:
        if "=" in word:
            assert make([w for w in words if w != word]) != calls, f"{word} changes nothing"
    for name, *arguments in calls:
        if name == "python":
            check_python(arguments)


def check_python(words: list[str]) -> None:
    """The module exists and its parser takes the arguments; designs and settings are known ones."""
    assert words[0] == "-m", words
    module, arguments = words[1], words[2:]
    if module in ("pip", "pytest"):
        return
    spec = find_spec(module)
    assert spec, f"no module {module}"
    run = functools.partial(runpy.run_module, module, run_name="__main__")
    if not (spec.submodule_search_locations or module.endswith("__main__")):
        run = importlib.import_module(module).main
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [module, *arguments])
        patch.delitem(sys.modules, f"{module}.__main__", raising=False)
        with pytest.raises(Parsed) as parsed:
            run()
    check_options(module, parsed.value.options)


def check_options(module: str, options: argparse.Namespace) -> None:
    """Names of designs, scales and settings are looked up by the command after parsing, so look them up here."""
    given = settings(getattr(options, "set", None))
    if module == "ablations.prepare.clip_decoder":
        decoder(options.scale, given)
    elif module.startswith("ablations.posthoc"):
        given = {f"sampling.{key}": value for key, value in given.items()}
        configure("clip_flow", "micro", 0, given)
    elif hasattr(options, "design") and hasattr(options, "set"):
        wanted = options.design if isinstance(options.design, list) else [options.design or "all"]
        for design in expanded(wanted):
            configure(design, options.scale if getattr(options, "scale", None) else "micro", 0, given)
    if getattr(options, "name", None):
        assert (ROOT / "sweeps" / f"{options.name}.yaml").exists() or options.name.startswith("tuned-")


def check_extra(words: list[str]) -> None:
    """What is installed beside the package, or run from there, is an extra of pyproject.toml."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    known = {re.split(r"[>=<]", package)[0] for packages in extras.values() for package in packages}
    named = words[2:] if words[1] == "install" else [Path(words[0]).name]
    assert set(named) <= known, named


@functools.cache
def hub_help(*command: str) -> str:
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "COLUMNS": "200"}
    tool = Path(sys.executable).with_name("hf")
    done = subprocess.run([tool, *command, "--help"], capture_output=True, text=True, check=False, env=offline)
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_hub(words: list[str]) -> None:
    """Hugging Face's command has the subcommand, and its help names the options."""
    options = {word.split("=")[0] for word in words if word.startswith("-")}
    shown = hub_help(*itertools.takewhile(str.isalpha, words))
    assert options <= set(re.findall(r"--[a-z-]+", shown)), options


def check(command: str) -> None:
    words = shlex.split(command, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    if not words or words[0] in FOREIGN:
        return
    if words[0] == "make":
        check_make(words[1:])
    elif words[0] == "python":
        check_python(words[1:])
    elif words[0] in (".venv/bin/pip", ".venv/bin/optuna-dashboard", ".venv/bin/wandb"):
        check_extra(words)
    elif words[0] == "hf":
        check_hub(words[1:])
    else:
        raise AssertionError(f"no way to check {command!r}")


ALL = sorted({(page.relative_to(ROOT).as_posix(), command) for page in PAGES for command in commands(page)})


@pytest.mark.parametrize(("page", "command"), ALL, ids=[f"{page}: {command}" for page, command in ALL])
def test_commands_parse(page: str, command: str, parse_only: None) -> None:
    check(command)


@pytest.mark.parametrize(
    "command",
    [
        "make swep DESIGN=clip_flow",
        "make sweep DESINGS=clip_flow",
        "make sweep DESIGN=clip_flo",
        "make sweep SET=head.dmi=3",
        "make sweep NAME=referenc",
        "make paint RESULTS=results/micro SET=guidence=3",
        "python -m ablations.plot results --desing clip_flow",
        "python -m ablations.plto results",
        "python -m headtohead.eval fdi --images DIR --reference DIR",
        "pyhton -m ablations.plot results",
        "hf download BLIP3o/BLIP3o-Pretrain-JourneyDB --local-dri data",
    ],
)
def test_typos_fail(command: str, parse_only: None) -> None:
    with pytest.raises((AssertionError, AttributeError, ModuleNotFoundError, SystemExit, InputError)):
        check(command)


def test_targets_are_documented_and_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## |^(clean):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    said = {name for page in PAGES for name in re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE)}
    assert said == set(filter(None, itertools.chain(*targets)))


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            assert anchor in {slug(h) for h in re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)}, target


# Folders that runs and commands make: named in the docs, absent from a clone.
MADE = re.compile(r"results/(micro|tune|tuned|single|paper|demo)|ablations/.*\*")


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda p: p.name)
def test_paths_and_modules_in_code_exist(page: Path) -> None:
    for code in re.findall(r"`([^`\n]+)`", page.read_text()):
        if re.fullmatch(r"(src|ablations|tests|docs|sweeps|results)/[\w./=+-]*", code) and not MADE.match(code):
            assert (ROOT / code).exists(), code
        if re.fullmatch(r"(headtohead|ablations)(\.\w+)+", code):
            assert named(code), code
        setting = re.fullmatch(r"(?:SET=)?((?:[a-z_]+\.)+[a-z_]+)(=\S+)?", code)
        if setting and setting.group(1).split(".")[0] in PRESETS["paper"]:
            lookup(setting.group(1))


def named(dotted: str) -> bool:
    """Whether it is a module, or what a module holds."""
    try:
        if find_spec(dotted):
            return True
    except ModuleNotFoundError:
        pass
    module, _, name = dotted.rpartition(".")
    return hasattr(importlib.import_module(module), name)


def lookup(key: str) -> None:
    at: Any = configure("clip_flow")
    for part in key.split("."):
        at = getattr(at, part)


def test_scoring_commands_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those of docs/scoring.md that need neither a model hub nor other people's files, on two images."""
    prompts = (SHIPPED / "test" / "geneval.jsonl").read_text().splitlines()
    for index in (0, 1):
        (folder := tmp_path / "DIR" / f"{index:05d}" / "samples").mkdir(parents=True)
        folder.with_name("metadata.jsonl").write_text(prompts[index])
        Image.new("RGB", (64, 64), (90, 90 * index, 90)).save(folder / "0000.png")
    monkeypatch.chdir(tmp_path)
    said = [shlex.split(line)[3:] for line in commands(ROOT / "docs" / "scoring.md") if "headtohead.eval" in line]
    (world,) = (words for words in said if words[0] == "world")
    assert score([*world, "--allow-missing", "--quiet"]) == 0
    (tmp_path / "a.json").write_text((tmp_path / "b.json").read_text())
    (compare,) = (words for words in said if words[0] == "compare")
    assert score(compare) == 0
    assert "overall" in capsys.readouterr().out


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 170


def test_the_output_in_the_readme_is_on_record() -> None:
    """The README shows points of a run whose record is kept."""
    (run,) = runs(ROOT / "results" / "reference" / "clip_flow-s0")
    values: dict[int, dict[str, float]] = {}
    for line in run.curve():
        values.setdefault(line["step"], {})[line["metric"]] = line["value"]
    points = {f"step {step:,}: {metrics.summary(own)}" for step, own in values.items()}
    shown = re.findall(r"^step .*", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(shown) >= 2
    assert set(shown) <= points
    took = run.state["seconds_training"] + run.state["seconds_measuring"]
    said = re.search(r"^clip_flow-s0: finished in (\d+) min: (.*)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert said
    assert said[2] == metrics.summary(values[max(values)])
    assert 0 < 60 * int(said[1]) - took < 180  # beside training and measuring: imports, encoding pictures and captions


@pytest.mark.parametrize("package", ROOMS)
def test_the_readme_names_every_room(package: str) -> None:
    """The tree in the README against the folders."""
    tree = next(b for b in blocks(ROOT / "README.md", "text") if "src/headtohead/" in b)
    lines = itertools.dropwhile(lambda line: not line.startswith(package), tree.splitlines())
    own = itertools.takewhile(lambda line: line.startswith("  "), itertools.islice(lines, 1, None))
    said = {name for line in own for name in re.findall(r"(\w+)/", line.split("   ")[0] + line[:22])}
    assert said == {p.name for p in ROOMS[package].iterdir() if (p / "__init__.py").exists()}


def test_contributing_quotes_the_layers() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    assert "\n".join(contract["layers"]) + "\n" in blocks(ROOT / "CONTRIBUTING.md", "text")


def test_contributing_quotes_code() -> None:
    sources = [path.read_text() for path in (ROOT / "src").rglob("*.py")]
    quoted = blocks(ROOT / "CONTRIBUTING.md", "python")
    assert quoted
    assert all(any(block in source for source in sources) for block in quoted)


def test_the_designs_in_the_readme_are_the_declared_ones() -> None:
    page = (ROOT / "README.md").read_text().split("## Add a design")[1].split("\n## ")[0]
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])} == set(DESIGNS)
