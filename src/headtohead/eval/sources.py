"""The benchmarks' own files, which are not part of this package: where they come from, and what makes them those."""

from __future__ import annotations

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
