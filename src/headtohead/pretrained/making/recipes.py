"""The pretrained models as declarations: architecture, training budget, seed, and the models each one needs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from headtohead.pretrained.making import train_clip, train_judge
from headtohead.pretrained.making.loop import Budget
from headtohead.pretrained.networks import fid_features, small_llama, vae
from headtohead.synthetic.dataset import captions_hash, pictures_hash
from headtohead.synthetic.splits import PICTURES
from headtohead.synthetic.vocabulary import PICTURE_SIDE
from headtohead.utils.files import fingerprint


@dataclass(frozen=True)
class Recipe:
    config: dict[str, Any]  # the architecture, as the library that builds it names it
    budget: Budget
    seed: int  # of the first weights and of the noise of training
    stream: int  # the seed of the pictures and captions of training
    needs: tuple[str, ...] = ()  # models that are trained before and stay frozen
    terms: dict[str, Any] | None = None  # constants of the loss
    sampling: dict[str, Any] = field(default_factory=dict)  # how the trained model is used: no reason to train it anew


VOCABULARY, CONTEXT, WIDTH = 512, 96, 192

_TEXT = {"context_length": CONTEXT, "vocab_size": VOCABULARY, "width": WIDTH, "heads": 4, "mlp_ratio": 2.0}
_TOWER = {
    "embed_dim": 128,
    "stem": [32, 64, 128],
    "vision_cfg": {
        "layers": 4,
        "width": WIDTH,
        "head_width": 48,
        "patch_size": train_clip.PATCH,
        "image_size": PICTURE_SIDE,
        "output_tokens": True,
        "pool_type": "tok",
    },
    "text_cfg": {
        **_TEXT,
        "layers": 2,
        "pool_type": "eos",  # the default pools at the largest id, which is not </s> here
        "eos_id": small_llama.EOS,
        "pad_id": small_llama.PAD,
        "output_tokens": True,
    },
    "multimodal_cfg": {**_TEXT, "layers": 1},
}
_LATENT_CHANNELS, _LATENT_SIDE = 4, PICTURE_SIDE // 8
_UNET = {
    "pictures": 40_960,
    "unet": {
        "sample_size": _LATENT_SIDE,
        "in_channels": _LATENT_CHANNELS,
        "out_channels": _LATENT_CHANNELS,
        "block_out_channels": [64, 48],
        "layers_per_block": 1,
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
        "cross_attention_dim": WIDTH,
        "attention_head_dim": 2,  # the number of heads, despite its name
        "norm_num_groups": 16,
        "class_embed_type": "projection",
        "projection_class_embeddings_input_dim": WIDTH,
        "use_linear_projection": True,
        "time_embedding_dim": 128,
    },
}
_PICTURES = {"masked": train_clip.MASKED, "told": train_clip.TARGET_SIDE, "scale": train_clip.PICTURE_SCALE}
_CAPTIONS = {
    **_PICTURES,
    "caption_weight": train_clip.CAPTION_WEIGHT,
    "picture_weight": train_clip.PICTURE_WEIGHT,
    "styles": [train_clip.SHORT, train_clip.TOLD],
    "tries": train_clip.TRIES,
    "pool": train_clip.POOL,
}
_TOLERANT = {"drop": 0.1, "noise": 0.5}  # tokens hidden, for guidance; and noise, which generated tokens have
_SAMPLING = {"steps": 4, "guidance": 1.5}  # of the solver; scale of classifier-free guidance
_DECODING = Budget(steps=3500, batch=64, lr=2e-3, warmup=200, weight_decay=0.0, ema=0.998, bf16=True)

# What is trained on captions. All others see pictures alone, so that no change of captions makes them out of date.
READERS = ("tokenizer", "language", "clip")

# The towers a representation can be: CLIP, and its two controls.
TOWERS = ("clip", "clip_blind", "clip_untrained")

RECIPES: dict[str, Recipe] = {
    "judge": Recipe(
        {"widths": [24, 48, 96]},
        Budget(steps=1200, batch=48, lr=3e-3, warmup=50, ema=0.99),
        seed=1,
        stream=13,
        terms={"mixed": train_judge.MIXED, "empty": train_judge.EMPTY},
    ),
    "tokenizer": Recipe({"vocab_size": VOCABULARY}, Budget(steps=0, batch=0, lr=0.0), seed=3, stream=3),
    "vae": Recipe(
        {
            "block_out_channels": [16, 32, 64, 64],
            "layers_per_block": 1,
            "latent_channels": _LATENT_CHANNELS,
            "norm_num_groups": 8,
        },
        Budget(steps=4000, batch=16, lr=2e-3, weight_decay=0.0, bf16=True),
        seed=1,
        stream=11,
        terms={"kl": vae.KL_WEIGHT},
    ),
    "features": Recipe(
        {"widths": [16, 32, 64, 128], "dim": 64},
        Budget(steps=700, batch=128, lr=2e-3, weight_decay=1e-4, ema=0.98),
        seed=3,
        stream=23,
        terms={
            "zoom": fid_features.ZOOM,
            "weights": [fid_features.INVARIANCE, fid_features.VARIANCE, fid_features.COVARIANCE],
        },
    ),
    "language": Recipe(
        {
            "vocab_size": VOCABULARY,
            "hidden_size": 256,
            "intermediate_size": 512,
            "num_hidden_layers": 4,
            "num_attention_heads": 8,
            "num_key_value_heads": 2,
            "max_position_embeddings": 256,
            "tie_word_embeddings": True,
        },
        Budget(steps=1500, batch=64, lr=2e-3, bf16=True),
        seed=4,
        stream=29,
        needs=("tokenizer",),
        terms={
            "examined": small_llama.EXAMINED,
            "questions": small_llama.QUESTIONS,
            "answer_weight": small_llama.ANSWER_WEIGHT,
            "styles": small_llama.STYLE_SHARES,
        },
    ),
    "clip_blind": Recipe(
        _TOWER,
        Budget(steps=500, batch=128, lr=1.5e-3, warmup=60, weight_decay=0.02, ema=0.98, bf16=True),
        seed=2,
        stream=17,
        terms=_PICTURES,
    ),
    "clip": Recipe(
        _TOWER,
        Budget(steps=1600, batch=128, lr=1e-3, weight_decay=0.02, bf16=True),
        seed=2,
        stream=19,
        needs=("tokenizer", "clip_blind"),
        terms=_CAPTIONS,
    ),
    "clip_untrained": Recipe(_TOWER, Budget(steps=0, batch=0, lr=0.0), seed=2, stream=17),
    **{
        f"decoder_{tower}": Recipe(
            _UNET, _DECODING, seed=5, stream=31, needs=("vae", tower), terms=_TOLERANT, sampling=_SAMPLING
        )
        for tower in TOWERS
    },
}


def recipe_hash(name: str) -> str:
    """Changes when the training, one that it needs, or what its model is trained on changes."""
    recipe = RECIPES[name]
    data = captions_hash() if name in READERS else pictures_hash(PICTURES)
    training = {key: value for key, value in asdict(recipe).items() if key != "sampling"}
    return fingerprint([training, [recipe_hash(need) for need in recipe.needs], data])
