"""Files, checksums and sizes of the published benchmarks. Needs no torch, since command lines quote them."""

from __future__ import annotations

from pathlib import Path

from headtohead.utils.cli import say

GENEVAL_PROMPTS, GENEVAL_NAMES = "evaluation_metadata.jsonl", "object_names.txt"
GENEVAL = f"https://github.com/djghosh13/geneval: prompts/{GENEVAL_PROMPTS}, evaluation/{GENEVAL_NAMES}"
GENEVAL_LINES = 553
NAMES_NEEDED = f"needs {GENEVAL_NAMES}, the detector's class names in order; from {GENEVAL}"
DPG = "https://github.com/TencentQQGYLab/ELLA: dpg_bench/dpg_bench.csv"
DPG_PROMPTS = 1065
MJHQ = "https://huggingface.co/datasets/playgroundai/MJHQ-30K: mjhq30k_imgs.zip, meta_data.json"
MJHQ_META, MJHQ_PICTURES = "meta_data.json", 30_000
A_PROMPT = 4  # pictures of a prompt, for GenEval and in DPG-Bench's grids
SHA256 = {
    GENEVAL_PROMPTS: "5c48e0813e812e3c373fa5c8ed07a8f0a483be30272b4427b0559c8048e67c13",
    GENEVAL_NAMES: "608f6a0e5c8ca1c7a92b818430141fe268c85b7930b50f4160f1d65893b5bacd",
}


def check(path: Path, name: str, found: str) -> None:
    """Warn when a file has an official name and not the official content.

    path   the file
    name   of the published file
    found  sha256 of the file's content
    """
    if path.name == name and found != SHA256[name]:
        say(f"eval: {path} is not the published file (its sha256 differs): scores will not compare with published ones")
