"""Asks a side whether it takes two names for one, and gives both sides the same spelling.

A side that lists `é` in one normal form finds it under the other one as well, if it ignores normal
forms (HFS+, SMB, rclone's own servers); so with case. Only names are asked about that stand on one
side each and differ by nothing else. Nothing is written for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from bm_sync.engine.distant import Store
from bm_sync.engine.jail import BlockedError, Jail
from bm_sync.engine.site import Site
from bm_sync.model.config import Project
from bm_sync.model.tree import Baseline, Side, Tree
from bm_sync.parallel import spread
from bm_sync.plan.spellings import Aliases, Pair, form, pairs, renamed, respelt, suspects

_ASKED_AT_MOST = 100  # of more, some are asked, and all have to agree


class Spelt(Struct, frozen=True):
    """Both sides with one spelling, and what each lists otherwise than that."""

    local: Tree
    remote: Tree
    aliases: Mapping[Side, Aliases]


class Where(Struct, frozen=True):
    """A side that can be asked: a folder of this machine, or a place behind rclone."""

    project: Project
    folder: Path | None
    store: Store | None

    async def found(
        self, paths: Mapping[str, str], tree: Tree, site: Site, *, exact: bool = True
    ) -> set[str]:
        """Return which paths lead to a file that the side lists under the name given with it."""
        if self.store is None:
            return self._in_folder(paths, exact=exact)
        store = self.store
        seen = await site.patiently(
            self.project.policy.retry,
            lambda: site.rclone.list_some(
                store.fs,
                list(paths),
                features=store.features,
                mtime=False,
                content=store.features.hash is not None,
            ),
        )
        return {
            path
            for path, entry in seen.items()
            if (file := tree.files.get(paths[path])) is not None
            and entry.size == file.size
            and (None in (entry.content, file.content) or entry.content == file.content)
        }

    def _in_folder(self, paths: Mapping[str, str], *, exact: bool) -> set[str]:
        if self.folder is None:
            return set()
        jail = Jail(self.folder, links=self.project.filters.links)
        return {path for path, listed in paths.items() if _is_one(jail, path, listed, exact=exact)}


def _is_one(jail: Jail, one: str, two: str, *, exact: bool) -> bool:
    """Return whether two names lead to one file.

    Drivers in user space number a file by the name it is asked for (exFAT by FUSE): there two
    spellings are never one path (`exact`), but known to be twins.
    """
    try:
        first, second = jail.look(one), jail.look(two)
    except (OSError, BlockedError):
        return False
    if first is None or second is None:
        return False
    if exact:
        return first.inode == second.inode
    return (first.size, first.mtime_ns) == (second.size, second.mtime_ns)


async def settle(
    trees: Mapping[Side, Tree],
    baseline: Baseline,
    known: Mapping[Side, Aliases],
    places: Mapping[Side, Where],
    site: Site,
) -> Spelt:
    """Return both sides with the spellings of the other, where a side takes both for one."""
    now, aliases = dict(trees), {}
    for side in (Side.REMOTE, Side.LOCAL):
        here, there = now[side], now[side.other]
        asked = list(pairs(here, there, baseline, known.get(side, {})))
        taken = await _taken(asked, here, places[side], site)
        ignores = {"form" if _only_form(n, p) else "case" for n, p in taken.items()}
        if not here.case_insensitive and "case" not in ignores:
            ignores |= await _ignored(here, there, places[side], site)
        now[side] = respelt(here, taken, ignores)
        if taken:
            aliases[side] = taken
    return Spelt(now[Side.LOCAL], now[Side.REMOTE], aliases)


async def _taken(asked: list[Pair], tree: Tree, where: Where, site: Site) -> dict[str, str]:
    """Return the pairs that the side takes for one, by the name that it lists."""
    news = [pair for pair in asked if not pair.known]
    some = spread(news, _ASKED_AT_MOST) if len(news) > _ASKED_AT_MOST else news
    questions = {path: (pair, listed) for pair in some for path, listed in _question(pair, tree)}
    found: set[str] = set()
    if questions:
        found = await where.found({p: listed for p, (_, listed) in questions.items()}, tree, site)
    yes = {questions[path][0].listed for path in found}
    if len(news) > len(some) and len(yes) == len(some):
        yes = {pair.listed for pair in news}
    taken: dict[str, str] = {}
    for pair in asked:  # outer folders first
        above = pair.listed.rpartition("/")[0]
        if (pair.known or pair.listed in yes) and _above(pair.other) == renamed(above, taken):
            taken[pair.listed] = pair.other
    return taken


def _above(path: str) -> str:
    return path.rpartition("/")[0]


def _question(pair: Pair, tree: Tree) -> list[tuple[str, str]]:
    """Return the path to ask for, and the file that it has to lead to; a folder by one in it."""
    if pair.listed in tree.files:
        return [(pair.other, pair.listed)]
    inside = min((p for p in tree.files if p.startswith(f"{pair.listed}/")), default=None)
    return [] if inside is None else [(pair.other + inside[len(pair.listed) :], inside)]


async def _ignored(here: Tree, there: Tree, where: Where, site: Site) -> set[str]:
    """Return what a side ignores to which names come that it may take for one."""
    doubts = suspects(here, there)
    kinds = {"form" if _only_form(n, twin) else "case" for n, twin in doubts.items()}
    asked = {name: twin for name, twin in doubts.items() if twin in here.files}
    found: set[str] = set()
    if asked:
        some = dict(list(asked.items())[:_ASKED_AT_MOST])
        found = await where.found(some, here, site, exact=False)
    kinds_found = {"form" if _only_form(name, asked[name]) else "case" for name in found}
    if "case" in kinds - kinds_found and where.store is None and where.folder is not None:
        kinds_found |= _probed(where.folder, here)
    return kinds_found


def _probed(folder: Path, tree: Tree) -> set[str]:
    """Return whether a folder finds a file, or itself, under another case."""
    name = next((p for p in tree.files if p.swapcase() != p and "/" not in p), None)
    one = folder / name if name is not None else folder
    try:
        first, second = one.lstat(), one.with_name(one.name.swapcase()).lstat()
    except OSError:
        return set()
    alike = (first.st_size, first.st_mtime_ns) == (second.st_size, second.st_mtime_ns)
    same = first.st_ino == second.st_ino or alike
    return {"case"} if same and one.name.swapcase() != one.name else set()


def _only_form(one: str, two: str) -> bool:
    return form(one) == form(two)
