"""`python -m headtohead.training.run FOLDER` trains the run whose config.json lies in the folder.

One process on one device, or as many as a launcher starts. All ranks generate pictures; rank 0 scores them, writes the
record, and holds a lease on the folder so that no other worker trains the same run.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from headtohead.config import flop_accounting
from headtohead.config.run_config import RunConfig, recorded
from headtohead.data import build as training_data
from headtohead.data.synthetic_batches import Captions
from headtohead.eval.curve_points import build as curve_points
from headtohead.models import kept_prompts
from headtohead.models.build import Parts, assemble, compiles
from headtohead.models.networks.compiling import lacking
from headtohead.models.query_encoder import QueryEncoder
from headtohead.records import json_files, layout, leases
from headtohead.training import checkpoints, devices, run_context
from headtohead.training.callbacks import loggers
from headtohead.training.callbacks.evaluate import Curves
from headtohead.training.callbacks.progress import Progress
from headtohead.training.flop_counts import flops_a_picture, flops_of_everything
from headtohead.training.lightning_module import DesignModule
from headtohead.training.resume import Training
from headtohead.training.run_context import RunContext
from headtohead.utils import cli, compute, distributed, files, plugins
from headtohead.utils.compute import autocast, describe
from headtohead.utils.errors import Diverged, GivenUp, InputError, Stopped, one_line

READ = 2  # times that a run reads each caption, from which on keeping what the language model makes of it pays
AT_ONCE = 64  # pictures encoded together to measure statistics
MEASURED = 4096  # pictures over which image tokens are standardised


def train(
    config: RunConfig,
    folder: Path,
    cache: Path,
    *,
    device: str,
    say: Callable[[str], None] = print,
    log: loggers.Loggers = loggers.none,
) -> None:
    """Train a run to its last step, from its last state if there is one, and record how it ended.

    config  of the run
    folder  the run's record
    cache   folder of encoded pictures
    device  cpu or cuda
    say     prints a line
    log     makes loggers of Lightning
    """
    with run_context.opened(folder, device, say) as run, _recorded(run):
        path = folder / layout.STATUS
        if run.lease and path.exists() and json_files.read_json(path).get("state") == "finished":
            return  # another worker finished it before this one got the lease
        _train(run, config, cache, log)


@contextlib.contextmanager
def _recorded(run: RunContext) -> Iterator[None]:
    """Record in status.json why the run ended; on rank 0."""
    if not run.lease:
        yield
        return
    recorder = run.recorder
    try:
        yield
    except leases.Taken:
        raise
    except (Stopped, KeyboardInterrupt):
        recorder.ended("stopped")
        raise
    except (InputError, Diverged, GivenUp, OSError) as error:  # the message suffices; no traceback is kept
        recorder.ended("failed", one_line(error))
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}; {layout.TRACEBACK} there says where"
        recorder.ended("failed", reason, traceback.format_exc())
        raise


def _train(run: RunContext, config: RunConfig, cache: Path, log: loggers.Loggers) -> None:
    t, recorder = config.train, run.recorder
    progress = Progress(recorder, config) if run.lease else None
    training = Training(run, config, [progress] if progress else [])
    if run.lease:
        run.write(lambda: recorder.begin(config.record()))
        run.write(lambda: recorder.status("running"))
    if config.warning:
        run.say(f"warning: {config.warning}")
    own = training.device
    if compiles(config) and (what := lacking(own)):
        run.say(f"the head is not compiled, which would make steps faster: this machine lacks {what}")
    parts = assemble(config, own)
    data = training_data.build(config, training.portion, parts.codec, cache, own, run.say)
    module = DesignModule(parts.generator, config, parts.target)
    flops = flops_a_picture(parts, next(iter(data.batches(0))), own)
    everything = flops_of_everything(config, parts, flops, data.about()["data"]["samples"], own)
    devices.meet(training.trainer, module)
    _standardise(run, config, parts, cache, own)
    _keep_prompts(run, config, parts.generator.queries, data.captions, cache)
    evaluator = curve_points.build(config, parts, own, run.folder)
    curves = Curves(config, evaluator, (flops, everything), training, progress)
    identity = {"config": config.plain(), "data": data.fingerprint}
    identity |= {"plugins": config.plugins} if config.plugins else {}
    training.fit(module, data.batches, curves, identity, _upgraded, log, keep_points=config.evaluation.apart)
    if not run.lease:
        return
    about = {
        "steps": t.steps,
        "trainable": sum(p.numel() for p in parts.generator.trained().values()),
        "frozen": sum(p.numel() for p in parts.generator.parameters() if not p.requires_grad),
        "flops": flop_accounting.shown(config) * flops,
        "flops_total": flop_accounting.shown(config) * everything,
        "seconds_training": round(curves.training, 1),
        "seconds_measuring": round(curves.measuring, 1),
        "seconds_keeping": round(curves.keeping, 1),
        "peak_mb": round(curves.peak),
        **evaluator.about,
        **data.about(),
        "precision": curves.precisions,
        "processes": training.trainer.world_size,
        **describe(run.device),
        **({"plugins": plugins.loaded()} if plugins.loaded() else {}),
    }
    run.write(lambda: recorder.status("finished", **about))
    checkpoints.clear(run.folder)


def _standardise(run: RunContext, config: RunConfig, parts: Parts, cache: Path, device: str) -> None:
    """Standardise image tokens as the run was begun, or by its first pictures; rank 0 measures and records."""
    path, standard = run.folder / layout.STANDARD, parts.generator.standard
    if standard and run.lease:
        if path.exists():
            standard.read(path)
        else:
            standard.use(standard.measured(_tokens(config, parts, cache, device)))
    if standard:
        standard.use(distributed.broadcast({k: v.cpu() for k, v in standard.statistics.items()}))
    if run.lease and (statistics := {**parts.codec.statistics, **(standard.statistics if standard else {})}):
        run.write(lambda: _save({k: v.contiguous() for k, v in statistics.items()}, path))


def _keep_prompts(
    run: RunContext, config: RunConfig, queries: QueryEncoder, captions: Captions | None, cache: Path
) -> None:
    """Have what a frozen language model makes of the captions read from the cache, computed there by rank 0."""
    if queries.trained or not captions or config.train.steps * config.train.batch < READ * len(captions):
        return
    device = queries.queries.device.type
    settings = [captions.key, asdict(config.query), config.foundations.language, config.compute.precision, device]
    path = cache / f"{files.fingerprint([*settings, queries.identity])}.safetensors"

    def made() -> bool:
        if path.exists():
            return True
        run.say(f"reading {len(captions):,} captions once -> {path}")
        return queries.keep(captions.all(), path, config.compute.precision)

    # The others wait for rank 0, and compute what they do not see because their disk is another one.
    if distributed.broadcast(made() if run.lease else False) and made():
        queries.kept = kept_prompts.KeptPrompts(path)


def _tokens(config: RunConfig, parts: Parts, cache: Path, device: str) -> Iterator[Tensor]:
    """Image tokens (B, N, D) of the first training samples."""
    for batch in training_data.first(config, parts.codec, MEASURED, cache, device):
        for part in batch.split(AT_ONCE):
            with autocast(config.compute.precision, device):
                tokens = parts.target(part.to(device)).tokens
            yield tokens


def _save(statistics: dict[str, Tensor], path: Path) -> None:
    with files.beside(path) as part:
        save_file(statistics, part)


def _upgraded(identity: dict[str, Any]) -> dict[str, Any]:
    return {**identity, "config": recorded(identity.get("config", {}), "the saved state").plain()}


def main(arguments: list[str] | None = None) -> int:
    parser = cli.Parser("headtohead.training.run", __doc__)
    parser.add_argument("folder", type=Path, help="holds the config.json of a run that a sweep prepared")
    parser.add_folder("--cache", Path(".cache/headtohead"), "where encoded pictures are kept")
    parser.add_device()
    loggers.add(parser)
    options = parser.parse_args(arguments)
    return parser.concluded(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    names = loggers.checked(options.log)
    path = options.folder / layout.CONFIG
    config = recorded(json_files.read_json(path), str(path))
    device, log = options.device or compute.best_device(), loggers.chosen(names, options.folder, config)
    try:
        train(config, options.folder, options.cache, device=device, say=cli.say, log=log)
    except leases.Taken as taken:
        cli.say(f"run: {taken}")
        return leases.TAKEN
    except Diverged as error:
        cli.say(f"run: {options.folder}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
