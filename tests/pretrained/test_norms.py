"""The norm of the CPU is torch's and transformers' own, in value and in gradient."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from headtohead.pretrained.networks import norms


def test_values_and_gradients_are_those_of_torch() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(3, 5, 8, dtype=torch.float64), torch.rand(8, dtype=torch.float64) + 0.5
    x[0, 0] = 0.0  # a row of zeros stays one
    results = []
    for norm in (norms.rms_norm, lambda x, weight, eps: F.rms_norm(x, weight.shape, weight, eps)):
        own = [part.clone().requires_grad_() for part in (x, weight)]
        out = norm(*own, 1e-5)
        (out * torch.arange(8)).square().sum().backward()
        results.append([out, *(part.grad for part in own)])
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    assert torch.autograd.gradcheck(lambda x, w: norms.rms_norm(x, w, 1e-5), [x[1:].requires_grad_(), weight])


def test_only_what_needs_a_gradient_gets_one() -> None:
    x, weight = torch.randn(2, 8, requires_grad=True), torch.ones(8)
    norms.rms_norm(x, weight, 1e-5).sum().backward()
    assert x.grad is not None
    assert weight.grad is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_llama_with_it_gives_the_same_states_and_gradients(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4
    )
    model, ids = LlamaForCausalLM(config).to(dtype), torch.arange(12).view(2, 6)
    weight, results = torch.randn(2, 6, 32), []
    for change in (lambda model: None, norms.use_in):
        change(model)
        model.zero_grad()
        states = model.model(input_ids=ids).last_hidden_state
        (states.float() * weight).sum().backward()
        results.append((states.detach().float(), model.get_input_embeddings().weight.grad.float()))
    assert not any(type(module) is LlamaRMSNorm for module in model.modules())
    (before, slope), (after, own) = results
    assert torch.allclose(before, after, atol=1e-5 if dtype == torch.float32 else 0.03, rtol=0)
    assert F.cosine_similarity(slope.flatten(), own.flatten(), dim=0) > (0.99999 if dtype == torch.float32 else 0.999)
