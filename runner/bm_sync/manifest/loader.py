"""Loads a manifest: read, put together, expand, judge, build. Each step is its own module.

A manifest of one file needs none of the modules that put several together.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from collections.abc import Mapping as AbstractMapping
from collections.abc import Sequence as AbstractSequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from bm_sync.errors import BmSyncError
from bm_sync.manifest.codes import Code
from bm_sync.manifest.diagnostic import Report, TooManyProblemsError
from bm_sync.manifest.nodes import Mapping, Node, Scalar, Sequence
from bm_sync.model.config import Manifest
from bm_sync.model.diagnostic import Diagnostic
from bm_sync.model.setup import Machine
from bm_sync.paths import home_dir
from bm_sync.structs import replace

if TYPE_CHECKING:
    from bm_sync.manifest.layers import Layer
    from bm_sync.manifest.values import Surroundings

VERSION = 1

Doubt = Callable[[AbstractSequence[Path]], None]


def no_doubt(_: AbstractSequence[Path]) -> None:
    """Take every manifest."""


Ask = Callable[[], bytes | None]
_GROUPS_WITH_LISTS = ("filters", "projects")
_MARKS = ("+", "-")
_ANNOUNCED = frozenset({"version", "vars", "notify", "metrics", "projects"})
_WITH_FLEET = _ANNOUNCED | {"fleet", "remotes"}


def nobody() -> None:
    """Ask no rclone for its options."""


class Loaded(Struct, frozen=True):
    """A valid manifest.

    `text` is what stands in the file, line ends as newlines. `tree` is the whole of all its files
    with variables put in, `around` what it was resolved against; `show --origins` looks there.
    `is_new` says that this machine remembers no such manifest, as it stands now.
    """

    manifest: Manifest
    warnings: tuple[Diagnostic, ...]
    text: str
    tree: Mapping
    around: Surroundings
    is_new: bool


class _Source(Struct, frozen=True):
    """A manifest that is being loaded, and what for."""

    file: Path
    text: str
    env: AbstractMapping[str, str]
    state_dir: Path
    machine: Machine
    has_local: bool
    ask: Ask = nobody
    doubt: Doubt = no_doubt


class _Whole(Struct, frozen=True):
    """All files as one; `layers` are the weakest first, none when there is one file alone.

    `includes` is what they include, each with the folder that it begins in.
    """

    tree: Node
    digest: str
    layers: tuple[Layer, ...] = ()
    includes: tuple[tuple[Path, Scalar], ...] = ()


def load(  # noqa: PLR0913 - what to load, for whom, and whom to ask
    file: Path,
    env: AbstractMapping[str, str],
    *,
    state_dir: Path,
    machine: Machine | None = None,
    ask: Ask = nobody,
    doubt: Doubt = no_doubt,
) -> Loaded:
    """Load a manifest; raises ManifestError with everything that is wrong with it.

    Every file is held to the rule of `files`, the manifest itself unless the machine has consent.
    `ask` prints the options of the rclone that will run; see `Backends`. `doubt` is given
    the files of a manifest that this machine does not know yet and raises when they must not be
    taken; with consent it is not asked.

    Only the manifest, the files it includes, the one of this machine beside it, the ignore files it
    names and a cache in `XDG_CACHE_HOME` are read; nothing but that cache is written.
    """
    from bm_sync.manifest.source import local_of, read

    machine = machine or _this_machine()
    text = read(file, env, consent=machine.consent)
    has_local = os.path.lexists(local_of(file))
    return _load(_Source(file, text, env, state_dir, machine, has_local, ask, doubt))


def load_edges(
    file: Path, env: AbstractMapping[str, str], *, state_dir: Path, machine: Machine
) -> Manifest | None:
    """Return whom an invalid manifest tells of its runs, without a project; None when unreadable.

    Its targets hear of it whatever tags they ask for. Nothing is taken from a file that may not
    give orders.
    """
    from bm_sync.manifest.source import local_of, read

    try:
        text = read(file, env, consent=machine.consent)
        source = _Source(file, text, env, state_dir, machine, os.path.lexists(local_of(file)))
        for keys in (_WITH_FLEET, _ANNOUNCED, _ANNOUNCED - {"metrics"}):
            report = Report(source.file, source.text)
            loaded = _manifest(source, report, keys)
            if loaded is not None and not report.failed:
                return loaded[0]
    except (BmSyncError, TooManyProblemsError):
        return None
    return None


def load_text(text: str, file: Path, env: AbstractMapping[str, str], *, state_dir: Path) -> Loaded:
    """Load the text of a manifest as if it stood in `file`; raises ManifestError as `load` does.

    It is looked at by itself: what this machine changes of it does not count.
    """
    return _load(_Source(file, text, env, state_dir, _this_machine(), has_local=False))


def _this_machine() -> Machine:
    return Machine(os.uname().nodename, sys.platform)


def _load(source: _Source) -> Loaded:
    report = Report(source.file, source.text)
    if source.machine.consent:
        from bm_sync.manifest.source import tell_others

        tell_others(source.file, source.env, report)
    loaded = None
    try:
        loaded = _manifest(source, report)
    except TooManyProblemsError:
        report.note_the_rest()
    if loaded is None or report.failed:
        raise report.fail()
    manifest, tree, around, is_new = loaded
    return Loaded(manifest, report.finish(), source.text, tree, around, is_new)


def _manifest(
    source: _Source, report: Report, only: frozenset[str] | None = None
) -> tuple[Manifest, Mapping, Surroundings, bool] | None:
    from bm_sync.manifest.build import build
    from bm_sync.manifest.expand import expand
    from bm_sync.manifest.judge import judge
    from bm_sync.manifest.remembered import remember
    from bm_sync.manifest.secrets import mask

    whole = _whole(source, report)
    if whole is None:
        return None
    if only is not None:
        whole = replace(whole, tree=_edges(whole.tree, only), layers=())
    expanded = expand(whole.tree, source.env, report)
    for written in (whole.tree, *(layer.tree for layer in whole.layers)):
        mask(written, report)
    mask(expanded, report)
    judged = judge(expanded, report, source.env)
    if judged is None:
        return None
    around = _surroundings(source, judged.manifest, whole, report)
    manifest = build(judged.manifest, around, whole.digest)
    if any("locked" in layer.tree.entries for layer in whole.layers):
        from bm_sync.manifest.locks import check_locks

        check_locks(whole.layers, judged.manifest, around)
    if judged.accepted is not None and not report.failed and only is None:
        if not source.machine.consent:
            layers = (layer.path for layer in whole.layers if layer.name)
            source.doubt((source.file, *layers))
        remember(judged.accepted, source.env, manifest)
    return manifest, judged.manifest, around, judged.accepted is not None


def _edges(tree: Node, only: frozenset[str]) -> Node:
    """Return the top of a manifest with some keys, no project, and targets for everybody."""
    if not isinstance(tree, Mapping):
        return tree
    entries = {name: entry for name, entry in tree.entries.items() if name in only}
    targets = tree.get("notify")
    if isinstance(targets, Sequence) and "notify" in entries:
        free = tuple(map(_without_tags, targets.items))
        entries["notify"] = replace(entries["notify"], value=replace(targets, items=free))
    if "projects" in tree.entries:
        entries["projects"] = replace(tree.entries["projects"], value=Mapping({}, tree.spot))
    return replace(tree, entries=entries)


def _without_tags(node: Node) -> Node:
    if not isinstance(node, Mapping):
        return node
    inside = {
        name: replace(entry, value=_without_tags(entry.value))
        for name, entry in node.entries.items()
        if name != "tags"
    }
    return replace(node, entries=inside)


def _surroundings(source: _Source, tree: Mapping, whole: _Whole, report: Report) -> Surroundings:
    from bm_sync.manifest.values import Surroundings, group

    folders = {layer.name: layer.path.parent for layer in whole.layers}
    home, state = home_dir(source.env), source.state_dir.absolute()
    return Surroundings(
        file=source.file,
        folder=source.file.absolute().parent,
        home=home,
        state_dir=state,
        env=source.env,
        report=report,
        variables=frozenset(group(tree, "vars").entries),
        folders=folders,
        includes=whole.includes,
        machine=source.machine,
        ask=source.ask,
    )


def _whole(source: _Source, report: Report) -> _Whole | None:
    """Return all files put together; None when one cannot be read on (reported)."""
    from bm_sync.manifest.compose import compose

    written = compose(source.text, report)
    if written is None or not _is_this_version(written, report):
        return None
    digest = hashlib.sha256(source.text.encode()).hexdigest()
    if not isinstance(written, Mapping) or _is_alone(written, source):
        return _Whole(written, digest)
    return _together(written, source, report)


def _together(written: Mapping, source: _Source, report: Report) -> _Whole | None:
    from bm_sync.manifest.including import includes
    from bm_sync.manifest.layers import Layer, digest_of, read_layers, together
    from bm_sync.manifest.overrides import overriding, values

    own = Layer("", source.file.absolute(), source.text, written)
    layers = read_layers(source.file, own, report, source.env, local=source.has_local)
    if layers is None or not all(_is_this_version(layer.tree, report) for layer in layers):
        return None
    trees = [layer.tree for layer in layers]
    texts = [layer.text for layer in layers]
    on_top = overriding(source.env, source.machine.sets, trees, texts)
    tree = together(layers, report, on_top)
    named = tuple((layer.path.parent, said) for layer in layers for said in includes(layer.tree))
    if len(layers) == 1 and on_top is None:
        return _Whole(tree, hashlib.sha256(source.text.encode()).hexdigest(), (), named)
    return _Whole(tree, digest_of(layers, values(on_top)), layers, named)


def _is_alone(tree: Mapping, source: _Source) -> bool:
    """Whether a file is the whole manifest, and says all of it as it is."""
    from bm_sync.manifest.expand import VARIABLE_PREFIX

    if source.has_local or "include" in tree.entries or source.machine.sets:
        return False
    if any(name.startswith(VARIABLE_PREFIX) for name in source.env):
        return False
    return not _changes_lists(tree)


def _changes_lists(tree: Mapping) -> bool:
    """Whether a manifest has keys such as +tags."""
    groups = [tree.get(name) for name in _GROUPS_WITH_LISTS]
    places = [tree, tree.get("defaults")]
    places += [e.value for g in groups if isinstance(g, Mapping) for e in g.entries.values()]
    places += [place.get("hooks") for place in places if isinstance(place, Mapping)]
    return any(
        key.startswith(_MARKS)
        for place in places
        if isinstance(place, Mapping)
        for key in place.entries
    )


def _is_this_version(node: Node, report: Report) -> bool:
    said = node.get("version") if isinstance(node, Mapping) else None
    if not isinstance(said, Scalar) or type(said.value) is not int or said.value == VERSION:
        return True
    what = f"version {said.value} of the manifest's format is not known"
    if said.value > VERSION:
        hint = f"install a newer bm-sync; this one knows version {VERSION}"
    else:
        hint = f"write version: {VERSION}"
    report.error(Code.VERSION, said.spot, what, hint)
    return False
