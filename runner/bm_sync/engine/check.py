"""Compares both sides of a project by content. Changes nothing; finds what stamps cannot tell.

Listings of one side, and why a path is or is not synced. Changes nothing.
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote

from bm_sync import access
from bm_sync.engine import contents
from bm_sync.engine.answer import answer, digests
from bm_sync.engine.distant import Store
from bm_sync.engine.identity import at_source, local_label, project_key, remote_label
from bm_sync.engine.jail import Jail
from bm_sync.engine.near import near_store
from bm_sync.engine.observe import Seen, far_side, observe
from bm_sync.engine.prepare import accepted, intent
from bm_sync.engine.retry import within
from bm_sync.engine.site import Site
from bm_sync.engine.walk import walk
from bm_sync.errors import BmSyncError, Exit, UsageError
from bm_sync.filters.closed import repositories
from bm_sync.filters.matcher import Matcher
from bm_sync.filters.sift import refilter
from bm_sync.model.config import FolderRemote, Mode, Placement, Project, Remote
from bm_sync.model.plan import Action, Copy, KeepBoth, Move, ProjectPlan, Trash, Wants
from bm_sync.model.report import Difference, Listed, Listing, ProjectCheck, Why
from bm_sync.model.tree import Agreed, Baseline, FileStamp, ObjectStamp, Root, Side, Stamp, Tree
from bm_sync.parallel import at_once
from bm_sync.plan import planner
from bm_sync.plan.intent import source_side
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


async def listing(project: Project, side: Side, site: Site) -> Listing:
    """List one side of a project, filtered; raises BmSyncError when it cannot be read."""
    matcher = Matcher(project.filters)
    there = at_source(project)
    if there is not None:
        return await _of_two_remotes(project, there, side, site)
    tree = _local_tree(project, matcher) if project.local is not None else None
    if side is Side.LOCAL:
        if tree is None:
            raise UsageError(f"project '{project.name}' has no local folder")
        return _listing(project, side, tree, local_label(project, site.home))
    if project.remote is None:
        raise UsageError(f"project '{project.name}' is local only, it has no remote")
    async with within(project.policy.limits.timeout_s):
        remote = await far_side(project, matcher, site)
    return _listing(project, side, remote, remote_label(project))


async def _of_two_remotes(project: Project, there: Project, side: Side, site: Site) -> Listing:
    """List a side of a project that joins two remotes; the rules lie on the near one."""
    matcher = Matcher(project.filters)
    async with within(project.policy.limits.timeout_s):
        near = await near_store(there, matcher, site, Baseline())
        if side is Side.LOCAL:
            return _listing(project, side, near.tree, local_label(project, site.home))
        remote = await far_side(project, matcher, site)
    return _listing(project, side, remote, remote_label(project))


def ruled(project: Project, path: str) -> Why:
    """Tell whether the filters exclude a path, and by which rule of which file and line."""
    matcher = Matcher(project.filters)
    unread = project.source is not None and project.filters.gitignore
    if project.local is None:
        is_dir = path.endswith("/")
    else:
        _local_tree(project, matcher)
        is_dir = path.endswith("/") or access.is_folder(project.local / path)
    verdict = matcher.verdict(path.strip("/"), is_dir=is_dir)
    rule = verdict.rule
    if verdict.order is not None:
        what = f"excluded: runs depend on it ({verdict.order.what})"
    elif verdict.git:
        what = "excluded: it is git's own, and filters.*.git is skip"
    elif rule is None:
        what = "not excluded: no rule matches it"
    elif verdict.excluded:
        what = "excluded, by this rule"
    else:
        what = "not excluded: this rule takes it back in"
    if unread:
        what += "; rules of .gitignore files on the remote were not looked at"
    return Why(
        project=project.name,
        path=path,
        excluded=verdict.excluded,
        what=what,
        pattern=rule.pattern if rule else None,
        origin=rule.origin if rule else None,
    )


async def why(project: Project, path: str, site: Site) -> Why:
    """Tell of a path why it is synced or not, where it stands, and what was done to it last.

    Both sides are asked for this path alone; of one that the filters exclude only this machine.
    """
    told = ruled(project, path)
    name = path.strip("/")
    key = project_key(project)
    row = site.state.project(key).baseline.files.get(name)
    local = None if project.local is None else _stands(project.local / name)
    remote, silent = None, ""
    if project.remote is not None and not told.excluded:
        try:
            async with within(project.policy.limits.timeout_s):
                remote = await _on_remote(project, project.remote, name, site)
        except BmSyncError as e:
            silent = f"the remote could not be asked: {e.what}"
    then = "" if told.excluded or path.endswith("/") else _then(project, name, row, (local, remote))
    return replace(
        told,
        what="; ".join(w for w in (told.what, _STANDING.get((local, remote)), silent) if w),
        local=local,
        remote=remote,
        agreed=row is not None,
        then=then,
        last=site.state.last_action(key, name),
    )


async def _on_remote(project: Project, remote: Remote, path: str, site: Site) -> bool:
    if isinstance(remote, FolderRemote):
        return _stands(remote.root / project.path / path)
    place = await site.place(project)
    if place.absent:
        return False
    retry = project.policy.retry
    found = await site.patiently(
        retry, lambda: site.rclone.look_at(place.fs, [path], features=place.features)
    )
    return path in found


def _stands(file: Path) -> bool:
    return os.path.lexists(file)


_NOTHING = "there is nothing of this name"
_STANDING = {
    (True, True): "it stands on both sides",
    (True, False): "it stands here only",
    (False, True): "it stands on the remote only",
    (False, False): f"{_NOTHING} on either side",
    (True, None): "it stands here",
    (False, None): f"{_NOTHING} in the local folder",
    (None, True): "it stands on the remote",
    (None, False): f"{_NOTHING} on the remote",
}


def _then(
    project: Project, path: str, row: Agreed | None, stands: tuple[bool | None, bool | None]
) -> str:
    """Return what the next apply does about a path, as its mode has it."""
    local, remote = stands
    if project.placement is not Placement.SYNCED or local is None or remote is None:
        return ""
    source, mode = source_side(project.policy), project.policy.mode
    if local and remote:
        return _then_both(project, path, row, source)
    if not (local or remote):
        return ""
    side = Side.LOCAL if local else Side.REMOTE
    sends = side is Side.LOCAL
    if source is side or (source is None and row is None):
        said = f"the next run {'sends it' if sends else 'brings it here'}"
    elif source is None:
        gone = f"it was deleted on the {side.other} side"
        said = f"{gone}: the next run deletes it, unless it was changed"
    elif mode is Mode.MIRROR:
        said = "it is not at the source: the next run moves it to the trash"
    else:
        said = f"a {mode} neither {'sends' if sends else 'brings'} nor deletes it"
    return said


def _then_both(project: Project, path: str, row: Agreed | None, source: Side | None) -> str:
    if row is None:
        return "the next run compares both sides"
    if project.local is None or not _changed(project.local / path, row.local):
        return "both sides agreed on it, and it was not changed here since"
    if source is not Side.REMOTE:
        return "it was changed here: the next run sends it"
    if project.policy.mode is Mode.PULL:
        return "it was changed here: a pull neither sends nor replaces it"
    return "it was changed here: the next run replaces it and keeps this version in the trash"


def _changed(file: Path, known: Stamp) -> bool:
    try:
        found = file.lstat()
    except OSError:
        return False
    same = (found.st_size, found.st_mtime_ns)
    return isinstance(known, FileStamp) and same != (known.size, known.mtime_ns)


def _local_tree(project: Project, matcher: Matcher) -> Tree:
    assert project.local is not None  # noqa: S101 - the callers asked
    filters = project.filters
    tree = walk(project.local, matcher, gitignore=filters.gitignore, links=filters.links).tree
    matcher.close_repositories(repositories(tree))
    return refilter(tree, matcher)


def _listing(project: Project, side: Side, tree: Tree, root: str) -> Listing:
    if tree.root is not Root.FOLDER:
        raise UsageError(
            f"{root}: the folder of project '{project.name}' {missing_words(tree.root)}",
            hint=f"bm-sync plan {project.name} tells what to do",
        )
    entries = (*_files(tree), *(Listed(p, 0, is_dir=True) for p in tree.dirs))
    return Listing(
        project=project.name,
        side=side,
        root=root,
        entries=tuple(sorted(entries, key=lambda e: e.path)),
        problems=tree.problems,
    )


def _files(tree: Tree) -> Iterable[Listed]:
    for path, file in tree.files.items():
        stamp = file.stamp
        content = stamp.content if isinstance(stamp, ObjectStamp) else None
        yield Listed(path, file.size, file.mtime_ns, content)
