"""Turns checked words into values: sizes, durations, guard limits, places in the text. Pure."""

from __future__ import annotations

import os
from collections.abc import Callable
from collections.abc import Mapping as AbstractMapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

from bm_sync.manifest.diagnostic import Report
from bm_sync.manifest.nodes import Broken, Mapping, Node, Scalar, Sequence, Spot
from bm_sync.manifest.shown import escaped
from bm_sync.model.config import Limit, Origin
from bm_sync.model.setup import Machine

if TYPE_CHECKING:
    from bm_sync.backends import Backends
    from bm_sync.model.uses import Use

_UNITS = {"B": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


class Surroundings(Struct, frozen=True):
    """What a manifest is resolved against.

    `folder` is the manifest's own, absolute; `file` is as the user named it; `variables` are the
    names in `vars`. `folders` are those of all files when there are several, the weakest first, by
    the name in their spots. `includes` are what these include, each with the folder of its file.
    """

    file: Path
    folder: Path
    home: Path
    state_dir: Path
    env: AbstractMapping[str, str]
    report: Report
    variables: frozenset[str] = frozenset()
    folders: AbstractMapping[str, Path] = field(default_factory=dict)
    includes: tuple[tuple[Path, Scalar], ...] = ()
    machine: Machine = Machine()
    ask: Callable[[], bytes | None] = lambda: None
    uses: list[tuple[Use, Spot]] = field(default_factory=list)
    """What the manifest takes from this machine, as far as it is built."""
    _backends: list[Backends] = field(default_factory=list)

    @property
    def backends(self) -> Backends:
        """Return rclone's backends; `ask` is for what the table does not have."""
        if not self._backends:
            from bm_sync.backends import Backends  # folders and the cloud need none

            self._backends.append(Backends(self.ask))
        return self._backends[0]

    def origin(self, spot: Spot) -> Origin:
        """Return a place in the manifest as the engine remembers it."""
        return Origin(spot.file or str(self.file), spot.line, spot.column)

    def folder_of(self, spot: Spot) -> Path:
        """Return where relative paths begin that are said at `spot`."""
        return self.folders.get(spot.file, self.folder)

    def is_own(self, path: Path) -> bool:
        """Whether a file lies in the manifest's folder, wherever links lead."""
        real = Path(os.path.realpath(path))
        return Path(os.path.realpath(self.folder)) in real.parents

    def told(self, place: Spot, here: Spot) -> str:
        """Return a place as a message about `here` names it: `line 5`, or `team.yaml:5`."""
        if place.file == here.file:
            return f"line {place.line}"
        return escaped(str(self.origin(place)))


def size(text: str) -> int:
    """Return bytes: `10M` is 10 * 1024 * 1024."""
    return int(float(text[:-1]) * _UNITS[text[-1]])


def duration_s(text: str) -> float:
    """Return seconds: `15m` is 900."""
    return float(text[:-1]) * _SECONDS[text[-1]]


def limit(node: Mapping | Scalar, origin: Origin) -> Limit:
    """Return a guard limit: a count, a percentage, or both with a floor."""
    if isinstance(node, Mapping):
        count, percent = number(node, "count"), number(node, "percent")
        return Limit(
            None if count is None else int(count),
            percent,
            int(number(node, "at_least") or 0),
            origin,
        )
    if isinstance(node.value, str):
        return Limit(percent=float(node.value.removesuffix("%")), origin=origin)
    assert isinstance(node.value, (int, float))  # noqa: S101 - the schema has no other form
    return Limit(count=int(node.value), origin=origin)


def text(node: Mapping, key: str) -> str | None:
    """Return a text, None when it is missing, null or broken."""
    found = node.get(key)
    return found.value if isinstance(found, Scalar) and isinstance(found.value, str) else None


def number(node: Mapping, key: str) -> float | None:
    """Return a number, None when it is missing, null or broken."""
    found = node.get(key)
    if isinstance(found, Scalar) and isinstance(found.value, (int, float)):
        return found.value
    return None


def group(node: Mapping, key: str) -> Mapping:
    """Return a mapping, an empty one when it is missing or broken."""
    found = node.get(key)
    return found if isinstance(found, Mapping) else Mapping()


def words(node: Mapping, key: str) -> tuple[Scalar, ...]:
    """Return the texts of a list, without broken ones."""
    found = node.get(key)
    items = found.items if isinstance(found, Sequence) else ()
    return tuple(item for item in items if isinstance(item, Scalar))


def is_broken(node: Node | None) -> bool:
    """Whether a value was refused, so that nothing may be concluded from it."""
    return isinstance(node, Broken)
