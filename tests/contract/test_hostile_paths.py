"""Names, links, sockets, plans and states that somebody planted: nothing outside is touched.

Beside every project lies a canary: files that are neither read (their access time stays, where the
file system keeps it), written, moved nor removed, whatever the other side says.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import any_key_s3
import pytest
from cli_outside import Said, World
from two_machines import Machine, converged, files_in

from bm_sync import past_api
from bm_sync.errors import UsageError
from bm_sync.model.config import FolderRemote
from bm_sync.model.past import Effect, EffectKind, Undo
from bm_sync.model.tree import Agreed, FileStamp, Side
from bm_sync.plan import wire
from bm_sync.plan.wire import sealed
from bm_sync.state.store import State
from bm_sync.state.values import Change

LONG_AGO = 946_684_800


@dataclass(frozen=True)
class Canary:
    """A folder that nobody declared."""

    folder: Path
    before: dict[str, tuple[object, ...]]

    def unharmed(self) -> None:
        """Assert that everything is as it was, and that nothing was read."""
        assert seen(self.folder) == self.before


def seen(folder: Path) -> dict[str, tuple[object, ...]]:
    """Return what stands in a folder; times are taken before anything is read."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        info = path.lstat()
        told: list[object] = [info.st_ino, info.st_mode, info.st_mtime_ns]
        if path.is_file() and not path.is_symlink():
            told += [info.st_atime_ns, path.read_bytes()]
            os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
        found[str(path.relative_to(folder))] = tuple(told)
    return found


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Canary]:
    folder = tmp_path / "outside"
    folder.mkdir()
    for name in ("canary.txt", "folder/canary.md", "a.md", ".gitignore"):
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"canary {name}\n")
    for file in folder.rglob("*"):
        os.utime(file, (LONG_AGO, LONG_AGO + 1), follow_symlinks=False)
    found = Canary(folder, seen(folder))
    yield found
    found.unharmed()


# What a store may tell.

SAFE = {
    b"good.md",
    b"a/good too.md",
    b"-rf",
    b"--config=x",
    b"con",
    b"~/home.md",
    b"$HOME/x.md",
    b"%2e%2e/percent.md",
    "\u202egnp.md".encode(),
    b"x/below a file.md",
}
DOT, UP = "\uff0e", "\uff0e\uff0e"  # as rclone shows them
NO_NAMES = {
    b"../outside/canary.txt": f"{UP}/outside/canary.txt",
    b"a/../../outside/canary.txt": f"a/{UP}/{UP}/outside/canary.txt",
    b"/outside/canary.txt": "/outside/canary.txt",
    b"./dot.md": f"{DOT}/dot.md",
    b"a//empty part.md": "a//empty part.md",
    b".bm-sync/../../outside/canary.txt": f".bm-sync/{UP}/{UP}/outside/canary.txt",
    b"..": UP,
    b"trailing/": "trailing/",
}
OTHERS = {
    b"nul\0.md",
    b"esc\x1b[31m.md",
    b"new\nline.md",
    b"back\\..\\..\\slash.md",
    b"bad\xff.md",
    b"..\0/x",
    b"C:\\x",
    b"x",
    b"x" * 300,
    b"ln/canary.txt",
    b".bm-sync/trash/planted.md",
}
NOT_A_NAME = "no file of this machine can have this name"


def desk(root: Path, remote: Mapping[str, object], *, mode: str = "two-way") -> World:
    """Make a home with one project."""
    home = root / "home"
    home.mkdir()
    declared = {
        "version": 1,
        "remotes": {"store": dict(remote)},
        "policies": {"p": {"mode": mode, "retry": {"attempts": 1}}},
        "defaults": {"remote": "store", "policy": "p"},
        "projects": {"notes": {"local": "./notes"}},
    }
    (home / "sync.yaml").write_text(json.dumps(declared))
    (home / "notes").mkdir()
    return World(home)


def tame(said: Said) -> str:
    """Return everything that was said; it cannot steer a terminal."""
    text = said.out + said.err
    odd = {c for c in text if not c.isprintable() and c != "\n"}
    assert not odd, odd
    return text


@pytest.mark.parametrize("mode", ["two-way", "pull"])
def test_no_key_of_a_store_leads_out_of_the_project(
    tmp_path: Path, canary: Canary, mode: str
) -> None:
    with any_key_s3.running() as store:
        remote = {"type": "s3", "options": dict(store.server.options), "root": "bucket"}
        here = desk(tmp_path, remote, mode=mode)
        (here.root / "notes" / "ln").symlink_to(canary.folder)
        planted = {b"notes/" + key for key in {*SAFE, *NO_NAMES, *OTHERS}}
        for key in planted:
            store.objects[key] = b"from " + key
        (here.root / "notes" / "mine.md").write_text("mine")
        for _ in range(2):
            said = here.run("apply", "--all-files")
            assert said.code == 1
            text = tame(said)
            for shown in NO_NAMES.values():
                assert f"{shown}: {NOT_A_NAME}" in text
        assert {key for key, data in store.objects.items() if data != b"from " + key} <= {
            b"notes/mine.md"
        }
        assert planted <= store.objects.keys(), "nothing was deleted there"
        here_now = {os.fsencode(path) for path in files_in(here.root / "notes")}
        assert here_now == {*SAFE, b"mine.md"}
        assert (here.root / "notes" / "ln").is_symlink()
        for command in (
            ["plan"],
            ["ls", "notes"],
            ["check"],
            ["history"],
            ["status"],
            ["conflicts"],
        ):
            tame(here.run(*command))
    canary.unharmed()
    assert {p.name for p in here.root.iterdir()} == {"notes", "sync.yaml", ".local", ".cache"}


# What may be planted on this machine.


@pytest.mark.parametrize("side", ["notes", "shelf"])
@pytest.mark.parametrize("place", [".bm-sync", ".bm-sync/trash", ".bm-sync/staging"])
def test_a_link_in_the_place_of_our_own_folders_is_not_followed(
    tmp_path: Path, canary: Canary, side: str, place: str
) -> None:
    here = Machine(tmp_path / "here", FolderRemote("shelf", tmp_path / "here" / "shelf"))
    for name in ("a.md", "b.md", "canary.txt"):
        here.write(name, "first")
    converged(here.apply())
    link = here.home / side / place
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(canary.folder)
    shelf = here.home / "shelf" / "notes"
    for folder in (here.folder, shelf):
        (folder / f"new in {folder.name}.md").write_text("new")
    (here.folder / "a.md").write_text("changed here")
    (shelf / "b.md").write_text("changed there")
    (here.folder / "canary.txt").unlink()
    run = here.apply()
    canary.unharmed()
    assert run.exit in (0, 1)
    assert link.is_symlink()
    kept = {*files_in(here.folder).values(), *files_in(shelf).values()}
    assert {b"changed here", b"changed there", b"new"} <= kept
    link.unlink()
    converged(here.apply())
    assert files_in(shelf) == here.files()


@pytest.mark.parametrize("how", ["link", "others"])
def test_a_state_that_others_can_reach_is_refused(tmp_path: Path, canary: Canary, how: str) -> None:
    here = desk(tmp_path, {"type": "local", "root": str(tmp_path / "shelf")})
    here.write("notes/a.md")
    state = here.root / "state"
    if how == "link":
        public = tmp_path / "public"
        public.mkdir()
        public.chmod(0o777)
        (public / "state").mkdir(0o700)
        state.symlink_to(public / "state")
        words = f"error: others can replace the state directory {state}"
    else:
        state.mkdir()
        state.chmod(0o777)
        words = f"error: others can write the state directory {state}"
    said = here.run("--state-dir", str(state), "apply")
    assert said.code == 1
    assert said.err.startswith(f"{words}\n")
    assert not (tmp_path / "shelf").exists()
    canary.unharmed()


def test_a_socket_that_was_planted_is_not_spoken_to(tmp_path: Path) -> None:
    runtime = tmp_path / "runtime"
    (runtime / "rcd-planted").mkdir(parents=True)
    runtime.chmod(0o700)
    called: list[object] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(runtime / "rcd-planted" / "rc.sock"))
        listener.listen()
        listener.settimeout(0.05)
        ended = threading.Event()

        def listen() -> None:
            while not ended.is_set():
                try:
                    called.append(listener.accept())
                except TimeoutError:
                    continue

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            here = desk(tmp_path, {"type": "local", "root": str(tmp_path / "shelf")})
            here.write("notes/a.md")
            said = here.run("apply", BM_SYNC_RUNTIME_DIR=str(runtime))
        finally:
            ended.set()
            thread.join()
    assert said.code == 0, said
    assert called == []
    assert [p.name for p in runtime.iterdir()] == ["rcd-planted"]


def test_a_runtime_directory_that_others_can_write_is_refused(tmp_path: Path) -> None:
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    runtime.chmod(0o777)
    here = desk(tmp_path, {"type": "local", "root": str(tmp_path / "shelf")})
    here.write("notes/a.md")
    said = here.run("apply", BM_SYNC_RUNTIME_DIR=str(runtime))
    assert said.code in (1, 6)
    assert f"the runtime directory {runtime} can be written by other users" in said.out + said.err
    assert not (tmp_path / "shelf" / "notes" / "a.md").exists()


# What may be written into a saved plan, and into the state.


def test_a_plan_that_was_tampered_with_is_refused(tmp_path: Path, canary: Canary) -> None:
    here = desk(tmp_path, {"type": "local", "root": "./shelf"})
    here.write("notes/a.md")
    assert here.run("plan", "--out", "saved.plan").code == 0
    file = here.root / "saved.plan"
    honest = file.read_text()

    def said(old: str, new: str, *, sealed: bool) -> Said:
        body = json.loads(honest.replace(old, new))
        if sealed:
            body["digest"] = seal(body)
        file.write_text(json.dumps(body))
        return here.run("apply", "saved.plan")

    edited = said('"path": "a.md"', '"path": "b.md"', sealed=False)
    assert (edited.code, edited.err.splitlines()[0]) == (
        2,
        "error: the saved plan was changed after it was written",
    )
    for path in ("../../outside/canary.txt", "/etc/passwd", ".bm-sync/trash/x", "a/../../x"):
        led_out = said('"path": "a.md"', f'"path": "{path}"', sealed=False)
        assert led_out.code == 2
        assert "projects[0].actions[0].path is not a path inside a project" in led_out.err
    other = said('"project": "notes"', '"project": "other"', sealed=True)
    assert other.code == 8
    assert "sync.yaml has no project 'other'" in other.err
    gone = said('"path": "a.md"', '"path": "never there.md"', sealed=True)
    assert gone.code == 8
    assert (
        "notes: never there.md: was deleted on the local side since the plan was made" in gone.err
    )
    assert not (here.root / "shelf").exists()
    canary.unharmed()


def seal(body: dict[str, object]) -> str:
    """Return the digest of a plan, as who knows how would forge it."""
    return sealed(wire.read(body)).digest


def test_paths_in_the_state_that_lead_out_are_not_followed(tmp_path: Path, canary: Canary) -> None:
    here = Machine(tmp_path / "here" / "home", FolderRemote("shelf", tmp_path / "here" / "shelf"))
    here.write("a.md", "first")
    here.write("keep.md", "kept")
    converged(here.apply())
    info = (canary.folder / "canary.txt").stat()
    stamp = FileStamp(info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino)
    rows = dict.fromkeys(
        ("../../../outside/canary.txt", "../../outside/a.md", str(canary.folder / "a.md")),
        Agreed("sha256:" + "0" * 64, stamp, stamp),
    )
    key = here.plan().key
    with State.open(here.setup.state_dir, host=here.setup.host) as state:
        state.record(key, Change("notes", put=rows, put_dirs=["../../../outside/folder"]))
    here.write("a.md", "second")
    here.apply()
    canary.unharmed()
    assert (tmp_path / "here" / "shelf" / "notes" / "a.md").read_text() == "second"
    converged(here.apply())
    canary.unharmed()


def test_what_an_undo_would_bring_back_from_outside_is_not_brought(
    tmp_path: Path, canary: Canary
) -> None:
    here = Machine(tmp_path / "here" / "home", FolderRemote("shelf", tmp_path / "here" / "shelf"))
    here.write("a.md", "first")
    converged(here.apply())
    here.write("a.md", "second")
    converged(here.apply())
    key = here.plan().key
    with State.open(here.setup.state_dir, host=here.setup.host) as state:
        run = state.runs(1)[0].id
        size = (canary.folder / "canary.txt").stat().st_size
        kept = (
            ".bm-sync/trash/../../../../outside/canary.txt",
            "../../../outside/canary.txt",
            str(canary.folder / "canary.txt"),
        )
        done = [
            Effect(EffectKind.GONE, f"stolen {n}.md", side, kept=place, kept_size=size)
            for n, place in enumerate(kept)
            for side in Side
        ]
        done += [
            Effect(EffectKind.PUT, "../../../outside/canary.txt", side, "sha256:0") for side in Side
        ]
        state.past.put(run, key, "notes", done)
    with pytest.raises(UsageError, match="nothing that can be taken back"):  # none of it is read
        asyncio.run(past_api.undo(here.manifest, Undo(run), here.setup))
    canary.unharmed()
    everything = [*files_in(here.folder).values(), *files_in(tmp_path / "here" / "shelf").values()]
    assert not [content for content in everything if b"canary" in content]


def test_a_state_that_was_edited_by_hand_is_not_trusted(tmp_path: Path, canary: Canary) -> None:
    here = Machine(tmp_path / "here" / "home", FolderRemote("shelf", tmp_path / "here" / "shelf"))
    here.write("a.md", "first")
    converged(here.apply())
    with sqlite3.connect(here.setup.state_dir / "state.db") as connection:
        connection.execute("UPDATE agreed SET path = '../../../outside/a.md'")
    connection.close()
    run = converged(here.apply())
    assert run.actions == ()
    assert here.files() == {"a.md": b"first"}
    canary.unharmed()
