"""The query encoder: prompt and learnable queries through the language model, [C; Q]; what comes out at Q conditions.

A causal prompt does not see the queries behind it. With a frozen backbone its keys and values are therefore computed
once, without gradient, and only the query positions with it: the same numbers for a fraction of the work. The prompt's
pass ends at the last layer's keys and values, as nothing reads what the prompt's positions would become behind them.

Prompts of like length pass the model together, so that little padding is computed. Behind a frozen backbone's prompts,
the queries of the whole batch pass it at once: padding among the keys costs them next to nothing. The keys and values
of captions that training repeats can also be kept, and are then read instead of computed.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.nn import functional as F
from transformers import DynamicCache, LlamaForCausalLM

from headtohead.config.run_config import QueryConfig
from headtohead.models import kept_prompts
from headtohead.models.kept_prompts import KeptPrompts, KeysValues
from headtohead.pretrained.language_model import Encode
from headtohead.utils.compute import autocast
from headtohead.utils.tensor_shapes import Condition


class _Complete(Exception):
    """The keys and values of all layers are there."""


class _Prompt(DynamicCache):  # type: ignore[misc]
    """Keys and values of a prompt; ends the pass that computes them as soon as the last layer's are there."""

    def __init__(self, config: Any, whole: bool) -> None:
        super().__init__(config=config)
        self.last = None if whole else config.num_hidden_layers - 1

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **more: Any) -> Any:
        out = super().update(key_states, value_states, layer_idx, *args, **more)
        if layer_idx == self.last:
            self.last = None
            raise _Complete
        return out


class QueryEncoder(nn.Module):
    def __init__(
        self,
        model: LlamaForCausalLM,
        encode: Encode,
        config: QueryConfig,
        trained: bool,
        frozen_in: torch.dtype | None = None,
    ) -> None:
        """
        model      the language model
        encode     its tokenisation
        config     of the queries and prompts
        trained    whether the model learns with the head
        frozen_in  type in which the weights of one that does not are kept; None: their own
        """
        super().__init__()
        self.model, self.encode, self.template, self.trained = model, encode, config.template, trained
        self.groups = config.groups
        self.kept: KeptPrompts | None = None
        model.requires_grad_(trained)
        if frozen_in and not trained:
            for p in model.parameters():  # not its buffers: the angles of its positions need single precision
                p.data = p.data.to(frozen_in)
        if not model.config.tie_word_embeddings:  # queries end in states, not in words: nothing would train these
            model.get_output_embeddings().requires_grad_(False)
        self.queries = nn.Parameter(config.std * torch.randn(config.number, model.config.hidden_size))

    @property
    def width(self) -> int:
        return int(self.model.config.hidden_size)

    @property
    def identity(self) -> str:
        """Hash of the language model's weights."""
        hashed = hashlib.sha256()
        for p in self.model.parameters():
            hashed.update(p.detach().cpu().contiguous().view(torch.uint8).numpy().data)
        return hashed.hexdigest()

    def train(self, mode: bool = True) -> QueryEncoder:
        super().train(mode)
        self.model.train(mode and self.trained)
        return self

    def forward(self, captions: list[str]) -> Condition:
        if self.kept and (found := self.kept.read(captions)):
            layers, mask = found
            device = self.queries.device
            return Condition(self._queries_alone([(k.to(device), v.to(device)) for k, v in layers], mask.to(device)))
        ids, mask = self.tokens(captions)
        ids, mask = ids.to(self.queries.device), mask.to(self.queries.device)
        length = mask.sum(1)
        order = length.argsort(stable=True)
        groups = [
            (ids[rows, :longest], mask[rows, :longest])
            for rows in order.chunk(min(self.groups, len(order)))
            for longest in [length[rows].max()]
        ]
        states = self.read(groups)
        return Condition(states[order.argsort()])

    def keep(self, captions: Sequence[str], path: Path, precision: str) -> bool:
        """Compute what a frozen model makes of captions into a file, which `kept` then reads; as `kept_prompts.write`.

        precision  of the run that reads it
        """
        with autocast(precision, self.queries.device):
            return kept_prompts.write(path, captions, self.tokens, self.prompt)

    def tokens(self, captions: list[str]) -> tuple[Tensor, Tensor]:
        """Ids and mask (B, L) of captions as prompts."""
        return self.encode([self.template.format(caption=c) for c in captions])

    def read(self, groups: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """(B, Q, W) of the prompts of all groups, ids and mask of (B, L) each."""
        if self.trained:
            return torch.cat([self._whole(ids, mask) for ids, mask in groups])
        prompts = [self.prompt(*group) for group in groups]
        layers = [
            (_together([k for k, _ in layer], 2), _together([v for _, v in layer], 2))
            for layer in zip(*prompts, strict=True)
        ]
        return self._queries_alone(layers, _together([mask for _, mask in groups], 1))

    def _behind(self, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, Q, W), the mask of [C; Q], and the queries' positions, counted from each prompt's own end."""
        batch, number = len(mask), len(self.queries)
        queries = self.queries.to(self.model.dtype).expand(batch, -1, -1)
        both = torch.cat([mask, mask.new_ones(batch, number)], 1)
        return queries, both, mask.sum(1, keepdim=True) + torch.arange(number, device=mask.device)

    def _whole(self, ids: Tensor, mask: Tensor) -> Tensor:
        """[C; Q] in one pass, everything with gradient."""
        queries, both, positions = self._behind(mask)
        prompt = self.model.get_input_embeddings()(ids)
        before = torch.arange(ids.shape[1], device=ids.device).expand(len(ids), -1)
        out = self.model.model(
            inputs_embeds=torch.cat([prompt, queries], 1),
            attention_mask=both,
            position_ids=torch.cat([before, positions], 1),
            use_cache=False,
        )
        states: Tensor = out.last_hidden_state[:, ids.shape[1] :]
        return states

    @torch.no_grad()
    def prompt(self, ids: Tensor, mask: Tensor) -> list[KeysValues]:
        """Keys and values of C (B, L) in every layer."""
        ids, mask = ids.to(self.queries.device), mask.to(self.queries.device)
        sharded = any(isinstance(part, FSDPModule) for part in self.model.modules())  # its layers have to end
        cache = _Prompt(self.model.config, whole=sharded)
        with contextlib.suppress(_Complete):
            self.model.model(input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True)
        return [(layer.keys, layer.values) for layer in cache.layers]

    def _queries_alone(self, prompts: list[KeysValues], mask: Tensor) -> Tensor:
        """Q behind prompts (B, L), of which the keys and values are there."""
        queries, both, positions = self._behind(mask)
        cache = DynamicCache(prompts, config=self.model.config)
        out = self.model.model(
            inputs_embeds=queries, attention_mask=both, position_ids=positions, past_key_values=cache, use_cache=True
        )
        states: Tensor = out.last_hidden_state.to(self.queries.dtype)
        return states


def _together(parts: Sequence[Tensor], along: int) -> Tensor:
    """The rows of all parts, padded with zeros to the longest part along one dimension."""
    longest = max(part.shape[along] for part in parts)
    inner = (0, 0) * (parts[0].dim() - 1 - along)
    return torch.cat([F.pad(part, (*inner, 0, longest - part.shape[along])) for part in parts])
