"""Write a measured point of a curve into its run's folder."""

from __future__ import annotations

from torchvision.transforms.functional import to_pil_image

from headtohead.config.run_config import RunConfig
from headtohead.eval.curve_points.base import Examiner, Measured
from headtohead.records import metrics
from headtohead.records.recorder import Recorder, Spent
from headtohead.utils.files import fingerprint


def record(recorder: Recorder, config: RunConfig, examiner: Examiner, measured: Measured, at: Spent) -> str:
    """Record a point; its headline scores as text. May be repeated after a failure: the curve's lines are written last.

    recorder  of the run's folder
    examiner  whose judges the scores are of
    at        where in the training the point is"""
    point, exam = measured.point, fingerprint(measured.asked)
    recorder.forget(at.step)
    for kind, grid in measured.grids.items():
        to_pil_image(grid.cpu()).save(recorder.grid(at.step, kind), quality=90)
    recorder.exam(exam, measured.asked)
    recorder.prompts(at.step, exam, point.scores, point.reasons or {})
    representation = config.design.representation
    recorder.append(
        at, point.values, point.n, representation=representation, judge=examiner.name, mode=examiner.mode
    )  # fmt: skip
    return metrics.summary(point.values)
