"""The language model: a transformers Llama, small, pretrained on the world's captions."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from headtohead.foundations import tokenizer
from headtohead.world.captions import captions
from headtohead.world.stream import scenes_of_step

STYLE_SHARES = (0.5, 0.15, 0.35)  # short, list, dense


def build(config: dict[str, Any]) -> LlamaForCausalLM:
    ids = {"pad_token_id": tokenizer.PAD, "bos_token_id": tokenizer.BOS, "eos_token_id": tokenizer.EOS}
    return LlamaForCausalLM(LlamaConfig(**config, **ids))


def loss(model: nn.Module, seed: int, step: int, batch: int, device: str) -> dict[str, Tensor]:
    assert isinstance(model, LlamaForCausalLM)
    texts = captions(scenes_of_step(seed, step, batch), seed, step * batch + np.arange(batch), STYLE_SHARES)
    return next_token(model, texts, device)


def next_token(model: LlamaForCausalLM, texts: list[str], device: str) -> dict[str, Tensor]:
    """Mean cross-entropy a token; padding stands right of the text, so causal attention never sees it."""
    ids = tokenizer.encode(texts, model.config.max_position_embeddings, device)
    logits = model(input_ids=ids).logits[:, :-1].float()
    return {"loss": F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), ignore_index=tokenizer.PAD)}
