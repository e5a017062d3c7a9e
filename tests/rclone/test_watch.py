"""`bm-sync watch` as a process: files are saved, rclone is killed, the manifest is broken."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
import servers
from cli_outside import START, World
from pipeline_bench import Bench
from watching import Watching, is_ended, watching

from bm_sync.engine import disks, watch_local
from bm_sync.engine.watch_clock import Ending, Instant
from bm_sync.engine.watch_roster import Roster
from bm_sync.model.watch import Pace, Reason

MANIFEST = """\
version: 1
remotes: {{shelf: {remote}}}
filters: {{git: {{gitignore: true}}}}
policies: {{brisk: {{mode: two-way, retry: {{attempts: 1}}}}}}
defaults: {{remote: shelf, policy: brisk, filters: [git]}}
projects:
  notes: {{local: ./notes}}
"""
FOLDER = "{type: local, root: ./cloud}"
SELDOM = ("--interval", "1h", "--debounce", "1s")


@pytest.fixture
def here(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.write("sync.yaml", MANIFEST.format(remote=FOLDER))
    made.write("notes/first.md", "first\n")
    return made


def on_s3(server: servers.Server, root: str) -> str:
    shown = {**dict(server.options), "secret_access_key": "{env: SECRET}"}
    options = ", ".join(f"{key}: {value}" for key, value in shown.items())
    return f"{{type: s3, root: {servers.BUCKET}/{root}, options: {{{options}}}}}"


def far(here: World, name: str) -> bool:
    return (here.root / "cloud/notes" / name).is_file()


def changes(watch: Watching) -> list[list[str]]:
    """Return the paths that each round moved because of a change."""
    return [
        sorted(done["path"] for done in event["run"]["projects"][0]["actions"])
        for event in watch.rounds("change")
    ]


def test_a_burst_of_saves_is_one_round_and_what_a_round_wrote_calls_for_none(here: World) -> None:
    here.write("notes/.gitignore", "*.tmp\n")
    with watching(here, *SELDOM) as watch:
        watch.until_rounds("start", 1)
        watch.process.send_signal(signal.SIGSTOP)  # however slow this test is
        here.write("notes/noise.tmp", "excluded")
        for number in range(20):
            here.write(f"notes/daily/{number}.md", f"{number}\n")
        watch.process.send_signal(signal.SIGCONT)
        watch.until_moved("daily/19.md")
        here.write("cloud/notes/theirs.md", "from another machine\n")
        watch.process.send_signal(signal.SIGHUP)
        watch.until_moved("theirs.md")
        here.write("notes/last.md", "last\n")
        watch.until_moved("last.md")
        burst, last = changes(watch)
        assert set(burst) >= {f"daily/{number}.md" for number in range(20)}
        assert last == ["last.md"]
        assert not far(here, "noise.tmp")
        watch.end()


def test_the_other_side_is_looked_at_once_an_interval(here: World) -> None:
    with watching(here, "--interval", "2s", "--debounce", "1s") as watch:
        watch.until_rounds("interval", 1)
        here.write("cloud/notes/theirs.md", "from another machine\n")
        watch.until((here.root / "notes/theirs.md").is_file, "theirs arrives")
        watch.until_rounds("interval", len(watch.rounds("interval")) + 2)
        assert watch.rounds("change") == []
        watch.end(0, 130)


def test_rclone_is_kept_warm_and_a_killed_one_is_replaced(
    here: World, serve_s3: servers.Server
) -> None:
    here.write("sync.yaml", MANIFEST.format(remote=on_s3(serve_s3, "watch-warm")))
    assert serve_s3.folder is not None
    notes = serve_s3.folder / servers.BUCKET / "watch-warm/notes"
    with watching(here, *SELDOM, SECRET=servers.SECRET_KEY) as watch:
        watch.until_moved("first.md")
        warm = watch.rclone()
        here.write("notes/second.md", "second\n")
        watch.until_moved("second.md")
        assert warm is not None
        assert watch.rclone() == warm
        os.kill(warm, signal.SIGKILL)
        watch.until(lambda: is_ended(warm), "rclone is dead")
        here.write("notes/third.md", "third\n")
        watch.until_moved("third.md")
        assert watch.rclone() not in {None, warm}
        assert (notes / "third.md").is_file()
        watch.end()


def test_a_server_that_is_away_for_a_while_ends_nothing(here: World, tmp_path: Path) -> None:
    folder, port = tmp_path / "store", servers.free_port()
    (folder / servers.BUCKET).mkdir(parents=True)
    flags = ("--auth-key", f"{servers.KEY_ID},{servers.SECRET_KEY}")
    away = servers.Server("s3", servers.s3_options("Rclone", port), port, folder, 0, "bucket")
    here.write("sync.yaml", MANIFEST.format(remote=on_s3(away, "team")))
    with watching(here, *SELDOM, SECRET=servers.SECRET_KEY) as watch:
        watch.until_rounds("start", 1)
        (failed,) = watch.rounds("start")[0]["run"]["projects"]
        assert failed["status"] == "failed"
        with servers.serving("s3", folder, port, *flags):
            watch.process.send_signal(signal.SIGHUP)
            notes = folder / servers.BUCKET / "team/notes"
            watch.until((notes / "first.md").is_file, "the files arrive")
            watch.until_rounds("asked", 1)
            watch.end()


def _declare(here: World, manifest: str) -> None:
    """Replace the manifest at once, as editors do; half of it would be another slip."""
    here.write("sync.yaml.new", manifest)
    (here.root / "sync.yaml.new").replace(here.root / "sync.yaml")


def test_a_broken_manifest_is_told_and_the_one_before_stays_in_force(here: World) -> None:
    whole = (here.root / "sync.yaml").read_text()
    with watching(here, *SELDOM) as watch:
        watch.until_rounds("start", 1)
        _declare(here, whole.replace("remote: shelf", "remotee: shelf"))
        watch.until(lambda: watch.of("kept"), "the slip is told")
        (kept,) = watch.of("kept")
        assert {slip["code"] for slip in kept["slips"]} >= {"BMS004"}
        here.write("notes/meanwhile.md", "meanwhile\n")
        watch.until_moved("meanwhile.md")
        here.write("sync.local.yaml", "projects: {work: {local: ./work}}\n")
        here.write("work/w.md", "w\n")
        _declare(here, whole)
        watch.until_moved("w.md")
        assert watch.of("reloaded")[-1]["projects"] == ["notes", "work"]
        here.write("work/x.md", "x\n")
        watch.until_moved("x.md")
        watch.end()


def test_files_are_looked_at_where_the_system_tells_of_no_changes(here: World) -> None:
    with watching(here, *SELDOM, "--poll") as watch:
        watch.until_rounds("start", 1)
        here.write("notes/later.md", "later\n")
        watch.until_moved("later.md")
        watch.end()


def test_a_second_watch_is_refused_and_the_first_is_named(here: World) -> None:
    with watching(here, *SELDOM) as watch:
        watch.until_rounds("start", 1)
        second = here.run("watch", "-f", str(here.root / "sync.yaml"))
        assert second.code == 5
        assert f"process {watch.process.pid} " in second.err
        watch.end()


def test_it_goes_on_after_it_stood_still(here: World) -> None:
    with watching(here, "--interval", "1s", "--debounce", "1s") as watch:
        watch.until_rounds("start", 1)
        watch.process.send_signal(signal.SIGSTOP)
        here.write("notes/while asleep.md", "asleep\n")
        watch.process.send_signal(signal.SIGCONT)
        watch.until(lambda: far(here, "while asleep.md"), "what was saved meanwhile")
        watch.end(0, 130)


def test_a_run_that_a_stop_interrupts_is_told_by_the_exit_code(here: World) -> None:
    began = here.root / "began"
    hook = f"hooks: {{before: ['touch {began}; exec sleep 600']}}\n"
    here.write("sync.yaml", MANIFEST.format(remote=FOLDER) + hook)
    with watching(here, *SELDOM) as watch:
        watch.until(began.is_file, "the hook runs")
        watch.end(130)


def test_without_the_package_for_events_it_says_so_and_goes_by_intervals(here: World) -> None:
    without = "import sys; sys.modules['watchfiles'] = None"
    start = (
        sys.executable,
        "-c",
        f"{without}; from bm_sync.cli.main import main; raise SystemExit(main())",
    )
    with watching(here, "--interval", "2s", start=start) as watch:
        watch.until_rounds("start", 1)
        here.write("notes/later.md", "later\n")
        watch.until(lambda: far(here, "later.md"), "an interval is over")
        (began,) = watch.of("began")
        assert "watchfiles is not installed" in began["blind"]
        assert watch.rounds("change") == []
        watch.end(0, 130)


@pytest.mark.parametrize("abstract", [False, True])
def test_the_service_manager_is_told_how_it_stands(here: World, abstract: bool) -> None:  # noqa: FBT001 - a parameter
    name = f"bm-sync-test-{os.getpid()}" if abstract else str(here.root / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name if abstract else name)
        manager.settimeout(0.05)
        told: list[str] = []

        def heard(word: str) -> bool:
            with contextlib.suppress(TimeoutError):
                told.append(manager.recv(4096).decode())
            return any(word in lines for lines in told)

        spoken = {"NOTIFY_SOCKET": f"@{name}" if abstract else name, "WATCHDOG_USEC": "400000"}
        with watching(here, *SELDOM, start=START, **spoken) as watch:
            watch.until(lambda: heard("READY=1\nSTATUS=watching 1 project"), "it is ready")
            watch.until(lambda: heard("WATCHDOG=1"), "a sign of life")
            watch.process.send_signal(signal.SIGHUP)
            watch.until(lambda: heard("RELOADING=1\nMONOTONIC_USEC="), "it reads anew")
            watch.until_rounds("asked", 1)
            watch.end()
        assert any(heard("STOPPING=1") for _ in range(1000))


def limited(**limits: int) -> tuple[str, ...]:
    """Return how it is started under limits of inotify of its own (Linux, user namespaces)."""
    if subprocess.run(["unshare", "-Ur", "true"], check=False).returncode:
        pytest.skip("no user namespaces here")
    said = "; ".join(f"echo {most} > /proc/sys/user/{name}" for name, most in limits.items())
    return ("unshare", "-Ur", "sh", "-c", f'{said}; exec "$@"', "sh", *START)


def many_folders(here: World, first: int, last: int) -> None:
    for number in range(first, last):
        here.write(f"notes/{number}/n.md", "n\n")


def test_what_may_be_unseen_is_due_though_nothing_was_heard_of_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.write("a.md")
    assert bench.apply().exit == 0
    now = Instant(0.0, datetime(2026, 11, 22, 12, 0))  # noqa: DTZ001 - local time
    roster = Roster(bench.setup, Pace())
    roster.take(bench.manifest().projects, now)
    roster.end({"notes": Ending.FINE}, now, now)
    assert asyncio.run(roster.due(now)) == {}
    roster.ask(["notes"], Reason.CHANGE)
    assert asyncio.run(roster.due(now)) == {"notes": Reason.CHANGE}


def test_folders_that_the_system_has_no_watch_for_are_told_of_and_seen_all_the_same(
    here: World,
) -> None:
    many_folders(here, 0, 40)
    with watching(here, *SELDOM, start=limited(max_inotify_watches=20)) as watch:
        watch.until_rounds("start", 1)
        watch.until(lambda: watch.of("blind"), "the shortage is told")
        here.write("notes/39/later.md", "later\n")
        watch.until_moved("39/later.md")
        (told,) = watch.of("blind")
        assert "watches 20 of 41 folders" in told["why"]
        assert "sysctl fs.inotify.max_user_watches=1048576" in told["why"]
        watch.end(0, 130)


def test_folders_that_come_when_no_watch_is_left_are_told_of_and_seen(here: World) -> None:
    with watching(here, *SELDOM, start=limited(max_inotify_watches=20)) as watch:
        watch.until_rounds("start", 1)
        here.write("notes/early.md", "early\n")
        watch.until_moved("early.md")
        assert watch.of("blind") == []
        many_folders(here, 0, 40)
        watch.until(lambda: watch.of("blind"), "the shortage is told")
        here.write("notes/39/later.md", "later\n")
        watch.until_moved("39/later.md")
        watch.end(0, 130)


def test_without_an_instance_of_inotify_every_file_is_looked_at(here: World) -> None:
    with watching(here, *SELDOM, start=limited(max_inotify_instances=0)) as watch:
        watch.until_rounds("start", 1)
        watch.until(lambda: watch.of("blind"), "the limit is told")
        assert "max_user_instances" in watch.of("blind")[0]["why"]
        here.write("notes/later.md", "later\n")
        watch.until_moved("later.md")
        watch.end(0, 130)


def test_a_file_system_that_other_machines_change_is_told_of(here: World) -> None:
    """An sshfs or nfs is not at hand everywhere; the table of mounts is one of a test."""
    assert watch_local.shared([str(here.root)]) is None
    for kind in ("nfs4", "fuse.sshfs", "cifs", "9p"):
        here.write("mounts", f"1 2 0:9 / {here.root}/notes rw - {kind} far rw\n")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(disks, "_MOUNTS", here.root / "mounts")
            said = watch_local.shared([str(here.root / "notes")])
        assert said is not None
        assert f"({kind})" in said
        assert "--poll" in said
