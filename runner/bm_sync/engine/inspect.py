"""Listings of one side, and why a path is or is not synced. Changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from bm_sync import access
from bm_sync.engine.check import missing_words
from bm_sync.engine.deadline import within
from bm_sync.engine.identity import at_source, local_label, project_key, remote_label
from bm_sync.engine.near import near_store
from bm_sync.engine.observe import far_side
from bm_sync.engine.site import Site
from bm_sync.engine.walk import walk
from bm_sync.errors import BmSyncError, UsageError
from bm_sync.filters.closed import repositories
from bm_sync.filters.matcher import Matcher
from bm_sync.filters.sift import refilter
from bm_sync.model.config import FolderRemote, Mode, Placement, Project, Remote
from bm_sync.model.report import Listed, Listing, Why
from bm_sync.model.tree import Agreed, Baseline, FileStamp, ObjectStamp, Root, Side, Stamp, Tree
from bm_sync.plan.intent import source_side
from bm_sync.structs import replace


async def listing(project: Project, side: Side, site: Site) -> Listing:
    """List one side of a project, filtered; raises BmSyncError when it cannot be read."""
    matcher = Matcher(project.filters)
    there = at_source(project)
    if there is not None:
        return await _of_two_remotes(project, there, side, site)
    tree = _near(project, matcher) if project.local is not None else None
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
        _near(project, matcher)
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


def _near(project: Project, matcher: Matcher) -> Tree:
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
