"""Start and stop real storage servers on free loopback ports.

Each is a context manager that ends only the process it started, and sees it dead.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sysconfig
import time
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bm_sync.model.config import BUILT_IN, BackendRemote
from bm_sync.rclone.binary import find
from bm_sync.rclone.client import Rclone
from bm_sync.rclone.daemon import dying_with

KEY_ID = "AKIATESTKEYOFBMSYNC"
SECRET_KEY = "canary-secret-key-of-the-tests"
USER = "someone"
PASSWORD = "canary-password-of-the-tests"
BUCKET = "bucket"
_READY_WITHIN_S = 60.0
FORGETFUL = ("--dir-cache-time", "100ms")  # for a test that edits the folder behind a server
REMEMBERED_S = 0.15  # as long as a forgetful server may tell an old listing of that folder


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: how to reach it, and the folder behind it (None when it has its own form).

    `port` is where it listens.
    """

    type: str
    options: tuple[tuple[str, str], ...]
    port: int
    folder: Path | None
    pid: int = 0
    root: str = ""

    def remote(self, root: str | None = None, **more: str) -> BackendRemote:
        """Return the remote of a manifest that reaches this server."""
        chosen = self.root if root is None else root
        options = {**dict(self.options), **more}
        return BackendRemote("store", self.type, tuple(options.items()), chosen, BUILT_IN)


@contextlib.asynccontextmanager
async def rclone_in(folder: Path, env: Mapping[str, str] = os.environ) -> AsyncIterator[Rclone]:
    """Run our own rclone client with its runtime directory below `folder`."""
    rclone = Rclone(find(None, env), run_dir=folder / "run", env=env)
    try:
        yield rclone
    finally:
        await rclone.stop()


async def kill(rclone: Rclone) -> None:
    """Kill the daemon of `rclone` and wait until that is seen."""
    assert rclone.pid is not None
    os.kill(rclone.pid, signal.SIGKILL)
    while rclone.pid is not None:  # noqa: ASYNC110 - another process ends
        await asyncio.sleep(0.005)


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextlib.contextmanager
def serve_s3(folder: Path, *extra: str) -> Iterator[Server]:
    """Run `rclone serve s3`; `folder` holds one directory for each bucket."""
    (folder / BUCKET).mkdir(parents=True, exist_ok=True)
    flags = ("--auth-key", f"{KEY_ID},{SECRET_KEY}", *extra)
    with _serving("s3", folder, *flags) as (port, pid):
        yield Server("s3", s3_options("Rclone", port), port, folder, pid, BUCKET)


@contextlib.contextmanager
def serve_s3_openly(folder: Path) -> Iterator[Server]:
    """Run `rclone serve s3` that asks for no signature."""
    (folder / BUCKET).mkdir(parents=True, exist_ok=True)
    with _serving("s3", folder) as (port, pid):
        yield Server("s3", s3_options("Rclone", port), port, folder, pid, BUCKET)


@contextlib.contextmanager
def serve_webdav(folder: Path, *extra: str) -> Iterator[Server]:
    """Run `rclone serve webdav`."""
    flags = ("--user", USER, "--pass", PASSWORD, *extra)
    with _serving("webdav", folder, *flags) as (port, pid):
        options = {
            "url": f"http://127.0.0.1:{port}",
            "vendor": "rclone",
            "user": USER,
            "pass": PASSWORD,
        }
        yield Server("webdav", tuple(options.items()), port, folder, pid)


@contextlib.contextmanager
def serve_sftp(folder: Path, *extra: str) -> Iterator[Server]:
    """Run `rclone serve sftp`."""
    flags = ("--user", USER, "--pass", PASSWORD, *extra)
    with _serving("sftp", folder, *flags) as (port, pid):
        options = {"host": "127.0.0.1", "port": str(port), "user": USER, "pass": PASSWORD}
        yield Server("sftp", tuple(options.items()), port, folder, pid)


def s3_options(provider: str, port: int) -> tuple[tuple[str, str], ...]:
    """Return the options of an S3 remote on a loopback port."""
    return (
        ("provider", provider),
        ("endpoint", f"http://127.0.0.1:{port}"),
        ("access_key_id", KEY_ID),
        ("secret_access_key", SECRET_KEY),
    )


@contextlib.contextmanager
def seaweedfs(folder: Path) -> Iterator[Server]:
    """Run SeaweedFS (`weed mini`), a real object store, with one bucket; SIGKILL ends it."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("master", "volume", "filer", "s3", "webdav", "admin")
    ports = dict(zip(names, _free_ports(len(names)), strict=True))
    weed = Path(sysconfig.get_path("scripts")) / "weed"
    command = [str(weed), "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    command += [f"-{name}.port={port}" for name, port in ports.items()]
    env = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    env |= {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    with running(command, env, ports["s3"]) as pid:
        options = s3_options("SeaweedFS", ports["s3"])
        _make_bucket(options)
        yield Server("s3", options, ports["s3"], None, pid, BUCKET)


def _free_ports(count: int) -> list[int]:
    """Return ports that are free now, as are those 10,000 above, which weed takes for gRPC."""
    found: list[int] = []
    while len(found) < count:
        port = free_port()
        if port < 55_000 and port not in found:
            found.append(port)
    return found


def _make_bucket(options: tuple[tuple[str, str], ...]) -> None:
    """Make the bucket, which also waits until the store takes writes."""
    env = {"PATH": os.environ["PATH"], "RCLONE_CONFIG": os.devnull}
    env |= {f"RCLONE_CONFIG_STORE_{key.upper()}": value for key, value in options}
    env["RCLONE_CONFIG_STORE_TYPE"] = "s3"
    rclone = str(find(None, os.environ).path)
    deadline = time.monotonic() + _READY_WITHIN_S
    for words in (["mkdir", f"store:{BUCKET}"], ["touch", f"store:{BUCKET}/ready"]):
        while subprocess.run([rclone, *words, "--retries=1"], env=env, check=False).returncode:
            if time.monotonic() > deadline:
                raise RuntimeError("the store takes no writes")
    subprocess.run([rclone, "deletefile", f"store:{BUCKET}/ready"], env=env, check=True)


@contextlib.contextmanager
def running(command: list[str], env: dict[str, str], port: int) -> Iterator[int]:
    """Run a program until the block ends and yield its pid once `port` takes connections."""
    with _started(command, env) as process:
        try:
            _wait_for(port, process)
            yield process.pid
        finally:
            process.kill()
            process.wait(timeout=10)


def _started(command: list[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
    with warnings.catch_warnings():
        # Python 3.12 warns of every fork beside threads; the child only calls exec
        warnings.simplefilter("ignore", DeprecationWarning)
        return subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=dying_with(os.getpid()),  # noqa: PLW1509 - not to outlive a killed run
        )


@contextlib.contextmanager
def _serving(kind: str, folder: Path, *flags: str) -> Iterator[tuple[int, int]]:
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    with serving(kind, folder, port, *flags) as pid:
        yield port, pid


@contextlib.contextmanager
def serving(kind: str, folder: Path, port: int, *flags: str) -> Iterator[int]:
    """Serve a folder with rclone on a port and yield the pid; SIGKILL ends it."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder.parent), "RCLONE_CONFIG": os.devnull}
    rclone = str(find(None, os.environ).path)
    command = [rclone, "serve", kind, str(folder), "--addr", f"127.0.0.1:{port}", *flags]
    with running(command, env, port) as pid:
        yield pid


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with code {process.returncode}")
        if time.monotonic() > deadline:
            raise RuntimeError("the server takes no connections")
        time.sleep(0.01)  # between two looks at a condition
