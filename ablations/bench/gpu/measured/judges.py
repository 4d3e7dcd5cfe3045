"""The judges at full size with random weights, through the code that scores folders of images.

Their preparation of pictures on the CPU is part of the time. A random network says nothing sensible: answers run to
their longest, and every one of a detector's masks is kept, so a trained judge is at least as fast.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from tokenizers import Tokenizer
from tokenizers import models as vocabularies
from tokenizers.pre_tokenizers import Whitespace
from torch import Tensor
from torchvision.models import inception_v3
from transformers import (
    BertTokenizerFast,
    BlipConfig,
    BlipForQuestionAnswering,
    BlipImageProcessor,
    BlipProcessor,
    Mask2FormerConfig,
    Mask2FormerForUniversalSegmentation,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
    SwinConfig,
)  # fmt: skip

from ablations.bench.gpu.lines import Line
from ablations.bench.gpu.measured.training import forget_peak
from ablations.bench.gpu.sizes import CLIP, Sizes
from ablations.bench.timing import rate_of, rounds
from headtohead.eval.judges import features
from headtohead.eval.judges.colours import ClipColours
from headtohead.eval.judges.mask2former import SHORT, Mask2Former
from headtohead.eval.judges.vqa import Blip, Chat, Vqa
from headtohead.pretrained.loading.by_name import Identity, calm
from headtohead.utils import compute
from headtohead.utils.boxes import Detection

CLASSES = 80
QUESTIONS = ("Is there a red circle above a blue star?", "Is the star blue?")  # of each picture
IDENTITY = Identity("random", "random")
SWIN = {"embed_dim": 96, "depths": [2, 2, 18, 2], "num_heads": [3, 6, 12, 24], "window_size": 7, "image_size": 224}
BLIP = {
    "text_config": {"vocab_size": 30524, "num_attention_heads": 12, "bos_token_id": 30522, "eos_token_id": 2,
                    "pad_token_id": 0, "sep_token_id": 102},
    "vision_config": {"image_size": 384},
}  # fmt: skip
QWEN = {
    "text_config": {
        "vocab_size": 151_936, "hidden_size": 2048, "intermediate_size": 11_008, "num_hidden_layers": 36,
        "num_attention_heads": 16, "num_key_value_heads": 2, "max_position_embeddings": 128_000, "bos_token_id": 0,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
    },
    "vision_config": {
        "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 2048,
        "patch_size": 14, "window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31],
    },
}  # fmt: skip
# Tiny ones have the same keys, so that the same functions build them.
SMALL_SWIN = {"embed_dim": 12, "depths": [1, 1, 1, 1], "num_heads": [1, 2, 2, 2], "window_size": 4, "image_size": 64}
SMALL_MASKS = {
    "feature_size": 32, "mask_feature_size": 32, "hidden_dim": 32, "encoder_feedforward_dim": 16, "encoder_layers": 1,
    "decoder_layers": 2, "num_attention_heads": 2, "dim_feedforward": 16, "num_queries": 6,
}  # fmt: skip
FEW = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
SMALL_BLIP = {
    "text_config": {**BLIP["text_config"], **FEW, "vocab_size": 120, "bos_token_id": 110, "encoder_hidden_size": 16,
                    "projection_dim": 16, "max_position_embeddings": 64},
    "vision_config": {**FEW, "image_size": 32, "patch_size": 16}, "projection_dim": 16,
}  # fmt: skip
SMALL_QWEN = {
    "text_config": {**QWEN["text_config"], **FEW, "hidden_size": 32, "vocab_size": 64, "num_key_value_heads": 1,
                    "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}},
    "vision_config": {"depth": 2, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 32,
                      "patch_size": 14, "window_size": 56, "fullatt_block_indexes": [1]},
}  # fmt: skip
TURN = (
    "{% for m in messages %}<|im_start|>{{m['role']}} {% for c in m['content'] %}{% if c['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{c['text']}}{% endif %}{% endfor %}<|im_end|> {% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant {% endif %}"
)
MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
         "<|video_pad|>")  # fmt: skip
Work = Callable[[Tensor], Any]  # takes pictures (B, 3, H, W)


def mask2former(tiny: bool, device: str, folder: Path) -> tuple[Work, Any]:
    out = ["stage1", "stage2", "stage3", "stage4"]
    swin = SwinConfig(**(SMALL_SWIN if tiny else SWIN), drop_path_rate=0.3, out_features=out)
    config = Mask2FormerConfig(backbone_config=swin, num_labels=CLASSES, **(SMALL_MASKS if tiny else {}))
    with torch.device(device):
        model = Mask2FormerForUniversalSegmentation(config)
    judge = Mask2Former(model, [f"class {k}" for k in range(CLASSES)], IDENTITY, 64 if tiny else SHORT)
    return judge.detect, model


def clip(tiny: bool, device: str, folder: Path) -> tuple[Work, Any]:
    """The colour of one object a picture."""
    name, architecture = "ViT-L-14-quickgelu", "ViT-L-14-quickgelu"
    if tiny:
        (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CLIP, "preprocess_cfg": {}}))
        architecture = f"local-dir:{folder}"
    with calm():
        model, _, prepare = open_clip.create_model_and_transforms(architecture, load_weights=False, device=device)
    judge = ClipColours(model, prepare, open_clip.get_tokenizer(name), IDENTITY, device)

    def work(pictures: Tensor) -> Any:
        side = pictures.shape[-1]
        found = Detection("class 0", 1.0, (0.0, 0.0, side / 2, side / 2), np.ones((side, side), bool))
        return judge.colours(pictures, [[found] for _ in pictures])

    return work, model


def inception(tiny: bool, device: str, folder: Path) -> tuple[Work, Any]:
    """A network of Inception's size, written and loaded as the TorchScript file that clean-fid fetches."""
    path = folder / "inception.pt"
    with calm():
        torch.jit.script(
            _Script(torch.jit.trace(_net(tiny), torch.zeros(1, 3, features.INSIDE, features.INSIDE)))
        ).save(str(path))
        space = features.load("inception", device, weights=str(path))
    return lambda pictures: space(list(pictures)), None


def blip(tiny: bool, device: str, folder: Path) -> tuple[Work, Any]:
    config = BlipConfig(**(SMALL_BLIP if tiny else BLIP))
    size, side = config.text_config.vocab_size, config.vision_config.image_size
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_words()]
    (folder / "vocab.txt").write_text("\n".join(words + [f"word{k}" for k in range(size - len(words))]))
    with torch.device(device):
        model = BlipForQuestionAnswering(config)
    reads = BertTokenizerFast(str(folder / "vocab.txt"))
    processor = BlipProcessor(BlipImageProcessor(size={"height": side, "width": side}), reads)
    return _asked(Blip(model, processor, IDENTITY, device)), model


def qwen(tiny: bool, device: str, folder: Path) -> tuple[Work, Any]:
    number = {word: k for k, word in enumerate([*MARKS, "<unk>", "user", "assistant", *_words()])}
    inner = Tokenizer(vocabularies.WordLevel(number, unk_token="<unk>"))
    inner.pre_tokenizer = Whitespace()
    reads = PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="<unk>", pad_token=MARKS[0], eos_token=MARKS[2], padding_side="left",
        additional_special_tokens=list(MARKS[1:]),
    )  # fmt: skip
    reads.chat_template = TURN
    told = SMALL_QWEN if tiny else QWEN
    config = Qwen2_5_VLConfig(
        text_config={**told["text_config"], "eos_token_id": number[MARKS[2]], "pad_token_id": 0,
                     "tie_word_embeddings": True},
        vision_config=told["vision_config"], tie_word_embeddings=True, image_token_id=number["<|image_pad|>"],
        video_token_id=number["<|video_pad|>"], vision_start_token_id=number["<|vision_start|>"],
        vision_end_token_id=number["<|vision_end|>"],
    )  # fmt: skip
    with torch.device(device):
        model = Qwen2_5_VLForConditionalGeneration(config)
    sees = Qwen2VLImageProcessor(min_pixels=56 * 56, max_pixels=1280 * 28 * 28)
    processor = Qwen2_5_VLProcessor(sees, reads, Qwen2VLVideoProcessor(), chat_template=TURN)
    if device == "cuda":  # the type of its checkpoint, which a GPU computes in
        model = model.to(torch.bfloat16)
    return _asked(Chat(model, processor, IDENTITY, device)), model


JUDGES = {
    "Mask2Former-swin-s": mask2former, "CLIP ViT-L/14": clip, "Inception": inception, "BLIP-VQA": blip,
    "Qwen2.5-VL-3B": qwen,
}  # fmt: skip


def measure(line: Line, sizes: Sizes, device: str, peak: float) -> dict[str, Any]:
    """Pictures a second of a judge.

    line    with its name
    sizes   of pictures, and whether judges are tiny
    device  cpu or cuda
    peak    unused
    """
    number, side = sizes.pictures
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        work, model = JUDGES[line.judge](sizes.tiny, device, Path(folder))
        made = torch.Generator(device).manual_seed(0)
        pictures = torch.rand(number, 3, side, side, generator=made, device=device)
        forget_peak(device)
        with torch.no_grad():
            times = rounds(lambda: work(pictures), device, sizes.seconds, 2)
    questions = {"questions a picture": len(QUESTIONS)} if line.judge in ("BLIP-VQA", "Qwen2.5-VL-3B") else {}
    count = {"parameters": sum(p.numel() for p in model.parameters())} if model is not None else {}
    return {**rate_of(number, times), "side": side, **questions, **count, "peak MB": compute.peak_mb(device)}


def _asked(judge: Vqa) -> Work:
    return lambda pictures: judge.answers(pictures, [list(QUESTIONS)] * len(pictures))


def _words() -> list[str]:
    text = " ".join([*QUESTIONS, "Answer with yes or no only."])
    return sorted({word.lower() for word in text.replace("?", " ?").replace(".", " .").split()})


def _net(tiny: bool) -> torch.nn.Module:
    if tiny:
        return torch.nn.Sequential(torch.nn.Conv2d(3, 8, 9, 8), torch.nn.AdaptiveAvgPool2d(1)).eval()
    net = inception_v3(weights=None, aux_logits=False, transform_input=False, init_weights=False)
    net.fc = torch.nn.Identity()
    return net.eval()


class _Script(torch.nn.Module):
    """The interface of clean-fid's file: `layers` takes normalised pictures and gives features."""

    def __init__(self, layers: torch.nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: Tensor) -> Tensor:
        return self.layers((x - 128) / 128)
