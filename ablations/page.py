"""One self-contained HTML page from blocks: titles, texts, tables and pictures. Everything that is shown is escaped."""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass, field
from pathlib import Path

from ablations.tables import Table

STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5d6675; --line: #d9dee6; --paper: #fbfbf9; --card: #fff;
  --mark: #2a6fbb14; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa4b2; --line: #343b47; --paper: #14171c;
  --card: #1b2027; --mark: #6fa8e62b; } }
* { box-sizing: border-box; }
body { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink); background: var(--paper);
  margin: 0 auto; max-width: 70rem; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.01em; }
h2 { font-size: 1.3rem; margin: 3rem 0 .6rem; padding-top: .8rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.02rem; margin: 1.8rem 0 .4rem; }
p { max-width: 46rem; margin: .5rem 0; }
.lead { font-size: 1.08rem; }
.note, figcaption { color: var(--soft); font-size: .86rem; max-width: 46rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; margin: .4rem 0; }
th { font-weight: 600; color: var(--soft); font-size: .8rem; vertical-align: bottom; }
th, td { border-bottom: 1px solid var(--line); padding: .38rem .75rem .38rem 0; text-align: right;
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; font-weight: 600; }
td.best { background: var(--mark); }
figure { margin: 1rem 0; padding: .6rem; background: #fff; border: 1px solid var(--line); border-radius: 8px;
  width: fit-content; max-width: 100%; }
figure img { max-width: 100%; height: auto; display: block; }
figcaption { padding-top: .5rem; color: #5d6675; }
pre, code { font: .86em/1.5 ui-monospace, "SF Mono", Menlo, monospace; background: var(--mark); border-radius: 4px; }
code { padding: .08em .35em; }
pre { padding: .7rem .9rem; overflow-x: auto; }
details { margin: .5rem 0; }
summary { cursor: pointer; color: var(--soft); }
nav a { margin-right: 1.1rem; color: inherit; }
@media print { body { max-width: none; } h2 { break-after: avoid; } figure, table { break-inside: avoid; } }
"""


@dataclass
class Page:
    """Grows block by block, as HTML and as Markdown at once, so that both tell the same."""

    title: str
    html: list[str] = field(default_factory=list)
    markdown: list[str] = field(default_factory=list)

    def head(self, text: str, level: int = 2) -> None:
        self.html.append(f"<h{level}>{html.escape(text)}</h{level}>")
        self.markdown.append(f"{'#' * level} {text}")

    def text(self, text: str, kind: str = "") -> None:
        if text:
            self.html.append(f"<p{f' class={kind}' if kind else ''}>{html.escape(text)}</p>")
            self.markdown.append(_plain(text))

    def code(self, text: str) -> None:
        self.html.append(f"<pre>{html.escape(text)}</pre>")
        self.markdown.append(f"```sh\n{text}\n```")

    def table(self, table: Table, level: int = 3) -> None:
        self.head(table.title, level)
        head = "".join(f"<th scope=col>{html.escape(c)}</th>" for c in table.head)
        body = "".join(
            "<tr>" + "".join(f"<td{' class=best' * ((r, c) in table.marked)}>{html.escape(cell)}</td>"
                             for c, cell in enumerate(row)) + "</tr>"
            for r, row in enumerate(table.rows)
        )  # fmt: skip
        self.html.append(f"<div class=scroll><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>")
        rule = ["---"] + ["--:"] * (len(table.head) - 1)
        rows = [table.head, rule, *table.rows]
        self.markdown.append("\n".join("| " + " | ".join(map(_plain, row)) + " |" for row in rows))
        self.text(table.note, "note")

    def picture(self, path: Path, told: str, beside: Path) -> None:
        """Inside the page, and linked from the Markdown file that lies in `beside`."""
        data = base64.b64encode(path.read_bytes()).decode()
        text = html.escape(told)
        source = f"data:image/png;base64,{data}"
        self.html.append(f'<figure><img alt="{text}" src="{source}"><figcaption>{text}</figcaption></figure>')
        self.markdown.append(f"![{_plain(told)}]({path.relative_to(beside).as_posix()})")

    def write(self, folder: Path) -> None:
        (folder / "report.md").write_text("\n\n".join(self.markdown) + "\n")
        meta = "<meta charset=utf-8><meta name=viewport content='width=device-width, initial-scale=1'>"
        head = f"<head>{meta}<title>{html.escape(self.title)}</title><style>{STYLE}</style></head>"
        body = "\n".join(self.html)
        (folder / "report.html").write_text(f"<!doctype html>\n<html lang=en>{head}<body>\n{body}\n</body></html>\n")


def _plain(text: str) -> str:
    """Markdown without markup in it: names come from files."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
