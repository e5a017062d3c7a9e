"""Opens the WebDAV of workspaces for one command; connections end with rclone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bm_sync.cloud.facts import Facts
from bm_sync.engine.cloud_workspace import Workspace
from bm_sync.engine.routed import Routed
from bm_sync.rclone.remotes import Fs
from bm_sync.structs import replace

if TYPE_CHECKING:
    from bm_sync.engine.dav import DavStores, DavWorkspace


class DavRoots:
    """The projects of one command that are reached by WebDAV."""

    def __init__(self, rclone: Routed) -> None:
        self._rclone = rclone
        self._workspaces: dict[int, DavWorkspace] = {}
        self._roots: dict[tuple[int, str], Fs] = {}
        self._opening = asyncio.Lock()

    async def root(self, workspace: Workspace, name: str) -> Fs:
        """Return the root of a project by its name on the cloud; nothing is asked of it yet."""
        facts = await workspace.facts()
        async with self._opening:
            key = id(workspace), name
            if key not in self._roots:
                stores = self._stores()
                opened = await self._opened(workspace, facts, stores)
                self._roots[key] = stores.root(opened, name)
            return self._roots[key]

    def _stores(self) -> DavStores:
        from bm_sync.engine.dav import DavStores

        if self._rclone.dav is None:
            self._rclone.dav = DavStores(self._rclone, self._rclone.upload_limit)
        return self._rclone.dav

    async def _opened(self, workspace: Workspace, facts: Facts, stores: DavStores) -> DavWorkspace:
        if id(workspace) not in self._workspaces:
            from bm_sync.cloud.client import Cloud

            cloud = Cloud(workspace.host, workspace.account)
            await self._rclone.closing.enter_async_context(cloud)

            async def remember(found: Mapping[str, bool]) -> None:
                await workspace.learn(lambda known: replace(known, dav={**known.dav, **found}))

            self._workspaces[id(workspace)] = stores.workspace(
                workspace.remote.name, cloud, facts.tenant_id, (facts.dav, remember)
            )
        return self._workspaces[id(workspace)]
