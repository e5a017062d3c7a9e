"""Builds the manifest's values from checked nodes, and checks what only the whole can tell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bm_sync.manifest import orders
from bm_sync.manifest.filtersets import Filters
from bm_sync.manifest.nodes import Mapping, Node, Scalar
from bm_sync.manifest.overlap import check_overlaps
from bm_sync.manifest.places import local_folder
from bm_sync.manifest.policies import Policies, seconds_or_null
from bm_sync.manifest.projects import Placed, Rooms, build_projects
from bm_sync.manifest.remotes import build_remotes
from bm_sync.manifest.schedules import Schedules
from bm_sync.manifest.values import Surroundings, group
from bm_sync.model.config import Elsewhere, KeepHistory, Manifest, Project, Remote
from bm_sync.model.setup import FIGURES

if TYPE_CHECKING:
    from bm_sync.manifest.hooks import Hooks
    from bm_sync.model.fleet import Fleet
    from bm_sync.model.notices import Target
    from bm_sync.model.state_home import StateHome
    from bm_sync.model.uses import Use


def build(checked: Mapping, around: Surroundings, digest: str) -> Manifest:
    """Return the manifest; slips go to `around.report`, and the result is then incomplete."""
    declared_remotes = group(checked, "remotes")
    remotes = build_remotes(declared_remotes, around)
    policies = Policies(group(checked, "policies"), around)
    filters = Filters(group(checked, "filters"), around)
    policies.check_all()
    filters.check_all()
    defaults = group(checked, "defaults")
    schedules = Schedules(group(checked, "schedules"), defaults.get("schedule"), around)
    hooks = _hooks(checked, around)
    rooms = Rooms(around, declared_remotes, remotes, policies, filters, schedules, hooks, defaults)
    placed = build_projects(group(checked, "projects"), rooms)
    schedules.check_all(tag for p in placed for tag in p.project.tags)
    targets = _targets(checked, tuple(p.project for p in placed), around)
    own_hooks = hooks.of(checked.get("hooks")) if hooks else ()
    metrics = _metrics(checked.get("metrics"), around)
    here = tuple(p for p in placed if p.elsewhere is None)
    check_overlaps(here, around)
    if any(p.was_at is not None for p in placed):
        from bm_sync.manifest.was import check_formers

        check_formers(placed, around)
    sources = (
        *orders.of_manifest(checked, around, remotes.values(), targets),
        *orders.of_machine(around),
        *orders.of_hooks(own_hooks, around),
        *([orders.OrderFile(metrics, FIGURES)] if metrics else []),
    )
    here = orders.close_orders(here, sources, around)
    orders.warn_of_exposed(here, around)
    if hooks is not None:
        hooks.warn()
    uses = _uses(around)
    return Manifest(
        around.file,
        digest,
        tuple(remotes.values()),
        tuple(p.project for p in here),
        metrics,
        own_hooks,
        targets,
        tuple(Elsewhere(p.project, p.elsewhere) for p in placed if p.elsewhere is not None),
        (around.file, *(Path(name) for name in around.folders if name)),
        fleet=_fleet(checked, remotes, tuple(p.project for p in placed), around),
        state=_state(checked, remotes, here, around),
        uses=uses,
        veil=around.report.veils,
        keep_history=_keep_history(group(checked, "keep_history")),
    )


def _hooks(checked: Mapping, around: Surroundings) -> Hooks | None:
    """Return what builds hooks; None, and nothing is loaded for it, where there are none."""
    projects = group(checked, "projects")
    owners = (checked, group(checked, "defaults"), *(group(projects, n) for n in projects.entries))
    if not any("hooks" in owner.entries for owner in owners):
        return None
    from bm_sync.manifest.hooks import Hooks

    return Hooks(group(checked, "defaults").get("hooks"), group(checked, "vars"), around)


def _metrics(said: Node | None, around: Surroundings) -> Path | None:
    return local_folder(said, around, "metrics") if isinstance(said, Scalar) else None


def _keep_history(node: Mapping) -> KeepHistory:
    default = KeepHistory()
    return KeepHistory(
        seconds_or_null(node, "all", default.all_s),
        seconds_or_null(node, "daily", default.daily_s),
    )


def _targets(
    checked: Mapping, projects: tuple[Project, ...], around: Surroundings
) -> tuple[Target, ...]:
    if "notify" not in checked.entries:
        return ()
    from bm_sync.manifest.notify import targets

    return targets(checked.get("notify"), frozenset(t for p in projects for t in p.tags), around)


def _fleet(
    checked: Mapping,
    remotes: dict[str, Remote],
    projects: tuple[Project, ...],
    around: Surroundings,
) -> Fleet | None:
    if "fleet" not in checked.entries:
        return None
    from bm_sync.manifest.fleet import build_fleet

    return build_fleet(checked.get("fleet"), remotes, projects, around)


def _state(
    checked: Mapping, remotes: dict[str, Remote], here: tuple[Placed, ...], around: Surroundings
) -> StateHome | None:
    said = checked.get("state")
    if not isinstance(said, Mapping):
        return None
    from bm_sync.manifest.state_home import build_state_home

    return build_state_home(said, remotes, here, around)


def _uses(around: Surroundings) -> tuple[Use, ...]:
    if not around.uses:
        return ()
    from bm_sync.manifest.options import warn_of_uses

    warn_of_uses(around)
    return tuple(use for use, _ in around.uses)
