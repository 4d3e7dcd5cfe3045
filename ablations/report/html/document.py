"""Render an HTML file from a template: text from records is escaped, and the content policy allows only our script."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from ablations.report.styles import label

HERE = Path(__file__).parent / "assets"


def page(template: str, data: Any, styles: tuple[str, ...], scripts: tuple[str, ...], **shown: Any) -> str:
    """Render a template with styles, scripts and data inside the file.

    template  in assets/
    data      for the script, as JSON
    styles    CSS files in assets/
    scripts   JavaScript files in assets/, run in this order
    shown     variables of the template
    """
    style, script = (_joined(names) for names in (styles, scripts))
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    )
    return _compiled(template).render(
        policy=Markup(policy), style=Markup(style), script=Markup(script), data=embedded(data), **shown
    )


@cache
def _compiled(template: str) -> Template:
    made = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["label"] = label
    return made.get_template(template)


def embedded(data: Any) -> Markup:
    """JSON with `<`, `>` and `&` escaped, so that it cannot end the script element or open a comment."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _joined(names: tuple[str, ...]) -> str:
    return "\n" + "\n".join((HERE / name).read_text() for name in names)


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
