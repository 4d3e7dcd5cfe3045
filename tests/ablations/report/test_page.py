"""The report in a real browser: what people do with it works, without errors, requests or live markup."""

from __future__ import annotations

import base64
import io
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser
from made import SETTINGS, record
from PIL import Image

from ablations.report import build
from ablations.report.build import make
from ablations.report.html import pictures
from ablations.report.html.document import embedded
from ablations.report.markdown import _lines
from headtohead.records.read import runs
from headtohead.records.recorder import Recorder

SCREENS = Path(__file__).parents[3] / "build" / "screens"
SHIPPED = Path(__file__).parents[3] / "results/reference/report.html"
MIDDLE = """(({x, y, width, height}) => [x + width / 2, y + height / 2])
    (document.querySelector('.panel svg').getBoundingClientRect())"""
STEPS = (300, 600, 900)
COLOURS = {"clip_flow": (200, 60, 40), "vae_flow": (40, 90, 200), "clip_mse": (60, 160, 90)}
LIVE = (
    "<script>window.hit=1</script>",
    "</script><script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    '" onload="window.hit=1',
    "--><svg onload=window.hit=1>",
    "<!--<script>",
    "{{ 7 * 7 }}",
    "javascript:window.hit=1",
    "\u2028</style><style>*{display:none}</style>",
    "'; window.hit=1; '",
    "]]><a href='https://example.com'>",
    "$(touch hit) `hit` $x_$",
)


def finish(sweep: Path, prompts: list[str]) -> None:
    """Grids of plain colours, darker early, and what they show."""
    for run in runs(sweep):
        design = run.name.split("-")[0]
        for step in STEPS:
            shade = tuple(c * step // 900 for c in COLOURS.get(design, (120, 120, 120)))
            for kind, size in (("prompts", (48, 16)), ("often", (32, 32))):
                Image.new("RGB", size, shade).save(Recorder(run.folder).grid(step, kind), lossless=True)
        shown = {"prompts": prompts, "often": prompts[:4]}
        machine = {"device": "cpu", "name": prompts[0], "cores": 2, "threads": 1}
        more = {"trainable": 2e6, "seconds_training": 90.0, "peak_mb": 2048, "machine": machine}
        Recorder(run.folder).status("finished", shown=shown, packages={"torch": prompts[1]}, **more)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three designs with every kind of record, and captions and names that try to be more than text."""
    folder = tmp_path_factory.mktemp("results") / "reference"
    for design, height, fid in (("clip_flow", 0.6, 50.0), ("vae_flow", 0.4, 20.0), ("clip_mse", 0.5, 90.0)):
        record(folder / design, height, fid=fid)
    record(folder / "clip_flow+<img src=x onerror=window.hit=1>=2", 0.3, settings={**SETTINGS, "head": {"dim": 64}})
    finish(folder, list(LIVE))
    Recorder(folder / "vae_mse-s0").begin({})
    Recorder(folder / "vae_mse-s0").status("failed", reason=LIVE[1])
    make(folder)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("Debian's chromium is not installed")
    with tempfile.TemporaryDirectory() as profile, Browser(Path(profile)) as opened:
        yield opened


def quiet(browser: Browser, page: Path) -> bool:
    """No complaint, and nothing asked for but the page itself and what it holds."""
    outside = [url for url in browser.requests if not url.startswith("data:")]
    return browser.errors == [] and outside == [page.resolve().as_uri()] and browser.look("window.hit") is None


def test_nothing_from_a_record_is_live_and_nothing_is_fetched(browser: Browser, sweep: Path) -> None:
    page = sweep / "report.html"
    browser.open(page)
    assert quiet(browser, page)
    assert browser.look("document.scripts.length") == 2
    texts = browser.look(
        "[...document.querySelectorAll('table[data-kind=prompts] tbody th')].map(th => th.textContent)"
    )
    assert [t.strip() for t in texts] == [t.strip() for t in LIVE]
    assert browser.look("document.querySelectorAll('article [onerror], article [onload], article img').length") == 0


def test_verdicts_come_first_and_headings_are_in_order(browser: Browser, sweep: Path) -> None:
    browser.open(sweep / "report.html")
    levels = browser.look("[...document.querySelectorAll('h1, h2, h3')].map(h => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    assert browser.look("document.querySelector('h2').textContent") == "Verdicts on the paper's findings"
    verdicts = browser.look("[...document.querySelectorAll('.badge')].map(b => b.textContent.trim())")
    assert "✓ supported" in verdicts
    assert "✗ contradicted" in verdicts or "? undecided" in verdicts
    nameless = """[...document.querySelectorAll('button, input, svg[role=img], table')]
        .filter(e => !(e.ariaLabel || e.textContent.trim() || e.labels?.length)).length"""
    assert browser.look(nameless) == 0


def test_the_axis_switches_and_points_are_read_by_pointer_and_keys(browser: Browser, sweep: Path) -> None:
    page = sweep / "report.html"
    browser.size(1200, 900)
    browser.open(page)
    label = "document.querySelector('.panel svg').ariaLabel"
    assert "over training steps" in browser.look(label)
    before = browser.look("document.querySelector('.panel .line').getAttribute('d')")
    for name in ("FLOPs", "Wall time"):
        browser.look(
            f"[...document.querySelectorAll('.axis-choice button')].find(b => b.textContent === '{name}').click()"
        )
    assert "minutes of training" in browser.look(label)
    assert "axis=seconds" in browser.look("location.hash")
    assert browser.look("document.querySelectorAll('.panel .band').length") > 0
    browser.look("document.querySelector('.panel svg').focus()")
    browser.key("ArrowRight")
    first = browser.look("document.querySelector('.tip').textContent")
    assert "GenEval" in first
    assert "at step 900" in first
    assert "over 3 seeds" in first
    browser.key("ArrowLeft")
    assert "at step 600" in browser.look("document.querySelector('.tip').textContent")
    browser.look(
        "document.activeElement.blur(), document.querySelector('.panel').scrollIntoView({behavior: 'instant'})"
    )
    at = browser.look(MIDDLE)
    browser.point(*at)
    assert "at step" in browser.look("document.querySelector('.tip').textContent")
    assert before
    assert quiet(browser, page)


def test_the_comparison_sorts_by_any_column(browser: Browser, sweep: Path) -> None:
    browser.open(sweep / "report.html")
    rows = "[...document.querySelectorAll('table.comparison tbody th')].map(th => th.textContent.trim())"
    click = "[...document.querySelectorAll('table.comparison th button')].find(b => b.textContent === 'FID').click()"
    sorts = "[...document.querySelectorAll('table.comparison [aria-sort]')].map(th => th.textContent + th.ariaSort)"
    browser.look(click)
    assert browser.look(sorts) == ["FIDdescending"]
    assert browser.look(rows)[0] == "clip_mse"
    browser.look(click)
    assert browser.look(rows)[0] == "vae_flow"
    assert "sort=FID&order=ascending" in browser.look("location.hash")


SORTED = """(cells => {
    const table = document.createElement('table');
    const head = table.createTHead().insertRow();
    for (const text of ['', 'name']) element('th', {}, head, text);
    for (const cell of cells) {
        const row = (table.tBodies[0] ?? table.createTBody()).insertRow();
        for (const text of ['x', cell]) row.insertCell().textContent = text;
    }
    new Sortable(table).sort('name', 'ascending');
    return [...table.tBodies[0].rows].map(row => row.cells[1].textContent);
})"""


@pytest.mark.parametrize(
    "ordered",
    [
        ["10bc", "573a", "9e12"],
        ["77e1", "8a00", "9e12"],
        ["12", "a9", "b7", "–"],
        ["−2", "9", "10", "1,200 T"],
        ["-0.20 to +0.10", "+0.003 ± 0.100", "not reached"],
        ["1.2e-05", "0.013"],
    ],
)
def test_a_column_is_sorted_by_number_where_each_cell_is_one(browser: Browser, sweep: Path, ordered: list[str]) -> None:
    """Hashes are text, whatever they look like."""
    browser.open(sweep / "report.html")
    assert browser.look(f"{SORTED}({json.dumps(ordered[::-1])})") == ordered


def test_an_address_opens_the_view_that_it_names(browser: Browser, sweep: Path) -> None:
    browser.open(sweep / "report.html", "#axis=flops&sort=GenEval&order=ascending&step=300")
    assert browser.look("document.querySelector('.axis-choice [aria-pressed=true]').textContent") == "FLOPs"
    assert browser.look("document.querySelector('table.comparison tbody th').textContent.trim()").startswith(
        "clip_flow,"
    )
    assert browser.look("[...document.querySelectorAll('.slider output')].map(o => o.textContent)") == ["300", "300"]


def test_an_address_that_names_nothing_changes_nothing(browser: Browser, sweep: Path) -> None:
    page = sweep / "report.html"
    browser.open(page, "#axis=<b>&sort=%00&order=sideways&step=soon&__proto__=1")
    assert quiet_but_fragment(browser)
    assert browser.look("document.querySelector('.axis-choice [aria-pressed=true]').textContent") == "Steps"


def quiet_but_fragment(browser: Browser) -> bool:
    return browser.errors == [] and browser.look("window.hit") is None


def test_the_slider_shows_other_steps_of_every_design(browser: Browser, sweep: Path) -> None:
    browser.open(sweep / "report.html")
    picture = "document.querySelector('table[data-kind=prompts] td image').getAttribute('href')"
    last = browser.look(picture)
    browser.look("document.querySelector('.slider input').focus()")
    browser.key("ArrowLeft")
    assert browser.look("document.querySelector('.slider output').textContent") == "600"
    assert browser.look(picture) != last
    assert browser.look("document.querySelectorAll('table[data-kind=often] svg[role=img]').length") == 4 * 4 * 4
    told = browser.look("document.querySelector('table[data-kind=prompts] svg[role=img]').ariaLabel")
    assert told.startswith("clip_mse at step 600: ")


@pytest.mark.parametrize(
    ("name", "width", "dark"), [("light", 1200, False), ("dark", 1200, True), ("phone", 320, False)]
)
def test_it_fits_the_screen(name: str, width: int, dark: bool, browser: Browser, sweep: Path) -> None:
    browser.size(width, 900, dark)
    browser.open(sweep / "report.html")
    assert browser.look("document.documentElement.scrollWidth") <= width
    ink, paper = browser.look(
        "['color', 'backgroundColor'].map(k => parseInt(getComputedStyle(document.body)[k].slice(4)))"
    )
    assert (ink > paper) == dark
    assert browser.picture(SCREENS / f"report-{name}.png").stat().st_size > 10_000


def test_names_of_designs_stand_on_one_line(browser: Browser) -> None:
    """In the tables of the ten designs that ship; above pictures they may be broken."""
    browser.size(1280, 900)
    browser.open(SHIPPED)
    names = """[...document.querySelectorAll('tbody .design')].filter(e => e.checkVisibility())
        .map(e => [e.textContent.trim(), e.offsetHeight / parseFloat(getComputedStyle(e).lineHeight)])"""
    found = browser.look(names)
    assert len(found) >= 27
    assert [name for name, lines in found if lines > 1.2] == []
    widths = "['comparison', 'equal-cost'].map(c => document.querySelector(`table.${c}`)).map(t => t.offsetWidth)"
    assert max(browser.look(widths)) <= 1240  # no column is cut off
    browser.size(320, 900)
    assert browser.look("document.documentElement.scrollWidth") <= 320
    browser.size(1200, 900)


def test_words_stand_left_and_numbers_right(browser: Browser) -> None:
    browser.open(SHIPPED)
    sides = """name => [...[...document.querySelectorAll('table')]
        .find(t => t.caption?.textContent.trim() === name).querySelectorAll('thead th, tbody tr:first-child > *')]
        .map(e => getComputedStyle(e).textAlign)"""
    for title, words in (("Main effects of the axes", 2), ("Final point", 1), ("Diversity", 1)):
        found = browser.look(f"({sides})({json.dumps(title)})")
        columns = len(found) // 2
        assert found[:columns] == found[columns:] == ["left"] * words + ["right"] * (columns - words), title


@pytest.mark.parametrize(
    ("column", "side"),
    [
        (["0.402 ± 0.088", "–"], "--:"),
        (["+0.302 to +0.455", "same in every seed", "-0.1 to +0.2"], "--:"),
        (["not reached", "1,078"], "--:"),
        (["5.86 M", "26 T"], "--:"),
        (["573a434f995", "9e12"], "---"),
        (["clip", "vae"], "---"),
        (["f9aca9ec24d273b1 (20,480 samples)"], "---"),
    ],
)
def test_markdown_sets_words_left_and_numbers_right(column: list[str], side: str) -> None:
    rule = _lines(["design", "of"], [["a", cell] for cell in column]).splitlines()[1]
    assert rule == f"| --- | {side} |"


def test_it_prints(browser: Browser, sweep: Path) -> None:
    browser.size(1200, 900, dark=True)
    browser.open(sweep / "report.html")
    folded = "[...document.querySelectorAll('details:not([open])')].map(d => d.querySelector('summary').textContent)"
    before = browser.look(folded)
    assert any("Claims without numbers here" in summary for summary in before)
    browser.look(f"addEventListener('beforeprint', () => {{ window.folded = {folded} }}), 0")
    assert browser.paper(SCREENS / "report.pdf").read_bytes().startswith(b"%PDF")
    assert browser.look("window.folded") == ["The points as a table"]
    assert browser.look(folded) == before
    browser.send(
        "Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}]
    )
    assert browser.look("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    browser.send("Emulation.setEmulatedMedia", media="", features=[])


def test_paper_cuts_nothing_off(browser: Browser) -> None:
    """The ten designs that ship: a page does not scroll."""
    browser.size(720, 900)  # what a sheet leaves between its margins
    browser.open(SHIPPED)
    browser.send("Emulation.setEmulatedMedia", media="print", features=[])
    assert browser.look("document.documentElement.scrollWidth") <= 720
    browser.send("Emulation.setEmulatedMedia", media="", features=[])


def test_the_same_page_is_inert_without_a_browser(sweep: Path) -> None:
    """What the browser proves of these texts holds of the file: they stand in it escaped, or as data."""
    page = (sweep / "report.html").read_text()
    assert page.count("<script") == page.count("</script>") == 2
    assert page.count("<style") == 1
    data = page.split('<script type="application/json" id="data">')[1].split("</script>")[0]
    assert json.loads(data)["sweeps"][0]["grids"][0]["prompts"] == list(LIVE)
    assert "<" not in data


@pytest.mark.parametrize("text", LIVE)
def test_embedded_data_is_no_markup_and_reads_back(text: str) -> None:
    made = embedded({text: [text]})
    assert not set(made) & set("<>&")
    assert json.loads(made) == {text: [text]}


def test_large_pictures_are_made_smaller_and_what_is_left_out_is_said(tmp_path: Path) -> None:
    record(tmp_path / "s" / "clip_flow", 0.5, seeds=(0,))
    (run,) = runs(tmp_path)
    for step in range(100, 1300, 100):
        Image.effect_noise((6 * 160, 2 * 160), 60).convert("RGB").save(Recorder(run.folder).grid(step, "prompts"))
    Recorder(run.folder).status("finished", shown={"prompts": [str(k) for k in range(12)], "often": []})
    (grid,) = pictures.of(runs(tmp_path), "s")
    assert grid.steps[0] == 100
    assert grid.steps[-1] == 1200
    assert len(grid.steps) == pictures.MOST_STEPS
    assert grid.left_out == "4 of 12 points"
    first = base64.b64decode(grid.data["pictures"]["clip_flow"][0].split(",")[1])
    assert Image.open(io.BytesIO(first)).size == (6 * pictures.SIDE, 2 * pictures.SIDE)
    assert (grid.data["columns"], grid.data["rows"]) == (6, 2)


def test_a_damaged_picture_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path / "s" / "clip_flow", 0.5, seeds=(0,))
    (run,) = runs(tmp_path)
    Recorder(run.folder).grid(900, "prompts").write_bytes(b"RIFF")
    Recorder(run.folder).status("finished", shown={"prompts": ["a"], "often": ["a"]})
    assert build.main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(
        f"report: {run.folder}/grids/0000900-prompts.webp: is not a whole picture"
    )


def test_designs_that_have_not_come_as_far_are_not_ranked(tmp_path: Path) -> None:
    record(tmp_path / "s" / "clip_flow", 0.5)
    record(tmp_path / "s" / "vae_flow", 0.9)
    path = tmp_path / "s" / "vae_flow-s1" / "curve.jsonl"
    path.write_text("".join(line for line in path.read_text().splitlines(True) if '"step": 900' not in line))
    make(tmp_path / "s")
    text = (tmp_path / "s" / "report.md").read_text()
    assert "At the final point: GenEval 0.503 ± 0.013 by clip_flow" in text
    assert "Not ranked: vae_flow (at step 600 of 900)." in text


def test_markdown_says_the_same(sweep: Path) -> None:
    text = (sweep / "report.md").read_text()
    assert "| ✓ supported | After as many steps, CLIP features" in text
    assert "### Main effects of the axes" in text
    assert "representation: clip → vae" in text
    assert "<script" not in text
    assert "<img" not in text


def test_the_report_starts_without_torch() -> None:
    code = "import sys, ablations.report; print([m for m in ('torch', 'lightning', 'pandas') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    assert build.main(["nowhere"]) == 2
