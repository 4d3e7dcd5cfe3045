"""Train the pretrained models that are out of date; measure what they allow, print and keep the tables.

Measured are ceilings and floors of scores, what a regression that reads perfectly would score (oracle mean), what is
left when tokens carry noise, what the towers know, and what the language model's states tell of a caption.
"""

from __future__ import annotations

import difflib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ablations.prepare import side_by_side
from headtohead.eval.foundations import ceilings, clip_probes, floors, readability
from headtohead.pretrained.loading import shipped, weight_files
from headtohead.pretrained.making.recipes import RECIPES, TOWERS, recipe_hash
from headtohead.pretrained.making.stages import current, make
from headtohead.records import ceilings as kept_ceilings
from headtohead.synthetic.prompts.short_prompts import TASKS
from headtohead.utils import compute
from headtohead.utils.cli import RESUMABLE, Parser

PAGE = Path(__file__).parents[2] / "docs" / "embedded-world.md"
BEGIN, END = "<!-- ceilings: written by `make foundations` -->", "<!-- end of ceilings -->"
PARTS = {
    "ceilings": "ceilings of the representations",
    "oracle means": "means of the tokens of many renders of a prompt",
    "token noise": "tokens with noise",
    "floors": "floors",
    "towers": "what the towers know",
    "readability": "what the language model's states tell",
}
CONTROLS = ("clip_blind", "clip_untrained")  # for which ceilings alone are measured: no regression predicts them
LABELS = {
    "renders": "true renders",
    "vae": "VAE round trip",
    "clip": "CLIP tokens, decoded",
    "clip_blind": "control: tower trained without captions",
    "clip_untrained": "control: untrained tower",
}


def identity() -> dict[str, Any]:
    """Hashes of the recipes whose weights the figures were measured on, and how these were used."""
    return {name: [recipe_hash(name), recipe.sampling] for name, recipe in RECIPES.items()}


def measured_now() -> bool:
    """Whether the kept figures are all there and belong to the present recipes."""
    kept = kept_ceilings.measured()
    return kept.get("recipes") == identity() and set(PARTS) <= set(kept)


def measure(device: str, say: Any) -> dict[str, Any]:
    """Everything that the shipped models allow; `say` is called with progress lines."""
    started, out = time.monotonic(), dict[str, Any]()
    of = ceilings.codecs(device, tuple(t for t in TOWERS if current(f"decoder_{t}")))
    studied = {name: codec for name, codec in of.items() if name not in CONTROLS}
    scorer, fewer = ceilings.Scorer(device), ceilings.Scorer(device, ceilings.WITH_NOISE)
    made = [t for t in TOWERS if current(t)]
    work: dict[str, Callable[[], Any]] = {
        "ceilings": lambda: ceilings.ceilings(scorer, of),
        "oracle means": lambda: ceilings.oracle_means(scorer, studied),
        "token noise": lambda: ceilings.token_noise(fewer, studied),
        "floors": lambda: floors.floors(scorer),
        "towers": lambda: {t: clip_probes.quality(shipped.tower(t, device), device) for t in made},
        "readability": lambda: readability.readability(device),
    }
    for part in PARTS:
        say(f"measuring {PARTS[part]} ({time.monotonic() - started:.0f} s so far)")
        out[part] = work[part]()
    return {"recipes": identity(), "seconds": round(time.monotonic() - started), **out}


def _table(rows: list[list[str]]) -> str:
    head, *body = rows
    rule = ["---"] + ["--:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *body))


def tables(measured: dict[str, Any]) -> str:
    """The figures as Markdown: ceilings, oracle means and floors, token noise, towers, language model, parts."""
    columns = [*TASKS, "overall", "seen", "unseen"]
    rows = [["", *columns, "DPG", "FID", "PSNR"]]
    named = {name: LABELS[name] for name in measured["ceilings"]}
    means = {f"mean {name}": f"oracle mean: {named[name]}" for name in measured["oracle means"]}
    labels = {**named, **means, **{name: f"floor: {name}" for name in measured["floors"]}}
    scored = {**measured["ceilings"], **dict(zip(means, measured["oracle means"].values(), strict=True))}
    for name, row in {**scored, **measured["floors"]}.items():
        shares = [*(row[f"geneval/{c}"] for c in columns), row["dpg/overall"]]
        psnr = f"{row['psnr']:.1f}" if row.get("psnr", 99) < 99 else ""  # a picture is not its own round trip
        rows.append([labels[name], *(f"{v:.3f}" for v in shares), f"{row['fid']:.1f}", psnr])
    n = measured["ceilings"]["renders"]["n"]
    noisy = next(iter(measured["token noise"].values()))
    noise = [["token noise", *noisy]]
    for key, metric in (("geneval/overall", "GenEval"), ("dpg/overall", "DPG"), ("fid", "FID")):
        noise += [
            [f"{named[name]}: {metric}", *(f"{row[key]:.{1 if key == 'fid' else 3}f}" for row in own.values())]
            for name, own in measured["token noise"].items()
        ]
    keys = list(next(iter(measured["towers"].values())))
    quality = [["", *keys]]
    quality += [
        [LABELS[t].removesuffix(", decoded"), *(f"{q[k]:.2f}" for k in keys)] for t, q in measured["towers"].items()
    ]
    read = [["", *(key for key in next(iter(measured["readability"].values())) if key != "n")]]
    read += [[name, *(f"{own[key]:.2f}" for key in read[0][1:])] for name, own in measured["readability"].items()]
    parts = [["part", "parameters", "trained in", "on"]]
    for name in RECIPES:
        if current(name):
            card = weight_files.card(name)
            spent = f"{card['seconds'] / 60:.0f} min" if card["seconds"] >= 60 else f"{card['seconds']} s"
            parts.append([name, f"{card['parameters'] / 1e6:.2f} M", spent, card["device"]])
    return (
        f"{n} test pictures a row; GenEval's rules, the synthetic dataset's judge, FID against as many other renders:"
        f"\n\n{_table(rows)}\n\nScores of true renders whose tokens carry noise, by its size relative to the tokens' "
        f"deviation ({next(iter(noisy.values()))['n']} pictures each):\n\n{_table(noise)}\n\nWhat the towers know:\n\n"
        f"{_table(quality)}\n\nWhat a linear probe reads from the language model's states of long captions, as the "
        f"share of right answers:\n\n{_table(read)}\n\nThe parts:\n\n{_table(parts)}"
    )


def into_page(text: str) -> None:
    """Write the tables between their marks in docs/embedded-world.md, which an installed package does not have."""
    if not PAGE.exists() or BEGIN not in (page := PAGE.read_text()):
        return
    before, rest = page.split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")


def with_time(name: str) -> str:
    """A model's name with the time its last training took."""
    try:
        card = weight_files.card(name)
    except FileNotFoundError:
        return name
    return f"{name} (last time {card['seconds'] / 60:.0f} min on {card['device']})"


def train(todo: list[str], work: Path, device: str, threads: int | None, say: Callable[[str], None]) -> int:
    """Train models, several at once where the machine has the cores and no number of threads is given."""
    if len(todo) > 1 and not threads and (most := side_by_side.at_once(device)) > 1:
        spent = {name: float(weight_files.card(name)["seconds"]) for name in todo if weight_files.exists(name)}
        needs = {name: recipe.needs for name, recipe in RECIPES.items()}
        common = ["--work", str(work), "--device", device, "--threads", str(side_by_side.THREADS)]
        command = [sys.executable, "-m", "ablations.prepare.pretrained", *common, "--only"]
        return side_by_side.train(side_by_side.order(todo, needs, spent), needs, lambda n: [*command, n], most)
    before = torch.get_num_threads()
    torch.set_num_threads(threads or (side_by_side.THREADS if device == "cpu" else before))
    for name in todo:
        make(name, work=work, device=device, say=say)
    torch.set_num_threads(before)
    return 0


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("ablations.prepare.pretrained", __doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"some of: {', '.join(RECIPES)}")
    parser.add_folder("--work", Path(".foundations"), "of unfinished trainings")
    parser.add_device()
    parser.add_argument("--measure", action="store_true", help="measure again even if nothing has changed")
    options = parser.parse_args(arguments)
    for name in options.only or ():
        if name not in RECIPES:
            near = difflib.get_close_matches(name, RECIPES, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(RECIPES)}"
            print(f"foundations: --only: no pretrained model {name!r}; {hint}", file=sys.stderr)
            return 2
    device = options.device or compute.best_device()

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    wanted = [name for name in RECIPES if not options.only or name in options.only]
    todo = [name for name in wanted if not current(name)]
    say(f"to train on {device}: {', '.join(map(with_time, todo))}" if todo else "every pretrained model is up to date")
    try:
        if code := train(todo, options.work, device, options.threads, say):
            return code
    except KeyboardInterrupt:
        say(RESUMABLE)
        return 130
    if options.threads:  # for measuring
        torch.set_num_threads(options.threads)
    if options.only:
        return 0
    if options.measure or not measured_now():
        kept_ceilings.PATH.write_text(json.dumps(measure(device, say), indent=1) + "\n")
        into_page(tables(kept_ceilings.measured()))
    print(tables(kept_ceilings.measured()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
