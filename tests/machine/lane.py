"""A project of the machine: its two sides, its history, and what the test remembers of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from machine import law
from machine.histories import (
    EMPTY,
    FOLDERS,
    FRESH_LONG,
    LONG,
    ONE,
    REMOTE,
    SIDES,
    TWO,
    Block,
    Delete,
    Edit,
    Exclude,
    History,
    MakeFolder,
    OnCopy,
    Rename,
    Touch,
    Write,
)
from machine.shores import Shore, View, below, ups

_SHARED = {EMPTY: b"", ONE: b"one---\n", TWO: b"two---\n", LONG: b"longer than the others\n" * 9}
_OLD, _FIXED, _NOW = 1_000_000_000.0, 1_500_000_000.0, 1_600_000_000.0


@dataclass
class Lane:
    """One project with its two sides and what the test remembers of it."""

    name: str
    history: History
    shores: dict[str, Shore]
    base: law.Memory = field(default_factory=law.Memory)
    patterns: tuple[str, ...] = ()
    news: int = 0

    def sides(self, views: Mapping[str, View]) -> dict[str, law.Side]:
        """Return both sides as the rules show them."""
        return {
            s: law.seen(views[s], self.patterns, has_folders=self.shores[s].has_folders)
            for s in SIDES
        }

    def views(self) -> dict[str, View]:
        """Look at both sides."""
        return {s: self.shores[s].view() for s in SIDES}

    def trash(self) -> dict[str, dict[str, bytes]]:
        """Return what lies in `.bm-sync` of both sides."""
        return {s: self.shores[s].trash() for s in SIDES}

    def do(self, edit: Edit) -> None:
        """Do what a person did; an edit that makes no sense here does nothing."""
        self.news += 1
        if isinstance(edit, Exclude):
            self.patterns = edit.patterns
            return
        shore = self.shores[edit.side]
        view = shore.view()
        match edit:
            case Write():
                self._write(edit, shore, view)
            case Rename(path=path, to=to) if self._may_rename(view, path, to):
                shore.rename(path, to)
            case Touch(path=path) if path in view.files:
                shore.touch(path, self.now)
            case Delete(path=path) if view.occupied(path) or below(path, view.files):
                shore.delete(path)
            case MakeFolder(path=path) if shore.has_folders and self._free(view, path, path):
                shore.make_folder(path)
            case Block(path=path) if shore.has_folders and path not in view.pipes:
                self._clear_way(shore, view, path)
                shore.block(path)
            case OnCopy():
                self._write_copy(edit, shore, view)
            case _:
                pass

    def _write(self, edit: Write, shore: Shore, view: View) -> None:
        old = view.files.get(edit.path)
        if old is None:
            self._clear_way(shore, view, edit.path)
        times = {"old": _OLD, "fixed": _FIXED, "kept": old.mtime if old else self.now}
        mtime = times.get(edit.time, self.now)
        shore.write(edit.path, self._text(edit.what), mtime, aside=edit.aside)

    def _write_copy(self, edit: OnCopy, shore: Shore, view: View) -> None:
        copies = [p for p in sorted(view.files) if ".conflict-" in p]
        for path in copies[edit.which : edit.which + 1]:
            if edit.delete:
                shore.delete(path)
            else:
                shore.write(path, self._text(FRESH_LONG), self.now, aside=False)

    @property
    def now(self) -> float:
        """Return the time of the next edit; each is ten minutes after the one before."""
        return _NOW + 600.0 * self.news

    def _text(self, what: int) -> bytes:
        if what in _SHARED:
            return _SHARED[what]
        return f"{self.name}{self.news:05}\n".encode() * (50 if what == FRESH_LONG else 1)

    def _clear_way(self, shore: Shore, view: View, path: str) -> None:
        for up in ups(path):
            if up in view.files or up in view.pipes:
                shore.delete(up)
                return
        if view.occupied(path) or below(path, view.files):
            shore.delete(path)

    def _may_rename(self, view: View, path: str, to: str) -> bool:
        """Return whether something stands at `path` and `to` is free, and storable at all.

        The servers keep objects in folders: none can stand beside a folder that is excluded.
        """
        there = view.occupied(path) or below(path, view.files)
        if not there or not self._free(view, path, to):
            return False
        is_folder = path not in view.files and path not in view.pipes
        return is_folder or to not in FOLDERS or self.shores[REMOTE].has_folders

    def _free(self, view: View, path: str, to: str) -> bool:
        taken = view.occupied(to) or below(to, view.files) or (path != to and to.startswith(path))
        return not taken and not any(up in view.files or up in view.pipes for up in ups(to))
