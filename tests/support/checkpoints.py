"""Small random checkpoints in the real formats, saved by the real libraries: what loads these loads the big ones."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    BertTokenizerFast,
    BlipConfig,
    BlipForQuestionAnswering,
    BlipImageProcessor,
    BlipProcessor,
    LlamaConfig,
    LlamaForCausalLM,
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

from ablations.bench.gpu.measured import judges

WORDS = ["yes", "no", "is", "there", "a", "dog", "cat", "red", "Answer", "with", "or", "only", "?", "."]
VISION = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]


def mask2former(folder: Path) -> Path:
    torch.manual_seed(0)
    swin = SwinConfig(**judges.SMALL_SWIN, out_features=["stage1", "stage2", "stage3", "stage4"])
    config = Mask2FormerConfig(backbone_config=swin, num_labels=judges.CLASSES, **judges.SMALL_MASKS)
    Mask2FormerForUniversalSegmentation(config).save_pretrained(folder)
    return folder


def blip(folder: Path) -> Path:
    torch.manual_seed(0)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]", *WORDS]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(words))
    text = {
        "vocab_size": len(words), "hidden_size": 16, "encoder_hidden_size": 16, "intermediate_size": 16,
        "projection_dim": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 64,
        "bos_token_id": 5, "eos_token_id": 3, "pad_token_id": 0, "sep_token_id": 3,
    }  # fmt: skip
    sight = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
             "image_size": 32, "patch_size": 16}  # fmt: skip
    config = BlipConfig(text_config=text, vision_config=sight, projection_dim=16)
    BlipForQuestionAnswering(config).save_pretrained(folder)
    sees, reads = BlipImageProcessor(size={"height": 32, "width": 32}), BertTokenizerFast(str(folder / "vocab.txt"))
    BlipProcessor(sees, reads).save_pretrained(folder)
    return folder


def qwen(folder: Path) -> Path:
    torch.manual_seed(0)
    words = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *VISION, "<unk>", "user", "assistant", *WORDS]
    number = {word: k for k, word in enumerate(words)}
    inner = Tokenizer(models.WordLevel(number, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    reads = PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="<unk>", pad_token="<|endoftext|>", eos_token="<|im_end|>",
        additional_special_tokens=words[1:7],
    )  # fmt: skip
    reads.chat_template = judges.TURN
    text = {
        "vocab_size": len(words), "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 512, "bos_token_id": 0,
        "eos_token_id": number["<|im_end|>"], "pad_token_id": 0, "tie_word_embeddings": False,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
    }  # fmt: skip
    sight = {"depth": 2, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 32,
             "patch_size": 14, "window_size": 56, "fullatt_block_indexes": [1]}  # fmt: skip
    config = Qwen2_5_VLConfig(
        text_config=text, vision_config=sight, image_token_id=number["<|image_pad|>"],
        video_token_id=number["<|video_pad|>"], vision_start_token_id=number["<|vision_start|>"],
        vision_end_token_id=number["<|vision_end|>"],
    )  # fmt: skip
    Qwen2_5_VLForConditionalGeneration(config).save_pretrained(folder)
    sees = Qwen2VLImageProcessor(min_pixels=28 * 28, max_pixels=28 * 28 * 16)
    Qwen2_5_VLProcessor(sees, reads, Qwen2VLVideoProcessor()).save_pretrained(folder)
    return folder


def clip(folder: Path) -> str:
    """`MODEL:FILE` of a model that open_clip then knows."""
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 16, "head_width": 8, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    }
    (folder / "tiny-clip.json").write_text(json.dumps(config))
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    open_clip.add_model_config(folder / "tiny-clip.json")
    model = open_clip.create_model("tiny-clip")
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "tiny.safetensors")
    return f"tiny-clip:{folder / 'tiny.safetensors'}"


TURN = (
    "{% for m in messages %}<|start_header_id|>{{m['role']}}<|end_header_id|>\n\n{% if loop.first %}"
    "Today Date: {{ date_string if date_string is defined else strftime_now('%d %b %Y') }}\n\n{% endif %}"
    "{{m['content'] | trim}}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)


def llama(folder: Path, *, tied: bool = True) -> Path:
    """Of Llama 3.2's kind: byte-level tokens without one for padding, a chat template that writes the date."""
    torch.manual_seed(0)
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    special = ["<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(["Please generate an image based on the following caption: a red circle"], trainer)
    reads = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token=special[0], eos_token=special[1])
    reads.chat_template = TURN
    config = LlamaConfig(
        vocab_size=len(reads), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, bos_token_id=0, eos_token_id=1, tie_word_embeddings=tied,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    reads.save_pretrained(folder)
    return folder


def vae(folder: Path, *, channels: int = 4, shift: float | None = None) -> Path:
    """Of SDXL's kind, and with 16 channels and a shift of FLUX's; 4 pixels a latent."""
    torch.manual_seed(0)
    AutoencoderKL(
        block_out_channels=(8, 8, 8), down_block_types=("DownEncoderBlock2D",) * 3, norm_num_groups=4,
        up_block_types=("UpDecoderBlock2D",) * 3, latent_channels=channels, layers_per_block=1, sample_size=32,
        scaling_factor=0.13025, shift_factor=shift,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def unet(folder: Path) -> Path:
    """Of SDXL's kind: text and time are added, cross-attention reads vectors of the text encoders' width."""
    torch.manual_seed(0)
    UNet2DConditionModel(
        sample_size=16, in_channels=4, out_channels=4, block_out_channels=(16, 32), layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=24, attention_head_dim=(2, 4), norm_num_groups=4, use_linear_projection=True,
        addition_embed_type="text_time", addition_time_embed_dim=8, projection_class_embeddings_input_dim=20 + 6 * 8,
        transformer_layers_per_block=(1, 1),
    ).save_pretrained(folder / "unet")  # fmt: skip
    return folder


class _Layers(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(x, 8).flatten(1)[:, :48]


class _Inception(torch.nn.Module):
    """The face of the TorchScript network that clean-fid loads: `layers`, and a forward that resizes itself."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = _Layers()
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        return self.layers((x - 128) / 128) * self.scale


def inception(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "inception-2015-12-05.pt"
    torch.jit.script(_Inception()).save(str(path))
    return path
