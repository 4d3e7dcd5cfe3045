"""Features by picture, kept in portions while a set is worked through, so that an interruption loses one portion."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from headtohead import files
from headtohead.command import say
from headtohead.eval.work import digest

PORTION = 256  # pictures in a file
Array = NDArray[np.float64]


class FeaturesKept:
    """A picture's features are its own as long as its stamp, the network and the packages are as they were."""

    def __init__(self, folder: Path | None, head: Any) -> None:
        self.rows: dict[str, tuple[Array, str]] = {}  # by the picture's stamp: features and the picture's size
        self.folder, self._head, self._new = folder, digest(head), list[str]()
        for path in sorted(folder.glob("*.safetensors")) if folder and folder.is_dir() else ():
            try:
                self._take(path)
            except (OSError, SafetensorError, ValueError, KeyError, TypeError):
                say(f"eval: {path}: is damaged or of other settings; its pictures are worked through again")
                path.unlink()

    def _take(self, path: Path) -> None:
        with safe_open(path, "np") as f:
            told = json.loads((f.metadata() or {})["headtohead"])
            features: Array = f.get_tensor("features")
        if told["head"] != self._head or told["sum"] != _sum(features):
            raise ValueError
        self.rows |= {stamp: (row, size) for (stamp, size), row in zip(told["pictures"], features, strict=True)}

    def add(self, stamp: str, features: Array, size: str) -> None:
        self.rows[stamp] = features, size
        self._new.append(stamp)
        if len(self._new) >= PORTION:
            self.flush()

    def flush(self) -> None:
        if not self.folder or not self._new:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        features = np.stack([self.rows[stamp][0] for stamp in self._new])
        told = {"head": self._head, "sum": _sum(features), "pictures": [(s, self.rows[s][1]) for s in self._new]}
        path = self.folder / f"{digest(self._new)}.safetensors"
        with files.beside(path) as part:
            save_file({"features": features}, part, metadata={"headtohead": json.dumps(told)})
        self._new = []


def _sum(features: Array) -> str:
    return hashlib.sha256(np.ascontiguousarray(features).tobytes()).hexdigest()


def forget(folder: Path) -> None:
    """Once what they were kept for is written."""
    for path in (*folder.glob("*.safetensors"), *folder.glob("*.part")):
        path.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()
