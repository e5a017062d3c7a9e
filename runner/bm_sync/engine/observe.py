"""Looks at both sides of a project and at what is remembered of it. Changes nothing anywhere."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from msgspec import Struct, field

from bm_sync.engine import spellings
from bm_sync.engine.behind import store_of, tree_of
from bm_sync.engine.contents import FALLBACK
from bm_sync.engine.distant import Store
from bm_sync.engine.identity import at_source, joined, project_key, remote_label
from bm_sync.engine.jail import BlockedError, Identity, Jail, identity
from bm_sync.engine.left_alone import LeftAlone, close_saved_plans, told
from bm_sync.engine.listed import Listed, compared, list_far, looked_again, reach
from bm_sync.engine.near import Near, near_folder, near_store
from bm_sync.engine.site import Site
from bm_sync.engine.walk import IGNORE_FILE, MAX_IGNORE_BYTES, walk
from bm_sync.filters.closed import repositories
from bm_sync.filters.matcher import Matcher
from bm_sync.filters.rules import BadPattern
from bm_sync.filters.sift import oversize, refilter, without
from bm_sync.model.config import FolderRemote, Links, Project
from bm_sync.model.tree import Baseline, FilterChange, Observation, Side, Tree
from bm_sync.plan import disks
from bm_sync.plan.spellings import Aliases
from bm_sync.state.values import HashMemory, Remembered
from bm_sync.structs import replace


class Seen(Struct, frozen=True):
    """A project with what was seen of it.

    `local_root` is set unless the near side is another remote, which is `near` then.
    `remote_folder` is set for a folder remote, `store` for every other. `algorithm` is the content
    hash its sides are compared by. `fresh` are versions that neither side holds yet, by path:
    merged, or given by a person. `roots`: which folders stood there. `left_alone` says what no run
    moves. `spellings`: names that a side lists otherwise than they are planned with.
    """

    project: Project
    key: str
    observation: Observation
    remembered: Remembered
    matcher: Matcher
    via_link: bool
    local_root: Path | None
    remote_folder: Path | None
    store: Store | None
    algorithm: str
    bad_patterns: tuple[BadPattern, ...] = ()
    hashed: HashMemory = field(default_factory=dict)
    fresh: Mapping[str, bytes] = field(default_factory=dict)
    near: Store | None = None
    roots: Mapping[Path, Identity] = field(default_factory=dict)
    left_alone: LeftAlone = LeftAlone()
    spellings: Mapping[Side, Aliases] = field(default_factory=dict)

    def jail(self, root: Path, links: Links = Links.SKIP) -> Jail:
        """Return the inside of a folder, which has to be the one that was looked at."""
        return Jail(root, links=links, expected=self.roots.get(root))

    def store_on(self, side: Side) -> Store | None:
        """Return the place of a side behind rclone, None for a folder of this machine."""
        return self.near if side is Side.LOCAL else self.store

    def folder_on(self, side: Side) -> Path | None:
        """Return the folder of a side, None for one behind rclone."""
        return self.local_root if side is Side.LOCAL else self.remote_folder


class _Far(Struct, frozen=True):
    """The remote side."""

    tree: Tree
    folder: Path | None = None
    store: Store | None = None
    roots: Mapping[Path, Identity] = field(default_factory=dict)
    private: tuple[str, ...] = ()

    def jail(self) -> Jail:
        """Return the inside of the folder, which has to be the one that was walked."""
        assert self.folder is not None  # noqa: S101 - the caller asked
        return Jail(self.folder, expected=self.roots.get(self.folder))


class _Looked(Struct, frozen=True):
    """Both sides as the filters let them through, and what is said about it."""

    local: Tree
    remote: Tree
    far: _Far
    bad: tuple[BadPattern, ...]
    left_alone: LeftAlone


async def observe(project: Project, site: Site, *, by_folder: bool = False) -> Seen:
    """Look at both sides; raises BmSyncError when one cannot be read at all.

    `by_folder`: remotes are asked folder by folder, because they left something out before.
    """
    assert project.remote is not None  # noqa: S101 - it is synced
    key = project_key(project)
    matcher = Matcher(project.filters)
    await reach(project, site)
    asked = asyncio.create_task(list_far(project, site, by_folder=by_folder))
    try:
        # the remote lists while we read here; the walk comes first, as it leaves the loop free
        near = await _near(project, matcher, site, by_folder=by_folder)
        remembered = site.state.project(key)
        listed = await asked
        if listed is not None and not remembered.baseline.known and not by_folder:
            listed = await compared(project, listed, site)
        elif listed is not None and not listed.listing.entries and remembered.baseline.files:
            listed = await looked_again(project, listed, site)
    finally:
        asked.cancel()
    looked = await _judged(project, near, (listed, remembered.baseline), matcher, site)
    far = looked.far
    spelt = await spellings.settle(
        {Side.LOCAL: looked.local, Side.REMOTE: looked.remote},
        remembered.baseline,
        site.state.spellings(key),
        {
            Side.LOCAL: spellings.Where(project, near.folder, near.store),
            Side.REMOTE: spellings.Where(project, far.folder, far.store),
        },
        site,
    )
    local, remote = spelt.local, spelt.remote
    large = oversize(local, remote, project.filters.max_size)
    if large:
        local, remote = without(local, large), without(remote, large)
    hidden = _hidden_rows(remembered.baseline, matcher, local, remote, large)
    change = _filter_change(remembered, matcher, local, remote, hidden)
    baseline = _with_disks(_without_rows(remembered.baseline, hidden), key, site)
    absent = listed is not None and listed.place.absent
    seen = Observation(local, remote, baseline, change, absent=absent)
    return Seen(
        project=project,
        key=key,
        observation=disks.hold(seen),
        remembered=remembered,
        matcher=matcher,
        via_link=near.via_link,
        local_root=near.folder,
        remote_folder=far.folder,
        store=_spelt(far.store, spelt.aliases.get(Side.REMOTE)),
        algorithm=_algorithm(far.store, near.store),
        bad_patterns=looked.bad,
        near=_spelt(near.store, spelt.aliases.get(Side.LOCAL)),
        spellings=spelt.aliases,
        roots={**far.roots, **_known(near.folder, near.identity)},
        left_alone=looked.left_alone,
    )


def _spelt(store: Store | None, aliases: Aliases | None) -> Store | None:
    return replace(store, aliases=aliases) if store is not None and aliases else store


async def _judged(
    project: Project,
    near: Near,
    known: tuple[Listed | None, Baseline],
    matcher: Matcher,
    site: Site,
) -> _Looked:
    """Return both sides, filtered by every rule that either of them holds."""
    listed, baseline = known
    met_near, revision = matcher.take_met(), matcher.revision
    far = _far(project, listed, matcher, site)
    met_far, bad = matcher.take_met(), near.bad
    name = project.remote.name if project.remote else ""
    learnt = await _remote_ignore_files(project, site, far, near, baseline)
    for folder, text in learnt.items():
        shown = f"{name}:{joined(project.path, folder)}/{IGNORE_FILE}"
        bad += matcher.add_ignore_file(folder, text, shown)
    for root, private in ((near.folder, near.private), (far.folder, far.private)):
        if root is not None and private:
            close_saved_plans(root, private, baseline.files, matcher)
    local, remote = near.tree, far.tree
    matcher.close_repositories(repositories(local, remote))
    if matcher.revision != revision:
        local = refilter(local, matcher)
        met_near |= matcher.take_met()
        remote = refilter(remote, matcher)
        met_far |= matcher.take_met()
    left_alone = told(met_near, met_far, near.folder, remote_label(project))
    return _Looked(local, remote, far, bad, left_alone)


async def _near(project: Project, matcher: Matcher, site: Site, *, by_folder: bool) -> Near:
    there = at_source(project)
    if there is None:
        return await near_folder(project, matcher, site)
    baseline = site.state.project(project_key(project)).baseline
    return await near_store(there, matcher, site, baseline, by_folder=by_folder)


async def far_side(project: Project, matcher: Matcher, site: Site) -> Tree:
    """Return the remote side alone, filtered by the rules the matcher knows."""
    return _far(project, await list_far(project, site), matcher, site).tree


def _far(project: Project, listed: Listed | None, matcher: Matcher, site: Site) -> _Far:
    """Return the remote side, filtered by the rules known so far."""
    remote = project.remote
    if isinstance(remote, FolderRemote):
        folder = remote.root / project.path
        walked = walk(
            folder, matcher, gitignore=False, links=project.filters.links, side=Side.REMOTE
        )
        real = walked.real or Path(os.path.realpath(folder))
        roots = _roots(remote.root, real, walked.identity)
        return _Far(walked.tree, real, roots=roots, private=walked.private)
    assert listed is not None and remote is not None  # noqa: S101, PT018 - see `list_far`
    tree = tree_of(listed, matcher, Side.REMOTE)
    return _Far(tree, store=store_of(listed, remote, site, project.policy.retry))


def _roots(base: Path, folder: Path, found: Identity | None) -> dict[Path, Identity]:
    """Return which folders are the root of a remote and of a project in it, as far as they are."""
    roots = {}
    with suppress(OSError):
        roots[base] = identity(base.stat())
    return {**roots, **_known(folder, found)}


def _known(folder: Path | None, found: Identity | None) -> dict[Path, Identity]:
    return {folder: found} if folder is not None and found is not None else {}


async def _remote_ignore_files(
    project: Project, site: Site, far: _Far, near: Near, baseline: Baseline
) -> dict[str, str]:
    """Read the .gitignore files that only the remote holds and that were not deleted here."""
    if not project.filters.gitignore:
        return {}
    found: dict[str, str] = {}
    for path, file in far.tree.files.items():
        folder, _, name = path.rpartition("/")
        if name != IGNORE_FILE or folder in near.ignore_files or path in baseline.files:
            continue
        if path in near.tree.files or file.size > MAX_IGNORE_BYTES:
            continue
        text = await _read(path, far, site)
        if text is not None:
            found[folder] = text
    return found


async def _read(path: str, far: _Far, site: Site) -> str | None:
    """Return the text of a small file of the remote side."""
    if far.folder is not None:
        with suppress(OSError, BlockedError), os.fdopen(far.jail().open(path), "rb") as file:
            return file.read(MAX_IGNORE_BYTES).decode(errors="surrogateescape")
        return None
    assert far.store is not None  # noqa: S101 - one of both is set
    with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
        here = site.rclone.local(Path(scratch))
        await site.rclone.copy_file(far.store.fs, path, here, "text")
        return (Path(scratch) / "text").read_bytes().decode(errors="surrogateescape")


def _hidden_rows(
    baseline: Baseline, matcher: Matcher, local: Tree, remote: Tree, large: Collection[str]
) -> frozenset[str]:
    """Return the rows that the filters hide now; what a tree shows is not hidden."""
    files = (p for p in baseline.files if p not in local.files and p not in remote.files)
    dirs = (p for p in baseline.dirs if p not in local.dirs and p not in remote.dirs)
    return frozenset(p for p in files if p in large or matcher.excluded(p, is_dir=False)) | (
        frozenset(p for p in dirs if matcher.excluded(p, is_dir=True))
    )


def _without_rows(baseline: Baseline, hidden: Collection[str]) -> Baseline:
    if not hidden:
        return baseline
    return replace(
        baseline,
        files={p: row for p, row in baseline.files.items() if p not in hidden},
        dirs=baseline.dirs - frozenset(hidden),
    )


def _with_disks(baseline: Baseline, key: str, site: Site) -> Baseline:
    """Return the baseline with the file systems of its folders; older states know one number."""
    known = site.state.disks(key)
    if not known and baseline.device is not None:
        known = {Side.LOCAL: {"": str(baseline.device)}}
    return replace(baseline, disks=known)


def _filter_change(
    remembered: Remembered, matcher: Matcher, local: Tree, remote: Tree, hidden: Collection[str]
) -> FilterChange:
    """Return what entered and what left the set since the last run, as far as that is known."""
    if remembered.filters is None or remembered.filters == matcher.snapshot():
        return FilterChange()
    try:
        before = Matcher.from_snapshot(remembered.filters)
    except ValueError:
        return FilterChange()
    shown = local.files.keys() | remote.files.keys()
    return FilterChange(
        enters=tuple(sorted(p for p in shown if before.excluded(p, is_dir=False))),
        leaves=tuple(
            sorted(
                p
                for p in hidden
                if p in remembered.baseline.files and not before.excluded(p, is_dir=False)
            )
        ),
    )


def _algorithm(store: Store | None, near: Store | None) -> str:
    """Return the hash that costs least: what the remote lists, what the near side lists."""
    stores = [each for each in (store, near) if each is not None]
    listed = [each.features.hash for each in stores]
    told = [each.features.slow_hash for each in stores]
    return next((hash_ for hash_ in (*listed, *told) if hash_), FALLBACK)
