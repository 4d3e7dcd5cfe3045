"""Visual question answering, DPG-Bench's judge: BLIP, and chat models such as Qwen2.5-VL."""

from __future__ import annotations

import string
from typing import Any

import torch
from torch import Tensor
from torchvision.transforms.functional import to_pil_image

from headtohead.pretrained.loading.by_name import Identity, complete, fetched, weights_hash

AT_ONCE = 32
LONGEST = 8  # tokens of an answer; `yes` needs one
ONLY = "Answer with yes or no only."


class Vqa:
    """Answers questions in batches; a subclass says how its model takes one batch."""

    def __init__(self, model: Any, processor: Any, identity: Identity, device: str) -> None:
        self.model, self.processor, self.identity, self.device = model.eval(), processor, identity, device

    @torch.no_grad()
    def answers(self, pictures: Tensor, questions: list[list[str]]) -> list[list[str]]:
        images = [to_pil_image(p.cpu()) for p in pictures]
        pairs = [(image, q) for image, row in zip(images, questions, strict=True) for q in row]
        flat: list[str] = []
        for start in range(0, len(pairs), AT_ONCE):
            part = pairs[start : start + AT_ONCE]
            flat += self._ask([image for image, _ in part], [q for _, q in part])
        answers = iter(flat)
        return [[plain(next(answers)) for _ in row] for row in questions]

    def _ask(self, images: list[Any], questions: list[str]) -> list[str]:
        raise NotImplementedError


class Blip(Vqa):
    def _ask(self, images: list[Any], questions: list[str]) -> list[str]:
        inputs = self.processor(images=images, text=questions, padding=True, return_tensors="pt").to(self.device)
        answers: list[str] = self.processor.batch_decode(
            self.model.generate(**inputs, max_new_tokens=LONGEST), skip_special_tokens=True
        )
        return answers


class Chat(Vqa):
    def _ask(self, images: list[Any], questions: list[str]) -> list[str]:
        turns = [
            [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": f"{q} {ONLY}"}]}]
            for q in questions
        ]
        texts = [self.processor.apply_chat_template(t, add_generation_prompt=True, tokenize=False) for t in turns]
        inputs = self.processor(images=[[image] for image in images], text=texts, padding=True, return_tensors="pt").to(
            self.device
        )
        out = self.model.generate(**inputs, max_new_tokens=LONGEST, do_sample=False)
        answers: list[str] = self.processor.batch_decode(
            out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
        return answers


def plain(answer: str) -> str:
    """Lower case without punctuation around it, since the rules count exactly `yes`."""
    return answer.strip().strip(string.punctuation).strip().lower()


def load(name: str, device: str) -> Vqa:
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor, BlipForQuestionAnswering

    def both() -> tuple[type[Vqa], Any, Any]:
        blip = AutoConfig.from_pretrained(name).model_type == "blip"
        kind = BlipForQuestionAnswering if blip else AutoModelForImageTextToText
        dtype = torch.float32 if device == "cpu" else "auto"
        model = complete(*kind.from_pretrained(name, use_safetensors=True, dtype=dtype, output_loading_info=True))
        processor = AutoProcessor.from_pretrained(name)
        processor.tokenizer.padding_side = "right" if blip else "left"  # a chat goes on at the right
        return Blip if blip else Chat, model, processor

    kind, model, processor = fetched("the question answerer", name, "--judge", both)
    return kind(model.to(device), processor, Identity(name, weights_hash(model.state_dict())), device)
