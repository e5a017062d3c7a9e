"""Listings of one side, and why a path is or is not synced. Changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable

from bm_sync import access
from bm_sync.engine.deadline import within
from bm_sync.engine.identity import at_source, local_label, remote_label
from bm_sync.engine.near import near_store
from bm_sync.engine.observe import far_side
from bm_sync.engine.site import Site
from bm_sync.engine.walk import walk
from bm_sync.errors import UsageError
from bm_sync.filters.closed import repositories
from bm_sync.filters.matcher import Matcher
from bm_sync.filters.sift import refilter
from bm_sync.model.config import Project
from bm_sync.model.report import Listed, Listing, Why
from bm_sync.model.tree import Baseline, ObjectStamp, Root, Side, Tree


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


def why(project: Project, path: str) -> Why:
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
    if project.local is not None and not os.path.lexists(project.local / path):
        what += "; there is nothing of this name in the local folder"
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


def _near(project: Project, matcher: Matcher) -> Tree:
    assert project.local is not None  # noqa: S101 - the callers asked
    filters = project.filters
    tree = walk(project.local, matcher, gitignore=filters.gitignore, links=filters.links).tree
    matcher.close_repositories(repositories(tree))
    return refilter(tree, matcher)


def _listing(project: Project, side: Side, tree: Tree, root: str) -> Listing:
    if tree.root is not Root.FOLDER:
        raise UsageError(
            f"{root}: the folder of project '{project.name}' is {tree.root.replace('-', ' ')}",
            hint=f"bm-sync status {project.name} shows when it was last seen",
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
