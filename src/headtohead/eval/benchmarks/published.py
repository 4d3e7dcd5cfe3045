"""What published numbers stand on, and in what a result differs from that: all of it, in words.

For GenEval and DPG-Bench one reason always stands there, since their published judges cannot be had on today's stack;
for FIDs too, since nobody has published what the bytes of their reference are. Where it stands alone, everything else
is as published.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from headtohead.config.run_config import COLOURS, DETECTOR, INCEPTION
from headtohead.eval.folders.result import Result
from headtohead.eval.judges.mask2former import SHORT


def held_against(result: Result) -> Result:
    """The same with its reasons."""
    reasons = [*RULES[result.metric.split("-")[0]](result)]
    if result.troubles:
        reasons.append(f"{len(result.troubles)} missing or damaged")
    return replace(result, not_comparable_because=reasons)


def _geneval(r: Result) -> Iterator[str]:
    yield "the published detector is another training of Mask2Former, mmdet's"
    for role, official in (("detector", DETECTOR), ("colours", COLOURS)):
        if r.judge[role]["name"] != official:
            yield f"{role}: {r.judge[role]['name']}, not {official}"
    if r.settings.get("short") != SHORT:
        yield f"the detector's short side is {r.settings.get('short')}, not {SHORT}"
    if r.settings.get("names") != SHA256[GENEVAL_NAMES]:
        yield "the class names are not the published ones"
    if r.exam != SHA256[GENEVAL_PROMPTS]:
        yield "the prompts are not the published 553"
    if counts := {len(row["pictures"]) for row in r.prompts} - {A_PROMPT}:
        yield f"pictures a prompt: {min(counts)}, not {A_PROMPT}"


def _dpg(r: Result) -> Iterator[str]:
    yield f"the published judge is mPLUG-large, not {r.judge['answerer']['name']}"
    if r.mode != "official":
        yield "published scores hold the official scorer's errors"
    if r.settings["tiles"] != A_PROMPT:
        yield f"pictures a prompt: {r.settings['tiles']}, not {A_PROMPT}"
    if len(r.prompts) != DPG_PROMPTS:
        yield f"{len(r.prompts):,} prompts, not {DPG_PROMPTS:,}"


def _fid(r: Result) -> Iterator[str]:
    yield "the reference: no checksum of MJHQ-30k is published against which its pictures could be held"
    if r.metric != "fid-inception":
        yield f"{r.metric.split('-')[1]} features, not Inception's"
    elif r.resizer != "clean":
        yield f"resizer {r.resizer}, not clean"
    elif r.judge["features"]["name"] != INCEPTION:
        yield f"Inception of one's own: {r.judge['features']['name']}"
    for what, number in (("pictures in the reference", r.reference["n"]), ("pictures", r.n["fid"])):
        if number != MJHQ_PICTURES:
            yield f"{number:,} {what}, not {MJHQ_PICTURES:,}"


def _diversity(r: Result) -> Iterator[str]:
    yield "nobody publishes this measure"


RULES: dict[str, Callable[[Result], Iterator[str]]] = {
    "geneval": _geneval, "dpg": _dpg, "fid": _fid, "diversity": _diversity,
}  # fmt: skip


GENEVAL_PROMPTS, GENEVAL_NAMES = "evaluation_metadata.jsonl", "object_names.txt"
GENEVAL = f"https://github.com/djghosh13/geneval: prompts/{GENEVAL_PROMPTS}, evaluation/{GENEVAL_NAMES}"
SHA256 = {
    GENEVAL_PROMPTS: "5c48e0813e812e3c373fa5c8ed07a8f0a483be30272b4427b0559c8048e67c13",
    GENEVAL_NAMES: "608f6a0e5c8ca1c7a92b818430141fe268c85b7930b50f4160f1d65893b5bacd",
}
GENEVAL_LINES = 553
DPG = "https://github.com/TencentQQGYLab/ELLA: dpg_bench/dpg_bench.csv"
DPG_PROMPTS = 1065
MJHQ = "https://huggingface.co/datasets/playgroundai/MJHQ-30K: mjhq30k_imgs.zip, meta_data.json"
MJHQ_META, MJHQ_PICTURES = "meta_data.json", 30_000
A_PROMPT = 4  # pictures, for GenEval and in DPG-Bench's grids
