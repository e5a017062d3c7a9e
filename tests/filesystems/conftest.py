"""One mount of each kind for the tests of a module, and a project on it for each test."""

from __future__ import annotations

import contextlib
import gc
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from filesystems.kinds import KINDS, Kind, mounted
from pipeline_bench import Bench

_numbers = itertools.count()


@dataclass
class Ground:
    """A project, both sides of which lie on one file system; its manifest and state do not."""

    kind: Kind
    disk: Path
    bench: Bench

    def can(self, what: str) -> bool:
        """Return whether the file system is known to do something."""
        return what not in self.kind.refuses


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name.replace(" ", "-"))
def disk(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Kind, Path]]:
    kind: Kind = request.param
    scratch = tmp_path_factory.mktemp("kind")
    with kind.mount(scratch, scratch / "disk"):
        yield kind, scratch / "disk"


@pytest.fixture
def ground(disk: tuple[Kind, Path], tmp_path: Path) -> Iterator[Ground]:
    kind, at = disk
    folder = at / f"t{next(_numbers)}"
    with contextlib.ExitStack() as stack:
        for name in ("notes", "cloud"):
            (folder / name).mkdir(parents=True)
            stack.enter_context(mounted(tmp_path / name, "mount", "--bind", folder / name))
        bench = Bench(tmp_path)
        if kind.deep:
            for side in (bench.here, bench.there):
                away = folder / f"away-{side.parent.name}"
                away.mkdir()
                stack.enter_context(mounted(side / "deep", "mount", "--bind", away))
        gc.disable()  # what only the collector of cycles would close counts as open
        try:
            yield Ground(kind, at, bench)
            assert not _open_below(tmp_path), "a disk could not be taken away after such a run"
        finally:
            gc.enable()


def _open_below(folder: Path) -> list[str]:
    """Return what this process holds open of both sides."""
    links = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that lists the others
            links.append(str(link.readlink()))
    sides = tuple(f"{folder / name}/" for name in ("notes", "cloud"))
    return [name for name in links if name.startswith(sides)]
