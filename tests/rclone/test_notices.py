"""Notices of real runs, to a real HTTP server on loopback and to programs."""

from __future__ import annotations

import json
import socket
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from cli_outside import Said, World
from notice_server import Heard, NoticeServer, listening

SECRET = "canary-of-a-token"


@pytest.fixture
def server() -> Iterator[NoticeServer]:
    with listening() as said:
        yield said


@pytest.fixture
def here(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.write("notes/a.md", "a\n")
    return made


def declare(here: World, *targets: Mapping[str, object], project: str = "", more: str = "") -> None:
    patient = [{"timeout": "2m", **target} for target in targets]  # the machine may be busy
    here.write(
        "sync.yaml",
        "version: 1\nremotes: {shelf: {type: local, root: ./cloud}}\ndefaults: {remote: shelf}\n"
        f"notify: {json.dumps(patient)}\n"
        f"projects:\n  notes: {{local: ./notes, tags: [daily]{project}}}\n{more}",
    )


def apply(here: World, *words: str) -> Said:
    return here.run("apply", "-q", *words, TOKEN=SECRET)


def break_project(here: World) -> None:
    """Make a file of the folder that the project is."""
    (here.root / "notes").rename(here.root / "aside")
    here.write("notes", "no folder\n")


def mend_project(here: World) -> None:
    (here.root / "notes").unlink()
    (here.root / "aside").rename(here.root / "notes")


def logs(here: World) -> str:
    return "".join(f.read_text() for f in sorted(here.root.glob(".local/state/bm-sync/logs/*.log")))


def webhook(server: NoticeServer, **more: object) -> dict[str, object]:
    return {"type": "webhook", "url": f"{server.url}/hook", **more}


def told(heard: list[Heard]) -> list[tuple[str, str]]:
    return [(p["project"], p["event"]) for each in heard for p in each.json["projects"]]


def test_a_trouble_is_told_once_and_so_is_its_end(here: World, server: NoticeServer) -> None:
    declare(here, webhook(server))
    assert apply(here).code == 0
    assert server.take() == []  # a change is told to those who ask for it
    break_project(here)
    code = apply(here).code
    assert code == 3
    assert told(server.take()) == [("notes", "stop")]
    assert apply(here).code == code
    assert server.take() == []
    mend_project(here)
    assert apply(here).code == 0
    (heard,) = server.take()
    assert told([heard]) == [("notes", "recovered")]
    assert heard.json["title"].endswith("notes: recovered")
    assert heard.json["exit"] == 0
    assert apply(here).code == 0
    assert server.take() == []


def test_a_failure_is_told_as_an_error_with_its_cause(here: World, server: NoticeServer) -> None:
    declare(here, webhook(server), project=", hooks: {before: ['echo no good; false']}")
    assert apply(here).code == 1
    (heard,) = server.take()
    (item,) = heard.json["projects"]
    assert (item["project"], item["event"]) == ("notes", "error")
    assert item["what"].endswith("ended with exit code 1; it said: no good")
    assert heard.json["event"] == "error"


def test_a_change_is_told_to_who_asks_for_it(here: World, server: NoticeServer) -> None:
    declare(here, webhook(server, on=["change"]))
    assert apply(here).code == 0
    (heard,) = server.take()
    assert told([heard]) == [("notes", "change")]
    assert heard.json["projects"][0]["what"] == "1 up"
    assert apply(here).code == 0
    assert server.take() == []


def test_a_project_that_is_not_in_sync_for_long_is_stale_once(
    here: World, server: NoticeServer
) -> None:
    # nothing is ever synced, so what counts is when the project was met first
    skipped = ", conditions: {disk_free: 900000T}"
    declare(here, webhook(server, stale_after="1d"), project=skipped)
    assert apply(here).code == 75
    assert server.take() == []
    with sqlite3.connect(here.root / ".local/state/bm-sync/state.db") as database:
        changed = database.execute(
            "UPDATE facts SET value = '\"2026-01-01T00:00:00Z\"' WHERE name = 'notices-met'"
        )
        assert changed.rowcount == 1
    database.close()
    assert apply(here).code == 75
    (heard,) = server.take()
    assert told([heard]) == [("notes", "stale")]
    assert "since 2026-01-01 00:00 UTC" in heard.json["projects"][0]["what"]
    assert apply(here).code == 75
    assert server.take() == []
    assert apply(here, "--ignore-conditions").code == 0
    assert told(server.take()) == [("notes", "recovered")]


def test_a_target_hears_only_of_projects_with_its_tags(here: World, server: NoticeServer) -> None:
    more = "  other: {local: ./other, tags: [weekly]}\n"
    here.write("other/o.md", "o\n")
    declare(here, webhook(server, on=["change"], tags=["weekly"]), more=more)
    assert apply(here).code == 0
    assert told(server.take()) == [("other", "change")]


def test_ntfy_gets_topic_title_and_token(here: World, server: NoticeServer) -> None:
    url = f"{server.url}/below/my-topic"
    target = {"type": "ntfy", "url": url, "token": {"env": "TOKEN"}, "on": ["change"]}
    declare(here, target)
    assert apply(here).code == 0
    (heard,) = server.take()
    assert (heard.method, heard.path) == ("POST", "/below/")
    assert heard.headers["authorization"] == f"Bearer {SECRET}"
    assert heard.json["topic"] == "my-topic"
    assert heard.json["message"] == "notes: changed: 1 up"
    assert heard.json["priority"] == 2
    assert SECRET not in logs(here)


def test_slack_gets_text_without_its_own_signs(here: World, server: NoticeServer) -> None:
    here.write("address", f"{server.url}/services/T0/{SECRET}\n")
    target = {"type": "slack", "url": {"file": str(here.root / "address")}}
    declare(here, target, project=", hooks: {before: ['echo \"<!channel> & co\"; false']}")
    assert apply(here, "-v").code == 1
    (heard,) = server.take()
    assert heard.path == f"/services/T0/{SECRET}"
    assert "it said: &lt;!channel&gt; &amp; co" in heard.json["text"]


def test_a_check_hears_of_start_success_and_failure(here: World, server: NoticeServer) -> None:
    declare(here, {"type": "ping", "url": f"{server.url}/uuid?create=1"})
    assert apply(here).code == 0
    started, ended = server.take()
    assert (started.path, ended.path) == ("/uuid/start?create=1", "/uuid?create=1")
    assert ended.body == "exit 0\nnotes: changed"
    break_project(here)
    assert apply(here).code == 3
    assert [heard.path for heard in server.take()] == [
        "/uuid/start?create=1",
        "/uuid/fail?create=1",
    ]


def test_a_check_hears_nothing_of_a_run_that_is_skipped(here: World, server: NoticeServer) -> None:
    skipped = ", conditions: {disk_free: 900000T}"
    declare(here, {"type": "ping", "url": server.url}, project=skipped)
    assert apply(here).code == 75
    assert server.take() == []


def test_a_template_is_filled_as_its_kind_of_text_demands(
    here: World, server: NoticeServer
) -> None:
    body = '{"said": "${text}", "cost": "$$5"}'
    form = "application/x-www-form-urlencoded"
    here.write("said", 'a "b" \\ & c\n')
    declare(
        here,
        webhook(server, body=body, headers={"X-Key": {"env": "TOKEN"}}, method="PUT"),
        webhook(server, body="t=${text}", content_type=form),
        project=", hooks: {before: ['cat said; false']}",
    )
    assert apply(here).code == 1
    by_method = {heard.method: heard for heard in server.take()}
    assert by_method["PUT"].headers["x-key"] == SECRET
    assert by_method["PUT"].json["cost"] == "$5"
    assert by_method["PUT"].json["said"].endswith('it said: a "b" \\ & c')
    assert by_method["POST"].body.endswith("a+%22b%22+%5C+%26+c")
    assert by_method["POST"].headers["content-type"] == form


def test_what_may_pass_is_tried_again_and_what_may_not_is_not(
    here: World, server: NoticeServer
) -> None:
    declare(here, webhook(server, on=["change"]))
    server.answers += [503, 429]
    assert apply(here).code == 0
    assert len(server.take()) == 3
    here.write("notes/b.md", "b\n")
    server.answers += [403]
    assert apply(here, "-v").code == 0
    assert len(server.take()) == 1
    here.write("notes/c.md", "c\n")
    server.answers += [302]
    assert apply(here).code == 0
    assert [heard.path for heard in server.take()] == ["/hook"]  # redirects are not followed


def test_who_could_not_be_told_of_a_trouble_is_told_by_the_next_run(
    here: World, server: NoticeServer
) -> None:
    declare(here, webhook(server))
    assert apply(here).code == 0
    break_project(here)
    server.answers += [400]
    assert apply(here).code == 3
    assert apply(here).code == 3
    assert told(server.take()) == [("notes", "stop"), ("notes", "stop")]


def test_targets_that_cannot_be_told_fail_no_run_and_are_said_with_v(here: World) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}/secret-path"
        declare(
            here,
            {"type": "webhook", "url": dead, "on": ["change"], "timeout": "1s"},
            {"type": "ntfy", "url": {"env": "NO_SUCH"}, "on": ["change"]},
            {"type": "email", "to": "ada@example.org", "on": ["change"]},
            {"type": "desktop", "on": ["change"]},
            {"type": "ping", "url": dead, "timeout": "1s"},
        )
        done = here.run("apply", "-q", "-v", PATH=str(here.root))
    assert (done.code, "secret-path" in done.err) == (0, False)
    for word in ("webhook", "ntfy", "email", "desktop", "ping"):
        assert f"could not tell {word} (sync.yaml:4)" in done.err
        assert f"could not tell {word} (sync.yaml:4)" in logs(here)
    assert "NO_SUCH is not set" in done.err
    assert "there is no notify-send on this machine" in done.err


def test_a_server_that_never_answers_does_not_keep_a_run(here: World, server: NoticeServer) -> None:
    server.silent = True
    declare(
        here,
        webhook(server, on=["change"], timeout="1s"),
        {"type": "ping", "url": server.url, "timeout": "1s"},
    )
    done = here.run("apply", "-v")
    assert done.code == 0
    assert done.err.count("it took longer than") == 2


def program(here: World, name: str) -> None:
    """Write a program that keeps its arguments and its input."""
    here.write(f"bin/{name}", f'#!/bin/sh\nprintf "%s\\n" "$@" > {name}.args\ncat > {name}.in\n')
    (here.root / f"bin/{name}").chmod(0o755)


def test_mail_and_desktop_go_through_programs_of_the_machine(here: World) -> None:
    program(here, "sendmail")
    program(here, "notify-send")
    mail = {"type": "email", "to": ["ada@example.org", "bob@example.org"], "from": "me@example.org"}
    declare(
        here, mail, {"type": "desktop"}, project=", hooks: {before: ['echo \"<b>ü</b>\"; false']}"
    )
    path = f"{here.root}/bin:{here.env['PATH']}"
    assert here.run("apply", PATH=path, TOKEN=SECRET).code == 1
    words = (here.root / "sendmail.args").read_text().split()
    assert words == ["-i", "-f", "me@example.org", "--", "ada@example.org", "bob@example.org"]
    letter = (here.root / "sendmail.in").read_text()
    head, _, body = letter.partition("\n\n")
    assert "\nTo: ada@example.org, bob@example.org\n" in f"\n{head}\n"
    assert "Subject: bm-sync (" in head
    assert body
    words = (here.root / "notify-send.args").read_text().splitlines()
    assert words[:3] == ["--app-name=bm-sync", "--urgency=critical", "--"]
    assert words[3].endswith("notes: failed")
    assert words[4].endswith("&lt;b&gt;ü&lt;/b&gt;")


def test_plan_and_dry_runs_tell_nobody(here: World, server: NoticeServer) -> None:
    declare(here, webhook(server, on=["change", "error"]), {"type": "ping", "url": server.url})
    here.run("plan")
    here.run("apply", "--dry-run")
    assert server.take() == []
