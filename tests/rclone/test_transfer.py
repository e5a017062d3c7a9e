"""Bytes that move: batches, single files, conditions, folders, on every kind of store."""

from __future__ import annotations

import asyncio
import os
import socket
import unicodedata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import counting_proxy
import pytest
import servers

from bm_sync.rclone.client import Rclone
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.remotes import Fs
from bm_sync.rclone.transfer import Batch
from bm_sync.rclone.wire import Progress

STORES = ["folder", "serve_s3", "seaweedfs", "serve_webdav", "serve_sftp"]
BUCKETS = ["serve_s3", "seaweedfs"]
AWKWARD = [
    *(" lead", "trail ", "trail.", "-dash", "--flag", "#hash", ";semi", "~tilde", "%41", "%2F"),
    *("'single'", '"double"', "`back`", "$HOME", "a*b?c", "[x]", "{y}", "a,b", "a&b=c+d", "a:b"),
    *("<a|b>", "line\nbreak", "cr\rreturn", "ends in cr\r", "tab\t", "esc\x1b[31m", "bell\x07"),
    *("\u202egnp.exe", "\u2028line", "c\u0085d", "\ufeffbom", "\U0001f600", "e\u0301 apart"),
    *("a\uff0eb", "\uff0e", "\uff0e\uff0e", "q\u201bq", "\u201b", "\u2400", "\u240a", "\uff0f"),
    *("x" * 255, "\u00e9" * 127, "dir \n x /sub /..more", "...", ".hidden", "a\u201b\uff0e"),
]
BYTES_ONLY = [os.fsdecode(b"bad\xff\xfename"), os.fsdecode(b"latin\xe9/x")]
HARD_TO_STORE = ["back\\slash", "\uff3cfull", "del\x7f"]


@asynccontextmanager
async def opened(
    request: pytest.FixtureRequest, folder: Path, kind: str
) -> AsyncIterator[tuple[Rclone, Fs]]:
    """Yield a client and a place on the store that no other test uses."""
    server = None if kind == "folder" else request.getfixturevalue(kind)
    async with servers.rclone_in(folder) as rclone:
        if server is None:
            root = rclone.local(folder / "folder")
        else:
            root = await rclone.connect(server.remote(), os.environ)
        yield rclone, root.at(f"{folder.parent.name}-{folder.name}")


def make(folder: Path, names: list[str]) -> Path:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"text of " + os.fsencode(name))
    return folder


def texts(folder: Path) -> dict[str, bytes]:
    found = (Path(base, name) for base, _, names in os.walk(folder) for name in names)
    return {str(file.relative_to(folder)): file.read_bytes() for file in found}


@pytest.mark.parametrize("kind", STORES)
def test_awkward_names_go_up_and_come_back(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    names = AWKWARD + (HARD_TO_STORE if kind in {"folder", "seaweedfs"} else [])
    source, back = make(tmp_path / "source", names), tmp_path / "back"
    back.mkdir()

    async def run() -> None:
        async with opened(request, tmp_path, kind) as (rclone, fs):
            assert (await rclone.copy_batch(rclone.local(source), fs, names)).fault is None
            can = await rclone.features(fs)
            listing = await rclone.list_tree(fs, features=can)
            assert {e.path for e in listing.entries if not e.is_dir} == set(names)
            assert not listing.unusable
            assert (await rclone.copy_batch(fs, rclone.local(back), names)).fault is None

    asyncio.run(run())
    assert texts(back) == texts(source)
    times = {n: (source / n).stat().st_mtime_ns // 10**9 for n in names}
    assert {n: (back / n).stat().st_mtime_ns // 10**9 for n in names} == times


@pytest.mark.parametrize("kind", STORES)
def test_single_files_of_awkward_names_are_copied_moved_and_deleted(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    source = make(tmp_path / "source", AWKWARD)

    async def run() -> None:
        async with opened(request, tmp_path, kind) as (rclone, fs):
            here = rclone.local(source)
            can = await rclone.features(fs)
            for name in AWKWARD:
                await rclone.copy_file(here, name, fs, f"up/{name}")
                await rclone.copy_file(fs, f"up/{name}", fs, f"copy/{name}")
                await rclone.move_file(fs, f"up/{name}", fs, f"moved/{name}")
                found = await rclone.stat(fs, f"moved/{name}", features=can)
                assert found is not None
                assert (found.path, found.size) == (
                    f"moved/{name}",
                    (source / name).stat().st_size,
                )
                assert await rclone.stat(fs, f"up/{name}") is None
                await rclone.delete_file(fs, f"copy/{name}")
                assert await rclone.stat(fs, f"copy/{name}") is None

    asyncio.run(run())


def test_names_that_are_no_utf_8_come_through_between_folders(tmp_path: Path) -> None:
    source, target = make(tmp_path / "source", BYTES_ONLY), tmp_path / "target"
    target.mkdir()

    async def run() -> None:
        async with servers.rclone_in(tmp_path) as rclone:
            here, there = rclone.local(source), rclone.local(target)
            assert (await rclone.copy_batch(here, there, BYTES_ONLY)).fault is None

    asyncio.run(run())
    assert texts(target) == texts(source)


def test_a_name_that_is_no_utf_8_is_refused_where_it_cannot_be_said(
    tmp_path: Path, serve_s3: servers.Server
) -> None:
    source = make(tmp_path / "source", BYTES_ONLY)

    async def run() -> None:
        async with servers.rclone_in(tmp_path) as rclone:
            fs = await rclone.connect(serve_s3.remote(), os.environ)
            here = rclone.local(source)
            for work in (
                rclone.copy_batch(here, fs, BYTES_ONLY),
                rclone.copy_file(here, BYTES_ONLY[0], fs, "x"),
                rclone.delete_file(fs, BYTES_ONLY[0]),
            ):
                with pytest.raises(RcloneError) as caught:
                    await work
                assert caught.value.fault is Fault.NAME
                assert "\\xff" in str(caught.value)

    asyncio.run(run())


def test_a_root_may_have_an_awkward_name_too(tmp_path: Path) -> None:
    odd = tmp_path / "o\u201b\n\uff0e: x \x01" / "\uff0e\uff0e"
    source = make(tmp_path / "source", ["a"])

    async def run() -> None:
        async with servers.rclone_in(tmp_path) as rclone:
            await rclone.copy_file(rclone.local(source), "a", rclone.local(odd).at("\n\u240a"), "a")

    asyncio.run(run())
    assert (odd / "\n\u240a" / "a").read_bytes() == b"text of a"


def test_composed_and_decomposed_names_are_two_files(
    tmp_path: Path, seaweedfs: servers.Server
) -> None:
    twins = ["\u00e9", unicodedata.normalize("NFD", "\u00e9"), "File", "file"]
    source, back = make(tmp_path / "source", twins), tmp_path / "back"
    back.mkdir()

    async def run() -> None:
        async with servers.rclone_in(tmp_path) as rclone:
            fs = (await rclone.connect(seaweedfs.remote(), os.environ)).at("twins")
            assert (await rclone.copy_batch(rclone.local(source), fs, twins)).fault is None
            assert (await rclone.copy_batch(fs, rclone.local(back), twins)).fault is None

    asyncio.run(run())
    assert texts(back) == texts(source)


@pytest.mark.parametrize("kind", STORES)
def test_a_batch_copies_exactly_what_is_named_and_never_skips(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    source = make(tmp_path / "source", ["a", "b", "d/a", "d/b"])

    async def run() -> None:
        async with opened(request, tmp_path, kind) as (rclone, fs):
            here = rclone.local(source)
            await rclone.copy_batch(here, fs, ["a", "d/b"])
            before = (source / "a").stat()
            (source / "a").write_bytes(b"TEXT OF a")
            os.utime(source / "a", ns=(before.st_mtime_ns, before.st_mtime_ns))
            assert (await rclone.copy_batch(here, fs, ["a"])).fault is None
            back = tmp_path / "back"
            back.mkdir()
            can = await rclone.features(fs)
            entries = (await rclone.list_tree(fs, features=can)).entries
            names = sorted(e.path for e in entries if not e.is_dir)
            assert names == ["a", "d/b"]
            assert (await rclone.copy_batch(fs, rclone.local(back), names)).fault is None
            assert (back / "a").read_bytes() == b"TEXT OF a"

    asyncio.run(run())


def test_an_empty_batch_does_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        async with servers.rclone_in(tmp_path) as rclone:
            fs = rclone.local(tmp_path)
            assert (await rclone.copy_batch(fs, fs, [])).fault is None
            assert rclone.pid is None

    asyncio.run(run())


def test_files_that_vanished_or_are_no_files_are_passed_over(tmp_path: Path) -> None:
    source, target = make(tmp_path / "source", ["a", "d/x"]), tmp_path / "target"
    target.mkdir()
    os.mkfifo(source / "fifo")
    (source / "link").symlink_to("a")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(source / "sock"))

    async def run() -> None:
        async with servers.rclone_in(tmp_path) as rclone:
            names = ["a", "gone", "d", "fifo", "link", "sock"]
            await rclone.copy_batch(rclone.local(source), rclone.local(target), names)

    asyncio.run(run())
    assert texts(target) == {"a": b"text of a"}


def test_a_target_that_is_in_the_way_fails_alone(tmp_path: Path) -> None:
    names = ["a", "b", "c/d"]
    source, target = make(tmp_path / "source", names), tmp_path / "target"
    make(target, ["b/in the way", "c"])

    async def run() -> None:
        async with servers.rclone_in(tmp_path) as rclone:
            result = await rclone.copy_batch(rclone.local(source), rclone.local(target), names)
            assert result.fault is not None
            assert set(result.failed) <= {"b", "c/d"}

    asyncio.run(run())
    assert texts(target) == {
        "a": b"text of a",
        "b/in the way": b"text of b/in the way",
        "c": b"text of c",
    }


def test_a_copy_tells_how_far_it_is(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "big").write_bytes(b"x" * 3_000_000)
    seen: list[Progress] = []

    async def run() -> None:
        async with servers.rclone_in(tmp_path) as rclone:
            src, dst = rclone.local(source), rclone.local(target)
            result = await rclone.copy_batch(src, dst, ["big"], Batch(), seen.append)
            assert (result.fault, result.files, result.bytes) == (None, 1, 3_000_000)

    asyncio.run(run())
    assert (seen[-1].files, seen[-1].bytes) == (1, 3_000_000)


@pytest.mark.parametrize(("kind", "honoured"), [("serve_s3", False), ("seaweedfs", True)])
def test_a_store_that_honours_conditions_is_told_from_one_that_does_not(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, *, honoured: bool
) -> None:
    async def run() -> None:
        async with opened(request, tmp_path, kind) as (rclone, fs):
            assert await rclone.supports_conditions(fs) is honoured
            assert not (await rclone.list_tree(fs, features=await rclone.features(fs))).entries

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["folder", "serve_webdav", "serve_sftp"])
def test_only_s3_has_conditions(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    async def run() -> None:
        async with opened(request, tmp_path, kind) as (rclone, fs):
            assert await rclone.supports_conditions(fs) is False

    asyncio.run(run())


def test_a_conditional_upload_never_replaces_another_version(
    tmp_path: Path, seaweedfs: servers.Server
) -> None:
    source = make(tmp_path / "source", ["one", "two", "three", "new"])

    async def run() -> None:
        async with servers.rclone_in(tmp_path) as rclone:
            fs = (await rclone.connect(seaweedfs.remote(), os.environ)).at("conditions")
            here = rclone.local(source)
            can = await rclone.features(fs)
            await rclone.copy_file(here, "one", fs, "one", if_none=True)
            first = await rclone.stat(fs, "one", features=can)
            assert first is not None
            for refused in (
                rclone.copy_file(here, "two", fs, "one", if_none=True),
                rclone.copy_file(here, "two", fs, "one", if_match="0" * 32),
            ):
                with pytest.raises(RcloneError) as caught:
                    await refused
                assert caught.value.fault is Fault.CHANGED
            assert await rclone.stat(fs, "one", features=can) == first
            await rclone.copy_file(here, "two", fs, "one", if_match=first.content)
            with pytest.raises(RcloneError):
                await rclone.copy_file(here, "three", fs, "one", if_match=first.content)
            batch = await rclone.copy_batch(here, fs, ["one", "new"], Batch(new_only=True))
            assert batch.fault is not None
            assert batch.fault.fault is Fault.CHANGED
            assert set(batch.failed) == {"one"}
            assert await rclone.stat(fs, "new") is not None

    asyncio.run(run())


@pytest.mark.parametrize("kind", STORES)
def test_folders_are_made_and_removed_only_when_empty(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    source = make(tmp_path / "source", ["a"])

    async def run() -> None:
        async with opened(request, tmp_path, kind) as (rclone, fs):
            await rclone.copy_file(rclone.local(source), "a", fs, "full/a")
            await rclone.mkdir(fs, "d/e")
            await rclone.mkdir(fs, "d/e")
            if not (await rclone.features(fs)).has_folders:
                await rclone.rmdir(fs, "full")
                assert await rclone.stat(fs, "full/a") is not None
                return
            assert await rclone.rmdir(fs, "d") is False
            assert await rclone.rmdir(fs, "full") is False
            assert await rclone.rmdir(fs, "d/e") is True
            assert await rclone.rmdir(fs, "d/e") is False
            assert await rclone.rmdir(fs, "d") is True
            assert await rclone.stat(fs, "full/a") is not None

    asyncio.run(run())


@pytest.mark.parametrize("kind", STORES)
def test_a_purge_takes_everything_below_and_nothing_beside(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    names = ["d/a", "d/e/b", "dd/c"]
    source = make(tmp_path / "source", names)

    async def run() -> None:
        async with opened(request, tmp_path, kind) as (rclone, fs):
            await rclone.copy_batch(rclone.local(source), fs, names)
            await rclone.purge(fs, "d")
            await rclone.purge(fs, "d")
            can = await rclone.features(fs)
            entries = (await rclone.list_tree(fs, features=can)).entries
            assert [e.path for e in entries if not e.is_dir] == ["dd/c"]

    asyncio.run(run())


@pytest.mark.parametrize("kind", STORES)
def test_what_is_not_there_cannot_be_copied_moved_or_deleted(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    source = make(tmp_path / "source", ["a"])

    async def run() -> None:
        async with opened(request, tmp_path, kind) as (rclone, fs):
            await rclone.copy_file(rclone.local(source), "a", fs, "a")
            for work in (
                rclone.copy_file(fs, "gone", fs, "x"),
                rclone.move_file(fs, "gone", fs, "x"),
                rclone.delete_file(fs, "gone"),
                rclone.copy_file(rclone.local(source), "gone", fs, "x"),
            ):
                with pytest.raises(RcloneError) as caught:
                    await work
                assert caught.value.fault is Fault.MISSING

    asyncio.run(run())


def test_many_single_operations_run_at_once(tmp_path: Path, serve_s3: servers.Server) -> None:
    names = [f"f{i}" for i in range(150)]
    source = make(tmp_path / "source", names)

    async def run() -> None:
        async with servers.rclone_in(tmp_path) as rclone:
            fs = (await rclone.connect(serve_s3.remote(), os.environ)).at("many")
            here = rclone.local(source)
            await asyncio.gather(*(rclone.copy_file(here, n, fs, n) for n in names))
            can = await rclone.features(fs)
            assert len((await rclone.list_tree(fs, features=can)).entries) == len(names)
            await asyncio.gather(*(rclone.delete_file(fs, n) for n in names))
            assert not (await rclone.list_tree(fs, features=can)).entries

    asyncio.run(run())


def test_requests_on_a_bucket_are_as_few_as_they_can_be(
    tmp_path: Path, serve_s3: servers.Server
) -> None:
    names = ["a", "b", "c"]
    source, back = make(tmp_path / "source", names), tmp_path / "back"
    back.mkdir()

    async def run() -> None:
        async with servers.rclone_in(tmp_path) as rclone:
            with counting_proxy.counting(serve_s3.port) as proxy:
                here = f"http://127.0.0.1:{proxy.port}"
                root = await rclone.connect(serve_s3.remote(endpoint=here), os.environ)
                fs, local = root.at("few"), rclone.local(source)
                await rclone.copy_batch(local, fs, names)
                assert proxy.take() == {"PUT": 3}
                await rclone.copy_file(local, "a", fs, "a")
                assert proxy.take() == {"PUT": 1}
                await rclone.copy_batch(fs, rclone.local(back), names)
                assert proxy.take() == {"HEAD": 3, "GET": 3}
                await rclone.copy_file(fs, "a", fs, "d")
                assert proxy.take() == {"HEAD": 2, "COPY": 1}
                await rclone.delete_file(fs, "d")
                assert proxy.take() == {"HEAD": 1, "DELETE": 1}

    asyncio.run(run())
