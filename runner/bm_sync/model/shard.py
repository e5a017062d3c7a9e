"""Which of several processes a project belongs to, by its name alone. Pure.

Rendezvous hashing (Thaler and Ravishankar, 1998): every shard gets a number from the project's
name, the highest has the project. Nothing is shared or remembered. One shard more takes its part
from all others, one less gives its part to all others, and no other project moves.
"""

from __future__ import annotations

import hashlib
import re

from msgspec import Struct

from bm_sync.model.config import Elsewhere, Manifest
from bm_sync.structs import replace

MOST = 10_000
"""Shards at most: each project is weighed once for every shard."""

_WORD = re.compile(r"([0-9]{1,5})/([0-9]{1,5})")


class Shard(Struct, frozen=True):
    """One part of the projects: the `index`-th of `count`, counted from 0."""

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MOST:
            raise ValueError(f"there are 1 to {MOST} shards, not {self.count}")
        if not 0 <= self.index < self.count:
            raise ValueError(
                f"there is no shard {self.index} of {self.count}: they are 0 to {self.count - 1}"
            )

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def has(self, project: str) -> bool:
        """Return whether the project of this name belongs here."""
        return owner(project, self.count) == self.index


def parse(word: str) -> Shard:
    """Return the shard that `2/5` names; raises ValueError that says what is wrong."""
    found = _WORD.fullmatch(word)
    if found is None:
        raise ValueError(f"{word!r} is no shard such as 0/4, the first of four")
    return Shard(int(found[1]), int(found[2]))


def owner(project: str, count: int) -> int:
    """Return the index of the shard that has a project, out of `count`."""
    return max(range(count), key=lambda index: _weight(project, index))


def narrowed(manifest: Manifest, shard: Shard) -> Manifest:
    """Return the manifest as it is for one shard; the other projects are told as not for it."""
    owners = [(p, owner(p.name, shard.count)) for p in manifest.projects]
    mine = tuple(p for p, index in owners if index == shard.index)
    others = tuple(
        Elsewhere(p, f"it belongs to shard {index}/{shard.count}")
        for p, index in owners
        if index != shard.index
    )
    return replace(manifest, projects=mine, elsewhere=(*manifest.elsewhere, *others))


def _weight(project: str, index: int) -> bytes:
    """Return a number that looks random; it must never change between versions."""
    text = f"{index}\0{project}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).digest()
