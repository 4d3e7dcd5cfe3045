"""Whatever text a record holds, wherever it holds it: the page has the same elements as with harmless words."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import record
from PIL import Image

from ablations.analysis.curves import read
from ablations.report import build
from headtohead.records import sweep_folder
from headtohead.records.json_files import write
from headtohead.records.read import runs
from headtohead.records.recorder import Recorder

HARMLESS = {True: "Plain words", False: "zebra words"}  # by whether they sort before settings, as columns are sorted
HOSTILE = (
    "<script>window.hit=1</script>",
    "</script></style></title></textarea><img src=x onerror=window.hit=1>",
    "'\" onload=window.hit=1 x=\"' autofocus onfocus=window.hit=1",
    "--><!--><svg onload=window.hit=1><!--",
    "<!--<script>",
    "]]><a href='javascript:window.hit=1'>",
    "&lt;script&gt; &#60;script&#62; {{ 7 * 7 }} {% raw %}",
    "```\n<script>window.hit=1</script>\n```",
    "![x](https://example.com/x.png) [x](javascript:window.hit=1)",
    "\u2028\u0000<\u0000script>\ufeff<iframe srcdoc=x>",
)


class Elements(HTMLParser):
    """Tags and the names of their attributes, in order; scripts and styles by what they hold."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[Any, ...]] = []
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, *(name for name, _ in attrs)))
        self.found += [(tag, value) for name, value in attrs if name in ("href", "src", "content", "style", "class")]
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.found.append(("/", tag))
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "style" or (self.inside == "script" and not data.lstrip().startswith("{")):
            self.found.append((self.inside, data))

    def handle_comment(self, data: str) -> None:
        self.found.append(("comment", data))

    def handle_decl(self, decl: str) -> None:
        self.found.append(("declaration", decl))


def made(folder: Path, text: str) -> tuple[str, str]:
    """Page and Markdown of a sweep whose records say `text` wherever they say anything."""
    in_a_name = text.replace("/", "|").replace("\0", "0")
    sweep = folder / f"sweep {in_a_name}"
    for name in ("clip_flow", f"clip_flow+{in_a_name}=2"):
        record(sweep / name, 0.5, seeds=(0, 1), judge=text)
    for run in runs(sweep):
        config = {**run.config, "hash": text, "scale": text, "evaluation": {"split": text, "every": 3}}
        config["train"] = {**config["train"], "batch": 4}
        write(run.folder / "config.json", {**config, text: {text: text}, "query": {"template": text}})
        for kind, shape in (("prompts", (16, 48)), ("often", (32, 32))):
            Image.fromarray(np.zeros((*shape, 3), np.uint8)).save(Recorder(run.folder).grid(900, kind))
        machine = {"device": text, "name": text, "cores": text, "threads": text}
        about = {"commit": text, "data": text, "packages": {text: text}, "machine": machine, "seconds_training": 9.0}
        shown = {"prompts": [text] * 12, "often": [text] * 4}
        Recorder(run.folder).status("finished", shown=shown, judge=text, **about)
    for state in ("failed", text):
        Recorder(sweep / f"vae_flow-s{len(state)}").begin({"seed": text})
        Recorder(sweep / f"vae_flow-s{len(state)}").status(state, reason=text)
    tuned = sweep_folder.Tuned(study=text, storage=text, trials=3, steps=3, objective=text, space={text: text})
    sweep_folder.remember(sweep, f"make sweep NAME={text}", {}, {"clip_flow": tuned})
    answers = {"rater": text, "sweep": text, "designs": [text, text], "answers": [{"prompt": text, "chosen": text}]}
    (sweep / "answers").mkdir()
    (sweep / "answers" / "a.json").write_text(json.dumps(answers))
    found, curves = read(sweep)
    build.write(sweep, found, curves, sweep / "figures")
    return (sweep / "report.html").read_text(), (sweep / "report.md").read_text()


def elements(page: str) -> list[tuple[Any, ...]]:
    parser = Elements()
    parser.feed(page)
    parser.close()
    return [found for found in parser.found if found != ("wbr",)]  # where a name may be broken


@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, list[tuple[Any, ...]]]:
    return {k: elements(made(tmp_path_factory.mktemp("harmless"), text)[0]) for k, text in HARMLESS.items()}


@pytest.mark.parametrize("text", HOSTILE)
def test_text_makes_no_element_no_attribute_and_no_comment(
    text: str, tmp_path: Path, harmless: dict[bool, list[tuple[Any, ...]]]
) -> None:
    page, markdown = made(tmp_path, text)
    assert elements(page) == (own := harmless[text < "evaluation"])
    assert len(own) > 300
    rest = markdown
    while "```" in rest:  # what is fenced is shown as it stands
        fence = rest[rest.index("```") :].split("sh\n")[0]
        before, _, after = rest.partition(fence)
        rest = before + after.partition(f"\n{fence}\n")[2]
    assert "<" not in rest
    assert not re.search(r"(?<!\\)\[x\]", rest)
