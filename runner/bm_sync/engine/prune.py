"""Plans the removal of what the filters exclude but what still lies on a remote.

Only the remote is ever changed, and only where the project's policy writes to it. What is built in
(bm-sync's own folder, half uploads, what no run moves) is left where it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct

from bm_sync.engine.deadline import within
from bm_sync.engine.observe import Seen, observe
from bm_sync.engine.prepare import Prepared, Wants, blank, failed, intent
from bm_sync.engine.site import Site
from bm_sync.engine.walk import IGNORE_FILE, walk
from bm_sync.errors import BmSyncError
from bm_sync.filters.closed import repositories
from bm_sync.filters.matcher import Matcher
from bm_sync.filters.sift import name_fault, sift
from bm_sync.model.config import (
    BUILT_IN,
    Direction,
    FilterSet,
    Git,
    Mode,
    Placement,
    Policy,
    Project,
    Rule,
)
from bm_sync.model.plan import Accept, ProjectPlan, Reason, RemoveDir, Trash
from bm_sync.model.tree import File, ObjectStamp, Root, Side, Tree
from bm_sync.parallel import at_once
from bm_sync.plan import guard
from bm_sync.plan.intent import Intent
from bm_sync.structs import replace

_MOST_RULES = 10


async def prepare_all(projects: Sequence[Project], site: Site) -> tuple[Prepared, ...]:
    """Plan the removals of all projects, a few at once, in the order given."""
    found = await at_once(site.setup.jobs, projects, lambda p: prepare(p, site))
    return tuple(found)


async def prepare(project: Project, site: Site) -> Prepared:
    """Look at both sides of a project and plan what goes from its remote.

    That it deletes is what is asked for, so all that is listed is accepted; see `cli` for consent.
    """
    kept = _why_kept(project)
    if kept is not None:
        return Prepared(project, replace(blank(project, site), notes=(kept,)), partial=True)
    try:
        async with within(project.policy.limits.timeout_s):
            seen = await observe(project, site)
            _check_rules(seen)
            whole = await _everything(seen, site)
            seen.matcher.close_repositories(repositories(whole))
            found = _ignored(whole, seen.matcher)
    except BmSyncError as e:
        return Prepared(project, failed(project, site, e), partial=True)
    wants = intent(project, site, Wants(Accept(delete=len(found.files))))
    return Prepared(project, _plan(blank(project, site), seen, found, wants), seen, partial=True)


def _why_kept(project: Project) -> str | None:
    """Return why nothing of a project may be removed from its remote, None when it may."""
    match project.placement:
        case Placement.LOCAL_ONLY:
            return "local only: it has no remote"
        case Placement.CLOUD_ONLY:
            return "cloud only: what lies there is the only copy, so the filters remove nothing"
        case Placement.SYNCED:
            return None if _writes_there(project.policy) else _ONLY_READ


_ONLY_READ = "its policy only reads the remote, so nothing is removed there"


def _writes_there(policy: Policy) -> bool:
    down = policy.mode is Mode.MIRROR and policy.direction is Direction.DOWN
    return policy.mode is not Mode.PULL and not down


def _check_rules(seen: Seen) -> None:
    """Raise BmSyncError when rules that lie in the project cannot be read.

    Without a `.gitignore` that takes files back in, too much would be excluded.
    """
    local = seen.observation.local
    if local.root is not Root.FOLDER:
        what = f"the local folder is {local.root.replace('-', ' ')}, so its rules are not known"
        raise BmSyncError(what, hint="put the folder back, then run it again")
    for problem in local.problems:
        if seen.project.filters.gitignore and problem.path.rpartition("/")[2] == IGNORE_FILE:
            raise BmSyncError(f"the rules in {problem.path} are not known: {problem.what}")


async def _everything(seen: Seen, site: Site) -> Tree:
    """Return the remote side with nothing left out but what is bm-sync's own."""
    anything = Matcher(FilterSet(gitignore=False, git=Git.SYNC, links=seen.project.filters.links))
    if seen.remote_folder is not None:
        if seen.observation.remote.root is not Root.FOLDER:
            return Tree(files={})
        links = seen.project.filters.links
        found = walk(seen.remote_folder, anything, gitignore=False, links=links, side=Side.REMOTE)
        return found.tree
    store = seen.store
    assert store is not None  # noqa: S101 - one of both is set
    if seen.observation.remote.root is not Root.FOLDER:
        return Tree(files={})
    retry = seen.project.policy.retry
    listing = await site.patiently(
        retry, lambda: site.rclone.list_tree(store.fs, features=store.features)
    )
    files = {
        e.path: File(ObjectStamp(e.size, e.content, e.mtime_ns, e.tag), e.content, e.mtime_ns)
        for e in listing.entries
        if not e.is_dir
    }
    dirs = [e.path for e in listing.entries if e.is_dir]
    has_folders = store.features.has_folders
    return sift(files, dirs, anything, side=Side.REMOTE, has_folders=has_folders)


class _Ignored(Struct, frozen=True):
    """What the declared rules exclude of a tree: files with the rule, and folders."""

    files: Mapping[str, tuple[File, Rule]]
    dirs: tuple[str, ...]


def _ignored(tree: Tree, matcher: Matcher) -> _Ignored:
    files = {}
    for path in sorted(tree.files):
        rule = _declared_rule(path, matcher, is_dir=False)
        if rule is not None:
            files[path] = tree.files[path], rule
    held = {above for path in tree.files.keys() - files.keys() for above in _above(path)}
    dirs = [
        path
        for path, holds in tree.dirs.items()
        if not holds and path not in held and _declared_rule(path, matcher, is_dir=True)
    ]
    return _Ignored(files, tuple(sorted(dirs, reverse=True)))


def _declared_rule(path: str, matcher: Matcher, *, is_dir: bool) -> Rule | None:
    """Return the rule somebody wrote that excludes a path, None when no such rule does."""
    verdict = matcher.verdict(path, is_dir=is_dir)
    if not verdict.excluded or verdict.rule is None or verdict.rule.origin == BUILT_IN:
        return None
    if matcher.closed.at(path) is not None:
        return None
    return None if name_fault(path) else verdict.rule


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


def _plan(plan: ProjectPlan, seen: Seen, found: _Ignored, wants: Intent) -> ProjectPlan:
    synced = seen.remembered.baseline.files
    trash = tuple(
        Trash(
            path=path,
            side=Side.REMOTE,
            size=file.size,
            reason=Reason.LEFT if path in synced else Reason.IGNORED,
            local=None,
            remote=file.stamp,
        )
        for path, (file, _) in found.files.items()
    )
    folders = tuple(RemoveDir(path, Side.REMOTE, Reason.IGNORED) for path in found.dirs)
    plan = replace(
        plan,
        actions=(*trash, *folders),
        notes=_by_rule([rule for _, rule in found.files.values()]),
        files_local=len(seen.observation.local.files),
        files_remote=len(seen.observation.remote.files),
    )
    return guard.judged(plan, seen.observation, wants)


def _by_rule(rules: Sequence[Rule]) -> tuple[str, ...]:
    """Return how many files each rule excludes, the rules that exclude most first."""
    counted = Counter(rules).most_common()
    said = [f"{number} by {rule.pattern} ({rule.origin})" for rule, number in counted]
    rest = len(said) - _MOST_RULES
    return (*said[:_MOST_RULES], *([f"and by {rest} more rules"] if rest > 0 else []))
