"""Carries a saved plan out as far as today's manifest would: exactly that plan, or none at all.

Every project is looked at and planned anew, with what was asked when the plan was made; see
`plan.fit` for what the saved plan still decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from bm_sync.engine.identity import project_key
from bm_sync.engine.prepare import NOTHING_SEEN, Prepared, Wants, intent, prepare_all
from bm_sync.engine.site import Site
from bm_sync.errors import StalePlanError
from bm_sync.model.config import Engine, Manifest, Project
from bm_sync.model.plan import Plan, ProjectPlan
from bm_sync.plan.fit import fit, narrowed
from bm_sync.structs import replace

_AGAIN = "make a new plan: bm-sync plan --out FILE"
_SHOWN = 5


def projects_of(manifest: Manifest, saved: Plan) -> tuple[Project, ...]:
    """Return the projects that a saved plan is about.

    Raises StalePlanError when it is a plan of another manifest, the manifest has changed since, or
    a project is gone or joins other places.
    """
    if manifest.digest != saved.manifest_digest:
        raise _of_another(manifest, saved)
    declared = {p.name: p for p in manifest.projects}
    for plan in saved.projects:
        project = declared.get(plan.project)
        if project is None:
            raise StalePlanError(f"{manifest.file} has no project '{plan.project}'", hint=_AGAIN)
        if project_key(project) != plan.key:
            what = f"project '{plan.project}' joins other places now than in the plan"
            made_for = f"it was made for {saved.manifest}, and this is {manifest.file.absolute()}"
            raise StalePlanError(f"{what}: {made_for}", hint=_AGAIN)
    names = {plan.project for plan in saved.projects}
    return tuple(p for p in manifest.projects if p.name in names)


def _of_another(manifest: Manifest, saved: Plan) -> StalePlanError:
    here = manifest.file.absolute()
    if here.resolve() == Path(saved.manifest).resolve():
        whole = f"{manifest.file}{', or a file below or above it,' if manifest.files[1:] else ''}"
        what = f"{whole} has changed since the plan was made at {saved.created}"
        return StalePlanError(what, hint=_AGAIN)
    what = f"this is a plan of another manifest: it was made for {saved.manifest}, not for {here}"
    return StalePlanError(what, hint=f"to plan what {manifest.file} says: bm-sync plan --out FILE")


async def fitting(saved: Plan, projects: Sequence[Project], site: Site) -> tuple[Prepared, ...]:
    """Plan the projects anew and return them with what the saved plan takes of today's.

    Raises StalePlanError when it holds anything that today's plan would not do, or a guard stops
    what it did not stop when the plan was made.
    """
    plans = {p.project: p for p in saved.projects}
    wants = replace(saved.wants, at=datetime.fromisoformat(saved.created))
    found = await prepare_all(projects, site, wants)
    fitted = [_fitted(p, plans[p.project.name], site, wants) for p in found]
    misfits = [f"{p.project.name}: {m}" for p, some in fitted for m in some]
    if misfits:
        more = f"; and {len(misfits) - _SHOWN} more" if len(misfits) > _SHOWN else ""
        what = f"the plan no longer fits: {'; '.join(misfits[:_SHOWN])}{more}"
        raise StalePlanError(what, hint=_AGAIN)
    return tuple(p for p, _ in fitted)


def _fitted(
    now: Prepared, saved: ProjectPlan, site: Site, wants: Wants
) -> tuple[Prepared, tuple[str, ...]]:
    """Return a project with what is carried out of its plan, and why it cannot be."""
    today = now.plan
    if today.failure is not None:
        return now, (today.failure,)
    if saved.failure is not None:
        return now, (f"it could not be planned then: {saved.failure}",)
    observation = now.seen.observation if now.seen else NOTHING_SEEN
    found = fit(saved, today, observation)
    plan = narrowed(today, found, observation, intent(now.project, site, wants))
    misfits = [*_other_policy(saved, today), *found.misfits, *_other_stops(saved, plan)]
    if found.left and now.project.policy.engine is Engine.BISYNC:
        misfits.append("more has changed since, and rclone bisync carries out all or nothing")
    return replace(now, plan=plan, behind=bool(found.left)), tuple(misfits)


def _other_policy(saved: ProjectPlan, today: ProjectPlan) -> Iterator[str]:
    if (saved.mode, saved.direction) != (today.mode, today.direction):
        then, now = (f"{p.mode} ({p.direction})" for p in (saved, today))
        yield f"its mode is {now}, and {then} in the plan"


def _other_stops(saved: ProjectPlan, plan: ProjectPlan) -> Iterator[str]:
    """Say which guards stop the project now and did not then, or the other way round."""
    then, now = ({(s.guard, s.side): s for s in p.stops} for p in (saved, plan))
    yield from (stop.what for key, stop in now.items() if key not in then)
    for key in then:
        if key not in now:
            yield f"it was stopped by {key[0]} on the {key[1]} side when the plan was made"
