"""Settings as people type them, and as `make` passes them on: in one text."""

from __future__ import annotations

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
