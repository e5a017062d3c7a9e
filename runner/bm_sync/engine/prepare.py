"""Observes and plans projects. Nothing is changed anywhere; failures are plans that say so."""

from __future__ import annotations

import os
import pwd
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from bm_sync import access
from bm_sync.engine import absence
from bm_sync.engine.answer import answer
from bm_sync.engine.bisync_fit import noted, require
from bm_sync.engine.deadline import within
from bm_sync.engine.identity import former_label, local_label, project_key, remote_label
from bm_sync.engine.journal import cannot_plan
from bm_sync.engine.observe import Seen, observe
from bm_sync.engine.record import iso
from bm_sync.engine.site import Site
from bm_sync.engine.team import refuse_mirror
from bm_sync.errors import BmSyncError, PinnedError
from bm_sync.masking import Veil, veiled
from bm_sync.model import config
from bm_sync.model.config import (
    CloudRemote,
    FolderRemote,
    Manifest,
    Placement,
    Project,
    Remote,
)
from bm_sync.model.plan import (
    Accept,
    Adopt,
    Author,
    Guard,
    MakeDir,
    Plan,
    ProjectPlan,
    Reason,
    Stop,
    Undeclared,
)
from bm_sync.model.plan import Wants as Wants  # noqa: PLC0414 - told here too
from bm_sync.model.setup import Setup
from bm_sync.model.tree import Baseline, ObjectStamp, Observation, Root, Side, Tree, same_version
from bm_sync.parallel import at_once
from bm_sync.plan import disks, guard, planner
from bm_sync.plan.folders import CREATED
from bm_sync.plan.intent import Intent
from bm_sync.plan.wire import sealed
from bm_sync.rclone.faults import Fault, RcloneError, advice
from bm_sync.structs import replace

if TYPE_CHECKING:
    from bm_sync.engine.lease import Lease

_A_FEW = 3
_NEAR = 0.6  # how alike a name has to be, 0 to 1, to be offered instead
NOTHING_SPECIAL = Wants()
NOBODY = Author()
NOTHING_SEEN = Observation(Tree(files={}), Tree(files={}), Baseline())


class Prepared(Struct, frozen=True):
    """A project with its plan; `seen` is None when there is nothing to reconcile or it failed.

    `partial`: the plan is not all that the project needs, so carrying it out does not bring both
    sides together. `behind`: a saved plan chose it, and more is to do today. `lease` is what has to
    be held while it writes to the remote. `looked_s` is how long it took to look.
    """

    project: Project
    plan: ProjectPlan
    seen: Seen | None = None
    partial: bool = False
    behind: bool = False
    lease: Lease | None = None
    looked_s: float = 0.0


async def prepare_all(
    projects: Sequence[Project], site: Site, wants: Wants
) -> tuple[Prepared, ...]:
    """Plan all projects, a few at once, in the order given."""
    found = await at_once(site.setup.jobs, projects, lambda p: prepare(p, site, wants))
    return tuple(found)


async def prepare(project: Project, site: Site, wants: Wants) -> Prepared:
    """Observe and plan one project, within the time that its policy allows."""
    prepared = await _observed(project, site, wants)
    return (
        replace(prepared, plan=_veiled(prepared.plan, project.veil)) if project.veil else prepared
    )


def _veiled(plan: ProjectPlan, veil: Veil) -> ProjectPlan:
    """Return a plan whose sentences do not tell what the environment put into the manifest."""

    def shown(text: str | None) -> str | None:
        return None if text is None else veiled(text, veil)

    return replace(
        plan,
        stops=tuple(replace(s, what=veiled(s.what, veil), hint=shown(s.hint)) for s in plan.stops),
        notes=tuple(veiled(note, veil) for note in plan.notes),
        failure=shown(plan.failure),
        failure_hint=shown(plan.failure_hint),
    )


async def _observed(project: Project, site: Site, wants: Wants) -> Prepared:
    if project.name in site.unfetched:
        return Prepared(project, failed(project, site, site.unfetched[project.name]))
    began = time.monotonic()
    try:
        async with within(project.policy.limits.timeout_s):
            prepared = await _prepare(project, site, wants)
    except BmSyncError as e:
        prepared = Prepared(project, failed(project, site, e))
    return replace(prepared, looked_s=time.monotonic() - began)


async def _prepare(project: Project, site: Site, wants: Wants) -> Prepared:
    try:
        if project.placement is Placement.LOCAL_ONLY:
            return Prepared(project, _local_only(project, site))
        if project.placement is Placement.CLOUD_ONLY:
            return Prepared(project, await _cloud_only(project, site))
        await refuse_mirror(project, site)
        seen, plan = await _believed(project, site, intent(project, site, wants))
    except PinnedError as e:
        return Prepared(project, _pinned(project, site, e))
    plan = _found_near(plan, seen)
    bad = tuple(f"{b.origin}: {b.what}" for b in seen.bad_patterns)
    notes = (*plan.notes, *bad, *seen.left_alone.notes, *_renamed_versions(plan, seen))
    plan = noted(replace(plan, notes=notes), project.policy.engine)
    if project.policy.lease is not config.Lease.NONE:
        from bm_sync.engine.lease_told import told

        plan = told(plan, seen, site)
    return Prepared(project, plan, seen)


def _renamed_versions(plan: ProjectPlan, seen: Seen) -> Iterator[str]:
    """Say that a server tells of other versions than before where no content has changed."""
    rows = seen.observation.baseline.files
    found = [
        action
        for action in plan.actions
        if isinstance(action, Adopt)
        and isinstance(action.remote, ObjectStamp)
        and (row := rows.get(action.path)) is not None
        and row.content == action.content
        and not same_version(row.remote, action.remote)
    ]
    if len(found) > _A_FEW:
        what = f"the remote tells of other versions of {len(found):,} files than before"
        yield f"{what}; their contents are the same, so nothing of them moves"


def accepted(seen: Seen, accept: Accept) -> Seen:
    """Return what was seen with the disks that a person accepts."""
    return replace(seen, observation=disks.release(seen.observation, accept))


def _found_near(plan: ProjectPlan, seen: Seen) -> ProjectPlan:
    """Return a plan whose stops for a missing folder say which one was probably meant."""

    def hinted(stop: Stop) -> Stop:
        folder = seen.folder_on(stop.side)
        missing = seen.observation.tree(stop.side).root is Root.MISSING
        if stop.guard is not Guard.EMPTY_SIDE or folder is None or not missing or stop.hint:
            return stop
        return replace(stop, hint=missing_folder_hint(folder))

    return replace(plan, stops=tuple(map(hinted, plan.stops)))


def missing_folder_hint(folder: Path) -> str:
    """Return what to do about a folder that is missing: the nearest name beside it, if any."""
    with suppress(OSError):
        beside = [entry.name for entry in os.scandir(folder.parent) if entry.is_dir()]
        near = get_close_matches(folder.name, beside, n=1, cutoff=_NEAR)
        if near:
            return f"did you mean {folder.parent / near[0]}? correct the path in the manifest"
    return f"mount its disk, make the folder (mkdir -p {shlex.quote(str(folder))}), or correct it"


async def _believed(project: Project, site: Site, wanted: Intent) -> tuple[Seen, ProjectPlan]:
    """Observe and plan; remotes that left out what stands there are asked again folder by folder.

    What they leave out then too stops the plan.
    """
    seen = await _looked(project, site, wanted)
    plan = planner.make(project.name, seen.key, seen.observation, wanted)
    if not await absence.missed(plan, seen, site):
        return seen, plan
    seen = await _looked(project, site, wanted, by_folder=True)
    plan = planner.make(project.name, seen.key, seen.observation, wanted)
    left_out = await absence.missed(plan, seen, site)
    if not left_out:
        return seen, plan
    seen = absence.noted(seen, left_out)
    return seen, planner.make(project.name, seen.key, seen.observation, wanted)


async def _looked(project: Project, site: Site, wanted: Intent, *, by_folder: bool = False) -> Seen:
    """Observe a project, and read what the planner has to know."""
    seen = accepted(await observe(project, site, by_folder=by_folder), wanted.accept)
    seen = await answer(seen, project.policy, site)
    require(seen)
    if project.policy.conflict.winner is config.Winner.MERGE:
        from bm_sync.engine import merge

        return await merge.merged(seen, site)
    return seen


def intent(project: Project, site: Site, wants: Wants) -> Intent:
    """Return how a project is to be planned."""
    former = site.state.former(project_key(project)) if project.was is not None else None
    return Intent(
        policy=project.policy,
        accept=wants.accept,
        keep_deleted=wants.keep_deleted,
        host=project.source.remote.name if project.source else site.setup.host,
        now=(wants.at or site.clock()).strftime("%Y%m%dT%H%M"),
        local_label=local_label(project, site.home),
        remote_label=remote_label(project),
        remote_name=project.remote.name if project.remote else "",
        makes_roots=isinstance(project.remote, CloudRemote),
        was=takes_from(project, site),
        moved=former.moved if former is not None else (),
    )


def takes_from(project: Project, site: Site) -> str:
    """Return what a project was before, when it is about to take the memory of that, else ""."""
    if project.was is None or site.state.former(project_key(project)) is None:
        return ""
    return former_label(project, site.home)


def blank(project: Project, site: Site) -> ProjectPlan:
    """Return a plan of a project that does nothing."""
    return ProjectPlan(
        project=project.name,
        key=project_key(project),
        mode=project.policy.mode,
        direction=project.policy.direction,
        local=local_label(project, site.home),
        remote=remote_label(project),
        was=takes_from(project, site),
    )


def failed(project: Project, site: Site, error: BmSyncError) -> ProjectPlan:
    """Return the plan of a project that could not be observed."""
    cannot_plan(project.name, error)
    return replace(
        blank(project, site),
        failure=error.what,
        failure_hint=error.hint or _hint(project, error),
        failure_exit=int(error.exit),
    )


def _pinned(project: Project, site: Site, error: PinnedError) -> ProjectPlan:
    """Return the plan of a project whose remote is another one than before."""
    return replace(
        blank(project, site),
        stops=(Stop(Guard.STORE, Side.REMOTE, error.what, hint=error.hint),),
    )


def _hint(project: Project, error: BmSyncError) -> str | None:
    """Return what to do about a remote that cannot be read."""
    remote = project.remote
    if not isinstance(error, RcloneError) or isinstance(remote, FolderRemote | None):
        return None
    if isinstance(remote, CloudRemote) and error.fault is Fault.AUTH:
        return "new keys are refused, too; bm-sync cloud status tells what the account may do"
    if error.fault is Fault.DAEMON:
        return "run it again; bm-sync doctor looks at rclone"
    return advice(error, remote.name, remote.origin)


def _local_only(project: Project, site: Site) -> ProjectPlan:
    plan = blank(project, site)
    if project.local is not None and not access.is_folder(project.local):
        return replace(plan, notes=("local only; the folder does not exist",))
    return replace(plan, notes=("local only: never sent",))


async def _cloud_only(project: Project, site: Site) -> ProjectPlan:
    """Plan a project without a local folder: it is made on the remote when it is missing."""
    assert project.remote is not None  # noqa: S101 - that is what cloud-only means
    plan = blank(project, site)
    cloud = isinstance(project.remote, CloudRemote)
    if await _stands(project, project.remote, site):
        return replace(plan, notes=("cloud only: no local copy",))
    action = MakeDir("", Side.REMOTE, Reason.FOLDER)
    note = CREATED if cloud else "cloud only: the folder will be made on the remote"
    plan = replace(plan, actions=(action,), notes=(note,))
    return guard.judged(plan, NOTHING_SEEN, intent(project, site, Wants()))


async def _stands(project: Project, remote: Remote, site: Site) -> bool:
    """Return whether the remote folder exists, or needs no making."""
    if isinstance(remote, FolderRemote):
        return access.is_folder(remote.root / project.path)
    retry = project.policy.retry
    place = await site.patiently(retry, lambda: site.place(project))
    if isinstance(remote, CloudRemote):
        return not place.absent
    if not place.features.has_folders:
        return True
    try:
        await site.patiently(
            retry, lambda: site.rclone.list_tree(place.fs, features=place.features)
        )
    except RcloneError as e:
        if e.fault is Fault.MISSING:
            return False
        raise
    return True


def by_name(prepared: Sequence[Prepared]) -> Mapping[str, Prepared]:
    """Return prepared projects by their name."""
    return {p.project.name: p for p in prepared}


def plan_of(  # noqa: PLR0913 - a plan has so many parts
    manifest: Manifest,
    prepared: Sequence[Prepared],
    created: datetime,
    wants: Wants = NOTHING_SPECIAL,
    author: Author = NOBODY,
    *,
    undeclared: tuple[Undeclared, ...] = (),
) -> Plan:
    """Return the plan of a run from those of its projects."""
    return sealed(
        Plan(
            created=iso(created),
            manifest=str(manifest.file.absolute()),
            manifest_digest=manifest.digest,
            projects=tuple(p.plan for p in prepared),
            wants=wants,
            author=author,
            undeclared=undeclared,
        )
    )


def author(setup: Setup) -> Author:
    """Return who makes a plan here: the name of the effective user, and of the machine."""
    uid = os.geteuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    return Author(user, setup.host)
