"""Team workspaces over WebDAV, against a stand-in of the service with every switch."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import standin_server
from cli_outside import START
from cloud_user import User, wait_for
from cloud_world import CloudWorld
from standin_server import Standin

from bm_sync import api
from bm_sync.model.plan import ProjectPlan
from bm_sync.model.report import Selection
from bm_sync.model.run import Event, Outcome, ProjectRun, ProjectStarted, Status
from bm_sync.model.tree import ProblemKind
from bm_sync.structs import replace

TEAM = "team"
SWITCHES: dict[str, object] = {
    "refused": {},
    "infinite_depth": True,
    "infinite_depth_limit": 0,
    "etags": "md5",
    "honours_if_match": True,
    "honours_if_none_match": True,
    "put_makes_folders": True,
}
ETAGS = ("md5", "opaque", "weak", "multipart", "none")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    with standin_server.running(tmp_path_factory.mktemp("standin")) as one:
        yield one


@pytest.fixture
def cloud(running: Standin) -> Standin:
    """Return the stand-in as it begins, with one empty project of the team."""
    running.admin("clear-faults")
    running.admin("switch", **SWITCHES)
    for workspace in running.look("status")["workspaces"]:
        for project in workspace["projects"]:
            slug, name = workspace["slug"], project["name"]
            running.admin("drop-project", workspace=slug, name=name, files=True)
    running.admin("add-project", workspace=TEAM, name="notes")
    running.admin("reset-counts")
    return running


@pytest.fixture
def ada(tmp_path: Path, cloud: Standin) -> CloudWorld:
    """Return ada's machine; she is an editor of the team and cannot have keys of its bucket."""
    return CloudWorld(tmp_path / "ada", cloud, remote={"workspace": TEAM})


def there(cloud: Standin, workspace: str = TEAM) -> dict[str, str]:
    """Return what the others see of the project."""
    found = cloud.files("notes", workspace)
    return {p: c.decode() for p, c in found.items() if not p.startswith(".bm-sync/")}


def kept(cloud: Standin) -> list[str]:
    """Return the contents of what lies in the project's trash."""
    found = cloud.files("notes/.bm-sync/trash", TEAM)
    return sorted(content.decode() for content in found.values())


def converged(world: CloudWorld, cloud: Standin) -> ProjectRun:
    """Apply; both sides are then the same, and a second apply finds nothing to do."""
    run = world.apply()
    assert run.exit == 0, told(run)
    assert there(cloud) == world.texts()
    again = world.apply()
    assert (again.status, again.actions) == (Status.IN_SYNC, ()), told(again)
    return run


def told(run: ProjectRun) -> str:
    """Return what was in the way, for the message of an assertion."""
    missed = [a for a in run.actions if a.outcome != "done"]
    return f"{run.status} {run.message} {run.problems} {run.stops} {missed}"


def meanwhile(world: CloudWorld, act: Callable[[], object]) -> ProjectRun:
    """Apply, and let somebody `act` when the plan stands and nothing is done yet."""

    def watch(event: Event) -> None:
        if isinstance(event, ProjectStarted):
            act()

    async def applying() -> ProjectRun:
        done = await api.apply(world.manifest(), Selection(), world.setup, on_event=watch)
        assert done.run is not None
        return done.run.projects[0]

    return asyncio.run(applying())


def test_a_member_without_keys_syncs_both_ways_and_a_quiet_run_is_one_request(
    ada: CloudWorld, cloud: Standin
) -> None:
    cloud.admin("drop-project", workspace=TEAM, name="notes")
    ada.write("notes/a.md")
    ada.write("notes/daily/b c.md")
    converged(ada, cloud)
    cloud.take()
    assert ada.apply().status is Status.IN_SYNC
    counts = cloud.take()
    assert counts == {"webdav": {"PROPFIND": 1}, "storage_without_consistency": {}}
    facts = ada.facts()
    assert facts is not None
    assert (facts.transport, facts.keys) == ("webdav", None)


def test_edits_on_one_side_are_no_conflicts_and_deletes_travel(
    ada: CloudWorld, cloud: Standin
) -> None:
    for n in range(6):
        ada.write(f"notes/{n}.md", f"first {n}")
    converged(ada, cloud)
    ada.write("notes/0.md", "ada's second")
    (ada.folder / "notes/1.md").unlink()
    (ada.folder / "notes/2.md").rename(ada.folder / "notes/two.md")
    cloud.put("notes/3.md", "grace's second", TEAM)
    cloud.delete("notes/4.md", TEAM)
    cloud.put("notes/new.md", "grace's new", TEAM)
    run = converged(ada, cloud)
    assert run.clashes == ()
    assert there(cloud) == {
        "0.md": "ada's second",
        "two.md": "first 2",
        "3.md": "grace's second",
        "5.md": "first 5",
        "new.md": "grace's new",
    }
    assert kept(cloud) == ["first 0", "first 1"]


def test_a_conflict_keeps_both_versions(ada: CloudWorld, cloud: Standin) -> None:
    ada.write("notes/a.md", "first")
    converged(ada, cloud)
    ada.write("notes/a.md", "ada's")
    cloud.put("notes/a.md", "grace's", TEAM)
    converged(ada, cloud)
    assert sorted(ada.texts().values()) == ["ada's", "grace's"]


def test_many_files_go_up_and_come_down(ada: CloudWorld, cloud: Standin, tmp_path: Path) -> None:
    for n in range(120):
        ada.write(f"notes/{n % 7}/{n}.md", f"text {n}")
    converged(ada, cloud)
    other = CloudWorld(tmp_path / "other", cloud, remote={"workspace": TEAM})
    converged(other, cloud)
    assert other.texts() == ada.texts()


def test_names_come_through_unharmed(ada: CloudWorld, cloud: Standin) -> None:
    names = ["a b.md", "a#b?c.md", "100 %.md", "ä/ö ü.md", "+&;=,.md", "[x] {y}.md", "'\"<>.md"]
    names += ["日.md", "a:c|d*.md"]
    for name in names:
        ada.write(f"notes/{name}", f"mine {name}")
        cloud.put(f"notes/theirs/{name}", f"theirs {name}", TEAM)
    converged(ada, cloud)
    assert len(ada.texts()) == 2 * len(names)
    for name in names:
        (ada.folder / "notes" / name).unlink()
    converged(ada, cloud)
    assert sorted(there(cloud)) == sorted(f"theirs/{name}" for name in names)


def test_where_a_listing_may_not_be_infinite_folders_are_asked_and_it_is_remembered(
    ada: CloudWorld, cloud: Standin
) -> None:
    cloud.admin("switch", infinite_depth=False)
    ada.write("notes/a.md")
    ada.write("notes/b/c/d.md")
    cloud.put("notes/e/f.md", "theirs", TEAM)
    converged(ada, cloud)
    cloud.take()
    assert ada.apply().status is Status.IN_SYNC
    assert cloud.take()["webdav"] == {"PROPFIND": 4}, "the project, b, b/c, e; nothing in vain"


@pytest.mark.parametrize("etags", ETAGS)
def test_whatever_etags_are_edits_of_equal_size_are_seen_and_equal_files_adopted(
    ada: CloudWorld, cloud: Standin, etags: str
) -> None:
    cloud.admin("switch", etags=etags)
    cloud.put("notes/equal.md", "same", TEAM)
    ada.write("notes/equal.md", "same")
    ada.write("notes/mine.md", "mine 1")
    cloud.put("notes/theirs.md", "theirs 1", TEAM, mtime_s=1_700_000_000)
    assert converged(ada, cloud).clashes == ()
    ada.write("notes/mine.md", "mine 2")
    cloud.put("notes/theirs.md", "theirs 2", TEAM, mtime_s=1_700_000_100)
    assert converged(ada, cloud).clashes == ()
    (ada.folder / "notes/mine.md").unlink()
    cloud.delete("notes/theirs.md", TEAM)
    converged(ada, cloud)
    assert there(cloud) == {"equal.md": "same"}
    assert kept(cloud) == ["mine 1", "mine 2"]


@pytest.mark.parametrize(
    ("etags", "honoured"),
    [("md5", True), ("md5", False), ("opaque", True), ("weak", True), ("none", False)],
)
def test_what_another_member_writes_after_the_plan_is_never_replaced_unseen(
    ada: CloudWorld, cloud: Standin, etags: str, *, honoured: bool
) -> None:
    cloud.admin("switch", etags=etags, honours_if_match=honoured, honours_if_none_match=honoured)
    for name in ("edited", "deleted", "renamed"):
        ada.write(f"notes/{name}.md", f"first {name}")
    converged(ada, cloud)
    ada.write("notes/edited.md", "ada's")
    (ada.folder / "notes/deleted.md").unlink()
    (ada.folder / "notes/renamed.md").rename(ada.folder / "notes/moved.md")
    ada.write("notes/new.md", "ada's new")

    def grace() -> None:
        for name in ("edited", "deleted", "renamed", "new"):
            cloud.put(f"notes/{name}.md", f"grace's later {name}", TEAM)

    run = meanwhile(ada, grace)
    assert run.exit == 1
    assert {a.path for a in run.actions if a.outcome is Outcome.DROPPED} >= {
        "edited.md",
        "deleted.md",
        "new.md",
    }, told(run)
    for name in ("edited", "deleted", "renamed", "new"):
        assert there(cloud)[f"{name}.md"] == f"grace's later {name}"
    assert ada.apply().exit == 0
    later = set(there(cloud).values())
    assert {"ada's", "ada's new", *(f"grace's later {n}" for n in ("edited", "new"))} <= later


def test_a_condition_closes_the_last_window(ada: CloudWorld, cloud: Standin) -> None:
    ada.write("notes/a.md", "first")
    converged(ada, cloud)
    ada.write("notes/a.md", "ada's")
    ada.write("notes/b.md", "ada's new")
    for name in ("a.md", "b.md"):
        cloud.admin("fault", server="webdav", method="PUT", kind="stall", within=name)

    async def applying() -> ProjectRun:
        task = asyncio.create_task(api.apply(ada.manifest(), Selection(), ada.setup))
        for name in ("b.md", "a.md"):
            await stalled(cloud, name)
            cloud.put(f"notes/{name}", "grace's", TEAM)
            cloud.admin("release")
        done = await task
        assert done.run is not None
        return done.run.projects[0]

    run = asyncio.run(applying())
    assert {a.path: a.outcome for a in run.actions} == {
        "a.md": Outcome.DROPPED,
        "b.md": Outcome.DROPPED,
    }
    assert there(cloud) == {"a.md": "grace's", "b.md": "grace's"}


async def stalled(cloud: Standin, name: str) -> None:
    """Wait until the upload of a file is held by the stand-in."""
    async with asyncio.timeout(60):
        while any(  # noqa: ASYNC110 - in another process
            f["within"] == name for f in cloud.look("status")["faults"]
        ):
            await asyncio.sleep(0.02)  # between two looks at a condition


def withheld(plan: ProjectPlan | ProjectRun) -> list[str]:
    """Return the paths whose deletion is not possible."""
    return [p.path for p in plan.problems if p.kind is ProblemKind.UNDELETABLE]


@pytest.mark.parametrize("status", [405, 403])
def test_where_nothing_can_be_deleted_two_way_says_so_each_time_and_brings_nothing_back(
    ada: CloudWorld, cloud: Standin, status: int
) -> None:
    cloud.admin("switch", refused={"DELETE": status})
    for name in ("a", "b", "c", "old"):
        ada.write(f"notes/{name}.md", f"first {name}")
    converged(ada, cloud)
    (ada.folder / "notes/a.md").unlink()
    (ada.folder / "notes/old.md").rename(ada.folder / "notes/new.md")
    ada.write("notes/b.md", "second b")
    for _ in range(2):
        assert withheld(ada.planned()) == ["a.md", "old.md"]
        run = ada.apply()
        assert (run.exit, run.status) == (3, Status.WAITING), told(run)
        assert withheld(run) == ["a.md", "old.md"]
        assert sorted(ada.texts()) == ["b.md", "c.md", "new.md"]
        assert sorted(there(cloud)) == ["a.md", "b.md", "c.md", "new.md", "old.md"]
        assert there(cloud)["b.md"] == "second b"
    cloud.put("notes/a.md", "grace goes on with it", TEAM)
    assert ada.apply().exit == 3
    assert ada.texts()["a.md"] == "grace goes on with it", "an edit beats a deletion"
    cloud.delete("notes/old.md", TEAM)
    assert converged(ada, cloud).exit == 0


def test_a_deletion_that_turns_out_to_be_impossible_waits_as_well(
    ada: CloudWorld, cloud: Standin
) -> None:
    for name in ("a", "b", "c"):
        cloud.put(f"notes/{name}.md", "theirs", TEAM)
    converged(ada, cloud)
    cloud.admin("switch", refused={"DELETE": 405})
    (ada.folder / "notes/a.md").unlink()
    for _ in range(2):
        run = ada.apply()
        assert (run.exit, run.status) == (3, Status.WAITING), told(run)
        assert sorted(ada.texts()) == ["b.md", "c.md"]
        assert sorted(there(cloud)) == ["a.md", "b.md", "c.md"]
    assert withheld(ada.planned()) == ["a.md"]


def test_a_deletion_that_had_to_wait_is_done_once_the_server_deletes(
    ada: CloudWorld, cloud: Standin
) -> None:
    cloud.admin("switch", refused={"DELETE": 403})
    ada.write("notes/a.md", "first")
    ada.write("notes/b.md")
    converged(ada, cloud)
    (ada.folder / "notes/a.md").unlink()
    assert ada.apply().exit == 3
    cloud.admin("switch", refused={})
    assert withheld(ada.apply()) == ["a.md"], "the plan was made before it was looked at"
    converged(ada, cloud)
    assert kept(cloud) == ["first"]


@pytest.mark.parametrize("gone", ["MOVE", "COPY", "DELETE"])
def test_what_a_server_no_longer_does_is_found_out_anew(
    ada: CloudWorld, cloud: Standin, gone: str
) -> None:
    first = {"DELETE": {"MOVE": 405}}.get(gone, {})
    cloud.admin("switch", refused=first)
    for name in ("a", "b"):
        ada.write(f"notes/{name}.md", f"first {name}")
    converged(ada, cloud)
    cloud.admin("switch", refused={**first, gone: 405})
    (ada.folder / "notes/a.md").unlink()
    ada.write("notes/b.md", "second")
    assert ada.apply().exit == 1
    expected = 3 if gone == "DELETE" else 0
    assert ada.apply().exit == expected
    assert ada.apply().exit == expected
    assert there(cloud)["b.md"] == "second"
    assert ("a.md" in there(cloud)) == (gone == "DELETE")


def test_where_nothing_can_be_deleted_push_and_pull_are_not_concerned(
    ada: CloudWorld, cloud: Standin
) -> None:
    cloud.admin("switch", refused={"DELETE": 405})
    for mode in ("push", "pull"):
        ada.policy = {"mode": mode}
        ada.write(f"notes/{mode}.md")
        cloud.put(f"notes/{mode} there.md", "theirs", TEAM)
        assert ada.apply().exit == 0
        (ada.folder / f"notes/{mode}.md").unlink()
        run = ada.apply()
        assert (run.exit, run.problems) == (0, ()), told(run)
    assert sorted(there(cloud)) == ["pull there.md", "push there.md", "push.md"]


@pytest.mark.parametrize("refused", [["MOVE"], ["MOVE", "COPY"], ["COPY"], ["MKCOL"]], ids="+".join)
def test_what_the_server_cannot_do_something_else_stands_in_for(
    ada: CloudWorld, cloud: Standin, refused: list[str]
) -> None:
    cloud.admin("switch", refused=dict.fromkeys(refused, 405))
    for name in ("a", "b", "c"):
        ada.write(f"notes/{name}.md", f"first {name}")
    converged(ada, cloud)
    (ada.folder / "notes/a.md").unlink()
    (ada.folder / "notes/b.md").rename(ada.folder / "notes/beta.md")
    ada.write("notes/c.md", "second c")
    converged(ada, cloud)
    assert there(cloud) == {"beta.md": "first b", "c.md": "second c"}
    assert kept(cloud) == ["first a", "first c"]


def test_folders_are_made_where_an_upload_needs_them(ada: CloudWorld, cloud: Standin) -> None:
    cloud.admin("switch", put_makes_folders=False)
    ada.write("notes/a.md")
    ada.write("notes/b/c/d.md")
    converged(ada, cloud)
    (ada.folder / "notes/b/c/d.md").unlink()
    ada.write("notes/b/e/f.md")
    converged(ada, cloud)


def test_where_folders_are_needed_and_cannot_be_made_it_is_those_files_problem(
    ada: CloudWorld, cloud: Standin
) -> None:
    cloud.admin("switch", put_makes_folders=False, refused={"MKCOL": 405})
    ada.write("notes/a.md")
    ada.write("notes/b/c.md")
    run = ada.apply()
    assert run.exit == 1
    assert {a.path: a.outcome for a in run.actions if a.kind == "copy"} == {
        "a.md": Outcome.DONE,
        "b/c.md": Outcome.FAILED,
    }
    assert sorted(there(cloud)) == ["a.md"]


@pytest.mark.parametrize("status", [429, 503])
def test_a_service_that_is_busy_or_stumbles_is_asked_again(
    ada: CloudWorld, cloud: Standin, status: int
) -> None:
    ada.write("notes/a.md", "first")
    converged(ada, cloud)
    (ada.folder / "notes/a.md").unlink()
    ada.write("notes/b.md")
    cloud.put("notes/c.md", "theirs", TEAM)
    for method in ("PROPFIND", "PUT", "GET", "MOVE"):
        asked = {"retry_after": "1"} if status == 429 else {}
        cloud.admin("fault", server="webdav", method=method, status=status, **asked)
    cloud.admin("fault", server="webdav", method="PUT", kind="reset")
    run = converged(ada, cloud)
    assert not cloud.look("status")["faults"], "every fault has struck"
    assert [a.outcome for a in run.actions] == [Outcome.DONE] * 3


def test_a_token_that_ends_in_mid_run_is_renewed(
    ada: CloudWorld, cloud: Standin, tmp_path: Path
) -> None:
    signed_in_by_token(ada, cloud, tmp_path)
    ada.write("notes/a.md", "first")
    converged(ada, cloud)
    for n in range(5):
        ada.write(f"notes/up {n}.md")
        cloud.put(f"notes/down {n}.md", "theirs", TEAM)
    run = meanwhile(ada, lambda: cloud.admin("expire-tokens"))
    assert run.exit == 0, told(run)
    assert there(cloud) == ada.texts()
    cloud.put("notes/later.md", "theirs", TEAM)
    cloud.admin("fault", server="webdav", method="GET", status=401)
    assert ada.apply().exit == 0
    assert ada.texts()["later.md"] == "theirs"


@pytest.mark.parametrize("etags", ["md5", "opaque"])
def test_a_run_that_was_killed_is_finished_by_the_next_one(
    ada: CloudWorld, cloud: Standin, etags: str
) -> None:
    cloud.admin("switch", etags=etags)
    for n in range(3):
        ada.write(f"notes/{n}.md", f"first {n}")
    converged(ada, cloud)
    ada.write("notes/0.md", "second 0")
    (ada.folder / "notes/1.md").unlink()
    for n in range(8):
        ada.write(f"notes/new {n}.md")
    cloud.put("notes/theirs.md", "theirs", TEAM)
    cloud.admin("fault", server="webdav", method="PUT", kind="stall", after=5)
    killed(ada, cloud)
    cloud.admin("clear-faults")
    run = converged(ada, cloud)
    assert run.clashes == ()
    assert len(ada.texts()) == 2 + 8 + 1
    assert {"first 0", "first 1"} <= set(kept(cloud))


def killed(world: CloudWorld, cloud: Standin) -> None:
    """Apply in a process of its own, and kill that while an upload is held by the stand-in."""
    world.manifest()
    with warnings.catch_warnings():
        # Python 3.12 warns of every fork beside threads; the child only calls exec
        warnings.simplefilter("ignore", DeprecationWarning)
        process = subprocess.Popen(
            [*START, "apply", "-f", str(world.folder / "sync.yaml"), "--yes"],
            env={**world.setup.env, "BM_SYNC_STATE_DIR": str(world.state)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    with process:
        wait_for(lambda: not cloud.look("status")["faults"] or process.poll() is not None)
        assert process.poll() is None
        process.kill()


def signed_in_by_token(world: CloudWorld, cloud: Standin, tmp_path: Path) -> None:
    """Let a machine have a sign-in that ends and is renewed, in the place of a key."""
    user = User(tmp_path / "browser", cloud)
    user.signed_in()
    (world.state / "cloud").mkdir(parents=True)
    shutil.copy(user.login_file, world.state / "cloud/login.json")
    env = {k: v for k, v in world.setup.env.items() if k != "BASIC_MEMORY_CLOUD_API_KEY"}
    world.setup = replace(world.setup, env=env)


def test_the_credential_shows_nowhere(ada: CloudWorld, cloud: Standin) -> None:
    ada.write("notes/a.md")
    cloud.put("notes/b.md", "theirs", TEAM)
    key = ada.setup.env["BASIC_MEMORY_CLOUD_API_KEY"].encode()
    seen: list[bytes] = []

    def look() -> None:
        seen.extend(command_lines())

    cloud.admin("fault", server="webdav", method="GET", status=403, times=99)
    run = meanwhile(ada, look)
    assert run.exit == 1
    assert any(b"rclone" in line for line in seen)
    assert not any(key in line for line in seen)
    assert key.decode() not in repr((run, ada.planned()))
    files = [f for f in ada.folder.rglob("*") if f.is_file()]
    assert not [f for f in files if key in f.read_bytes()]


def command_lines() -> Iterator[bytes]:
    """Yield the command line of every process of this machine."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield file.read_bytes()


def test_a_sign_in_service_that_stumbles_is_asked_again(
    ada: CloudWorld, cloud: Standin, tmp_path: Path
) -> None:
    signed_in_by_token(ada, cloud, tmp_path)
    ada.write("notes/a.md")
    converged(ada, cloud)
    ada.write("notes/b.md")
    cloud.admin("fault", server="oauth", status=500, times=2)
    run = meanwhile(ada, lambda: cloud.admin("expire-tokens"))
    assert run.exit == 0, told(run)
    assert there(cloud) == ada.texts()


def test_who_may_only_read_pulls_and_a_file_that_cannot_go_up_is_its_own_problem(
    cloud: Standin, tmp_path: Path
) -> None:
    cloud.admin("add-project", workspace="library", name="notes")
    cloud.put("notes/theirs.md", "theirs", "library")
    reader = CloudWorld(tmp_path / "reader", cloud, remote={"workspace": "library"})
    reader.policy = {"mode": "pull"}
    assert reader.apply().exit == 0
    assert reader.texts() == {"theirs.md": "theirs"}
    reader.policy = {"mode": "two-way"}
    reader.write("notes/mine.md")
    cloud.put("notes/more.md", "theirs", "library")
    run = reader.apply()
    assert run.exit == 1
    (failed,) = [a for a in run.actions if a.outcome is not Outcome.DONE]
    assert (failed.path, failed.outcome) == ("mine.md", Outcome.FAILED)
    assert sorted(reader.texts()) == ["mine.md", "more.md", "theirs.md"]
    assert sorted(there(cloud, "library")) == ["more.md", "theirs.md"]
    (reader.folder / "notes/theirs.md").unlink()
    (reader.folder / "notes/mine.md").unlink()
    cloud.put("notes/new.md", "theirs", "library")
    run = reader.apply()
    assert run.exit == 1
    (failed,) = [a for a in run.actions if a.outcome is not Outcome.DONE]
    assert (failed.path, failed.outcome) == ("theirs.md", Outcome.FAILED)
    assert "needs the role editor" in (failed.detail or ""), told(run)
    assert sorted(reader.texts()) == ["more.md", "new.md"], "what is not forbidden goes on"
    assert sorted(there(cloud, "library")) == ["more.md", "new.md", "theirs.md"]


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_mirror_of_a_team_workspace_is_refused_with_the_reason(
    ada: CloudWorld, cloud: Standin, direction: str
) -> None:
    cloud.put("notes/theirs.md", "theirs", TEAM)
    ada.write("notes/mine.md")
    ada.policy = {"mode": "mirror", "direction": direction}
    plan = ada.planned()
    assert plan.failure_exit == 2
    assert "team workspace" in (plan.failure or "")
    assert "two-way, push or pull" in (plan.failure_hint or "")
    assert ada.apply().exit == 2
    assert there(cloud) == {"theirs.md": "theirs"}
    assert sorted(ada.texts()) == ["mine.md"]


def test_a_personal_workspace_is_mirrored_over_webdav_and_may_change_its_transport(
    tmp_path: Path, cloud: Standin
) -> None:
    remote: dict[str, object] = {"workspace": "ada", "transport": "webdav"}
    world = CloudWorld(tmp_path / "ada", cloud, remote=remote, policy={"mode": "mirror"})
    world.write("notes/a.md")
    assert world.apply().exit == 0
    cloud.put("notes/surplus.md", "theirs", "ada")
    assert world.apply().exit == 0
    assert there(cloud, "ada") == world.texts()
    world.remote = {"workspace": "ada", "transport": "s3"}
    assert world.planned().in_sync, "the stamps are those of the bucket"
