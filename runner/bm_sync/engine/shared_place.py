"""Where the states of projects lie on a remote: a folder for each, with database and lease."""

from __future__ import annotations

from bm_sync.engine.lease_place import LEASE, DistantPlace, FolderPlace, LeasePlace, Slot
from bm_sync.engine.site import Site
from bm_sync.model.config import FolderRemote, Retry
from bm_sync.model.state_home import StateHome
from bm_sync.state.portable import MAX_BYTES

DATABASE = "state.db"


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
