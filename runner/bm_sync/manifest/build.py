"""Builds the manifest's values from checked nodes, and checks what only the whole can tell."""

from __future__ import annotations

from bm_sync.manifest.filtersets import Filters
from bm_sync.manifest.nodes import Mapping
from bm_sync.manifest.overlap import check_overlaps
from bm_sync.manifest.policies import Policies
from bm_sync.manifest.projects import Rooms, build_projects
from bm_sync.manifest.remotes import build_remotes
from bm_sync.manifest.values import Surroundings, group
from bm_sync.model.config import Manifest


def build(checked: Mapping, around: Surroundings, digest: str) -> Manifest:
    """Return the manifest; slips go to `around.report`, and the result is then incomplete."""
    declared_remotes = group(checked, "remotes")
    remotes = build_remotes(declared_remotes, around)
    policies = Policies(group(checked, "policies"), around)
    filters = Filters(group(checked, "filters"), around)
    policies.check_all()
    filters.check_all()
    rooms = Rooms(around, declared_remotes, remotes, policies, filters, group(checked, "defaults"))
    placed = build_projects(group(checked, "projects"), rooms)
    check_overlaps(placed, around)
    projects = tuple(p.project for p in placed)
    return Manifest(around.file, digest, tuple(remotes.values()), projects)
