"""A transformers language model by name or folder, and the tokenisation of prompts for it.

A prompt is the user's turn of the model's own chat template. The text ends where the assistant's answer would begin;
the learnable queries follow there, in training and in sampling alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from headtohead.config.run_config import SHIPPED, FoundationsConfig, QueryConfig
from headtohead.pretrained.loading import shipped
from headtohead.pretrained.loading.by_name import ModelError, fetched
from headtohead.pretrained.making.recipes import CONTEXT
from headtohead.pretrained.networks import attention, norms, small_llama

# Llama 3.2's template writes a date into every prompt, by default today's: runs would differ by the day.
DATE = "26 Jul 2024"


@dataclass(frozen=True)
class Turns:
    """Texts to ids (B, L) and mask (B, L), padded on the right. Of a text that is too long the end is cut, but not the
    end of the template.

    system   the system turn; empty: none
    longest  tokens of a whole prompt
    """

    tokenizer: Any
    system: str
    longest: int

    def __call__(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        rows = self._ids([self._render(text) for text in texts])
        for k, text in enumerate(texts):
            while len(rows[k]) > self.longest:
                text = self._cut(text, len(rows[k]) - self.longest)
                (rows[k],) = self._ids([self._render(text)])
        padded = self.tokenizer.pad({"input_ids": rows}, return_tensors="pt")
        return padded["input_ids"], padded["attention_mask"]

    def _ids(self, turns: list[str]) -> list[list[int]]:
        ids: list[list[int]] = self.tokenizer(turns, add_special_tokens=False)["input_ids"]
        return ids

    def _render(self, text: str) -> str:
        if not self.tokenizer.chat_template:
            return f"{self.tokenizer.bos_token or ''}{text}"
        messages = [{"role": "system", "content": self.system}] if self.system else []
        messages.append({"role": "user", "content": text})
        rendered: str = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, date_string=DATE
        )
        return rendered

    def _cut(self, text: str, tokens: int) -> str:
        ends = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        keep = len(ends) - tokens
        if keep < 1:
            raise ModelError(f"query.longest={self.longest}: the chat template alone is longer than that")
        return text[: ends[keep - 1][1]]


def load(name: str, system: str, longest: int) -> tuple[Any, Turns]:
    """The model in single precision and its tokenisation.

    name     of a model or a folder with safetensors
    system   what the chat template says before the user
    longest  tokens of a prompt
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    def both() -> tuple[Any, Any]:
        tokenizer = AutoTokenizer.from_pretrained(name, padding_side="right")
        return AutoModelForCausalLM.from_pretrained(name, use_safetensors=True, dtype=torch.float32), tokenizer

    model, tokenizer = fetched("the language model", name, "foundations.language", both)
    if not tokenizer.is_fast:
        raise ModelError(f"foundations.language {name}: its tokenizer has no fast version (tokenizer.json)")
    if tokenizer.pad_token is None:  # any token does: the mask hides it
        tokenizer.pad_token = tokenizer.eos_token
    return model, Turns(tokenizer, system, longest)


Encode = Callable[[list[str]], tuple[Tensor, Tensor]]  # texts -> ids (B, L), mask (B, L); padding on the right


def build(given: FoundationsConfig, query: QueryConfig, device: str) -> tuple[Any, Encode]:
    """The language model that `given` names, and its tokenisation."""
    encode: Encode
    if given.language == SHIPPED:
        model, encode = shipped.language_model(device), _plain
    else:
        model, encode = load(given.language, query.system, query.longest)
        model = model.to(device).eval()
    if device == "cpu":
        attention.use_in(model)
        norms.use_in(model)
    return model, encode


def _plain(texts: list[str]) -> tuple[Tensor, Tensor]:
    ids = small_llama.encode(texts, CONTEXT)
    return ids, (ids != small_llama.PAD).long()
