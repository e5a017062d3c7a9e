"""Where the states of projects lie on a remote, a folder for each, and how one is taken in."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bm_sync.engine.identity import project_key, remote_key
from bm_sync.engine.lease_place import LEASE, DistantPlace, FolderPlace, Found, LeasePlace, Slot
from bm_sync.engine.site import Site
from bm_sync.errors import BmSyncError
from bm_sync.model.config import FolderRemote, Project, Retry
from bm_sync.model.state_home import StateHome
from bm_sync.parallel import at_once
from bm_sync.state.portable import MAX_BYTES, Wanted

DATABASE = "state.db"
_AT_ONCE = 8


class SharedPlace:
    """The place that a manifest names for states; connected when it is first used."""

    def __init__(self, home: StateHome, site: Site) -> None:
        self._home = home
        self._site = site
        self.label = home.label
        self.exact = True

    async def lease_of(self, key: str) -> LeasePlace:
        """Return where the lease on the project `key` lies."""
        return await self._at(key, LEASE, reading=False)

    async def vault_of(self, key: str, *, aside: str = "", reading: bool = False) -> LeasePlace:
        """Return where the database of a project lies; `aside` is for one that is damaged.

        For `reading` alone nothing is tried out on the remote.
        """
        name = f"{DATABASE}.damaged-{aside}" if aside else DATABASE
        return await self._at(key, Slot(name, MAX_BYTES, "the state"), reading=reading)

    async def _at(self, key: str, slot: Slot, *, reading: bool) -> LeasePlace:
        remote, path = self._home.remote, f"{self._home.path}/{key}"
        if isinstance(remote, FolderRemote):
            return FolderPlace(remote.root / path, f"{self.label}/{key}", slot)
        base, features = await self._site.connected(remote)
        sure = False if reading else await self._site.conditions(remote, base, Retry())
        place = DistantPlace(self._site.rclone, base.at(path), features, conditions=sure, slot=slot)
        self.exact = place.exact
        return place


def wanted(project: Project, others: Collection[str] = ()) -> Wanted:
    """Return what belongs to a project; `others` are the names of all that are declared."""
    remotes = (project.remote, project.source.remote if project.source is not None else None)
    facts = tuple(remote_key(remote) for remote in remotes if remote is not None)
    return Wanted(project_key(project), facts, frozenset(others) - {project.name})


def taken(site: Site, project: Project, label: str, found: Found, others: Collection[str]) -> bool:
    """Take a fetched state in; return whether it could be used.

    Raises BmSyncError for one of a newer version.
    """
    try:
        left = site.state.take_in(wanted(project, others), found.data)
    except BmSyncError as e:
        what = f"the state of project {project.name} on {label} cannot be used: {e.what}"
        raise BmSyncError(what, hint=e.hint) from e
    if left:
        records = "1 record" if left == 1 else f"{left} records"
        site.state.note(
            f"{records} of the state of project {project.name} on {label} could not be understood "
            f"and are left out; the next run writes it without them: bm-sync apply {project.name}"
        )
    return left is not None


async def former_taken(site: Site, project: Project, place: SharedPlace) -> None:
    """Take in the state of what a project was, which has none of its own; a damaged one is none.

    What this machine remembers of it may be older.
    """
    was = project.was
    assert was is not None  # noqa: S101 - the callers asked
    key = project_key(was)
    if key == project_key(project) or site.state.knows(project_key(project)):
        return
    vault = await place.vault_of(key, reading=True)
    found = await site.patiently(project.policy.retry, vault.read)
    if found is None or not taken(site, was, place.label, found, ()):
        site.state.forget(key)


async def looked_at(home: StateHome, site: Site, projects: Sequence[Project]) -> None:
    """Take the state of projects in for a command that changes nothing; a damaged one is none.

    Those whose state cannot be fetched are in `site.unfetched`.
    """
    place = SharedPlace(home, site)

    async def one(project: Project) -> None:
        try:
            await _look(project, place, site)
        except BmSyncError as e:
            site.unfetched[project.name] = e

    await at_once(_AT_ONCE, projects, one)


async def _look(project: Project, place: SharedPlace, site: Site) -> None:
    key = project_key(project)
    vault = await place.vault_of(key, reading=True)
    found = await site.patiently(project.policy.retry, vault.read)
    if found is None:
        site.state.forget(key)
    elif not taken(site, project, place.label, found, ()):
        site.state.forget(key)
        site.state.note(
            f"the state of project {project.name} on {place.label} is damaged: the next apply keeps"
            " it beside and observes both sides anew, nothing is deleted"
        )
    if project.was is not None:
        await former_taken(site, project, place)
