"""What rclone is given of a folder of this machine, and where files arrive.

Here the one who moves things is the test itself, at the moment that matters.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pipeline_bench import Bench, texts

from bm_sync import past_api
from bm_sync.engine import placing
from bm_sync.engine.jail import Jail
from bm_sync.engine.lending import Lending
from bm_sync.engine.placing import Spot
from bm_sync.engine.routed import Routed
from bm_sync.model.past import Undo
from bm_sync.model.run import Outcome
from bm_sync.model.tree import FileStamp
from bm_sync.rclone.binary import find
from bm_sync.rclone.client import Rclone

WAYS = pytest.mark.parametrize("direct", [True, False], ids=["by descriptor", "by name"])


@dataclass(frozen=True)
class _File:
    path: str
    size: int


@asynccontextmanager
async def _rclone(folder: Path, *, direct: bool) -> AsyncIterator[Routed]:
    rclone = Routed(find(None, os.environ), run_dir=folder / "run", env=os.environ)
    if direct:
        assert await rclone.sees_descriptors()
    rclone._sees_descriptors = direct
    try:
        yield rclone
    finally:
        await rclone.stop()


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """Return a folder that others may write, beside one that is nobody else's business."""
    folder, outside = tmp_path / "ground" / "notes", tmp_path / "outside"
    for place in (folder / "sub", outside / "sub"):
        place.mkdir(parents=True)
    for name in ("a.md", "sub/b.md"):
        (folder / name).write_text(f"text of {name}")
        (outside / name).write_text("secret")
    folder.chmod(0o777)
    return folder


def _lead_outside(folder: Path, outside: Path) -> None:
    folder.rename(folder.with_name("away"))
    folder.symlink_to(outside)


@WAYS
@pytest.mark.parametrize("what", ["sub/b.md", "sub", "."])
def test_what_is_lent_stays_what_it_was_whatever_is_put_in_its_place(
    shared: Path, tmp_path: Path, what: str, *, direct: bool
) -> None:
    async def play() -> None:
        async with _rclone(tmp_path, direct=direct) as rclone:
            target = rclone.local(tmp_path / "target")
            async with Lending(Jail(shared), rclone).lend(["a.md", "sub/b.md", "none"]) as root:
                moved = shared if what == "." else shared / what
                _lead_outside(moved, tmp_path / "outside" / ("" if what == "." else what))
                result = await rclone.copy_batch(root, target, ["a.md", "sub/b.md", "none"])
                await rclone.copy_file(root, "sub/b.md", target, "alone")
            assert result.fault is None

    asyncio.run(play())
    assert texts(tmp_path / "target") == {
        "a.md": "text of a.md",
        "alone": "text of sub/b.md",
        "sub/b.md": "text of sub/b.md",
    }


def test_a_folder_of_ones_own_is_read_as_it_is_held_though_the_one_above_it_can_be_moved(
    shared: Path, tmp_path: Path
) -> None:
    shared.chmod(0o755)
    shared.parent.chmod(0o777)

    async def play() -> None:
        async with _rclone(tmp_path, direct=True) as rclone:
            lending = Lending(Jail(shared), rclone)
            assert len(await lending.portions([_File("a.md", 1), _File("sub/b.md", 1)])) == 1
            async with lending.lend(["a.md"]) as root:
                assert "copy_links" not in root.root, "nothing is opened here for rclone"
                _lead_outside(shared, tmp_path / "outside")
                target = rclone.local(tmp_path / "target")
                assert (await rclone.copy_batch(root, target, ["a.md"])).fault is None

    asyncio.run(play())
    assert texts(tmp_path / "target") == {"a.md": "text of a.md"}


@WAYS
def test_links_pipes_and_what_lies_behind_links_are_not_lent(
    shared: Path, tmp_path: Path, *, direct: bool
) -> None:
    (shared / "link").symlink_to(tmp_path / "outside" / "a.md")
    (shared / "folder").symlink_to(tmp_path / "outside")
    os.mkfifo(shared / "pipe")
    paths = ["link", "folder/a.md", "pipe", "../outside/a.md"]

    async def play() -> None:
        async with (
            _rclone(tmp_path, direct=direct) as rclone,
            Lending(Jail(shared), rclone).lend(paths) as root,
        ):
            target = rclone.local(tmp_path / "target")
            assert (await rclone.copy_batch(root, target, paths[:3])).fault is None

    asyncio.run(play())
    assert not (tmp_path / "target").exists() or texts(tmp_path / "target") == {}


@WAYS
def test_what_is_lent_at_once_is_bounded(shared: Path, tmp_path: Path, *, direct: bool) -> None:
    many = [_File(f"sub/{n}.md", 100 << 20) for n in range(1000)]

    async def play() -> list[int]:
        async with _rclone(tmp_path, direct=direct) as rclone:
            found = await Lending(Jail(shared), rclone).portions(many)
            assert [f for portion in found for f in portion] == many
            return [len(portion) for portion in found]

    sizes = asyncio.run(play())
    assert max(sizes) <= (500 if direct else 2)


@WAYS
def test_rclone_hashes_the_file_that_is_meant(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, direct: bool
) -> None:
    """The other file is put in its place in the moment before rclone looks."""
    real = Rclone.list_some

    async def list_some(self: Rclone, *given: object, **more: object) -> object:
        if not (shared.parent / "away").exists():
            _lead_outside(shared, tmp_path / "outside")
        return await real(self, *given, **more)  # type: ignore[arg-type]

    async def hashed() -> str | None:
        async with _rclone(tmp_path, direct=direct) as rclone:
            lending = Lending(Jail(shared), rclone)
            return await lending.content("a.md", "crc32")

    plain = asyncio.run(hashed())
    monkeypatch.setattr(Rclone, "list_some", list_some)
    assert plain is not None
    assert asyncio.run(hashed()) == plain


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def at_placing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Return how to have something happen when the first file is put in place."""

    def prepare(act: Callable[[], None]) -> None:
        real, todo = placing.place_new, [act]

        def place_new(staged: Spot, spot: Spot, **more: bool) -> FileStamp:
            while todo:
                todo.pop()()
            return real(staged, spot, **more)

        monkeypatch.setattr(placing, "place_new", place_new)

    return prepare


@pytest.fixture
def no_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have rclone reach no descriptor, as on macOS."""

    async def never(_: Rclone) -> bool:
        return False

    monkeypatch.setattr(Rclone, "sees_descriptors", never)


def test_files_arrive_in_a_folder_that_is_closed_to_others(
    bench: Bench, at_placing: Callable[[Callable[[], None]], None]
) -> None:
    bench.write("a.md", "b.md", where=bench.there)
    seen: dict[str, int] = {}

    def look() -> None:
        staging = bench.here / ".bm-sync" / "staging"
        for place in (staging, *staging.rglob("*")):
            if place.is_dir():
                seen[str(place.relative_to(staging))] = stat.S_IMODE(place.stat().st_mode)

    at_placing(look)
    old = os.umask(0o002)
    try:
        assert bench.apply().exit == 0
    finally:
        os.umask(old)
    assert {mode for name, mode in seen.items() if name.count("/") <= 1} == {0o700}
    assert any(name.endswith("/in") for name in seen)
    assert not (bench.here / ".bm-sync").exists()


def test_a_new_version_of_a_private_file_is_private(bench: Bench) -> None:
    bench.write("a.md")
    assert bench.apply().exit == 0
    (bench.here / "a.md").chmod(0o600)
    bench.write("a.md", text="another", where=bench.there)
    assert bench.apply().exit == 0
    assert texts(bench.here) == {"a.md": "another"}
    assert stat.S_IMODE((bench.here / "a.md").stat().st_mode) == 0o600


def test_a_home_that_is_moved_away_stops_the_project_and_nothing_lands_outside(
    bench: Bench, tmp_path: Path, at_placing: Callable[[Callable[[], None]], None]
) -> None:
    bench.write("a.md", "b.md")
    assert bench.apply().exit == 0
    bench.write("b.md", text="another version", where=bench.there)
    bench.write("c.md", where=bench.there)
    (tmp_path / "outside").mkdir()
    home = bench.here / ".bm-sync"

    def move() -> None:
        home.rename(bench.here / ".away")
        home.symlink_to(tmp_path / "outside")

    at_placing(move)
    run = bench.apply()
    assert run.exit == 1
    assert run.message == f"the folder {home} was moved away while the run went on"
    assert run.hint is not None
    assert f"it is {bench.here / '.away'} now" in run.hint
    assert list((tmp_path / "outside").iterdir()) == []
    kept = [p.read_text() for p in (bench.here / ".away").rglob("b.md")]
    assert kept in ([], ["text of b.md\n"])  # replaced before or after it was moved
    home.unlink()
    (bench.here / ".away").rename(home)
    assert bench.apply().exit == 0
    assert texts(bench.here) == texts(bench.there)


def test_a_root_that_is_moved_away_stops_the_project_and_nothing_lands_outside(
    bench: Bench, tmp_path: Path, at_placing: Callable[[Callable[[], None]], None]
) -> None:
    bench.write("a.md", "b/c.md", where=bench.there)
    (tmp_path / "outside").mkdir()
    at_placing(lambda: _lead_outside(bench.here, tmp_path / "outside"))
    run = bench.apply()
    assert (run.exit, run.message) == (
        1,
        f"the folder {bench.here} was replaced by another one while the run went on",
    )
    assert list((tmp_path / "outside").iterdir()) == []
    bench.here.unlink()
    bench.here.with_name("away").rename(bench.here)
    assert bench.apply().exit == 0
    assert texts(bench.here) == texts(bench.there)


@pytest.mark.usefixtures("no_descriptors")
def test_without_descriptors_files_arrive_in_the_state_directory_where_others_could_move_them(
    bench: Bench, at_placing: Callable[[Callable[[], None]], None]
) -> None:
    bench.write("a.md", where=bench.there)
    bench.here.chmod(0o777)
    seen: list[bool] = []
    aside, beside = bench.state / "staging" / "local", bench.here / ".bm-sync" / "staging"
    at_placing(lambda: seen.extend([any(aside.rglob("a.md")), any(beside.iterdir())]))
    assert bench.apply().exit == 0
    assert seen == [True, False]
    assert texts(bench.here) == {"a.md": "text of a.md\n"}
    bench.write("a.md", text="up again")
    bench.write("b.md")
    assert bench.apply().exit == 0
    assert texts(bench.there) == {"a.md": "up again", "b.md": "text of b.md\n"}
    assert not (bench.here / ".bm-sync").exists()
    assert not (bench.state / "staging" / "local").exists()


@pytest.mark.usefixtures("no_descriptors")
def test_without_descriptors_a_private_folder_is_used_by_its_name(bench: Bench) -> None:
    bench.write("a.md", where=bench.there)
    bench.write("b.md")
    assert bench.apply().exit == 0
    assert texts(bench.here) == texts(bench.there)
    assert not (bench.state / "staging").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make folders of other users")
def test_a_staging_folder_of_another_user_is_not_used(
    bench: Bench, at_placing: Callable[[Callable[[], None]], None]
) -> None:
    bench.write("a.md")
    assert bench.apply().exit == 0
    bench.write("a.md", text="another version", where=bench.there)
    bench.write("b.md", where=bench.there)
    theirs = bench.here / ".bm-sync" / "staging"
    theirs.mkdir(parents=True)
    os.chown(theirs, 20012, 20012)
    seen: list[str] = []
    at_placing(lambda: seen.extend(p.name for p in theirs.iterdir()))
    run = bench.apply()
    assert run.exit == 0
    assert seen == []
    assert texts(bench.here) == {"a.md": "another version", "b.md": "text of b.md\n"}
    assert bench.kept(run)["a.md"] == "text of a.md\n"


def test_bisync_keeps_out(bench: Bench) -> None:
    """Where others may write it is refused; a long name of this test would be refused as well."""
    bench.policy = {"engine": "bisync"}
    bench.write("sub/a.md")
    assert bench.apply().exit == 0
    (bench.here / "sub").chmod(0o777)
    bench.write("sub/b.md")
    run = bench.apply()
    assert run.exit == 1
    others = bench.here / "sub"
    assert run.message == f"engine: bisync opens files by name, and others may write to '{others}'"
    assert run.hint == "engine: reconcile can"


def test_what_an_open_folder_keeps_is_brought_back_to_both_sides(bench: Bench) -> None:
    bench.write("sub/a.md", "sub/b.md")
    for folder in (bench.here, bench.there.parent):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)
    assert bench.apply().exit == 0
    (bench.here / "sub" / "a.md").unlink()
    run = bench.apply()
    assert [a.outcome for a in run.actions] == [Outcome.DONE]
    done = asyncio.run(past_api.undo(bench.manifest(), Undo(), bench.setup))
    assert done.run is not None
    assert done.run.exit == 0
    assert texts(bench.here) == texts(bench.there)
    assert "sub/a.md" in texts(bench.here)
