"""Which rows of every global batch one device works off, and in how many parts. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from headtohead.strict import ConfigError


@dataclass(frozen=True)
class Portion:
    """The rows of every global batch that one device works off: some at once, beginning at these."""

    at_once: int
    starts: tuple[int, ...]

    @classmethod
    def of(cls, batch: int, micro: int = 0, rank: int = 0, world: int = 1) -> Portion:
        """Neighbouring rows go to one device, so that any number of devices sees the same global batch."""
        if batch % world:
            raise ConfigError(f"train.batch={batch}: cannot be shared evenly by {world} devices")
        share = batch // world
        at_once = min(micro or share, share)
        if share % at_once:
            raise ConfigError(f"compute.micro_batch={micro}: does not divide the {share} pictures a device takes")
        return cls(at_once, tuple(range(rank * share, (rank + 1) * share, at_once)))
