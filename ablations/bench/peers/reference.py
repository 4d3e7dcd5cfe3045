"""The reference implementation's training step: its query encoder, its Lumina-style head, its image tower."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from diffusers.schedulers import FlowMatchEulerDiscreteScheduler
from torch import nn

from ablations.bench.peers.checkout import Modules, PeerError
from ablations.bench.peers.own import QUERIES, Own, Vision, count
from headtohead.config.heads import DitConfig
from headtohead.data.synthetic_batches import StepBatch
from headtohead.utils.compute import computed_in

TOWER = "eva-of-this-benchmark"  # its builder tells kinds of towers apart by their names
FEED_FORWARD = 2 / 3  # of 4 x the width, as in every SwiGLU; today's diffusers leaves it to the caller
LR, CLIP = 1e-4, 1.0  # learning_rate and gradient_clipping of its scripts
NEW = 2  # rows of the vocabulary behind the language model's: start of an image, and a learnable query
LANGUAGE = (
    "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim",
    "max_position_embeddings", "tie_word_embeddings",
)  # fmt: skip


class Reference:
    """Its model with the sizes of `own`, on random weights."""

    def __init__(self, modules: Modules, own: Own, device: str, live: bool) -> None:
        """
        modules  of the reference
        own      whose sizes it gets
        device   cpu or cuda
        live     whether pictures are encoded in the step
        """
        self.own, self.device = own, device
        self.words = int(own.parts.generator.queries.model.config.vocab_size)
        modules.shared.IMAGE_TOKEN_IDX = self.words + 1
        torch.manual_seed(0)
        self.model = self._built(modules)
        self.inner = self.model.get_model()
        self.tower = self.inner.get_gen_vision_tower()
        self.parameters = {
            "trained": sum(p.numel() for p in self.model.parameters() if p.requires_grad),
            "head": count(self.inner.dit),
            "queries": self.inner.latent_queries.numel(),
            "language model": count(self.model) - count(self.inner.dit) - count(self.tower)
            - self.inner.latent_queries.numel(),
            "image tower": count(self.tower),
        }  # fmt: skip
        if not live:
            self.inner.gen_vision_tower = nn.Identity()

    def _built(self, modules: Modules) -> Any:
        own, language = self.own, self.own.parts.generator.queries.model.config
        grid, vision = own.parts.codec.grid, own.vision
        sizes = {key: getattr(language, key) for key in LANGUAGE}
        with torch.device(self.device):
            model = modules.llama.blip3oLlamaForCausalLM(
                modules.llama.blip3oConfig(vocab_size=self.words + NEW, use_cache=False, **sizes)
            )
            model.requires_grad_(False)
            model.visual = None
            inner, head = model.get_model(), own.config.head
            assert isinstance(head, DitConfig)
            inner.dit = modules.head.NextDiTCrossAttn(
                modules.head.NextDiTCrossAttnConfig(
                    input_size=grid.rows, in_channels=grid.channels, dim=head.dim, n_layers=head.layers,
                    n_heads=head.heads, n_kv_heads=head.kv_heads, multiple_of=head.multiple_of,
                    ffn_dim_multiplier=FEED_FORWARD, latent_embedding_size=language.hidden_size,
                    _gradient_checkpointing=own.config.compute.checkpointing,
                )
            )  # fmt: skip
            inner.noise_scheduler = FlowMatchEulerDiscreteScheduler()
            _name_tower(modules, vision)
            stride = vision.picture // vision.patch // grid.rows
            inner.initialize_vision_modules(
                SimpleNamespace(
                    gen_vision_tower=TOWER, vision_tower_pretrained=None, mm_vision_select_layer=-2,
                    mm_vision_select_feature="patch", mm_patch_merge_type="flat", pretrain_mm_mlp_adapter=None,
                    pretrain_gen_mlp_adapter=None, n_query=QUERIES, gen_pooling=f"early_pool2d_{stride}",
                )
            )  # fmt: skip
        precision = computed_in(own.config.compute.precision, self.device)  # as ours computes on this device
        model.to(self.device, torch.bfloat16 if precision == "bf16" else torch.float32)
        return model.train()

    def inputs(self, batch: StepBatch) -> dict[str, Any]:
        """What its data loader gives: prompt, start of an image, a place for each query; padded on the right.

        Pictures and prompts are those of `own`; with cached features, image tokens are in the pictures' place.
        """
        queries = self.own.parts.generator.queries
        ids, mask = queries.encode([queries.template.format(caption=c) for c in batch.captions])
        length = mask.sum(1)
        image = torch.tensor([self.words] + [self.words + 1] * QUERIES)
        rows = [torch.cat([row[:n], image]) for row, n in zip(ids, length, strict=True)]
        padded = nn.utils.rnn.pad_sequence(rows, batch_first=True).to(self.device)
        there = torch.arange(padded.shape[1], device=self.device) < (length + len(image)).to(self.device)[:, None]
        return {
            "input_ids": padded,
            "labels": padded.masked_fill(~there, -100),
            "attention_mask": there,
            "gen_image": batch.x_1.to(self.inner.latent_queries.dtype),
            "i_s_pos": (length + 1).tolist(),
        }

    def stepper(self) -> Callable[[dict[str, Any]], None]:
        """An optimizer step on such inputs."""
        optimize = optimizing([p for p in self.model.parameters() if p.requires_grad])

        def step(inputs: dict[str, Any]) -> None:
            self.model(**inputs).loss.backward()
            optimize()

        return step

    def check(self, batch: StepBatch) -> None:
        """Refuse a model whose loss is not finite or whose gradient does not reach all that is trained."""
        loss = self.model(**self.inputs(batch)).loss
        loss.backward()
        missing = [name for name, p in self.model.named_parameters() if p.requires_grad and p.grad is None]
        if missing or not torch.isfinite(loss):
            what = f"no gradient reaches {missing[0]}" if missing else f"its loss is {float(loss)}"
            raise PeerError(f"the reference implementation does not train: {what}")
        self.model.zero_grad()


def optimizing(trained: list[nn.Parameter]) -> Callable[[], None]:
    """A function that clips the gradients and takes an AdamW step; weights in bf16 are copies of ones in float32."""
    single = [p if p.dtype == torch.float32 else nn.Parameter(p.detach().float()) for p in trained]
    copied = [(own, p) for own, p in zip(single, trained, strict=True) if own is not p]
    optimizer = torch.optim.AdamW(single, LR, weight_decay=0.0)

    def step() -> None:
        for own, p in copied:
            own.grad, p.grad = p.grad.float() if p.grad is not None else None, None
        nn.utils.clip_grad_norm_(single, CLIP)
        optimizer.step()
        if copied:
            torch._foreach_copy_([p.data for _, p in copied], [own.data for own, _ in copied])
        optimizer.zero_grad()

    return step


def _name_tower(modules: Modules, vision: Vision) -> None:
    """Add the sizes of our image tower to the configs that its builder knows."""
    sizes = {
        "image_size": vision.picture, "patch_size": vision.patch, "width": vision.width, "layers": vision.layers,
        "head_width": vision.head_width, "mlp_ratio": vision.mlp_ratio,
        "eva_model_name": TOWER, "qkv_bias": True, "drop_path_rate": 0, "xattn": True,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{TOWER}.json"
        path.write_text(json.dumps({"embed_dim": 1, "vision_cfg": sizes, "text_cfg": {}}))
        modules.towers.add_model_config(path)
