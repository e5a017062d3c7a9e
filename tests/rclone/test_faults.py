"""rclone's sentences and what they mean for the caller."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import counting_proxy
import pytest
import servers

from bm_sync.rclone.client import Rclone
from bm_sync.rclone.faults import Fault, RcloneError, classify, plain
from bm_sync.rclone.remotes import Fs
from bm_sync.rclone.transfer import Batch

S3 = "operation error S3: PutObject, https response error StatusCode: "


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"{S3}412, RequestID: 1, api error PreconditionFailed: x", Fault.CHANGED),
        (f"{S3}503, RequestID: 1, api error SlowDown: reduce", Fault.TRANSIENT),
        (f"{S3}500, RequestID: 1, api error InternalError", Fault.TRANSIENT),
        (f"{S3}507, RequestID: 1, api error InsufficientStorage", Fault.FULL),
        (f"{S3}403, RequestID: 1, api error AccessDenied", Fault.FORBIDDEN),
        (f"{S3}403, api error InvalidAccessKeyId: no such key", Fault.AUTH),
        (f"{S3}403, api error SignatureDoesNotMatch", Fault.AUTH),
        (f"{S3}404, api error NoSuchBucket: The specified bucket", Fault.STORE_MISSING),
        (f"{S3}404, api error NoSuchKey", Fault.MISSING),
        (f"{S3}0, RequestID: , request send failed, dial tcp: connection refused", Fault.TRANSIENT),
        ("Update SetModTime failed: SetModTime failed: file does not exist", Fault.TRANSIENT),
        ("copy mkParentDir failed: Locked: 423 Locked", Fault.TRANSIENT),
        ("Get http://h/: dial tcp: lookup h: no such host", Fault.TRANSIENT),
        ("read tcp 1.2.3.4: i/o timeout", Fault.TRANSIENT),
        ("unexpected EOF", Fault.TRANSIENT),
        ("write: connection reset by peer", Fault.TRANSIENT),
        ("context canceled", Fault.CANCELLED),
        ("preallocate: file too big for remaining disk space", Fault.FULL),
        ("write /x: no space left on device", Fault.FULL),
        ("googleapi: Error 403: storageQuotaExceeded", Fault.FULL),
        ("can't copy - source file is being updated (size changed)", Fault.SOURCE_CHANGED),
        ("failed to open source object: lstat /x: no such file or directory", Fault.SOURCE_CHANGED),
        ("failed to open source object: open /x: permission denied", Fault.FORBIDDEN),
        ("corrupted on transfer: md5 hashes differ", Fault.SOURCE_CHANGED),
        ("mkdir /x: permission denied", Fault.FORBIDDEN),
        ("open /x: read-only file system", Fault.FORBIDDEN),
        ("open /x: file name too long", Fault.NAME),
        ("error in ListJSON: directory not found", Fault.MISSING),
        ("object not found", Fault.MISSING),
        ("rmdir failed: Not Found: 404 Not Found", Fault.MISSING),
        ('didn\'t find section in config file ("x")', Fault.CONFIG),
        ("ssh: handshake failed: ssh: unable to authenticate", Fault.AUTH),
        ("couldn't list: 401 Unauthorized", Fault.AUTH),
        ("something nobody has seen", Fault.OTHER),
        ("", Fault.OTHER),
    ],
)
def test_a_sentence_of_rclone_means_one_fault(text: str, fault: Fault) -> None:
    assert classify(text) is fault


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (
            f'{S3}0, , Get "http://h:9/b": dial tcp 10.0.0.1:9: connect: connection refused',
            "10.0.0.1:9 refuses the connection",
        ),
        (
            "Get http://h/: dial tcp: lookup h on 1.1.1.1:53: no such host",
            "the host h cannot be found",
        ),
        (
            f'{S3}0, , Get "https://h:9/b": http: server gave HTTP response to HTTPS client',
            "h:9 speaks http, and https was asked for",
        ),
        (
            'Get "https://h/": tls: failed to verify certificate: x509: signed by nobody',
            "the certificate of h is not trusted: signed by nobody",
        ),
        ("dial tcp 10.0.0.1:9: i/o timeout", "10.0.0.1:9 does not answer"),
        (
            f"{S3}403, api error InvalidAccessKeyId: no such key",
            "the store does not know the access key",
        ),
        (f"{S3}403, api error SignatureDoesNotMatch", "the secret key does not fit the access key"),
        (
            f"{S3}403, RequestID: 1, api error AccessDenied",
            "the store does not allow this account what was asked (PutObject: access denied)",
        ),
        (f"{S3}404, api error NoSuchBucket: The specified bucket", "the bucket does not exist"),
        (
            f"{S3}503, RequestID: 1, HostID: , api error SlowDown: reduce",
            "the store answers 503 to PutObject: SlowDown: reduce",
        ),
        (
            f"{S3}507, RequestID: 1, api error InsufficientStorage",
            "there is no room left on the store",
        ),
        ("googleapi: Error 403: storageQuotaExceeded", "the quota of the account is used up"),
        (
            "error in ListJSON: couldn't list files: Unauthorized: 401 Unauthorized",
            "the server refuses the user name or the password (401)",
        ),
        (
            "ssh: handshake failed: ssh: unable to authenticate, attempted methods [none password]",
            "the SSH server refuses the sign-in (tried: none password)",
        ),
        ("open /x: read-only file system", "open /x: read-only file system"),
        ("something nobody has seen", "something nobody has seen"),
    ],
)
def test_a_sentence_of_rclone_is_told_by_its_cause(text: str, cause: str) -> None:
    assert plain(text) == cause


async def fault_of_listing(rclone: Rclone, fs: Fs) -> Fault:
    features = await rclone.features(fs)
    with pytest.raises(RcloneError) as caught:
        await rclone.list_tree(fs, features=features)
    return caught.value.fault


def test_a_server_that_is_not_there_is_transient(tmp_path: Path, serve_s3: servers.Server) -> None:
    async def run() -> None:
        async with servers.rclone_in(tmp_path) as rclone:
            nobody = f"http://127.0.0.1:{servers.free_port()}"
            fs = await rclone.connect(serve_s3.remote(endpoint=nobody), os.environ)
            assert await fault_of_listing(rclone, fs) is Fault.TRANSIENT

    asyncio.run(run())


def test_a_server_that_comes_back_is_used_again(tmp_path: Path, serve_s3: servers.Server) -> None:
    async def run() -> None:
        async with servers.rclone_in(tmp_path) as rclone:
            with counting_proxy.counting(serve_s3.port) as proxy:
                here = f"http://127.0.0.1:{proxy.port}"
                fs = await rclone.connect(serve_s3.remote(endpoint=here), os.environ)
                proxy.instead = lambda _kind, _path: 503
                assert await fault_of_listing(rclone, fs) is Fault.TRANSIENT
                proxy.instead = None
                await rclone.list_tree(fs, features=await rclone.features(fs))

    asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "fault"), [(403, Fault.FORBIDDEN), (507, Fault.FULL), (503, Fault.TRANSIENT)]
)
def test_one_file_that_the_store_refuses_does_not_keep_the_others_from_going(
    tmp_path: Path, serve_s3: servers.Server, status: int, fault: Fault
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    names = [f"f{i}" for i in range(12)]
    for name in names:
        (source / name).write_text(name)

    async def run() -> None:
        async with servers.rclone_in(tmp_path) as rclone:
            with counting_proxy.counting(serve_s3.port) as proxy:
                here = f"http://127.0.0.1:{proxy.port}"
                fs = await rclone.connect(serve_s3.remote(endpoint=here), os.environ)
                fs = fs.at(f"refused-{status}")
                proxy.instead = lambda kind, path: (
                    status if kind == "PUT" and "/f3?" in f"{path}?" else None
                )
                result = await rclone.copy_batch(rclone.local(source), fs, names, Batch())
                assert result.fault is not None
                assert result.fault.fault is fault
                assert {p: e.fault for p, e in result.failed.items()} == {"f3": fault}
                proxy.instead = None
                listing = await rclone.list_tree(fs, features=await rclone.features(fs))
                assert {e.path for e in listing.entries} == set(names) - {"f3"}

    asyncio.run(run())
