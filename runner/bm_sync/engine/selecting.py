"""Tells which projects of a manifest a command is about."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Mapping, Sequence

from bm_sync.errors import BmSyncError, UsageError
from bm_sync.model.config import (
    CloudRemote,
    Elsewhere,
    Manifest,
    NamedRemote,
    Project,
    Remote,
)
from bm_sync.model.setup import Selection
from bm_sync.model.uses import Taken


def select(manifest: Manifest, selection: Selection) -> tuple[Project, ...]:
    """Return the projects that a name, a glob or a tag selects, in the manifest's order.

    Those that are not for this machine are never among them. A schedule may select nothing: a timer
    outlives the projects that it was made for. Raises UsageError when a name or a tag
    selects nothing, not even one of those.
    """
    declared = (*manifest.projects, *(e.project for e in manifest.elsewhere))
    names = [p.name for p in declared]
    for pattern in selection.names:
        if not any(fnmatch.fnmatchcase(n, pattern) for n in names):
            close = difflib.get_close_matches(pattern, names, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"declared are: {', '.join(names)}"
            raise UsageError(f"no project '{pattern}' in {manifest.file}", hint=hint)
    known = {t for p in declared for t in p.tags}
    for tag in selection.tags:
        if tag not in known:
            hint = f"known tags: {', '.join(sorted(known))}" if known else "no project has tags"
            raise UsageError(f"no project in {manifest.file} has the tag '{tag}'", hint=hint)
    return tuple(p for p in manifest.projects if _selected(p, selection))


def refused_commands(manifest: Manifest, projects: Sequence[Project]) -> dict[str, BmSyncError]:
    """Return why projects may not be looked at with `--no-commands`, by name.

    A remote must start no program and take nothing of this machine from outside the folder of the
    manifest: no file, no credentials of the environment, none of your rclone.conf, no sign-in.
    """
    folder = manifest.file.absolute().parent
    told: dict[str, str] = {}
    for use in manifest.uses:
        inside = use.taken is Taken.FILE and use.path is not None and folder in use.path.parents
        if use.remote is not None and not inside:
            told.setdefault(use.remote, f"{use.what} {use.taken.outside()} ({use.origin})")
    state = manifest.state.remote if manifest.state else None
    found: dict[str, BmSyncError] = {}
    for project in projects:
        near = project.source.remote if project.source else None
        whys = [_outside(remote, told) for remote in (project.remote, near, state) if remote]
        why = next((why for why in whys if why), None)
        if why is not None:
            hint = "read the manifest, then leave --no-commands away"
            found[project.name] = UsageError(f"not looked at (--no-commands): {why}", hint=hint)
    return found


def _outside(remote: Remote, told: Mapping[str, str]) -> str | None:
    match remote:
        case NamedRemote():
            return f"remote {remote.name!r} is one of your rclone.conf ({remote.origin})"
        case CloudRemote():
            return f"remote {remote.name!r} uses your sign-in ({remote.origin})"
        case _:
            return told.get(remote.name)


def elsewhere(manifest: Manifest, selection: Selection) -> tuple[Elsewhere, ...]:
    """Return the selected projects that are not for this machine."""
    return tuple(e for e in manifest.elsewhere if _selected(e.project, selection))


def _selected(project: Project, selection: Selection) -> bool:
    by_name = any(fnmatch.fnmatchcase(project.name, n) for n in selection.names)
    by_tag = any(t in project.tags for t in selection.tags)
    if selection.schedules and (
        project.schedule is None or project.schedule.name not in selection.schedules
    ):
        return False
    return (by_name or not selection.names) and (by_tag or not selection.tags)
