"""Projects on Basic Memory Cloud as places that the engine can list and write.

What the service tells is remembered (`cloud.facts`), so a quiet run asks it nothing and works while
it is down. This room is loaded only when a project has such a remote.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, assert_never

from bm_sync.cloud.faults import CloudError
from bm_sync.engine.cloud_workspace import Workspace
from bm_sync.engine.dav_opening import DavRoots
from bm_sync.engine.place import Place
from bm_sync.errors import BmSyncError, UsageError
from bm_sync.model.config import CloudRemote, Project
from bm_sync.model.permalink import permalink
from bm_sync.rclone.bucket import Bucket
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.remotes import Fs
from bm_sync.rclone.wire import Features

if TYPE_CHECKING:
    from bm_sync.engine.site import Site


class Workspaces:
    """The workspaces that one command uses."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._known: dict[str, Workspace] = {}
        self._roots: dict[str, tuple[Fs, Features]] = {}
        self._connecting: dict[str, asyncio.Lock] = {}
        self._claims: dict[tuple[str, str], str] = {}
        self._dav = DavRoots(site.rclone)

    def workspace(self, remote: CloudRemote) -> Workspace:
        """Return the workspace of a remote; nothing is asked yet."""
        if remote.name not in self._known:
            self._known[remote.name] = Workspace(remote, self._site.setup)
        return self._known[remote.name]

    async def place(self, project: Project) -> Place:
        """Return where a project lies; raises BmSyncError, for a project that cannot be there too.

        The service is asked only for what is not remembered.
        """
        remote = _remote(project)
        workspace = self.workspace(remote)
        facts = await workspace.facts()
        found = await workspace.project(project.path)
        prefix = found.path if found is not None else permalink(project.path)
        self._claim(project, facts.tenant_id, prefix)
        if found is not None and permalink(found.name) != permalink(project.path):
            self._site.state.note(
                f"project '{project.name}' is called '{found.name}' on the cloud now: let its "
                f"`path:` in {project.origin} say so"
            )
        team = facts.workspace_type == "organization"
        if facts.transport == "webdav":
            name = found.name if found is not None else project.path
            fs = await self._dav.root(workspace, name)
            features = await self._site.rclone.features(fs)
            return Place(fs, fs, features, absent=found is None, team=team)
        base, features = await self.connected(remote)
        return Place(base.at(prefix), base, features, absent=found is None, team=team)

    async def connected(self, remote: CloudRemote) -> tuple[Fs, Features]:
        """Return the root of a workspace and what it can do."""
        name = remote.name
        async with self._connecting.setdefault(name, asyncio.Lock()):
            if name not in self._roots:
                fs = await self._root(remote)
                self._roots[name] = fs, await self._site.rclone.features(fs)
            return self._roots[name]

    async def describe(self, remote: CloudRemote) -> str:
        """Return a workspace in words: which it is, as whom, by which way."""
        facts = await self.workspace(remote).facts()
        which = f"workspace '{facts.slug or facts.tenant_id}'"
        role = f" ({facts.role})" if facts.role else ""
        return f"{which}{role} at {self.workspace(remote).host.name} over {facts.transport}"

    async def create(self, project: Project) -> None:
        """Make a project on the cloud; one that is there already stays as it is."""
        made = await self.workspace(_remote(project)).create(project.path)
        if made.path != permalink(project.path):
            raise BmSyncError(
                f"the service keeps the new project '{project.path}' at '{made.path}', not where "
                "the plan was made for",
                hint="run it again; nothing was sent",
            )

    async def is_gone(self, project: Project) -> bool:
        """Return whether the service says that a project it had is no more.

        A service that does not answer says nothing.
        """
        try:
            return await self.workspace(_remote(project)).is_gone(project.path)
        except CloudError:
            return False

    async def _root(self, remote: CloudRemote) -> Fs:
        workspace = self.workspace(remote)
        facts = await workspace.facts()
        match facts.transport:
            case "s3":

                async def renew(refusal: RcloneError) -> Bucket | None:
                    return await workspace.renewed(mint=refusal.fault is Fault.AUTH)

                return await self._site.rclone.connect_bucket(workspace.bucket(facts), renew)
            case "webdav" | None:
                known = facts.projects[0].name if facts.projects else ""
                return await self._dav.root(workspace, known)
            case _:
                assert_never(facts.transport)

    def _claim(self, project: Project, tenant: str, prefix: str) -> None:
        """Two remotes may be one workspace, which only the service can tell."""
        for (other_tenant, other), name in self._claims.items():
            touches = f"{prefix}/".startswith(f"{other}/") or f"{other}/".startswith(f"{prefix}/")
            if name != project.name and tenant == other_tenant and touches:
                raise UsageError(
                    f"the projects '{name}' and '{project.name}' share files on the cloud",
                    hint=f"change one of them ({project.origin}); bm-sync cloud projects lists all",
                )
        self._claims[tenant, prefix] = project.name


def _remote(project: Project) -> CloudRemote:
    assert isinstance(project.remote, CloudRemote)  # noqa: S101 - the callers asked
    return project.remote
