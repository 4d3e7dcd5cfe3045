"""Walk over the headers of a tar, continuing after damage and reporting all of it.

`tarfile` stops at the first bad header, and takes zeros or a cut at a block boundary for the end of the archive. Here a
member is yielded only once what follows it is sound: a header, or the archive's end. Otherwise either the next header
was overwritten and the member is whole, or bytes are missing and it is not; the member's last bytes decide which.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

BLOCK = 512
CHUNK = 1 << 20
MOST_NAMES = 1 << 20  # bytes of an extended header; a larger one counts as damage
MAGIC, MAGIC_AT = b"ustar", 257
# The last bytes of a sound file, by ending.
ENDS = {"jpg": b"\xff\xd9", "jpeg": b"\xff\xd9", "png": b"IEND\xaeB`\x82"}
TEXTS = ("txt", "json")
ORDINARY = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
BODILESS = (tarfile.DIRTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)
LONG_NAME, LONG_LINK = tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK
PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
EXTENDED = (LONG_NAME, LONG_LINK, tarfile.XGLTYPE, *PAX)


class Member(NamedTuple):
    """A member of an archive."""

    name: str
    at: int  # offset of its data
    size: int
    ordinary: bool = True  # a file, rather than a link or a device


class Broken(NamedTuple):
    """A damaged place of an archive."""

    name: str  # the member, or the offset where a header should be
    message: str
    cut: bool = False  # the archive ends too early, and how many members are missing is unknown


class _Header(NamedTuple):
    name: str
    at: int
    size: int
    kind: bytes


class _Damage(Exception):
    """There is no sound header where one must be."""


def padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def shown(name: str) -> str:
    """A member's name as printable text on one line."""
    return name if name.isprintable() else name.encode("unicode_escape", "backslashreplace").decode("ascii")


def header(block: bytes) -> tarfile.TarInfo | None:
    """A block parsed as a tar header; None if its checksum is wrong."""
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return None
    return info if info.size >= 0 else None


def walk(f: BinaryIO, size: int) -> Iterator[Member | Broken]:
    """Members and damaged places of an archive of `size` bytes, by offset."""
    at, last, everywhere = 0, None, dict[str, str]()
    while True:
        filled = last is None or _filled(f, last)
        try:
            met = _next(f, at, size, everywhere)
        except _Damage as damage:
            whole = last is None or _ends_well(f, last, size)
            if last is not None:
                yield last if whole else Broken(shown(last.name), _how_broken(last, size), _beyond(last, size))
            if whole:
                after = f" (after {shown(last.name)})" if last is not None else ""
                yield Broken(f"byte {at}{after}", str(damage), at + BLOCK > size)
            found = _search(f, at + 1 if whole or last is None else last.at, size)
            if found is None:
                if at < size:  # no member follows the damage
                    yield Broken(f"byte {at}", "no tar header in the rest of the file", True)
                return
            at, last = found, None
            continue
        if last is not None:
            yield last if filled else Broken(shown(last.name), "its last block is not filled up: bytes are missing")
        if met is None:
            return
        last = None if met.kind == tarfile.DIRTYPE else Member(met.name, met.at, met.size, met.kind in ORDINARY)
        at = met.at + (0 if met.kind in BODILESS else padded(met.size))


def _next(f: BinaryIO, at: int, size: int, everywhere: dict[str, str]) -> _Header | None:
    """The header at an offset, with its extended headers applied; None at the end of the archive.

    everywhere  values of global extended headers so far
    """
    own: dict[str, str] = {}
    while True:
        block = _read(f, at, BLOCK)
        if len(block) < BLOCK:
            raise _Damage("the file ends here, without the mark of a tar's end")
        info = header(block)
        if info is None:
            if not block.strip(b"\0"):
                _end(f, at, size)
                return None
            raise _Damage("no tar header here: it was overwritten, or bytes are missing")
        at += BLOCK
        if info.type not in EXTENDED:
            values = {**everywhere, **own}
            try:
                length = int(values.get("size", info.size))
            except ValueError:
                raise _Damage("an extended header without a size that is a number") from None
            if length < 0:
                raise _Damage("an extended header with a negative size")
            sparse = any(key.startswith("GNU.sparse") for key in own)
            return _Header(values.get("path", info.name), at, length, tarfile.GNUTYPE_SPARSE if sparse else info.type)
        data = _read(f, at, min(info.size, MOST_NAMES))
        if len(data) < info.size:
            raise _Damage("an extended header that is cut short")
        if info.type == LONG_NAME:
            own["path"] = data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
        elif info.type in PAX:
            own.update(_records(data))
        elif info.type == tarfile.XGLTYPE:
            everywhere.update(_records(data))
        at += padded(info.size)


def _records(data: bytes) -> dict[str, str]:
    """The records `LENGTH KEY=VALUE\\n` of a PAX header."""
    out = {}
    while data.strip(b"\0"):
        digits = data.split(b" ", 1)[0]
        length = int(digits) if digits.isdigit() and len(digits) < 8 else 0
        record = data[len(digits) + 1 : length]
        if not record.endswith(b"\n") or b"=" not in record:
            raise _Damage("an extended header that is not a list of records")
        key, value = record[:-1].split(b"=", 1)
        out[key.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
        data = data[length:]
    return out


def _end(f: BinaryIO, at: int, size: int) -> None:
    """Check that a block of zeros is the end: only zeros may follow."""
    if size % BLOCK:
        raise _Damage("bytes are missing before or at the end: the file is not a whole number of tar blocks")
    for start in range(at, size, CHUNK):
        if _read(f, start, CHUNK).strip(b"\0"):
            raise _Damage("zeros where a tar header must be, and data after them")


def _search(f: BinaryIO, start: int, size: int) -> int | None:
    """Offset of the next sound header, at any byte: bytes may be missing or surplus."""
    for chunk in range(start, size, CHUNK):
        data = _read(f, chunk, CHUNK + BLOCK)
        place = data.find(MAGIC)
        while place >= 0:
            begin = place - MAGIC_AT
            if 0 <= begin < CHUNK and header(data[begin : begin + BLOCK]) is not None:
                return chunk + begin
            place = data.find(MAGIC, place + 1)
    return None


def _beyond(member: Member, size: int) -> bool:
    return member.at + member.size > size


def _how_broken(member: Member, size: int) -> str:
    if _beyond(member, size):
        return f"cut short: {max(0, size - member.at)} of {member.size} bytes are there"
    return "bytes of it are missing or overwritten: nothing sound follows it, and it does not end as its kind does"


def _ends_well(f: BinaryIO, member: Member, size: int) -> bool:
    """Whether a member ends as files of its kind do, and zeros fill its last block: then no bytes are missing."""
    if _beyond(member, size) or not _filled(f, member):
        return False
    ending = member.name.lower().rpartition(".")[2]
    if ending in ENDS:
        wanted = ENDS[ending]
        return _read(f, member.at + max(0, member.size - len(wanted)), len(wanted)) == wanted
    if ending in TEXTS and member.size <= CHUNK:
        data = _read(f, member.at, member.size)
        try:
            return "\0" not in data.decode("utf-8")
        except UnicodeDecodeError:
            return False
    return member.size % BLOCK != 0


def _filled(f: BinaryIO, member: Member) -> bool:
    """Whether zeros fill the rest of a member's last block, as every tar writer leaves it."""
    return not _read(f, member.at + member.size, padded(member.size) - member.size).strip(b"\0")


def _read(f: BinaryIO, at: int, size: int) -> bytes:
    f.seek(at)
    return f.read(size)
