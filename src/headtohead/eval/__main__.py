"""Score any folder of images by the published rules, or compare two results."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from headtohead.eval.folders import options
from headtohead.utils.cli import RESUMABLE, Parser, say

SHOWN = 10  # lines about missing or damaged images that are printed; the result holds all


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("headtohead.eval", __doc__)
    return parser.concluded(lambda: _parsed(parser, arguments), "stopped")


def _parsed(parser: Parser, arguments: list[str] | None) -> int:
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_sub)  # type: ignore[call-overload]
    for name, (run, add, what) in COMMANDS.items():
        own = commands.add_parser(name, help=what)
        add(own)
        own.set_defaults(run=run)
    given = parser.parse_args(arguments)
    return parser.concluded(lambda: _run(given), RESUMABLE if getattr(given, "out", None) else "stopped")


def _run(given: argparse.Namespace) -> int:
    options.check(given)
    from headtohead.pretrained.loading.by_name import without_bars

    if getattr(given, "quiet", False):
        without_bars()
    code: int = given.run(given)
    return code


def _sub(**given: Any) -> Parser:
    name = given["prog"].rsplit(" ", 1)[-1]
    return Parser(f"headtohead.eval {name}", COMMANDS[name][2])


def _geneval(given: argparse.Namespace) -> int:
    from headtohead.eval.benchmarks import geneval
    from headtohead.eval.folders import layouts, score
    from headtohead.eval.judges import colours, mask2former

    names = mask2former.class_names(given.names, "--names")
    prompts = geneval.prompts(given.prompts, names) if given.prompts else None
    listed = layouts.geneval(given.images, prompts, names)
    how = _how(given)
    detector = mask2former.load(given.detector, names, how.device, given.short)
    judges = {"detector": detector, "colours": colours.load(given.colours, how.device)}
    return _report([score.by_picture(geneval.GENEVAL, listed, judges, detector.settings, how)], given)


def _dpg(given: argparse.Namespace) -> int:
    from headtohead.eval.benchmarks.dpg import DPG, questions
    from headtohead.eval.folders import layouts, score
    from headtohead.eval.judges import vqa

    listed = layouts.dpg(given.images, questions(given.prompts))
    modes: tuple[Any, ...] = options.DPG_MODES if given.mode == "both" else (given.mode,)
    how = _how(given, modes)
    answerer = vqa.load(given.judge, how.device)
    return _report(score.by_answers(DPG, listed, answerer, tiles=given.tiles, modes=modes, how=how), given)


def _fid(given: argparse.Namespace) -> int:
    from headtohead.eval.folders import layouts, score_sets
    from headtohead.eval.folders.resume import writable

    meta = layouts.categories(given.prompts) if given.prompts else None
    found = layouts.mjhq(given.images, meta)
    if given.reference.is_dir():
        layouts.mjhq(given.reference, flag="--reference")
        writable(given.cache / "statistics", "--cache")
    how = _how(given)
    net = _net(given, how.device)
    return _report(
        [score_sets.score_fid(found, given.reference, net, cache=given.cache, how=how, resamples=given.draws)], given
    )


def _diversity(given: argparse.Namespace) -> int:
    from headtohead.eval.folders import layouts, score_sets

    listed = layouts.geneval(given.images)
    accepted = score_sets.Accepted.of(given.accepted, listed) if given.accepted else None
    how = _how(given)
    return _report([score_sets.score_diversity(listed, _net(given, how.device), accepted, how)], given)


def _world(given: argparse.Namespace) -> int:
    from headtohead.eval.folders import world
    from headtohead.eval.judges import pixels

    score = world.listed(given.images, given.prompts, given.split, given.tiles)
    how = _how(given)
    return _report(score(pixels.load(how.device), how), given)


def _compare(given: argparse.Namespace) -> int:
    from headtohead.eval.folders.result import compare
    from headtohead.eval.folders.uncertainty import LABEL

    c = compare(given.a, given.b)
    print(f"{c.metric}: B - A = {c.difference:+.4f}, {c.interval.low:+.4f} to {c.interval.high:+.4f}, p = {c.p:.3g}")
    print(f"  over {c.prompts:,} shared prompts; {LABEL}")
    for note in c.notes:
        print(f"  note: {note}")
    return 0


def _net(given: argparse.Namespace, device: str) -> Any:
    from headtohead.eval.judges import features

    return features.load(given.space, device, given.mode or "clean", given.weights)


def _how(given: argparse.Namespace, modes: tuple[str, ...] = ("",)) -> Any:
    """Options of scoring; checks that the results can be written before any model is loaded."""
    from headtohead.eval.folders.resume import How, writable
    from headtohead.utils.compute import best_device

    for path in options.result_files(given.out, modes):
        writable(path, "--out")
    return How(given.batch, given.out, given.quiet, given.device or best_device())


def _report(results: list[Any], given: argparse.Namespace) -> int:
    """Print the table and missing or damaged images, write results, then delete the files kept to resume."""
    from headtohead.eval.folders.result import table
    from headtohead.eval.folders.resume import delete_features, features_folder, rows_file

    print(table(results))
    if given.out:
        for r, path in zip(results, options.result_files(given.out, [r.mode for r in results]), strict=True):
            r.write(path)
            print(f"  {path}")
        rows_file(given.out).unlink(missing_ok=True)
        delete_features(features_folder(given.out))
    troubles = results[0].troubles
    for line in troubles[:SHOWN]:
        say(f"eval: {line}")
    if troubles:
        say(f"eval: {len(troubles)} missing or damaged" + (" (all are in the result)" if given.out else ""))
    return 1 if troubles and not given.allow_missing else 0


COMMANDS: dict[str, tuple[Callable[[argparse.Namespace], int], Callable[[Parser], None], str]] = {
    "geneval": (_geneval, options.geneval, "GenEval: six tasks, judged by a detector and a colour classifier"),
    "dpg": (_dpg, options.dpg, "DPG-Bench: long prompts, judged by a model that answers questions"),
    "fid": (_fid, options.fid, "Fréchet distance to a reference, in Inception, DINOv2 or CLIP features"),
    "diversity": (_diversity, options.diversity, "mean feature distance between images of one prompt"),
    "world": (_world, options.world, "prompts of the embedded dataset in either layout, judged by its own judge"),
    "compare": (_compare, options.compare, "paired difference of two results"),
}

if __name__ == "__main__":
    sys.exit(main())
