"""python -m headtohead.eval: score any folder of pictures by the published rules, or compare two scores."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from headtohead.command import Parser, positive, say

SHOWN = 10  # troubles that are printed; the result holds all


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("headtohead.eval", __doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_sub)  # type: ignore[call-overload]
    for name, (run, add, told) in COMMANDS.items():
        own = commands.add_parser(name, help=told)
        add(own)
        own.set_defaults(run=run)
    options = parser.parse_args(arguments)
    from headtohead.eval.folders import FolderError
    from headtohead.loading import ModelError

    try:
        code: int = options.run(options)
    except (FolderError, ModelError) as error:
        print(f"eval: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        say("eval: stopped; the same command goes on from here when it was given --out")
        return 130
    return code


def _sub(**given: Any) -> Parser:
    return Parser(f"headtohead.eval {given['prog'].rsplit(' ', 1)[-1]}", COMMANDS[given["prog"].rsplit(" ", 1)[-1]][2])


def _common(parser: Parser) -> None:
    parser.add_argument("--images", type=Path, required=True, help="the folder of pictures, in the official layout")
    parser.add_argument("--out", type=Path, help="the result as JSON; with it, an interrupted command goes on")
    parser.add_argument("--batch", type=positive, default=16, help="pictures at once")
    parser.add_argument("--allow-missing", action="store_true", help="exit 0 though pictures are missing or damaged")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_device()


def _geneval_options(parser: Parser) -> None:
    from headtohead.eval.geneval_data import NAMES, WHERE
    from headtohead.model_names import COLOURS, DETECTOR

    _common(parser)
    parser.add_argument("--prompts", type=Path, help="evaluation_metadata.jsonl: prompts without pictures are named")
    parser.add_argument("--names", type=Path, help=f"the detector's class names in order ({NAMES}); from {WHERE}")
    parser.add_argument("--detector", default=DETECTOR, help="a Mask2Former by name or folder")
    parser.add_argument("--colours", default=COLOURS, help="open_clip's MODEL:PRETRAINED or MODEL:FILE")
    parser.add_argument("--short", type=positive, default=800, help="the detector's short side in pixels")


def _geneval(options: argparse.Namespace) -> int:
    from headtohead.eval import geneval_data, scoring
    from headtohead.judges import colours, mask2former
    from headtohead.model_names import COLOURS, DETECTOR

    names = geneval_data.class_names(options.names, "--names")
    prompts = geneval_data.prompts(options.prompts) if options.prompts else None
    device = _device(options)
    detector = mask2former.load(options.detector, names, device, options.short)
    classifier = colours.load(options.colours, device)
    judge = {"detector": detector.identity.plain(), "colours": classifier.identity.plain()}
    official = (options.detector, options.colours, options.short) == (DETECTOR, COLOURS, 800)
    result = scoring.score_geneval(
        options.images, prompts, detector, classifier, judge, official=official, mode="official",
        how=_how(options), device=device,
    )  # fmt: skip
    return _told([result], options)


def _dpg_options(parser: Parser) -> None:
    from headtohead.model_names import ANSWERER

    _common(parser)
    parser.add_argument("--prompts", type=Path, required=True, help="dpg_bench.csv, the questions")
    parser.add_argument("--judge", default=ANSWERER, help="a BLIP or chat model that sees, by name or folder")
    parser.add_argument("--mode", choices=("official", "fixed", "both"), default="official", help="official: bugs too")
    parser.add_argument("--tiles", type=int, choices=(1, 4), default=4, help="pictures in a file: a 2 x 2 grid, or one")


def _dpg(options: argparse.Namespace) -> int:
    from headtohead.eval import folders, scoring
    from headtohead.judges import vqa

    questions = folders.questions(options.prompts)
    answerer = vqa.load(options.judge, _device(options))
    results = scoring.score_dpg(
        options.images, questions, answerer, {"answerer": answerer.identity.plain()}, tiles=options.tiles,
        modes=("official", "fixed") if options.mode == "both" else (options.mode,),
        official=False,  # mPLUG on ModelScope is the published judge, and not to be had on today's stack
        how=_how(options),
    )  # fmt: skip
    return _told(results, options)


def _features_options(parser: Parser) -> None:
    from headtohead.model_names import RESIZERS, SPACES

    _common(parser)
    parser.add_argument("--space", choices=SPACES, default="inception", help="the features that are compared")
    parser.add_argument(
        "--mode", choices=RESIZERS, default="clean", help="Inception's resizer, as clean-fid names them"
    )
    parser.add_argument("--weights", default="", help="a file of weights, when they cannot be fetched")


def _fid_options(parser: Parser) -> None:
    _features_options(parser)
    parser.add_argument("--reference", type=Path, required=True, help="a folder of pictures, or saved .safetensors")
    parser.add_argument("--prompts", type=Path, help="meta_data.json of MJHQ-30k: names and categories")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "headtohead" / "references",
                        help="where a reference's statistics are kept")  # fmt: skip
    parser.add_argument("--draws", type=int, default=20, help="of the bootstrap over pictures; 0 for no interval")


def _fid(options: argparse.Namespace) -> int:
    from headtohead.eval import folders, sets
    from headtohead.judges import features

    meta = folders.categories(options.prompts) if options.prompts else None
    net = features.load(options.space, _device(options), options.mode, options.weights)
    result = sets.score_fid(
        options.images, options.reference, net, meta=meta, cache=options.cache, how=_how(options), draws=options.draws
    )
    return _told([result], options)


def _diversity_options(parser: Parser) -> None:
    _features_options(parser)
    parser.add_argument("--accepted", type=Path, help="a geneval result: only pictures that it found right count")


def _diversity(options: argparse.Namespace) -> int:
    from headtohead.eval import result, sets
    from headtohead.judges import features

    accepted = None
    if options.accepted:
        rows = result.read(options.accepted)["prompts"]
        accepted = {r["id"]: {p["file"] for p in r.get("pictures", ()) if p["correct"]} for r in rows}
    net = features.load(options.space, _device(options), options.mode, options.weights)
    return _told([sets.score_diversity(options.images, net, accepted, _how(options))], options)


def _compare_options(parser: Parser) -> None:
    parser.add_argument("a", type=Path)
    parser.add_argument("b", type=Path)


def _compare(options: argparse.Namespace) -> int:
    from headtohead.eval.result import compare
    from headtohead.eval.uncertainty import LABEL

    c = compare(options.a, options.b)
    print(f"{c.metric}: B - A = {c.difference:+.4f}, {c.interval.low:+.4f} to {c.interval.high:+.4f}, p = {c.p:.3g}")
    print(f"  over {c.prompts:,} shared prompts; {LABEL}")
    return 0


def _device(options: argparse.Namespace) -> str:
    from headtohead import store

    return options.device or store.best_device()


def _how(options: argparse.Namespace) -> Any:
    from headtohead.eval.scoring import How

    return How(options.batch, options.out, options.quiet)


def _told(results: list[Any], options: argparse.Namespace) -> int:
    """Print tables and troubles, write results; several modes go to files of their own."""
    for r in results:
        print(r.table())
        if options.out:
            path = options.out if len(results) == 1 else options.out.with_suffix(f".{r.mode}.json")
            replace(r).write(path)
            print(f"  {path}")
    troubles = results[0].troubles
    for line in troubles[:SHOWN]:
        say(f"eval: {line}")
    if troubles:
        say(f"eval: {len(troubles)} missing or damaged" + (" (all are in the result)" if options.out else ""))
    return 1 if troubles and not options.allow_missing else 0


COMMANDS: dict[str, tuple[Callable[[argparse.Namespace], int], Callable[[Parser], None], str]] = {
    "geneval": (_geneval, _geneval_options, "GenEval: six tasks, by a detector and a colour classifier"),
    "dpg": (_dpg, _dpg_options, "DPG-Bench: dense prompts, by a model that answers questions"),
    "fid": (_fid, _fid_options, "Fréchet distance to a reference, in Inception, DINOv2 or CLIP features"),
    "diversity": (_diversity, _diversity_options, "how different the pictures of one prompt are"),
    "compare": (_compare, _compare_options, "the paired difference of two results"),
}

if __name__ == "__main__":
    sys.exit(main())
