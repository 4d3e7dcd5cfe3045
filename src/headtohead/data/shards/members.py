"""Group the members of a shard into samples: neighbours of one key, with a picture and a caption.

Members of any other kind are reported and never opened, so that a pickle in a shard is never loaded.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import BinaryIO

from headtohead.data.shards import locations, tar
from headtohead.data.shards.images import PictureError, opened
from headtohead.data.shards.index import Index, Summary, Trouble, checksum, columns_of
from headtohead.data.shards.locations import ShardError

PICTURES = ("jpg", "jpeg", "png", "webp")
MOST = 2**32 - 1  # bytes of a picture
MOST_TEXT = 1 << 22  # bytes of a caption's member
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"\x28\xb5": "zstd"}


@dataclass
class _Sample:
    """Consecutive members of one key.

    parts  (offset, size) of the sound ones, by part
    names  of all of them, by part
    twice  a second member of the same part
    """

    key: str
    parts: dict[str, tuple[int, int]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    twice: str = ""


@dataclass
class _Walk:
    """A walk over one shard, with the samples and problems found so far."""

    shard: str
    f: BinaryIO
    verify: bool
    rows: list[dict[str, tuple[int, int]]] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    cut: bool = False

    def wrong(self, member: str, kind: str, message: str) -> None:
        self.troubles.append(Trouble(self.shard, tar.shown(member), kind, message))

    def member(self, sample: _Sample | None, member: tar.Member) -> _Sample | None:
        """Add a member to the sample it belongs to: the current one, or a new one, which is returned."""
        folder, _, name = member.name.rpartition("/")
        stem, dot, ending = name.partition(".")
        ending = ending.lower()
        part = "picture" if ending in PICTURES else ending
        if not member.ordinary or not stem or not dot or part not in ("picture", *tar.TEXTS):
            self.wrong(member.name, "unexpected member", "is neither a picture nor a caption; it was not opened")
            return sample
        key = f"{folder}/{stem}" if folder else stem
        if sample is None or sample.key != key:
            self.finish(sample)
            sample = _Sample(key)
        if part in sample.names:
            sample.twice = member.name
        sample.names[part] = member.name
        if part == "picture" and not 0 < member.size <= MOST:
            self.wrong(member.name, "no picture", f"is not a picture: {member.size:,} bytes")
        elif part == "picture" or self._readable(member, part):
            sample.parts[part] = (member.at, member.size)
        return sample

    def _readable(self, member: tar.Member, part: str) -> bool:
        """Whether a caption's member holds text, or a JSON object; captions are short, so this is cheap."""
        if member.size > MOST_TEXT:
            self.wrong(member.name, "no caption", f"is not a caption: {member.size:,} bytes")
            return False
        self.f.seek(member.at)
        try:
            text = self.f.read(member.size).decode("utf-8")
            if not text.strip():
                self.wrong(member.name, "empty caption", "is an empty caption")
                return False
            if "\0" in text or (part == "json" and not isinstance(json.loads(text), dict)):
                raise ValueError
        except (ValueError, RecursionError):
            self.wrong(member.name, "no caption", "is not a caption: neither UTF-8 text nor a JSON object")
            return False
        return True

    def finish(self, sample: _Sample | None) -> None:
        """Keep a sample if it is complete and the first with its key."""
        if sample is None:
            return
        known, lacks = sample.key in self.keys, [p for p in ("picture", "caption") if not _has(sample, p)]
        self.keys.add(sample.key)
        if sample.twice:
            self.wrong(sample.twice, "duplicate", f"is a second one in sample {tar.shown(sample.key)}")
        elif known:
            self.wrong(sample.key, "duplicate", "is the key of an earlier sample too; the first one counts")
        elif lacks:
            if len(sample.parts) == len(sample.names):  # otherwise the damaged member was reported already
                self.wrong(sample.key, f"no {lacks[0]}", f"the sample has no {lacks[0]}")
        elif not self.verify or self._decodes(sample):
            self.rows.append(sample.parts)

    def _decodes(self, sample: _Sample) -> bool:
        at, size = sample.parts["picture"]
        self.f.seek(at)
        try:
            opened(self.f.read(size))
        except PictureError as error:
            self.wrong(sample.names["picture"], "no picture", str(error))
            return False
        return True


def _has(sample: _Sample, part: str) -> bool:
    return part in sample.parts or (part == "caption" and any(text in sample.parts for text in tar.TEXTS))


def read(shard: str, verify: bool = False) -> Index:
    """Index a shard.

    verify  decode every picture once
    """
    before = locations.stamp(shard)
    with locations.stream(shard) as f:
        found = _Walk(shard, f, verify)
        packed = COMPRESSED.get(f.read(2))
        if packed:
            raise ShardError(f"{shard}: is compressed ({packed}); random access needs a plain tar: unpack it")
        sample: _Sample | None = None
        for met in tar.walk(f, before.size):
            if isinstance(met, tar.Member):
                sample = found.member(sample, met)
            else:
                found.cut |= met.cut
                found.wrong(met.name, "cut short" if met.cut else "damaged header or member", met.message)
        found.finish(sample)
    if locations.stamp(shard) != before:
        raise ShardError(f"{shard}: is being written while it is indexed")
    columns = columns_of(found.rows)
    about = Summary(
        shard, before, len(found.rows), len(found.troubles), checksum(columns), cut=found.cut, verified=verify
    )
    return Index(about, columns, found.troubles)
