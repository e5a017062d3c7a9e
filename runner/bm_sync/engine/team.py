"""What a team workspace does not allow: a mirror, which takes away what only one side has."""

from __future__ import annotations

from bm_sync.engine.identity import at_source
from bm_sync.engine.site import Site
from bm_sync.errors import UsageError
from bm_sync.model.config import CloudRemote, Direction, Mode, Project


async def refuse_mirror(project: Project, site: Site) -> None:
    """Raise UsageError for a project that mirrors a workspace where others write, too."""
    there = at_source(project)
    if there is not None and project.policy.direction is Direction.DOWN:
        await refuse_mirror(there, site)
    mirrors = project.policy.mode is Mode.MIRROR and isinstance(project.remote, CloudRemote)
    if not mirrors or not (await site.place(project)).team:
        return
    raise UsageError(
        f"project '{project.name}' mirrors a team workspace: a mirror knows only one side, so what "
        "others wrote in the meantime would be taken for surplus",
        hint=f"use mode two-way, push or pull in policy '{project.policy.name}' ({project.origin})",
    )
