"""One workspace of Basic Memory Cloud in one run: who asks, what is known of it, its keys.

The tenant and the bucket that were met first are pinned: whenever the service is asked again, it
has to answer the same. Keys are made only when there are none or the store refuses them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from bm_sync.cloud import facts as remembered
from bm_sync.cloud.account import Account
from bm_sync.cloud.choice import pick
from bm_sync.cloud.facts import Facts
from bm_sync.cloud.faults import CloudError, CloudFault
from bm_sync.cloud.places import host_of
from bm_sync.cloud.tokens import Keys
from bm_sync.errors import PinnedError
from bm_sync.model import cloud
from bm_sync.model.cloud import CloudProject
from bm_sync.model.config import CloudRemote
from bm_sync.model.permalink import permalink
from bm_sync.model.setup import Setup
from bm_sync.rclone.bucket import Bucket
from bm_sync.structs import replace

if TYPE_CHECKING:
    from bm_sync.cloud.client import Cloud

_LOOK_AGAIN_S = 86_400.0
_OWNER = "owner"  # who may mint keys (basic-memory issue 1262)


class Workspace:
    """One workspace, asked as little as possible."""

    def __init__(self, remote: CloudRemote, setup: Setup) -> None:
        self.remote = remote
        self.state_dir = setup.state_dir
        self.host = host_of(remote.host, setup.env)
        self.account = Account.find(self.host, setup.env, setup.state_dir)
        self._facts: Facts | None = None
        self._asking = asyncio.Lock()
        self._used: Keys | None = None
        self._minted = False
        self._listed = False

    def _service(self) -> Cloud:
        """Return the service, to be opened; a quiet run asks nothing and needs no client."""
        from bm_sync.cloud.client import Cloud

        return Cloud(self.host, self.account)

    async def facts(self) -> Facts:
        """Return what is known; the service is asked when that is nothing, or of another account.

        Raises CloudError, PinnedError.
        """
        async with self._asking:
            if self._facts is None:
                known = remembered.read(self.state_dir, self.remote)
                if known is None or not self._fits(known):
                    known = await self._learn()
                elif not 0 <= time.time() - known.looked_at < _LOOK_AGAIN_S:
                    known = await self._still_there(known)
                self._facts = self._by_my_way(known)
            return self._facts

    async def _still_there(self, known: Facts) -> Facts:
        """Ask once a day whether the files lie where they did: an older bucket may still answer.

        A service that does not answer is asked by the next run. Raises PinnedError.
        """
        try:
            async with self._service() as service:
                mount = await service.mount(known.tenant_id)
        except CloudError:
            return known
        self._compare(known, mount)
        async with remembered.held(self.state_dir, self.remote) as page:
            kept = page.read()
            now = replace(kept if kept and self._fits(kept) else known, looked_at=time.time())
            page.write(now)
            return now

    async def project(self, name: str) -> CloudProject | None:
        """Return a project by its name in any spelling; None when the service has none."""
        known = _known_as(await self.facts(), name)
        async with self._asking:
            if known is None:
                known = _known_as(await self._list(), name)
            key = permalink(name)
            if known is not None and self._known.ids.get(key) != known.id:
                ids = {key: known.id}
                await self._remember(lambda facts: replace(facts, ids={**facts.ids, **ids}))
        return known

    async def is_gone(self, name: str) -> bool:
        """Return whether the service, asked now, has no project of that name or id."""
        await self.facts()
        async with self._asking:
            return _known_as(await self._list(), name) is None

    async def create(self, name: str) -> CloudProject:
        """Make a project and return it; one that is there is returned."""
        tenant = (await self.facts()).tenant_id
        async with self._asking, self._service() as service:
            made = await service.create_project(tenant, name)
            await self._remember(lambda facts: _with_project(facts, made))
            return made

    async def learn(self, change: Callable[[Facts], Facts]) -> Facts:
        """Remember something more and return what is known then."""
        async with self._asking:
            return await self._remember(change)

    def bucket(self, facts: Facts) -> Bucket:
        """Return the bucket with its keys, as rclone reaches it."""
        assert facts.keys is not None  # noqa: S101 - see `_fits`
        keys = self._used = facts.keys
        return Bucket(
            self.remote.name, self.remote.storage, facts.bucket, keys.access_key, keys.secret_key
        )

    async def renewed(self, *, mint: bool) -> Bucket | None:
        """Return the bucket with other keys than those that were refused; None when there are none.

        Another process may have made them; else they are made here once, if `mint`. Raises
        CloudError, PinnedError.
        """
        async with self._asking, remembered.held(self.state_dir, self.remote) as page:
            mine, kept = self._known, page.read()
            if kept is not None and self._other_keys(kept):
                self._facts = self._by_my_way(kept)
                return self.bucket(kept)
            if self._minted:
                return None
            async with self._service() as service:
                self._compare(mine, await service.mount(mine.tenant_id))
                if not mint:
                    return None
                self._minted = True
                keys = await service.mint(mine.tenant_id)
            now = replace(kept or mine, keys=keys)
            page.write(now)
            self._facts = self._by_my_way(now)
            return self.bucket(now)

    def _other_keys(self, kept: Facts) -> bool:
        return self._fits(kept) and kept.keys != self._used

    @property
    def _known(self) -> Facts:
        assert self._facts is not None  # noqa: S101 - the callers asked for them before
        return self._facts

    def _fits(self, known: Facts) -> bool:
        """Return whether what is remembered is of this account and enough for the transport."""
        mine = known.host == self.host.url and known.account == self.account.fingerprint
        way = self._by_my_way(known).transport
        return mine and way is not None and (way == "webdav" or known.keys is not None)

    def _by_my_way(self, known: Facts) -> Facts:
        """Return the facts with the transport that the manifest forces, if it forces one.

        What is remembered is shared with other remotes of the workspace.
        """
        forced = self.remote.transport
        return known if forced == "auto" else replace(known, transport=forced)

    async def _learn(self) -> Facts:
        """Ask the service for everything, unless another process has done so meanwhile."""
        async with remembered.held(self.state_dir, self.remote) as page:
            known = page.read()
            if known is None or not self._fits(known):
                known = await self._asked(known)
                page.write(known)
            return known

    async def _asked(self, before: Facts | None) -> Facts:
        async with self._service() as service:
            found = await self._workspace(service)
            mount = await service.mount(found.tenant_id if found else None)
            if before is not None:
                self._compare(before, mount)
            facts = Facts(
                host=self.host.url,
                workspace=self.remote.workspace,
                account=self.account.fingerprint,
                tenant_id=mount.tenant_id,
                bucket=mount.bucket,
                workspace_type=found.type if found else "personal",
                slug=found.slug if found else "",
                role=found.role if found else "",
                dav=before.dav if before is not None else {},
                ids=before.ids if before is not None else {},
                looked_at=time.time(),
            )
            return await self._by_transport(service, facts, before)

    async def _workspace(self, service: Cloud) -> cloud.Workspace | None:
        """Return the workspace that the manifest names; None for the default of an old service."""
        wanted = self.remote.workspace
        try:
            known = await service.workspaces()
        except CloudError as e:
            if e.fault is CloudFault.MISSING and wanted is None:
                return None  # services before 0.19 have one workspace and do not list it
            raise
        return cloud.chosen(known, None) if wanted is None else pick(known, self.remote)

    async def _by_transport(self, service: Cloud, facts: Facts, before: Facts | None) -> Facts:
        """Return the facts with the way to the files, and the keys where that way needs some."""
        wanted = self.remote.transport
        if wanted == "webdav" or (wanted == "auto" and facts.role not in ("", _OWNER)):
            return replace(facts, transport="webdav")
        try:
            keys = await self._keys(service, facts, before)
        except CloudError as e:
            if wanted == "auto" and e.fault is CloudFault.FORBIDDEN:
                return replace(facts, transport="webdav")
            raise
        return replace(facts, transport="s3", keys=keys)

    async def _keys(self, service: Cloud, facts: Facts, before: Facts | None) -> Keys:
        """Return the keys that are known, where this account could have made them, else new ones.

        Keys are the bucket's, not the account's, and every sign-in may look like another account.
        """
        mine = before is not None and (before.account == facts.account or facts.role == _OWNER)
        if mine and before is not None and before.keys is not None:
            return before.keys
        self._minted = True
        return await service.mint(facts.tenant_id)

    def _compare(self, before: Facts, now: cloud.Mount) -> None:
        """Raise PinnedError when the service answers for another place than before."""
        if (before.tenant_id, before.bucket) == (now.tenant_id, now.bucket):
            return
        what = "another workspace" if before.tenant_id != now.tenant_id else "another bucket"
        raise PinnedError(
            f"remote '{self.remote.name}' is {what} than before; nothing is moved",
            hint=f"look there, then: bm-sync cloud repin {self.remote.name}",
        )

    async def _list(self) -> Facts:
        """Return the facts with the projects as they are now; asked once in a run."""
        if not self._listed:
            async with self._service() as service:
                projects = await service.projects(self._known.tenant_id)
            self._listed = True
            await self._remember(lambda facts: replace(facts, projects=projects))
        return self._known

    async def _remember(self, change: Callable[[Facts], Facts]) -> Facts:
        """Keep what was learnt, beside what other processes have learnt meanwhile."""
        async with remembered.held(self.state_dir, self.remote) as page:
            kept = page.read()
            before = kept if kept is not None and self._fits(kept) else self._known
            now = change(before)
            if now != kept:
                page.write(now)
            self._facts = self._by_my_way(now)
            return self._facts


def _known_as(facts: Facts, name: str) -> CloudProject | None:
    """Return a project by the id that it had when it was first met, else by its name.

    It may have been renamed or moved since, on the service.
    """
    mine = facts.ids.get(permalink(name))
    by_id = next((p for p in facts.projects if p.id == mine), None)
    return by_id or cloud.named(facts.projects, name)


def _with_project(facts: Facts, made: CloudProject) -> Facts:
    others = tuple(p for p in facts.projects if p.id != made.id)
    return replace(facts, projects=(*others, made))
