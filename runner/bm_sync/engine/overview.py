"""What the state knows of projects, declared or not; nothing is looked at anew."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bm_sync.engine.identity import local_label, project_key, remote_label
from bm_sync.engine.selecting import elsewhere, select
from bm_sync.errors import UsageError
from bm_sync.model.config import Elsewhere, Manifest, Project
from bm_sync.model.report import ProjectStatus, ResetReport
from bm_sync.model.setup import Selection, Setup
from bm_sync.paths import home_dir
from bm_sync.state.store import State
from bm_sync.state.values import Seen

_UNION = (
    "the next run compares both sides anew: equal files are adopted, files on one side only are "
    "copied to the other, files that differ are conflicts; nothing is deleted"
)


def rows(
    manifest: Manifest, selection: Selection, state: State, setup: Setup
) -> tuple[ProjectStatus, ...]:
    """Return the selected projects, then those of other machines, then what is not declared."""
    home = home_dir(setup.env)
    found = declared(select(manifest, selection), state, home)
    found += not_here(elsewhere(manifest, selection), state, home)
    if selection.names or selection.tags:
        return found
    return found + undeclared(manifest, state)


def declared(projects: Sequence[Project], state: State, home: Path) -> tuple[ProjectStatus, ...]:
    """Return the status of declared projects, in the order given."""
    seen = {s.key: s for s in state.projects()}
    return tuple(_declared(p, seen.get(project_key(p)), state, home) for p in projects)


def not_here(projects: Sequence[Elsewhere], state: State, home: Path) -> tuple[ProjectStatus, ...]:
    """Return the status of declared projects that are not for this machine."""
    rows = declared([e.project for e in projects], state, home)
    return tuple(replace(r, elsewhere=e.reason) for r, e in zip(rows, projects, strict=True))


def undeclared(manifest: Manifest, state: State) -> tuple[ProjectStatus, ...]:
    """Return the projects that the state knows and the manifest does not declare."""
    declared = (*manifest.projects, *(e.project for e in manifest.elsewhere))
    known = {project_key(p) for p in declared}
    return tuple(_undeclared(s, state) for s in state.projects() if s.key not in known)


def find(manifest: Manifest | None, name: str, state: State) -> tuple[str, bool]:
    """Return the key of a project by its name and whether it is declared.

    Raises UsageError when neither the manifest nor the state knows the name.
    """
    here = [*manifest.projects, *(e.project for e in manifest.elsewhere)] if manifest else []
    for project in here:
        if project.name == name:
            return project_key(project), True
    names = [s.name for s in state.projects()]
    for seen in state.projects():
        if seen.name == name:
            return seen.key, False
    names += [p.name for p in here]
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean '{close[0]}'?" if close else "bm-sync status lists what is known"
    raise UsageError(f"no project '{name}'", hint=hint)


def reset(name: str, key: str, state: State, *, declared: bool) -> ResetReport:
    """Forget what is remembered of a project."""
    known = state.project(key).baseline.known
    files = state.forget(key)
    after = _UNION if declared else "it is not declared; nothing runs for it any more"
    return ResetReport(name, known, files, after)


def _declared(project: Project, seen: Seen | None, state: State, home: Path) -> ProjectStatus:
    key = project_key(project)
    return ProjectStatus(
        project=project.name,
        placement=project.placement,
        key=key,
        local=local_label(project, home),
        remote=remote_label(project),
        mode=str(project.policy.mode),
        last_run=seen.last_run if seen else None,
        last_time=seen.last_time if seen else None,
        result=seen.status if seen else None,
        converged=seen.converged if seen else None,
        files=seen.files if seen else 0,
        bytes=seen.bytes if seen else 0,
        conflicts=len(state.conflicts(key)),
        message=seen.message if seen else None,
    )


def _undeclared(seen: Seen, state: State) -> ProjectStatus:
    return ProjectStatus(
        project=seen.name,
        placement=None,
        key=seen.key,
        local=seen.local or None,
        remote=seen.remote or None,
        mode=None,
        last_run=seen.last_run,
        last_time=seen.last_time,
        result=seen.status,
        converged=seen.converged,
        files=seen.files,
        bytes=seen.bytes,
        conflicts=len(state.conflicts(seen.key)),
        message=seen.message,
    )
