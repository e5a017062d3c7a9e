"""Projects of Basic Memory Cloud over their bucket, against a stand-in of the service."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import standin_server
from cloud_world import CloudWorld
from standin_server import Standin

from bm_sync import api
from bm_sync.cloud import facts
from bm_sync.errors import Exit
from bm_sync.model.config import CloudRemote
from bm_sync.model.plan import Accept, Guard, MakeDir
from bm_sync.model.report import Health, Selection
from bm_sync.model.run import Outcome, Status
from bm_sync.model.tree import Side


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Standin]:
    with standin_server.running(tmp_path / "standin") as one:
        yield one


@pytest.fixture
def world(tmp_path: Path, cloud: Standin) -> CloudWorld:
    return CloudWorld(tmp_path / "ada", cloud)


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until `holds`; a slow machine has time."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)  # between two looks at a condition


def control(cloud: Standin) -> dict[str, int]:
    """Return what was asked of the control plane, by kind, and begin anew."""
    counts = cloud.take()
    return {**counts.get("control", {}), **counts.get("oauth", {})}


def test_a_project_is_made_on_the_cloud_and_kept_in_sync(world: CloudWorld, cloud: Standin) -> None:
    world.write("notes/a.md")
    world.write("notes/daily/b c.md")
    plan = world.planned()
    assert plan.failure is None
    assert plan.actions[0] == MakeDir("", Side.REMOTE, plan.actions[0].reason)
    assert "the project will be made on the cloud" in plan.notes
    assert not world.there()
    assert cloud.look("status")["workspaces"][0]["projects"] == [], "plan makes nothing"
    done = world.apply()
    assert (done.exit, done.status) == (0, Status.CHANGED), done.message
    assert world.there() == world.texts()
    (project,) = cloud.look("status")["workspaces"][0]["projects"]
    assert (project["name"], project["path"]) == ("notes", "notes")
    cloud.put("notes/from the phone.md", "hello\n")
    world.write("notes/a.md", "edited")
    assert world.apply().exit == 0
    assert world.texts()["from the phone.md"] == "hello\n"
    assert world.there() == world.texts()
    assert cloud.counts()["storage_without_consistency"] == {}


def test_a_quiet_run_asks_the_service_nothing_and_the_store_once_per_project(
    world: CloudWorld, cloud: Standin
) -> None:
    names = ["one", "two", "three"]
    world.projects = {name: {} for name in names} | {"away": {"local": None}}
    for name in names:
        for n in range(20):
            world.write(f"{name}/{n}.md")
    assert world.run().exit == 0
    cloud.take()
    quiet = world.run()
    assert {p.status for p in quiet.projects} == {Status.IN_SYNC}
    counts = cloud.take()
    assert "control" not in counts
    assert "oauth" not in counts
    assert counts["storage"] == {"LIST": 3}
    assert counts["storage_without_consistency"] == {}
    assert world.plan().projects[0].in_sync
    assert cloud.take()["storage"] == {"LIST": 3}


def test_many_files_cost_one_listing_for_each_thousand(world: CloudWorld, cloud: Standin) -> None:
    bucket = cloud.bucket()
    cloud.admin("add-project", name="notes")
    (bucket / "notes").mkdir(exist_ok=True)
    for n in range(1500):
        (bucket / "notes" / f"{n}.tmp").write_text(str(n))
    world.filters = {"exclude": ["*.tmp"]}
    world.write("notes/a.md")
    assert world.apply().exit == 0
    cloud.take()
    assert world.apply().status is Status.IN_SYNC
    assert cloud.take()["storage"] == {"LIST": 2}
    assert len(world.there()) == 1501


def test_a_project_is_found_by_every_spelling_and_lies_where_the_service_says(
    world: CloudWorld, cloud: Standin
) -> None:
    cloud.admin("add-project", name="My Notes", path="shared/my-notes")
    cloud.put("shared/my-notes/a.md", "from there")
    world.projects = {"notes": {"path": "my_notes"}}
    assert world.apply().exit == 0
    assert world.texts() == {"a.md": "from there"}
    assert len(cloud.look("status")["workspaces"][0]["projects"]) == 1


def test_the_control_plane_may_be_down(world: CloudWorld, cloud: Standin) -> None:
    world.write("notes/a.md")
    assert world.apply().exit == 0
    cloud.admin("fault", server="control", times=10_000)
    world.write("notes/b.md")
    done = world.apply()
    assert done.exit == 0, done.message
    assert world.there() == world.texts()


def test_a_service_that_is_down_at_first_is_a_failure_of_its_projects_only(
    world: CloudWorld, cloud: Standin
) -> None:
    cloud.admin("fault", server="control", times=10_000)
    world.projects = {"notes": {}, "mine": {"remote": None}}
    world.write("notes/a.md")
    world.write("mine/a.md")
    run = world.run()
    notes, mine = run.projects
    assert (notes.status, notes.exit) == (Status.FAILED, Exit.FAILED)
    assert "Traceback" not in (notes.message or "")
    assert mine.status is Status.IN_SYNC


def test_a_revoked_key_is_renewed_and_the_run_goes_on(world: CloudWorld, cloud: Standin) -> None:
    world.projects = {"one": {}, "two": {}, "three": {}}
    for name in world.projects:
        world.write(f"{name}/a.md")
    assert world.run().exit == 0
    cloud.admin("revoke-storage-keys")
    for name in world.projects:
        world.write(f"{name}/b.md")
    control(cloud)
    run = world.run()
    assert run.exit == 0, [p.message for p in run.projects]
    for name in world.projects:
        assert world.there(name) == world.texts(name)
    assert len(cloud.look("status")["storage_keys"]) == 1, "one pair for all three"
    control(cloud)
    assert {p.status for p in world.run().projects} == {Status.IN_SYNC}
    assert control(cloud) == {}, "the new keys are remembered"


@pytest.mark.parametrize("passed", [1, 2, 4, 7])
def test_a_key_revoked_in_the_middle_of_a_run_does_not_stop_it(
    world: CloudWorld, cloud: Standin, passed: int
) -> None:
    for n in range(4):
        world.write(f"notes/{n}.md")
    assert world.apply().exit == 0
    world.write("notes/0.md", "edited")
    (world.folder / "notes/1.md").unlink()
    cloud.put("notes/2.md", "edited there")
    for n in range(4, 8):
        world.write(f"notes/{n}.md")
    cloud.admin("fault", server="storage", kind="stall", after=passed)
    with ThreadPoolExecutor(1) as aside:
        running = aside.submit(world.apply)
        eventually(lambda: running.done() or not cloud.look("status")["faults"])
        assert not running.done()
        cloud.admin("revoke-storage-keys")
        cloud.admin("release")
        done = running.result()
    assert done.exit == 0, (done.message, [a for a in done.actions if a.outcome != Outcome.DONE])
    assert len(cloud.look("status")["storage_keys"]) == 1
    assert world.there() == world.texts()
    assert world.texts()["0.md"] == "edited"
    assert world.texts()["2.md"] == "edited there"
    assert world.apply().status is Status.IN_SYNC


def test_keys_that_the_store_keeps_refusing_are_made_once(
    world: CloudWorld, cloud: Standin
) -> None:
    world.write("notes/a.md")
    assert world.apply().exit == 0
    body = "<Error><Code>InvalidAccessKeyId</Code><Message>no such key</Message></Error>"
    cloud.admin(
        "fault", server="storage", status=403, body=body, content_type="application/xml", times=9999
    )
    before = len(cloud.look("status")["storage_keys"])
    done = world.apply()
    assert (done.status, done.exit) == (Status.FAILED, Exit.FAILED)
    assert "bm-sync cloud status" in (done.hint or "")
    assert len(cloud.look("status")["storage_keys"]) == before + 1


def test_another_bucket_stops_everything_on_it(world: CloudWorld, cloud: Standin) -> None:
    world.write("notes/a.md")
    assert world.apply().exit == 0
    cloud.admin("change-workspace", workspace="ada", bucket="another-bucket")
    world.write("notes/b.md")
    plan = world.planned()
    (stop,) = plan.stops
    assert (stop.guard, stop.side, stop.accept) == (Guard.STORE, Side.REMOTE, None)
    assert "bm-sync cloud repin cloud" in (stop.hint or "")
    done = world.apply()
    assert (done.status, done.exit) == (Status.STOPPED, Exit.STOPPED)
    assert world.there() == {}, "nothing was sent to the new bucket"


def test_another_sign_in_is_asked_whether_it_is_the_same_workspace(
    world: CloudWorld, cloud: Standin
) -> None:
    world.write("notes/a.md")
    assert world.apply().exit == 0
    keys = len(cloud.look("status")["storage_keys"])
    variable = "BASIC_MEMORY_CLOUD_API_KEY"
    world.setup.env[variable] = cloud.api_key("ada")
    assert world.apply().status is Status.IN_SYNC
    assert len(cloud.look("status")["storage_keys"]) == keys, "the keys are the bucket's"
    world.setup.env[variable] = cloud.api_key("grace")
    done = world.apply()
    assert (done.status, done.exit) == (Status.STOPPED, Exit.STOPPED)
    assert cloud.files("", "grace") == {}


def test_nobody_is_signed_in(world: CloudWorld, cloud: Standin) -> None:
    del world.setup.env["BASIC_MEMORY_CLOUD_API_KEY"]
    world.write("notes/a.md")
    done = world.apply()
    assert (done.status, done.exit) == (Status.FAILED, Exit.NOT_SIGNED_IN)
    assert "bm-sync login" in (done.hint or "")
    assert cloud.calls("storage") == 0


def test_a_lapsed_subscription_has_its_own_words(world: CloudWorld, cloud: Standin) -> None:
    cloud.admin("subscription", active=False)
    done = world.apply()
    assert (done.status, done.exit) == (Status.FAILED, Exit.NOT_SIGNED_IN)
    assert "https://" in (done.hint or "")


def test_a_workspace_that_is_not_there_is_told_with_those_that_are(world: CloudWorld) -> None:
    world.remote = {"workspace": "nowhere"}
    done = world.apply()
    assert (done.status, done.exit) == (Status.FAILED, Exit.FAILED)
    assert "'nowhere'" in (done.message or "")
    assert "studio" in (done.hint or "")


@pytest.mark.parametrize("wanted", ["studio", "The studio", "id"])
def test_a_workspace_is_found_by_slug_name_and_id(
    world: CloudWorld, cloud: Standin, wanted: str
) -> None:
    world.remote = {"workspace": cloud.tenant("studio") if wanted == "id" else wanted}
    world.write("notes/a.md")
    assert world.apply().exit == 0
    assert cloud.files("notes", "studio") == {"a.md": b"text of notes/a.md\n"}
    known = world.facts()
    assert known is not None
    assert (known.slug, known.transport, known.tenant_id) == (
        "studio",
        "s3",
        cloud.tenant("studio"),
    )


def test_a_name_that_the_service_rejects_is_that_projects_problem(
    world: CloudWorld, cloud: Standin
) -> None:
    world.projects = {"bad": {}, "good": {}}
    world.write("bad/a.md")
    world.write("good/a.md")
    world.plan()
    cloud.admin(
        "fault",
        server="control",
        method="POST",
        path="/proxy/v2/projects/",
        status=400,
        body='{"detail": "that name is not allowed"}',
    )
    world.setup = type(world.setup)(world.setup.env, world.state, "laptop", jobs=1)
    bad, good = world.run().projects
    assert (bad.status, bad.exit) == (Status.FAILED, Exit.FAILED)
    assert "that name is not allowed" in (bad.message or "")
    assert good.exit == 0
    assert world.there("bad") == {}
    assert world.there("good") == world.texts("good")


def test_a_cloud_only_project_is_made_and_then_costs_nothing(
    world: CloudWorld, cloud: Standin
) -> None:
    world.projects = {"archive": {"local": None}}
    assert "will be made" in world.planned("archive").notes[0]
    assert world.apply("archive").exit == 0
    assert [p["name"] for p in cloud.look("status")["workspaces"][0]["projects"]] == ["archive"]
    cloud.take()
    assert world.apply("archive").status is Status.IN_SYNC
    assert "control" not in cloud.take()
    cloud.put("archive/old.md", "old")
    listing = asyncio.run(api.listing(world.manifest(), "archive", Side.REMOTE, world.setup))
    assert [e.path for e in listing.entries] == ["old.md"]
    assert not (world.folder / "archive").exists()


def test_a_declared_project_is_made_on_both_sides(world: CloudWorld) -> None:
    plan = world.planned()
    assert [(type(a), a.path, a.side) for a in plan.moves if isinstance(a, MakeDir)] == [
        (MakeDir, "", Side.LOCAL),
        (MakeDir, "", Side.REMOTE),
    ]
    assert not (world.folder / "notes").exists()
    assert world.apply().exit == 0
    assert (world.folder / "notes").is_dir()
    assert world.apply().status is Status.IN_SYNC
    (checked,) = asyncio.run(api.check(world.manifest(), Selection(), world.setup))
    assert checked.exit == 0


def test_a_folder_that_has_vanished_is_not_made_again(world: CloudWorld) -> None:
    world.write("notes/a.md")
    world.write("notes/b.md")
    assert world.apply().exit == 0
    shutil.rmtree(world.folder / "notes")
    done = world.apply()
    assert (done.status, done.exit) == (Status.SIDE_MISSING, Exit.STOPPED)
    assert not (world.folder / "notes").exists()
    assert len(world.there()) == 2


def test_a_local_only_project_is_never_sent(world: CloudWorld, cloud: Standin) -> None:
    world.projects = {"diary": {"remote": None}}
    world.write("diary/a.md")
    assert world.run().exit == 0
    assert cloud.take().get("control", {}) == {}
    assert not cloud.files()


def test_a_project_deleted_on_the_cloud_does_not_empty_the_folder(
    world: CloudWorld, cloud: Standin
) -> None:
    world.write("notes/a.md")
    assert world.apply().exit == 0
    cloud.admin("drop-project", name="notes", files=True)
    done = world.apply()
    assert (done.status, done.exit) == (Status.SIDE_MISSING, Exit.STOPPED)
    assert [s.guard for s in done.stops] == [Guard.EMPTY_SIDE]
    assert world.texts() == {"a.md": "text of notes/a.md\n"}
    keeping = asyncio.run(api.apply(world.manifest(), Selection(), world.setup, keep_deleted=True))
    assert keeping.run is not None
    assert keeping.run.exit == 0, keeping.run.projects[0].message
    assert world.there() == world.texts()


def test_an_accepted_deletion_leaves_the_project_declared(
    world: CloudWorld, cloud: Standin
) -> None:
    world.write("notes/a.md")
    assert world.apply().exit == 0
    cloud.admin("drop-project", name="notes", files=True)
    assert world.apply(accept=Accept(delete=1)).exit == 0
    assert world.texts() == {}
    assert world.apply().status is Status.IN_SYNC


def test_a_saved_plan_makes_the_project_too(world: CloudWorld) -> None:
    world.write("notes/a.md")
    assert world.apply_saved(world.plan()).exit == 0
    assert world.there() == world.texts()


def test_two_remotes_that_are_one_workspace_do_not_share_a_project(
    world: CloudWorld,
) -> None:
    world.manifest()
    declared = json.loads((world.folder / "sync.yaml").read_text())
    declared["remotes"]["same"] = {**declared["remotes"]["cloud"], "workspace": "ada"}
    declared["projects"]["again"] = {"local": "./again", "remote": "same", "path": "Notes"}
    file = world.folder / "sync.yaml"
    file.write_text(json.dumps(declared))
    manifest = api.load(file, world.setup).manifest
    plan = asyncio.run(api.plan(manifest, Selection(), world.setup))
    assert sorted(p.failure_exit for p in plan.projects) == [0, Exit.USAGE]


def test_two_ways_to_one_workspace_share_what_is_remembered(
    world: CloudWorld, cloud: Standin
) -> None:
    world.write("notes/a.md")
    world.write("papers/b.md")
    world.manifest()
    declared = json.loads((world.folder / "sync.yaml").read_text())
    declared["remotes"]["dav"] = {**declared["remotes"]["cloud"], "transport": "webdav"}
    declared["projects"]["papers"] = {"local": "./papers", "remote": "dav"}
    file = world.folder / "sync.yaml"
    file.write_text(json.dumps(declared))
    for _ in range(2):
        cloud.take()
        manifest = api.load(file, world.setup).manifest
        done = asyncio.run(api.apply(manifest, Selection(), world.setup))
        assert done.run is not None
        assert done.run.exit == 0, [p.message for p in done.run.projects]
    assert "control" not in cloud.take()
    assert world.there("notes") == world.texts("notes")
    assert world.there("papers") == world.texts("papers")
    assert len(cloud.look("status")["storage_keys"]) == 1


def test_doctor_says_of_a_missing_folder_what_an_apply_would_do(world: CloudWorld) -> None:
    world.projects = {"diary": {"remote": None}, "notes": {}}

    async def findings() -> dict[str, str]:
        return {f.subject: f.what async for f in api.doctor(world.manifest(), world.setup)}

    told = asyncio.run(findings())
    assert told["diary: local folder"].endswith("/diary does not exist")
    assert "first apply makes it, no later one does" in told["notes: local folder"]
    assert world.run().exit == 0
    assert (world.folder / "notes").is_dir()
    assert not (world.folder / "diary").exists()


def test_check_and_doctor_know_the_cloud(world: CloudWorld, cloud: Standin) -> None:
    world.write("notes/a.md")
    (checked,) = asyncio.run(api.check(world.manifest(), Selection(), world.setup))
    assert (checked.exit, checked.failure) == (1, "the remote root is missing")
    assert checked.hint == "what apply would do: bm-sync plan notes"
    assert world.apply().exit == 0
    (checked,) = asyncio.run(api.check(world.manifest(), Selection(), world.setup))
    assert (checked.exit, checked.compared) == (0, 1)
    cloud.put("notes/a.md", "other")
    (checked,) = asyncio.run(api.check(world.manifest(), Selection(), world.setup))
    assert [d.path for d in checked.differences] == ["a.md"]

    async def findings() -> list[tuple[str, Health, str]]:
        found = api.doctor(world.manifest(), world.setup)
        return [(f.subject, f.health, f.what) async for f in found]

    told = {subject: (health, what) for subject, health, what in asyncio.run(findings())}
    health, what = told["remote cloud"]
    assert health is Health.OK
    assert "workspace 'ada' (owner)" in what


def started(world: CloudWorld, program: str) -> subprocess.Popen[str]:
    """Start a process of the same user; it is given the environment, the state and the store."""
    said = json.dumps([world.setup.env, str(world.state), world.cloud.storage])
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    with warnings.catch_warnings():
        # Python 3.12 warns of every fork beside threads; the child only calls exec
        warnings.simplefilter("ignore", DeprecationWarning)
        return subprocess.Popen(
            [sys.executable, "-c", program, said],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


_MINTER = """
import asyncio, json, sys
from pathlib import Path
from bm_sync.engine.cloud_workspace import Workspace
from bm_sync.model.config import BUILT_IN, CloudRemote
from bm_sync.model.setup import Setup

env, state, storage = json.loads(sys.argv[1])
remote = CloudRemote("cloud", None, None, "auto", storage, BUILT_IN)
async def learn():
    facts = await Workspace(remote, Setup(env, Path(state), "laptop")).facts()
    print(facts.keys.access_key)
asyncio.run(learn())
"""


def test_processes_that_start_at_once_make_one_pair_of_keys(
    world: CloudWorld, cloud: Standin
) -> None:
    with ExitStack() as stack:
        processes = [stack.enter_context(started(world, _MINTER)) for _ in range(4)]
        told = {process.communicate(timeout=120)[0].strip() for process in processes}
        assert [process.returncode for process in processes] == [0, 0, 0, 0]
    assert len(told) == 1
    assert len(cloud.look("status")["storage_keys"]) == 1


_RENEWER = """
import asyncio, json, sys
from pathlib import Path
from bm_sync.engine.cloud_workspace import Workspace
from bm_sync.model.config import BUILT_IN, CloudRemote
from bm_sync.model.setup import Setup

env, state, storage = json.loads(sys.argv[1])
remote = CloudRemote("cloud", None, None, "auto", storage, BUILT_IN)
async def renew():
    workspace = Workspace(remote, Setup(env, Path(state), "laptop"))
    old = workspace.bucket(await workspace.facts())
    print("ready", flush=True)
    sys.stdin.readline()
    new = await workspace.renewed(mint=True)
    assert new.access_key != old.access_key
    print(new.access_key)
asyncio.run(renew())
"""


def test_processes_whose_keys_are_refused_at_once_make_one_new_pair(
    world: CloudWorld, cloud: Standin
) -> None:
    world.write("notes/a.md")
    assert world.apply().exit == 0
    cloud.admin("revoke-storage-keys")
    with ExitStack() as stack:
        processes = [stack.enter_context(started(world, _RENEWER)) for _ in range(3)]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        told = {process.communicate(timeout=120)[0].strip() for process in processes}
        assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(told) == 1
    assert len(cloud.look("status")["storage_keys"]) == 1
    assert world.apply().status is Status.IN_SYNC


def test_refused_keys_and_a_service_that_is_down_are_a_failure_that_says_so(
    world: CloudWorld, cloud: Standin
) -> None:
    world.write("notes/a.md")
    assert world.apply().exit == 0
    cloud.admin("revoke-storage-keys")
    cloud.admin("fault", server="control", status=500, times=10_000)
    done = world.apply()
    assert (done.status, done.exit) == (Status.FAILED, Exit.FAILED)
    cloud.admin("clear-faults")
    assert world.apply().status is Status.IN_SYNC


def test_only_who_may_make_keys_uses_the_bucket(world: CloudWorld, cloud: Standin) -> None:
    world.remote = {"workspace": "team", "transport": "s3"}
    world.write("notes/a.md")
    done = world.apply()
    assert (done.status, done.exit) == (Status.FAILED, Exit.FAILED)
    assert "owner" in (done.message or "")
    assert cloud.calls("storage") == 0
    assert cloud.look("status")["storage_keys"] == []


def test_a_pinned_workspace_is_let_go_and_met_anew(world: CloudWorld, cloud: Standin) -> None:
    world.write("notes/a.md")
    assert world.apply().exit == 0
    cloud.admin("change-workspace", workspace="ada", bucket=cloud.bucket("studio").name)
    assert world.apply().exit == Exit.STOPPED
    (remote,) = world.manifest().remotes
    assert isinstance(remote, CloudRemote)
    assert facts.forget(world.state, remote)
    api.reset(world.manifest(), "notes", world.setup)
    assert world.apply().exit == 0
    assert world.there() == world.texts() == {"a.md": "text of notes/a.md\n"}


def test_no_secret_is_written_where_others_read(world: CloudWorld) -> None:
    world.write("notes/a.md")
    world.write("notes/b.md", "b")
    plan = world.planned()
    assert world.apply().exit == 0
    known = world.facts()
    assert known is not None
    assert known.keys is not None
    secret = known.keys.secret_key.reveal()
    assert secret not in repr(plan)
    holding = [p for p in world.folder.rglob("*") if p.is_file() and secret in _text(p)]
    assert [p.parent.name for p in holding] == ["cloud"]
    assert all(p.stat().st_mode & 0o077 == 0 for p in holding)


def _text(file: Path) -> str:
    return file.read_bytes().decode(errors="replace")


def test_a_project_that_was_renamed_here_alone_is_a_stop_and_nothing_is_lost(
    world: CloudWorld, cloud: Standin
) -> None:
    for name in ("a.md", "b.md", "c.md"):
        world.write(f"notes/{name}")
    assert world.apply().exit == 0
    before = world.texts()
    world.projects = {"diary": {"local": "./notes", "was": "notes"}}
    plan = world.planned("diary")
    assert (plan.was, [stop.guard for stop in plan.stops]) == ("notes", [Guard.EMPTY_SIDE])
    done = world.apply("diary")
    assert (done.exit, done.status) == (3, Status.SIDE_MISSING)
    assert before == world.texts()
    assert [p["name"] for p in cloud.look("status")["workspaces"][0]["projects"]] == ["notes"]
    world.projects = {"diary": {"local": "./notes", "path": "notes", "was": "notes"}}
    (world.folder / "notes/a.md").unlink()
    assert [a.kind for a in world.planned("diary").moves] == ["trash"]
