"""The manifest that a watch goes by: read anew when a file of it changes, kept when that is wrong.

Changes are told by the stamps of all its files and of the folders they lie in. They count once two
looks find the same, so that half a file, which may well be valid, is not taken for the whole.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from bm_sync.engine.selecting import select
from bm_sync.errors import BmSyncError
from bm_sync.manifest import load
from bm_sync.manifest.diagnostic import ManifestError
from bm_sync.manifest.source import local_of
from bm_sync.model.config import Manifest, Placement, Project
from bm_sync.model.setup import Selection, Setup
from bm_sync.model.watch import Kept

_Stamps = Mapping[str, tuple[int, ...]]


class InForce(Struct, frozen=True):
    """A valid manifest, with the projects of it that are watched on this machine."""

    manifest: Manifest
    projects: tuple[Project, ...]


class InPlace:
    """The manifest in force (`now`), and what was last found in its place.

    Making one raises BmSyncError when there is no valid manifest to begin with.
    """

    def __init__(self, file: Path, selection: Selection, setup: Setup) -> None:
        self._file = file
        self._selection = selection
        self._setup = setup
        self._files: tuple[Path, ...] = ()
        self._refused: Kept | None = None
        self._taken = self._seen = self._stamps()
        self.now = self._load()

    def look(self) -> InForce | Kept | None:
        """Return another manifest that is in force from now on, or why it cannot be.

        None is said while nothing changed, while it still changes, and of what was refused before.
        """
        found = self._stamps()
        settled, self._seen = found == self._seen, found
        if not settled or found == self._taken:
            return None
        self._taken = found
        return self.again()

    def again(self) -> InForce | Kept | None:
        """Read the manifest again, unless it is being changed; return what `look` does.

        What it says of this machine (`hosts`, `when`) and the files that it names count anew.
        """
        if self._stamps() != self._taken:
            return None
        try:
            fresh = self._load()
        except BmSyncError as e:
            return self._keep(e)
        self._refused = None
        if fresh == self.now:
            return None
        self.now = fresh
        return fresh

    def anew(self) -> InForce | Kept | None:
        """Read the manifest as it is this moment; return what `look` does."""
        self._taken = self._seen = self._stamps()
        return self.again()

    def _keep(self, error: BmSyncError) -> Kept | None:
        slips = error.diagnostics if isinstance(error, ManifestError) else ()
        self._know(Path(slip.file) for slip in slips)
        kept = Kept(error.what, slips)
        if kept == self._refused:
            return None
        self._refused = kept
        return kept

    def _load(self) -> InForce:
        """Load the manifest; raises BmSyncError."""
        setup = self._setup
        machine = setup.machine(sys.platform)
        loaded = load(self._file, setup.env, state_dir=setup.state_dir, machine=machine)
        chosen = select(loaded.manifest, self._selection)
        self._files = ()
        self._know(f / Path(name).name for name, f in loaded.around.folders.items() if name)
        here = tuple(p for p in chosen if p.placement is not Placement.LOCAL_ONLY)
        return InForce(loaded.manifest, here)

    def _know(self, files: Iterable[Path]) -> None:
        """Look after more files; those looked after before stay as they were seen."""
        self._files = tuple(dict.fromkeys((*self._files, *files)))
        self._taken = self._seen = {**self._stamps(), **self._taken}

    def _stamps(self) -> _Stamps:
        """Return the stamps of all files and, for files that may come, of their folders."""
        files = dict.fromkeys((self._file, local_of(self._file), *self._files))
        found = {}
        for file in (*files, *dict.fromkeys(each.parent for each in files)):
            try:
                at = file.stat()
            except OSError:
                continue
            owner = (at.st_uid, at.st_gid, at.st_mode)  # who may give orders
            found[str(file)] = (at.st_ino, at.st_size, at.st_mtime_ns, *owner)
        return found
