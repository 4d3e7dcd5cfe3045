"""Write a measured point of a curve into its run's folder."""

from __future__ import annotations

from torchvision.transforms.functional import to_pil_image

from headtohead.config.run_config import RunConfig
from headtohead.eval.curve_points.base import Evaluator, Measured
from headtohead.records import metrics
from headtohead.records.recorder import Recorder, Spent
from headtohead.utils.files import fingerprint


def record(recorder: Recorder, config: RunConfig, evaluator: Evaluator, measured: Measured, at: Spent) -> str:
    """Record a point and return its headline scores as text. Safe to repeat, as the curve's lines are written last.

    recorder   of the run's folder
    config     of the run
    evaluator  that measured the point
    measured   the point
    at         steps, samples, FLOPs and seconds of training before it
    """
    point, exam = measured.point, fingerprint(measured.prompts)
    recorder.forget(at.step)
    for kind, grid in measured.grids.items():
        to_pil_image(grid.cpu()).save(recorder.grid(at.step, kind), quality=90)
    recorder.prompt_set(exam, measured.prompts)
    recorder.prompts(at.step, exam, point.scores, point.reasons or {})
    representation = config.design.representation
    recorder.append(
        at, point.values, point.n, representation=representation, judge=evaluator.name, mode=evaluator.mode
    )  # fmt: skip
    return metrics.summary(point.values)
