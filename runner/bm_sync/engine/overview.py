"""What the state knows of projects, declared or not; nothing is looked at anew."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote

from bm_sync import access
from bm_sync.engine.identity import formers, local_label, project_key, remote_label
from bm_sync.engine.selecting import elsewhere, select
from bm_sync.errors import BmSyncError, UsageError
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
    _expect(manifest, state)
    found = declared(select(manifest, selection), state, home)
    found += not_here(elsewhere(manifest, selection), state, home)
    if selection.names or selection.tags:
        return found
    return found + undeclared(manifest, state)


def declared(projects: Sequence[Project], state: State, home: Path) -> tuple[ProjectStatus, ...]:
    """Return the status of declared projects, in the order given."""
    seen = {s.key: s for s in state.projects()}
    conflicts = state.conflict_counts()
    return tuple(
        _declared(p, seen, (conflicts, state.key_now(project_key(p))), home) for p in projects
    )


def not_here(projects: Sequence[Elsewhere], state: State, home: Path) -> tuple[ProjectStatus, ...]:
    """Return the status of declared projects that are not for this machine."""
    rows = declared([e.project for e in projects], state, home)
    return tuple(replace(r, elsewhere=e.reason) for r, e in zip(rows, projects, strict=True))


def undeclared(manifest: Manifest, state: State) -> tuple[ProjectStatus, ...]:
    """Return the projects that the state knows and the manifest does not declare any more.

    What a project was is not among them until that has a memory of its own, nor are projects of
    another manifest that keeps its memory in this state.
    """
    return tuple(_undeclared(s, state) for s in gone(manifest, state))


def gone(manifest: Manifest, state: State) -> tuple[Seen, ...]:
    """Return the same as the state knows it."""
    known = _declared_keys(manifest, state)
    left = [s for s in state.projects() if s.key not in known]
    others = of_others(manifest, left, state) if left else {}
    return tuple(s for s in left if s.key not in others)


def needless(manifest: Manifest, state: State) -> tuple[Project, ...]:
    """Return the projects whose `was` has nothing to do here any more.

    They have a memory of their own, or were only called otherwise, which a memory outlives.
    """
    _expect(manifest, state)
    known = {s.key for s in state.projects() if s.converged is not None}
    return tuple(
        project
        for project in manifest.projects
        if project.was is not None
        and (key := project_key(project)) in known
        and state.former(key) is None
    )


def of_others(manifest: Manifest | None, left: Sequence[Seen], state: State) -> dict[str, str]:
    """Return by key which of these projects another manifest ran last, one that is there still."""
    mine = os.path.realpath(manifest.file) if manifest is not None else None
    files = state.last_manifests()
    found: dict[str, str] = {}
    for seen in left:
        file = Path(files.get(seen.key, ""))
        if file.is_absolute() and os.path.realpath(file) != mine and _stands(file):
            found[seen.key] = str(file)
    return found


def _stands(file: Path) -> bool:
    try:
        return access.standing(file) is not None
    except BmSyncError:
        return True  # it may not be looked at


def _expect(manifest: Manifest | None, state: State) -> None:
    if manifest is not None:
        state.expect(formers(manifest.projects))


def _declared_keys(manifest: Manifest | None, state: State) -> dict[str, str]:
    """Return the names of all declared projects by their keys, and by those they take over."""
    if manifest is None:
        return {}
    _expect(manifest, state)
    declared = (*manifest.projects, *(e.project for e in manifest.elsewhere))
    named = {project_key(p): p.name for p in declared}
    return {state.key_now(key): name for key, name in named.items()} | named


def undeclared_one(manifest: Manifest | None, key: str, state: State) -> Seen:
    """Return the one project that is not declared and whose key begins like this.

    Raises UsageError when there is none, or several, and when it is one that is declared.
    """
    known = _declared_keys(manifest, state)
    for whole, name in known.items():
        if key and whole.startswith(key):
            what = f"{key} is the key of project '{name}', which is declared"
            raise UsageError(what, hint=f"if that is meant: bm-sync reset {quote(name)}")
    others = of_others(manifest, state.projects(), state)
    for whole, file in others.items():
        if key and whole.startswith(key) and whole not in known:
            what = f"{key} is the key of a project of another manifest, {file}"
            raise UsageError(what, hint=f"bm-sync status {quote(file)} tells of it")
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
    project: Project,
    known: Mapping[str, Seen],
    memory: tuple[Mapping[str, int], str],
    home: Path,
) -> ProjectStatus:
    """Return the status of a project; `memory` are open conflicts by key, and its key in there."""
    key, (conflicts, now) = project_key(project), memory
    seen = known.get(key) or known.get(now)
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
        conflicts=conflicts.get(now, 0),
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
