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
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from headtohead.config import flop_accounting
from headtohead.config.run_config import RunConfig, recorded
from headtohead.data import build as training_data
from headtohead.eval.curve_points import build as curve_points
from headtohead.models.build import assemble
from headtohead.records import json_files, layout, leases
from headtohead.records.recorder import Recorder
from headtohead.training import checkpoints, devices
from headtohead.training.callbacks import loggers
from headtohead.training.callbacks.evaluate import Curves
from headtohead.training.callbacks.progress import Progress
from headtohead.training.flop_counts import flops_a_picture, flops_of_everything
from headtohead.training.lightning_module import DesignModule
from headtohead.training.resume import Training, joined
from headtohead.utils import cli, compute, files, plugins
from headtohead.utils.compute import describe
from headtohead.utils.errors import Diverged, GivenUp, InputError, Stopped, one_line
from headtohead.utils.processes import Asked

STANDARD = "standard.safetensors"  # by what CLIP's channels were standardised


def train(
    config: RunConfig,
    folder: Path,
    cache: Path,
    *,
    device: str,
    say: Callable[[str], None] = print,
    log: loggers.Loggers = loggers.none,
) -> None:
    """Train a run to its end, from its last state if there is one, and record how it ended.

    config  of the run
    folder  its record
    cache   folder of encoded pictures
    device  cpu or cuda
    say     prints a line
    log     makes loggers of Lightning
    """
    with joined(folder, say) as (asked, lease):
        if lease is None:
            _train(config, folder, cache, device, say, None, asked, loggers.none)
            return
        with _recorded(Recorder(folder, lease)):
            path = folder / layout.STATUS
            if path.exists() and json_files.read_json(path).get("state") == "finished":  # by whoever held it until now
                return
            _train(config, folder, cache, device, say, lease, asked, log)


@contextlib.contextmanager
def _recorded(recorder: Recorder) -> Iterator[None]:
    """Record in status.json why the run ended."""
    try:
        yield
    except leases.Taken:
        raise
    except (Stopped, KeyboardInterrupt):
        recorder.ended("stopped")
        raise
    except (InputError, Diverged, GivenUp, OSError) as error:  # a setting, a model, the disk: nothing to debug
        recorder.ended("failed", one_line(error))
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}; {layout.TRACEBACK} there says where"
        recorder.ended("failed", reason, traceback.format_exc())
        raise


def _train(
    config: RunConfig,
    folder: Path,
    cache: Path,
    device: str,
    say: Callable[[str], None],
    lease: leases.Lease | None,
    asked: Asked,
    log: loggers.Loggers,
) -> None:
    t, recorder = config.train, Recorder(folder, lease)
    progress = Progress(recorder, config) if lease else None
    watch = [progress] if progress else []
    training = Training(folder, t, config.compute, device, asked=asked, lease=lease, say=say, watch=watch)
    if lease:
        training.write(lambda: recorder.begin(config.record()))
        training.write(lambda: recorder.status("running"))
    if config.warning:
        training.say(f"warning: {config.warning}")
    own = training.device
    parts = assemble(config, own)
    if lease and parts.codec.statistics:
        statistics = {k: v.contiguous() for k, v in parts.codec.statistics.items()}
        training.write(lambda: _keep(statistics, folder / STANDARD))
    data = training_data.build(config, training.portion, parts.codec, cache, own, training.say)
    module = DesignModule(parts.generator, config, parts.target)
    flops = flops_a_picture(parts, next(iter(data.batches(0))), own)
    everything = flops_of_everything(config, parts, flops, data.about()["data"]["samples"], own)
    devices.meet(training.trainer, module)
    examiner = curve_points.build(config, parts, own, folder)
    curves = Curves(config, examiner, recorder, (flops, everything), training=training, progress=progress)
    belongs, apart = {"config": config.plain(), "data": data.fingerprint}, config.evaluation.apart
    belongs |= {"plugins": config.plugins} if config.plugins else {}
    training.fit(module, data.batches, curves, belongs, _belongs, log, apart)
    if not lease:
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
        **examiner.about,
        **data.about(),
        "processes": training.trainer.world_size,
        **describe(device),
        **({"plugins": plugins.loaded()} if plugins.loaded() else {}),
    }
    training.write(lambda: recorder.status("finished", **about))
    checkpoints.clear(folder)


def _keep(statistics: dict[str, Tensor], path: Path) -> None:
    with files.beside(path) as part:
        save_file(statistics, part)


def _belongs(saved: dict[str, Any]) -> dict[str, Any]:
    return {**saved, "config": recorded(saved.get("config", {}), "the saved state").plain()}


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
