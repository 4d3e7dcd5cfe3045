"""The declared benchmarks, in the order in which a point asks them; each has a file of its own."""

from __future__ import annotations

from headtohead.config.registry import Registry
from headtohead.eval.benchmarks.base import Benchmark
from headtohead.eval.benchmarks.dpg import DPG
from headtohead.eval.benchmarks.geneval import GENEVAL
from headtohead.eval.benchmarks.mjhq import MJHQ

BENCHMARKS: Registry[Benchmark] = Registry("benchmark", {b.name: b for b in (GENEVAL, DPG, MJHQ)})
