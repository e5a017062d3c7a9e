"""Loads a manifest: read, compose, expand, judge, build. Each step is its own module."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass
from pathlib import Path

from bm_sync.manifest.codes import Code
from bm_sync.manifest.diagnostic import Report, TooManyProblemsError
from bm_sync.manifest.nodes import Mapping, Node, Scalar
from bm_sync.model.config import Manifest
from bm_sync.model.diagnostic import Diagnostic
from bm_sync.paths import home_dir

VERSION = 1


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid manifest.

    `text` is what stands in the file, line ends as newlines.
    """

    manifest: Manifest
    warnings: tuple[Diagnostic, ...]
    text: str


def load(file: Path, env: AbstractMapping[str, str], *, state_dir: Path) -> Loaded:
    """Load a manifest; raises ManifestError with everything that is wrong with it.

    Only the manifest, the ignore files it names and a cache in `XDG_CACHE_HOME` are read; nothing
    but that cache is written.
    """
    from bm_sync.manifest.source import read

    return load_text(read(file), file, env, state_dir=state_dir)


def load_text(text: str, file: Path, env: AbstractMapping[str, str], *, state_dir: Path) -> Loaded:
    """Load the text of a manifest as if it stood in `file`; raises ManifestError as `load` does."""
    report = Report(file, text)
    manifest = None
    try:
        manifest = _manifest(file, text, report, env, state_dir)
    except TooManyProblemsError:
        report.note_the_rest()
    if manifest is None or report.failed:
        raise report.fail()
    return Loaded(manifest, report.finish(), text)


def _manifest(
    file: Path, text: str, report: Report, env: AbstractMapping[str, str], state_dir: Path
) -> Manifest | None:
    from bm_sync.manifest.build import build
    from bm_sync.manifest.compose import compose
    from bm_sync.manifest.expand import expand
    from bm_sync.manifest.judge import judge
    from bm_sync.manifest.remembered import remember
    from bm_sync.manifest.secrets import mask
    from bm_sync.manifest.values import Surroundings, group

    written = compose(text, report)
    if written is None or not _is_this_version(written, report):
        return None
    expanded = expand(written, env, report)
    mask(written, report)
    mask(expanded, report)
    judged = judge(expanded, report, env)
    if judged is None:
        return None
    folder = file.absolute().parent
    home, state = home_dir(env), state_dir.absolute()
    variables = frozenset(group(judged.manifest, "vars").entries)
    around = Surroundings(file, folder, home, state, env, report, variables)
    manifest = build(judged.manifest, around, hashlib.sha256(text.encode()).hexdigest())
    if judged.accepted is not None and not report.failed:
        remember(judged.accepted, env, manifest)
    return manifest


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
