"""The language model's lessons: captions and questions about them, of which the answers weigh more."""

from __future__ import annotations

import numpy as np
import torch

from headtohead.pretrained.making.recipes import RECIPES
from headtohead.pretrained.networks import small_llama
from headtohead.synthetic.captions.said import said
from headtohead.synthetic.captions.truth import unseen
from headtohead.synthetic.scenes import draw
from headtohead.synthetic.splits import CAPTIONED

TEXT = [("a red star here", False), ("Question: what is red? Answer:", False), ("star", True)]
TINY = {**RECIPES["language"].config, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1}


def test_a_text_in_parts_has_the_tokens_of_the_whole_text() -> None:
    whole = small_llama.encode([" ".join(part for part, _ in TEXT)], 256)
    ids, answers = small_llama.encode_parts([TEXT, [("a star", False)]])
    assert torch.equal(ids[:1], whole)
    assert ids[1, -1] == small_llama.PAD
    assert small_llama.load().decode(ids[0][answers[0]].tolist()).strip() == "star"
    assert not answers[1].any()


def test_about_half_of_the_lessons_have_questions_and_none_names_what_is_held_out() -> None:
    index = np.arange(2000)
    scenes = draw(29, index)
    lessons = small_llama.lessons(scenes, 29, index)
    asked = np.array([len(parts) > 1 for parts in lessons])
    assert abs(asked.mean() - small_llama.EXAMINED) < 0.04
    assert {sum(answer for _, answer in parts) for parts in lessons} == {0, small_llama.QUESTIONS}
    assert not any(unseen(what, CAPTIONED) for what in said(scenes, 29, index))


def test_answers_weigh_more_than_other_tokens() -> None:
    torch.manual_seed(0)
    model = small_llama.build(TINY)
    ids, answers = small_llama.encode_parts([TEXT])
    log = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
    each = -log[torch.arange(len(log)), ids[0, 1:]]
    weight = torch.where(answers[0, 1:], small_llama.ANSWER_WEIGHT, 1.0)
    loss = small_llama.next_token(model, [TEXT], "cpu")["loss"]
    assert torch.allclose(loss, (each * weight).sum() / weight.sum())
    assert not torch.allclose(loss, each.mean())


def test_padding_costs_nothing() -> None:
    torch.manual_seed(0)
    model = small_llama.build(TINY).eval()
    texts = [TEXT, [("a star", False)]]
    alone, weight = [], []
    for text in texts:
        ids, answers = small_llama.encode_parts([text])
        alone.append(small_llama.next_token(model, [text], "cpu")["loss"])
        weight.append(ids.shape[1] - 1 + (small_llama.ANSWER_WEIGHT - 1) * float(answers.sum()))
    mean = sum(w * x for w, x in zip(weight, alone, strict=True)) / sum(weight)
    assert torch.allclose(small_llama.next_token(model, texts, "cpu")["loss"], mean, atol=1e-5)


def test_the_model_is_small_enough_to_ship() -> None:
    model = small_llama.build(RECIPES["language"].config)
    assert sum(p.numel() for p in model.parameters()) < 2.5e6  # a byte each
