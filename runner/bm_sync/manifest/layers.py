"""Reads all files of a manifest, the weakest first: included ones, itself, that of this machine.

Every file counts once, where it is met first. A file that is included stands below the one that
includes it; `sync.local.yaml` stands on top. `vars` alone have another order, as an included file
may be meant to set what the file that includes it declares: file, includes, that of this machine.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping as AbstractMapping
from pathlib import Path

from msgspec import Struct, field

from bm_sync.manifest.codes import Code
from bm_sync.manifest.compose import compose
from bm_sync.manifest.diagnostic import ManifestError, Report
from bm_sync.manifest.including import (
    MAX_FILES,
    Finder,
    Place,
    bound_of,
    includes,
    read_bytes,
)
from bm_sync.manifest.merge import merged
from bm_sync.manifest.nodes import Mapping, Node, Spot
from bm_sync.manifest.shown import escaped
from bm_sync.manifest.source import decode, local_of
from bm_sync.structs import replace

MAX_DEPTH = 20
MAX_BYTES = 16 * 1024 * 1024

_LAST = MAX_FILES + 2  # above every `met` of an included file


class Layer(Struct, frozen=True):
    """One file of a manifest; `name` is how spots name it, "" for the manifest itself.

    `met` says how strong its `vars` are: more, the later it was met, that of this machine most.
    """

    name: str
    path: Path
    text: str
    tree: Mapping
    met: int = 0


def read_layers(
    file: Path, own: Layer, report: Report, env: AbstractMapping[str, str], *, local: bool
) -> tuple[Layer, ...] | None:
    """Return the files that the manifest `file`, as the user named it, consists of, weakest first.

    `own` is what it holds itself. With `local`, that of this machine too. None when one of them
    cannot be used (reported): the others alone would mean something else.
    """
    path = own.path
    top = Place(path.name, str(file), path, Path(os.path.realpath(path)))
    reading = _Reading(Finder(bound_of(path.parent), report), report, env)
    reading.take(own, top)
    if local:
        reading.take_local(top)
    return None if reading.broken else tuple(reading.layers)


def together(layers: tuple[Layer, ...], report: Report, on_top: Mapping | None = None) -> Mapping:
    """Return one manifest of files, the weakest first, and of what is said `on_top` of them."""
    over = [] if on_top is None else [on_top]
    whole = merged([*(layer.tree for layer in layers), *over], report)
    by_vars = sorted(layers, key=lambda layer: layer.met)
    said = [tree.entries.get("vars") for tree in [*(layer.tree for layer in by_vars), *over]]
    alone = [replace(whole, entries={"vars": entry}) for entry in said if entry is not None]
    return replace(whole, entries={**whole.entries, **merged(alone, report).entries})


def digest_of(layers: tuple[Layer, ...], set_: AbstractMapping[str, str]) -> str:
    """Return the SHA-256 of every text, and of the variables that are set from outside."""
    folder = next(layer.path.parent for layer in layers if not layer.name)
    texts = [
        (os.path.relpath(layer.path, folder), hashlib.sha256(layer.text.encode()).hexdigest())
        for layer in layers
    ]
    said = json.dumps([texts, sorted(set_.items())])
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


class _Reading(Struct):
    finder: Finder
    report: Report
    env: AbstractMapping[str, str]
    layers: list[Layer] = field(default_factory=list)
    broken: bool = False
    _trail: list[Place] = field(default_factory=list)
    _seen: set[Path] = field(default_factory=set)
    _bytes: int = 0

    def take(self, layer: Layer, place: Place) -> None:
        """Take the files that a file includes, then itself."""
        self._trail.append(place)
        self._seen.add(place.real)
        for said in includes(layer.tree):
            before = self.report.errors
            found = self.finder.named(said, place)
            self.broken = self.broken or self.report.errors > before
            for inner in found:
                self._include(inner, said.spot)
        self._trail.pop()
        self.layers.append(layer)

    def take_local(self, top: Place) -> None:
        """Take the file of this machine, if there is one."""
        path = local_of(top.path)
        shown = str(local_of(Path(top.shown)))
        place = Place(path.name, shown, path, Path(os.path.realpath(path)))
        before = self.report.errors
        found = self.finder.local(place)
        self.broken = self.broken or self.report.errors > before
        if found:
            self._read(place, Spot(1, 1, 1, 1, place.shown), is_local=True)

    def _include(self, place: Place, at: Spot) -> None:
        reals = [p.real for p in self._trail]
        if place.real in reals:
            ring = [p.shown for p in self._trail[reals.index(place.real) :]]
            what = f"files include each other in a circle: {escaped(' -> '.join([*ring, ring[0]]))}"
            self._refuse(Code.INCLUDE_CYCLE, at, what)
        elif len(self._trail) >= MAX_DEPTH:
            what = f"files include each other more than {MAX_DEPTH} deep"
            self._refuse(Code.TOO_MUCH, at, what)
        elif place.real not in self._seen:
            if len(self._seen) > MAX_FILES:
                self._refuse(Code.TOO_MUCH, at, f"more than {MAX_FILES} files are included")
                return
            self._read(place, at)

    def _read(self, place: Place, at: Spot, *, is_local: bool = False) -> None:
        data = read_bytes(place, at, self.report, self.env)
        if data is None:
            self.broken = True
            return
        self._bytes += len(data)
        if self._bytes > MAX_BYTES:
            self._refuse(Code.TOO_MUCH, at, "the included files are larger than 16 MiB together")
            return
        tree = self._composed(place, data)
        if tree is not None:
            self.take(replace(tree, met=_LAST) if is_local else tree, place)

    def _composed(self, place: Place, data: bytes) -> Layer | None:
        self._seen.add(place.real)
        try:
            text = decode(data, Path(place.shown), may_be_empty=True)
        except ManifestError as e:
            for slip in e.diagnostics:
                self.report.elsewhere(slip)
            self.broken = True
            return None
        self.report.add_source(place.shown, text)
        node = compose(text, self.report, place.shown)
        tree = self._mapping(node) if node is not None else None
        if tree is None:
            self.broken = True
            return None
        return Layer(place.shown, place.path, text, tree, met=len(self._seen))

    def _mapping(self, node: Node) -> Mapping | None:
        if isinstance(node, Mapping):
            return node
        what = "a manifest is a mapping of keys to values"
        self._refuse(Code.EMPTY, node.spot, what, "such as projects: {}")
        return None

    def _refuse(self, code: Code, at: Spot, what: str, hint: str | None = None) -> None:
        self.report.error(code, at, what, hint)
        self.broken = True
