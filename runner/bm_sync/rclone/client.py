"""rclone as the engine sees it: roots, listings, transfers; one daemon behind them.

The daemon starts with the first use and is started again when it died. Every failure is an
`RcloneError` with a `Fault`, or `RcloneMissingError` when rclone itself cannot be run. Single
operations may run concurrently; the caller bounds them. When a cancellation surfaces, the cancelled
operation has ended, or 3 s have passed.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bm_sync.backends import variables
from bm_sync.errors import BmSyncError
from bm_sync.layout import PARTIAL
from bm_sync.model.config import BackendRemote, NamedRemote
from bm_sync.rclone import contents
from bm_sync.rclone.binary import Binary
from bm_sync.rclone.bucket import Bucket, bucket_definition, bucket_fs, renewing
from bm_sync.rclone.calls import Calls
from bm_sync.rclone.daemon import DaemonSettings
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.listing import Wanted, spoken
from bm_sync.rclone.names import is_text
from bm_sync.rclone.rc import Answer
from bm_sync.rclone.remotes import (
    DECLARED,
    S3_TYPE,
    Definition,
    Fs,
    declared,
    declared_fs,
    local_fs,
    members,
)
from bm_sync.rclone.renewal import Renew
from bm_sync.rclone.session import Live, Session
from bm_sync.rclone.transfer import PLAIN, Batch, BatchResult, Condition, OnProgress, Pair
from bm_sync.rclone.userconf import UserConf
from bm_sync.rclone.wire import Features, RemoteEntry, RemoteListing, Space, space_of
from bm_sync.secret import Secret
from bm_sync.structs import replace

if TYPE_CHECKING:
    from bm_sync.rclone.bisync import Ended, Order

_AFTER_RENEWAL_S = 0.3  # past the moment when a sign-in can be renewed
_NOT_EMPTY = ("directory not empty", "not empty")


class Rclone:
    """One rclone daemon with its remotes, for one event loop."""

    def __init__(  # noqa: PLR0913 - each is a fact of its own, all but two by name with a default
        self,
        binary: Binary,
        *,
        run_dir: Path,
        env: Mapping[str, str],
        log_file: Path | None = None,
        bandwidth: int | None = None,
        partial_suffix: str = PARTIAL,
    ) -> None:
        self._binary = binary
        self._env = env
        settings = DaemonSettings(binary, run_dir, env, log_file, bandwidth)
        self._session = Session(settings, partial_suffix)
        self._calls = Calls(self._session)
        self.closing = AsyncExitStack()  # for what lives as long as one command
        self._userconf = UserConf(binary)
        self._names: dict[Hashable, str] = {}
        self._members: dict[str, tuple[str, ...]] = {}  # of unions, by the daemon's name
        self._sees_descriptors: bool | None = None
        self._expected: tuple[BackendRemote | NamedRemote, ...] = ()
        self._keeping: dict[BackendRemote | NamedRemote, asyncio.Task[None]] = {}

    def launch(self) -> None:
        """Begin to start the daemon, without waiting for it; raises RcloneMissingError."""
        self._session.launch()

    async def start(self) -> None:
        """Start the daemon unless it runs; raises RcloneMissingError.

        Remotes connected before are known to the new one.
        """
        await self._session.live()

    async def stop(self) -> None:
        """End the daemon; safe to call twice, and when it never started."""
        for keeping in self._keeping.values():
            keeping.cancel()
        await asyncio.gather(*self._keeping.values(), return_exceptions=True)
        self._keeping.clear()
        await self._session.stop()
        await self.closing.aclose()

    def secrets(self) -> tuple[Secret, ...]:
        """Return every secret that the running daemon was told, to be masked in logs."""
        return self._session.secrets

    async def version(self) -> str:
        """Return the version of the running rclone, `v1.75.2`."""
        return (await self._session.live()).version

    @property
    def pid(self) -> int | None:
        """Return the daemon's process id while it runs."""
        return self._session.pid

    def local(self, root: Path, *, follow: bool = False, descriptor: int | None = None) -> Fs:
        """Return a folder of this machine (absolute); every file name comes through unharmed.

        `follow`: paths may lead through symbolic links; the caller has seen where to. `descriptor`:
        the folder is reached as it is held open here, see `sees_descriptors`.
        """
        return local_fs(root, follow=follow, descriptor=descriptor)

    async def sees_descriptors(self) -> bool:
        """Return whether rclone reaches folders by the descriptors of this process.

        Linux shows them below /proc to programs of the same user; it is tried once.
        """
        if self._sees_descriptors is None:
            self._sees_descriptors = sys.platform == "linux" and await self._tries_descriptor()
        return self._sees_descriptors

    async def _tries_descriptor(self) -> bool:
        with tempfile.TemporaryDirectory(prefix="bm-sync-") as name:
            folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                await self.ping(local_fs(Path(name), descriptor=folder))
            except RcloneError as e:
                if e.fault is Fault.DAEMON:
                    raise
                return False
            else:
                return True
            finally:
                os.close(folder)

    async def connect(self, remote: BackendRemote | NamedRemote, env: Mapping[str, str]) -> Fs:
        """Make a remote known and return its root.

        Secrets are read now. Nothing is asked of the remote yet. Raises SecretError, UsageError
        (values that cannot be said), RcloneError (the backend is unknown).
        """
        await self._look_ahead(env)
        definitions = await self._definitions(remote, env)
        await self._session.need(frozenset().union(*(d.variables for d in definitions)))
        for definition in definitions:
            await self._session.define(definition)
        self._members[definitions[0].name] = members(definitions)
        top = declared_fs(remote, definitions[0].name, definitions[0].type)
        self._calls.origins[remote.name] = remote.origin
        if self._userconf.left_s(definitions, env) != float("inf"):
            self._calls.watch(top, partial(self._signed_in, remote, env))
            if remote not in self._keeping:
                keeping = asyncio.create_task(self._keep_signed_in(remote, env))
                self._keeping[remote] = keeping
        return top

    async def _signed_in(
        self, remote: BackendRemote | NamedRemote, env: Mapping[str, str], _: RcloneError
    ) -> Definition | None:
        """Return the remote with a sign-in that was renewed; None when there is no newer one."""
        found = await self._definitions(remote, env, doubted=True)
        newer = [d for d in found if not self._session.knows(d)]
        for definition in newer[1:]:
            await self._session.redefine(definition)
        return newer[0] if newer else None

    async def _keep_signed_in(
        self, remote: BackendRemote | NamedRemote, env: Mapping[str, str]
    ) -> None:
        """Renew sign-ins when they end, so that no transfer under way is cut off by it."""
        while True:
            pause_s = _AFTER_RENEWAL_S
            with suppress(BmSyncError):
                definitions = await self._definitions(remote, env)
                for definition in definitions:
                    if not self._session.knows(definition):
                        await self._session.redefine(definition)
                pause_s += self._userconf.left_s(definitions, env)
            await asyncio.sleep(pause_s)

    def expect(self, remotes: Collection[BackendRemote | NamedRemote]) -> None:
        """Say what will be connected, so that rclone starts with all that these need."""
        self._expected = tuple(remotes)

    async def _look_ahead(self, env: Mapping[str, str]) -> None:
        """Learn what the remotes need that are to come; one that cannot be told says so itself."""
        expected, self._expected = self._expected, ()
        needed: frozenset[str] = frozenset()
        for remote in expected:
            with suppress(BmSyncError):
                if isinstance(remote, NamedRemote):
                    found = await self._userconf.definitions(remote, env)
                else:
                    said = ((k, v) for k, v in remote.options if isinstance(v, str))
                    needed |= variables(remote.type, said)
                    found = await self._userconf.wrapped(remote, env)
                needed |= frozenset().union(*(d.variables for d in found))
        await self._session.need(needed)

    async def _definitions(
        self,
        remote: BackendRemote | NamedRemote,
        env: Mapping[str, str],
        *,
        doubted: bool = False,
    ) -> tuple[Definition, ...]:
        """Return what the daemon has to know, the remote itself first.

        `doubted`: the store refused a sign-in that should hold.
        """
        if isinstance(remote, NamedRemote):
            return await self._userconf.definitions(remote, env, doubted=doubted)
        own = declared(remote, self._name_of(remote), env)
        return (own, *await self._userconf.wrapped(remote, env, doubted=doubted))

    async def connect_bucket(
        self, bucket: Bucket, renew: Callable[[RcloneError], Awaitable[Bucket | None]]
    ) -> Fs:
        """Make a bucket of Basic Memory Cloud known and return its root.

        When the store refuses the keys (Fault.AUTH) or what they ask for (Fault.FORBIDDEN), `renew`
        is asked for others and the operation goes on; it is not asked again after a None.
        """
        name = self._name_of((bucket.remote, bucket.endpoint, bucket.name))
        top = bucket_fs(bucket, name)
        await self.make_known(bucket_definition(bucket, name), top, renewing(renew, name))
        return top

    async def make_known(self, definition: Definition, top: Fs, renew: Renew) -> None:
        """Make a remote known, with `top` for its root; `renew` as for a bucket."""
        await self._calls.make_known(definition, top, renew)

    def _name_of(self, place: Hashable) -> str:
        """Return what the daemon calls a place: always the same, so that connections are kept."""
        return self._names.setdefault(place, DECLARED.format(len(self._names) + 1))

    async def features(self, fs: Fs) -> Features:
        """Return what the backend can do."""
        return await self._calls.make(lambda live: live.listings.features(fs), fs)

    async def list_tree(
        self, fs: Fs, *, features: Features, by_folder: bool = False
    ) -> RemoteListing:
        """Return everything below `fs` by one recursive listing, or asked folder by folder.

        On a bucket a missing prefix is empty and a missing bucket is Fault.STORE_MISSING; elsewhere
        a missing folder is Fault.MISSING. Times are read only where they cost nothing, and for
        objects of a bucket that have no hash. Raises RcloneError too when a part of what is listed
        does not answer.
        """
        for member in self._members.get(fs.root.partition(":")[0], ()):
            await self._calls.make(partial(_answers, fs, member), fs)
        return await self._calls.make(
            lambda live: live.listings.tree(fs, features, by_folder=by_folder), fs
        )

    async def list_level(
        self, fs: Fs, folder: str, *, features: Features
    ) -> Mapping[str, bool] | None:
        """Return the names directly in a folder, true for folders; None when it is not there."""
        return await self._calls.make(lambda live: live.listings.level(fs, folder, features), fs)

    async def look_at(self, fs: Fs, paths: Collection[str], *, features: Features) -> set[str]:
        """Return those of `paths` that are files there, each asked for by itself."""
        asked = [path for path in dict.fromkeys(paths) if is_text(path)]
        if not asked:
            return set()
        return set(
            await self._calls.make(
                lambda live: live.listings.look_up(fs, asked, features, hashed=None), fs
            )
        )

    async def list_some(
        self, fs: Fs, paths: Collection[str], *, features: Features, mtime: bool, content: bool
    ) -> dict[str, RemoteEntry]:
        """Return those of `paths` that are files there, in fewest requests.

        The stamps are those that `list_tree` gives, with times too when `mtime` is set. Without
        `content` hashes are left out; where a listing has none see `contents`.
        """
        wanted = Wanted(mtime, content)
        return await self._calls.make(
            lambda live: live.listings.some(fs, paths, features, wanted), fs
        )

    async def contents(
        self, fs: Fs, paths: Collection[str], *, features: Features, scratch: Path
    ) -> dict[str, str]:
        """Return the content digests of files whose listing has none.

        The server computes them where it can (`slow_hash`); what is left is downloaded below
        `scratch`, hashed and removed. Files that are gone are absent.
        """

        async def learn(live: Live) -> dict[str, str]:
            known = await contents.by_server(live.listings, fs, paths, features)
            rest = [path for path in paths if path not in known]
            if not rest:
                return known
            return known | await contents.by_download(live.transfers, fs, rest, scratch)

        return await self._calls.make(learn, fs)

    async def downloaded(self, fs: Fs, path: str, kind: str, scratch: Path) -> str | None:
        """Return the digest of what a file really holds, whatever the remote says of it.

        None when it does not arrive; `kind` is a hash of Python's.
        """

        async def learn(live: Live) -> dict[str, str]:
            return await contents.by_download(live.transfers, fs, [path], scratch, kind)

        return (await self._calls.make(learn, fs)).get(path)

    async def etag(self, fs: Fs, path: str) -> str | None:
        """Return the ETag of an object, None where it cannot be had."""
        return await self._calls.make(lambda live: live.probes.etag(fs, path), fs)

    async def stat(
        self, fs: Fs, path: str, *, features: Features | None = None
    ) -> RemoteEntry | None:
        """Return what stands at `path` with its time, and its cheap hash when `features` are given.

        It may be a folder.
        """
        hashed = features.hash if features else None
        return await self._calls.make(lambda live: live.listings.stat(fs, path, hashed), fs)

    async def copy_batch(
        self,
        src: Fs,
        dst: Fs,
        paths: Collection[str],
        opts: Batch = PLAIN,
        on_progress: OnProgress | None = None,
    ) -> BatchResult:
        """Copy exactly `paths`, replacing what stands there.

        One that fails does not keep the others from going. A path that is no file at the source is
        passed over without a fault.
        """
        if not paths:
            return BatchResult(None)
        pair = Pair(src, dst)
        result, passing = await self._calls.tried(
            lambda live: live.transfers.batch(pair, paths, opts, on_progress), src, dst
        )
        return result if passing is None else replace(result, fault=passing)

    async def bisync(self, order: Order, on_progress: OnProgress | None = None) -> Ended:
        """Run `rclone bisync` on exactly the paths of `order`; see `Bisync`."""
        from bm_sync.rclone.bisync import Bisync, Ended  # hardly any run comes here

        ended, passing = await self._calls.tried(
            lambda live: Bisync(live.rc, live.daemon.home.path).run(order, on_progress),
            order.local.fs,
            order.remote.fs,
        )
        return ended if passing is None else Ended(passing)

    async def copy_file(  # noqa: PLR0913 - two places and a condition
        self,
        src: Fs,
        src_path: str,
        dst: Fs,
        dst_path: str,
        *,
        if_match: str | None = None,
        if_none: bool = False,
    ) -> None:
        """Copy one file, on the server where the backend can.

        Conditions hold for uploads to a store that supports them: `if_match` is the content
        (`md5:...`) or ETag of the version to replace, `if_none` that there is none. A refusal is
        Fault.CHANGED.
        """
        pair, condition = Pair(src, dst), Condition(if_match, if_none)
        await self._calls.make(
            lambda live: live.transfers.copy(pair, src_path, dst_path, condition), src, dst
        )

    async def move_file(self, src: Fs, src_path: str, dst: Fs, dst_path: str) -> None:
        """Move one file, replacing what stands there; on the server where the backend can."""
        pair = Pair(src, dst)
        await self._calls.make(lambda live: live.transfers.move(pair, src_path, dst_path), src, dst)

    async def delete_file(self, fs: Fs, path: str) -> None:
        """Delete one file; Fault.MISSING when there is none."""
        await self._do("operations/deletefile", fs, path)

    async def mkdir(self, fs: Fs, path: str) -> None:
        """Make a folder with its parents; nothing happens when it is there, or on a bucket."""
        await self._do("operations/mkdir", fs, path)

    async def make_bucket(self, fs: Fs) -> None:
        """Make the bucket that a root lies in; nothing happens when it is there."""
        root = fs.root
        if fs.type == S3_TYPE:  # ours are told not to, so that a misspelt one is never made
            root = root.replace(":", ",no_check_bucket=false:", 1)
        await self.mkdir(replace(fs, root=root), "")

    async def rmdir(self, fs: Fs, path: str) -> bool:
        """Remove an empty folder; False when it is not empty or not there."""
        try:
            await self._do("operations/rmdir", fs, path)
        except RcloneError as e:
            if e.fault is Fault.MISSING or any(text in e.what for text in _NOT_EMPTY):
                return False
            raise
        return True

    async def purge(self, fs: Fs, path: str) -> None:
        """Remove a folder with all it holds; nothing happens when it is not there."""
        try:
            await self._do("operations/purge", fs, path)
        except RcloneError as e:
            if e.fault is not Fault.MISSING:
                raise

    async def about(self, fs: Fs) -> Space | None:
        """Return the room on the remote; None when the backend cannot tell."""
        try:
            return space_of(await self._do("operations/about", fs, ""))
        except RcloneError as e:
            if "doesn't support about" in e.what:
                return None
            raise

    async def supports_conditions(self, fs: Fs) -> bool:
        """Return whether conditions of uploads hold there, by trying; the caller remembers it."""
        return await self._calls.make(lambda live: live.probes.conditions(fs), fs)

    async def clock_skew_s(self, fs: Fs) -> float | None:
        """Return how far the store's clock is ahead, to about 2 s; None where it cannot be told."""
        return await self._calls.make(lambda live: live.probes.clock_skew_s(fs), fs)

    async def age_s(self, fs: Fs, path: str) -> float | None:
        """Return how long ago an object was written, by the store's clock; None if it is silent."""
        return await self._calls.make(lambda live: live.probes.age_s(fs, path), fs)

    async def ping(self, fs: Fs) -> None:
        """Ask the remote for the names directly at `fs`; raises RcloneError when it fails."""
        await self._calls.make(lambda live: live.listings.ping(fs), fs)

    async def _do(self, method: str, fs: Fs, path: str) -> Answer:
        params = {"fs": fs.root, "remote": spoken(path)}
        return await self._calls.make(lambda live: live.rc.do(method, params), fs)


async def _answers(fs: Fs, member: str, live: Live) -> None:
    """Raise RcloneError when a member of a union does not answer, because rclone would not say."""
    try:
        await live.listings.ping(replace(fs, root=member))
    except RcloneError as e:
        if e.fault is not Fault.MISSING:
            raise
        raise RcloneError(
            f"{ascii(member)[1:-1]}, of which {fs.name} is a union, is missing",
            fault=Fault.OTHER,
            hint="mount the disk, or make the folder if it is to be a new one",
        ) from e
