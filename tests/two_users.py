"""Runs the product as several users of one machine, who have numbers and no accounts.

Needs root, and a Python that other users may read. The one that runs the tests often lies below a
home that is closed, so the package and what it imports are put where everybody may read, and run
with the first Python of the same version that others can start.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest
from cli_outside import Said
from packaging.requirements import Requirement

from bm_sync.rclone import binary

_CHECKOUT = Path(__file__).parent.parent
_TIMEOUT_S = 600
_EXTRAS = ({"extra": ""}, {"extra": "watch"})
_TRY = "import bm_sync.cli.main, httpx, jsonschema, loguru, rich, sh, tenacity, watchfiles, yaml"


@dataclass(frozen=True)
class User:
    """A user of this machine; `groups` are those beside the own one."""

    name: str
    uid: int
    groups: tuple[int, ...] = ()

    @property
    def gid(self) -> int:
        """Return the group that is this user's alone; it has the number of the user."""
        return self.uid


TEAM = 20020
ANNA = User("anna", 20011, (TEAM,))
MALLORY = User("mallory", 20012, (TEAM,))
ROOT = User("root", 0)


@dataclass(frozen=True)
class Installation:
    """The package as every user of the machine can run it."""

    python: str
    packages: Path
    rclone: Path

    def words(self, user: User, *words: str) -> list[str]:
        """Return the command line that runs the product as `user`."""
        start = "from bm_sync.cli.main import main; raise SystemExit(main())"
        return [*becoming(user), self.python, "-c", start, *words]


@dataclass(frozen=True)
class Machine:
    """A folder that everybody may enter, in which each user has a home."""

    installation: Installation
    root: Path

    def home(self, user: User) -> Path:
        """Return the user's home; nobody else may write in it."""
        return self.root / user.name

    def env(self, user: User) -> dict[str, str]:
        """Return an environment without anything of the user who runs the tests."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": str(self.installation.packages),
            "PYTHONDONTWRITEBYTECODE": "1",
            "BM_SYNC_RCLONE": str(self.installation.rclone),
            "HOME": str(self.home(user)),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "COLUMNS": "100",
        }

    def run(
        self, user: User, *words: str, cwd: Path | None = None, stdin: str = "", **env: str
    ) -> Said:
        """Run one command line as `user`, in the user's home unless `cwd` says where."""
        done = subprocess.run(
            self.installation.words(user, *words),
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            cwd=cwd or self.home(user),
            env={**self.env(user), **env},
            timeout=_TIMEOUT_S,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def shell(self, user: User, script: str, *, cwd: Path | None = None, **env: str) -> Said:
        """Run shell commands as `user`; `bm-sync` is the product."""
        start = " ".join(f"'{word}'" for word in self.installation.words(ROOT)[-3:])
        done = subprocess.run(
            [*becoming(user), "bash", "-c", f'bm-sync() {{ {start} "$@"; }}\n{script}'],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            cwd=cwd or self.home(user),
            env={**self.env(user), **env},
            timeout=_TIMEOUT_S,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def running(
        self, user: User, *words: str, cwd: Path | None = None, **env: str
    ) -> Iterator[Running]:
        """Run the product as `user` in the background; ended when the block ends."""
        log = self.root / f"running-{time.monotonic_ns()}"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                self.installation.words(user, *words),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd=cwd or self.home(user),
                env={**self.env(user), **env},
            )
        try:
            yield Running(process, log)
        finally:
            process.terminate()
            process.wait(_TIMEOUT_S)

    def write(self, user: User, file: Path, text: str = "text\n", mode: int = 0o644) -> Path:
        """Write a file that belongs to `user`; folders that are missing are the user's, too."""
        missing = [folder for folder in file.parents if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir(mode=0o755)
            os.chown(folder, user.uid, user.gid)
        file.write_text(text, encoding="utf-8")
        os.chown(file, user.uid, user.gid)
        file.chmod(mode)
        return file


@dataclass(frozen=True)
class Running:
    """The product in the background."""

    process: subprocess.Popen[bytes]
    log: Path

    def until(self, holds: Callable[[str], bool]) -> str:
        """Wait until what was said satisfies `holds`; return it. Fails when the time is over."""
        end = time.monotonic() + _TIMEOUT_S
        while True:
            ended = self.process.poll() is not None
            text = self.log.read_text(encoding="utf-8", errors="replace")
            if holds(text):
                return text
            if ended or time.monotonic() > end:
                pytest.fail(f"waited in vain; it said:\n{text}")
            time.sleep(0.05)


def becoming(user: User) -> list[str]:
    """Return what to put before a command line; setpriv itself would start a program as root.

    Its `env` has no right of root any more, so that what it starts must be open to the user.
    """
    groups = f"--groups={','.join(map(str, user.groups))}" if user.groups else "--clear-groups"
    return ["setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", groups, "env"]


@contextmanager
def installed() -> Iterator[Installation]:
    """Put the package where every user may read it; skip where that is not possible."""
    if os.geteuid() != 0:
        pytest.skip("only root can be two users")
    if shutil.which("setpriv") is None:
        pytest.skip("there is no setpriv (util-linux) to be another user with")
    with tempfile.TemporaryDirectory(prefix="bm-sync-two-users-") as name:
        packages = Path(name)
        packages.chmod(0o755)
        _put_packages(packages)
        rclone = packages / "rclone"
        _put(str(binary.find(None, os.environ).path), str(rclone))
        yield Installation(_python(packages), packages, rclone)


@contextmanager
def machine(installation: Installation, users: Sequence[User]) -> Iterator[Machine]:
    """Make a machine with a home for each of the users."""
    with tempfile.TemporaryDirectory(prefix="bm-sync-homes-") as name:
        root = Path(name)
        root.chmod(0o755)
        made = Machine(installation, root)
        for user in users:
            made.home(user).mkdir(mode=0o755)
            os.chown(made.home(user), user.uid, user.gid)
        yield made


def _python(packages: Path) -> str:
    """Return a Python that another user can run the package with."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = [shutil.which(version, path=folder) for folder in os.get_exec_path()]
    fixed = (f"/usr/bin/{version}", f"/usr/local/bin/{version}", "/usr/bin/python3")
    for python in dict.fromkeys([sys.executable, *filter(None, found), *fixed]):
        done = subprocess.run(
            [*becoming(MALLORY), python, "-c", _TRY],
            env={"PYTHONPATH": str(packages), "PYTHONDONTWRITEBYTECODE": "1"},
            cwd="/",
            capture_output=True,
            check=False,
        )
        if done.returncode == 0:
            return python
    pytest.skip(f"no {version} here can be run by other users")


def _put_packages(target: Path) -> None:
    for name in _needed("bm-sync", set()):
        dist = metadata.distribution(name)
        for file in dist.files or ():
            if ".." not in file.parts and not file.is_absolute():
                source = Path(str(dist.locate_file(file)))
                if source.is_file():
                    _put(str(source), str(target / file))
    shutil.copytree(_CHECKOUT / "runner/bm_sync", target / "bm_sync", copy_function=_put)
    shutil.copytree(_CHECKOUT / "schemas", target / "bm_sync/schemas", copy_function=_put)


def _needed(name: str, known: set[str]) -> set[str]:
    """Return the distributions that one needs, and those that these need; without itself."""
    for line in metadata.requires(name) or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is not None and not any(marker.evaluate(extra) for extra in _EXTRAS):
            continue
        if requirement.name not in known:
            known.add(requirement.name)
            _needed(requirement.name, known)
    return known


def _put(source: str, target: str) -> None:
    """Give a file a second name where others can reach it, or copy it."""
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    if Path(target).exists():
        return
    readable = Path(source).stat().st_mode & 0o444 == 0o444
    try:
        if not readable:
            raise PermissionError(source)
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
        Path(target).chmod(0o755)
