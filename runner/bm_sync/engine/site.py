"""What all projects of a run share: rclone, the state, the remotes connected so far."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar

from msgspec import Struct, field

from bm_sync.engine.identity import remote_key
from bm_sync.engine.jail import Jail
from bm_sync.engine.lending import Lending
from bm_sync.engine.opening import machine_suffix
from bm_sync.engine.place import Place, as_opaque
from bm_sync.engine.retry import persistent
from bm_sync.engine.routed import DAV_TYPE, Routed
from bm_sync.errors import BmSyncError, SecretError
from bm_sync.model.config import (
    BackendRemote,
    CloudRemote,
    DistantRemote,
    FolderRemote,
    NamedRemote,
    Project,
    Retry,
)
from bm_sync.model.report import Setup
from bm_sync.model.run import ProjectRun
from bm_sync.paths import home_dir
from bm_sync.rclone.faults import RcloneError
from bm_sync.rclone.remotes import Fs
from bm_sync.rclone.wire import Features
from bm_sync.state.store import State

if TYPE_CHECKING:
    from bm_sync.engine.cloud import Workspaces

T = TypeVar("T")
_CONDITIONS = "conditions"
_OPAQUE = "opaque"


def utc_now() -> datetime:
    """Return the time now, in UTC."""
    return datetime.now(UTC)


class Participant(Protocol):
    """What follows a run beside the sync itself: hooks and notices, the state on a remote.

    `when_interrupted`: it follows projects of a run that somebody ended, too.
    """

    when_interrupted: ClassVar[bool]

    async def project_ended(
        self, project: Project, ended: ProjectRun, record: Callable[[ProjectRun], None]
    ) -> ProjectRun:
        """Follow the end of a project; return its record, and give `record` one that differs."""


class Site(Struct):
    """The surroundings of one command. One event loop, one rclone."""

    setup: Setup
    state: State
    rclone: Routed
    clock: Callable[[], datetime] = utc_now
    participants: list[Participant] = field(default_factory=list)
    """Who follows the end of each project, in this order."""
    unfetched: dict[str, BmSyncError] = field(default_factory=dict)
    """Projects whose state lies on a remote and could not be fetched, by name."""
    _connected: dict[str, tuple[Fs, Features]] = field(default_factory=dict)
    _connecting: dict[str, asyncio.Lock] = field(default_factory=dict)
    _conditions: dict[str, bool] = field(default_factory=dict)
    _opaque: dict[str, bool] = field(default_factory=dict)
    _cloud: Workspaces | None = None
    _secretless: dict[str, SecretError] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    @property
    def home(self) -> Path:
        """Return the user's home directory."""
        return home_dir(self.setup.env)

    @property
    def partial_suffix(self) -> str:
        """Return how names of this machine's half uploads end."""
        return machine_suffix(self.setup)

    @property
    def cloud(self) -> Workspaces:
        """Return the workspaces of Basic Memory Cloud; only who has one loads what it takes."""
        if self._cloud is None:
            from bm_sync.engine.cloud import Workspaces

            self._cloud = Workspaces(self)
        return self._cloud

    async def place(self, project: Project) -> Place:
        """Return where a project lies on its remote, which is none of this machine's folders."""
        remote = project.remote
        assert remote is not None and not isinstance(remote, FolderRemote)  # noqa: S101, PT018
        if isinstance(remote, CloudRemote):
            return await self.cloud.place(project)
        base, features = await self.connected(remote)
        return Place(base.at(project.path), base, features)

    async def connected(self, remote: DistantRemote) -> tuple[Fs, Features]:
        """Return the root of a remote and what it can do; asked once in a run."""
        if isinstance(remote, CloudRemote):
            return await self.cloud.connected(remote)
        key = remote_key(remote)
        async with self._connecting.setdefault(key, asyncio.Lock()):
            if key in self._secretless:
                raise self._secretless[key]
            if key not in self._connected:
                fs = await self._connect(remote, key)
                self._connected[key] = fs, await self.rclone.features(fs)
            found = self._connected[key]
            return as_opaque(*found) if self.known_opaque(remote) else found

    async def _connect(self, remote: BackendRemote | NamedRemote, key: str) -> Fs:
        try:
            return await self.rclone.connect(remote, self.setup.env)
        except SecretError as e:
            self._secretless[key] = e  # the next project would only run its command again
            raise

    def known_opaque(self, remote: DistantRemote) -> bool | None:
        """Return whether the hashes that a remote lists are none; None where nobody has looked."""
        key = remote_key(remote)
        known = self._opaque.get(key, self.state.remote_fact(key, _OPAQUE))
        return None if known is None else bool(known)

    def learn_opaque(self, remote: DistantRemote, *, opaque: bool) -> None:
        """Know from now on whether the hashes that a remote lists are none."""
        self._opaque[remote_key(remote)] = opaque

    def keep_facts(self) -> None:
        """Remember for later runs what was learnt of remotes; only who changes something does."""
        for key, opaque in self._opaque.items():
            self.state.set_remote_fact(key, _OPAQUE, opaque)

    def known_conditions(self, remote: DistantRemote, base: Fs) -> bool | None:
        """Return what `conditions` would for a bucket, None where it would have to ask."""
        key = _conditions_key(remote, base)
        known = self._conditions.get(key, self.state.remote_fact(key, _CONDITIONS))
        return None if known is None else bool(known)

    async def conditions(self, remote: DistantRemote, base: Fs, retry: Retry) -> bool:
        """Return whether uploads may say which version they replace; probed once per remote.

        Where the probe itself fails nothing is relied on, and a later run asks again.
        """
        if base.type == DAV_TYPE:
            return await self._conditions_by_dav(base, retry)
        key = _conditions_key(remote, base)
        async with self._connecting.setdefault(key, asyncio.Lock()):
            known = self._conditions.get(key, self.state.remote_fact(key, _CONDITIONS))
            if known is None:
                try:
                    known = await self.patiently(
                        retry, lambda: self.rclone.supports_conditions(base)
                    )
                except RcloneError:
                    return self._conditions.setdefault(key, False)
                self.state.set_remote_fact(key, _CONDITIONS, known)
            return bool(known)

    async def _conditions_by_dav(self, base: Fs, retry: Retry) -> bool:
        """Return the same of a workspace's WebDAV, which remembers it with its other facts."""
        try:
            return await self.patiently(retry, lambda: self.rclone.supports_conditions(base))
        except RcloneError:
            return False

    async def hash_by_rclone(self, jail: Jail, path: str, algorithm: str) -> str | None:
        """Return the content of a file of this machine in an algorithm that only rclone knows."""
        return await Lending(jail, self.rclone).content(path, algorithm)

    async def patiently(self, retry: Retry, attempt: Callable[[], Awaitable[T]]) -> T:
        """Ask something again while its failure may pass by itself."""
        began = time.monotonic()

        def notice(number: int, wait_s: float, cause: str) -> None:
            if cause not in self._told:  # once, whichever project asks
                self._told.add(cause)
                each_s = (time.monotonic() - began) / number
                left_s = (retry.attempts - number) * (each_s + wait_s)
                self.setup.tell(f"{cause}; trying for another {max(1, round(left_s))} s")

        return await persistent(retry, notice, attempt)


def _conditions_key(remote: DistantRemote, base: Fs) -> str:
    key = remote_key(remote)
    if isinstance(remote, CloudRemote):
        return f"{key}-{base.type}"  # a workspace can be reached in two ways
    return key
