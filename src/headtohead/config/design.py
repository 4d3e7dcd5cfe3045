"""A design is one declaration: four axes. The compared designs are declared here and nowhere else.

Classes that need torch are named as "module:name" and imported by `models/build.py`, which makes a design's modules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any

from headtohead.config.heads import HEADS, HeadSpec
from headtohead.config.objectives import FlowConfig, ObjectiveConfig
from headtohead.config.parsing import OneOf
from headtohead.config.registry import Registry
from headtohead.utils.cli import names
from headtohead.utils.plugins import Reference

AXIS = "design."  # what settings that change a declared design begin with


@dataclass(frozen=True)
class RepresentationSpec:
    """What a head predicts.

    source  called as source(name, foundations, codec): gives an object whose `load(device)` makes the codec
    """

    source: Reference


@dataclass(frozen=True)
class ObjectiveSpec:
    """How a network is trained and sampled.

    objective  called as objective(network, head, grid), and with its own settings as a fourth argument where it has
               some; head are those of the head. Gives an `Objective` of models/objectives/base.py
    denoises   whether the network must read noisy tokens and a time, as flow matching needs
    settings   dataclass of its own settings, derived from ObjectiveConfig
    """

    objective: Reference
    denoises: bool = False
    settings: type[ObjectiveConfig] = ObjectiveConfig

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(f.name for f in fields(self.settings))


_CLIP = RepresentationSpec("headtohead.pretrained.image_tokens:clip_tokens")

REPRESENTATIONS: Registry[RepresentationSpec] = Registry("representation", {
    "clip": _CLIP,
    "vae": RepresentationSpec("headtohead.pretrained.image_tokens:vae_tokens"),
    "clip_blind": _CLIP,  # controls: CLIP that has seen no captions, and CLIP with random weights
    "clip_untrained": _CLIP,
})  # fmt: skip
OBJECTIVES: Registry[ObjectiveSpec] = Registry("objective", {
    "mse": ObjectiveSpec("headtohead.models.objectives.regression:Regression"),
    "flow": ObjectiveSpec("headtohead.models.objectives.flow_matching:FlowMatching", True, FlowConfig),
})  # fmt: skip
BACKBONES = {"frozen": False, "trained": True}  # whether the language model learns with the head


@dataclass(frozen=True, kw_only=True)
class Design:
    representation: Annotated[str, OneOf(REPRESENTATIONS, "value of design.representation")]
    objective: Annotated[str, OneOf(OBJECTIVES, "value of design.objective")]
    backbone: Annotated[str, OneOf(BACKBONES, "value of design.backbone")]
    head: Annotated[str, OneOf(HEADS, "value of design.head")]

    def __post_init__(self) -> None:
        for axis, declared in AXES.items():
            if getattr(self, axis) not in declared:
                raise ValueError(f"design.{axis}: there is no {getattr(self, axis)!r:.60}")
        if OBJECTIVES[self.objective].denoises and not HEADS[self.head].denoises:
            able = " or ".join(f"head={name}" for name, head in HEADS.items() if head.denoises)
            raise ValueError(
                f"objective={self.objective} needs {able}: head={self.head} reads no noisy tokens and no time"
            )


AXES: dict[str, Mapping[str, Any]] = {
    "representation": REPRESENTATIONS, "objective": OBJECTIVES, "backbone": BACKBONES, "head": HEADS,
}  # fmt: skip

# Axes whose entries have settings of their own, the keys below the axis's name: head.dim.
GROUPS: dict[str, Registry[HeadSpec] | Registry[ObjectiveSpec]] = {"head": HEADS, "objective": OBJECTIVES}


def group_of(key: str) -> str:
    """The axis to whose entries a dotted key belongs, `head` for head.dim; empty for settings that every design has."""
    group = key.partition(".")[0]
    return group if group in GROUPS and "." in key else ""


def _design(representation: str, objective: str, backbone: str, head: str) -> Design:
    return Design(representation=representation, objective=objective, backbone=backbone, head=head)


PAPER = ("clip_mse", "clip_flow", "vae_flow")  # the designs that the paper compares, which come first everywhere
DESIGNS: Registry[Design] = Registry("design", {
    "clip_mse": _design("clip", "mse", "trained", "linear"),
    "clip_flow": _design("clip", "flow", "frozen", "dit"),
    "vae_flow": _design("vae", "flow", "frozen", "dit"),
    # The fourth cell, which the paper leaves out.
    "vae_mse": _design("vae", "mse", "trained", "linear"),
    # The paper changes objective, head and backbone together; these differ from clip_flow, vae_flow in objective alone.
    "clip_mse_dit": _design("clip", "mse", "frozen", "dit"),
    "vae_mse_dit": _design("vae", "mse", "frozen", "dit"),
}, pattern=r"[A-Za-z0-9_]+")  # fmt: skip


def expanded(asked: Sequence[str]) -> tuple[str, ...]:
    """Names of designs, each word one name or several (separated by commas or spaces); `all` is every declared one."""
    found = names(asked)
    return tuple(DESIGNS) if found == ["all"] else tuple(found)


def variant(design: str, changes: Mapping[str, object]) -> str:
    """The name, in folders and tables, of a design with other settings: clip_flow+design.backbone=trained."""
    return "".join([design, *(f"+{key}={value}" for key, value in changes.items())])


def cell_of(name: str) -> tuple[str, str]:
    """Split such a name into the design with its axes, and the other settings."""
    design, *parts = name.split("+")
    axes = [part for part in parts if part.startswith(AXIS)]
    return "+".join([design, *axes]), "+".join(part for part in parts if part not in axes)
