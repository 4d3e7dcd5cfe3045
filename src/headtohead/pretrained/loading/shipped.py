"""The pretrained models that ship with the package: loaded and frozen."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import LlamaForCausalLM

from headtohead.pretrained.loading import weight_files
from headtohead.pretrained.making.recipes import RECIPES
from headtohead.pretrained.networks import clip_decoder as decoders
from headtohead.pretrained.networks import fid_features, image_encoders, small_llama
from headtohead.pretrained.networks import vae as vae_


def vae(device: str = "cpu", folder: Path = weight_files.WEIGHTS) -> vae_.Vae:
    tensors = weight_files.tensors("vae", folder)
    statistics = {k: float(tensors.pop(k)) for k in ("shift_factor", "scaling_factor")}
    model = vae_.build({**RECIPES["vae"].config, **statistics})
    model.load_state_dict(tensors)
    return vae_.Vae(model).to(device).eval().requires_grad_(False)


def tower(name: str, device: str = "cpu", folder: Path = weight_files.WEIGHTS) -> image_encoders.ClipTower:
    """`clip` or one of its controls; parameters that a control's file lacks have their initial values."""
    recipe, tensors = RECIPES[name], weight_files.tensors(name, folder)
    state = torch.random.get_rng_state()
    torch.manual_seed(recipe.seed)
    out = image_encoders.ClipTower(image_encoders.build(recipe.config))
    torch.random.set_rng_state(state)
    tensors = {k: v for k, v in tensors.items() if not k.startswith("tell.")}
    out.load_state_dict(tensors, strict=False)
    return out.to(device).eval().requires_grad_(False)


def clip_decoder(tower_name: str, device: str = "cpu", folder: Path = weight_files.WEIGHTS) -> decoders.ClipDecoder:
    recipe = RECIPES[f"decoder_{tower_name}"]
    unet = decoders.build(recipe.config["unet"])
    weight_files.load_into(unet, f"decoder_{tower_name}", folder)
    return decoders.ClipDecoder(unet.to(device), vae(device, folder), **recipe.sampling)


def feature_net(device: str = "cpu", folder: Path = weight_files.WEIGHTS) -> fid_features.FeatureNet:
    net = fid_features.build(RECIPES["features"].config)
    weight_files.load_into(net, "features", folder)
    return net.to(device)


def language_model(device: str = "cpu", folder: Path = weight_files.WEIGHTS) -> LlamaForCausalLM:
    model = small_llama.build(RECIPES["language"].config)
    model.load_state_dict(weight_files.tensors("language", folder), strict=False)
    model.tie_weights()
    return model.to(device).eval().requires_grad_(False)


def training_flops(name: str) -> float:
    """FLOPs of the training of a model and of those that it needs."""
    needed, todo = set[str](), [name]
    while todo:
        needed.add(one := todo.pop())
        todo += RECIPES[one].needs
    return sum(float(weight_files.card(one)["flops"]) for one in needed)
