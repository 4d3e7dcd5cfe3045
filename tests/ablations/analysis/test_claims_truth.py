"""All claims together on simulated studies: how often a verdict is false, and how often a true one is found."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from ablations.analysis import statistics
from ablations.analysis.claims.declared import Finding, findings, of_the_paper
from ablations.analysis.curves import FLOPS, Curve, Terms
from ablations.analysis.designs import Cell
from ablations.analysis.statistics import Verdict
from headtohead.config.design import DESIGNS

STUDIES = 1000
HIGH = 10.0  # above every floor, so that differences alone decide
NAMES = ("clip_mse", "clip_flow", "vae_flow", "clip_mse_dit")
SMALLER = "clip_flow+head.dim=128"
ALIGNMENT = ("geneval/overall", "dpg/overall")
DIVERSITY = ("mse-is-deterministic", "mse-is-deterministic-alone", "flow-is-diverse")


def made(name: str, scores: dict[str, np.ndarray]) -> Cell:
    """A finished design in memory: a point at half of the training and one at its end."""
    seeds = tuple(range(len(next(iter(scores.values())))))
    two = np.array([[100.0, 200.0]] * len(seeds))
    own = {
        metric: Curve(
            "made", name, "", metric, seeds, np.array([100, 200]), np.stack([v, v], 1), np.stack([v, v], 1),
            np.array([120, 120]), {FLOPS: two}, (((Terms("judge", "world", 120),) * 2),) * len(seeds),
        )
        for metric, v in scores.items()
    }  # fmt: skip
    axes = {k: str(v) for k, v in asdict(DESIGNS[name.split("+")[0]]).items()}
    return Cell("made", name, axes, {"head.dim": 128 if name == SMALLER else 256, "head.layers": 4}, own)


def study(rng: np.random.Generator, n: int, truth: dict[str, float], sd: float) -> list[Finding]:
    """All claims on designs of a known height; seeds share a part of their luck, FID follows none of it."""
    shared = {metric: rng.normal(0, sd / 2, n) for metric in (*ALIGNMENT, "fid")}
    designs = []
    for name in (*NAMES, SMALLER):
        scores = {m: HIGH + truth[name] + shared[m] + rng.normal(0, sd, n) for m in ALIGNMENT}
        scores["fid"] = 50 * np.exp(shared["fid"] + rng.normal(0, sd, n) - truth.get(f"{name} fid", 0.0))
        fixed = rng.normal(10, 1, n)
        scores |= {"diversity/fixed": fixed, "diversity/fixed_all": fixed, "diversity/renders": np.full(n, 20.0)}
        designs.append(made(name, scores))
    return findings(designs)


@pytest.mark.parametrize("n", [3, 5])
def test_equal_designs_rarely_get_a_verdict_on_any_claim(n: int) -> None:
    """With diversity at half of the renders', the two claims that MSE has none are wrong, so only they may fall."""
    rng = np.random.default_rng(10 + n)
    wrong = 0
    for _ in range(STUDIES):
        found = {f.id: f.verdict for f in study(rng, n, dict.fromkeys((*NAMES, SMALLER), 0.4), 0.03)}
        decided = {name for name, v in found.items() if v in (Verdict.SUPPORTED, Verdict.CONTRADICTED)}
        true = {name for name in decided & set(DIVERSITY[:2]) if found[name] is Verdict.CONTRADICTED}
        wrong += bool(decided - true)
    assert wrong / STUDIES <= 0.066


@pytest.mark.parametrize("n", [3, 5])
def test_claims_that_hold_by_twice_the_detectable_difference_are_supported(n: int) -> None:
    """One comparison has a power of .998 there; what has to hold in two or three of them at once, somewhat less."""
    compared = len(of_the_paper()) - 1
    d = 2 * statistics.detectable(0.03 * 2**0.5, n, statistics.ALPHA / compared)
    truth = {"clip_flow": 0.0, "vae_flow": -d, "clip_mse": -d, "clip_mse_dit": d, SMALLER: -d, "vae_flow fid": d}
    right = {c.id: Verdict.SUPPORTED for c in of_the_paper() if c.id not in DIVERSITY}
    right |= {f"flow-beats-mse-alone/{m}": Verdict.CONTRADICTED for m in ("geneval", "dpg")}
    right["sequential-beats-joint"] = Verdict.NO_RECORDS
    rng = np.random.default_rng(20 + n)
    hits = dict.fromkeys(right, 0)
    for _ in range(300):
        for f in study(rng, n, truth, 0.03):
            hits[f.id] = hits.get(f.id, 0) + (f.verdict is right.get(f.id))
    assert all(hits[name] >= 0.98 * 300 for name in right), hits
