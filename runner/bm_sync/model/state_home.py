"""Where the state of projects lies when no machine owns it."""

from __future__ import annotations

from msgspec import Struct

from bm_sync.model.config import BackendRemote, FolderRemote, NamedRemote
from bm_sync.model.origin import Origin


class StateHome(Struct, frozen=True):
    """A place on a remote that holds the state of every project (`state: {remote: …}`).

    `path` is below the remote's root. `lease_s` is how long a run keeps a project to itself after
    it was last heard of.
    """

    remote: FolderRemote | BackendRemote | NamedRemote
    path: str
    lease_s: float
    origin: Origin

    @property
    def label(self) -> str:
        """Return the place as a person reads it: `store:notes/state`."""
        return f"{self.remote.name}:{self.path}"
