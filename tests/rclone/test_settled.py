"""Whatever ends a run in the middle, what the remote has carried out is recorded and undone."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import standin_server
from cloud_user import User, wait_for
from cloud_world import CloudWorld
from standin_server import Standin

from bm_sync import api, past_api
from bm_sync.model.past import Undo
from bm_sync.model.report import Selection
from bm_sync.model.run import Outcome, ProjectRun
from bm_sync.structs import replace

TEAM = "team"
NUMBER = 12
GOOD = 5
MANY = 10_000


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    with standin_server.running(tmp_path_factory.mktemp("standin")) as one:
        yield one


@pytest.fixture
def cloud(running: Standin) -> Standin:
    """Return the stand-in with one empty project of the team, and one of ada herself."""
    running.admin("clear-faults")
    running.admin(
        "switch", honours_if_match=True, honours_if_none_match=True, refused={}, etags="md5"
    )
    for workspace in running.look("status")["workspaces"]:
        for project in workspace["projects"]:
            slug, name = workspace["slug"], project["name"]
            running.admin("drop-project", workspace=slug, name=name, files=True)
    for slug in (TEAM, "ada"):
        running.admin("add-project", workspace=slug, name="notes")
    running.admin("reset-counts")
    return running


@pytest.fixture
def ada(tmp_path: Path, cloud: Standin) -> CloudWorld:
    """Return ada's machine, signed in by a token; she is an editor of the team."""
    world = CloudWorld(tmp_path / "ada", cloud, remote={"workspace": TEAM})
    user = User(tmp_path / "browser", cloud)
    user.signed_in()
    (world.state / "cloud").mkdir(parents=True)
    shutil.copy(user.login_file, world.state / "cloud/login.json")
    env = {k: v for k, v in world.setup.env.items() if k != "BASIC_MEMORY_CLOUD_API_KEY"}
    world.setup = replace(world.setup, env=env)
    return world


def there(cloud: Standin, workspace: str = TEAM) -> dict[str, str]:
    found = cloud.files("notes", workspace)
    return {p: c.decode() for p, c in found.items() if not p.startswith(".bm-sync/")}


@contextmanager
def session_that_ends(cloud: Standin, method: str) -> Iterator[None]:
    """Let the session end after some requests of a method; later ones get 401."""
    cloud.admin("revoke-refresh")
    cloud.admin("fault", server="webdav", method=method, status=401, after=GOOD, times=MANY)
    try:
        yield
    finally:
        cloud.admin("clear-faults")


def signed_in_again(world: CloudWorld, cloud: Standin) -> None:
    """Give the machine a key, which no session ends."""
    env = {**world.setup.env, "BASIC_MEMORY_CLOUD_API_KEY": cloud.api_key()}
    world.setup = replace(world.setup, env=env)


def undone(world: CloudWorld) -> None:
    """Take the last run back."""
    done = asyncio.run(past_api.undo(world.manifest(), Undo(), world.setup))
    assert done.run is not None
    assert done.run.exit == 0, done.run


def outcomes(run: ProjectRun) -> dict[str, Outcome]:
    return {done.path: done.outcome for done in run.actions}


def is_done(run: ProjectRun) -> set[str]:
    return {path for path, outcome in outcomes(run).items() if outcome is Outcome.DONE}


@pytest.mark.parametrize("conditions", [True, False])
@pytest.mark.parametrize("kind", ["replace", "new"])
def test_a_session_that_ends_while_files_go_up(
    ada: CloudWorld, cloud: Standin, kind: str, *, conditions: bool
) -> None:
    cloud.admin("switch", honours_if_match=conditions, honours_if_none_match=conditions)
    ada.write("notes/other.md")
    names = [f"{n:02}.md" for n in range(NUMBER)]
    if kind == "replace":
        for name in names:
            ada.write(f"notes/{name}", "first")
    assert ada.apply().exit == 0
    before = there(cloud)
    for name in names:
        ada.write(f"notes/{name}", f"second {name}")
    with session_that_ends(cloud, "PUT"):
        run = ada.apply()
    assert run.exit == 4
    arrived = {n for n in names if there(cloud).get(n) == f"second {n}"}
    assert arrived
    assert arrived < set(names)
    assert is_done(run) == arrived
    assert run.totals.up == len(arrived)
    signed_in_again(ada, cloud)
    undone(ada)
    assert there(cloud) == before
    assert ada.apply().exit == 0
    assert there(cloud) == ada.texts()


def test_a_session_that_ends_while_files_are_deleted(ada: CloudWorld, cloud: Standin) -> None:
    names = [f"{n:02}.md" for n in range(NUMBER)]
    for name in names:
        ada.write(f"notes/{name}", name)
    for n in range(60):
        ada.write(f"notes/stay/{n}.md")
    assert ada.apply().exit == 0
    before = there(cloud)
    for name in names:
        (ada.folder / "notes" / name).unlink()
    with session_that_ends(cloud, "MOVE"):
        run = ada.apply()
    assert run.exit == 4
    gone = set(names) - there(cloud).keys()
    assert gone
    assert is_done(run) == gone
    signed_in_again(ada, cloud)
    undone(ada)
    assert there(cloud) == before


def test_all_tasks_ask_once_for_another_token(ada: CloudWorld, cloud: Standin) -> None:
    ada.projects = {"notes": {}}
    ada.write("notes/a.md")
    assert ada.apply().exit == 0
    for n in range(NUMBER):
        ada.write(f"notes/{n}.md")
    cloud.take()
    with session_that_ends(cloud, "PUT"):
        assert ada.apply().exit == 4
    assert sum(cloud.take()["oauth"].values()) == 1


def test_a_run_that_is_cancelled_while_files_go_up(ada: CloudWorld, cloud: Standin) -> None:
    names = [f"{n:02}.md" for n in range(NUMBER)]
    for name in names:
        ada.write(f"notes/{name}", "first")
    assert ada.apply().exit == 0
    before = there(cloud)
    for name in names:
        ada.write(f"notes/{name}", f"second {name}")
    cloud.admin("fault", server="webdav", method="PUT", kind="stall", after=GOOD, times=MANY)
    run = asyncio.run(cancelled(ada, lambda: is_stalled(cloud)))
    arrived = {n for n in names if there(cloud).get(n) == f"second {n}"}
    assert is_done(run) == arrived
    assert len(arrived) == GOOD
    cloud.admin("clear-faults")  # what the service has already taken may arrive now
    undone(ada)
    assert {n: there(cloud)[n] for n in arrived} == {n: before[n] for n in arrived}


def test_keys_that_are_refused_while_files_go_up_to_a_bucket(
    ada: CloudWorld, cloud: Standin
) -> None:
    ada.remote = {}
    names = [f"{n:02}.md" for n in range(NUMBER)]
    for name in names:
        ada.write(f"notes/{name}", "first")
    assert ada.apply().exit == 0
    before = there(cloud, "ada")
    for name in names:
        ada.write(f"notes/{name}", f"second {name}")
    body = "<Error><Code>InvalidAccessKeyId</Code></Error>"
    refused = {"server": "storage", "status": 403, "body": body, "times": MANY}
    cloud.admin("fault", **refused, method="PUT", within=".md", after=NUMBER + GOOD)
    run = ada.apply()
    cloud.admin("clear-faults")
    arrived = {n for n in names if there(cloud, "ada").get(n) == f"second {n}"}
    assert run.exit in (1, 4)
    assert is_done(run) == arrived
    assert arrived < set(names)
    undone(ada)
    assert there(cloud, "ada") == before


def is_stalled(cloud: Standin) -> bool:
    """Return whether the uploads that are let pass have come, and another one."""
    faults = cloud.look("status")["faults"]
    return all(fault["times"] < MANY for fault in faults)


async def cancelled(world: CloudWorld, is_time: Callable[[], bool]) -> ProjectRun:
    """Apply, and cancel that when it is time."""
    task = asyncio.create_task(api.apply(world.manifest(), Selection(), world.setup))
    await asyncio.to_thread(wait_for, is_time)
    task.cancel()
    done = await task
    assert done.run is not None
    return done.run.projects[0]
