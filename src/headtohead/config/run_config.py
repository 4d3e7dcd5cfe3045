"""A run's configuration: typed, strictly parsed, hashed. Every setting of a run is here; a head's are in `heads`.

Whole numbers begin at 1 unless they say otherwise, other numbers at 0.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from headtohead.config.design import GROUPS, OBJECTIVES, REPRESENTATIONS, Design
from headtohead.config.heads import HEADS, DitConfig, HeadConfig
from headtohead.config.objectives import ObjectiveConfig
from headtohead.config.parsing import Share, Zero, build, completed
from headtohead.config.published_models import ANSWERER, COLOURS, DETECTOR
from headtohead.utils import plugins

SHIPPED = "shipped"  # with the package, made by `make foundations`


@dataclass(frozen=True, kw_only=True)
class FoundationsConfig:
    """The pretrained models that every design uses, by name or folder; `shipped` is the package's own."""

    language: str = SHIPPED  # a transformers language model
    clip: str = SHIPPED  # open_clip's MODEL:PRETRAINED, or MODEL:FILE
    vae: str = SHIPPED  # a diffusers AutoencoderKL, with :SUBFOLDER where it lies in one
    decoder: str = SHIPPED  # CLIP tokens to pictures: a folder that `make decoder` wrote
    picture: int = 64  # side of the pictures that every design gives back
    clip_picture: Zero = 0  # side of what the tower sees; 0 is the side it was made for
    clip_side: int = 8  # the tower's tokens are averaged down to clip_side x clip_side


@dataclass(frozen=True, kw_only=True)
class QueryConfig:
    number: int  # learnable queries; a linear head needs as many as there are image tokens and takes those
    template: str = "{caption}"
    system: str = ""  # what a chat template says before the user
    longest: int = 448  # tokens of a prompt; longer captions lose their end
    std: float = 0.02  # of the queries' first values
    groups: int = 2  # in which a batch passes the language model, short prompts and long ones apart

    def __post_init__(self) -> None:
        if "{caption}" not in self.template:
            raise ValueError(f"query.template has no {{caption}}: {self.template!r}")


@dataclass(frozen=True, kw_only=True)
class CodecConfig:
    patch: int = 2  # VAE latents are gathered patch x patch into an image token; CLIP's tokens stay as they are
    # By mean and deviation of each channel, or of each position and channel, over training pictures; `model`: as the
    # pretrained model has it, which is by channel for CLIP and by one scale for a VAE.
    standardise: Literal["model", "channel", "position"] = "model"


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How samples are drawn. Deterministic objectives ignore it."""

    steps: int = 30
    guidance: float = 3.0
    guidance_from: Share = 0.0  # times t within which guidance acts: near noise it drives samples off the data
    guidance_until: Share = 1.0
    solver: Literal["euler", "heun"] = "euler"


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    steps: int
    batch: int
    optimizer: Literal["adamw", "muon"] = "adamw"  # muon: of the matrices of layers; AdamW's rates serve it
    lr: float = 1e-4
    lr_language: float = 0.0  # of a language model that learns along; 0: lr. What it knows already wants a lower one
    lr_end: Share = 0.1  # the cosine's end, as a share of each rate
    warmup: Zero = 100
    weight_decay: float = 0.0
    beta2: Share = 0.95
    clip: float = 1.0
    ema: Share = 0.999


@dataclass(frozen=True, kw_only=True)
class ComputeConfig:
    """Performance settings; they do not change what is computed. The number of devices is not a setting of a run."""

    precision: Literal["float32", "bf16"] = "float32"  # of the products; bf16 where the device is fast in it
    micro_batch: Zero = 0  # pictures a device takes at once, until its share of a batch is done; 0 = all of them
    checkpointing: bool = False  # the head's activations are computed again for the backward pass
    compile: bool = False  # the head's blocks, each by itself; not in runs too short to gain from it
    strategy: Literal["ddp", "fsdp"] = "ddp"


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    every: int  # steps between two points of the curves
    geneval: Zero  # prompts of GenEval at a point; 0 = every prompt, here and below
    dpg: Zero  # prompts of DPG-Bench at a point
    final_geneval: Zero = 0  # at the last point
    final_dpg: Zero = 0
    fid: Zero = 1  # pictures for FID, where it has prompts of its own; the embedded world's has none
    final_fid: Zero = 0
    diverse: int = 24  # prompts of which several pictures are drawn, for diversity
    held_out: int = 256  # pictures on which the loss is measured
    batch: int = 128
    keep: Literal["last", "all"] = "last"  # points whose weights are kept, to be scored again
    split: Literal["dev", "test"] = "test"
    apart: bool = False  # a point only keeps the weights; `make points` measures them, as jobs of their own


@dataclass(frozen=True, kw_only=True)
class ExamConfig:
    """What a point is measured by.

    world     the embedded dataset's prompts and judge
    official  the published benchmarks, by files and judges that a user names
    own       prompts of a user, with FID against reference pictures; the held-out loss is measured in any case
    """

    source: Literal["world", "official", "own"] = "world"
    geneval: str = ""  # evaluation_metadata.jsonl
    names: str = ""  # object_names.txt
    dpg: str = ""  # dpg_bench.csv
    mjhq: str = ""  # the folder of MJHQ-30k: meta_data.json and its pictures by category
    prompts: str = ""  # own: a file with a prompt a line, or a JSON object with `prompt` a line
    reference: str = ""  # own: a folder of pictures for FID, which is left out without one
    features: Literal["shipped", "inception", "dinov2", "clip"] = "shipped"  # own: of FID; those know shapes alone
    a_prompt: int = 4  # pictures of one of GenEval's prompts, or of one's own
    detector: str = DETECTOR
    colours: str = COLOURS
    answerer: str = ANSWERER
    inception: str = ""  # a file of its weights, where it cannot be fetched


WORLD = "world"


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    mix: str = WORLD  # the embedded world, or a YAML file that declares corpora in tar shards
    features: str = ""  # the folder in which `make cache` wrote the corpora's features; encoded on the way when empty
    workers: Zero = 4  # processes that read ahead from shards
    pictures: int  # of the embedded world, whose encodings are computed once and kept
    dense: Share = 0.5  # share of captions of several sentences; the others are one sentence, or tags


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """Training of a decoder from CLIP tokens to pictures, before the runs that need it."""

    unet: str  # a text-to-image UNet by name, `NAME:SUBFOLDER`; of a folder with a config alone, it begins anew
    foundations: FoundationsConfig
    train: TrainConfig
    data: DataConfig
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    drop: Share = 0.1  # how often training hides the tokens, for guidance
    noise: float = 0.0  # largest deviation of noise on the tokens of training, since generated ones have some
    steps: int = 50  # of the solver
    guidance: float = 3.0
    measured: int = 4096  # pictures over which the tower's channels are standardised
    every: int = 1000  # steps between two checkpoints with their reconstructions
    seed: Zero = 0


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    scale: str
    design: Design
    query: QueryConfig
    head: HeadConfig  # of the class that the design's head declares
    objective: ObjectiveConfig  # likewise of its objective
    train: TrainConfig
    evaluation: EvalConfig
    data: DataConfig
    foundations: FoundationsConfig = field(default_factory=FoundationsConfig)
    codec: CodecConfig = field(default_factory=CodecConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    exam: ExamConfig = field(default_factory=ExamConfig)
    sampling: Sampling = field(default_factory=Sampling)
    seed: Zero = 0

    @property
    def warning(self) -> str:
        """What a user should know before such a run starts; empty if nothing."""
        if self.data.mix == WORLD or self.exam.source != "world":
            return ""
        return (
            f"training on {self.data.mix}, but scored on the embedded dataset's prompts, which ask for coloured "
            "shapes; exam.source=own with exam.prompts=FILE and exam.reference=FOLDER scores prompts of your own"
        )

    @classmethod
    def types_by_value(cls, given: Mapping[str, Any], where: str) -> dict[str, type]:
        """The classes of `head` and `objective`, by the design's."""
        design = given.get("design")
        named = {axis: design.get(axis) for axis in GROUPS} if isinstance(design, Mapping) else {}
        return {
            axis: GROUPS[axis].find(name, where, f"value of design.{axis}").settings
            for axis, name in named.items()
            if isinstance(name, str)
        }

    def plain(self) -> dict[str, Any]:
        """The configuration as JSON and YAML hold it."""
        out: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return out

    def record(self) -> dict[str, Any]:
        """The contents of a run's config.json; `recorded` reads them back."""
        return {**self.plain(), "hash": self.hash, **({"plugins": self.plugins} if self.plugins else {})}

    @property
    def hash(self) -> str:
        return hashlib.sha256(json.dumps(self.plain(), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def plugins(self) -> dict[str, str]:
        """The plugins that its design is made of: the beginning of the file's SHA-256 by name."""
        d = self.design
        names = [REPRESENTATIONS.plugin(d.representation), OBJECTIVES.plugin(d.objective), HEADS.plugin(d.head)]
        return {name: plugins.loaded()[name] for name in sorted({*filter(None, names)})}


def current(plain: Mapping[str, Any]) -> dict[str, Any]:
    """A recorded configuration in today's keys; settings that were added later have their defaults.

    Older records hold a transformer's sizes for linear heads, too.
    """
    design, head, out = plain.get("design"), plain.get("head"), {"objective": {}, **plain}
    if not isinstance(design, Mapping):
        return out
    if design.get("head") == "linear" and isinstance(head, Mapping):
        former = {f.name for f in dataclasses.fields(DitConfig)}
        out["head"] = {key: value for key, value in head.items() if key not in former}
    specs = {axis: table.get(str(design.get(axis))) for axis, table in GROUPS.items()}
    return completed(RunConfig, out, {axis: spec.settings for axis, spec in specs.items() if spec})


def recorded(plain: Mapping[str, Any], where: str) -> RunConfig:
    """The configuration that a run was begun with, as `current` reads it.

    plain  the contents of its config.json
    where  the file, for messages
    """
    own = {key: value for key, value in current(plain).items() if key not in ("hash", "plugins")}
    plugins.same(plain.get("plugins", {}), where)
    return build(RunConfig, own, where)
