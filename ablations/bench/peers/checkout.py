"""The code of the reference implementation, imported from a folder as it stands.

It is written for older packages, and reads pretrained weights when it is imported. `CHANGES` lists everything that is
replaced from outside so that it runs, offline and with random weights; its files stay as they are.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from headtohead.pretrained.loading.by_name import calm
from headtohead.utils.errors import InputError, one_line

SOURCE = "https://github.com/JiuhaiChen/BLIP3o"
BRANCH = "main"  # the only one with both a Llama and the Lumina-style head
PACKAGE = "blip3o"
HEAD = Path(PACKAGE, "model", "nextdit_crossattn.py")
ABSENT = ("einops",)  # packages that it imports and does not call at these sizes
CHANGES = {
    "einops": "an empty module where it is not installed: only rotary positions of the image tower call it, and the "
    "tower has none",
    "xformers": "memory_efficient_attention of the image tower is torch's scaled_dot_product_attention",
    "huggingface_hub.snapshot_download": "returns a folder with a file of no weights: the tower is fetched at import",
    "noise_scheduler": "diffusers' FlowMatchEulerDiscreteScheduler by its defaults, in place of one from the hub",
    "dit": "made with the sizes of the benchmark: its own builder knows the published size alone. ffn_dim_multiplier "
    "is 2/3, by which diffusers shrank the feed-forward width itself when this code was written",
    "gen_vision_tower": "an EVA tower with the sizes of ours; with cached features, an identity that gets the tokens",
    "visual": "None: the class with a Llama lacks the attribute that the shared code reads",
    "IMAGE_TOKEN_IDX": "the last row of the vocabulary, in place of an id of another tokenizer",
    "training loop": "forward, backward, gradients clipped to 1, AdamW, as its arguments say; in place of the Trainer "
    "of transformers with DeepSpeed. In bf16 all modules are cast and the optimizer keeps single precision, as "
    "DeepSpeed does",
    "printing": "what it prints in every step goes nowhere",
}


class PeerError(InputError):
    """The folder of the reference implementation is missing, is another one, or cannot run here."""


NAMES = {  # of its modules, in its package `model`
    "llama": "language_model.blip3o_llama",
    "shared": "blip3o_arch",
    "head": "nextdit_crossattn",
    "tower": "multimodal_encoder.eva_clip.eva_vit",
    "towers": "multimodal_encoder.eva_clip.factory",
}


@dataclass(frozen=True)
class Modules:
    """Its modules that a training step needs."""

    llama: Any
    shared: Any
    head: Any
    tower: Any
    towers: Any  # configs of image towers


def checked(folder: Path) -> Path:
    """The folder, if it holds the reference implementation."""
    if not folder.is_dir():
        raise PeerError(f"--peer {folder}: there is no such folder; git clone -b {BRANCH} {SOURCE}")
    if not (folder / HEAD).is_file():
        raise PeerError(f"--peer {folder}: holds no {HEAD}; expected the branch {BRANCH} of {SOURCE}")
    return folder.resolve()


def about(folder: Path) -> dict[str, Any]:
    """Which code was run: its commit where the folder is a checkout, and a hash of its Python files in any case."""
    digest = hashlib.sha256()
    for path in sorted((folder / PACKAGE).rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return {"source": SOURCE, "commit": _commit(folder), "sha256": digest.hexdigest(), "changes": CHANGES}


def _commit(folder: Path) -> str | None:
    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True, text=True).stdout

    try:
        if Path(git("rev-parse", "--show-toplevel").strip()).resolve() != folder.resolve():
            return None
        last, changed = (
            git("rev-parse", "HEAD").strip(),
            git("status", "--porcelain", "--untracked-files=no", "--", PACKAGE),
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{last}-dirty" if changed.strip() else last


@contextmanager
def opened(folder: Path) -> Iterator[Modules]:
    """Its modules, for as long as the block lasts; what goes wrong in them is one line that names the folder."""
    root = checked(folder)
    with tempfile.TemporaryDirectory() as nothing, open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), calm():
        torch.save({"none": torch.zeros(1)}, Path(nothing) / "pytorch_model.bin")
        sys.path.insert(0, str(root))
        try:
            yield _imported(nothing)
        except InputError:
            raise
        except Exception as error:
            raise PeerError(f"--peer {folder}: cannot run: {type(error).__name__}: {one_line(error)}") from error
        finally:
            sys.path.remove(str(root))
            for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
                del sys.modules[name]


def _imported(weights: str) -> Modules:
    import diffusers  # noqa: F401  looks at what is installed, before anything is replaced
    import huggingface_hub
    import transformers  # noqa: F401

    fetch = huggingface_hub.snapshot_download
    absent = [name for name in ABSENT if importlib.util.find_spec(name) is None]
    try:
        huggingface_hub.snapshot_download = lambda *_, **__: weights  # type: ignore[assignment]
        sys.modules.update({name: _Absent(name) for name in absent})
        modules = Modules(**{
            key: importlib.import_module(f"{PACKAGE}.model.{name}") for key, name in NAMES.items()
        })  # fmt: skip
    finally:
        huggingface_hub.snapshot_download = fetch
        for name in absent:
            sys.modules.pop(name, None)
    modules.tower.xops = _Xops
    return modules


class _Absent(ModuleType):
    """A package that is not installed; its functions can be imported and not called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_, **__: self._refused(name)

    def _refused(self, name: str) -> None:
        raise PeerError(f"the reference implementation calls {self.__name__}.{name}, which is not installed")


class _Xops:
    """Of xformers.ops, what image towers call."""

    @staticmethod
    def memory_efficient_attention(
        q: Tensor, k: Tensor, v: Tensor, p: float = 0.0, scale: float | None = None
    ) -> Tensor:
        """(B, N, heads, head_dim) each."""
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v, dropout_p=p, scale=scale).transpose(1, 2)
