"""A package in the layout of the reference implementation, a few layers large, that checks what it is given."""

from __future__ import annotations

from pathlib import Path

FILES = {
    "blip3o_arch.py": """
IMAGE_TOKEN_IDX = 151667
SEEN = []


class Shared:
    def initialize_vision_modules(self, args):
        from blip3o.model.multimodal_encoder.eva_clip import eva_vit, factory

        assert self.dit is not None and self.noise_scheduler.config.num_train_timesteps == 1000
        self.gen_vision_tower = eva_vit.Tower(factory.CONFIGS[args.gen_vision_tower]["vision_cfg"])
        self.latent_queries = eva_vit.nn.Parameter(eva_vit.torch.randn(1, args.n_query, self.width))
        self.stride = int(args.gen_pooling.split("_")[-1])

    def get_gen_vision_tower(self):
        return self.gen_vision_tower
""",
    "nextdit_crossattn.py": """
from types import SimpleNamespace

from torch import nn


def NextDiTCrossAttnConfig(**sizes):
    return SimpleNamespace(**sizes)


class NextDiTCrossAttn(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.config = c
        self.condition, self.image = nn.Linear(c.latent_embedding_size, c.dim), nn.Conv2d(c.in_channels, c.dim, 1)
        self.out = nn.Conv2d(c.dim, c.in_channels, 1)

    def forward(self, x, timestep, z_latents):
        c = self.config
        assert x.shape[1:] == (c.in_channels, c.input_size, c.input_size) and timestep.shape == x.shape[:1]
        return self.out(self.image(x) + self.condition(z_latents).mean(1)[:, :, None, None])
""",
    "multimodal_encoder/eva_clip/factory.py": """
import json

CONFIGS = {}


def add_model_config(path):
    CONFIGS[path.stem] = json.loads(path.read_text())
""",
    "multimodal_encoder/eva_clip/eva_vit.py": """
from pathlib import Path

import torch
from einops import rearrange
from huggingface_hub import snapshot_download
from torch import nn

WEIGHTS = torch.load(Path(snapshot_download(repo_id="weights/of-a-tower")) / "pytorch_model.bin")
assert rearrange is not None
xops = None


class Tower(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.picture, self.heads = c["image_size"], c["width"] // c["head_width"]
        self.patches = nn.Conv2d(3, c["width"], c["patch_size"], c["patch_size"])
        self.requires_grad_(False)

    def forward(self, pictures):
        assert pictures.shape[1:] == (3, self.picture, self.picture)
        x = self.patches(pictures).flatten(2).transpose(1, 2)
        q = x.unflatten(-1, (self.heads, -1))
        return xops.memory_efficient_attention(q, q, q, p=0.0, scale=1.0).flatten(2)
""",
    "language_model/blip3o_llama.py": """
from types import SimpleNamespace

import torch
from torch import nn
from torch.nn import functional as F

from blip3o.model import blip3o_arch


def blip3oConfig(**sizes):
    return SimpleNamespace(**sizes)


class Inner(nn.Module, blip3o_arch.Shared):
    def __init__(self, c):
        super().__init__()
        self.width, self.dit = c.hidden_size, None
        self.words, self.layer = nn.Embedding(c.vocab_size, c.hidden_size), nn.Linear(c.hidden_size, c.hidden_size)


class blip3oLlamaForCausalLM(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.model, self.vocabulary = Inner(c), c.vocab_size

    def get_model(self):
        return self.model

    def forward(self, input_ids, labels, attention_mask, gen_image, i_s_pos):
        print("a line in every step")
        inner, queries = self.model, self.model.latent_queries.shape[1]
        last = blip3o_arch.IMAGE_TOKEN_IDX
        assert self.visual is None and last == self.vocabulary - 1
        for ids, label, mask, first in zip(input_ids, labels, attention_mask, i_s_pos):
            end = first + queries
            assert ids[first - 1] == last - 1 and (ids[first:end] == last).all() and (ids[: first - 1] < last - 1).all()
            assert mask[:end].all() and not mask[end:].any() and not ids[end:].any()
            assert (label[end:] == -100).all() and (label[:end] == ids[:end]).all()
        blip3o_arch.SEEN.append((input_ids, i_s_pos))
        x = inner.words(input_ids)
        x[input_ids == last] = inner.latent_queries.expand(len(x), -1, -1).flatten(0, 1)
        states = torch.stack([row[k : k + queries] for row, k in zip(inner.layer(x), i_s_pos)])
        tokens = inner.gen_vision_tower(gen_image)
        side = int(tokens.shape[1] ** 0.5)
        x_1 = F.avg_pool2d(tokens.transpose(1, 2).unflatten(2, (side, side)), inner.stride).detach()
        v = inner.dit(x=torch.zeros_like(x_1), timestep=torch.zeros(len(x_1), device=x_1.device), z_latents=states)
        return SimpleNamespace(loss=F.mse_loss(v.float(), x_1.float()))
""",
}
PACKAGES = ("", "model", "model/language_model", "model/multimodal_encoder", "model/multimodal_encoder/eva_clip")


def written(folder: Path, **changes: str) -> Path:
    """Write the package into a folder.

    folder   new, or empty
    changes  what replaces what in all files
    """
    for package in PACKAGES:
        (folder / "blip3o" / package).mkdir(parents=True)
        (folder / "blip3o" / package / "__init__.py").touch()
    for name, text in FILES.items():
        for old, new in changes.items():
            text = text.replace(old, new)
        (folder / "blip3o" / "model" / name).write_text(text)
    return folder
