"""`bm-sync schedule` from outside, with the machine's own systemctl, crontab and systemd-analyze.

No service manager runs in these tests: units are enabled as they are in an image that is not
booted (SYSTEMD_OFFLINE), and what a timer would start is started by hand. The crontab is a real one
in a mount namespace, so that nobody's own is touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
from cli_outside import START, Said, World, world
from timers import needs_systemd, values, verified, words

SPOOL = Path("/var/spool/cron/crontabs")
OFFLINE = {"SYSTEMD_OFFLINE": "1"}
UNITS = ".config/systemd/user"
MANIFEST = """\
version: 1
remotes: {shelf: {type: local, root: ./cloud}}
defaults: {remote: shelf, schedule: {every: 15m, jitter: 1m}}
projects:
  notes: {local: ./notes}
  work log: {local: ./work, path: work}
  weekly: {local: ./weekly, schedule: {cron: "@weekly", catch_up: false}}
"""


@cache
def own_mounts() -> bool:
    """Return whether a mount namespace can be made here."""
    words = ("unshare", "-m", "--propagation", "private", "true")
    return (
        shutil.which("unshare") is not None
        and not subprocess.run(words, capture_output=True, check=False, timeout=60).returncode
    )


needs_mounts = pytest.mark.skipif(not own_mounts(), reason="no mount namespace can be made here")
needs_crontab = pytest.mark.skipif(
    shutil.which("crontab") is None or not SPOOL.is_dir(), reason="there is no crontab here"
)
needs_systemctl = pytest.mark.skipif(
    shutil.which("systemctl") is None, reason="systemctl is not on this machine"
)


@pytest.fixture
def here(tmp_path: Path) -> World:
    made = world(tmp_path)
    made.write("sync.yaml", MANIFEST)
    for folder in ("weekly", "cloud"):
        (tmp_path / folder).mkdir()
    return made


def unit_files(here: World) -> dict[str, str]:
    folder = here.root / UNITS
    return {file.name: file.read_text() for file in folder.glob("bm-sync-*") if file.is_file()}


def enabled(here: World) -> set[str]:
    return {link.name for link in (here.root / UNITS / "timers.target.wants").glob("*")}


def isolated(here: World, mounts: str, *command: str) -> Said:
    """Run a command after `mounts`, in a mount namespace of its own."""
    script = f'{mounts} && exec "$@"'
    done = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh", *command],
        capture_output=True,
        encoding="utf-8",
        cwd=here.root,
        env=here.env,
        timeout=120,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def with_crontab(here: World, *words: str) -> Said:
    spool = here.root / "spool"
    spool.mkdir(exist_ok=True)
    mounts = f"mount --bind '{spool}' {SPOOL}"
    return isolated(here, mounts, *words)


@needs_systemctl
def test_installing_twice_changes_nothing_and_removing_leaves_nothing(here: World) -> None:
    first = here.run("schedule", "install", "--target", "systemd", **OFFLINE)
    assert (first.code, first.err) == (0, "")
    assert "4 units written, 0 removed, 0 unchanged (systemd)" in first.out
    made = unit_files(here)
    assert len(made) == 4
    assert enabled(here) == {name for name in made if name.endswith(".timer")}
    stamps = {file: file.stat().st_mtime_ns for file in (here.root / UNITS).glob("bm-sync-*")}

    again = here.run("schedule", "install", "--target", "systemd", **OFFLINE)
    assert "0 units written, 0 removed, 4 unchanged (systemd)" in again.out
    assert here.run("schedule", "install", "-q", "--target", "systemd", **OFFLINE).out == ""
    assert stamps == {file: file.stat().st_mtime_ns for file in stamps}

    gone = here.run("schedule", "remove", "--target", "systemd", **OFFLINE)
    assert (gone.code, gone.out.count("removed")) == (0, 5)
    assert unit_files(here) == {}
    assert enabled(here) == set()
    assert here.run("schedule", "remove", "--target", "systemd", **OFFLINE).code == 0


@needs_systemctl
def test_what_is_no_longer_declared_is_removed_and_what_is_not_ours_stays(here: World) -> None:
    here.write(f"{UNITS}/bm-sync-other.timer", "# somebody's own\n")
    other = here.root / "other"
    other.mkdir()
    (other / "sync.yaml").write_text(MANIFEST)
    for manifest in ("sync.yaml", "other/sync.yaml"):
        words_ = ("schedule", "install", "--target", "systemd", "-f", manifest)
        assert here.run(*words_, **OFFLINE).code == 0
    assert len(unit_files(here)) == 9
    here.write("sync.yaml", MANIFEST.replace('{cron: "@weekly", catch_up: false}', "null"))
    said = here.run("schedule", "install", "--target", "systemd", **OFFLINE)
    assert "0 units written, 2 removed, 2 unchanged" in said.out
    assert len(unit_files(here)) == 7
    assert "bm-sync-other.timer" in unit_files(here)
    here.write("sync.yaml", "version: 1\nprojects: {}\n")
    assert here.run("schedule", "install", "--target", "systemd", **OFFLINE).code == 0
    assert len(unit_files(here)) == 5


@needs_systemd
@needs_systemctl
def test_systemd_finds_nothing_wrong_with_what_was_installed(here: World, tmp_path: Path) -> None:
    assert here.run("schedule", "install", "--target", "systemd", **OFFLINE).code == 0
    checked = tmp_path / "checked"
    checked.mkdir()
    for name, text in unit_files(here).items():
        (checked / name).write_text(text)
    assert verified(checked, *unit_files(here), user=True) == ""


@needs_systemctl
def test_what_the_service_starts_syncs_its_projects_and_says_nothing_when_all_is_well(
    here: World,
) -> None:
    assert here.run("schedule", "install", "--target", "systemd", **OFFLINE).code == 0
    (service,) = [t for n, t in unit_files(here).items() if "every-15m" in n and "oneshot" in t]
    (line,) = values(service, "ExecStart")
    first = isolated_nowhere(here, words(line))
    assert first == Said(0, "", "")
    assert isolated_nowhere(here, words(line)) == Said(0, "", "")
    assert here.files("cloud").keys() == {
        *("notes/a.md", "notes/b c.md", "notes/daily/d.md", "work/w.md")
    }


def test_a_timer_takes_what_the_manifest_says_at_that_moment(here: World) -> None:
    """A colleague removes a project, adds another, and at last the whole schedule."""
    assert here.run("schedule", "install", "--target", "systemd", **OFFLINE).code == 0
    (service,) = [t for n, t in unit_files(here).items() if "every-15m" in n and "oneshot" in t]
    (line,) = values(service, "ExecStart")
    assert isolated_nowhere(here, words(line)) == Said(0, "", "")
    gone = MANIFEST.replace("  work log: {local: ./work, path: work}\n", "  new: {local: ./new}\n")
    assert gone != MANIFEST
    here.write("sync.yaml", gone)
    here.write("new/n.md", "n")
    here.write("work/late.md", "late")
    assert isolated_nowhere(here, words(line)) == Said(0, "", "")
    assert "new/n.md" in here.files("cloud")
    assert "work/late.md" not in here.files("cloud")
    here.write("sync.yaml", gone.replace(", schedule: {every: 15m, jitter: 1m}", ""))
    assert isolated_nowhere(here, words(line)) == Said(0, "", "")
    loud = [word for word in words(line) if word != "-q"]
    assert "bring the timers up to date: bm-sync schedule install" in (
        isolated_nowhere(here, loud).out
    )


def isolated_nowhere(here: World, command: list[str]) -> Said:
    """Run a command as a service manager does: from /, with next to no environment."""
    env = {key: here.env[key] for key in ("PATH", "HOME", "PYTHONPATH")}
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", cwd="/", env=env, timeout=120, check=False
    )
    return Said(done.returncode, done.stdout, done.stderr)


@needs_mounts
def test_a_run_writes_nowhere_but_where_the_service_lets_it(here: World) -> None:
    """Everything is read-only but the paths that the unit names, as ProtectSystem=strict does."""
    home = here.root / "home"
    home.mkdir()
    before = dict.fromkeys(("HOME",), str(home))
    shown = here.run("schedule", "show", "--target", "systemd", **before).out
    service = next(part for part in shown.split("\n\n# bm-sync-") if "oneshot" in part)
    places = [
        word.removeprefix("-") for line in values(service, "ReadWritePaths") for word in words(line)
    ]
    own = [place for place in places if Path(place).is_relative_to(here.root)]
    assert {str(here.root / "notes"), str(here.root / "cloud")} <= set(own)
    for place in own:
        Path(place).mkdir(parents=True, exist_ok=True)
    scratch = here.root / "scratch"
    scratch.mkdir()
    binds = " && ".join(f"mount --bind '{place}' '{place}'" for place in [*own, str(scratch)])
    mounts = f"{binds} && mount -o remount,bind,ro / && export TMPDIR='{scratch}' HOME='{home}'"
    if os.path.ismount("/tmp"):  # noqa: S108 - only asked
        mounts += " && mount -o remount,bind,ro /tmp"
    (line,) = values(service, "ExecStart")
    done = isolated(here, mounts, *words(line))
    assert (done.code, done.err) == (0, "")
    assert "notes/a.md" in here.files("cloud")
    refused = isolated(here, mounts, "touch", str(here.root / "elsewhere"))
    assert refused.code != 0


@needs_crontab
@needs_mounts
def test_the_crontab_gets_one_block_and_keeps_every_other_line(here: World) -> None:
    own = "MAILTO=ada\n\n0 1 * * * /bin/true\n"
    assert with_crontab(here, "sh", "-c", f"printf '{own}' | crontab -").code == 0
    first = with_crontab(here, *START, "schedule", "install", "--target", "cron")
    assert (first.code, first.err) == (0, "")
    assert "1 unit written" in first.out
    assert "cron makes up for no run that was missed" in first.out
    listed = with_crontab(here, "crontab", "-l").out
    assert listed.startswith(own)
    assert listed.count("# BEGIN bm-sync ") == 1
    assert listed.count("\n0,15,30,45 * * * * ") == 1
    again = with_crontab(here, *START, "schedule", "install", "--target", "cron")
    assert "0 units written, 0 removed, 1 unchanged (cron)" in again.out
    stand = with_crontab(here, *START, "schedule", "status", "--target", "cron")
    assert (stand.code, stand.out.count(" installed ")) == (0, 2)
    assert with_crontab(here, *START, "schedule", "remove", "--target", "cron").code == 0
    assert with_crontab(here, "crontab", "-l").out == own


@needs_crontab
@needs_mounts
def test_what_a_line_of_the_crontab_starts_syncs_its_projects(here: World) -> None:
    here.write("sync.yaml", MANIFEST.replace(", jitter: 1m", ""))
    assert with_crontab(here, *START, "schedule", "install", "--target", "cron").code == 0
    listed = with_crontab(here, "crontab", "-l").out
    (line,) = [line for line in listed.splitlines() if line.startswith("0,15")]
    shell = line.split(maxsplit=5)[5].replace("\\%", "%")
    done = isolated_nowhere(here, ["/bin/sh", "-c", shell])
    assert (done.code, done.err) == (0, "")
    assert "work/w.md" in here.files("cloud")


@needs_crontab
@needs_mounts
def test_status_tells_what_differs_is_missing_or_no_longer_declared(here: World) -> None:
    assert with_crontab(here, *START, "schedule", "install", "--target", "cron").code == 0
    assert here.run("apply", "notes").code == 0
    stand = with_crontab(here, *START, "schedule", "status", "--target", "cron", "--json").json
    assert (stand["status"], stand["errors"]) == ("ok", [])
    often = next(timer for timer in stand["data"] if timer["schedule"] == "every 15m")
    assert often["projects"] == ["notes", "work log"]
    assert often["next"] > often["last"]
    changed = MANIFEST.replace('{cron: "@weekly", catch_up: false}', "{every: 1h}")
    here.write("sync.yaml", changed)
    stand = with_crontab(here, *START, "schedule", "status", "--target", "cron", "--json").json
    assert stand["status"] == "failed"
    found = {timer["schedule"]: timer["standing"] for timer in stand["data"]}
    assert found == {"every 15m": "installed", "every 1h": "missing", None: "undeclared"}
    said = with_crontab(here, *START, "schedule", "status", "--target", "cron")
    assert said.code == 1
    assert "put this right:  bm-sync schedule install" in said.out


@needs_systemctl
def test_a_timer_that_nothing_waits_for_is_told_as_stopped(here: World) -> None:
    assert here.run("schedule", "install", "--target", "systemd", **OFFLINE).code == 0
    said = here.run("schedule", "status", "--target", "systemd", "--json", **OFFLINE)
    assert said.code == 1
    assert {timer["standing"] for timer in said.json["data"]} == {"stopped"}


def test_show_changes_nothing_and_needs_no_timer_service(here: World) -> None:
    for target in ("systemd", "systemd-system", "launchd", "cron"):
        said = here.run("schedule", "show", "--target", target, PATH="/nowhere")
        assert (said.code, said.err) == (0, "")
        assert "bm_sync.cli" in said.out
    assert not (here.root / ".config").exists()
    assert not (here.root / ".local").exists()


def test_without_a_timer_service_the_units_can_still_be_seen(here: World) -> None:
    said = here.run("schedule", "install", PATH="/nowhere")
    if said.code == 0:
        pytest.skip("this machine runs systemd or launchd")
    assert said.code == 2
    assert "schedule show --target systemd" in said.err
    missing = here.run("schedule", "install", "--target", "cron", PATH="/nowhere")
    assert (missing.code, missing.err.splitlines()[0]) == (
        2,
        "error: crontab is not on this machine",
    )


def test_secrets_in_the_environment_and_missing_folders_are_told(here: World) -> None:
    here.write(
        "sync.yaml",
        "version: 1\nremotes: {box: {type: sftp, options: {host: box, pass: {env: BOX_PASS}}}}\n"
        "projects: {later: {local: ./later, remote: box, schedule: {every: 1h}}}\n",
    )
    shown = here.run("schedule", "show", "--target", "systemd").out
    assert "BOX_PASS" not in shown
    if shutil.which("systemctl") is None:
        pytest.skip("systemctl is not on this machine")
    said = here.run("schedule", "install", "--target", "systemd", **OFFLINE)
    assert "timers have no BOX_PASS in their environment; write NAME=value lines into" in said.out
    assert f"make these folders first, the timers may not: {here.root}/later" in said.out


def test_a_variable_that_is_set_here_is_set_for_every_run(here: World) -> None:
    text = MANIFEST.replace("{local: ./notes}", "{local: '${place}'}")
    here.write("sync.yaml", f"{text}vars: {{place: ./notes}}\n")
    said = here.run("schedule", "show", "--target", "systemd", "--set", "place=./other 100%")
    line = values(said.out, "ExecStart")[0]
    assert words(line)[4:7] == ["--set", "place=./other 100%", "apply"]
    assert f'"-{here.root}/other 100%%"' in said.out


def test_without_schedules_nothing_is_made(here: World) -> None:
    here.write("sync.yaml", "version: 1\nprojects: {}\n")
    said = here.run("schedule", "show", "--target", "systemd")
    assert (said.code, said.out) == (0, "no project has a schedule\n")
