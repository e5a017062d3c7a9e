"""Names that a side takes for one: whose spelling on one side is another than on the other side.

A side may ignore case, the normal form of a letter (NFC, NFD), or both: it finds a file under more
names than the one it lists. Such a file is one path with two spellings. Here the names that may be
such pairs are found; whether they are, the side itself is asked (`engine.spellings`). Pure.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from msgspec import Struct

from bm_sync.model.tree import Baseline, Tree
from bm_sync.plan.barrier import ancestors, folders_of
from bm_sync.structs import replace

Aliases = Mapping[str, str]
"""The path that is planned with, by the name that a side lists for it: files and folders."""


def fold(path: str) -> str:
    """Return what a side that ignores case sees of a path; such sides mostly ignore NFC too."""
    if path.isascii():
        return path.casefold()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def form(path: str) -> str:
    """Return what a side sees of a path that ignores only the normal form of its letters."""
    return path if path.isascii() else unicodedata.normalize("NFC", path)


class Pair(Struct, frozen=True):
    """A name that a side lists, and the spelling that the other side has for it.

    `known`: it was so in an earlier run, and the side need not be asked.
    """

    listed: str
    other: str
    known: bool = False


def pairs(side: Tree, other: Tree, baseline: Baseline, known: Aliases) -> Iterator[Pair]:
    """Yield the names of a side that may be another spelling of the other side's, outer ones first.

    What both sides list alike, or agreed on alike, is no such name: a file that was renamed by case
    is renamed on the other side, too.
    """
    alone = _alone(side, other)
    if known:  # of these the other side may have made a file with this very name since
        alone |= known.keys() & _with_folders(side.files, side.dirs)
    if not alone:
        return
    rest = (baseline.files.keys() | other.files.keys()) - side.files.keys()
    names = _with_folders(rest, (*other.dirs, *baseline.dirs))
    if not names:
        return
    spelt: dict[str, set[str]] = defaultdict(set)
    for name in names:
        spelt[fold(name)].add(name)
    mine: set[str] | None = None
    alike: Counter[str] = Counter()  # a side that lists two names alike tells them apart
    mapped: dict[str, str] = {}
    for name in sorted(alone, key=lambda n: (n.count("/"), n)):
        inside = renamed(name, mapped)
        one = known.get(name)
        if one not in names or _parent(one) != _parent(inside):
            one = _other_spelling(inside, names, spelt)
        if one is None:
            continue
        if mine is None:
            mine = _with_folders(side.files, side.dirs)
            alike = Counter(map(fold, mine))
        told = known.get(name) == one
        by_case = form(inside) != form(one) and not told and _is_agreed(name, one, baseline)
        if one not in mine and alike[fold(name)] == 1 and not by_case:
            mapped[name] = one
            yield Pair(name, one, told)


def _other_spelling(name: str, names: Collection[str], spelt: Mapping[str, set[str]]) -> str | None:
    """Return the one other name that may be the same, None when there is none, or several."""
    if name in names:
        return None  # only a folder above it is spelt otherwise
    found = [n for n in spelt.get(fold(name), ()) if _parent(n) == _parent(name)]
    return found[0] if len(found) == 1 else None


def suspects(side: Tree, other: Tree) -> dict[str, str]:
    """Return names that only the other side has, each with one it may be taken for on this side.

    That one stands here, or comes here as well.
    """
    coming = other.files.keys() - side.files.keys()
    if not coming:
        return {}
    met = {fold(name): name for name in _with_folders(side.files, side.dirs)}
    found = {}
    for name in sorted(_with_folders(coming, ())):
        twin = met.setdefault(fold(name), name)
        if twin != name:
            found[name] = twin
    return found


def _alone(side: Tree, other: Tree) -> set[str]:
    """Return the names that only one side lists, folders included."""
    files = side.files.keys() - other.files.keys()
    dirs = side.dirs.keys() - other.dirs.keys()
    found = set(files) | folders_of(iter(files)) | dirs
    return found - folders_of(iter(other.files))


def _is_agreed(name: str, other: str, baseline: Baseline) -> bool:
    """Return whether both sides agreed on one of the spellings: the other is a rename by case."""
    return any(n in baseline.files or n in baseline.dirs for n in (name, other))


def _with_folders(files: Iterable[str], dirs: Iterable[str]) -> set[str]:
    held = set(files)
    return held | folders_of(iter(held)) | set(dirs) | {up for d in dirs for up in ancestors(d)}


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def renamed(path: str, aliases: Aliases) -> str:
    """Return the path that is planned with for one that a side lists."""
    if not aliases:
        return path
    if path in aliases:
        return aliases[path]
    above = max((up for up in ancestors(path) if up in aliases), key=len, default="")
    return aliases[above] + path[len(above) :] if above else path


def respelt(tree: Tree, aliases: Aliases, ignores: Collection[str]) -> Tree:
    """Return a side with the other side's spellings; `ignores` is what it ignores: case, forms."""
    if not (aliases or ignores):
        return tree
    files = {renamed(path, aliases): file for path, file in tree.files.items()}
    dirs = {renamed(path, aliases): held for path, held in tree.dirs.items()}
    return replace(
        tree,
        files=files,
        dirs=dirs,
        case_insensitive=tree.case_insensitive or "case" in ignores,
        form_insensitive=tree.form_insensitive or "form" in ignores,
    )
