"""The findings of the paper, each checked on records: `python -m ablations.analysis.claims results/reference`.

Designs, metric, cost and margin of each claim are fixed here, independent of results; the history of this file shows
whether a margin is older than the runs. Prompt alignment is two claims, GenEval and DPG-Bench, since a finding may hold
on short prompts and fail on long ones. All claims of a sweep are one family for Holm's correction, which counts those
that were tested. Decide on the number of seeds before training: verdicts on unfinished sweeps change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ablations.analysis.claims.assessable import unassessable, without_gain
from ablations.analysis.claims.checks import Beats, Best, Check, Disagree, LargerIsBetter, NotBuilt, Share
from ablations.analysis.claims.evidence import Evidence, Missing, Unmeasured
from ablations.analysis.curves import FLOPS, Curve
from ablations.analysis.designs import Cell, cells
from ablations.analysis.equal_budget import Incomparable
from ablations.analysis.statistics import ALPHA, Judged, Verdict, equivalence, holm, judge
from headtohead.config.parsing import ConfigError
from headtohead.config.registry import Registry
from headtohead.records import metrics
from headtohead.records.read import Run

HALF = 0.5  # of the budget that both have reached; a more efficient design is ahead there
EQUIVALENT = 0.05  # of GenEval and DPG: designs whose true difference is smaller count as equal
NEARLY_DETERMINISTIC = 0.05  # largest share of the diversity of true renders of the same prompts
DIVERSE = 0.5  # smallest share of it
NO_NOISE = "a regression draws no noise"
# Diversity is measured on correct pictures, determinism on all.
FIXED, ALL, RENDERS = "diversity/fixed", "diversity/fixed_all", "diversity/renders"


@dataclass(frozen=True)
class Claim:
    id: str
    section: str  # of the paper
    sentence: str  # the finding in our words
    check: Check
    equivalent: float | None = None  # margin within which a difference counts as none; None: that is not tested


def _aligned(name: str, section: str, sentence: str, checks: dict[str, Check]) -> list[Claim]:
    return [Claim(f"{name}/{metric}", section, sentence, check, EQUIVALENT) for metric, check in checks.items()]


def of_the_paper() -> tuple[Claim, ...]:
    """The paper's findings, with a claim for each metric of prompt alignment."""
    alignment = {m.key.removesuffix("/overall"): m.key for m in metrics.alignment()}
    return (
        *_aligned(
            "clip-beats-vae",
            "3.3, finding 1",
            "After as many steps, CLIP features follow prompts better than VAE latents.",
            {k: Beats("clip_flow", "vae_flow", m) for k, m in alignment.items()},
        ),
        *_aligned(
            "clip-trains-faster",
            "3.3, discussion",
            "CLIP features train more efficiently: at half of the training FLOPs they are ahead already.",
            {k: Beats("clip_flow", "vae_flow", m, FLOPS, HALF) for k, m in alignment.items()},
        ),
        *_aligned(
            "flow-beats-mse",
            "3.3, figure 4",
            "Flow matching follows prompts better than MSE, as the paper ran them: a DiT on a frozen language model "
            "against a linear projection of a trained one.",
            {k: Beats("clip_flow", "clip_mse", m) for k, m in alignment.items()},
        ),
        *_aligned(
            "flow-beats-mse-alone",
            "3.3, finding 2",
            "Flow matching follows prompts better than MSE with the same head on the same frozen language model.",
            {k: Beats("clip_flow", "clip_mse_dit", m) for k, m in alignment.items()},
        ),
        Claim(
            "mse-is-deterministic",
            "3.2, discussion",
            "Trained with MSE, a model gives nearly the same picture of a prompt every time.",
            Share("clip_mse", ALL, RENDERS, most=NEARLY_DETERMINISTIC, because=NO_NOISE),
        ),
        Claim(
            "mse-is-deterministic-alone",
            "3.2, discussion",
            "So it does with the head of the flow design.",
            Share("clip_mse_dit", ALL, RENDERS, most=NEARLY_DETERMINISTIC, because=NO_NOISE),
        ),
        Claim(
            "flow-is-diverse",
            "3.2, finding 2",
            "Flow matching gives diverse pictures of one prompt.",
            Share("clip_flow", FIXED, RENDERS, least=DIVERSE),
        ),
        *_aligned(
            "larger-dit-helps",
            "3.2, discussion",
            "A larger diffusion transformer improves results.",
            {k: LargerIsBetter("clip_flow", m) for k, m in alignment.items()},
        ),
        Claim(
            "vae-flow-has-best-fid",
            "3.3, results",
            "Of the paper's three designs VAE latents with flow matching have the lowest FID.",
            Best("vae_flow", ("clip_flow", "clip_mse"), "fid"),
        ),
        Claim(
            "fid-and-alignment-disagree",
            "3.3, results",
            "The design with the better FID is not the one that follows prompts better.",
            Disagree("vae_flow", "clip_flow", "fid", tuple(alignment.values())),
        ),
        Claim(
            "sequential-beats-joint",
            "1, 4.2",
            "Learning to understand first and to generate afterwards is better than learning both together.",
            NotBuilt("no design trains jointly yet"),
        ),
    )


@dataclass(frozen=True)
class Finding:
    """The verdict on a claim, with the numbers behind it; missing ones are NaN."""

    id: str
    section: str
    sentence: str
    verdict: Verdict
    effect: float = float("nan")  # positive as claimed
    low: float = float("nan")
    high: float = float("nan")
    p: float = float("nan")
    p_holm: float = float("nan")
    n: int = 0
    mdd: float = float("nan")
    size: float = float("nan")
    unit: str = ""
    detail: str = ""
    why: str = ""
    constant: bool = False  # the same in every seed: the sign decides, without a test
    without_gain: tuple[str, ...] = ()  # designs whose records hold no conditioning gain


ADDED: Registry[Claim] = Registry("claim")  # by plugins


def register(claim: Claim) -> Claim:
    """Add a claim, which is then tested together with the paper's."""
    if claim.id in {c.id for c in of_the_paper()}:
        raise ConfigError(f"claim {claim.id}: is registered already; choose another name")
    return ADDED.add(claim.id, claim)


def findings(designs: Sequence[Cell], claims: Sequence[Claim] = ()) -> list[Finding]:
    """Verdicts on all claims, from one sweep.

    designs  of the sweep
    claims   the paper's and those of plugins when empty
    """
    claims = claims or (*of_the_paper(), *ADDED.values())
    found: list[Evidence | tuple[Verdict, str]] = [_evidence(claim, designs) for claim in claims]
    tested = [(c, e) for c, e in zip(claims, found, strict=True) if isinstance(e, Evidence) and not e.constructed]
    judged = iter(judge([e.difference for _, e in tested], [e.margin for _, e in tested]))
    same = iter(holm([float("nan") if c.equivalent is None else equivalence(e.difference, c.equivalent)
                      for c, e in tested]))  # fmt: skip
    return [_finding(c, e, judged, same) for c, e in zip(claims, found, strict=True)]


def _finding(
    claim: Claim, e: Evidence | tuple[Verdict, str], judged: Iterator[Judged], same: Iterator[float]
) -> Finding:
    """A claim's finding; takes the next of each of the corrected results if it was tested."""
    head = (claim.id, claim.section, claim.sentence)
    if not isinstance(e, Evidence):
        return Finding(*head, verdict=e[0], why=e[1])
    d = e.difference
    about: dict[str, Any] = {"n": d.n, "size": d.size, "unit": e.unit, "detail": e.detail, "constant": d.constant,
             "without_gain": without_gain(e.used)}  # fmt: skip
    constant = f"the same number in all {d.n} seeds, which leaves nothing to test" if d.constant else ""
    if e.constructed:
        why = "; ".join(filter(None, (f"holds by construction: {e.because}", constant, _left(e.used))))
        return Finding(*head, Verdict.BY_CONSTRUCTION, d.effect, d.low, d.high, why=why, **about)
    j, p_same = next(judged), float(next(same))
    verdict, why = j.verdict, j.why
    if verdict is Verdict.UNDECIDED and p_same <= ALPHA:
        verdict = Verdict.EQUIVALENT
        why = f"the true difference lies within ±{claim.equivalent:g} (two one-sided tests, Holm p {p_same:.2g}); {why}"
    if d.n > 1 and (reason := unassessable(e)):
        verdict, why = Verdict.NOT_ASSESSABLE, reason
    why = "; ".join(filter(None, (why, constant, _left(e.used))))
    return Finding(*head, verdict, d.effect, d.low, d.high, d.p, j.p_holm, mdd=j.mdd, why=why, **about)


def _evidence(claim: Claim, designs: Sequence[Cell]) -> Evidence | tuple[Verdict, str]:
    try:
        return claim.check.evidence(designs)
    except Missing as missing:
        return Verdict.NO_RECORDS, str(missing)
    except Unmeasured as unmeasured:
        return Verdict.UNDECIDED, str(unmeasured)
    except Incomparable as field:
        return Verdict.UNDECIDED, f"the records do not compare: {field}"


def _left(used: Iterable[Cell]) -> str:
    """A sentence about seeds that a verdict does not use."""
    out = [f"{c.name} seed {seed} is {state}" for c in used for seed, state in sorted(c.left.items())]
    return "left out: " + ", ".join(out) if out else ""


def evaluate(found: Iterable[Run], known_curves: Iterable[Curve] = ()) -> dict[str, list[Finding]]:
    """Verdicts on all claims by sweep; `known_curves` avoid reading them again."""
    return {sweep: findings(own) for sweep, own in cells(found, known_curves).items()}
