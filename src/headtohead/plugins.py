"""What a plugin file needs to add a design, a head or an objective of its own; docs/extending.md walks through one.

Metrics, benchmarks and claims are added with `headtohead.records.metrics.register`, `BENCHMARKS.add` of
`headtohead.eval.benchmarks.base` and `register` of `ablations.analysis.claims.declared`.
"""

from headtohead.config.design import DESIGNS as DESIGNS
from headtohead.config.design import OBJECTIVES as OBJECTIVES
from headtohead.config.design import REPRESENTATIONS as REPRESENTATIONS
from headtohead.config.design import Design as Design
from headtohead.config.design import ObjectiveSpec as ObjectiveSpec
from headtohead.config.design import RepresentationSpec as RepresentationSpec
from headtohead.config.heads import HEADS as HEADS
from headtohead.config.heads import DenoiserConfig as DenoiserConfig
from headtohead.config.heads import HeadConfig as HeadConfig
from headtohead.config.heads import HeadSpec as HeadSpec
from headtohead.config.heads import head as head
from headtohead.config.objectives import ObjectiveConfig as ObjectiveConfig
