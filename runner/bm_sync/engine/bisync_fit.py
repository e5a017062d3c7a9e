"""Whether a project can be carried out by `rclone bisync`, and what its plan says about it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from bm_sync.engine.jail import BlockedError, movable, others_write
from bm_sync.engine.observe import Seen
from bm_sync.engine.routed import DAV_TYPE
from bm_sync.errors import BmSyncError
from bm_sync.model.config import Engine, Links
from bm_sync.model.plan import ProjectPlan
from bm_sync.model.tree import Root, Side
from bm_sync.structs import replace

_HINT = "engine: reconcile can"
_NOTE = "rclone bisync carries this out: a renamed file is copied and deleted"


def require(seen: Seen) -> None:
    """Raise BmSyncError when the project asks for bisync and that cannot do it."""
    if seen.project.policy.engine is not Engine.BISYNC:
        return
    if seen.project.filters.links is Links.FOLLOW:
        raise BmSyncError("engine: bisync does not follow symbolic links", hint=_HINT)
    for side in Side:
        _require_own_folders(seen, side)
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


def _require_own_folders(seen: Seen, side: Side) -> None:
    """Raise BmSyncError when others may write where bisync goes: it opens files by their names."""
    root = seen.folder_on(side)
    if root is None or seen.observation.tree(side).root is not Root.FOLDER:
        return
    others = root.parent if movable(root) else _others_folder(seen, root, side)
    if others is not None:
        what = f"engine: bisync opens files by name, and others may write to {str(others)!a}"
        raise BmSyncError(what, hint=_HINT)


def _others_folder(seen: Seen, root: Path, side: Side) -> Path | None:
    jail = seen.jail(root)
    jail.hold()
    for folder in ("", *seen.observation.tree(side).dirs):
        with (
            suppress(OSError, BlockedError),
            jail.parent(f"{folder}/." if folder else ".") as (here, _),
        ):
            if others_write(here):
                return root / folder
    return None


def noted(plan: ProjectPlan, engine: Engine) -> ProjectPlan:
    """Return the plan with a word on bisync, where there is something for it to do."""
    if engine is not Engine.BISYNC or not plan.moves:
        return plan
    return replace(plan, notes=(*plan.notes, _NOTE))
