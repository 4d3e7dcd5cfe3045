"""What a run wrote for Weights & Biases while offline, read from its .wandb file: records in LevelDB's log format."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HEADER, BLOCK = 7, 32_768  # bytes of the file's head and of each part's head; bytes of a block
FULL, FIRST, LAST = 1, 2, 4  # kinds of a part of a record


def offline(folder: Path) -> tuple[dict[str, Any], dict[int, dict[str, float]]]:
    """The one offline run below a folder: its configuration, and its metrics by training step."""
    from wandb.proto import wandb_internal_pb2

    config: dict[str, Any] = {}
    steps: dict[int, dict[str, float]] = {}
    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    for raw in _records(path.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(raw)
        for update in [*record.run.config.update, *record.config.update]:
            config[update.key or ".".join(update.nested_key)] = json.loads(update.value_json)
        row = {i.key or ".".join(i.nested_key): json.loads(i.value_json) for i in record.history.item}
        if row:
            numbers = {k: v for k, v in row.items() if not k.startswith("_") and k != "trainer/global_step"}
            steps.setdefault(row["trainer/global_step"], {}).update(numbers)
    return config, steps


def _records(data: bytes) -> Iterator[bytes]:
    at, whole = HEADER, b""
    while at + HEADER <= len(data):
        if BLOCK - at % BLOCK < HEADER:  # too little of the block is left for a part
            at += BLOCK - at % BLOCK
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        part = data[at + HEADER : at + HEADER + length]
        whole = part if kind in (FULL, FIRST) else whole + part
        if kind in (FULL, LAST):
            yield whole
        at += HEADER + length
