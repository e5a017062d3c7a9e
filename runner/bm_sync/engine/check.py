"""Compares both sides of a project by content. Changes nothing; finds what stamps cannot tell."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote

from bm_sync.engine import contents
from bm_sync.engine.answer import answer
from bm_sync.engine.deadline import within
from bm_sync.engine.digests import digests
from bm_sync.engine.distant import Store
from bm_sync.engine.jail import Jail
from bm_sync.engine.observe import Seen, observe
from bm_sync.engine.prepare import Wants, accepted, intent
from bm_sync.engine.site import Site
from bm_sync.errors import BmSyncError, Exit
from bm_sync.model.config import Mode, Placement, Project
from bm_sync.model.plan import Action, Copy, KeepBoth, Move, ProjectPlan, Trash
from bm_sync.model.report import Difference, ProjectCheck
from bm_sync.model.tree import ObjectStamp, Root, Side
from bm_sync.parallel import at_once
from bm_sync.plan import planner
from bm_sync.structs import replace


async def check_all(
    projects: Sequence[Project], site: Site, sample: int | None
) -> tuple[ProjectCheck, ...]:
    """Compare projects, a few at once, in the order given."""
    found = await at_once(site.setup.jobs, projects, lambda p: check(p, site, sample))
    return tuple(found)


async def check(project: Project, site: Site, sample: int | None) -> ProjectCheck:
    """Compare one project; with `sample`, only so many files chosen at random."""
    if project.placement is not Placement.SYNCED:
        return ProjectCheck(project.name, 0, 0, 0, ())
    try:
        async with within(project.policy.limits.timeout_s):
            seen = await observe(project, site)
        return _foretold(await _compare(seen, site, sample), await _plan(seen, site))
    except BmSyncError as e:
        return ProjectCheck(
            project.name, 0, 0, 0, (), failure=e.what, hint=e.hint, exit=int(e.exit)
        )


async def _plan(seen: Seen, site: Site) -> ProjectPlan:
    """Return what an apply would do about what was seen."""
    wants = intent(seen.project, site, Wants())
    answered = await answer(accepted(seen, wants.accept), seen.project.policy, site)
    return planner.make(seen.project.name, seen.key, answered.observation, wants)


def _foretold(check: ProjectCheck, plan: ProjectPlan) -> ProjectCheck:
    """Return a check whose differences say what the next apply does about them."""
    if not check.differences:
        return check
    done = {path: said for action in plan.moves for path, said in _done(action)}
    clashes = (clash.path for clash in plan.clashes if clash.winner is None)
    waits = dict.fromkeys(clashes, "a conflict that waits for you")
    alone = dict.fromkeys((problem.path for problem in plan.problems), "left alone")
    found = {**done, **waits, **alone}
    told = (replace(d, then=found.get(d.path) or _left(d, plan)) for d in check.differences)
    return replace(check, differences=tuple(told))


def _done(action: Action) -> Iterator[tuple[str, str]]:
    match action:
        case Copy(to=to, path=path):
            yield path, "apply sends it" if to is Side.REMOTE else "apply brings it here"
        case Trash(side=side, path=path):
            yield path, f"apply deletes it {_where(side)}"
        case Move(side=side, path=path, old_path=old):
            yield path, f"apply renames {old} {_where(side)}"
            yield old, f"apply renames it {_where(side)}"
        case KeepBoth(path=path):
            yield path, "apply keeps both versions"
        case _:
            yield action.path, "apply settles it"


def _where(side: Side) -> str:
    return "here" if side is Side.LOCAL else "on the remote"


def _left(difference: Difference, plan: ProjectPlan) -> str:
    """Return why no apply does anything about a difference."""
    match plan.mode, difference.what:
        case Mode.PULL, "only local":
            return "a pull does not send it"
        case Mode.PULL, "differs":
            return "changed here: a pull neither sends nor replaces it"
        case Mode.PUSH, "only remote":
            return "a push does not bring it"
        case Mode.PUSH, "differs":
            return "changed on the remote: a push neither brings nor replaces it"
        case _:
            return ""


def missing_words(root: Root) -> str:
    """Return what is wrong with a root that is not a folder, after its name."""
    if root is Root.STORE_MISSING:
        return "lies in a bucket that does not exist"
    return f"is {root.replace('-', ' ')}"


async def _compare(seen: Seen, site: Site, sample: int | None) -> ProjectCheck:
    local, remote = seen.observation.local, seen.observation.remote
    for side, tree in ((Side.LOCAL, local), (Side.REMOTE, remote)):
        if tree.root is not Root.FOLDER:
            name = seen.project.name
            what = f"the {side} root {missing_words(tree.root)}"
            hint = f"what apply would do: bm-sync plan {quote(name)}"
            return ProjectCheck(name, 0, 0, 0, (), failure=what, hint=hint, exit=1)
    both = sorted(local.files.keys() & remote.files.keys())
    if sample is not None and sample < len(both):
        both = sorted(random.sample(both, sample))
    found = [Difference(p, "only local") for p in local.files.keys() - remote.files.keys()]
    found += [Difference(p, "only remote") for p in remote.files.keys() - local.files.keys()]
    found += await _differing(seen, both, site)
    problems = tuple(p for p in (*local.problems, *remote.problems) if not p.silent_alone)
    return ProjectCheck(
        project=seen.project.name,
        compared=len(both),
        files=len(local.files.keys() | remote.files.keys()),
        bytes=sum(local.files[p].size for p in both),
        differences=tuple(sorted(found, key=lambda d: d.path)),
        problems=problems,
        exit=int(Exit.FAILED if found or problems else Exit.OK),
    )


async def _differing(seen: Seen, paths: Sequence[str], site: Site) -> list[Difference]:
    local, remote = seen.observation.local.files, seen.observation.remote.files
    found = [Difference(p, "differs") for p in paths if local[p].size != remote[p].size]
    same_size = [p for p in paths if local[p].size == remote[p].size]
    there = await _remote_contents(seen, same_size, site)
    here = await _near_contents(seen, there, site)
    for path in same_size:
        if path not in there:
            found.append(Difference(path, "unreadable on the remote"))
        elif path not in here:
            found.append(Difference(path, f"unreadable {_near(seen)}, or changing"))
        elif here[path] != there[path]:
            found.append(Difference(path, "differs"))
    return found


def _near(seen: Seen) -> str:
    source = seen.project.source
    return "here" if source is None else f"on {source.remote.name}"


async def _near_contents(seen: Seen, there: Mapping[str, str], site: Site) -> Mapping[str, str]:
    """Return the contents of the near side, in the algorithms that the remote told."""
    wanted = {path: told.partition(":")[0] for path, told in there.items()}
    if seen.near is not None:
        return await _near_store_contents(seen, seen.near, wanted, site)
    assert seen.local_root is not None  # noqa: S101 - one of both is set
    jail = seen.jail(seen.local_root, links=seen.project.filters.links)
    jail.hold()
    found = {path: await _local_content(jail, path, wanted[path], site) for path in wanted}
    return {path: content for path, content in found.items() if content is not None}


async def _near_store_contents(
    seen: Seen, near: Store, wanted: Mapping[str, str], site: Site
) -> Mapping[str, str]:
    files = seen.observation.local.files
    told = {
        path: stamp.content
        for path in wanted
        if isinstance(stamp := files[path].stamp, ObjectStamp) and stamp.content is not None
    }
    found = {p: c for p, c in told.items() if c.startswith(f"{wanted[p]}:")}
    left = {path: algorithm for path, algorithm in wanted.items() if path not in found}
    return found | await digests(near, left, files, site, seen.project.policy.retry)


async def _local_content(jail: Jail, path: str, algorithm: str, site: Site) -> str | None:
    if contents.computable(algorithm):
        read = await contents.digest(jail, path, algorithm)
        return read[1] if read else None
    return await site.hash_by_rclone(jail, path, algorithm)


async def _remote_contents(seen: Seen, paths: Sequence[str], site: Site) -> Mapping[str, str]:
    """Return contents as the remote holds them: its own hashes, else read byte by byte."""
    if seen.remote_folder is not None:
        jail = seen.jail(seen.remote_folder, links=seen.project.filters.links)
        jail.hold()
        read = {p: await contents.digest(jail, p, contents.FALLBACK) for p in paths}
        return {p: r[1] for p, r in read.items() if r is not None}
    told: dict[str, str] = {}
    left = []
    for path in paths:
        stamp = seen.observation.remote.files[path].stamp
        if isinstance(stamp, ObjectStamp) and stamp.content is not None:
            told[path] = stamp.content
        else:
            left.append(path)
    store = seen.store
    if left and store is not None:
        with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
            told |= await site.rclone.contents(
                store.fs, left, features=store.features, scratch=Path(scratch)
            )
    return told
