"""`bm-sync cloud ...` from outside: what it says, what it refuses, what it leaves alone."""

from __future__ import annotations

import json
import shlex
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest
from cli_outside import World
from cli_samples import NOW, VIEW, golden
from cli_terminal import terminal
from cloud_user import User, wait_for
from pasted import commands, refusal

from bm_sync.cli.render.cloud import (
    code_text,
    login_text,
    logout_text,
    projects_text,
    removal_text,
    repin_text,
    status_text,
)
from bm_sync.cli.render.text import escape
from bm_sync.cloud import facts
from bm_sync.cloud.facts import Facts
from bm_sync.errors import Exit
from bm_sync.manifest import load
from bm_sync.model.cloud import CloudProject, Workspace
from bm_sync.model.cloud_report import (
    CloudProblem,
    CloudStatus,
    ProjectLine,
    RemoteLine,
    RemovalReport,
    RepinReport,
    SignInReport,
    SignOutReport,
)
from bm_sync.model.config import CloudRemote
from bm_sync.model.report import ResetReport
from bm_sync.paths import schema_file
from bm_sync.structs import replace

ALWAYS = 1000
MANIFEST = """\
version: 1
remotes:
  cloud: {{type: basic-memory-cloud, storage: {storage}}}
  crew: {{type: basic-memory-cloud, workspace: {workspace}, storage: {storage}}}
defaults: {{remote: cloud}}
projects:
  notes: {{local: ./notes}}
  diary: {{local: ./diary, path: My Diary}}
  plans: {{local: ./plans, remote: crew}}
"""

EVIL = "Evil\x1b[2J\u202ename"
HOST = "https://cloud.basicmemory.com"
WORKSPACES = (
    Workspace(
        "11111111-0000-4000-8000-000000000000", "personal", "ada", "Ada", "owner", True, True
    ),
    Workspace("22222222-0000-4000-8000-000000000000", "organization", "crew", EVIL, "editor"),
    Workspace(
        "33333333-0000-4000-8000-000000000000",
        "organization",
        "",
        "Old",
        "viewer",
        subscribed=False,
    ),
)
GOOD = CloudStatus(
    host=HOST,
    how="login",
    source="bm-sync login",
    account="0123456789abcdef",
    made="2026-11-20T07:15:00Z",
    expires=(NOW + timedelta(minutes=48)).isoformat(),
    renewable=True,
    service="healthy",
    version="0.24.1",
    subscription="active",
    workspaces=WORKSPACES,
    remotes=(
        RemoteLine("cloud", None, WORKSPACES[0].tenant_id, "bucket-ada", pinned=True),
        RemoteLine("crew", "crew", WORKSPACES[1].tenant_id, "bucket-crew"),
        RemoteLine("lost", "nobody"),
    ),
)
NOBODY = replace(
    GOOD,
    how="none",
    source="",
    made=None,
    expires=None,
    service="unknown",
    version=None,
    subscription="unknown",
    workspaces=(),
    remotes=(),
    troubles=(
        CloudProblem("not signed in at cloud.basicmemory.com: nobody", "bm-sync login", 4),
        CloudProblem(f"a text of the service: {EVIL}", None, 1),
    ),
)


def test_the_screens_read_as_they_should() -> None:
    project = CloudProject("p-1", EVIL, "evil", is_default=True)
    projects = (
        ProjectLine("cloud", "notes", CloudProject("p-2", "notes", "notes"), ("notes",)),
        ProjectLine("cloud", EVIL, project, ()),
        ProjectLine("crew", "plans", None, ("plans",)),
    )
    trouble = CloudProblem("subscription required at x: pay", "subscribe at https://x", 4)
    screens = {
        "login": code_text("ABCD-EFGH", f"{HOST}/device?user_code=ABCD-EFGH", 600)
        + login_text(SignInReport(HOST, "login", "/s/login.json"), VIEW),
        "login, lapsed": login_text(
            SignInReport(HOST, "api-key", "/s/l", "BASIC_MEMORY_CLOUD_API_KEY", None, trouble), VIEW
        ),
        "login, not ready": login_text(
            SignInReport(HOST, "login", "/s/l", None, f"HTTP 503 {EVIL}"), VIEW
        ),
        "logout": logout_text(SignOutReport(HOST, removed=True, keys=2), VIEW),
        "logout again": logout_text(SignOutReport(HOST, removed=False, keys=0), VIEW),
        "logout, Basic Memory's stays": logout_text(
            SignOutReport(HOST, removed=True, keys=0, remains="/b/t.json", ending="bm ..."), VIEW
        ),
        "status": status_text([GOOD], VIEW),
        "status, two hosts": status_text([replace(GOOD, workspaces=()), NOBODY], VIEW),
        "projects": projects_text(projects, VIEW),
        "no projects": projects_text((), VIEW),
        "rm": removal_text(RemovalReport(HOST, project, f"pending {EVIL}", ("notes",)), VIEW),
        "repin": repin_text(
            RepinReport("cloud", "t-1", "b-1", (ResetReport("notes", True, 41, ""),)),
            VIEW,
        ),
    }
    golden("cloud", "".join(f"== {name}\n{text}\n" for name, text in screens.items()))
    said = "".join(screens.values())
    assert escape(EVIL) in said
    assert all(line.isprintable() for line in said.splitlines())
    found = [words for line in said.splitlines() for words in commands(line)]
    assert found
    assert [slip for words in found if (slip := refusal(words))] == []


@pytest.fixture
def team(user: User) -> User:
    """Return somebody with a manifest of two remotes, an API key, and three projects there."""
    manifest(user, "studio")
    user.keep_key()
    for row in user.service.look("status")["workspaces"]:
        for project in row["projects"] if row["slug"] in {"ada", "studio"} else ():
            user.service.admin("drop-project", workspace=row["slug"], name=project["name"])
    for name in ("First", "my-diary", "notes"):
        user.service.admin("add-project", name=name)
    user.service.admin("reset-counts")
    return user


def manifest(user: User, workspace: str) -> None:
    text = MANIFEST.format(storage=user.service.storage, workspace=workspace)
    user.home.mkdir(parents=True, exist_ok=True)
    (user.home / "sync.yaml").write_text(text)


def remote(user: User, name: str) -> CloudRemote:
    loaded = load(user.home / "sync.yaml", user.env, state_dir=user.state).manifest
    (found,) = (each for each in loaded.remotes if each.name == name)
    assert isinstance(found, CloudRemote)
    return found


def pin(user: User, bucket: str) -> None:
    """Remember that the files of the remote `cloud` lie in `bucket`."""
    known = Facts(
        host=user.service.host,
        workspace=None,
        account=user.account().fingerprint,
        tenant_id=user.service.tenant("ada"),
        bucket=bucket,
    )
    facts.write(user.state, remote(user, "cloud"), known)


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, but for locks, which are empty for ever."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


def test_status_tells_who_we_are_and_which_workspaces_the_manifest_uses(team: User) -> None:
    said = team.run("cloud", "status", "--json")
    assert said.code == 0
    jsonschema.validate(said.json, json.loads(schema_file("envelope").read_text()))
    (status,) = said.json["data"]
    assert (status["how"], status["service"], status["subscription"]) == (
        "api-key",
        "healthy",
        "active",
    )
    used = {line["name"]: line["tenant_id"] for line in status["remotes"]}
    assert used == {"cloud": team.service.tenant("ada"), "crew": team.service.tenant("studio")}
    assert team.kept()["api_key"] not in said.out
    assert team.run("cloud", "status", "-q").out == ""


def test_status_without_a_manifest_looks_at_the_usual_service(team: User) -> None:
    (team.home / "sync.yaml").unlink()
    said = team.run("cloud", "status")
    assert said.code == 0
    assert team.service.host in said.out


def test_status_at_a_host_that_nothing_signs_in_to_sends_nothing_there(team: User) -> None:
    text = (team.home / "sync.yaml").read_text()
    other = team.service.host.replace("127.0.0.1", "localhost")
    text = text.replace("cloud: {type", f"cloud: {{host: '{other}', type")
    (team.home / "sync.yaml").write_text(text)
    said = team.run("cloud", "status", "--json")
    assert said.code == Exit.NOT_SIGNED_IN
    by_host = {status["host"]: status for status in said.json["data"]}
    assert by_host[other]["how"] == "none"
    assert by_host[team.service.host]["how"] == "api-key"
    assert f"bm-sync login --host {other}" in said.json["errors"][0]["hint"]


@pytest.mark.parametrize(
    ("fault", "code", "word"),
    [
        ({"status": 503, "times": ALWAYS}, Exit.FAILED, "down"),
        ({"kind": "html", "status": 502, "times": ALWAYS}, Exit.FAILED, "down"),
        ({"status": 401}, Exit.NOT_SIGNED_IN, "unknown"),
    ],
)
def test_status_exits_by_what_it_met(
    team: User, fault: dict[str, object], code: Exit, word: str
) -> None:
    team.service.admin("fault", **fault)
    said = team.run("cloud", "status", "--json")
    assert said.code == code
    assert said.json["data"][0]["service"] == word


@pytest.mark.parametrize("shape", ["nested", "flat"])
def test_status_of_a_lapsed_subscription_exits_4_with_the_link(team: User, shape: str) -> None:
    team.service.admin("subscription", active=False, shape=shape)
    said = team.run("cloud", "status")
    assert said.code == Exit.NOT_SIGNED_IN
    assert "subscription  lapsed" in said.out
    assert said.out.count("https://basicmemory.com/pricing") == 1


def test_status_names_a_workspace_that_is_not_there_and_what_was_meant(team: User) -> None:
    manifest(team, "studoi")
    said = team.run("cloud", "status", "--json")
    assert said.code == Exit.FAILED
    (error,) = said.json["errors"]
    assert "no workspace 'studoi'" in error["what"]
    assert "did you mean 'studio'?" in error["hint"]


def test_status_believes_nothing_of_a_page_that_answers_for_the_service(team: User) -> None:
    team.service.admin("fault", kind="html", status=200, times=ALWAYS)
    said = team.run("cloud", "status", "--json")
    assert said.code == Exit.FAILED
    (status,) = said.json["data"]
    assert (status["service"], status["subscription"]) == ("down", "unknown")


def test_status_stops_at_a_bucket_that_is_another_than_before_until_it_is_repinned(
    team: User,
) -> None:
    pin(team, "another-bucket")
    said = team.run("cloud", "status", "--json")
    assert said.code == Exit.STOPPED
    assert "bm-sync cloud repin cloud" in said.json["errors"][0]["hint"]
    done = team.run("cloud", "repin", "cloud")
    assert done.code == 0
    assert "forgot that its files lay in another-bucket" in done.out
    assert facts.read(team.state, remote(team, "cloud")) is None
    assert team.run("cloud", "status").code == 0


def test_projects_are_listed_with_what_declares_them_in_any_spelling(team: User) -> None:
    said = team.run("cloud", "projects", "--json")
    assert said.code == 0
    found = {(row["remote"], row["name"]): row for row in said.json["data"]}
    assert found["cloud", "notes"]["declared"] == ["notes"]
    assert found["cloud", "my-diary"]["declared"] == ["diary"]
    assert found["cloud", "First"]["declared"] == []
    assert found["crew", "plans"]["project"] is None
    assert {row["workspace"] for row in team.service.look("log") if "projects" in row["path"]} == {
        "",
        team.service.tenant("studio"),
    }
    only = team.run("cloud", "projects", "crew")
    assert "plans" in only.out
    assert "my-diary" not in only.out


def test_projects_of_the_other_remotes_are_listed_beside_one_that_cannot_be_asked(
    user: User, team: User
) -> None:
    manifest(user, "nobody")
    said = team.run("cloud", "projects")
    assert said.code != 0
    assert "my-diary" in said.out
    assert "crew: " in said.out
    answer = team.run("cloud", "projects", "--json")
    assert (answer.code, len(answer.json["errors"])) == (said.code, 1)
    assert {row["remote"] for row in answer.json["data"]} == {"cloud"}
    assert team.run("cloud", "projects", "crew").code == said.code


def test_projects_of_a_remote_that_is_none_are_a_usage_error(team: User) -> None:
    said = team.run("cloud", "projects", "clout")
    assert said.code == Exit.USAGE
    assert "did you mean 'cloud'?" in said.err


def test_rm_deletes_exactly_the_named_project_and_no_folder_here(team: User) -> None:
    (team.home / "notes").mkdir()
    (team.home / "notes/a.md").write_text("mine\n")
    team.service.put("notes/a.md", "theirs\n")
    before = {folder: tree(team.home / folder) for folder in ("notes", ".local")}
    said = team.run("cloud", "rm", "notes", "--yes-delete", "notes", "--remote", "cloud")
    assert said.code == 0
    assert "(pending)" in said.out
    assert "take that out before the next apply" in said.out
    assert {folder: tree(team.home / folder) for folder in before} == before
    wait_for(lambda: "notes/a.md" not in team.service.look("files"))
    left = {row["name"] for row in team.run("cloud", "projects", "cloud", "--json").json["data"]}
    assert left >= {"First", "my-diary"}
    assert team.run("cloud", "projects", "cloud").out.count("not there yet") == 1


def test_rm_forgets_the_project_that_is_gone(team: User) -> None:
    pin(team, "b")
    here = remote(team, "cloud")
    known = facts.read(team.state, here)
    assert known is not None
    projects = json.loads(team.run("cloud", "projects", "cloud", "--json").out)["data"]
    listed = tuple(CloudProject(**row["project"]) for row in projects if row["project"])
    facts.write(team.state, here, replace(known, projects=listed))
    assert team.run("cloud", "rm", "notes", "--yes-delete", "notes", "--remote", "cloud").code == 0
    after = facts.read(team.state, here)
    assert after is not None
    assert {p.name for p in after.projects} == {"First", "my-diary"}


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("notes", "--remote", "cloud"), Exit.USAGE, "has to be confirmed"),
        (("notes", "--yes-delete", "note", "--remote", "cloud"), Exit.USAGE, "the same name twice"),
        (("notes", "--yes-delete", "notes"), Exit.USAGE, "may lie on several remotes"),
        (
            ("My Diary", "--yes-delete", "My Diary", "--remote", "cloud"),
            Exit.FAILED,
            "there is no project 'My Diary'",
        ),
        (
            ("First", "--yes-delete", "First", "--remote", "cloud"),
            Exit.FAILED,
            "is the default and cannot be deleted",
        ),
        (("notes", "--yes"), Exit.USAGE, "--yes belongs to"),
        ((), Exit.USAGE, "needs a name"),
    ],
)
def test_rm_refuses_and_deletes_nothing(
    team: User, words: tuple[str, ...], code: Exit, text: str
) -> None:
    before = team.service.look("status")["workspaces"]
    said = team.run("cloud", "rm", *words)
    assert said.code == code, said
    assert text in said.err
    assert team.service.look("status")["workspaces"] == before


def test_the_command_that_rm_tells_a_script_does_what_was_asked(team: User) -> None:
    team.service.admin("add-project", workspace="ada", name="Größe & Co")
    said = team.run("cloud", "rm", "Größe & Co", "--remote", "cloud")
    assert said.code == Exit.USAGE
    told = shlex.split(said.err.partition("in a script: bm-sync ")[2])
    assert team.run(*told).code == 0


@pytest.mark.parametrize(("typed", "code"), [("notes\n", 0), ("note\n", 1), ("\n", 1), ("y\n", 1)])
def test_rm_on_a_terminal_wants_the_name_typed(team: User, typed: str, code: int) -> None:
    words = ("cloud", "rm", "notes", "--remote", "cloud")
    with terminal(World(team.home), *words, **team.env) as screen:
        screen.until("Type the name of the project to delete it: ")
        screen.type(typed)
        assert screen.end() == code
    rows = team.service.look("status")["workspaces"]
    (mine,) = (row for row in rows if row["slug"] == "ada")
    assert any(p["name"] == "notes" for p in mine["projects"]) is bool(code)


def test_rm_interrupted_at_its_question_deletes_nothing(team: User) -> None:
    words = ("cloud", "rm", "notes", "--remote", "cloud")
    with terminal(World(team.home), *words, **team.env) as screen:
        screen.until("Type the name of the project to delete it: ")
        screen.type("\x03")
        assert screen.end() == Exit.INTERRUPTED
    assert not [row for row in team.service.look("log") if row["method"] == "DELETE"]


def test_repin_forgets_what_the_projects_of_that_remote_agreed_on_and_no_other(
    team: User,
) -> None:
    for name in ("notes", "diary", "plans"):
        (team.home / name).mkdir()
        (team.home / name / "a.md").write_text(f"{name}\n")
    assert team.run("apply").code == 0
    files = {name: tree(team.home / name) for name in ("notes", "diary", "plans")}
    there = team.service.look("files")
    said = team.run("cloud", "repin", "cloud")
    assert said.code == 0
    assert "notes: forgot what both sides agreed on (1 file)" in said.out
    assert "plans" not in said.out
    assert {name: tree(team.home / name) for name in files} == files
    assert team.service.look("files") == there
    again = team.run("apply")
    assert again.code == 0
    assert {name: tree(team.home / name) for name in files} == files


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1)])
def test_repin_on_a_terminal_asks_first(team: User, answer: str, code: int) -> None:
    pin(team, "b")
    with terminal(World(team.home), "cloud", "repin", "cloud", **team.env) as screen:
        screen.until("[y/N] ")
        screen.type(answer)
        assert screen.end() == code
    assert (facts.read(team.state, remote(team, "cloud")) is None) is not bool(code)


@pytest.mark.parametrize(
    "words",
    [
        ("cloud",),
        ("cloud", "frobnicate"),
        ("cloud", "status", "x"),
        ("cloud", "repin"),
        ("cloud", "repin", "nosuch"),
        ("cloud", "projects", "--yes-delete", "x"),
        ("login", "--host", "http://example.com"),
        ("login", "--host", "https://user:secret@example.com"),
        ("logout", "--host", "ftp://x"),
    ],
)
def test_a_wrong_word_is_a_usage_error_and_asks_nobody(team: User, words: tuple[str, ...]) -> None:
    said = team.run(*words)
    assert said.code == Exit.USAGE, said
    assert "secret" not in said.err
    assert team.service.calls("control") == 0


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("cloud", "projects"), {"status": 401}),
        (("cloud", "projects"), {"status": 403}),
        (("cloud", "status"), {"status": 404}),
        (("cloud", "projects", "--json"), {"status": 422}),
        (("cloud", "status"), {"status": 302, "location": "https://evil.example.com"}),
        (("cloud", "projects"), {"status": 200, "kind": "html"}),
        (("cloud", "projects"), {"status": 403, "body": '{"error": "subscription_required"}'}),
    ],
    ids=str,
)
def test_whatever_the_service_answers_nothing_on_this_disk_changes(
    team: User, words: tuple[str, ...], fault: dict[str, object]
) -> None:
    before = tree(team.state)
    team.service.admin("fault", times=ALWAYS, **fault)
    said = team.run(*words)
    assert said.code in {Exit.FAILED, Exit.NOT_SIGNED_IN}, said
    assert "Traceback" not in said.err
    assert team.kept()["api_key"] not in said.out + said.err
    assert tree(team.state) == before


def test_names_of_the_service_cannot_steer_the_terminal(team: User) -> None:
    team.service.admin("change-workspace", workspace="studio", name=EVIL)
    try:
        said = team.run("cloud", "status")
    finally:
        team.service.admin("change-workspace", workspace="studio", name="The studio")
    assert "Evil\\x1b[2J\\u202ename" in said.out
    assert "\x1b" not in said.out
