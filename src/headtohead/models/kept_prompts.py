"""Keys and values of the prompts that a frozen language model reads again and again, computed once and kept in a file.

They are computed in an order that depends on the captions alone: rounding depends on the prompts that pass the model
together, and a run that is resumed must read the same numbers as one that never stopped. A batch's are read from the
file into memory of their own. A mapped file, or all of it in memory, would count as the run's memory.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from headtohead.pretrained.language_model import Encode
from headtohead.utils import files

KeysValues = tuple[Tensor, Tensor]  # of a layer, (B, kv heads, L, head_dim) each
MOST = 2 << 30  # bytes of a file; what takes more is computed when it is read, as captions of large models are
AT_ONCE = 64  # prompts that pass the model together
DIGEST = 16  # bytes by which a caption is found


class KeptPrompts:
    """The keys and values that `write` kept, of which those of any captions can be read.

    path  of the file that says where each caption's lie; they lie in another one beside it
    """

    def __init__(self, path: Path) -> None:
        index = load_file(path)
        digests, self._starts = index["digests"].numpy().tobytes(), index["starts"].tolist()
        self._row = {digests[at : at + DIGEST]: k for k, at in enumerate(range(0, len(digests), DIGEST))}
        self._token, self._dtype = tuple(index["token"].shape), index["token"].dtype
        self._bytes = index["token"].numel() * index["token"].element_size()
        self._file = os.open(_values(path), os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            os.close(self._file)

    def read(self, captions: Sequence[str]) -> tuple[list[KeysValues], Tensor] | None:
        """Keys and values of captions in every layer and their mask (B, L), or None if one of them is not kept."""
        rows = [self._row.get(_digest(caption)) for caption in captions]
        if None in rows:
            return None
        spans = [(self._starts[row], self._starts[row + 1]) for row in rows if row is not None]
        lengths = torch.tensor([end - start for start, end in spans])
        longest = int(lengths.max())
        read = torch.zeros(len(spans), longest * self._bytes, dtype=torch.uint8)
        each = read.numpy()
        for own, (start, end) in zip(each, spans, strict=True):
            wanted = (end - start) * self._bytes
            if os.preadv(self._file, [own[:wanted]], start * self._bytes) != wanted:
                raise OSError("a file of kept prompts has become shorter")
        tokens = read.view(self._dtype).view(len(spans), longest, *self._token)  # (B, L, layers, 2, kv heads, d)
        mask = (torch.arange(longest) < lengths[:, None]).long()
        return [(layer[:, :, 0].transpose(1, 2), layer[:, :, 1].transpose(1, 2)) for layer in tokens.unbind(2)], mask


def write(
    path: Path, captions: Sequence[str], encode: Encode, prompt: Callable[[Tensor, Tensor], list[KeysValues]]
) -> bool:
    """Compute and keep the keys and values of captions; False, and no file, where they would take more than MOST bytes.

    path    of the file that says where each caption's lie, written last
    encode  captions to ids and mask (B, L)
    prompt  ids and mask to keys and values in every layer
    """
    different = list(dict.fromkeys(captions))
    ids = list[Tensor]()
    for at in range(0, len(different), AT_ONCE):
        some, mask = encode(different[at : at + AT_ONCE])
        ids += [row[:n] for row, n in zip(some, mask.sum(1).tolist(), strict=True)]
    lengths = torch.tensor([len(row) for row in ids])
    token = _by_token(prompt(ids[0][None], torch.ones(1, len(ids[0]), dtype=torch.long)))[0, 0]
    if int(lengths.sum()) * token.numel() * token.element_size() > MOST:
        return False
    order = lengths.argsort(stable=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.beside(_values(path)) as part, part.open("wb") as file:
        for rows in order.split(AT_ONCE):
            padded = pad_sequence([ids[row] for row in rows.tolist()], batch_first=True)
            real = torch.arange(padded.shape[1]) < lengths[rows, None]
            file.write(_by_token(prompt(padded, real.long()))[real].view(torch.uint8).numpy().data)
    digests = bytearray(b"".join(_digest(different[row]) for row in order.tolist()))
    starts = torch.cat([torch.zeros(1, dtype=torch.long), lengths[order].cumsum(0)])
    with files.beside(path) as part:
        index = {"digests": torch.frombuffer(digests, dtype=torch.uint8), "starts": starts}
        save_file({**index, "token": torch.zeros_like(token)}, part)
    return True


def _by_token(layers: list[KeysValues]) -> Tensor:
    """Keys and values of every layer as (B, L, layers, 2, kv heads, head_dim), on the CPU."""
    both = torch.stack([torch.stack(layer) for layer in layers])  # (layers, 2, B, kv heads, L, head_dim)
    return both.permute(2, 4, 0, 1, 3, 5).cpu().contiguous()


def _digest(caption: str) -> bytes:
    return hashlib.blake2b(caption.encode(), digest_size=DIGEST).digest()


def _values(path: Path) -> Path:
    return path.with_suffix(".bin")
