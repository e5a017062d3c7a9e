"""A bucket of the cloud: its header goes with every request, its keys are renewed when refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import servers
from counting_proxy import CountingProxy, counting

from bm_sync.rclone import bucket as buckets
from bm_sync.rclone.bucket import Bucket
from bm_sync.rclone.client import Rclone
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.remotes import Definition
from bm_sync.rclone.transfer import Batch
from bm_sync.secret import Secret
from bm_sync.structs import replace

RIGHT = Secret(servers.SECRET_KEY)
WRONG = Secret("canary-another-secret")


@pytest.fixture
def proxy(serve_s3: servers.Server) -> Iterator[CountingProxy]:
    with counting(serve_s3.port) as found:
        found.watched = ("X-Tigris-Consistent", "true")
        yield found


def bucket(proxy: CountingProxy, secret: Secret = RIGHT) -> Bucket:
    return Bucket("cloud", f"http://127.0.0.1:{proxy.port}", servers.BUCKET, servers.KEY_ID, secret)


class Giver:
    """Gives keys, and counts how often."""

    def __init__(self, *answers: Bucket | None) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, refusal: RcloneError) -> Bucket | None:
        assert refusal.fault is Fault.AUTH
        self.asked += 1
        await asyncio.sleep(0)
        return self.answers.pop(0) if self.answers else None


def run(folder: Path, act: Callable[[Rclone], Awaitable[None]]) -> None:
    async def go() -> None:
        async with servers.rclone_in(folder) as rclone:
            await act(rclone)

    asyncio.run(go())


def local(folder: Path, **files: bytes) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def test_the_header_goes_with_every_kind_of_request(
    tmp_path: Path, proxy: CountingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = buckets.bucket_definition

    def in_parts(known: Bucket, name: str) -> Definition:
        made = make(known, name)
        small = (("upload_cutoff", "5Mi"), ("chunk_size", "5Mi"), ("copy_cutoff", "1Gi"))
        return replace(made, options=made.options + small)

    monkeypatch.setattr("bm_sync.rclone.client.bucket_definition", in_parts)
    files = local(tmp_path / "files", one=b"1", two=b"22", big=b"x" * (6 << 20))
    inbox = local(tmp_path / "inbox")

    async def act(rclone: Rclone) -> None:
        top = await rclone.connect_bucket(bucket(proxy), Giver())
        fs = top.at("header")
        features = await rclone.features(fs)
        await rclone.list_tree(fs, features=features)
        await rclone.copy_batch(rclone.local(files), fs, ["one", "two", "big"], Batch())
        await rclone.copy_file(rclone.local(files), "one", fs, "single")
        await rclone.list_some(fs, ["one", "gone"], features=features, mtime=True, content=True)
        await rclone.stat(fs, "two", features=features)
        await rclone.copy_file(fs, "one", top, "kept/one")
        await rclone.move_file(fs, "two", fs, "moved")
        result = await rclone.copy_batch(fs, rclone.local(inbox), ["one", "big"], Batch())
        assert result.fault is None
        await rclone.mkdir(fs, "folder")
        await rclone.ping(top)
        await rclone.clock_skew_s(top)
        await rclone.supports_conditions(top)
        await rclone.delete_file(fs, "one")
        await rclone.purge(top, "header")
        await rclone.purge(top, "kept")

    run(tmp_path, act)
    assert (inbox / "big").stat().st_size == 6 << 20
    kinds = proxy.take()
    assert {"LIST", "HEAD", "GET", "PUT", "POST", "COPY", "DELETE"} <= set(kinds)
    assert not +proxy.without


def test_another_remote_of_the_same_run_has_no_header(
    tmp_path: Path, proxy: CountingProxy, serve_s3: servers.Server
) -> None:
    async def act(rclone: Rclone) -> None:
        cloud = await rclone.connect_bucket(bucket(proxy), Giver())
        endpoint = f"http://127.0.0.1:{proxy.port}"
        other = await rclone.connect(serve_s3.remote(endpoint=endpoint), {})
        await rclone.ping(cloud)
        assert not +proxy.without
        await rclone.ping(other)

    run(tmp_path, act)
    assert +proxy.without == {"LIST": 1}


def test_refused_keys_are_renewed_once_for_all_who_wait(
    tmp_path: Path, proxy: CountingProxy
) -> None:
    giver = Giver(bucket(proxy))

    async def act(rclone: Rclone) -> None:
        top = await rclone.connect_bucket(bucket(proxy, WRONG), giver)
        features = await rclone.features(top)
        folders = [top.at(f"none/{n}") for n in range(8)]
        async with asyncio.TaskGroup() as group:
            for fs in folders:
                group.create_task(rclone.list_tree(fs, features=features))

    run(tmp_path, act)
    assert giver.asked == 1


def test_a_connection_that_still_has_the_old_keys_is_made_again(
    tmp_path: Path, proxy: CountingProxy
) -> None:
    giver = Giver(bucket(proxy))
    refused = RcloneError("SignatureDoesNotMatch", fault=Fault.AUTH)

    async def act(rclone: Rclone) -> None:
        top = await rclone.connect_bucket(bucket(proxy, WRONG), giver)
        answers: list[RcloneError | None] = [refused, refused, None]

        async def stale(_live: object) -> str:
            answer = answers.pop(0)
            if answer is not None:
                raise answer
            return "done"

        assert await rclone._calls.make(stale, top) == "done"
        assert not answers
        answers.append(refused)
        with pytest.raises(RcloneError):  # nothing is left to try: the keys are bad
            await rclone._calls.make(stale, top)

    run(tmp_path, act)
    assert giver.asked == 2


def test_a_single_look_and_a_batch_go_on_with_new_keys(
    tmp_path: Path, proxy: CountingProxy
) -> None:
    files = local(tmp_path / "files", one=b"1", two=b"22")

    async def look(rclone: Rclone) -> None:
        giver = Giver(bucket(proxy))
        top = await rclone.connect_bucket(bucket(proxy, WRONG), giver)
        features = await rclone.features(top)
        # a HEAD, whose refusal has no words
        assert not await rclone.list_some(
            top, ["none"], features=features, mtime=True, content=True
        )
        assert giver.asked == 1

    async def upload(rclone: Rclone) -> None:
        giver = Giver(bucket(proxy))
        top = await rclone.connect_bucket(bucket(proxy, WRONG), giver)
        source, fs = rclone.local(files), top.at("batch")
        first = await rclone.copy_batch(source, fs, ["one", "two"], Batch())
        assert first.fault is not None
        assert first.fault.fault is Fault.TRANSIENT  # its caller tries again what is left
        assert (await rclone.copy_batch(source, fs, ["one", "two"], Batch())).fault is None
        assert giver.asked == 1
        await rclone.purge(top, "batch")

    run(tmp_path, look)
    run(tmp_path, upload)


def test_keys_that_are_refused_again_are_an_error(tmp_path: Path, proxy: CountingProxy) -> None:
    giver = Giver(bucket(proxy, WRONG))

    async def act(rclone: Rclone) -> None:
        top = await rclone.connect_bucket(bucket(proxy, WRONG), giver)
        for _ in range(3):
            with pytest.raises(RcloneError) as e:
                await rclone.ping(top)
            assert e.value.fault is Fault.AUTH
            assert WRONG.reveal() not in e.value.what

    run(tmp_path, act)
    assert giver.asked == 2  # not again after the answer that there are no more


def test_a_refusal_that_is_not_of_the_keys_renews_nothing(
    tmp_path: Path, proxy: CountingProxy
) -> None:
    proxy.instead = lambda kind, _: 403 if kind == "HEAD" else None
    giver = Giver(bucket(proxy))

    async def act(rclone: Rclone) -> None:
        top = await rclone.connect_bucket(bucket(proxy), giver)
        features = await rclone.features(top)
        with pytest.raises(RcloneError) as e:
            await rclone.list_some(top, ["one"], features=features, mtime=True, content=True)
        assert e.value.fault is Fault.FORBIDDEN

    run(tmp_path, act)
    assert giver.asked == 0


def test_a_new_daemon_knows_the_new_keys(tmp_path: Path, proxy: CountingProxy) -> None:
    giver = Giver(bucket(proxy))

    async def act(rclone: Rclone) -> None:
        top = await rclone.connect_bucket(bucket(proxy, WRONG), giver)
        await rclone.ping(top)
        await servers.kill(rclone)
        await rclone.ping(top)

    run(tmp_path, act)
    assert giver.asked == 1
    assert not +proxy.without
