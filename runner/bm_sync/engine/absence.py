"""Whether what a listing leaves out is gone: asked once more before anything is deleted for it.

A listing may be cut, a level short, or empty where a folder is full. So each absence that a plan
removes something for is looked for by itself, and the folder it lay in is listed by itself, before
the plan is believed. This costs requests only when something is about to be removed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from functools import partial

from msgspec import Struct

from bm_sync.engine.distant import Store
from bm_sync.engine.jail import Jail
from bm_sync.engine.observe import Seen
from bm_sync.engine.site import Site
from bm_sync.model.plan import Move, ProjectPlan, RemoveDir, Trash
from bm_sync.model.tree import Observation, Side, Tree
from bm_sync.parallel import at_once, spread
from bm_sync.plan.barrier import ancestors, folders_of
from bm_sync.plan.spellings import fold
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.structs import replace

_CHUNKER = "chunker"
_MISSING_CHUNKS = "missing chunks"
_ALONE_AT_MOST = 100  # asked for by themselves; of more the folders are listed and some are asked
_AT_ONCE = 8


class Gone(Struct, frozen=True):
    """What a side seems not to have any more: files, and folders."""

    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


def relied_on(plan: ProjectPlan, observation: Observation) -> dict[Side, Gone]:
    """Return the absences for which the plan removes something from the other side. Pure."""
    files: dict[Side, list[str]] = defaultdict(list)
    folders: dict[Side, list[str]] = defaultdict(list)
    for action in plan.actions:
        match action:
            case Trash(side=side, path=path) | Move(side=side, old_path=path):
                if _is_absent(observation.tree(side.other), path):
                    files[side.other].append(path)
            case RemoveDir(side=side, path=path):
                if observation.tree(side.other).has_folders:
                    folders[side.other].append(path)
            case _:
                pass
    known = {side: _folders(observation.tree(side)) for side in folders}
    return {
        side: Gone(
            tuple(files[side]), tuple(f for f in folders[side] if f not in known.get(side, ()))
        )
        for side in Side
        if files[side] or folders[side]
    }


def _is_absent(tree: Tree, path: str) -> bool:
    """Return whether a file is not there; one whose folder is a file now needs no question."""
    return path not in tree.files and not any(up in tree.files for up in ancestors(path))


def _folders(tree: Tree) -> set[str]:
    return folders_of(iter(tree.files)) | set(tree.dirs)


async def missed(plan: ProjectPlan, seen: Seen, site: Site) -> dict[Side, Mapping[str, bool]]:
    """Return what the listings of a plan left out, by side: true for what stands there.

    False is said of what nobody could be asked about. Raises RcloneError when a remote does not
    answer.
    """
    found: dict[Side, Mapping[str, bool]] = {}
    for side, gone in relied_on(plan, seen.observation).items():
        store = seen.store_on(side)
        if store is None:
            told = _in_folder(seen, side, gone)
        else:
            told = await _on_remote(seen, store, gone, site)
        told = _without_spellings(told, seen.observation.tree(side))
        if told:
            found[side] = told
    return found


def noted(seen: Seen, left_out: Mapping[Side, Mapping[str, bool]]) -> Seen:
    """Return what was seen with what its listings left out, which is a stop."""
    was = seen.observation
    trees = {
        side: replace(was.tree(side), unlisted={**was.tree(side).unlisted, **left_out[side]})
        for side in left_out
    }
    local, remote = trees.get(Side.LOCAL, was.local), trees.get(Side.REMOTE, was.remote)
    return replace(seen, observation=replace(was, local=local, remote=remote))


def _in_folder(seen: Seen, side: Side, gone: Gone) -> dict[str, bool]:
    root = seen.folder_on(side)
    assert root is not None  # noqa: S101 - a side is a folder or behind rclone
    jail = Jail(root, links=seen.project.filters.links)
    told = {path: _stands(jail, path) for path in (*gone.files, *gone.folders)}
    return {path: stands for path, stands in told.items() if stands is not None}


def _stands(jail: Jail, path: str) -> bool | None:
    """Return whether a path stands in a folder; False when that cannot be told, None: it does not.

    Where a link or a file stands in the way it does not: the walk has told of those.
    """
    try:
        return jail.exists(path) or None
    except OSError:
        return False


async def _on_remote(seen: Seen, store: Store, gone: Gone, site: Site) -> dict[str, bool]:
    asking = _Asking(seen, store, site)
    try:
        standing = await asking.files(gone.files) | await asking.folders(gone.folders)
    except RcloneError as e:
        if e.fault is not Fault.FORBIDDEN:
            raise
        return dict.fromkeys((*gone.files, *gone.folders), False)
    return dict.fromkeys(standing, True)


def _without_spellings(told: Mapping[str, bool], tree: Tree) -> dict[str, bool]:
    """Leave out what a side finds because it takes another name for this one (case, NFC)."""
    if not told:
        return {}
    spelt = {fold(path) for path in (*tree.files, *tree.dirs)}
    return {path: stands for path, stands in told.items() if fold(path) not in spelt}


class _Asking:
    """Asks a remote for single places, never for a whole tree."""

    def __init__(self, seen: Seen, store: Store, site: Site) -> None:
        self._fs = store.fs
        self._features = store.features
        self._rclone = site.rclone
        self._site = site
        self._retry = seen.project.policy.retry

    async def files(self, paths: Collection[str]) -> set[str]:
        """Return those files that stand there."""
        if len(paths) <= _ALONE_AT_MOST:
            return await self._alone(paths)
        by_folder: dict[str, list[str]] = defaultdict(list)
        for path in paths:
            by_folder[path.rpartition("/")[0]].append(path)
        levels = await self._levels(by_folder)
        standing, rest = set(), []
        for folder, inside in by_folder.items():
            names = levels[folder]
            listed = {p for p in inside if names and names.get(p.rpartition("/")[2]) is False}
            standing |= listed
            rest += [p for p in inside if p not in listed]
        return standing | await self._alone(spread(rest, _ALONE_AT_MOST))

    async def folders(self, paths: Collection[str]) -> set[str]:
        """Return those folders that stand there."""
        levels = await self._levels(paths)
        return {path for path, names in levels.items() if names is not None}

    async def _alone(self, paths: Collection[str]) -> set[str]:
        if self._fs.type == _CHUNKER:
            damaged = await at_once(_AT_ONCE, list(paths), self._damaged)
            return set().union(*damaged)
        return await self._site.patiently(
            self._retry,
            lambda: self._rclone.look_at(self._fs, paths, features=self._features),
        )

    async def _damaged(self, path: str) -> set[str]:
        """Return a file in chunks that stands there, also one of which a chunk is missing.

        rclone's chunker leaves such a file out of every listing unless it is told to fail.
        """
        strict = replace(self._fs, root=self._fs.root.replace(":", ",fail_hard=true:", 1))
        look = partial(self._rclone.look_at, strict, [path], features=self._features)
        try:
            return await self._site.patiently(self._retry, look)
        except RcloneError as e:
            if _MISSING_CHUNKS not in e.raw:
                raise
            return {path}

    async def _levels(self, folders: Iterable[str]) -> dict[str, Mapping[str, bool] | None]:
        asked = list(folders)
        told = await at_once(_AT_ONCE, asked, self._level)
        return dict(zip(asked, told, strict=True))

    async def _level(self, folder: str) -> Mapping[str, bool] | None:
        return await self._site.patiently(
            self._retry,
            lambda: self._rclone.list_level(self._fs, folder, features=self._features),
        )
