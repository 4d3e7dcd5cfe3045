"""The declared benchmarks, in the order in which a point asks them; each has a file of its own."""

from __future__ import annotations

from collections.abc import Collection

from headtohead.config.registry import Registry
from headtohead.config.run_config import ExamConfig
from headtohead.eval.benchmarks.base import Benchmark
from headtohead.eval.benchmarks.dpg import DPG
from headtohead.eval.benchmarks.geneval import GENEVAL
from headtohead.eval.benchmarks.mjhq import MJHQ
from headtohead.eval.benchmarks.own import OWN

BENCHMARKS: Registry[Benchmark] = Registry("benchmark", {b.name: b for b in (GENEVAL, DPG, MJHQ)})


def from_files(exam: ExamConfig) -> Collection[Benchmark]:
    """The benchmarks that may read their prompts from files which `exam` names."""
    return (OWN,) if exam.source == "own" else BENCHMARKS.values()
