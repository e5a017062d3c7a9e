"""Which files an `include` names: files and globs, relative to the file that says it.

A manifest may come from somebody else and be validated where nothing else of theirs would be read.
So an included file is YAML by its name, a regular file, and lies, links followed, in the folder of
the manifest or in the git work tree around it, never in `.git`. Other files are not opened.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from collections.abc import Mapping as AbstractMapping
from itertools import islice
from pathlib import Path

from msgspec import Struct

from bm_sync import access, files
from bm_sync.manifest.codes import Code
from bm_sync.manifest.diagnostic import Report
from bm_sync.manifest.nodes import Mapping, Scalar, Sequence, Spot
from bm_sync.manifest.shown import escaped, nearest, quoted
from bm_sync.manifest.source import MAX_BYTES

MAX_FILES = 100

_SUFFIXES = (".yaml", ".yml")
_GLOB = re.compile(r"[*?\[]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Place(Struct, frozen=True):
    """A file: how messages name it, where it lies, and where it really lies.

    `said` is how the file that includes it names it.
    """

    said: str
    shown: str
    path: Path
    real: Path


def includes(tree: Mapping) -> tuple[Scalar, ...]:
    """Return what `include` says; what is no text is told when the whole is judged."""
    said = tree.get("include")
    items = said.items if isinstance(said, Sequence) else ()
    return tuple(i for i in items if isinstance(i, Scalar) and isinstance(i.value, str))


def bound_of(folder: Path) -> Path:
    """Return what included files must lie in: the git work tree around a folder, else itself."""
    real = Path(os.path.realpath(folder))
    return next((place for place in (real, *real.parents) if os.path.lexists(place / ".git")), real)


class Finder(Struct, frozen=True):
    """Finds the files that are included, and refuses what may not be."""

    bound: Path
    report: Report

    def named(self, said: Scalar, teller: Place) -> tuple[Place, ...]:
        """Return the files that `said` names in the file `teller`, sorted; reports slips."""
        text = str(said.value)
        wrong = _wrong_words(text)
        if wrong is not None:
            self.report.error(Code.INCLUDE, said.spot, *wrong)
            return ()
        if not _GLOB.search(text):
            place = _place(text, teller)
            return (place,) if self._may_read(place, said) else ()
        return tuple(self._matches(text, said, teller))

    def _matches(self, text: str, said: Scalar, teller: Place) -> Iterator[Place]:
        from glob import iglob

        fixed = os.path.dirname(text[: _GLOB.search(text).start()])  # type: ignore[union-attr]  # noqa: PTH120 - a text
        if not self._is_inside(Path(os.path.realpath(teller.path.parent / fixed))):
            self._refuse_outside(quoted(text), said.spot)
            return
        matches = iglob(text, root_dir=teller.path.parent)  # noqa: PTH207 - that of Path finds hidden files
        found = list(islice(matches, MAX_FILES + 1))
        if len(found) > MAX_FILES:
            what = f"{quoted(text)} names more than {MAX_FILES} files"
            self.report.error(Code.TOO_MUCH, said.spot, what)
            return
        for name in sorted(found):
            place = _place(name, teller)
            own = place.real == teller.real or place.path.stem.endswith(".local")
            if not own and self._may_read(place, said):
                yield place

    def _may_read(self, place: Place, said: Scalar) -> bool:
        if not self._is_inside(place.real):
            self._refuse_outside(quoted(place.said), said.spot)
        elif not os.path.lexists(place.path):
            names = {p.stem: p.name for p in islice(place.path.parent.glob("*.y*ml"), MAX_FILES)}
            near = nearest(place.path.stem, sorted(names))
            hint = "write it relative to this file"
            if near:
                hint = f"did you mean {quoted(names[near])}?"
            what = f"there is no file {quoted(place.said)}"
            self.report.error(Code.INCLUDE, said.spot, what, hint)
        else:
            return True
        return False

    def _is_inside(self, real: Path) -> bool:
        return real.is_relative_to(self.bound) and ".git" not in real.relative_to(self.bound).parts

    def _refuse_outside(self, named: str, spot: Spot) -> None:
        what = f"{named} lies outside {escaped(str(self.bound))}, so it is not read"
        hint = "included files lie in the manifest's folder, or in its git work tree"
        self.report.error(Code.INCLUDE, spot, what, hint)

    def local(self, place: Place) -> bool:
        """Whether there is a file for this machine that may be read."""
        if access.standing(place.path, links=False) is None:
            return False
        inside = self._is_inside(place.real)
        if not inside:
            self._refuse_outside(quoted(place.said), Spot(1, 1, 1, 1, place.shown))
        return inside


def read_bytes(
    place: Place, at: Spot, report: Report, env: AbstractMapping[str, str]
) -> bytes | None:
    """Return what a file holds; None when it must not or cannot be read (reported at `at`)."""
    try:
        return files.read(place.path, MAX_BYTES, env)
    except files.OthersFileError as e:
        what = f"{quoted(place.said)} is not read: {escaped(e.reason)}"
        report.error(Code.WRITABLE, at, what, escaped(e.ways()))
        return None
    except files.RefusedFileError as e:
        wrong = e.reason
    except (OSError, ValueError) as e:
        wrong = (e.strerror or str(e)) if isinstance(e, OSError) else str(e)
    what = f"{quoted(place.said)} cannot be read: {escaped(wrong)}"
    report.error(Code.INCLUDE, at, what)
    return None


def _place(text: str, teller: Place) -> Place:
    shown = os.path.normpath(os.path.join(os.path.dirname(teller.shown), text))  # noqa: PTH118, PTH120 - texts
    path = Path(os.path.normpath(teller.path.parent / text))
    return Place(text, shown, path, Path(os.path.realpath(path)))


def _wrong_words(text: str) -> tuple[str, str | None] | None:
    parts = text.split("/")
    hint = "write it relative to this file, such as team/base.yaml"
    glob_at = next((i for i, part in enumerate(parts) if _GLOB.search(part)), len(parts))
    checks = (
        (_CONTROL.search(text), f"{quoted(text)} has a control character", None),
        (
            "$" in text,
            f"{quoted(text)} has a variable; files are included before there are any",
            "name the file, and use hosts or when for what differs",
        ),
        (text.startswith(("/", "~")), f"{quoted(text)} is not a relative path", hint),
        (
            not text.endswith(_SUFFIXES),
            f"{quoted(text)} does not end in .yaml or .yml",
            "only YAML is included",
        ),
        ("**" in parts, f"{quoted(text)} has ** in it", "name each level: */*.yaml"),
        (".." in parts[glob_at:], f"{quoted(text)} has .. behind a glob", hint),
    )
    return next(((what, hint) for found, what, hint in checks if found), None)
