"""The world's tokenizer: byte-level BPE (`tokenizers`) learned from captions, so that any prompt can be encoded."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor

from headtohead.store import WEIGHTS
from headtohead.world.captions import captions
from headtohead.world.scenes import draw

PAD, BOS, EOS = 0, 1, 2
SPECIAL = ("<pad>", "<s>", "</s>")
FILE = "tokenizer.json"
CORPUS = 6000  # captions


def train(vocab_size: int, seed: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    index = np.arange(CORPUS)
    tokenizer.train_from_iterator(captions(draw(seed, index), seed, index, (0.4, 0.2, 0.4)), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", BOS), ("</s>", EOS)]
    )
    return tokenizer


@cache
def load() -> Tokenizer:
    return Tokenizer.from_file(str(WEIGHTS / FILE))


def encode(texts: list[str], longest: int, device: str = "cpu") -> Tensor:
    """(B, L) token ids, <s> ... </s>, padded to the longest of the batch; longer texts lose their tail, never </s>."""
    rows = [
        row.ids if len(row.ids) <= longest else [*row.ids[: longest - 1], EOS] for row in load().encode_batch(texts)
    ]
    out = torch.full((len(rows), max(map(len, rows))), PAD)
    for k, row in enumerate(rows):
        out[k, : len(row)] = torch.tensor(row)
    return out.to(device)
