"""Builds projects: which of the three states each is in, where its two sides lie."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping as AbstractMapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from bm_sync.manifest.cloud import wrong_cloud_path
from bm_sync.manifest.codes import Code
from bm_sync.manifest.filtersets import Filters
from bm_sync.manifest.near_side import Near, check, other_remote
from bm_sync.manifest.nodes import Entry, Mapping, Node, Scalar, Spot
from bm_sync.manifest.places import local_folder, remote_path
from bm_sync.manifest.policies import Policies, known_names
from bm_sync.manifest.schedules import Schedules
from bm_sync.manifest.shown import did_you_mean, quoted
from bm_sync.manifest.values import Surroundings, group, is_broken, words
from bm_sync.model.config import Project, Remote
from bm_sync.structs import replace

if TYPE_CHECKING:
    from bm_sync.manifest.hooks import Hooks
    from bm_sync.model.conditions import Conditions


class Placed(Struct, frozen=True):
    """A project with the places in the text that said where its sides lie.

    `local_at` is where `from` stands when there is one. `remote` of the project is None, and
    `remote_at` too, when its remote was refused. `elsewhere` says why it is not for this machine,
    `was_at` is where `was` stands.
    """

    project: Project
    local_at: Spot | None
    remote_at: Spot | None
    elsewhere: str | None = None
    was_at: Spot | None = None


class Rooms(Struct, frozen=True):
    """What projects are built from."""

    around: Surroundings
    declared_remotes: Mapping
    remotes: AbstractMapping[str, Remote]
    policies: Policies
    filters: Filters
    schedules: Schedules
    hooks: Hooks | None
    defaults: Mapping


def build_projects(declared: Mapping, rooms: Rooms) -> tuple[Placed, ...]:
    """Return the projects in the order written, without those that have no side left."""
    _check_defaults(rooms)
    _check_names(declared, rooms.around)
    built = [
        _project(name, entry, entry.value, rooms)
        for name, entry in declared.entries.items()
        if isinstance(entry.value, Mapping)
    ]
    return tuple(built)


def _check_defaults(rooms: Rooms) -> None:
    """Tell slips in defaults once, whether or not a project uses them."""
    _remote(rooms.defaults.get("remote"), rooms)
    rooms.policies.used(None, rooms.defaults.get("policy"))
    rooms.filters.used(rooms.defaults.get("filters"))


def _check_names(declared: Mapping, around: Surroundings) -> None:
    """Names that differ in case or normal form only would be one folder on many remotes."""
    seen: dict[str, Scalar] = {}
    for name, entry in declared.entries.items():
        first = seen.setdefault(unicodedata.normalize("NFC", name).casefold(), entry.key)
        if first is not entry.key:
            place = around.told(first.spot, entry.key.spot)
            what = (
                f"the project {quoted(name)} differs from {quoted(first.raw)} in {place} "
                f"in {'case' if name.isascii() else 'case or normal form'} only"
            )
            around.report.error(Code.SAME_NAME, entry.key.spot, what, "give it another name")


def _project(name: str, entry: Entry, node: Mapping, rooms: Rooms) -> Placed:
    around, defaults = rooms.around, rooms.defaults
    said_remote = node.get("remote") if "remote" in node.entries else defaults.get("remote")
    remote = _remote(said_remote, rooms)
    near, path = _near(node, rooms), _path(name, node, around)
    _check_sides(name, entry, said_remote, rooms)
    said_filters = node.get("filters")
    if said_filters is None:
        said_filters = defaults.get("filters")
    tags = tuple(dict.fromkeys(str(tag.value) for tag in words(node, "tags")))
    alone = isinstance(said_remote, Scalar) and said_remote.value is None
    synced = ("local" in node.entries or "from" in node.entries) and not alone
    project = Project(
        name=name,
        local=near.local,
        remote=remote if path is not None else None,
        path=path or "",
        policy=rooms.policies.used(node.get("policy"), defaults.get("policy")),
        filters=rooms.filters.used(said_filters),
        tags=tags,
        origin=around.origin(entry.key.spot),
        schedule=rooms.schedules.used(str(name), node.entries.get("schedule"), tags, synced=synced),
        hooks=rooms.hooks.used(node.entries.get("hooks"), remote=not alone) if rooms.hooks else (),
        conditions=_conditions(node, rooms),
        source=near.source,
        veil=around.report.veils,
    )
    at = _spot(node, "path") or entry.key.spot
    wrong = wrong_cloud_path(project)
    if wrong is not None:
        what = f"{quoted(project.path)} cannot be a project's path: {wrong}"
        hint = "write path: NAME without slashes, or leave it out"
        around.report.error(Code.REMOTE_PATH, at, what, hint)
    near_at = _spot(node, "from") or _spot(node, "local")
    check(project, near_at or entry.key.spot, around)
    if "was" in node.entries:
        from bm_sync.manifest.was import former

        was = former(project, node, lambda name, at: _named(name, at, rooms), around)
        project = replace(project, was=was)
    was_at = node.entries["was"].key.spot if "was" in node.entries else None
    return Placed(project, near_at, at, _why_not_here(node, around), was_at)


def _why_not_here(node: Mapping, around: Surroundings) -> str | None:
    if "hosts" not in node.entries and "when" not in node.entries:
        return None
    from bm_sync.manifest.belonging import why_not_here

    return why_not_here(node, around)


def _conditions(node: Mapping, rooms: Rooms) -> Conditions | None:
    """Return what the project says, null included, else what the defaults say."""
    said = (node if "conditions" in node.entries else rooms.defaults).get("conditions")
    if said is None:
        return None
    from bm_sync.manifest.conditions import conditions

    return conditions(said, rooms.around)


def _remote(said: Node | None, rooms: Rooms) -> Remote | None:
    if not isinstance(said, Scalar) or said.value is None:
        return None
    return _named(str(said.value), said.spot, rooms)


def _named(name: str, at: Spot, rooms: Rooms) -> Remote | None:
    if name not in rooms.declared_remotes.entries:
        what = f"there is no remote {quoted(name)}"
        if name.casefold() in {"no", "none", "off", "false"}:
            hint = "write null for no remote"
        else:
            hint = did_you_mean(name, rooms.declared_remotes.entries) or known_names(
                rooms.declared_remotes, "remotes"
            )
        rooms.around.report.error(Code.UNKNOWN_NAME, at, what, hint)
    return rooms.remotes.get(name)


def _near(node: Mapping, rooms: Rooms) -> Near:
    if "from" not in node.entries:
        return Near(_local(node, rooms.around))
    return other_remote(node, lambda name, at: _named(name, at, rooms), rooms.around)


def _local(node: Mapping, around: Surroundings) -> Path | None:
    said = node.get("local")
    if not isinstance(said, Scalar):
        return None
    path = local_folder(said, around, "local")
    if path is not None and os.path.realpath(path) == os.path.realpath(around.home):
        what = "the whole home folder is kept in sync, with programs' own files and secrets"
        around.report.warning(Code.HOME, said.spot, what, "name a folder below it")
    return path


def _path(name: str, node: Mapping, around: Surroundings) -> str | None:
    said = node.get("path")
    if said is None:
        return name
    return remote_path(said, around, "a project's path") if isinstance(said, Scalar) else None


def _check_sides(name: str, entry: Entry, said_remote: Node | None, rooms: Rooms) -> None:
    node = group(Mapping({name: entry}), name)
    if is_broken(said_remote) or is_broken(node.get("local")) or is_broken(node.get("from")):
        return
    alone = isinstance(said_remote, Scalar) and said_remote.value is None
    if said_remote is None:
        what = f"no remote is named for the project {quoted(name)}"
        hint = "name one here or in defaults.remote, or write remote: null"
    elif alone and node.get("from"):
        what = f"the project {quoted(name)} has from, and no remote to sync it with"
        hint = "name a remote"
    elif alone and not node.get("local"):
        what = f"the project {quoted(name)} has neither a local folder nor a remote"
        hint = "name a folder with local"
    else:
        return
    rooms.around.report.error(Code.NO_SIDE, entry.key.spot, what, hint)


def _spot(node: Mapping, key: str) -> Spot | None:
    said = node.get(key)
    return said.spot if isinstance(said, Scalar) else None
