"""What a listing tells, on every kind of store."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import counting_proxy
import pytest
import servers

from bm_sync.rclone.client import Rclone
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.listing import ONE_BY_ONE_AT_MOST
from bm_sync.rclone.remotes import Fs
from bm_sync.rclone.wire import RemoteEntry, features_of, mtime_ns
from bm_sync.structs import replace

STORES = ["folder", "serve_s3", "seaweedfs", "serve_webdav", "serve_sftp"]
BUCKETS = ["serve_s3", "seaweedfs"]
MTIME_NS = 1_600_000_000_000_000_000


@dataclass(frozen=True, slots=True)
class Store:
    """One kind of store, and a place in it that no other test uses."""

    kind: str
    server: servers.Server | None
    scratch: Path
    place: str

    @asynccontextmanager
    async def opened(self, **options: str) -> AsyncIterator[tuple[Rclone, Fs]]:
        async with servers.rclone_in(self.scratch) as rclone:
            if self.server is None:
                root = rclone.local(self.scratch / "folder")
            else:
                root = await rclone.connect(self.server.remote(**options), os.environ)
            yield rclone, root.at(self.place)


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    kind = request.param
    server = None if kind == "folder" else request.getfixturevalue(kind)
    (tmp_path / "folder").mkdir()
    return Store(kind, server, tmp_path, f"{tmp_path.parent.name}-{tmp_path.name}")


everywhere = pytest.mark.parametrize("store", STORES, indirect=True)
on_buckets = pytest.mark.parametrize("store", BUCKETS, indirect=True)


def make(folder: Path, files: dict[str, str]) -> list[str]:
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        os.utime(file, ns=(MTIME_NS, MTIME_NS))
    return sorted(files)


async def put(rclone: Rclone, folder: Path, fs: Fs, files: dict[str, str]) -> list[str]:
    names = await asyncio.to_thread(make, folder, files)
    result = await rclone.copy_batch(rclone.local(folder), fs, names)
    assert result.fault is None
    return names


def md5(text: str) -> str:
    return f"md5:{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}"


@everywhere
def test_a_tree_is_listed_with_the_stamps_that_the_backend_lists_cheaply(store: Store) -> None:
    files = {"a": "one", "d/b": "two", "d/e/c": "three", "empty": ""}

    async def run() -> None:
        async with store.opened() as (rclone, fs):
            await put(rclone, store.scratch / "source", fs, files)
            can = await rclone.features(fs)
            listing = await rclone.list_tree(fs, features=can)
            found = {e.path: e for e in listing.entries if not e.is_dir}
            folders = {e.path for e in listing.entries if e.is_dir}
            assert {p: e.size for p, e in found.items()} == {p: len(t) for p, t in files.items()}
            assert folders == ({"d", "d/e"} if can.has_folders else set())
            bucket = store.kind in BUCKETS
            for path, entry in found.items():
                assert entry.content == (md5(files[path]) if bucket else None)
                assert entry.mtime_ns == (None if bucket else MTIME_NS)

    asyncio.run(run())


@everywhere
def test_single_files_have_the_same_stamps_as_in_the_tree(store: Store) -> None:
    count = ONE_BY_ONE_AT_MOST + 20
    files = {f"d{i % 3}/e/f{i}": str(i) for i in range(count)}

    async def run() -> None:
        async with store.opened() as (rclone, fs):
            names = await put(rclone, store.scratch / "source", fs, files)
            can = await rclone.features(fs)
            tree = {e.path: e for e in (await rclone.list_tree(fs, features=can)).entries}
            for asked in (names[:5], names, [n for n in names if n.startswith("d1/")]):
                some = await rclone.list_some(
                    fs, [*asked, "d1/e/none", "d1"], features=can, mtime=False, content=True
                )
                assert some == {name: tree[name] for name in asked}
            timed = await rclone.list_some(fs, names, features=can, mtime=True, content=False)
            assert {e.mtime_ns for e in timed.values()} == {MTIME_NS}
            assert timed.keys() == set(names)

    asyncio.run(run())


@everywhere
def test_asking_for_nothing_or_for_what_is_not_there_gives_nothing(store: Store) -> None:
    missing = [f"nowhere/f{i}" for i in range(ONE_BY_ONE_AT_MOST + 1)]

    async def run() -> None:
        async with store.opened() as (rclone, fs):
            await put(rclone, store.scratch / "source", fs, {"a": "a"})
            can = await rclone.features(fs)
            for asked in ([], missing[:3], missing, [os.fsdecode(b"\xff")]):
                found = await rclone.list_some(fs, asked, features=can, mtime=False, content=True)
                assert found == {}
            assert await rclone.stat(fs, "nowhere/f") is None

    asyncio.run(run())


@everywhere
def test_a_missing_folder_is_missing_and_a_missing_prefix_is_empty(store: Store) -> None:
    async def run() -> None:
        async with store.opened() as (rclone, fs):
            can = await rclone.features(fs)
            if can.bucket_based:
                assert not (await rclone.list_tree(fs, features=can)).entries
                return
            with pytest.raises(RcloneError) as caught:
                await rclone.list_tree(fs, features=can)
            assert caught.value.fault is Fault.MISSING

    asyncio.run(run())


@on_buckets
def test_a_missing_bucket_is_told_from_an_empty_one(store: Store) -> None:
    async def run() -> None:
        async with servers.rclone_in(store.scratch) as rclone:
            assert store.server is not None
            gone = store.server.remote("no-such-bucket")
            fs = await rclone.connect(gone, os.environ)
            with pytest.raises(RcloneError) as caught:
                await rclone.list_tree(fs, features=await rclone.features(fs))
            assert caught.value.fault is Fault.STORE_MISSING

    asyncio.run(run())


def test_a_quiet_bucket_costs_one_request_for_a_thousand_objects(
    tmp_path: Path, serve_s3: servers.Server
) -> None:
    files = {f"d{i % 7}/f{i}": "x" for i in range(1_100)}

    async def run() -> None:
        async with servers.rclone_in(tmp_path) as rclone:
            with counting_proxy.counting(serve_s3.port) as proxy:
                here = f"http://127.0.0.1:{proxy.port}"
                root = await rclone.connect(serve_s3.remote(endpoint=here), os.environ)
                fs = root.at("thousand")
                can = await rclone.features(fs)
                assert proxy.take() == {}
                names = await put(rclone, tmp_path / "source", fs, files)
                sent = proxy.take()
                assert sent.keys() == {"PUT"}
                assert sent["PUT"] - len(files) < 10  # rclone sends again what a busy server drops
                assert len((await rclone.list_tree(fs, features=can)).entries) == len(files)
                assert proxy.take() == {"LIST": 2}
                await rclone.list_some(fs, names[:9], features=can, mtime=True, content=True)
                assert proxy.take() == {"HEAD": 9}
                await rclone.list_some(fs, names[:999], features=can, mtime=False, content=True)
                assert proxy.take() == {"LIST": 2}

    asyncio.run(run())


@on_buckets
def test_an_object_of_many_parts_has_its_time_where_it_has_no_hash(store: Store) -> None:
    parts = {"upload_cutoff": "5Mi", "chunk_size": "5Mi", "disable_checksum": "true"}
    big = "x" * (6 * 1024 * 1024)

    async def run() -> None:
        async with store.opened(**parts) as (rclone, fs):
            names = await put(rclone, store.scratch / "source", fs, {"big": big, "small": "s"})
            can = await rclone.features(fs)
            tree = {e.path: e for e in (await rclone.list_tree(fs, features=can)).entries}
            assert tree["small"] == RemoteEntry("small", 1, None, md5("s"), is_dir=False)
            if tree["big"].content is None:
                assert tree["big"].mtime_ns == MTIME_NS
            else:
                assert tree["big"].content == md5(big), "this server computes the hash itself"
            some = await rclone.list_some(fs, names, features=can, mtime=False, content=True)
            assert some == tree

    asyncio.run(run())


def test_an_object_whose_tag_is_no_hash_has_its_time(
    tmp_path: Path, seaweedfs: servers.Server
) -> None:
    async def run() -> None:
        async with servers.rclone_in(tmp_path) as rclone:
            parts = {"upload_cutoff": "5Mi", "chunk_size": "5Mi", "disable_checksum": "true"}
            fs = (await rclone.connect(seaweedfs.remote(**parts), os.environ)).at("tags")
            await put(rclone, tmp_path / "source", fs, {"big": "x" * (11 * 1024 * 1024)})
            can = await rclone.features(fs)
            (big,) = (await rclone.list_tree(fs, features=can)).entries
            assert (big.content, big.mtime_ns) == (None, MTIME_NS)

    asyncio.run(run())


def test_a_key_that_would_lead_out_of_the_folder_is_named_and_not_listed(
    tmp_path: Path, seaweedfs: servers.Server
) -> None:
    """The escaping key is written by a remote that encodes nothing."""

    async def run() -> None:
        async with servers.rclone_in(tmp_path) as rclone:
            root = (await rclone.connect(seaweedfs.remote(), os.environ)).at("escape")
            await put(rclone, tmp_path / "source", root, {"good": "x", "\uff0e\uff0e": "twin"})
            raw = seaweedfs.remote(encoding="Slash")
            fs = (await rclone.connect(raw, os.environ)).at("escape")
            listing = await rclone.list_tree(fs, features=await rclone.features(fs))
            assert "good" in {e.path for e in listing.entries}
            assert not any(".." in e.path.split("/") for e in listing.entries)

    asyncio.run(run())


@everywhere
def test_contents_are_learned_where_listings_do_not_tell_them(store: Store) -> None:
    files = {"a": "one", "d/b": "two\n", "line\nbreak": "three"}

    async def run() -> None:
        async with store.opened() as (rclone, fs):
            names = await put(rclone, store.scratch / "source", fs, files)
            can = await rclone.features(fs)
            place = store.scratch / "scratch"
            place.mkdir()
            for ask in (can, replace(can, slow_hash=None)):
                found = await rclone.contents(fs, [*names, "gone"], features=ask, scratch=place)
                for path, text in files.items():
                    kind, _, value = found[path].partition(":")
                    assert hashlib.new(kind, text.encode()).hexdigest() == value
                assert found.keys() == set(files)
            assert not list(place.iterdir())

    asyncio.run(run())


def test_the_best_hash_is_taken_and_a_slow_one_is_not_listed() -> None:
    names = ("SlowModTime", "CanHaveEmptyDirectories", "CaseInsensitive", "Copy", "Move")
    has = dict.fromkeys((*names, "BucketBased", "PartialUploads", "SlowHash"), False)
    info = {"Features": has, "Hashes": ["crc32", "sha1"], "Precision": 1}
    assert features_of(info).hash == "sha1"
    slow = features_of({**info, "Features": {**has, "SlowHash": True}})
    assert (slow.hash, slow.slow_hash) == (None, "sha1")
    assert features_of({**info, "Hashes": []}).slow_hash is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-09-13T12:26:40Z", MTIME_NS),
        ("2020-09-13T12:26:40.000000001Z", MTIME_NS + 1),
        ("2020-09-13T14:26:40.5+02:00", MTIME_NS + 500_000_000),
        ("1969-12-31T23:59:59.25Z", -750_000_000),
        ("2106-02-07T06:28:16.123456789-00:00", 4_294_967_296_123_456_789),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
    ],
)
def test_times_keep_their_nanoseconds(text: str, expected: int | None) -> None:
    assert mtime_ns(text) == expected


@everywhere
def test_a_remote_that_answers_passes_the_ping_and_tells_its_room(store: Store) -> None:
    async def run() -> None:
        async with store.opened() as (rclone, fs):
            await put(rclone, store.scratch / "source", fs, {"a": "a"})
            await rclone.ping(fs)
            room = await rclone.about(fs)
            if store.kind in {"folder", "serve_sftp"}:
                assert room is not None
                assert room.free
            skew = await rclone.clock_skew_s(fs)
            assert (skew is not None) == (store.kind in BUCKETS)
            assert skew is None or abs(skew) < 60

    asyncio.run(run())
