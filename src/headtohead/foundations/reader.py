"""The language model that reads prompts, with the way from texts to its tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from headtohead.config import SHIPPED, FoundationsConfig, QueryConfig
from headtohead.foundations import chat, shipped, tokenizer
from headtohead.foundations.recipes import CONTEXT

Encode = Callable[[list[str]], tuple[Tensor, Tensor]]  # texts -> ids (B, L), mask (B, L); padding on the right


def build(given: FoundationsConfig, query: QueryConfig, device: str) -> tuple[Any, Encode]:
    if given.language == SHIPPED:
        return shipped.language_model(device), _plain
    model, turns = chat.load(given.language, query.system, query.longest)
    return model.to(device).eval(), turns


def _plain(texts: list[str]) -> tuple[Tensor, Tensor]:
    ids = tokenizer.encode(texts, CONTEXT)
    return ids, (ids != tokenizer.PAD).long()
