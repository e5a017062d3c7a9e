from __future__ import annotations

import json
import os
import pwd
import stat
import subprocess
from pathlib import Path

import jsonschema
import pytest
from cli_outside import START, World, world
from cli_samples import golden

from bm_sync.cli.catalogue import SUMMARIES
from bm_sync.paths import schema_file


@pytest.fixture
def here(tmp_path: Path) -> World:
    return world(tmp_path)


@pytest.fixture
def synced(here: World) -> World:
    assert here.run("apply").code == 0
    return here


def _last(text: str, label: str) -> str:
    """Return the command after `label:` in the last line that has it."""
    return [line.partition(f"{label}:")[2] for line in text.splitlines() if f"{label}:" in line][
        -1
    ].strip()


def test_help_names_every_command_and_goes_to_stdout(here: World) -> None:
    said = here.run("--help")
    assert (said.code, said.err) == (0, "")
    assert all(f"\n  {name} " in said.out for name in SUMMARIES)
    golden("help", said.out.partition("options, before")[0])


def test_no_command_is_a_usage_error_with_the_help(here: World) -> None:
    said = here.run()
    assert (said.code, said.out) == (2, "")
    assert "usage: bm-sync" in said.err


def test_errors_go_to_stderr_with_a_hint_and_exit_2(here: World) -> None:
    said = here.run("aply")
    assert (said.code, said.out) == (2, "")
    assert said.err == "error: there is no command 'aply'\n  did you mean 'apply'?\n"


def test_plan_changes_nothing_and_its_last_line_does_exactly_this(here: World) -> None:
    said = here.run("plan")
    assert (said.code, said.err) == (0, "")
    golden("outside-plan", said.out)
    assert here.files("cloud") == {}
    assert not (here.root / ".local").exists()
    assert here.paste(_last(said.out, "save a plan and apply exactly that")).code == 0
    assert here.files("cloud/notes") == here.files("notes")
    assert here.run("plan", "--exit-code").code == 0


def test_exit_code_10_says_that_there_is_something_to_do(here: World) -> None:
    assert here.run("plan", "--exit-code").code == 10
    assert here.run("plan", "--exit-code", "--json").json["status"] == "changes"


def test_names_globs_and_tags_select_projects(here: World) -> None:
    for words in (["notes"], ["n*"], ["--tag", "daily"], ["sync.yaml", "notes"]):
        plan = here.run("plan", *words, "--json").json["data"]
        assert [project["project"] for project in plan["projects"]] == ["notes"]
    said = here.run("plan", "nots")
    assert (said.code, said.err.splitlines()[1]) == (2, "  did you mean 'notes'?")


def test_the_manifest_is_found_upwards_or_named(here: World) -> None:
    inside = ["bash", "-c", 'cd notes/daily && "$@"', "bash", *START, "plan", "notes"]
    done = subprocess.run(
        inside, cwd=here.root, env=here.env, capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.splitlines()[0].startswith("notes  two-way")
    here.write("other.yaml", (here.root / "sync.yaml").read_text())
    by_option = here.run("plan", "-f", "other.yaml")
    by_name = here.run("plan", "other.yaml")
    by_env = here.run("plan", BM_SYNC_MANIFEST="other.yaml")
    assert by_option.out == by_name.out
    assert "plan -f other.yaml" not in by_env.out
    assert here.paste(_last(by_option.out, "save a plan and apply exactly that")).code == 0
    (here.root / "sync.yaml").unlink()
    missing = here.run("plan")
    assert missing.code == 2
    assert "there is no sync.yaml in" in missing.err


def test_apply_without_a_terminal_asks_nothing_and_moves_the_files(here: World) -> None:
    said = here.run("apply")
    assert said.code == 0
    assert "[y/N]" not in said.err
    assert said.out.startswith("notes     synced  3 up  41 B")
    assert here.files("cloud/notes") == here.files("notes")
    assert here.files("cloud/work") == here.files("work")


def test_a_quiet_apply_that_does_nothing_prints_nothing(synced: World) -> None:
    said = synced.run("apply", "-q")
    assert (said.code, said.out, said.err) == (0, "", "")
    synced.write("notes/new.md")
    said = synced.run("-q", "apply")
    assert (said.code, said.out, said.err) == (0, "", ""), "only trouble is told"
    assert "new.md" in synced.files("cloud/notes")


def test_a_dry_run_shows_the_plan_and_moves_nothing(here: World) -> None:
    said = here.run("apply", "--dry-run")
    assert said.code == 0
    assert "4 files to move" in said.out
    assert here.files("cloud") == {}


def test_a_saved_plan_is_private_whole_and_never_replaces_another_file(here: World) -> None:
    assert here.run("plan", "--out", "today.plan").code == 0
    file = here.root / "today.plan"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["kind"] == "plan"
    assert [p.name for p in here.root.iterdir() if p.name.startswith(".bm-sync")] == []
    assert here.run("plan", "--out", "today.plan").code == 0
    said = here.run("plan", "--out", "notes/a.md")
    assert (said.code, here.files("notes")["a.md"]) == (2, "notes/a.md\n")
    shown = here.run("show", "today.plan").out
    head, _, plan = shown.partition("\n\n")
    user = pwd.getpwuid(os.geteuid()).pw_name
    assert head.startswith(
        f"plan for {here.root}/sync.yaml\nmade by {user} on {os.uname().nodename}"
    )
    assert plan.endswith("\nwhat it would do now: bm-sync apply today.plan --dry-run\n")
    planned = here.run("plan").out
    assert plan.rsplit("what it would", 1)[0] == planned.rsplit("save a plan and", 1)[0]


def test_a_saved_plan_that_no_longer_fits_exits_8(here: World) -> None:
    here.run("plan", "--out", "today.plan")
    here.write("notes/a.md", "edited since\n")
    said = here.run("apply", "today.plan")
    assert (said.code, said.out) == (8, "")
    assert "notes: a.md: " in said.err
    assert here.files("cloud") == {}


def test_a_saved_plan_is_applied_as_it_is(here: World) -> None:
    here.run("plan", "--out", "today.plan")
    for more in (["notes"], ["--accept", "delete=1"], ["--keep-deleted"], ["--tag", "daily"]):
        assert here.run("apply", "today.plan", *more).code == 2
    here.write("broken.plan", '{"kind": "plan", ')
    said = here.run("apply", "broken.plan")
    assert said.code == 2
    assert "broken.plan is not a saved plan" in said.err


@pytest.fixture
def stopped(synced: World) -> World:
    for name in ("a.md", "b c.md", "daily/d.md"):
        (synced.root / "notes" / name).unlink()
    synced.write("notes/z.md")
    return synced


def test_a_stop_exits_3_and_teaches_what_to_do(stopped: World) -> None:
    said = stopped.run("plan", "notes")
    assert said.code == 3
    assert "notes: stopped by max_delete (sync.yaml:5): 3 of 3 files" in said.out
    assert stopped.run("apply", "notes").code == 3
    assert len(stopped.files("cloud/notes")) == 3


def test_the_command_that_lets_the_deletions_go_works(stopped: World) -> None:
    command = _last(stopped.run("apply", "notes").out, "let these go")
    assert stopped.paste(command).code == 0
    assert stopped.files("cloud/notes") == {"z.md": "text\n"}


def test_the_command_that_keeps_the_deleted_files_works(stopped: World) -> None:
    command = _last(stopped.run("plan", "notes").out, "keep them")
    assert stopped.paste(command).code == 0
    assert len(stopped.files("notes")) == 4


def test_another_figure_than_the_plan_names_accepts_nothing(stopped: World) -> None:
    assert stopped.run("apply", "notes", "--accept", "delete=4").code == 3


@pytest.fixture
def conflicting(synced: World) -> World:
    synced.write("notes/a.md", "mine\n")
    synced.write("cloud/notes/a.md", "theirs, longer\n")
    return synced


def test_conflicts_are_listed_with_commands_that_settle_them(conflicting: World) -> None:
    applied = conflicting.run("apply", "notes")
    assert applied.code == 0
    assert "1 conflict" in applied.out
    said = conflicting.run("conflicts")
    assert said.code == 0
    shown = conflicting.paste(_last(said.out, "compare"))
    assert shown.code == 0
    assert {"-mine", "+theirs, longer"} <= set(shown.out.splitlines())
    assert conflicting.paste(_last(said.out, "keep what has the name")).code == 0
    assert len(conflicting.files("notes")) == 3
    assert conflicting.files("cloud/notes") == conflicting.files("notes")
    assert conflicting.run("conflicts").out == "no conflict is open\n"


def test_the_other_version_of_a_conflict_can_take_the_name(conflicting: World) -> None:
    conflicting.run("apply", "notes")
    loser = next(text for path, text in conflicting.files("notes").items() if "conflict" in path)
    command = _last(conflicting.run("conflicts").out, "keep the other")
    assert conflicting.paste(command).code == 0
    assert conflicting.files("cloud/notes")["a.md"] == loser


def test_a_conflict_that_waits_exits_3_until_it_is_settled(conflicting: World) -> None:
    manifest = (conflicting.root / "sync.yaml").read_text()
    waiting = manifest.replace("two-way,", "two-way, conflict: {winner: stop},")
    conflicting.write("sync.yaml", waiting)
    assert conflicting.run("plan", "notes").code == 3
    applied = conflicting.run("apply", "notes")
    assert applied.code == 3
    said = conflicting.paste(_last(applied.out, "what to do"))
    assert conflicting.paste(_last(said.out, "keep both")).code == 0
    assert set(conflicting.files("notes").values()) >= {"mine\n", "theirs, longer\n"}
    assert conflicting.files("cloud/notes") == conflicting.files("notes")


def test_check_exits_1_when_contents_differ(synced: World) -> None:
    assert synced.run("check").code == 0
    assert synced.run("check", "-q").out == ""
    synced.write("cloud/notes/a.md", "Notes/a.md\n")
    said = synced.run("check", "notes")
    assert said.code == 1
    assert "a.md" in said.out
    assert synced.run("check", "notes", "--sample", "0").code == 2


def test_ls_lists_either_side(synced: World) -> None:
    synced.write("notes/only here.md")
    assert "only here.md" in synced.run("ls", "notes", "--local").out
    assert "only here.md" not in synced.run("ls", "notes").out
    assert synced.run("ls", "n*").code == 2


def test_status_shows_what_was_seen_last_and_what_is_no_longer_declared(synced: World) -> None:
    manifest = (synced.root / "sync.yaml").read_text()
    synced.write("sync.yaml", manifest.split("  work log")[0])
    said = synced.run("status")
    assert said.code == 0
    assert "undeclared" in said.out
    forget = _last(said.out, "forget what was work log")
    assert synced.paste(forget).code == 0
    assert "work log" not in synced.run("status").out


def test_history_lists_runs_and_shows_every_action_of_one(synced: World) -> None:
    synced.write("notes/a.md", "new\n")
    end = synced.run("apply").out
    whole = synced.paste(_last(end, "every action"))
    assert whole.code == 0
    assert "replace  4 B  a.md" in whole.out
    runs = synced.run("history", "--json").json["data"]
    assert len(runs) == 2
    assert synced.run("history", runs[1]["id"]).code == 0
    assert synced.run("history", "nosuchrun").code == 2


def test_why_takes_a_project_and_a_path_or_a_path_in_its_folder(synced: World) -> None:
    manifest = (synced.root / "sync.yaml").read_text()
    filters = "filters:\n  none: {exclude: ['*.tmp']}\n"
    used = manifest.replace("tags:", "filters: [none], tags:")
    synced.write("sync.yaml", used.replace("projects:", f"{filters}projects:"))
    for words in (["notes", "x.tmp"], ["notes/x.tmp"], [str(synced.root / "notes/x.tmp")]):
        said = synced.run("why", *words)
        assert said.code == 0
        assert "rule '*.tmp' (sync.yaml:8)" in said.out
    assert synced.run("why", "sync.yaml").code == 2


def test_why_does_not_call_a_file_synced_that_is_not_there(synced: World) -> None:
    said = synced.run("why", "notes", "never.md")
    what = "not excluded: no rule matches it; there is nothing of this name on either side"
    assert (said.code, said.out) == (0, f"notes: never.md: {what}\n")
    there = synced.run("why", "notes", "a.md").out.splitlines()
    assert there[0] == "notes: a.md: not excluded: no rule matches it; it stands on both sides"
    assert there[1] == "  both sides agreed on it, and it was not changed here since"
    assert there[2].startswith("  last: copy on the remote side, ")


def test_init_writes_a_valid_manifest_and_never_overwrites(here: World) -> None:
    assert here.run("init").code == 2
    said = here.run("init", "new.yaml")
    assert said.code == 0
    assert here.run("validate", "new.yaml").code == 0
    assert "bm-sync plan -f new.yaml" in said.out


def test_a_bad_manifest_is_told_alike_by_every_command(here: World) -> None:
    here.write("sync.yaml", "version: 1\nprojekts: {}\n")
    validated = here.run("validate")
    assert (validated.code, validated.err) == (2, "")
    assert "did you mean 'projects'?" in validated.out
    for command in ("plan", "apply", "status", "check", "conflicts", "show"):
        said = here.run(command)
        assert (said.code, said.out, said.err) == (2, "", validated.out)
    assert here.run("plan", "--json").json["errors"][0]["code"].startswith("BMS")
    assert here.run("validate", "--format", "github").out.startswith("::error ")
    assert json.loads(here.run("validate", "--format", "sarif").out)["version"] == "2.1.0"


def test_explain_tells_more_about_a_code(here: World) -> None:
    assert here.run("explain", "BMS004").out.startswith("BMS004: ")
    assert here.run("explain", "BMS999").code == 2
    assert "BMS004  " in here.run("explain").out


def test_doctor_names_a_fault_and_exits_1(here: World) -> None:
    assert here.run("doctor").code == 0
    said = here.run("doctor", "--rclone", "/nowhere/rclone")
    assert said.code == 1
    assert "FAULT" in said.out


def test_a_missing_rclone_exits_6(here: World) -> None:
    said = here.run("plan", "--rclone", "/nowhere/rclone")
    assert said.code == 6
    assert "/nowhere/rclone" in said.err


_ANSWERS = (
    ("init", "new.yaml"),
    ("validate",),
    ("show",),
    ("schema", "envelope"),
    ("explain", "BMS004"),
    ("explain",),
    ("plan",),
    ("apply",),
    ("apply", "--dry-run"),
    ("check",),
    ("status",),
    ("report",),
    ("fleet", "status"),
    ("ls", "notes"),
    ("history",),
    ("undo", "--dry-run"),
    ("versions", "notes/a.md"),
    ("restore", "notes/a.md", "--at", "2020"),
    ("prune", "--dry-run"),
    ("conflicts",),
    ("why", "notes", "a.md"),
    ("doctor",),
    ("reset", "notes"),
    ("unlock",),
    ("prune", "--ignored"),
    ("schedule", "show", "--target", "cron"),
    ("watch", "--print-unit", "user"),
    ("completion", "bash"),
    ("import", "rclone"),
    ("login", "--api-key", "-"),
    ("logout",),
    ("cloud", "status"),
    ("cloud", "rm", "notes"),
    ("plan", "nosuch"),
    ("plann",),
    ("plan", "--accept", "x"),
    ("history", "nosuch"),
    ("plan", "--rclone", "/nowhere/rclone"),
)


def test_every_command_answers_json_in_the_envelope_of_the_schema(conflicting: World) -> None:
    schema = json.loads(schema_file("envelope").read_text())
    seen = set()
    for words in _ANSWERS:
        said = conflicting.run(*words, "--json")
        assert said.out.isascii()
        assert said.out.count("\n") == 1
        jsonschema.validate(said.json, schema)
        assert said.json["exit"] == said.code
        assert said.json["command"] == (words[0] if words[0] in SUMMARIES else "")
        assert bool(said.json["errors"]) is (said.code in {1, 2, 4, 6})
        seen.add(words[0])
    assert seen - {"plann"} == set(SUMMARIES)


def test_the_data_of_plan_and_apply_follow_their_schemas(conflicting: World) -> None:
    plan = conflicting.run("plan", "--json").json["data"]
    jsonschema.validate(plan, json.loads(schema_file("plan").read_text()))
    run = conflicting.run("apply", "--json").json["data"]
    jsonschema.validate(run, json.loads(schema_file("run").read_text()))


def test_progress_as_json_lines_follows_the_schema_of_events(here: World) -> None:
    schema = json.loads(schema_file("event").read_text())
    events = [json.loads(line) for line in here.run("apply", "--progress", "json").err.splitlines()]
    for event in events:
        jsonschema.validate(event, schema)
    assert {event["event"] for event in events} >= {"project-started", "project-ended"}


def test_a_reader_that_goes_away_is_no_error(here: World) -> None:
    line = " ".join(f"'{word}'" for word in (*START, "schema"))
    done = subprocess.run(
        ["bash", "-c", f"{line} | head -n 1"],
        cwd=here.root,
        env=here.env,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert (done.stdout, done.stderr) == ("{\n", "")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("schema > /dev/full", 1),
        ("schema --json > /dev/full", 1),
        ("--version >&-", 0),
        ("explain BMS004 <&- >&- 2>&-", 0),
        ("plann 2>&-", 2),
        ("plan --out /dev/full", 2),
        ("plan --out notes", 2),
        ("plan --out nowhere/x.plan", 2),
        (f"plan {'x' * 300}", 2),
        ("-f /dev/null plan", 2),
        ("-f notes plan", 2),
        ("--state-dir sync.yaml apply", 1),
        ("plan $'caf\\xe9\\e[2J'", 2),
        ("show $'caf\\xe9'", 2),
        ("explain BMS004 --json $'\\xe9'", 2),
        ("init nowhere/sync.yaml", 2),
    ],
)
def test_odd_surroundings_are_errors_and_no_bugs(here: World, line: str, code: int) -> None:
    said = here.paste(f"bm-sync {line}")
    assert said.code == code, said.err
    assert "Traceback" not in said.err
    assert "this is a bug" not in said.err
    assert "Exception ignored" not in said.err
    assert "\x1b" not in said.err


def test_a_bug_exits_70_and_names_its_log(here: World) -> None:
    fault = "import bm_sync.cli.commands.schema as s\ns.run = None\n"
    here.write("faulty/bm_sync_faulty.py", fault)
    done = subprocess.run(
        [START[0], "-c", f"import bm_sync_faulty; {START[2]}", "schema"],
        cwd=here.root,
        env={**here.env, "PYTHONPATH": f"{here.root}/faulty:{here.env['PYTHONPATH']}"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 70
    assert "this is a bug in bm-sync: TypeError" in done.stderr
    log = Path(done.stderr.split("report it with ")[1].strip())
    assert log.is_relative_to(here.root / ".local")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert "Traceback" in log.read_text()
