"""Write the synthetic dataset's dev and test prompts in GenEval's and DPG-Bench's file formats."""

from __future__ import annotations

import sys

from headtohead.synthetic.prompts import dense_prompts, short_prompts
from headtohead.utils.cli import Parser

SPLITS: tuple[short_prompts.Split, ...] = ("dev", "test")


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("ablations.prepare.prompts", __doc__)
    parser.add_folder("--out", short_prompts.FOLDER, "folder that gets dev/ and test/")
    options = parser.parse_args(arguments)
    for split in SPLITS:
        short, dense = short_prompts.geneval(split), dense_prompts.dense(split)
        short_prompts.write(options.out / split / "geneval.jsonl", short)
        dense_prompts.write(options.out / split / "dpg.csv", dense)
        unseen = sum(not p.seen for p in short) + sum(not p.seen for p in dense)
        print(f"{options.out / split}: {len(short)} GenEval and {len(dense)} DPG prompts, {unseen} of them unseen")
    return 0


if __name__ == "__main__":
    sys.exit(main())
