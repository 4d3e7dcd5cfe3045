"""The shipped language model, a small Llama, and its tokenizer: byte-level BPE, so that any text can be encoded."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from headtohead.pretrained.loading.weight_files import WEIGHTS
from headtohead.synthetic.captions import captions
from headtohead.synthetic.dataset import scenes_of_step
from headtohead.synthetic.scenes import draw

PAD, BOS, EOS = 0, 1, 2
SPECIAL = ("<pad>", "<s>", "</s>")
FILE = "tokenizer.json"
CORPUS = 6000  # captions


def train(vocab_size: int, seed: int) -> Tokenizer:
    """A tokenizer trained on captions of the synthetic dataset."""
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
    """Texts to ids (B, L), <s> ... </s>, padded to the longest of the batch.

    longest  tokens of a text; the end of a longer one is cut, but </s> stays
    """
    rows = [
        row.ids if len(row.ids) <= longest else [*row.ids[: longest - 1], EOS] for row in load().encode_batch(texts)
    ]
    out = torch.full((len(rows), max(map(len, rows))), PAD)
    for k, row in enumerate(rows):
        out[k, : len(row)] = torch.tensor(row)
    return out.to(device)


STYLE_SHARES = (0.5, 0.15, 0.35)  # short, list, dense


def build(config: dict[str, Any]) -> LlamaForCausalLM:
    ids = {"pad_token_id": PAD, "bos_token_id": BOS, "eos_token_id": EOS}
    return LlamaForCausalLM(LlamaConfig(**config, **ids))


def loss(model: nn.Module, seed: int, step: int, batch: int, device: str) -> dict[str, Tensor]:
    assert isinstance(model, LlamaForCausalLM)
    texts = captions(scenes_of_step(seed, step, batch), seed, step * batch + np.arange(batch), STYLE_SHARES)
    return next_token(model, texts, device)


def next_token(model: LlamaForCausalLM, texts: list[str], device: str) -> dict[str, Tensor]:
    """Mean cross-entropy per token. Padding is on the right, where causal attention does not reach."""
    ids = encode(texts, model.config.max_position_embeddings, device)
    logits = model(input_ids=ids).logits[:, :-1].float()
    return {"loss": F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), ignore_index=PAD)}
