"""A project in a folder that others may write, and who swaps its folders for links meanwhile.

What lies outside is of the user who runs the product, and nobody else may read it. Its names are
those of the project, so that whatever leads there finds something to send or to replace.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import two_users
from cli_outside import START, Said
from crash.places import Place, environment
from machine.shores import FolderShore

CANARY = b"CANARY"
FOLDERS = ("sub", "sub/deep", "down", "down/deep")
EACH = 12
_BOTH = (("here", ("sub", "sub/deep")), ("there", ("down", "down/deep")))
_TIMEOUT_S = 300


@dataclass(frozen=True)
class Players:
    """Who runs the product and who attacks; without a machine both are the user of the tests."""

    machine: two_users.Machine | None = None

    def give(self, folder: Path) -> None:
        """Give everything below a folder to the one who runs the product."""
        if self.machine is not None:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, two_users.ANNA.uid, two_users.ANNA.gid, follow_symlinks=False)

    def apply(self, home: Path, env: dict[str, str]) -> Said:
        """Run the product once."""
        words = ("apply", "--yes", "--state-dir", str(home / "state"))
        if self.machine is not None:
            return self.machine.run(two_users.ANNA, *words, cwd=home, **env)
        own = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **env}
        command = [*START, *words]
        done = subprocess.run(
            command, cwd=home, env=own, capture_output=True, timeout=_TIMEOUT_S, check=False
        )
        return Said(done.returncode, done.stdout.decode(), done.stderr.decode())

    def attacking(self, *words: str) -> list[str]:
        """Return the command line of an attacker."""
        program = Path(__file__).with_name("attack.py")
        if self.machine is None:
            return [sys.executable, str(program), *words]
        copy = self.machine.root / "attack.py"
        shutil.copyfile(program, copy)
        copy.chmod(0o644)
        python = self.machine.installation.python
        return [*two_users.becoming(two_users.MALLORY), python, str(copy), *words]


@dataclass
class Yard:
    """The project `notes`; `ground` is open to everybody, `home` is not."""

    home: Path
    ground: Path
    place: Place
    players: Players
    attacked: tuple[Path, ...]
    swaps: int = 0
    swaps_on_the_way: int = 0

    def __post_init__(self) -> None:
        self.notes = self.ground / "notes"
        self.here = FolderShore(self.notes, self.notes)
        self.outside = self.home / "private"
        for folder in (*FOLDERS, ".bm-sync/staging"):
            (self.outside / folder).mkdir(parents=True, exist_ok=True)
            for n in range(EACH):
                (self.outside / folder / f"f{n}.md").write_bytes(CANARY + f" {folder} {n}".encode())
            (self.outside / folder / f"{CANARY.decode()}.md").write_bytes(CANARY)
        self._declare()
        self.players.give(self.home)
        self._open()
        self.before = _seen(self.outside)

    def _declare(self) -> None:
        off = {"percent": 100}
        guards = {"max_delete": off, "max_overwrite": off}
        policy = {"guards": guards, "retry": {"attempts": 2, "max_wait": "0.2s"}}
        project = {"local": str(self.notes), "remote": "shelf", "filters": ["away"]}
        declared = {
            "version": 1,
            "remotes": {"shelf": self.place.declared},
            "filters": {"away": {"exclude": [".away*"]}},
            "projects": {"notes": {**project, "policy": policy}},
        }
        (self.home / "sync.yaml").write_text(json.dumps(declared))
        self.outside.chmod(0o700)

    def _open(self) -> None:
        """Let everybody write to the ground and the folders on it; their files stay the user's."""
        for path in (self.ground, *self.ground.rglob("*")):
            if path.is_dir() and not path.is_symlink() and ".bm-sync" not in path.parts:
                path.chmod(0o777)

    def edit(self, round_: int) -> None:
        """Change files on both sides; each content is like no other."""
        for side, folders in _BOTH:
            shore = self.here if side == "here" else self.place.shore
            for folder in folders:
                for n in range(EACH):
                    name = f"f{n}.md" if n % 3 else f"new-{round_}-{n}.md"
                    data = f"{side} {folder} {round_} {n}\n".encode().ljust(500 + round_, b".")
                    shore.write(f"{folder}/{name}", data, time.time(), aside=True)
        self.players.give(self.ground)
        self._open()

    def apply(self) -> Said:
        """Run the product; it may stop or fail for what others did, and says so."""
        done = self.players.apply(self.home, environment(self.home))
        told = done.out + done.err
        assert done.code in (0, 1, 3), told
        assert "a bug in bm-sync" not in told, told
        assert "Traceback" not in told, told
        return done

    @contextlib.contextmanager
    def under_attack(self, seed: int) -> Iterator[None]:
        """Have folders, files and `.bm-sync` swapped all the time."""
        # a link of the user's own is taken for one that is meant, but for the local folder's
        whole = len(self.attacked) if self.players.machine else 1
        words = (str(self.outside), str(seed), str(whole), *map(str, self.attacked))
        with subprocess.Popen(
            self.players.attacking(*words), stdout=subprocess.PIPE, text=True
        ) as running:
            assert running.stdout is not None
            try:
                assert running.stdout.readline() == "ready\n"
                yield
                running.terminate()
                swaps, on_the_way = map(int, running.stdout.readline().split())
                self.swaps += swaps
                self.swaps_on_the_way += on_the_way
            finally:
                running.kill()

    def nothing_escaped(self) -> None:
        """Assert that nothing came from outside, and nothing went there."""
        now = _seen(self.outside)
        changed = [n for n in now.keys() | self.before.keys() if now.get(n) != self.before.get(n)]
        assert not changed, changed
        shore = self.place.shore
        found = {**shore.view().contents(), **shore.trash(), **_contents(self.ground)}
        found |= _contents(self.home / "state")
        escaped = [n for n, data in found.items() if CANARY in data or CANARY.decode() in n]
        assert not escaped, escaped

    def arrived(self, round_: int) -> int:
        """Return how many files of a round have come to the other side."""
        there, here = self.place.shore.view().contents(), self.here.view().contents()
        sent = [d for d in there.values() if d.startswith(b"here") and f" {round_} ".encode() in d]
        brought = [
            d for d in here.values() if d.startswith(b"there") and f" {round_} ".encode() in d
        ]
        return len(sent) + len(brought)

    def ends_well(self) -> None:
        """Assert that both sides become equal once nobody disturbs, and that nothing is lost."""
        done = [self.apply() for _ in range(3)]
        assert done[-1].code == 0, done[-1].out + done[-1].err
        sides = [side.view().contents() for side in (self.here, self.place.shore)]
        own = [{n: d for n, d in side.items() if ".away" not in n} for side in sides]
        assert own[0] == own[1]

    def versions(self) -> set[bytes]:
        """Return every content there is on both sides, the trash included."""
        shore = self.place.shore
        there = {*shore.view().contents().values(), *shore.trash().values()}
        return there | set(_contents(self.ground).values())


def _seen(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return everything below a folder, with contents and times."""
    return {
        str(p.relative_to(folder)): (p.read_bytes() if p.is_file() else b"", p.lstat().st_mtime_ns)
        for p in folder.rglob("*")
    }


def _contents(folder: Path) -> dict[str, bytes]:
    found = {}
    for here, _, names in os.walk(folder):
        for name in names:
            path = Path(here, name)
            if path.is_file() and not path.is_symlink():
                found[str(path)] = path.read_bytes()
    return found
