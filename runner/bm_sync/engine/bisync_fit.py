"""Whether a project can be carried out by `rclone bisync`, and what its plan says about it."""

from __future__ import annotations

from dataclasses import replace

from bm_sync.engine.observe import Seen
from bm_sync.engine.routed import DAV_TYPE
from bm_sync.errors import BmSyncError
from bm_sync.model.config import Engine, Links
from bm_sync.model.plan import ProjectPlan

_HINT = "engine: reconcile can"
_NOTE = "rclone bisync carries this out: a renamed file is copied and deleted"


def require(seen: Seen) -> None:
    """Raise BmSyncError when the project asks for bisync and that cannot do it."""
    if seen.project.policy.engine is not Engine.BISYNC:
        return
    if seen.project.filters.links is Links.FOLLOW:
        raise BmSyncError("engine: bisync does not follow symbolic links", hint=_HINT)
    store = seen.store
    if store is None:
        return
    if store.fs.type == DAV_TYPE:
        raise BmSyncError("rclone bisync cannot reach this workspace by WebDAV", hint=_HINT)
    if not (store.features.can_move or store.features.can_copy):
        what = (
            "rclone bisync cannot keep replaced versions there: the remote neither moves nor copies"
        )
        raise BmSyncError(what, hint=_HINT)


def noted(plan: ProjectPlan, engine: Engine) -> ProjectPlan:
    """Return the plan with a word on bisync, where there is something for it to do."""
    if engine is not Engine.BISYNC or not plan.moves:
        return plan
    return replace(plan, notes=(*plan.notes, _NOTE))
