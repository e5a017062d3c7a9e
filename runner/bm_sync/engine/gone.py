"""Says in a plan of the whole manifest what is remembered and not declared any more.

A new project that lies where such a one lay is told how to take its memory along. Changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

from bm_sync.engine.identity import local_label, project_key, remote_label
from bm_sync.engine.overview import SHORT, gone
from bm_sync.engine.prepare import Prepared
from bm_sync.engine.site import Site
from bm_sync.model.config import Manifest, Project
from bm_sync.model.plan import Undeclared
from bm_sync.state.values import Seen
from bm_sync.structs import replace


def told_of_gone(
    manifest: Manifest, prepared: Sequence[Prepared], site: Site
) -> tuple[tuple[Prepared, ...], tuple[Undeclared, ...]]:
    """Return a plan's projects, new ones with a hint, and what is not declared any more.

    Of a part of the manifest nothing is told.
    """
    if {each.project.name for each in prepared} != {each.name for each in manifest.projects}:
        return tuple(prepared), ()
    left = gone(manifest, site.state)
    if not left:
        return tuple(prepared), ()
    told = tuple(Undeclared(s.name, s.key[:SHORT], s.local, s.remote, s.files) for s in left)
    return tuple(_hinted(each, left, site) for each in prepared), told


def _hinted(prepared: Prepared, left: Sequence[Seen], site: Site) -> Prepared:
    seen, plan = prepared.seen, prepared.plan
    if seen is None or seen.remembered.baseline.known or plan.was:
        return prepared
    found = (hint for each in left if (hint := was_hint(prepared.project, each, site.home)))
    notes = [f"it is new here; if it {hint}" for hint in found][:1]
    return replace(prepared, plan=replace(plan, notes=(*plan.notes, *notes)))


def was_hint(project: Project, seen: Seen, home: Path) -> str | None:
    """Return how a new project takes the memory of one that is not declared any more.

    None where neither side of them is the same.
    """
    same = (local_label(project, home) == seen.local, remote_label(project) == seen.remote)
    if not any(same) or project.source is not None or project.remote is None:
        return None
    for said, former in _formers(project, seen, home):
        if project_key(former) == seen.key:
            was = f"was {seen.name} ({seen.local} <-> {seen.remote})"
            return f"{was} before, add to it: was: {said}"
    return None


def _formers(project: Project, seen: Seen, home: Path) -> Iterator[tuple[str, Project]]:
    """Yield what `was` may say, and the project as it would have been then."""
    if project.path == project.name != seen.name:
        yield seen.name, replace(project, name=seen.name, path=seen.name)
    folder = home / seen.local[2:] if seen.local.startswith("~/") else Path(seen.local)
    paths = _paths(project, seen.remote)
    for local, path in product((project.local, folder), (project.path, *paths)):
        said = {"name": seen.name} if seen.name != project.name else {}
        said |= {"local": seen.local} if local != project.local else {}
        said |= {"path": path}
        body = ", ".join(f"{key}: {json.dumps(value)}" for key, value in said.items())
        yield f"{{{body}}}", replace(project, local=local, path=path)


def _paths(project: Project, label: str) -> Iterator[str]:
    """Yield the paths below the remote's root that a label may mean, the shortest first."""
    name, colon, whole = label.partition(":")
    if not colon or project.remote is None or name != project.remote.name:
        return
    parts = whole.split("/")
    for number in range(len(parts) - 1, -1, -1):
        yield "/".join(parts[number:])
