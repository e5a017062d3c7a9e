"""What the two hands of a project share while its plan is carried out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Protocol, TypeVar

from msgspec import Struct, field

from bm_sync import layout
from bm_sync.engine import contents
from bm_sync.engine.contents import FALLBACK
from bm_sync.engine.jail import Jail
from bm_sync.engine.ledger import Ledger
from bm_sync.engine.retry import persistent
from bm_sync.engine.routed import Routed
from bm_sync.engine.site import Site
from bm_sync.model.config import Policy
from bm_sync.model.plan import Copy, KeepBoth, MakeDir, Move, RemoveDir, Restore, Trash
from bm_sync.model.run import Event, Retrying, Transferring
from bm_sync.model.tree import Agreed, FileStamp, ObjectStamp, Side, Stamp
from bm_sync.rclone.faults import RcloneError
from bm_sync.rclone.remotes import Fs
from bm_sync.rclone.wire import Progress

T = TypeVar("T")
_SALVAGE_WITHIN_S = 2.0


class Errand(Struct, frozen=True):
    """One file to be brought from the other side.

    `target` is the version it replaces here, None when nothing may stand there. `kept_as` is the
    conflict copy that holds that version already.
    """

    path: str
    source: Stamp
    target: Stamp | None
    content: str | None
    kept_as: str | None
    action: Copy | KeepBoth | Restore

    @property
    def size(self) -> int:
        """Return the bytes to move."""
        return self.source.size


class Scope(Struct):
    """One project in one run.

    `algorithm` is the content hash both sides are compared by. `fence` raises when the run may no
    longer write to the remote; it is asked before every operation there.
    """

    project: str
    key: str
    run: str
    policy: Policy
    site: Site
    ledger: Ledger
    emit: Callable[[Event], None]
    algorithm: str = FALLBACK
    fence: Callable[[], Awaitable[None]] | None = None
    former: tuple[str, ...] = ()
    """The keys that the project had when it was declared otherwise; what its runs left is ours."""
    _moved: list[int] = field(default_factory=lambda: [0, 0])

    @property
    def rclone(self) -> Routed:
        """Return the run's rclone."""
        return self.site.rclone

    @property
    def trash(self) -> str:
        """Return the folder of this run's kept versions, below the side's base."""
        return layout.trash(self.run, self.project)

    @property
    def staging(self) -> str:
        """Return the folder where files arrive, below the side's base."""
        return f"{layout.STAGING}/{self.key[:12]}-{self.run}"

    def is_own(self, staged: str) -> bool:
        """Return whether a folder of this name in the staging is one of a run of this project."""
        return staged.startswith(tuple(key[:12] for key in (self.key, *self.former)))

    async def allowed(self, side: Side) -> None:
        """Raise when this run may no longer write to `side`."""
        if side is Side.REMOTE and self.fence is not None:
            await self.fence()

    async def persist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Run `attempt` until it succeeds or its failure will not pass by itself."""

        def notice(number: int, wait_s: float, cause: str) -> None:
            self.ledger.retries += 1
            attempts = self.policy.retry.attempts
            self.emit(Retrying(self.project, number, attempts, wait_s, cause))

        async def fenced() -> T:
            await self.allowed(Side.REMOTE)
            return await attempt()

        return await persistent(self.policy.retry, notice, fenced)

    async def content_at(self, jail: Jail, path: str, algorithm: str) -> str | None:
        """Return the content of a plain file on this machine, None when it cannot be read."""
        if contents.computable(algorithm):
            seen = await contents.digest(jail, path, algorithm)
            return seen[1] if seen else None
        return await self.site.hash_by_rclone(jail, path, algorithm)

    def arrived(self, size: int) -> None:
        """Count a file that has been brought."""
        self._moved[0] += 1
        self._moved[1] += size

    def progress(self, seen: Progress) -> None:
        """Tell watchers how far the current batch is."""
        files, size = self._moved
        self.emit(Transferring(self.project, files + seen.files, size + seen.bytes, seen.rate))


class Giver(Protocol):
    """Where files come from: the other side of a project, or what its trash keeps.

    `here`: the files lie on this machine.
    """

    here: bool

    async def portions(self, errands: Sequence[Errand]) -> list[list[Errand]]:
        """Return the errands in portions, each of which can be lent at once."""

    def lend(self, paths: Sequence[str]) -> AbstractAsyncContextManager[Fs]:
        """Lend a root below which rclone finds these files, as long as they are there."""

    async def content(self, path: str, algorithm: str) -> str | None:
        """Return the content of one file, None when it cannot be told."""

    async def vouch(self, errands: Sequence[Errand]) -> set[str]:
        """Return the paths of which the version that was planned still stands there."""


class Hand(Giver, Protocol):
    """Acts on one side of a project; settles every action in the ledger, raises only for all."""

    side: Side

    async def recover(self) -> None:
        """Clear what a killed run left; nothing is touched when it left nothing."""

    async def prepare(self) -> None:
        """Make ready for writing: the root is made when it is missing."""

    async def look(self, paths: Sequence[str]) -> dict[str, Stamp]:
        """Return the stamps of those files that are there."""

    async def trash(self, items: Sequence[Trash]) -> None:
        """Move files into the trash."""

    async def duplicate(self, items: Sequence[KeepBoth]) -> dict[str, Stamp]:
        """Keep losing versions under their new names; return the stamps of those that are kept."""

    async def rename(self, items: Sequence[Move]) -> dict[str, Stamp]:
        """Rename files; return the new stamps of those that were."""

    async def make_dirs(self, items: Sequence[MakeDir]) -> None:
        """Make empty folders."""

    async def remove_dirs(self, items: Sequence[RemoveDir]) -> None:
        """Remove folders that are empty."""

    async def receive(self, errands: Sequence[Errand], source: Giver) -> None:
        """Bring files from the other side and put them in place."""

    async def put_back(self, items: Sequence[Restore]) -> None:
        """Bring versions back that this side itself keeps."""

    async def recheck(self) -> None:
        """Raise BmSyncError when what was written to is not where it was any more."""

    async def finish(self) -> None:
        """Make what was done durable and leave nothing behind."""


async def salvage(work: Awaitable[None]) -> None:
    """Do for a cancelled batch what little is left for the files that are whole, within 2 s."""
    with suppress(RcloneError, TimeoutError):
        async with asyncio.timeout(_SALVAGE_WITHIN_S):
            await work


def agreed(side: Side, content: str | None, here: Stamp, there: Stamp) -> Agreed:
    """Return the agreement of `side`'s stamp and the other side's."""
    if side is Side.LOCAL:
        return Agreed(content, local=here, remote=there)
    return Agreed(content, local=there, remote=here)


def known_content(stamp: Stamp, content: str | None) -> str | None:
    """Return the content an action or the stamp itself tells."""
    if isinstance(stamp, ObjectStamp) and stamp.content is not None:
        return stamp.content
    return content


def as_file(stamp: Stamp) -> FileStamp:
    """Return a stamp that is known to be of a folder's file."""
    assert isinstance(stamp, FileStamp)  # noqa: S101 - a folder hand only sees folder stamps
    return stamp


def as_object(stamp: Stamp) -> ObjectStamp:
    """Return a stamp that is known to be of a remote's file."""
    assert isinstance(stamp, ObjectStamp)  # noqa: S101 - a distant hand only sees remote stamps
    return stamp
