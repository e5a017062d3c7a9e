"""Finds what runs take their orders from, and closes it in every project whose folder holds it.

These files decide what bm-sync does, which programs it starts, whom it trusts. A run that brought
one home would take orders from whoever may write to a remote. Nothing has to stand there yet.
"""

from __future__ import annotations

import os
import re
import shlex
import site
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import bm_sync
from bm_sync import files, paths
from bm_sync.backends import Mark
from bm_sync.manifest.codes import Code
from bm_sync.manifest.commands import Desk, Read, files_run
from bm_sync.manifest.places import absolute
from bm_sync.manifest.projects import Placed
from bm_sync.manifest.shown import escaped, quoted
from bm_sync.manifest.source import local_of
from bm_sync.manifest.values import Surroundings, group, words
from bm_sync.model.config import (
    BUILT_IN,
    BackendRemote,
    Direction,
    FilterSet,
    FolderRemote,
    Mode,
    OrderPath,
    Origin,
    Policy,
    Project,
    Remote,
    SecretRef,
)
from bm_sync.model.uses import Taken
from bm_sync.structs import replace

if TYPE_CHECKING:
    from bm_sync.manifest.nodes import Mapping as Node
    from bm_sync.manifest.nodes import Spot
    from bm_sync.model.hooks import Hook
    from bm_sync.model.notices import Target

_GLOB = re.compile(r"[*?\[]")
_MOST_LINKS = 40
INCLUDED = "included by the manifest"
_NAMED = 3
_HOOKS = "a program that a hook runs"
_SECRETS = "a program that tells a secret"
_RUN = frozenset({_HOOKS, _SECRETS})
_PROGRAMS = (
    *("bm-sync", "rclone", "systemctl", "loginctl", "launchctl", "crontab"),
    *("notify-send", "osascript"),
)
# Folders of a home in which lies what starts programs, or says which. Code.HOME is for the home.
_STARTING = (
    *(".ssh", ".local/bin", ".config/systemd/user", ".config/autostart", ".config/environment.d"),
    *(".config/fish", ".config/git", ".config/nvim", "Library/LaunchAgents"),
)
_IGNORE_FILE = "an ignore file that the manifest names"


class OrderFile(NamedTuple):
    """A file that runs take orders from, what it is to them, and where it is named.

    With a `pattern` it is every file of such a name in the folder `path`. `by` is the program that
    reads it where it runs, which may read more there; "" where the manifest names the file. See
    `Read` for `is_script`.
    """

    path: Path
    what: str
    origin: Origin = BUILT_IN
    pattern: str = ""
    by: str = ""
    is_script: bool = False


def close_orders(
    placed: tuple[Placed, ...], sources: Iterable[OrderFile], around: Surroundings
) -> tuple[Placed, ...]:
    """Return the projects with all that lies in their folders closed in their filters."""
    sources = tuple(dict.fromkeys((*sources, *_hooked(placed, around))))
    _refuse_scripts_of_others(sources, around)
    roots: dict[str, set[int]] = {}
    for number, each in enumerate(placed):
        for root in _roots(each.project):
            roots.setdefault(os.path.realpath(root), set()).add(number)
    if not roots:
        return placed
    found: dict[int, dict[str, OrderPath]] = {}
    told: dict[tuple[Origin, str], dict[int, None]] = {}
    for source in sources:
        for place, is_glob in _places(source):
            for number, path in _inside(place, roots):
                order = OrderPath(path, source.what, source.origin, is_glob)
                found.setdefault(number, {}).setdefault(path, order)
                if source.by or (source.what in _RUN and os.path.lexists(place)):
                    told.setdefault((source.origin, source.by or path), {})[number] = None
    _warn_of_reading(told, placed, around)
    return tuple(
        _closed(each, tuple(found[number].values())) if number in found else each
        for number, each in enumerate(placed)
    )


def _warn_of_reading(
    told: Mapping[tuple[Origin, str], Iterable[int]],
    placed: tuple[Placed, ...],
    around: Surroundings,
) -> None:
    """Warn of commands that may take orders from files that nothing names."""
    spots = _spots(around)
    for (origin, reader), numbers in told.items():
        names = [
            quoted(placed[number].project.name)
            for number in numbers
            if _is_brought(placed[number].project.policy)
        ]
        if not names or origin not in spots:
            continue
        whose = names[0] + (f" and {len(names) - 1} more" if names[1:] else "")
        what = f"{quoted(reader)} may take orders from any file in the folder of {whose}"
        hint = "only those that bm-sync knows stay as they are; run it elsewhere, or exclude them"
        around.report.warning(Code.EXPOSED, spots[origin], what, hint)


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
    for folder in _modules():
        yield OrderFile(folder, "where the Python of bm-sync finds modules")
    for name in _PROGRAMS:
        yield from _programs(name, "a program that bm-sync runs", around)
    yield from _of_timers(around)
    for file in paths.rclone_configs(env):
        yield OrderFile(file, "your rclone.conf")
    for file in paths.basic_memory_files(env):
        yield OrderFile(file, "what Basic Memory's client and bm-sync sign in with")
    for path, what in around.machine.files:
        yield OrderFile(Path(os.path.abspath(path)), what)  # noqa: PTH100 - links stay
    if env.get("RCLONE_PASSWORD_COMMAND"):
        yield from _programs(env["RCLONE_PASSWORD_COMMAND"], "a program for rclone.conf", around)


def _modules() -> Iterator[Path]:
    """Yield where Python looks for modules, but for the folder that it was started in."""
    if site.ENABLE_USER_SITE:
        yield Path(site.getusersitepackages())
    here = Path.cwd()
    places = (Path(place) for place in sys.path if os.path.isabs(place))  # noqa: PTH117 - a text
    yield from (place for place in places if place != here)


def _of_timers(around: Surroundings) -> Iterator[OrderFile]:
    """Yield what the services read that start timers, and what they give to all that they start."""
    said = around.env.get("XDG_CONFIG_HOME", "")
    config = Path(said) if said.startswith("/") else around.home / ".config"
    units = config / "systemd/user"
    what = "what starts bm-sync by itself"
    for folder in (units, units / "timers.target.wants", units / "default.target.wants"):
        yield OrderFile(folder, what, pattern="bm-sync-*")
    for folder in (units / "service.d", units / "timer.d", config / "environment.d"):
        yield OrderFile(folder, what)
    yield OrderFile(around.home / "Library/LaunchAgents", what, pattern="bm-sync-*")


def warn_of_exposed(placed: Iterable[Placed], around: Surroundings) -> None:
    """Warn of projects through which whoever writes to the remote may start programs here."""
    for each in placed:
        local, policy = each.project.local, each.project.policy
        if local is None or each.local_at is None or not _is_brought(policy):
            continue
        root = Path(os.path.realpath(local))
        home = Path(os.path.realpath(around.home))
        if home.is_relative_to(root):
            continue  # Code.HOME tells of it
        left = [name for name in _STARTING if _may_come(home / name, root, each.project.filters)]
        if left:
            more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
            what = (
                f"in the folder of {quoted(each.project.name)} lies what starts programs of yours"
            )
            around.report.warning(
                Code.EXPOSED,
                each.local_at,
                f"{what} (~/{', ~/'.join(left[:_NAMED])}{more})",
                "who writes to its remote could start a program here; leave these out: exclude",
            )


def _may_come(file: Path, root: Path, filters: FilterSet) -> bool:
    """Whether a run on a root may bring a file or folder, or something in it."""
    if root.is_relative_to(file):
        return True
    if not file.is_relative_to(root):
        return False
    from bm_sync.filters.matcher import Matcher

    path = file.relative_to(root).as_posix()
    return not Matcher(filters).excluded(path, is_dir=True)


def _is_brought(policy: Policy) -> bool:
    """Whether runs write to the local side."""
    return not (
        policy.mode is Mode.PUSH
        or (policy.mode is Mode.MIRROR and policy.direction is Direction.UP)
    )


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
        for read in files_run(hook.said, desk):
            yield _order(read, _HOOKS, hook.origin)


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
            yield from _programs(command, _SECRETS, around, origin)
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
    for read in files_run(said, desk):
        yield _order(read, what, origin)


def _order(read: Read, what: str, origin: Origin) -> OrderFile:
    return OrderFile(read.path, what, origin, read.pattern, read.by, read.is_script)


def _refuse_scripts_of_others(sources: Iterable[OrderFile], around: Surroundings) -> None:
    """Report scripts that commands run and that others have in their hands."""
    spots = _spots(around)
    for source in sources:
        if not source.is_script or source.origin not in spots:
            continue
        try:
            files.check(source.path, around.env)
        except files.OthersFileError as e:
            what = f"{quoted(source.path)} is not run: {escaped(e.reason)}"
            around.report.error(Code.WRITABLE, spots[source.origin], what, escaped(e.ways()))
        except (files.RefusedFileError, OSError):  # whoever starts it says so
            continue


def _spots(around: Surroundings) -> dict[Origin, Spot]:
    """Return where the commands of a manifest stand."""
    return {use.origin: spot for use, spot in around.uses if use.taken is Taken.PROGRAM}


def _path(around: Surroundings) -> tuple[Path, ...]:
    said = around.env.get("PATH", os.defpath).split(os.pathsep)
    return tuple(around.folder / each for each in said if each)
