"""Turns what Basic Memory has declared into the parts of a manifest.

Pure, but that it looks whether the folders exist.
"""

from __future__ import annotations

import os
import re
import shlex
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from bm_sync.manifest.adopt.memory import NOT_UNDERSTOOD, MemoryConfig, MemoryProject
from bm_sync.manifest.adopt.yaml_text import scalar, short_path
from bm_sync.manifest.places import wrong_remote_path
from bm_sync.manifest.shown import quoted
from bm_sync.model.config import PROJECT_NAME, Placement
from bm_sync.model.permalink import permalink

CLOUD = "cloud"
_NAME = re.compile(PROJECT_NAME)
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_USUAL = ".basic-memory"  # releases up to 0.20 kept it there, wherever config.json was
_LONGEST = 56  # leaves room for a number behind it


class Drafted(Struct, frozen=True):
    """A project of the new manifest: its name there, its keys in order, and what to say of it."""

    source: str
    name: str
    placement: Placement
    keys: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]


class LeftOut(Struct, frozen=True):
    """A project that is not declared, and why."""

    source: str
    why: str


class ManifestDraft(Struct, frozen=True):
    """The projects of the new manifest, and its remotes: workspaces by the remote's name."""

    projects: tuple[Drafted, ...]
    left_out: tuple[LeftOut, ...]
    workspaces: Mapping[str, str | None]


def draft(config: MemoryConfig, home: Path) -> ManifestDraft:
    """Return the parts of the new manifest."""
    workspaces = _workspaces(config)
    names: set[str] = set()
    projects, left = [], []
    for project in config.projects:
        made = _Maker(project, home, config, workspaces).made(names)
        if isinstance(made, LeftOut):
            left.append(made)
        else:
            names.add(made.name.casefold())
            projects.append(made)
    order = list(Placement)
    projects.sort(key=lambda p: order.index(p.placement))
    return ManifestDraft(tuple(projects), tuple(left), {n: w for w, n in workspaces.items()})


def _workspaces(config: MemoryConfig) -> dict[str | None, str]:
    """Return the name of the remote for each workspace that a project is in."""
    used = [p.workspace or config.workspace for p in config.projects if p.cloud]
    names: dict[str | None, str] = {}
    for workspace in dict.fromkeys(sorted(used, key=lambda w: w != config.workspace)):
        part = _NOT_IN_NAMES.sub("-", workspace or "default")[:8].strip("-._") or "other"
        names[workspace] = _free(f"{CLOUD}-{part}", names.values()) if names else CLOUD
    return names


def fitting_name(said: str, other: str, taken: Collection[str]) -> str:
    """Return a name that a manifest may use, near to what was said; `other` where nothing is."""
    decomposed = unicodedata.normalize("NFKD", said)
    plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    return _free(_NOT_IN_NAMES.sub("-", plain).strip("-._")[:_LONGEST] or other, taken)


def _free(name: str, taken: Collection[str]) -> str:
    """Return the name, with a number when it is taken."""
    folded = {each.casefold() for each in taken}
    tries = (name if n == 1 else f"{name}-{n}" for n in range(1, len(folded) + 2))
    return next(each for each in tries if each.casefold() not in folded)


class _Maker(Struct, frozen=True):
    """Makes one project."""

    project: MemoryProject
    home: Path
    config: MemoryConfig
    workspaces: Mapping[str | None, str]

    def made(self, taken: Collection[str]) -> Drafted | LeftOut:
        folder = self._folder()
        if folder is None and not self.project.cloud:
            return LeftOut(self.project.name, self._why_nowhere())
        path = self._cloud_path() if self.project.cloud else None
        if self.project.cloud and path is None:
            why = "its name can stand neither in a manifest nor on a remote"
            return LeftOut(self.project.name, why)
        name = self._name(taken)
        keys = (*self._local(folder), *self._remote(), *self._path(name, path))
        return Drafted(
            source=self.project.name,
            name=name,
            placement=self._placement(folder),
            keys=keys,
            remarks=tuple(self._remarks(folder, name)),
        )

    def _placement(self, folder: str | None) -> Placement:
        if not self.project.cloud:
            return Placement.LOCAL_ONLY
        return Placement.CLOUD_ONLY if folder is None else Placement.SYNCED

    def _folder(self) -> str | None:
        """Return the absolute folder, None when there is none or nobody can tell which it is."""
        said = self.project.folder
        if said is None:
            return None
        if said == "~" or said.startswith("~/"):
            said = f"{self.home}{said[1:]}"
        return os.path.normpath(said) if Path(said).is_absolute() else None

    def _why_nowhere(self) -> str:
        if NOT_UNDERSTOOD in self.project.remarks:
            return f"{NOT_UNDERSTOOD}: it is neither a folder nor an object"
        if self.project.folder is None:
            return "it has no folder (path is empty) and is not on the cloud"
        folder = quoted(self.project.folder)
        return f"its folder {folder} is not absolute, so it cannot be told which one is meant"

    def _name(self, taken: Collection[str]) -> str:
        if _NAME.fullmatch(self.project.name) and self.project.name.casefold() not in taken:
            return self.project.name
        theirs = {p.name.casefold() for p in self.config.projects if _NAME.fullmatch(p.name)}
        return fitting_name(self.project.name, "project", theirs.union(taken))

    def _cloud_path(self) -> str | None:
        """Return how the project is named on the cloud, None when it cannot be said."""
        forms = (self.project.name, permalink(self.project.name))
        good = (f for f in forms if f and "/" not in f and wrong_remote_path(f) is None)
        return next(good, None)

    def _local(self, folder: str | None) -> Iterator[tuple[str, str]]:
        if folder is not None:
            yield "local", scalar(short_path(folder, self.home))

    def _remote(self) -> Iterator[tuple[str, str]]:
        remote = self.workspaces.get(self.project.workspace or self.config.workspace, CLOUD)
        if self.project.cloud and remote != CLOUD:
            yield "remote", remote
        if not self.project.cloud:
            yield "remote", "null"

    def _path(self, name: str, path: str | None) -> Iterator[tuple[str, str]]:
        if path is not None and path != name:
            yield "path", scalar(path)

    def _remarks(self, folder: str | None, name: str) -> Iterator[str]:
        if name != self.project.name:
            yield f"Basic Memory's name is {quoted(self.project.name)}."
        if folder is not None and not os.path.isdir(folder):  # noqa: PTH112 - the same
            then = " yet: apply makes it and brings the files." if self.project.cloud else "."
            yield f"The folder does not exist{then}"
        if folder is None and self.project.folder is not None:
            yield f"Basic Memory names {quoted(self.project.folder)}, which is no folder here."
        if self.project.last_sync is not None:
            yield f"Basic Memory synced it last at {self.project.last_sync} (local time)."
        yield from self._about_bisync(name)
        for remark in self.project.remarks:
            yield f"{remark}."

    def _about_bisync(self, name: str) -> Iterator[str]:
        """Say how the memory of an earlier bisync is taken over, where there may be one."""
        below = ("bisync-state", self.project.name)
        places = (self.config.folder.joinpath(*below), self.home.joinpath(_USUAL, *below))
        there = (p for p in places if os.path.isdir(p))  # noqa: PTH112 - no error for odd names
        found = next((p for p in there if any(p.glob("*.path1.lst"))), None)
        if found is not None and self.project.cloud:
            words = f"{shlex.quote(name)} --workdir {shlex.quote(str(found))}"
            yield f"What its last bisync knew: bm-sync import bisync-state {words}"
