"""Puts the new manifest together and proves that it loads before anybody sees it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from bm_sync import access, files
from bm_sync.errors import UsageError
from bm_sync.filters import rules as patterns
from bm_sync.filters.matcher import Matcher
from bm_sync.manifest.adopt.draft import CLOUD, Drafted, LeftOut, ManifestDraft, draft
from bm_sync.manifest.adopt.memory import CONFIG, MemoryConfig
from bm_sync.manifest.adopt.yaml_text import comments, flow, scalar, short_path
from bm_sync.manifest.bmignore import NAME
from bm_sync.manifest.diagnostic import ManifestError
from bm_sync.manifest.filtersets import MAX_BYTES
from bm_sync.manifest.loader import Loaded, load_text
from bm_sync.manifest.shown import quoted
from bm_sync.model.config import BUILT_IN, CLOUD_TYPE, FilterSet, Git, Placement, Rule
from bm_sync.model.setup import Setup
from bm_sync.paths import home_dir

_INSIDE = "/**"


class Ignoring(Struct, frozen=True):
    """What the filter of the new manifest says: the file, patterns beside it, and comments."""

    file: Path
    exclude: tuple[str, ...]
    remarks: tuple[str, ...]


def ignoring(folder: Path) -> Ignoring:
    """Return how the ignore file in Basic Memory's data directory is taken over."""
    file = folder / NAME
    text = _text(file)
    if text is None:
        remark = "Until Basic Memory has written that file its default patterns count."
        return Ignoring(file, (), () if access.standing(file) else (remark,))
    good, _ = patterns.parse(text, NAME, "")
    added = tuple(_completed(good))
    return Ignoring(file, added, _about_completed(added))


def _text(file: Path) -> str | None:
    """Return the text of the file, None when there is none; what is wrong with it others tell."""
    try:
        return files.read(file, MAX_BYTES, {}, consent=True).decode("utf-8", "surrogateescape")
    except (OSError, files.RefusedFileError):
        return None


def _completed(rules: Sequence[Rule]) -> Iterator[str]:
    """Yield `X` and `X/**` for each rule `X/**` that leaves a file X itself in.

    Basic Memory's own guide writes `.env/**` and means the file .env as well.
    """
    said = tuple(Rule(r.pattern, BUILT_IN) for r in rules)
    matcher = Matcher(FilterSet(git=Git.SYNC, shared=said))
    for rule in rules:
        name = rule.pattern.removesuffix(_INSIDE)
        if name == rule.pattern or name.startswith("!") or not name.strip("*/"):
            continue
        if not matcher.excluded(name.strip("/"), is_dir=False):
            yield name
            yield rule.pattern


def _about_completed(added: Sequence[str]) -> tuple[str, ...]:
    if not added:
        return ()
    return (
        "A pattern X/** means what lies in a folder X, not a file X. Written for .env it lets",
        "the file through; so X and X/** stand here together.",
    )


FILTER = "basic-memory"
DEFAULT_HOST = "https://cloud.basicmemory.com"
_LINE = re.compile(r" in line \d+")

_SECTIONS: Mapping[Placement, str] = {
    Placement.SYNCED: "Here and on the cloud: kept in sync.",
    Placement.CLOUD_ONLY: "On the cloud only. Add `local: FOLDER` on the day you need one here.",
    Placement.LOCAL_ONLY: "Here only: declared, never sent.",
}


class Proposal(Struct, frozen=True):
    """A manifest that loads, and what of the source is not in it."""

    text: str
    loaded: Loaded
    left_out: tuple[LeftOut, ...]


def propose(config: MemoryConfig, file: Path, setup: Setup) -> Proposal:
    """Return the manifest for what Basic Memory has declared, as if it stood in `file`.

    A project that a manifest may not declare so (two in one folder, one inside another) is left
    out, with the reason in a comment. Raises UsageError when nothing can be made of it.
    """
    whole = draft(config, home_dir(setup.env))
    left = list(whole.left_out)
    projects = list(whole.projects)
    while True:
        lines = _Lines(
            config, home_dir(setup.env), ManifestDraft(tuple(projects), (), whole.workspaces)
        )
        text = lines.text(left)
        try:
            loaded = load_text(text, file, setup.env, state_dir=setup.state_dir)
        except ManifestError as e:
            blamed = _blamed(e, lines)
            left += [LeftOut(p.source, blamed[p.name]) for p in projects if p.name in blamed]
            projects = [p for p in projects if p.name not in blamed]
        else:
            return Proposal(text, loaded, tuple(left))


def _blamed(error: ManifestError, lines: _Lines) -> dict[str, str]:
    """Return what is wrong with which project; raises UsageError when it is with none."""
    blamed: dict[str, str] = {}
    for slip in error.diagnostics:
        if slip.severity != "error":
            continue
        name = lines.owner(slip.line)
        if name is None:
            raise UsageError(f"what Basic Memory has declared makes no manifest: {slip.what}")
        blamed.setdefault(name, _LINE.sub("", slip.what))
    return blamed


class _Lines:
    """The lines of a manifest; remembers which project each stands for."""

    def __init__(self, config: MemoryConfig, home: Path, parts: ManifestDraft) -> None:
        self._config = config
        self._home = home
        self._parts = parts
        self._lines: list[str] = []
        self._owners: dict[int, str] = {}

    def owner(self, line: int) -> str | None:
        """Return the project that a line belongs to; lines count from 1."""
        return self._owners.get(line)

    def text(self, left: Sequence[LeftOut]) -> str:
        """Return the whole manifest."""
        source = short_path(str(self._config.folder / CONFIG), self._home)
        self._add(
            f"# Made by bm-sync import basic-memory from {quoted(source)}, which is left as it is.",
            "# What the first run would do: bm-sync plan. Nothing is deleted by a first run.",
            "version: 1",
        )
        if self._parts.workspaces:
            self._lines[2:2] = (
                "# End Basic Memory's own cloud sync of these folders (bm cloud and what starts",
                "# it): only one program may sync a folder. bm-sync doctor says where it does.",
            )
            self._remotes()
        self._filter(ignoring(self._config.folder))
        remote = [f"remote: {CLOUD}"] if self._parts.workspaces else []
        self._add("", f"defaults: {{{', '.join([*remote, f'filters: [{FILTER}]'])}}}")
        self._projects()
        if left:
            self._add("", "  # Left out:")
            self._add(*comments((f"{quoted(x.source)}: {x.why}" for x in left), "  "))
        return "\n".join(self._lines) + "\n"

    def _add(self, *lines: str) -> None:
        self._lines += lines

    def _remotes(self) -> None:
        self._add("", "remotes:")
        self._add("  # Basic Memory's own sign-in is used; without one: bm-sync login.")
        host = (self._config.host or DEFAULT_HOST).rstrip("/")
        for name, workspace in self._parts.workspaces.items():
            keys = [f"type: {CLOUD_TYPE}"]
            keys += [f"host: {scalar(host)}"] if host != DEFAULT_HOST else []
            keys += [f"workspace: {scalar(workspace)}"] if workspace else []
            self._add(f"  {name}: {{{', '.join(keys)}}}")

    def _filter(self, found: Ignoring) -> None:
        self._add("", "filters:", f"  {FILTER}:", "    gitignore: true")
        self._add(f"    ignore_files: {flow([short_path(str(found.file), self._home)])}")
        self._add(*comments(found.remarks, "    "))
        if found.exclude:
            self._add("    exclude:", *(f"      - {scalar(p)}" for p in found.exclude))

    def _projects(self) -> None:
        self._add("", "projects:" if self._parts.projects else "projects: {}")
        for placement in Placement:
            mine = [p for p in self._parts.projects if p.placement is placement]
            if mine:
                gap = [] if self._lines[-1] == "projects:" else [""]
                self._add(*gap, f"  # {_SECTIONS[placement]}")
            for project in mine:
                self._project(project)

    def _project(self, project: Drafted) -> None:
        self._add(*comments(project.remarks, "  "))
        body = ", ".join(f"{key}: {value}" for key, value in project.keys)
        self._add(f"  {scalar(project.name)}: {{{body}}}")
        self._owners[len(self._lines)] = project.name
