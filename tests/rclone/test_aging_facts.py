"""What is remembered of a workspace is looked at again: its bucket, a project's path and name."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import standin_server
from cloud_user import User
from cloud_world import CloudWorld
from standin_server import Standin

from bm_sync import api
from bm_sync.cloud.account import Account
from bm_sync.cloud.client import Cloud
from bm_sync.cloud.faults import SignInError
from bm_sync.cloud.places import host_of
from bm_sync.model.report import Selection
from bm_sync.model.run import Status


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    with standin_server.running(tmp_path_factory.mktemp("standin")) as one:
        yield one


@pytest.fixture
def cloud(running: Standin) -> Standin:
    """Return the stand-in with one empty project in ada's and in the team's workspace."""
    running.admin("clear-faults")
    for workspace in running.look("status")["workspaces"]:
        for project in workspace["projects"]:
            slug, name = workspace["slug"], project["name"]
            running.admin("drop-project", workspace=slug, name=name, files=True)
    for slug in ("ada", "team"):
        running.admin("add-project", workspace=slug, name="notes")
    running.admin("reset-counts")
    return running


@pytest.fixture(params=["ada", "team"])
def world(request: pytest.FixtureRequest, tmp_path: Path, cloud: Standin) -> CloudWorld:
    """Return ada's machine with three synced notes, over S3 and over WebDAV."""
    made = CloudWorld(tmp_path / "ada", cloud, remote={"workspace": request.param})
    for n in range(3):
        made.write(f"notes/{n}.md")
    assert made.apply().exit == 0
    return made


def workspace_of(world: CloudWorld) -> str:
    return str(world.remote["workspace"])


def facts_of(world: CloudWorld) -> tuple[Path, dict[str, Any]]:
    (file,) = (world.state / "cloud").glob("facts-*.json")
    return file, json.loads(file.read_text())


def a_day_later(world: CloudWorld) -> None:
    """Let what is remembered be of yesterday."""
    file, said = facts_of(world)
    file.write_text(json.dumps(said | {"looked_at": said["looked_at"] - 86_401}))


def move(world: CloudWorld, cloud: Standin, **said: str) -> None:
    """Move the project on the service with its files, or rename it."""
    slug = workspace_of(world)
    for path, content in cloud.files("notes", slug).items():
        cloud.put(f"{said['path']}/{path}", content.decode(), slug)
        cloud.delete(f"notes/{path}", slug)
    cloud.admin("change-project", workspace=slug, name="notes", **said)


@pytest.mark.parametrize("said", [{"path": "elsewhere"}, {"path": "diary", "renamed": "diary"}])
def test_a_project_that_was_moved_or_renamed_on_the_service_is_found_by_its_id(
    world: CloudWorld, cloud: Standin, said: dict[str, str]
) -> None:
    move(world, cloud, **said)
    there = said["path"]
    slug = workspace_of(world)
    cloud.put(f"{there}/new.md", "theirs", slug)
    run = world.apply()
    assert (run.status, run.stops) == (Status.CHANGED, ())
    assert world.texts()["new.md"] == "theirs"
    world.write("notes/mine.md", "mine")
    assert world.apply().exit == 0
    assert cloud.files(there, slug)["mine.md"] == b"mine"
    projects = [w["projects"] for w in cloud.look("status")["workspaces"] if w["slug"] == slug]
    assert [len(each) for each in projects] == [1], "no second project was made"


def test_a_project_that_was_renamed_is_told(world: CloudWorld, cloud: Standin) -> None:
    move(world, cloud, path="diary", renamed="diary")
    done = asyncio.run(api.apply(world.manifest(), Selection(), world.setup))
    assert "is called 'diary' on the cloud now" in (done.notice or ""), done.notice


def test_a_project_that_is_gone_is_still_a_stop(world: CloudWorld, cloud: Standin) -> None:
    cloud.admin("drop-project", workspace=workspace_of(world), name="notes", files=True)
    run = world.apply()
    assert run.exit == 3
    assert len(world.texts()) == 3


def test_the_bucket_is_looked_at_once_a_day_by_one_call(world: CloudWorld, cloud: Standin) -> None:
    cloud.take()
    assert world.apply().exit == 0
    assert cloud.take().get("control", {}) == {}
    a_day_later(world)
    assert world.apply().exit == 0
    assert cloud.take()["control"] == {"GET /tenant/mount/info": 1}
    assert world.apply().exit == 0
    assert cloud.take().get("control", {}) == {}


def test_a_bucket_that_moved_while_the_old_one_answers_is_a_stop(
    world: CloudWorld, cloud: Standin
) -> None:
    slug = workspace_of(world)
    (before,) = (w for w in cloud.look("status")["workspaces"] if w["slug"] == slug)
    a_day_later(world)
    cloud.admin("change-workspace", workspace=slug, bucket=f"{before['bucket']}-moved")
    try:
        run = world.apply()
        assert run.exit == 3
        assert "another bucket" in run.stops[0].what
    finally:
        cloud.admin("change-workspace", workspace=slug, bucket=before["bucket"])


def test_a_service_that_does_not_answer_stops_nobody(world: CloudWorld, cloud: Standin) -> None:
    a_day_later(world)
    cloud.admin("fault", server="control", status=500, times=10_000)
    assert world.apply().exit == 0
    cloud.admin("clear-faults")
    cloud.take()
    assert world.apply().exit == 0
    assert cloud.take()["control"] == {"GET /tenant/mount/info": 1}


def test_a_quiet_run_over_a_bucket_loads_no_http_client(tmp_path: Path, cloud: Standin) -> None:
    world = CloudWorld(tmp_path / "ada", cloud)
    world.write("notes/a.md")
    assert world.apply().exit == 0
    assert world.apply().exit == 0
    code = (
        "import sys\nfrom bm_sync.cli.main import main\n"
        "assert main() == 0\nassert not {'httpx', 'httpcore', 'tenacity'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "apply", "--yes", "-f", str(world.folder / "sync.yaml")],
        env={**world.setup.env, "BM_SYNC_STATE_DIR": str(world.state)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("workspace", ["ada", "team"])
@pytest.mark.parametrize("asked", [("control", "GET"), ("storage", "GET"), ("webdav", "PROPFIND")])
def test_a_service_that_stumbles_while_it_is_asked_is_asked_again(
    tmp_path: Path, cloud: Standin, workspace: str, asked: tuple[str, str]
) -> None:
    server, method = asked
    times = 6 if server == "control" else 3  # more than the calls of the service try by themselves
    cloud.admin("fault", server=server, method=method, status=503, times=times)
    world = CloudWorld(tmp_path / "ada", cloud, remote={"workspace": workspace})
    world.write("notes/a.md")
    run = world.apply()
    cloud.admin("clear-faults")
    assert run.exit == 0, run.message
    assert list(cloud.files("notes", workspace)) == ["a.md"]


@pytest.mark.parametrize("name", ["Tägliche Notizen", "日記"])
def test_projects_may_be_called_in_any_script(tmp_path: Path, cloud: Standin, name: str) -> None:
    world = CloudWorld(tmp_path / "ada", cloud, projects={name: {"local": "./n"}})
    world.write("n/a.md")
    assert world.apply(name).exit == 0
    assert world.apply(name).status is Status.IN_SYNC
    (project,) = (
        p
        for w in cloud.look("status")["workspaces"]
        for p in w["projects"]
        if w["slug"] == "ada" and p["name"] == name
    )
    assert list(cloud.files(project["path"])) == ["a.md"]


def test_a_token_whose_session_is_over_is_not_told_as_good(tmp_path: Path, cloud: Standin) -> None:
    user = User(tmp_path / "browser", cloud)
    user.signed_in()
    account = Account.find(host_of(cloud.host, user.env), user.env, user.state)
    cloud.admin("revoke-refresh")
    assert account.describe().renewable

    async def refused() -> None:
        async with Cloud(account.host, account) as service:
            with pytest.raises(SignInError, match="session has ended"):
                await service.renewed(await service.bearer())

    asyncio.run(refused())
    told = account.describe()
    assert not told.renewable
    assert told.expires is not None
    assert told.expires <= time.time()
