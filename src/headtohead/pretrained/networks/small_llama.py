"""The shipped language model, a small Llama, and its tokenizer: byte-level BPE, so that any text can be encoded."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from headtohead.pretrained.loading.weight_files import WEIGHTS
from headtohead.synthetic.captions.asked import CHOICES, question, with_questions
from headtohead.synthetic.captions.said import said
from headtohead.synthetic.captions.write import captions
from headtohead.synthetic.dataset import scenes_of_step
from headtohead.synthetic.scenes import Scenes, draw
from headtohead.utils import random

PAD, BOS, EOS = 0, 1, 2
SPECIAL = ("<pad>", "<s>", "</s>")
FILE = "tokenizer.json"
CORPUS = 6000  # captions
STYLE_SHARES = (0.35, 0.15, 0.5)  # of captions: a sentence, tags, several sentences
EXAMINED = 0.5  # share of captions that questions follow
QUESTIONS = 2  # after each of those
ANSWER_WEIGHT = 4.0  # of the loss on an answer's tokens, which are few


def train(vocab_size: int, seed: int) -> Tokenizer:
    """A tokenizer trained on captions of the synthetic dataset and on questions about them."""
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
    texts = lessons(draw(seed, index), seed, index)
    tokenizer.train_from_iterator([" ".join(part for part, _ in text) for text in texts], trainer)
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
    rows = [ids if len(ids) <= longest else [*ids[: longest - 1], EOS] for ids in map(_ids, texts)]
    out = torch.full((len(rows), max(map(len, rows))), PAD)
    for k, row in enumerate(rows):
        out[k, : len(row)] = torch.tensor(row)
    return out.to(device)


@lru_cache(maxsize=1 << 16)  # training repeats its captions
def _ids(text: str) -> Sequence[int]:
    return array("H", load().encode(text).ids)


def build(config: dict[str, Any]) -> LlamaForCausalLM:
    ids = {"pad_token_id": PAD, "bos_token_id": BOS, "eos_token_id": EOS}
    return LlamaForCausalLM(LlamaConfig(**config, **ids))


def lessons(scenes: Scenes, seed: int, index: NDArray[np.int64]) -> list[list[tuple[str, bool]]]:
    """Texts from which the model learns: captions, of which some go on with questions and answers.

    index  of each scene

    Each text is given in parts, with whether a part is an answer.
    """
    texts, whats = captions(scenes, seed, index, STYLE_SHARES), said(scenes, seed, index)
    u = random.uniform(random.keys(seed, index, 41), 1 + CHOICES * QUESTIONS).tolist()
    out = []
    for text, what, own in zip(texts, whats, u, strict=True):
        many = QUESTIONS if own[0] < EXAMINED else 0
        asked = [question(what, own[1 + CHOICES * k :][:CHOICES]) for k in range(many)]
        out.append(with_questions(text, asked))
    return out


def loss(model: nn.Module, seed: int, step: int, batch: int, device: str) -> dict[str, Tensor]:
    assert isinstance(model, LlamaForCausalLM)
    texts = lessons(scenes_of_step(seed, step, batch), seed, step * batch + np.arange(batch))
    return next_token(model, texts, device)


def next_token(model: LlamaForCausalLM, texts: list[list[tuple[str, bool]]], device: str) -> dict[str, Tensor]:
    """Mean cross-entropy per token, answers weighted; and the share of right tokens among those of answers.

    texts  in parts, with whether a part is an answer
    """
    ids, answers = encode_parts(texts, device)
    # Padding is on the right, where causal attention does not reach.
    logits, target, answer = model(input_ids=ids).logits[:, :-1].float(), ids[:, 1:], answers[:, 1:]
    each = F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none").view_as(target)
    weight = (target != PAD) * torch.where(answer, ANSWER_WEIGHT, 1.0)
    right = ((logits.argmax(-1) == target) & answer).sum() / answer.sum().clamp(min=1)
    return {"loss": (each * weight).sum() / weight.sum(), "answers": right}


def encode_parts(texts: list[list[tuple[str, bool]]], device: str = "cpu") -> tuple[Tensor, Tensor]:
    """Ids (B, L) of texts in parts, <s> ... </s>, padded to the longest; and which of them are answers."""
    flat = iter(load().encode_batch([part for text in texts for part, _ in text], add_special_tokens=False))
    rows = []
    for text in texts:
        tokens = [(token, answer) for _, answer in text for token in next(flat).ids]
        rows.append([(BOS, False), *tokens, (EOS, False)])
    out = torch.full((len(rows), max(map(len, rows)), 2), PAD)
    for k, row in enumerate(rows):
        out[k, : len(row)] = torch.tensor(row, dtype=torch.long)
    ids, answers = out.to(device).unbind(-1)
    return ids, answers.bool()
