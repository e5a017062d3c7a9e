"""A side of a project as bisync works on it: its root, its trash, and the anchor.

The anchor is a file of one byte that stands on both sides while bisync runs, named as our half
files are, so that no filter lets it through and the next run removes one that was left. bisync
refuses a side that lists empty and one on which every file was changed; with the anchor neither
happens, and whether a side may be emptied is for the guards to say.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from bm_sync import access, layout
from bm_sync.engine.bisync_work import ANCHOR_BYTES
from bm_sync.engine.distant import Store
from bm_sync.engine.observe import Seen
from bm_sync.engine.scope import Hand, Scope
from bm_sync.model.config import FolderRemote
from bm_sync.model.tree import Side
from bm_sync.rclone.bisync import Shore
from bm_sync.rclone.bisync_listing import Listed
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.remotes import Fs


class Folder(Struct, frozen=True):
    """A folder of this machine; its trash lies below `base`, which is `root` or holds it."""

    root: Path
    base: Path


class Ground:
    """One side, on which bisync reads, writes and keeps what it replaces."""

    def __init__(self, hand: Hand, place: Folder | Store, scope: Scope) -> None:
        self.hand = hand
        self._place = place
        self._scope = scope
        self._anchor = f"{layout.HOME}{scope.site.partial_suffix}"

    @property
    def anchor(self) -> str:
        """Return the name of the anchor."""
        return self._anchor

    @property
    def trash(self) -> Fs:
        """Return where this run keeps what it replaces on this side."""
        match self._place:
            case Folder(base=base):
                return self._scope.rclone.local(base / self._scope.trash)
            case store:
                return store.base.at(self._scope.trash)

    def shore(self, rows: tuple[Listed, ...]) -> Shore:
        """Return the side as bisync takes it."""
        match self._place:
            case Folder(root=root):
                return Shore(self._scope.rclone.local(root), self.trash, rows, root)
            case store:
                return Shore(store.fs, self.trash, rows)

    async def recover(self, *, killed: bool) -> None:
        """Clear what a run left that was `killed`, anchor and half files included."""
        await self.hand.recover()
        if killed and isinstance(self._place, Folder):
            _remove_halves(self._place.root, self._scope.site.partial_suffix)

    async def drop_anchor(self, scratch: Path) -> None:
        """Put the anchor in place."""
        match self._place:
            case Folder(root=root):
                _write(root / self._anchor)
            case store:
                _write(scratch / self._anchor)
                rclone = self._scope.rclone
                here = rclone.local(scratch)
                await self._scope.persist(
                    lambda: rclone.copy_file(here, self._anchor, store.fs, self._anchor)
                )

    async def weigh_anchor(self) -> None:
        """Remove the anchor; one that cannot be removed now is removed by the next run."""
        with suppress(RcloneError, OSError):
            match self._place:
                case Folder(root=root):
                    (root / self._anchor).unlink(missing_ok=True)
                case store:
                    await self._scope.rclone.delete_file(store.fs, self._anchor)

    async def kept(self, paths: Collection[str]) -> dict[str, str]:
        """Return those of `paths` that lie in this run's trash, with where as a person reads it."""
        if not paths:
            return {}
        found = await self._in_trash(paths)
        label = self.trash.label
        return {path: f"{label}/{path}" for path in found}

    async def _in_trash(self, paths: Collection[str]) -> set[str]:
        match self._place:
            case Folder(base=base):
                return _standing(base / self._scope.trash, paths)
            case store:
                rclone = self._scope.rclone
                try:
                    listing = await self._scope.persist(
                        lambda: rclone.list_tree(self.trash, features=store.features)
                    )
                except RcloneError as e:
                    if e.fault is Fault.MISSING:
                        return set()
                    raise
                return {e.path for e in listing.entries if not e.is_dir} & set(paths)


def grounds(seen: Seen, hands: dict[Side, Hand], scope: Scope) -> dict[Side, Ground]:
    """Return both sides of a project."""
    assert seen.local_root is not None  # noqa: S101 - a manifest with `from` has no bisync
    here = Folder(seen.local_root, seen.local_root)
    there: Folder | Store
    if isinstance(seen.project.remote, FolderRemote):
        assert seen.remote_folder is not None  # noqa: S101 - see `observe`
        there = Folder(seen.remote_folder, seen.project.remote.root)
    else:
        assert seen.store is not None  # noqa: S101 - see `observe`
        there = seen.store
    return {
        Side.LOCAL: Ground(hands[Side.LOCAL], here, scope),
        Side.REMOTE: Ground(hands[Side.REMOTE], there, scope),
    }


def _standing(folder: Path, paths: Collection[str]) -> set[str]:
    return {path for path in paths if access.standing(folder / path, links=False) is not None}


def _write(file: Path) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(file, flags, 0o600), "wb") as out:
        out.write(b"x" * ANCHOR_BYTES)


def _remove_halves(root: Path, suffix: str) -> None:
    """Remove what a killed rclone of this machine left; it writes beside the files it brings."""
    for folder, _, names in os.walk(root):
        for name in names:
            if name.endswith(suffix):
                with suppress(OSError):
                    (Path(folder) / name).unlink()
