"""Takes paths out of trees: the excluded, the too large, the ones with an impossible name.

Pure. Folders that hold something taken out are marked, so that nobody removes them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from bm_sync.filters.matcher import Matcher
from bm_sync.model.tree import File, Problem, ProblemKind, Side, Tree
from bm_sync.structs import replace

NAME_BYTES = 255  # NAME_MAX of Linux and macOS; every path ends up as a local file
_ODD = re.compile(r"^/|//|/\Z|(?:^|/)\.\.?(?:/|\Z)|\x00")


def sift(
    files: Mapping[str, File],
    dirs: Iterable[str],
    matcher: Matcher,
    *,
    side: Side,
    has_folders: bool,
) -> Tree:
    """Make the tree of a side from everything that a listing told, unfiltered.

    Keys that cannot be a path below the root are problems, one for all keys below an impossible
    name. Folders that hold files count even when they were not listed; without folders none do.
    """
    kept: dict[str, File] = {}
    problems: dict[str, Problem] = {}
    hidden: set[str] = set()
    for path, file in files.items():
        if _passes(path, matcher, side, problems, is_dir=False):
            kept[path] = file
        else:
            hidden.add(path)
    if not has_folders:
        return Tree(kept, problems=_sorted(problems), has_folders=False)
    seen = {path.rpartition("/")[0] for path in kept}
    for path in dirs:
        if _passes(path, matcher, side, problems, is_dir=True):
            seen.add(path)
        else:
            hidden.add(path)
    return Tree(
        files=kept,
        dirs=mark_above(_with_parents(seen, hidden, matcher), hidden),
        problems=_sorted(problems),
    )


def _sorted(problems: Mapping[str, Problem]) -> tuple[Problem, ...]:
    return tuple(problems[path] for path in sorted(problems))


def refilter(tree: Tree, matcher: Matcher) -> Tree:
    """Return the tree without what the matcher excludes, after it learned more rules."""
    gone_files = [path for path in tree.files if matcher.excluded(path, is_dir=False)]
    gone_dirs = {path for path in tree.dirs if matcher.excluded(path, is_dir=True)}
    problems = tuple(
        p for p in tree.problems if not matcher.excluded(p.path, is_dir=p.path in tree.dirs)
    )
    if not gone_files and not gone_dirs and len(problems) == len(tree.problems):
        return tree
    left = without(tree, gone_files)
    dirs = {path: holds for path, holds in left.dirs.items() if path not in gone_dirs}
    return replace(left, dirs=mark_above(dirs, gone_dirs), problems=problems)


def oversize(local: Tree, remote: Tree, max_size: int | None) -> frozenset[str]:
    """Return the paths of files that are larger than `max_size` bytes on either side."""
    if max_size is None:
        return frozenset()
    files = (item for tree in (local, remote) for item in tree.files.items())
    return frozenset(path for path, file in files if file.size > max_size)


def without(tree: Tree, paths: Collection[str]) -> Tree:
    """Return the tree without these files; the folders that held them are marked."""
    gone = tree.files.keys() & paths
    if not gone:
        return tree
    files = {path: file for path, file in tree.files.items() if path not in gone}
    return replace(tree, files=files, dirs=mark_above(tree.dirs, gone))


def name_fault(path: str) -> tuple[str, str] | None:
    """Return the path that is impossible, at or above `path`, and why; None when all is well.

    The reason says whether the path as a whole is malformed or one name in it is.
    """
    if len(path) <= NAME_BYTES and path.isascii() and path.isprintable():
        framed = f"/{path}/"
        if "//" not in framed and "/." not in framed:  # most paths; the expression is slower
            return None
    if not path or _ODD.search(path):
        return path, "the name has an empty part, a part that is . or .., or a NUL"
    end = -1
    for part in path.split("/"):
        end += len(part) + 1
        why = _part_fault(part)
        if why is not None:
            return path[:end], why
    return None


def is_plain(name: str) -> bool:
    """Return whether a name that stands in a folder of this machine has no fault for certain."""
    return name.isascii() and name.isprintable() and len(name) <= NAME_BYTES


def _part_fault(part: str) -> str | None:
    try:
        size = len(part.encode("utf-8"))
    except UnicodeEncodeError:
        return "the name is not valid UTF-8"
    if size > NAME_BYTES:
        return f"the name is {size} bytes long, more than the {NAME_BYTES} a folder can hold"
    return None


def _passes(
    path: str, matcher: Matcher, side: Side, problems: dict[str, Problem], *, is_dir: bool
) -> bool:
    """Return whether a path stays, noting its problem when it has one."""
    if matcher.excluded(path, is_dir=is_dir):
        return False
    fault = name_fault(path)
    if fault is None:
        return True
    problems.setdefault(fault[0], Problem(fault[0], side, ProblemKind.NAME, fault[1]))
    return False


def _with_parents(seen: set[str], hidden: set[str], matcher: Matcher) -> dict[str, bool]:
    """Return every folder named or implied, also by hidden paths, all unmarked."""
    dirs: dict[str, bool] = {}
    for path in [*seen, *(path.rpartition("/")[0] for path in hidden)]:
        at = path
        while at and at not in dirs:
            dirs[at] = False
            at = at.rpartition("/")[0]
    return {
        path: False
        for path in dirs
        if path in seen or not (name_fault(path) or matcher.excluded(path, is_dir=True))
    }


def mark_above(dirs: Mapping[str, bool], hidden: Iterable[str]) -> dict[str, bool]:
    """Return the folders, with all those marked that `hidden` paths lie in."""
    marked = dict(dirs)
    for path in hidden:
        at = path.rpartition("/")[0]
        while at and marked.get(at) is not True:
            if at in marked:
                marked[at] = True
            at = at.rpartition("/")[0]
    return marked
