"""Score any folder of pictures by the published rules, or compare two scores."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headtohead.eval.folders import options as told
from headtohead.utils import compute
from headtohead.utils.cli import GOES_ON, Parser, say

SHOWN = 10  # troubles that are printed; the result holds all


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("headtohead.eval", __doc__)
    return parser.concluded(lambda: _asked(parser, arguments), "stopped")


def _asked(parser: Parser, arguments: list[str] | None) -> int:
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_sub)  # type: ignore[call-overload]
    for name, (run, add, what) in COMMANDS.items():
        own = commands.add_parser(name, help=what)
        add(own)
        own.set_defaults(run=run)
    given = parser.parse_args(arguments)
    return parser.concluded(lambda: _run(given), GOES_ON if getattr(given, "out", None) else "stopped")


def _run(given: argparse.Namespace) -> int:
    from headtohead.pretrained.loading.by_name import without_bars

    if getattr(given, "quiet", False):
        without_bars()
    code: int = given.run(given)
    return code


def _sub(**given: Any) -> Parser:
    name = given["prog"].rsplit(" ", 1)[-1]
    return Parser(f"headtohead.eval {name}", COMMANDS[name][2])


def _geneval(options: argparse.Namespace) -> int:
    from headtohead.eval.benchmarks import geneval_files
    from headtohead.eval.folders import layouts, score
    from headtohead.eval.judges import colours, mask2former

    names = geneval_files.class_names(options.names, "--names")
    prompts = geneval_files.prompts(options.prompts, names) if options.prompts else None
    listed = layouts.geneval(options.images, prompts, names)
    how, device = _how(options), _device(options)
    detector = mask2former.load(options.detector, names, device, options.short)
    classifier = colours.load(options.colours, device)
    return _told([score.score_geneval(listed, detector, classifier, how=how, device=device)], options)


def _dpg(options: argparse.Namespace) -> int:
    from headtohead.eval.benchmarks import dpg
    from headtohead.eval.folders import layouts, score
    from headtohead.eval.judges import vqa

    listed = layouts.dpg(options.images, dpg.questions(options.prompts))
    modes: tuple[Any, ...] = ("official", "fixed") if options.mode == "both" else (options.mode,)
    how = _how(options, modes)
    answerer = vqa.load(options.judge, _device(options))
    return _told(score.score_dpg(listed, answerer, tiles=options.tiles, modes=modes, how=how), options)


def _fid(options: argparse.Namespace) -> int:
    from headtohead.eval.folders import layouts, score_sets
    from headtohead.eval.folders.images import FolderError
    from headtohead.eval.folders.resume import writable

    meta = layouts.categories(options.prompts) if options.prompts else None
    found = layouts.mjhq(options.images, meta)
    how = _how(options)
    if options.reference.is_dir():
        layouts.mjhq(options.reference, flag="--reference")
        writable(options.cache / "statistics", "--cache")
    elif not options.reference.exists():
        raise FolderError(f"--reference {options.reference}: no such file or folder")
    net = _net(options)
    result = score_sets.score_fid(found, options.reference, net, cache=options.cache, how=how, draws=options.draws)
    return _told([result], options)


def _diversity(options: argparse.Namespace) -> int:
    from headtohead.eval.folders import layouts, score_sets

    listed = layouts.geneval(options.images)
    accepted = score_sets.Accepted.of(options.accepted, listed) if options.accepted else None
    how = _how(options)
    return _told([score_sets.score_diversity(listed, _net(options), accepted, how)], options)


def _compare(options: argparse.Namespace) -> int:
    from headtohead.eval.folders.compare import compare
    from headtohead.eval.folders.uncertainty import LABEL

    c = compare(options.a, options.b)
    print(f"{c.metric}: B - A = {c.difference:+.4f}, {c.interval.low:+.4f} to {c.interval.high:+.4f}, p = {c.p:.3g}")
    print(f"  over {c.prompts:,} shared prompts; {LABEL}")
    for note in c.notes:
        print(f"  note: {note}")
    return 0


def _device(options: argparse.Namespace) -> str:

    return options.device or compute.best_device()


def _net(options: argparse.Namespace) -> Any:
    from headtohead.eval.judges import features
    from headtohead.pretrained.loading.by_name import ModelError

    if options.mode and options.space != "inception":
        raise ModelError(f"--mode {options.mode}: resizers belong to --space inception, not {options.space}")
    return features.load(options.space, _device(options), options.mode or "clean", options.weights)


def _how(options: argparse.Namespace, modes: tuple[str, ...] = ("",)) -> Any:
    """Asked for before any model is loaded: what could not be written would be found out last."""
    from headtohead.eval.folders.resume import How, writable

    for path in _outs(options.out, modes) if options.out else ():
        writable(path, "--out")
    return How(options.batch, options.out, options.quiet)


def _outs(out: Path, modes: tuple[str, ...]) -> list[Path]:
    """Several modes go to files of their own."""
    if len(modes) == 1:
        return [out]
    stem = out.name.removesuffix(".json")
    return [out.with_name(f"{stem}.{mode}.json") for mode in modes]


def _told(results: list[Any], options: argparse.Namespace) -> int:
    """Print the table and troubles, write results; what was kept for an interruption goes last."""
    from headtohead.eval.folders.result import table
    from headtohead.eval.folders.resume import features_beside, forget, rows_of

    print(table(results))
    if options.out:
        for r, path in zip(results, _outs(options.out, tuple(r.mode for r in results)), strict=True):
            r.write(path)
            print(f"  {path}")
        rows_of(options.out).unlink(missing_ok=True)
        forget(features_beside(options.out))
    troubles = results[0].troubles
    for line in troubles[:SHOWN]:
        say(f"eval: {line}")
    if troubles:
        say(f"eval: {len(troubles)} missing or damaged" + (" (all are in the result)" if options.out else ""))
    return 1 if troubles and not options.allow_missing else 0


COMMANDS: dict[str, tuple[Callable[[argparse.Namespace], int], Callable[[Parser], None], str]] = {
    "geneval": (_geneval, told.geneval, "GenEval: six tasks, by a detector and a colour classifier"),
    "dpg": (_dpg, told.dpg, "DPG-Bench: dense prompts, by a model that answers questions"),
    "fid": (_fid, told.fid, "Fréchet distance to a reference, in Inception, DINOv2 or CLIP features"),
    "diversity": (_diversity, told.diversity, "how different the pictures of one prompt are"),
    "compare": (_compare, told.compare, "the paired difference of two results"),
}

if __name__ == "__main__":
    sys.exit(main())
