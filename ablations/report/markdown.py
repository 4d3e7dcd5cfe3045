"""report.md: the content of report.html as Markdown, with markup in names and captions escaped."""

from __future__ import annotations

from ablations.analysis.claims.command import HEAD
from ablations.analysis.table import Table, words
from ablations.report.figures.drawn import named
from ablations.report.section import Section

CAPTIONS = {
    "curves_steps": "Scores of held-out prompts over training. Bands span the seeds; dashed lines are what true "
    "renders score after a round trip through the representation, dash-dotted ones what the best regression could, "
    "dotted ones what retrieved pictures and pictures that ignore their prompt score.",
    "curves_flops": "The same over training FLOPs of head and language model.",
    "tasks": "GenEval's six tasks at the last point; whiskers span the seeds.",
    "gain": "Conditioning gain: the share of the held-out loss with wrong captions that the right ones save. Bands are "
    "95 % intervals over seeds; a design at 0 has not learned to read its prompt.",
    "losses": "Near noise the condition decides, near data the picture itself does.",
    "samples": "The same prompts across designs, at the last point of the first seed; none of them was selected.",
    "one_prompt": "One prompt several times: noise differs, the prompt does not. A regression has no noise to draw.",
    "guidance": "Guidance trades FID against alignment; a regression has none, so it is one point.",
    "painted": "Prompts painted from kept weights of the first seed; test prompts, unless others were given.",
}
OF_A_SWEEP = ("samples", "one_prompt", "guidance", "painted")


def markdown(title: str, sections: list[Section], figures: list[str]) -> str:
    """The report as Markdown.

    title     first heading
    sections  one for each sweep
    figures   names of the files in figures/, without extension
    """
    sweeps = [s.sweep for s in sections]
    several = len(sweeps) > 1
    out = [f"# {_plain(title)}"]
    if several:
        out.append(f"{len(sections)} sweeps, each on its own: runs of different settings are never pooled.")
    out += [_picture(name) for name in CAPTIONS if name in figures and (several and name not in OF_A_SWEEP)]
    for s in sections:
        out += [f"## {_plain(s.sweep)}"] if several else []
        verdicts = ["### Verdicts on the paper's findings", f"{s.counted}.", _verdicts(s), *s.legend]
        out += [_plain(s.headline), *map(_plain, [*s.damage, *s.troubles]), *([] if s.alone else verdicts)]
        out += _table(s.final)
        own = [(named(name, s.sweep, sweeps) if name in OF_A_SWEEP else name, name) for name in CAPTIONS]
        out += [_picture(file, name) for file, name in own if file in figures and (name in OF_A_SWEEP or not several)]
        for table in (s.equal_cost, *s.details, s.effects, s.cost, *s.sets, s.bounds, s.noise):
            out += _table(table) if table else []
        out += verdicts if s.alone else []
        if s.study:
            out += _table(s.study.table) if s.study.rates else []
            out += map(_plain, s.study.refused)
        out += ["### What was run", _code(s.commands), _plain(s.settings), *_table(s.compared), *_table(s.runs)]
        out += map(_plain, s.packages)
    return "\n\n".join(filter(None, out)) + "\n"


def _verdicts(s: Section) -> str:
    rows = [[f"{v.mark} {v.finding.verdict}", f"{v.finding.sentence} ({v.finding.id})", *v.cells] for v in s.verdicts]
    lines = _lines([*HEAD], rows)
    details = [f"- {f.id}: {'; '.join(filter(None, (f.detail, f.why)))}" for v in s.verdicts if (f := v.finding)]
    return lines + "\n\n" + "\n".join(map(_plain, details))


def _picture(file: str, name: str = "") -> str:
    return f"![{CAPTIONS[name or file]}](figures/{file}.png)"


def _table(table: Table) -> list[str]:
    return [f"### {_plain(table.title)}", _lines(table.head, table.rows), _plain(table.note)]


def _lines(head: list[str], rows: list[list[str]]) -> str:
    rule = ["---" if k in words(rows) else "--:" for k in range(len(head))]
    return "\n".join("| " + " | ".join(map(_plain, row)) + " |" for row in [head, rule, *rows])


def _code(lines: list[str]) -> str:
    text, fence = "\n".join(lines), "```"
    while fence in text:
        fence += "`"
    return f"{fence}sh\n{text}\n{fence}"


def _plain(text: str) -> str:
    """Text with Markdown's special characters escaped, as names come from files."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("[", "\\[").replace("\n", " ")
