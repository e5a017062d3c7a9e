"""Sign-ins that change by use: however many runs, the user's own rclone stays signed in."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import rotating_store
import servers
from remotes.kinds import RCLONE, obscured
from rotating_store import Store
from two_machines import Machine, converged, quiet

from bm_sync import manifest
from bm_sync.model.config import BUILT_IN, NamedRemote
from bm_sync.model.run import ProjectRun

WAIT_S = 90.0


@pytest.fixture
def store() -> Iterator[Store]:
    with rotating_store.running() as one:
        yield one


def machine_on(home: Path, store: Store, more: str = "", name: str = "drive") -> Machine:
    root = "bucket" if name == "drive" else ""
    made = Machine(home, NamedRemote("shelf", name, root, BUILT_IN))
    made.folder.mkdir(parents=True)
    conf = conf_of(made)
    conf.parent.mkdir(parents=True)
    conf.write_text(store.section("drive") + more)
    return made


def conf_of(machine: Machine) -> Path:
    return machine.home / ".config/rclone/rclone.conf"


def own_rclone(machine: Machine, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the user's own rclone."""
    env = dict(machine.setup.env)
    return subprocess.run(
        [RCLONE, *words, "--retries=1"], env=env, capture_output=True, text=True, check=False
    )


def wait_for(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def still_signed_in(machine: Machine, store: Store) -> None:
    assert not store.revoked
    rotating_store.let_end(conf_of(machine))
    done = own_rclone(machine, "lsf", "drive:bucket")
    assert (done.returncode, store.revoked) == (0, False), done.stderr


def test_any_number_of_runs_leaves_the_users_rclone_signed_in(store: Store, tmp_path: Path) -> None:
    one = machine_on(tmp_path / "one", store)
    for number in range(4):
        one.write("a.md", f"version {number}")
        one.write(f"{number}.md", "new")
        converged(one.apply())
        rotating_store.let_end(conf_of(one))
    assert store.renewals == 4
    assert store.objects["notes/a.md"] == b"version 3"
    quiet(one)
    still_signed_in(one, store)


def test_a_run_with_a_sign_in_that_holds_renews_nothing(store: Store, tmp_path: Path) -> None:
    one = machine_on(tmp_path / "one", store)
    one.write("a.md")
    for _ in range(3):
        converged(one.apply())
    assert store.renewals == 1


def test_a_remote_that_builds_on_it_is_signed_in_too(store: Store, tmp_path: Path) -> None:
    crypt = f"[vault]\ntype = crypt\nremote = drive:bucket\npassword = {obscured('x')}\n"
    one = machine_on(tmp_path / "one", store, crypt, "vault")
    for number in range(2):
        one.write("a.md", f"version {number}")
        converged(one.apply())
        rotating_store.let_end(conf_of(one))
    still_signed_in(one, store)


def test_an_encrypted_rclone_conf_keeps_what_is_renewed(store: Store, tmp_path: Path) -> None:
    one = machine_on(tmp_path / "one", store)
    password = {"RCLONE_CONFIG_PASS": "pass"}
    one = Machine(one.home, one.remote, more_env=password)
    done = own_rclone(one, "config", "encryption", "set", "--password-command", "echo pass")
    assert done.returncode == 0, done.stderr
    assert "[drive]" not in conf_of(one).read_text()
    one.write("a.md")
    converged(one.apply())
    assert store.renewals == 1
    assert "[drive]" not in conf_of(one).read_text()
    assert own_rclone(one, "lsf", "drive:bucket").returncode == 0
    assert store.renewals == 1


def test_two_runs_at_once_renew_once(store: Store, tmp_path: Path) -> None:
    one = machine_on(tmp_path / "one", store)
    one.write("a.md")
    two = Machine(tmp_path / "two", NamedRemote("shelf", "drive", "bucket/two", BUILT_IN))
    two.write("b.md")
    two = Machine(two.home, two.remote, more_env={"RCLONE_CONFIG": str(conf_of(one))})

    async def both() -> list[ProjectRun]:
        return list(await asyncio.gather(one.applying(), two.applying()))

    for _ in range(2):
        for run in asyncio.run(both()):
            converged(run)
        rotating_store.let_end(conf_of(one))
    assert store.renewals == 2
    still_signed_in(one, store)


APPLY = """
import asyncio, pickle, sys
sys.path[:0] = {path!r}
pickle.loads({machine!r}).apply()
"""


def test_a_run_that_is_killed_while_it_renews_loses_no_sign_in(
    store: Store, tmp_path: Path
) -> None:
    one = machine_on(tmp_path / "one", store)
    one.write("a.md")
    text = APPLY.format(path=[p for p in sys.path if p], machine=pickle.dumps(one))
    running = subprocess.Popen([sys.executable, "-c", text], start_new_session=True)

    def kill() -> None:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()

    store.on_renewal = kill
    assert running.wait(WAIT_S) == -signal.SIGKILL
    store.on_renewal = lambda: None
    wait_for(lambda: '"a1"' in conf_of(one).read_text())
    converged(one.apply())
    assert store.renewals == 1
    still_signed_in(one, store)


def test_a_sign_in_that_ends_during_a_run_is_renewed_before_anything_fails(
    store: Store, tmp_path: Path
) -> None:
    one = machine_on(tmp_path / "one", store)
    store.life_s = 13
    store.objects["a.md"] = b"a"

    async def run() -> None:
        async with servers.rclone_in(tmp_path) as rclone:
            fs = await rclone.connect(one.remote, one.setup.env)  # type: ignore[arg-type]
            while store.renewals < 3:
                entry = await rclone.stat(fs, "a.md")
                assert entry is not None
                await asyncio.sleep(0.05)

    asyncio.run(asyncio.wait_for(run(), WAIT_S))
    store.life_s = 3600
    still_signed_in(one, store)


def test_a_sign_in_that_has_ended_for_good_is_told_with_the_way_to_a_new_one(
    store: Store, tmp_path: Path
) -> None:
    one = machine_on(tmp_path / "one", store)
    store.revoked = True
    one.write("a.md")
    run = one.apply()
    assert run.exit == 1
    assert "rclone config reconnect drive:" in (run.hint or "")
    assert "drive" in (run.message or "")


@pytest.mark.parametrize(
    ("remote", "variable", "warned"),
    [
        ("{rclone: box}", "RCLONE_CONFIG_BOX_TOKEN", True),
        ("{rclone: box}", "RCLONE_CONFIG_OTHER_TOKEN", False),
        ("{type: box, options: {token: {env: BOX_TOKEN}}}", "BOX_TOKEN", True),
    ],
)
def test_a_sign_in_that_cannot_be_kept_where_it_is_is_warned_of(
    tmp_path: Path, remote: str, variable: str, *, warned: bool
) -> None:
    file = tmp_path / "sync.yaml"
    projects = "projects: {notes: {local: ./notes, remote: box}}"
    file.write_text(f"version: 1\nremotes: {{box: {remote}}}\n{projects}\n")
    env = {"HOME": str(tmp_path), variable: "{}"}
    found = manifest.load(file, env, state_dir=tmp_path / "state").warnings
    assert [slip.code for slip in found] == (["BMS093"] if warned else [])
