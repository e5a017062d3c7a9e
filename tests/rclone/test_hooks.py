"""Hooks around real runs, seen from outside."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_outside import START, Said, World

HEAD = "version: 1\nremotes: {shelf: {type: local, root: ./cloud}}\ndefaults: {remote: shelf}\n"
_DEADLINE_S = 60.0


@pytest.fixture
def here(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.write("notes/a.md", "a\n")
    made.write("work/w.md", "w\n")
    return made


def declare(here: World, hooks: str, *, run: str = "{}", more: str = "") -> None:
    here.write(
        "sync.yaml",
        f"{HEAD}hooks: {run}\nprojects:\n  notes: {{local: ./notes, hooks: {hooks}}}\n"
        f"  work: {{local: ./work}}\n{more}",
    )


def apply(here: World, *words: str) -> Said:
    return here.run("apply", "-q", "--all-files", *words)


def logs(here: World) -> str:
    return "".join(f.read_text() for f in sorted(here.root.glob(".local/state/bm-sync/logs/*.log")))


def said(here: World) -> list[str]:
    """Return what the hooks wrote, line by line."""
    file = here.root / "said"
    return file.read_text().splitlines() if file.exists() else []


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Return whether a process runs; one that is dead and not collected does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_what_a_hook_of_before_writes_is_synced_by_the_same_run(here: World) -> None:
    declare(here, "{before: ['echo fetched > ${local}/b.md']}")
    assert apply(here).code == 0
    assert here.files("cloud/notes") == {"a.md": "a\n", "b.md": "fetched\n"}


def test_hooks_run_in_their_order_with_what_is_known(here: World) -> None:
    note = "echo $BM_SYNC_HOOK $BM_SYNC_PROJECT $BM_SYNC_STATUS $BM_SYNC_UP >> said"
    whole = "echo run $BM_SYNC_HOOK $BM_SYNC_CHANGED $BM_SYNC_EXIT >> said"
    moments = ("after", "on_error", "on_stop", "on_change", "before")
    declare(
        here,
        "{" + ", ".join(f"{m}: ['{note}']" for m in moments) + "}",
        run="{" + ", ".join(f"{m}: ['{whole}']" for m in moments) + "}",
    )
    assert apply(here).code == 0
    assert said(here) == [
        "run before",
        "before notes",
        "on_change notes changed 1",
        "after notes changed 1",
        "run on_change notes work 0",
        "run after notes work 0",
    ]
    (here.root / "said").unlink()
    assert apply(here).code == 0
    assert said(here) == ["run before", "before notes", "after notes in-sync 0", "run after 0"]


def test_a_failing_hook_of_before_keeps_its_project_from_being_synced(here: World) -> None:
    declare(
        here,
        "{before: ['echo no good; exit 3', 'touch second'], after: ['touch after'],"
        " on_error: ['echo ${status}: ${message} > said']}",
    )
    done = here.run("apply")
    assert done.code == 1
    assert here.files("cloud") == {"work/w.md": "w\n"}
    assert not (here.root / "second").exists()
    assert not (here.root / "after").exists()
    why = "the hook before (sync.yaml:6) ended with exit code 3; it said: no good"
    assert said(here) == [f"refused: {why}"]
    assert why in done.out
    assert "REFUSED" in done.out
    assert "  | no good project=notes" in logs(here)
    status = here.run("status")
    assert why in status.out
    assert "REFUSED" in status.out
    assert here.run("apply", "--json").json["data"]["projects"][1]["status"] == "refused"


def test_a_failing_hook_of_the_run_keeps_everything_from_being_synced(here: World) -> None:
    declare(here, "{before: ['touch began']}", run="{before: ['false'], on_error: ['touch told']}")
    done = here.run("apply", "--json").json
    assert {p["status"] for p in done["data"]["projects"]} == {"refused"}
    assert done["exit"] == 1
    assert not (here.root / "cloud").exists()
    assert not (here.root / "began").exists()
    assert (here.root / "told").exists()


def test_a_hook_that_fails_afterwards_fails_the_run_and_nothing_else(here: World) -> None:
    declare(here, "{on_change: ['exit 4'], after: ['touch after']}", run="{after: ['exit 5']}")
    done = here.run("apply", "--json").json
    (notes, work) = done["data"]["projects"]
    assert (notes["status"], notes["exit"], work["exit"]) == ("changed", 1, 0)
    assert notes["message"] == "the hook on_change (sync.yaml:6) ended with exit code 4"
    assert here.files("cloud/notes") == {"a.md": "a\n"}
    assert (here.root / "after").exists()
    whats = [error["what"] for error in done["errors"]]
    assert "the hook after (sync.yaml:4) ended with exit code 5" in whats
    recorded = here.run("history", done["data"]["id"], "--json").json["data"]
    assert (recorded["exit"], recorded["projects"][0]["message"]) == (1, notes["message"])
    assert apply(here).code == 1  # the hook of the run fails again, the project is in sync
    assert here.run("status", "--json").json["data"][0]["result"] == "in-sync"


def test_a_stopped_project_calls_its_own_hooks(here: World) -> None:
    stop = "echo stop ${exit}: ${message} >> said"
    declare(here, f"{{on_stop: ['{stop}'], on_error: ['echo error >> said']}}")
    for number in range(20):
        here.write(f"notes/{number}.md")
    assert apply(here).code == 0
    for file in here.root.glob("notes/*.md"):
        file.unlink()
    assert apply(here).code == 3
    why = "~/notes is empty, and 21 files would go from the other side"
    assert said(here) == [f"stop 3: {why}"]


def test_nothing_but_apply_runs_hooks(here: World) -> None:
    hooks = "{before: ['touch before'], after: ['touch after']}"
    declare(here, hooks, run=hooks)
    here.run("plan")
    here.run("apply", "--dry-run")
    here.run("check")
    here.run("status")
    here.run("validate")
    assert not (here.root / "before").exists()
    assert apply(here).code == 0
    for name in ("before", "after"):
        (here.root / name).unlink()
    run_id = here.run("history", "--json").json["data"][0]["id"]
    assert here.run("undo", run_id, "--yes").code == 0
    assert here.run("prune", "--ignored", "--yes").code == 0
    assert not (here.root / "before").exists()
    assert not (here.root / "after").exists()


def test_a_folder_with_a_hostile_name_reaches_a_hook_whole(here: World) -> None:
    name = "$(touch pwned); 'x\" `touch pwned`"
    here.write(f"{name}/a.md", "a\n")
    here.write(
        "sync.yaml",
        f"{HEAD}projects:\n  notes:\n    local: |-\n      ./{name.replace('$', '$$')}\n"
        "    hooks: {before: ['ls ${local} > listed']}\n",
    )
    done = apply(here)
    assert done.code == 0, done
    assert (here.root / "listed").read_text() == "a.md\n"
    assert not (here.root / "pwned").exists()


def test_a_hook_sees_no_secret_of_the_environment_and_can_ask_bm_sync(here: World) -> None:
    declare(here, "{before: ['env > seen'], after: ['cat $BM_SYNC_MANIFEST > copy']}")
    done = here.run("apply", AWS_SECRET_ACCESS_KEY="canary", BASIC_MEMORY_CLOUD_API_KEY="canary")
    assert done.code == 0
    seen = (here.root / "seen").read_text()
    assert "canary" not in seen
    assert f"BM_SYNC_LOCAL={here.root}/notes\n" in seen
    assert f"HOME={here.root}\n" in seen
    assert (here.root / "copy").read_text() == (here.root / "sync.yaml").read_text()


def test_what_a_hook_says_is_bounded_and_escaped(here: World) -> None:
    loud = "head -c 300000 /dev/zero | tr '\\\\0' 'x' | fold -w 100"
    declare(here, f"{{before: [\"{loud}; printf '\\\\033[31mred\\\\n'\"]}}")
    assert apply(here).code == 0
    log = logs(here)
    assert len(log) < 200_000
    assert "more bytes" in log
    declare(here, "{before: [\"printf '\\\\033[31mred\\\\n'; exit 1\"]}")
    done = here.run("apply")
    assert "\x1b" not in done.out + logs(here)
    assert "\\x1b[31mred" in done.out


def test_a_hook_over_its_time_is_ended_with_everything_it_started(here: World) -> None:
    command = "sleep 1000 & echo $! > child; echo $$ > parent; trap true TERM; wait; sleep 1000"
    declare(here, f"{{before: [{{run: '{command}', timeout: 1s}}]}}")
    done = here.run("apply")
    assert done.code == 1
    assert "was ended after 1 s" in done.out
    for name in ("child", "parent"):
        pid = int((here.root / name).read_text())
        wait_for(lambda pid=pid: not is_running(pid))  # type: ignore[misc]


def test_what_a_hook_leaves_behind_is_ended_and_keeps_no_run_waiting(here: World) -> None:
    declare(here, "{before: ['sleep 1000 & echo $! > child']}")
    assert apply(here).code == 0
    pid = int((here.root / "child").read_text())
    wait_for(lambda: not is_running(pid))


@pytest.mark.parametrize(
    ("moment", "number"), [("before", signal.SIGINT), ("after", signal.SIGTERM)]
)
def test_an_interrupted_run_ends_its_hook_and_starts_no_other(
    here: World, moment: str, number: signal.Signals
) -> None:
    declare(
        here,
        f"{{{moment}: ['echo $$ > pid.new; mv pid.new pid; sleep 1000', 'touch next']}}",
        run="{after: ['touch after']}",
    )
    process = subprocess.Popen(
        [*START, "apply"],
        cwd=here.root,
        env=here.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_for((here.root / "pid").exists)
    pid = int((here.root / "pid").read_text())
    process.send_signal(number)
    process.communicate(timeout=_DEADLINE_S)
    assert process.returncode == 130
    wait_for(lambda: not is_running(pid))
    assert not (here.root / "next").exists()
    assert not (here.root / "after").exists()
    declare(here, "{}")
    assert apply(here).code == 0
    assert here.files("cloud") == {"notes/a.md": "a\n", "work/w.md": "w\n"}


def test_a_project_out_of_its_hours_is_skipped_until_somebody_insists(here: World) -> None:
    hooks = "{before: ['touch began']}, conditions: {disk_free: 900000T}"
    declare(here, hooks, run="{before: ['echo ${projects} > said']}")
    done = here.run("apply")
    assert done.code == 75
    assert said(here) == ["work"]
    assert "skipped" in done.out
    assert "are wanted (sync.yaml:6)" in done.out
    assert "--ignore-conditions" in done.out
    assert not (here.root / "began").exists()
    assert here.files("cloud") == {"work/w.md": "w\n"}
    status = here.run("status")
    assert "skipped" in status.out
    assert "MB are wanted" in status.out
    quiet = apply(here)
    assert (quiet.code, quiet.out) == (75, "")
    assert here.run("plan", "--exit-code").code == 10
    assert here.run("apply", "--ignore-conditions").code == 0
    assert here.files("cloud/notes") == {"a.md": "a\n"}
    assert here.run("apply").code == 75
    (notes, _) = here.run("status", "--json").json["data"]
    assert (notes["result"], notes["files"]) == ("skipped", 1)  # what it has is not forgotten


def test_a_saved_plan_runs_hooks_too(here: World) -> None:
    declare(here, "{before: ['touch before'], after: ['touch after']}")
    here.run("plan", "--out", "today.plan")
    assert here.run("apply", "today.plan").code == 0
    assert (here.root / "before").exists()
    assert (here.root / "after").exists()
