"""A design is one declaration: four axes. What the study compares is written here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from headtohead.utils.cli import names

AXIS = "design."  # what settings that change a declared design begin with


class Representation(StrEnum):
    """What a head predicts. The last two are CLIP's controls."""

    CLIP = "clip"
    VAE = "vae"
    CLIP_BLIND = "clip_blind"
    CLIP_UNTRAINED = "clip_untrained"


class Objective(StrEnum):
    MSE = "mse"
    FLOW = "flow"


class Backbone(StrEnum):
    """Whether the language model learns with the head or stays as it was."""

    FROZEN = "frozen"
    TRAINED = "trained"


class Head(StrEnum):
    LINEAR = "linear"
    DIT = "dit"


@dataclass(frozen=True, kw_only=True)
class Design:
    representation: Representation
    objective: Objective
    backbone: Backbone
    head: Head

    def __post_init__(self) -> None:
        if self.objective is Objective.FLOW and self.head is Head.LINEAR:
            raise ValueError("objective=flow needs head=dit: a linear projection cannot be a velocity field")


def _design(representation: str, objective: str, backbone: str, head: str) -> Design:
    return Design(
        representation=Representation(representation),
        objective=Objective(objective),
        backbone=Backbone(backbone),
        head=Head(head),
    )


DESIGNS: dict[str, Design] = {
    # The paper's three.
    "clip_mse": _design("clip", "mse", "trained", "linear"),
    "clip_flow": _design("clip", "flow", "frozen", "dit"),
    "vae_flow": _design("vae", "flow", "frozen", "dit"),
    # The fourth cell, which the paper leaves out.
    "vae_mse": _design("vae", "mse", "trained", "linear"),
    # The paper changes objective, head and backbone together; these differ from clip_flow, vae_flow in objective alone.
    "clip_mse_dit": _design("clip", "mse", "frozen", "dit"),
    "vae_mse_dit": _design("vae", "mse", "frozen", "dit"),
}


def expanded(asked: Sequence[str]) -> tuple[str, ...]:
    """Names of designs, each word one name or several (separated by commas or spaces); `all` is every declared one."""
    found = names(asked)
    return tuple(DESIGNS) if found == ["all"] else tuple(found)


def variant(design: str, changes: Mapping[str, object]) -> str:
    """What a design with other settings is called, in folders and in tables: clip_flow+design.backbone=trained."""
    return "".join([design, *(f"+{key}={value}" for key, value in changes.items())])


def cell_of(name: str) -> tuple[str, str]:
    """Such a name as the design with its axes, and the settings besides."""
    design, *parts = name.split("+")
    axes = [part for part in parts if part.startswith(AXIS)]
    return "+".join([design, *axes]), "+".join(part for part in parts if part not in axes)
