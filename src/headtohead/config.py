"""A run's configuration: typed, strict, hashed. A scale is a preset of it and nothing else.

Every size and every setting of a run stands here once; builders receive the part they need.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, TypeVar

from headtohead.design import DESIGNS, Design

T = TypeVar("T")


# Whole numbers begin at 1 unless named here; numbers begin at 0, and shares end at 1.
MAY_BE_ZERO = {"seed", "train.warmup", "evaluation.final_geneval", "evaluation.final_dpg"}
SHARES = {"train.lr_end", "train.beta2", "train.ema", "head.drop_condition", "data.dense"}
MOST = 2**31 - 1


class ConfigError(ValueError):
    """Names the place (file and key), what is wrong, and what would be right."""


@dataclass(frozen=True, kw_only=True)
class QueryConfig:
    number: int  # learnable queries; a linear head needs as many as there are image tokens and takes those
    template: str = "{caption}"
    std: float = 0.02  # of the queries' first values
    groups: int = 2  # in which a batch passes the language model, short prompts and long ones apart

    def __post_init__(self) -> None:
        if "{caption}" not in self.template:
            raise ValueError(f"query.template has no {{caption}}: {self.template!r}")


@dataclass(frozen=True, kw_only=True)
class CodecConfig:
    patch: int = 2  # VAE latents are gathered patch x patch into an image token; CLIP's tokens stay as they are


@dataclass(frozen=True, kw_only=True)
class DitConfig:
    dim: int
    layers: int
    heads: int
    kv_heads: int
    multiple_of: int = 256  # the SwiGLU's width is 8/3 of dim, rounded up to this
    modulation: int = 1024  # at most; the width of time and pooled condition
    drop_condition: float = 0.1  # how often training hides the condition, for guidance

    def __post_init__(self) -> None:
        if self.dim % self.heads or self.heads % self.kv_heads:
            raise ValueError(
                f"head.dim={self.dim} must be divisible by head.heads={self.heads}, "
                f"and that by head.kv_heads={self.kv_heads}"
            )

    @property
    def hidden(self) -> int:
        return -(-int(8 * self.dim / 3) // self.multiple_of) * self.multiple_of

    @property
    def modulation_dim(self) -> int:
        return min(self.dim, self.modulation)


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How samples are drawn. Deterministic heads have nothing to choose and ignore it."""

    steps: int = 30
    guidance: float = 3.0
    solver: Literal["euler", "heun"] = "euler"


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    steps: int
    batch: int
    lr: float = 1e-4
    lr_end: float = 0.1  # the cosine's end, as a share of lr
    warmup: int = 100
    weight_decay: float = 0.0
    beta2: float = 0.95
    clip: float = 1.0
    ema: float = 0.999


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    every: int  # steps between two points of the curves
    geneval: int  # pictures of a point that answer GenEval's prompts
    dpg: int  # and DPG-Bench's
    final_geneval: int = 0  # of the last point; 0 = every prompt
    final_dpg: int = 0
    diverse: int = 24  # prompts of which several pictures are drawn, for diversity
    held_out: int = 256  # pictures on which the loss is measured
    batch: int = 128
    keep: Literal["last", "all"] = "last"  # whose weights are kept, to be scored again
    split: Literal["dev", "test"] = "test"


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    pictures: int  # whose encodings are computed once and kept
    dense: float = 0.5  # share of dense captions; the others are short


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    scale: str
    design: Design
    query: QueryConfig
    head: DitConfig
    train: TrainConfig
    evaluation: EvalConfig
    data: DataConfig
    codec: CodecConfig = field(default_factory=CodecConfig)
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0

    def plain(self) -> dict[str, Any]:
        """As JSON and YAML hold it."""
        out: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return out

    @property
    def hash(self) -> str:
        return hashlib.sha256(json.dumps(self.plain(), sort_keys=True).encode()).hexdigest()[:16]


_PAPER_PROMPT = "Please generate an image based on the following caption: {caption}"

# What each scale says; a run adds its design, its seed and its overrides.
PRESETS: dict[str, dict[str, Any]] = {
    "micro": {
        "query": {"number": 16, "groups": 4},
        "head": {"dim": 256, "layers": 4, "heads": 8, "kv_heads": 2, "multiple_of": 64},
        "train": {"steps": 1600, "batch": 64, "lr": 4e-3, "warmup": 100},
        "evaluation": {"every": 200, "geneval": 120, "dpg": 120},
        "data": {"pictures": 20_480, "dense": 0.75},
        "sampling": {"steps": 20, "guidance": 2.0},
    },
    "single": {
        "query": {"number": 64, "template": _PAPER_PROMPT},
        "head": {"dim": 896, "layers": 12, "heads": 14, "kv_heads": 7},
        "train": {"steps": 64_000, "batch": 128, "warmup": 500},
        "evaluation": {"every": 3200, "geneval": 553, "dpg": 447},
        "data": {"pictures": 2_000_000, "dense": 0.9},
    },
    "paper": {
        "query": {"number": 64, "template": _PAPER_PROMPT},
        "head": {"dim": 1792, "layers": 24, "heads": 28, "kv_heads": 28},
        "train": {"steps": 150_000, "batch": 512, "warmup": 450},
        "evaluation": {"every": 3200, "geneval": 553, "dpg": 447},
        "data": {"pictures": 25_000_000, "dense": 0.9},
    },
}

# What one grid of learning rates for all designs found best, by scale and design: results/rates/chosen.json.
CHOSEN: dict[str, dict[str, dict[str, Any]]] = {
    "micro": {
        "clip_mse": {"train.lr": 0.004},
        "clip_flow": {"train.lr": 0.016},
        "vae_flow": {"train.lr": 0.002},
        "vae_mse": {"train.lr": 0.004},
        "clip_mse_dit": {"train.lr": 0.004},
        "vae_mse_dit": {"train.lr": 0.002},
    }
}


def configure(
    design: str, scale: str = "micro", seed: int = 0, overrides: Mapping[str, Any] | None = None, where: str = ""
) -> RunConfig:
    """The configuration of one run; overrides are `{"head.dim": 256}`, typed or as text from the command line."""
    given = PRESETS[known(scale, PRESETS, "scale", where)]
    axes = dataclasses.asdict(DESIGNS[known(design, DESIGNS, "design", where)])
    plain = json.loads(json.dumps({**given, "design": axes, "scale": scale, "seed": seed}))
    chosen = CHOSEN.get(scale, {}).get(design, {})
    for key, value in {**chosen, **(overrides or {})}.items():
        if key in ("seed", "scale", "design"):
            raise ConfigError(f"{_at(where)}{key}: is no setting; it has an option of its own")
        *parents, last = key.split(".")
        node = plain
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise ConfigError(f"{_at(where)}{key}: {parent} holds no settings of its own")
        node[last] = value
    return build(RunConfig, plain, where)


def build(cls: type[T], given: Any, where: str = "", key: str = "") -> T:
    """A dataclass from plain data: unknown and missing keys, wrong types and impossible values are one clear line."""
    if not isinstance(given, Mapping):
        raise ConfigError(f"{_at(where)}{key or 'the top level'}: expected settings, got {given!r:.80}")
    hints = typing.get_type_hints(cls)
    prefix = f"{key}." if key else ""
    for name in given:
        known(str(name), hints, "key", where, prefix)
    values = {name: _value(hints[name], value, where, prefix + name) for name, value in given.items()}
    missing = [
        f.name
        for f in dataclasses.fields(cls)  # type: ignore[arg-type]
        if f.name not in values and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{_at(where)}{prefix}{missing[0]}: missing")
    try:
        return cls(**values)
    except ValueError as error:
        raise ConfigError(f"{_at(where)}{error}") from None


def known(name: str, names: Mapping[str, Any], what: str, where: str = "", prefix: str = "") -> str:
    """The name, if it is one of these; else an error with the nearest."""
    if name in names:
        return name
    near = difflib.get_close_matches(name, list(names), 1)
    hint = f"did you mean {prefix}{near[0]}?" if near else f"there are {', '.join(names)}"
    raise ConfigError(f"{_at(where)}unknown {what} {prefix}{name[:80] or '(empty)'}; {hint}")


def _at(where: str) -> str:
    return f"{where}: " if where else ""


def _value(hint: Any, given: Any, where: str, key: str) -> Any:
    """One value of the hinted type; text is read as the command line means it."""
    wrong = ConfigError(f"{_at(where)}{key}: expected {_type_name(hint)}, got {given!r:.80}")
    if dataclasses.is_dataclass(hint):
        return build(typing.cast(type[Any], hint), given, where, key)
    if typing.get_origin(hint) is Literal or (isinstance(hint, type) and issubclass(hint, StrEnum)):
        options = {str(o): o for o in (typing.get_args(hint) or list(hint))}
        if not isinstance(given, str):
            raise wrong
        return options[known(given, options, f"value of {key}", where)]
    if typing.get_origin(hint) is tuple:  # of one type, one or several
        several = [given] if isinstance(given, str) else given
        if not isinstance(several, Sequence) or not several:
            raise wrong
        return tuple(_value(typing.get_args(hint)[0], one, where, key) for one in several)
    if typing.get_origin(hint) is dict:
        if not isinstance(given, Mapping) or not given:
            raise wrong
        return {str(name): _value(typing.get_args(hint)[1], one, where, f"{key}.{name}") for name, one in given.items()}
    if hint is str:
        if not isinstance(given, str):
            raise wrong
        return given
    if isinstance(given, bool) or not isinstance(given, (int, float, str)):
        raise wrong
    try:
        number = hint(given)
    except ValueError:
        raise wrong from None
    if hint is int and isinstance(given, float):
        raise wrong
    least, most = 0 if hint is float or key in MAY_BE_ZERO else 1, 1 if key in SHARES else MOST
    if not least <= number <= most:  # NaN is neither
        raise ConfigError(f"{_at(where)}{key}: expected {_type_name(hint)} from {least} to {most}, got {given!r:.80}")
    return number


def _type_name(hint: Any) -> str:
    several = {tuple: "text or a list of it", dict: "settings by name"}.get(typing.get_origin(hint))
    if several:
        return several
    if isinstance(hint, (type, types.GenericAlias)) and not dataclasses.is_dataclass(hint):
        return {"int": "a whole number", "float": "a number", "str": "text"}.get(hint.__name__, hint.__name__)
    return "one of " + ", ".join(map(str, typing.get_args(hint))) if typing.get_args(hint) else "settings"
