"""Fits a saved plan onto what is there now. Exactly that plan, or none at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bm_sync.engine.identity import project_key
from bm_sync.engine.prepare import Prepared, Wants, prepare_all
from bm_sync.engine.site import Site
from bm_sync.errors import StalePlanError
from bm_sync.model.config import Manifest, Project
from bm_sync.model.plan import Plan, ProjectPlan
from bm_sync.plan.stale import misfits

_AGAIN = "make a new plan: bm-sync plan --out FILE"
_SHOWN = 5


async def fitting(
    manifest: Manifest, saved: Plan, projects: Sequence[Project], site: Site
) -> tuple[Prepared, ...]:
    """Observe the projects anew and return them with the saved plans.

    Raises StalePlanError when the manifest changed, a project is gone or joins other places, the
    plan was stopped, or any action's stamps are not those that are there.
    """
    _check_whole(manifest, saved)
    plans = {p.project: p for p in saved.projects}
    found = await prepare_all(projects, site, Wants())
    reasons = [r for p in found for r in _reasons(p, plans[p.project.name])]
    if reasons:
        more = f"; and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
        raise StalePlanError(
            f"the plan no longer fits: {'; '.join(reasons[:_SHOWN])}{more}", hint=_AGAIN
        )
    return tuple(replace(p, plan=plans[p.project.name]) for p in found)


def _check_whole(manifest: Manifest, saved: Plan) -> None:
    if manifest.digest != saved.manifest_digest:
        whole = f"{manifest.file}{', or a file below or above it,' if manifest.files[1:] else ''}"
        raise StalePlanError(
            f"{whole} has changed since the plan was made at {saved.created}", hint=_AGAIN
        )
    keys = {p.name: project_key(p) for p in manifest.projects}
    for plan in saved.projects:
        if keys.get(plan.project) != plan.key:
            raise StalePlanError(
                f"project '{plan.project}' joins other places now than in the plan", hint=_AGAIN
            )


def _reasons(now: Prepared, saved: ProjectPlan) -> tuple[str, ...]:
    if now.plan.failure is not None:
        return (f"{saved.project}: {now.plan.failure}",)
    if saved.failure is not None:
        return (f"{saved.project} could not be planned then: {saved.failure}",)
    if now.seen is None:
        return () if saved.moves == now.plan.moves else (f"{saved.project} has changed",)
    return tuple(f"{saved.project}: {m}" for m in misfits(saved, now.seen.observation))
