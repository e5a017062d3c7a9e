"""What the state knows of projects, declared or not; nothing is looked at anew."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote

from bm_sync.engine.identity import local_label, project_key, remote_label
from bm_sync.engine.selecting import elsewhere, select
from bm_sync.errors import UsageError
from bm_sync.model.config import Elsewhere, Manifest, Project
from bm_sync.model.report import ProjectStatus, ResetReport
from bm_sync.model.setup import Selection, Setup
from bm_sync.paths import home_dir
from bm_sync.state.store import State
from bm_sync.state.values import Seen
from bm_sync.structs import replace

_KNOWN = "bm-sync status lists what is known"
SHORT = 8  # digits of a key that tell projects apart

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
    conflicts = state.conflict_counts()
    return tuple(_declared(p, seen, conflicts, home) for p in projects)


def not_here(projects: Sequence[Elsewhere], state: State, home: Path) -> tuple[ProjectStatus, ...]:
    """Return the status of declared projects that are not for this machine."""
    rows = declared([e.project for e in projects], state, home)
    return tuple(replace(r, elsewhere=e.reason) for r, e in zip(rows, projects, strict=True))


def undeclared(manifest: Manifest, state: State) -> tuple[ProjectStatus, ...]:
    """Return the projects that the state knows and the manifest does not declare."""
    known = _declared_keys(manifest)
    return tuple(_undeclared(s, state) for s in state.projects() if s.key not in known)


def _declared_keys(manifest: Manifest | None) -> dict[str, str]:
    """Return the names of all declared projects by their keys."""
    if manifest is None:
        return {}
    declared = (*manifest.projects, *(e.project for e in manifest.elsewhere))
    return {project_key(p): p.name for p in declared}


def undeclared_one(manifest: Manifest | None, key: str, state: State) -> Seen:
    """Return the one project that is not declared and whose key begins like this.

    Raises UsageError when there is none, or several, and when it is one that is declared.
    """
    known = _declared_keys(manifest)
    for whole, name in known.items():
        if key and whole.startswith(key):
            what = f"{key} is the key of project '{name}', which is declared"
            raise UsageError(what, hint=f"if that is meant: bm-sync reset {quote(name)}")
    found = [s for s in state.projects() if key and s.key.startswith(key) and s.key not in known]
    if len(found) != 1:
        what = f"{len(found) or 'none'} of the projects that are not declared"
        raise UsageError(f"{what} has a key that begins with '{key}'", hint=_KNOWN)
    return found[0]


def find(manifest: Manifest | None, name: str, state: State) -> tuple[str, bool]:
    """Return the key of a project by its name and whether it is declared.

    Raises UsageError when neither the manifest nor the state knows the name.
    """
    here = [*manifest.projects, *(e.project for e in manifest.elsewhere)] if manifest else []
    for project in here:
        if project.name == name:
            return project_key(project), True
    names = [s.name for s in state.projects()]
    left = [s for s in state.projects() if s.name == name]
    if len(left) > 1:
        keys = ", ".join(s.key[:SHORT] for s in left)
        hint = f"name one by its key ({keys}): bm-sync reset --key KEY"
        raise UsageError(f"{len(left)} projects that are not declared were '{name}'", hint=hint)
    if left:
        return left[0].key, False
    names += [p.name for p in here]
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean '{close[0]}'?" if close else _KNOWN
    raise UsageError(f"no project '{name}'", hint=hint)


def reset(name: str, key: str, state: State, *, declared: bool) -> ResetReport:
    """Forget what is remembered of a project."""
    known = state.project(key).baseline.known
    files = state.forget(key)
    after = _UNION if declared else "it is not declared; nothing runs for it any more"
    return ResetReport(name, known, files, after)


def _declared(
    project: Project, known: Mapping[str, Seen], conflicts: Mapping[str, int], home: Path
) -> ProjectStatus:
    key = project_key(project)
    seen = known.get(key)
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
        conflicts=conflicts.get(key, 0),
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
