"""Plans to take back what a run did. Changes nothing; carried out like any other plan."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from bm_sync import layout
from bm_sync.engine.answer import told_of
from bm_sync.engine.deadline import within
from bm_sync.engine.identity import project_key
from bm_sync.engine.keepers import Keeper, keepers_of
from bm_sync.engine.left_alone import screened
from bm_sync.engine.observe import Seen, observe
from bm_sync.engine.prepare import Prepared, Wants, accepted, failed, intent
from bm_sync.engine.site import Site
from bm_sync.errors import BmSyncError, UsageError
from bm_sync.model.config import Placement, Project
from bm_sync.model.past import Effect, Undo
from bm_sync.model.run import Run
from bm_sync.model.tree import Side, Stamp
from bm_sync.parallel import at_once
from bm_sync.plan import undo
from bm_sync.state.history import UNFINISHED
from bm_sync.state.store import State
from bm_sync.structs import replace


class Target(Struct, frozen=True):
    """A run that is to be taken back, and the declared projects in which it changed something."""

    run: Run
    projects: tuple[Project, ...]
    notes: tuple[str, ...] = ()


def target(wanted: Undo, projects: Sequence[Project], state: State) -> Target:
    """Return what is to be taken back of which projects.

    Raises UsageError when there is no such run, or nothing that can be taken back.
    """
    chosen = [p for p in projects if _named(p, wanted)]
    if not chosen:
        raise UsageError(f"no project {' '.join(wanted.projects)} is declared")
    keys = {project_key(p): p for p in chosen if p.placement is Placement.SYNCED}
    run = _run(wanted, keys, state)
    done = {key: undo.selected(state.past.of_run(run.id, key), wanted.paths) for key in keys}
    mine = tuple(project for key, project in keys.items() if done[key])
    if not mine:
        where = f" at {' '.join(wanted.paths)}" if wanted.paths else " in these projects"
        raise UsageError(
            f"run {run.id} changed nothing that can be taken back{where}",
            hint=f"what it did: bm-sync history {run.id}",
        )
    declared = {project_key(p) for p in projects}
    lost = [p.project for p in run.projects if p.key not in declared and p.actions]
    notes = [f"{name} is not declared any more, or joins other places now" for name in lost]
    return Target(run, mine, tuple(notes))


def _named(project: Project, wanted: Undo) -> bool:
    names = wanted.projects
    return not names or any(fnmatch.fnmatchcase(project.name, name) for name in names)


def _run(wanted: Undo, keys: Collection[str], state: State) -> Run:
    name = wanted.run or state.past.last_run(keys)
    if name is None:
        raise UsageError("no run is recorded that changed a file", hint="bm-sync history")
    run = state.run(name)
    if run is None:
        raise UsageError(f"no run '{name}'", hint="bm-sync history lists them")
    if run.exit == UNFINISHED:
        raise UsageError(
            f"run {run.id} has not come to its end, so it is not known what it did",
            hint="bm-sync apply goes on from what is there; what it kept lies in the trash",
        )
    return run


async def prepare_all(
    found: Target, wanted: Undo, projects: Sequence[Project], site: Site
) -> tuple[Prepared, ...]:
    """Plan to take a run back in these projects, a few at once, in the order given."""
    jobs = site.setup.jobs
    planned = await at_once(jobs, projects, lambda p: _prepare(found, wanted, p, site))
    return tuple(planned)


async def _prepare(found: Target, wanted: Undo, project: Project, site: Site) -> Prepared:
    key = project_key(project)
    effects = undo.selected(site.state.past.of_run(found.run.id, key), wanted.paths)
    try:
        async with within(project.policy.limits.timeout_s):
            seen = accepted(await observe(project, site), wanted.accept)
            asked = undo.unsure(effects, seen.observation)
            seen = await told_of(seen, asked[Side.LOCAL], asked[Side.REMOTE], site)
            held = await _held(effects, keepers_of(seen, site))
    except BmSyncError as e:
        return Prepared(project, failed(project, site, e), partial=True)
    past = undo.Past(named(found.run), effects, held, _hidden(effects, seen))
    wants = intent(project, site, Wants(wanted.accept))
    plan = undo.make(project.name, key, seen.observation, wants, past)
    plan = replace(plan, notes=plan.notes + found.notes)
    plan = screened(plan, seen.matcher, seen.observation, wants)
    return Prepared(project, plan, seen, partial=True)


def named(run: Run) -> str:
    """Return how a run is named to a person."""
    return f"run {run.id} ({run.command.partition(' ')[0]}, {run.started})"


async def _held(
    effects: Sequence[Effect], keepers: Mapping[Side, Keeper]
) -> Mapping[tuple[Side, str], Stamp]:
    """Return the kept versions that still stand in the trash of either side."""
    found: dict[tuple[Side, str], Stamp] = {}
    for side, keeper in keepers.items():
        places = [e.kept for e in effects if e.side is side and e.kept and layout.is_home(e.kept)]
        for place, stamp in (await keeper.look(places)).items():
            found[side, place] = stamp
    return found


def _hidden(effects: Sequence[Effect], seen: Seen) -> frozenset[str]:
    """Return the paths that the filters exclude now."""
    paths = {path for e in effects for path in (e.path, e.old_path) if path is not None}
    shown = seen.observation.local.files.keys() | seen.observation.remote.files.keys()
    return frozenset(p for p in paths - shown if seen.matcher.excluded(p, is_dir=False))
