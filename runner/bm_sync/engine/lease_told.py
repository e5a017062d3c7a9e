"""What a plan says about the lease that its project wants."""

from __future__ import annotations

from bm_sync.engine.observe import Seen
from bm_sync.engine.site import Site
from bm_sync.model.config import FolderRemote
from bm_sync.model.plan import ProjectPlan
from bm_sync.rclone.remotes import S3_TYPE
from bm_sync.structs import replace

ADVISORY = "advisory: the remote has no conditional writes, so two that ask at once may both get it"


def told(plan: ProjectPlan, seen: Seen, site: Site) -> ProjectPlan:
    """Return the plan with a word on a lease that is only advisory; nothing is asked for that."""
    store, remote = seen.store, seen.project.remote
    if store is None or isinstance(remote, FolderRemote | None) or not plan.moves:
        return plan
    known = store.fs.type == S3_TYPE
    exact = known and site.known_conditions(remote, store.base) is not False
    return plan if exact else replace(plan, notes=(*plan.notes, f"lease: remote is {ADVISORY}"))
