"""Settings as people type them, and as `make` passes them on: in one text."""

from __future__ import annotations

from pathlib import Path

import forked
import plugin_file
import pytest

from ablations.cli.arguments import settings
from headtohead.config.parsing import ConfigError
from headtohead.utils.cli import Parser

TEMPLATE = {"query.template": "Draw a {caption}"}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["head.dim=256", "train.lr=0.1"], {"head.dim": "256", "train.lr": "0.1"}),
        (["head.dim=256 train.lr=0.1"], {"head.dim": "256", "train.lr": "0.1"}),
        (["query.template=Draw a {caption}"], TEMPLATE),
        (["head.dim=256 query.template='Draw a {caption}'"], {"head.dim": "256", **TEMPLATE}),
        (["query.template=it's {caption}"], {"query.template": "it's {caption}"}),
        (["data.mix="], {"data.mix": ""}),
        (None, {}),
    ],
)
def test_settings_may_stand_in_one_text(given: list[str] | None, found: dict[str, str]) -> None:
    assert settings(given) == found


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["head.dim"], "expected KEY=VALUE such as head.dim=256, got 'head.dim'"),
        (["head.dim=1 head.dim=2"], "head.dim stands twice"),
        (["=3"], "expected KEY=VALUE"),
    ],
)
def test_what_is_no_setting_is_one_line(given: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=f"--set: {says}"):
        settings(given)


@pytest.mark.parametrize("given", [["clip_flow,vae_flow"], ["clip_flow", "vae_flow"], ["clip_flow, vae_flow"]])
def test_names_are_separated_by_commas_or_spaces(given: list[str]) -> None:
    parser = Parser("ablations.test", "A command.")
    for option in ("--design", "--only"):
        parser.add_argument(option, nargs="+")
        found = vars(parser.parse_args([option, *given]))
        assert found[option.removeprefix("--")] == ["clip_flow", "vae_flow"]


@pytest.mark.parametrize(
    ("module", "by"),
    [("sweep", "option"), ("sweep", "environment"), ("plan", "option"), ("tune", "option"),
     ("prepare.cache_features", "environment")],
)  # fmt: skip
def test_helps_list_the_designs_of_plugins(module: str, by: str, tmp_path: Path) -> None:
    file = str(plugin_file.write_design(tmp_path))
    option, variable = (["--plugin", file], "") if by == "option" else ([], file)
    done = forked.run(f"ablations.{module}", ["--help", *option], tmp_path, {"HEADTOHEAD_PLUGINS": variable})
    assert done.returncode == 0, done.stdout
    assert "vae_mse_dit, my_design" in " ".join(done.stdout.split())


def test_a_plugin_option_without_a_file_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        Parser("ablations.sweep", "x").parse_args(["--plugin"])
    assert capsys.readouterr().err == "sweep: argument --plugin: expected one argument\n"
