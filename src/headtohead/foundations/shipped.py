"""The foundations as they ship: loaded, frozen and ready."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import LlamaForCausalLM

from headtohead import store
from headtohead.foundations import clip, decoder, features, language
from headtohead.foundations import vae as vae_
from headtohead.foundations.recipes import RECIPES


def vae(device: str = "cpu", folder: Path = store.WEIGHTS) -> vae_.Vae:
    tensors = store.tensors("vae", folder)
    statistics = {k: float(tensors.pop(k)) for k in ("shift_factor", "scaling_factor")}
    model = vae_.build({**RECIPES["vae"].config, **statistics})
    model.load_state_dict(tensors)
    return vae_.Vae(model).to(device).eval().requires_grad_(False)


def tower(name: str, device: str = "cpu", folder: Path = store.WEIGHTS) -> clip.ClipTower:
    """`clip` or one of its controls; what a control's file leaves out is as it was born, from its seed."""
    recipe, tensors = RECIPES[name], store.tensors(name, folder)
    state = torch.random.get_rng_state()
    torch.manual_seed(recipe.seed)
    out = clip.ClipTower(clip.build(recipe.config))
    torch.random.set_rng_state(state)
    tensors = {k: v for k, v in tensors.items() if not k.startswith("tell.")}
    out.load_state_dict(tensors, strict=False)
    return out.to(device).eval().requires_grad_(False)


def clip_decoder(tower_name: str, device: str = "cpu", folder: Path = store.WEIGHTS) -> decoder.ClipDecoder:
    recipe = RECIPES[f"decoder_{tower_name}"]
    unet = decoder.build(recipe.config["unet"])
    store.load_into(unet, f"decoder_{tower_name}", folder)
    learnt = decoder.Learnt(recipe.budget.steps * recipe.budget.batch, recipe.config["pictures"])
    return decoder.ClipDecoder(unet.to(device), vae(device, folder), recipe.config["steps"], learnt=learnt)


def feature_net(device: str = "cpu", folder: Path = store.WEIGHTS) -> features.FeatureNet:
    net = features.build(RECIPES["features"].config)
    store.load_into(net, "features", folder)
    return net.to(device)


def language_model(device: str = "cpu", folder: Path = store.WEIGHTS) -> LlamaForCausalLM:
    model = language.build(RECIPES["language"].config)
    model.load_state_dict(store.tensors("language", folder), strict=False)
    model.tie_weights()
    return model.to(device).eval().requires_grad_(False)
