"""Finds what runs take their orders from, and closes it in every project whose folder holds it.

These files decide what bm-sync does, which programs it starts, whom it trusts. A run that brought
one home would take orders from whoever may write to a remote. Nothing has to stand there yet.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import bm_sync
from bm_sync import paths
from bm_sync.backends import Mark
from bm_sync.manifest.commands import Desk, files_run
from bm_sync.manifest.places import absolute
from bm_sync.manifest.projects import Placed
from bm_sync.manifest.source import local_of
from bm_sync.manifest.values import Surroundings, group, words
from bm_sync.model.config import (
    BUILT_IN,
    BackendRemote,
    FolderRemote,
    OrderPath,
    Origin,
    Project,
    Remote,
    SecretRef,
)
from bm_sync.structs import replace

if TYPE_CHECKING:
    from bm_sync.manifest.nodes import Mapping as Node
    from bm_sync.model.hooks import Hook
    from bm_sync.model.notices import Target

_GLOB = re.compile(r"[*?\[]")
_MOST_LINKS = 40
INCLUDED = "included by the manifest"
_IGNORE_FILE = "an ignore file that the manifest names"


class OrderFile(NamedTuple):
    """A file that runs take orders from, what it is to them, and where it is named.

    With a `pattern` it is every file of such a name in the folder `path`.
    """

    path: Path
    what: str
    origin: Origin = BUILT_IN
    pattern: str = ""


def close_orders(
    placed: tuple[Placed, ...], sources: Iterable[OrderFile], around: Surroundings
) -> tuple[Placed, ...]:
    """Return the projects with all that lies in their folders closed in their filters."""
    roots: dict[str, set[int]] = {}
    for number, each in enumerate(placed):
        for root in _roots(each.project):
            roots.setdefault(os.path.realpath(root), set()).add(number)
    if not roots:
        return placed
    found: dict[int, dict[str, OrderPath]] = {}
    for source in dict.fromkeys((*sources, *_hooked(placed, around))):
        for place, is_glob in _places(source):
            for number, path in _inside(place, roots):
                order = OrderPath(path, source.what, source.origin, is_glob)
                found.setdefault(number, {}).setdefault(path, order)
    return tuple(
        _closed(each, tuple(found[number].values())) if number in found else each
        for number, each in enumerate(placed)
    )


def _closed(placed: Placed, orders: tuple[OrderPath, ...]) -> Placed:
    filters = replace(placed.project.filters, orders=orders)
    return replace(placed, project=replace(placed.project, filters=filters))


def _roots(project: Project) -> Iterator[Path]:
    """Yield the sides of a project that are folders of this machine."""
    if project.local is not None:
        yield project.local
    if isinstance(project.remote, FolderRemote):
        yield project.remote.root / project.path


def _inside(place: str, roots: Mapping[str, set[int]]) -> Iterator[tuple[int, str]]:
    """Yield the projects with a side that holds a place, and its path in there."""
    at = os.path.dirname(place)  # noqa: PTH120 - a text
    while True:
        for number in roots.get(at, ()):
            yield number, os.path.relpath(place, at)
        above = os.path.dirname(at)  # noqa: PTH120 - a text
        if above == at:
            return
        at = above


def _places(source: OrderFile) -> Iterator[tuple[str, bool]]:
    """Yield the real places of a source, each with whether its last name is a pattern."""
    places = list(_trail(source.path))
    yield from ((place, False) for place in (places[:-1] if source.pattern else places))
    if source.pattern:
        yield os.path.join(places[-1], source.pattern), True  # noqa: PTH118 - a text


def _trail(path: Path) -> Iterator[str]:
    """Yield where a path really leads: every link on the way, then its end."""
    todo = list(reversed(path.parts[1:]))
    here, links = os.sep, 0
    while todo and links < _MOST_LINKS:
        part = todo.pop()
        if part == "..":
            here = os.path.dirname(here)  # noqa: PTH120 - a text
            continue
        place = os.path.join(here, part)  # noqa: PTH118 - a text
        try:
            target = os.readlink(place)  # noqa: PTH115 - a text
        except (OSError, ValueError):
            here = place
            continue
        yield place
        links += 1
        parts = Path(target).parts
        here = os.sep if parts[:1] == (os.sep,) else here
        todo += [part for part in reversed(parts) if part != os.sep]
    yield here


def of_manifest(
    checked: Node, around: Surroundings, remotes: Iterable[Remote], targets: Iterable[Target]
) -> Iterator[OrderFile]:
    """Yield what a manifest, its remotes and its notices take orders from."""
    yield OrderFile(around.file.absolute(), "the manifest")
    local = local_of(around.file.absolute())
    yield OrderFile(local, "this machine's part of the manifest")
    for name, folder in around.folders.items():
        yield OrderFile(folder / Path(name or around.file).name, INCLUDED)
    for folder, said in around.includes:
        for path, pattern in _named_by(folder, str(said.value)):
            yield OrderFile(path, INCLUDED, around.origin(said.spot), pattern)
    filters = group(checked, "filters")
    for name in filters.entries:
        for said in words(group(filters, name), "ignore_files"):
            origin = around.origin(said.spot)
            yield OrderFile(
                absolute(said, around), "an ignore file that the manifest names", origin
            )
    for remote in remotes:
        if isinstance(remote, BackendRemote):
            yield from _of_options(remote, around)
    for target in targets:
        for value in _values(target):
            yield from _of_secret(value, around)


def _named_by(folder: Path, said: str) -> Iterator[tuple[Path, str]]:
    """Yield what an `include` names: a file, or a pattern in each folder that there is for it."""
    at, _, name = said.rpartition("/")
    if not _GLOB.search(said):
        yield Path(os.path.normpath(folder / said)), ""
        return
    folders = [*folder.glob(at)] if _GLOB.search(at) else [folder / at]
    for each in folders:
        yield Path(os.path.normpath(each)), name


def of_machine(around: Surroundings) -> Iterator[OrderFile]:
    """Yield what every run on this machine takes orders from, or writes itself."""
    env, package = around.env, Path(bm_sync.__file__).parent
    yield OrderFile(around.state_dir, "what bm-sync remembers")
    yield OrderFile(paths.cache_dir(env), "what bm-sync remembers of manifests")
    yield OrderFile(package, "bm-sync itself")
    if sys.prefix != sys.base_prefix:
        yield OrderFile(Path(sys.prefix), "where bm-sync is installed")
    for file in paths.rclone_configs(env):
        yield OrderFile(file, "your rclone.conf")
    for file in paths.basic_memory_files(env):
        yield OrderFile(file, "what Basic Memory's client and bm-sync sign in with")
    for path, what in around.machine.files:
        yield OrderFile(Path(os.path.abspath(path)), what)  # noqa: PTH100 - links stay
    if env.get("RCLONE_PASSWORD_COMMAND"):
        yield from _programs(env["RCLONE_PASSWORD_COMMAND"], "a program for rclone.conf", around)


def of_hooks(hooks: Iterable[Hook], around: Surroundings) -> Iterator[OrderFile]:
    """Yield the programs that hooks of the whole run name."""
    return _of_hooks(hooks, {}, around)


def _hooked(placed: Iterable[Placed], around: Surroundings) -> Iterator[OrderFile]:
    """Yield the programs that hooks of projects name; `${local}` is each project's own."""
    for each in placed:
        if each.project.hooks:
            local = str(each.project.local or "")
            facts = {"local": local, "BM_SYNC_LOCAL": local, "project": each.project.name}
            yield from _of_hooks(each.project.hooks, facts, around)


def _of_hooks(
    hooks: Iterable[Hook], facts: Mapping[str, str], around: Surroundings
) -> Iterator[OrderFile]:
    for hook in hooks:
        here = str(around.file.absolute())
        known = {**facts, "manifest": here, "BM_SYNC_MANIFEST": here, **dict(hook.variables)}
        desk = Desk(around.home, (hook.folder,), _path(around), known)
        for file in files_run(hook.said, desk):
            yield OrderFile(file, "a program that a hook runs", hook.origin)


def _of_options(remote: BackendRemote, around: Surroundings) -> Iterator[OrderFile]:
    """Yield the files that options of a remote name, and the programs that they run."""
    for name, value in remote.options:
        if isinstance(value, SecretRef):
            yield from _of_secret(value, around)
            continue
        option = around.backends.option(remote.type, name)
        marks = option.marks if option is not None else frozenset()
        if Mark.PROGRAM in marks:
            what = f"a program that remote {remote.name} runs"
            yield from _programs(value, what, around, remote.origin)
        if Mark.FILE in marks:
            file = Path(os.path.normpath(value.replace("~", str(around.home), 1)))
            if file.is_absolute() and not file.is_dir():
                yield OrderFile(file, f"a file that remote {remote.name} names", remote.origin)


def _values(target: Target) -> Iterator[object]:
    yield from (getattr(target, name, None) for name in ("url", "token"))
    yield from (value for _, value in getattr(target, "headers", ()))


def _of_secret(value: object, around: Surroundings) -> Iterator[OrderFile]:
    match value:
        case SecretRef(kind="file", value=file, origin=origin):
            yield OrderFile(Path(file), "a secret of the manifest", origin)
        case SecretRef(kind="command", value=command, origin=origin):
            yield from _programs(command, "a program that tells a secret", around, origin)
        case _:
            return


def _programs(
    command: str, what: str, around: Surroundings, origin: Origin = BUILT_IN
) -> Iterator[OrderFile]:
    """Yield what a command without a shell runs, here or in the folder of the manifest."""
    folders = tuple(dict.fromkeys((around.folder, Path.cwd())))
    try:
        said = shlex.join(shlex.split(command))
    except ValueError:
        return
    desk = Desk(around.home, folders, _path(around))
    for file in files_run(said, desk):
        yield OrderFile(file, what, origin)


def _path(around: Surroundings) -> tuple[Path, ...]:
    said = around.env.get("PATH", os.defpath).split(os.pathsep)
    return tuple(around.folder / each for each in said if each)
