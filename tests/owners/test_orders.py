"""Files that give orders are taken from their user and root alone, whoever else shares the machine.

Each situation is tried with each command that loads a manifest; in each a hook of the hostile text
would leave a file, so that nothing has run is seen and not concluded from what was said.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from two_users import ANNA, MALLORY, ROOT, TEAM, Machine, User

SHARED = 0o1777
COMMANDS = ("plan", "validate", "apply --yes")
OTHERS = ("show", "status", "schedule show --target cron", "watch", "check", "ls notes")


def manifest(ran: Path, more: str = "") -> str:
    """Return a manifest whose plan runs one program and whose run another."""
    return f"""\
version: 1
remotes:
  shelf: {{type: local, root: ./shelf}}
  box: {{type: ftp, options: {{host: localhost, port: "1", user: {{command: touch {ran}}}}}}}
projects:
  notes: {{local: ./notes, remote: shelf}}
  more: {{local: ./more, remote: box, policy: {{retry: {{attempts: 1}}}}}}
hooks: {{before: ["touch {ran}"]}}
{more}"""


@dataclass(frozen=True)
class Desk:
    """A folder in which a user types a command."""

    machine: Machine
    user: User
    folder: Path

    @property
    def ran(self) -> Path:
        """Return the file that hostile orders leave."""
        return self.machine.root / "drop/ran"

    def put(self, user: User, path: str, text: str = "", mode: int = 0o644) -> Path:
        """Write a file of `user`."""
        return self.machine.write(user, self.folder / path, text, mode)


def desk(machine: Machine, user: User = ANNA, owner: User = ANNA, mode: int = 0o755) -> Desk:
    """Make the folder in which `user` stands, and one in which everybody may leave a file."""
    for name, whose, rights in (("desk", owner, mode), ("drop", ROOT, 0o777)):
        folder = machine.root / name
        folder.mkdir()
        os.chown(folder, whose.uid, whose.gid)
        folder.chmod(rights)
    made = Desk(machine, user, machine.root / "desk")
    made.put(user, "notes/a.md", "a note\n")
    made.put(user, "more/a.md", "a note\n")
    return made


def planted(machine: Machine) -> tuple[Desk, str]:
    here = desk(machine, owner=ROOT, mode=SHARED)
    here.put(MALLORY, "sync.yaml", manifest(here.ran))
    return here, "uid 20012"


def planted_above(machine: Machine) -> tuple[Desk, str]:
    here = desk(machine, owner=ROOT, mode=SHARED)
    here.put(MALLORY, "sync.yaml", manifest(here.ran))
    return Desk(machine, ANNA, here.folder / "notes"), "uid 20012"


def planted_for_this_machine(machine: Machine) -> tuple[Desk, str]:
    here = desk(machine, owner=ROOT, mode=SHARED)
    here.put(ANNA, "sync.yaml", "version: 1\nprojects: {}\n")
    here.put(MALLORY, "sync.local.yaml", manifest(here.ran).removeprefix("version: 1\n"))
    return here, "sync.local.yaml"


def included(machine: Machine) -> tuple[Desk, str]:
    here = desk(machine)
    here.put(ANNA, "sync.yaml", "version: 1\ninclude: [theirs.yaml]\nprojects: {}\n")
    here.put(MALLORY, "theirs.yaml", manifest(here.ran).removeprefix("version: 1\n"))
    return here, "theirs.yaml"


def ignoring(machine: Machine) -> tuple[Desk, str]:
    here = desk(machine)
    here.put(MALLORY, "theirs", "*.md\n")
    rules = "filters: {f: {ignore_files: [./theirs]}}\n"
    here.put(ANNA, "sync.yaml", manifest(here.ran, rules))
    return here, "ignore file './theirs'"


def written_by_a_group(machine: Machine) -> tuple[Desk, str]:
    here = desk(machine)
    file = here.put(ANNA, "sync.yaml", manifest(here.ran))
    os.chown(file, ANNA.uid, TEAM)
    file.chmod(0o664)
    return here, "the group 20020 can write it (mode 0664)"


def written_by_all(machine: Machine) -> tuple[Desk, str]:
    here = desk(machine)
    here.put(ANNA, "sync.yaml", manifest(here.ran), 0o646)
    return here, "others can write it (mode 0646)"


def replaced_by_others(machine: Machine) -> tuple[Desk, str]:
    here = desk(machine, mode=0o777)
    here.put(ANNA, "sync.yaml", manifest(here.ran))
    return here, "others can replace it"


def replaced_with_the_folder_above(machine: Machine) -> tuple[Desk, str]:
    here = desk(machine, mode=0o777)
    folder = here.put(ANNA, "mine/sync.yaml", manifest(here.ran)).parent
    return Desk(machine, ANNA, folder), f"they can write the folder {here.folder} (mode 0777)"


def replaced_by_the_owner_of_the_folder(machine: Machine) -> tuple[Desk, str]:
    here = desk(machine, owner=MALLORY)
    here.put(ANNA, "sync.yaml", manifest(here.ran))
    return here, f"the folder {here.folder} on the way to it belongs to"


def led_by_a_link(machine: Machine) -> tuple[Desk, str]:
    here = desk(machine, owner=ROOT, mode=SHARED)
    own = machine.write(ANNA, machine.home(ANNA) / "other/sync.yaml", manifest(here.ran))
    link = here.folder / "sync.yaml"
    link.symlink_to(own)
    os.chown(link, MALLORY.uid, MALLORY.gid, follow_symlinks=False)
    return here, f"the link {link} on the way to it belongs to"


def led_by_a_link_to_a_folder_of_others(machine: Machine) -> tuple[Desk, str]:
    here = desk(machine)
    open_to_all = machine.root / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    own = machine.write(ANNA, open_to_all / "sync.yaml", manifest(here.ran))
    (here.folder / "sync.yaml").symlink_to(own)
    return here, f"they can write the folder {open_to_all}"


def root_in_a_users_folder(machine: Machine) -> tuple[Desk, str]:
    here = desk(machine)
    here.put(ANNA, "sync.yaml", manifest(here.ran))
    return Desk(machine, ROOT, here.folder), "uid 20011, mode 0644), not to root"


def written_by_an_access_list(machine: Machine) -> tuple[Desk, str]:
    here = desk(machine)
    file = here.put(ANNA, "sync.yaml", manifest(here.ran))
    give(file, MALLORY)
    return here, "uid 20012 can write it"


def give(file: Path, user: User) -> None:
    """Let a user write a file by its access list; skip where there are none."""
    if shutil.which("setfacl") is None:
        pytest.skip("there is no setfacl (acl) to make an access list with")
    done = subprocess.run(["setfacl", "-m", f"u:{user.uid}:rw", file], check=False)
    if done.returncode:
        pytest.skip("the file system of the tests has no access lists")


Situation = Callable[[Machine], tuple[Desk, str]]
SITUATIONS: tuple[Situation, ...] = (
    planted,
    planted_above,
    planted_for_this_machine,
    included,
    ignoring,
    written_by_a_group,
    written_by_all,
    replaced_by_others,
    replaced_with_the_folder_above,
    replaced_by_the_owner_of_the_folder,
    led_by_a_link,
    led_by_a_link_to_a_folder_of_others,
    root_in_a_users_folder,
    written_by_an_access_list,
)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_no_command_takes_orders_from_what_others_have_in_their_hands(
    machine: Machine, situation: Situation
) -> None:
    here, reason = situation(machine)
    for command in (*COMMANDS, *(OTHERS if situation is planted else ())):
        done = machine.run(here.user, *command.split(), cwd=here.folder)
        said = done.out + done.err
        assert (command, done.code, reason in said) == (command, 2, True), said
        assert "BMS035" in said
        assert "BM_SYNC_TRUST=" in said
        assert not here.ran.exists()
    done = machine.run(here.user, "plan", "--json", cwd=here.folder)
    assert any(
        reason in error["what"] and error["code"] == "BMS035" for error in done.json["errors"]
    )


@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_is_refused_is_taken_as_the_hint_says(machine: Machine, situation: Situation) -> None:
    here, _ = situation(machine)
    said = machine.run(here.user, "plan", cwd=here.folder).err
    setting = said.partition("BM_SYNC_TRUST=")[2].split()[0]
    done = machine.run(here.user, "validate", cwd=here.folder, BM_SYNC_TRUST=setting)
    assert (done.code, done.err) == (0, "")
    if "chmod" in said:
        mend = said.partition("chmod ")[2].partition(";")[0]
        assert machine.shell(here.user, f"chmod {mend}", cwd=here.folder).code == 0
        assert machine.run(here.user, "validate", cwd=here.folder).code == 0


def test_f_takes_one_manifest_of_another_user_with_a_warning(machine: Machine) -> None:
    here, _ = planted(machine)
    said = machine.run(ANNA, "plan", cwd=here.folder).err
    command = said.partition("if you trust it: ")[2].partition(",")[0]
    assert command == "bm-sync plan -f sync.yaml"
    command = command.replace("plan", "apply --yes notes")
    done = machine.shell(ANNA, command, cwd=here.folder)
    assert (done.code, here.ran.exists()) == (0, True)
    assert "this file is read because -f names it: it belongs to" in done.err


@pytest.mark.parametrize("situation", [planted_for_this_machine, included, ignoring])
def test_f_takes_nothing_else_that_the_manifest_brings(
    machine: Machine, situation: Situation
) -> None:
    here, reason = situation(machine)
    done = machine.run(ANNA, "-f", "sync.yaml", "apply", "--yes", cwd=here.folder)
    assert (done.code, reason in done.err, here.ran.exists()) == (2, True, False)


def test_a_name_without_f_is_no_consent(machine: Machine) -> None:
    here, reason = planted(machine)
    for words, env in ((("apply", "--yes", "./sync.yaml"), {}), (("apply", "--yes"), None)):
        given = {"BM_SYNC_MANIFEST": "sync.yaml"} if env is None else env
        done = machine.run(ANNA, *words, cwd=here.folder, **given)
        assert (done.code, reason in done.err, here.ran.exists()) == (2, True, False)


def test_a_secret_in_a_file_of_another_user_is_not_read(machine: Machine) -> None:
    here = desk(machine)
    secret = machine.write(MALLORY, machine.root / "secret", "word\n")
    here.put(
        ANNA,
        "sync.yaml",
        "version: 1\n"
        f"remotes: {{box: {{type: ftp, options: {{host: localhost, user: {{file: {secret}}}}}}}}}\n"
        "projects: {notes: {local: ./notes, remote: box}}\n",
    )
    done = machine.run(ANNA, "plan", cwd=here.folder)
    assert done.code == 2
    assert "is not read: it belongs to a user without a name (uid 20012, mode 0644)" in done.out
    assert "if you trust it: BM_SYNC_TRUST=20012" in done.out


def test_the_files_of_a_team_are_taken_by_its_group(machine: Machine) -> None:
    here = desk(machine)
    os.chown(here.folder, MALLORY.uid, TEAM)
    here.folder.chmod(0o2775)
    for path, text in (
        ("sync.yaml", "version: 1\ninclude: [base.yaml]\nprojects: {notes: {local: ./notes}}\n"),
        (
            "base.yaml",
            "defaults: {remote: shelf}\nremotes: {shelf: {type: local, root: ./shelf}}\n",
        ),
    ):
        file = here.put(MALLORY, path, text, 0o664)
        os.chown(file, MALLORY.uid, TEAM)
    assert machine.run(ANNA, "plan", cwd=here.folder).code == 2
    done = machine.run(ANNA, "plan", cwd=here.folder, BM_SYNC_TRUST=f"%{TEAM}")
    assert (done.code, done.err) == (0, "")


def test_a_group_vouches_for_nobody_where_everybody_may_make_files(machine: Machine) -> None:
    here = desk(machine, owner=ROOT, mode=0o3777)
    os.chown(here.folder, 0, TEAM)
    here.folder.chmod(0o3777)
    machine.shell(User("stranger", 20099), "cp /dev/stdin sync.yaml </dev/null", cwd=here.folder)
    file = here.folder / "sync.yaml"
    file.write_text(manifest(here.ran))
    assert (file.stat().st_uid, file.stat().st_gid) == (20099, TEAM)
    done = machine.run(ANNA, "validate", cwd=here.folder, BM_SYNC_TRUST=f"%{TEAM}")
    assert (done.code, "uid 20099" in done.out) == (2, True)


def test_under_sudo_the_files_of_who_typed_it_are_taken(machine: Machine) -> None:
    here, _ = root_in_a_users_folder(machine)
    assert machine.run(ROOT, "validate", cwd=here.folder, SUDO_UID="20011").code == 0
    assert machine.run(ROOT, "validate", cwd=here.folder, SUDO_UID="20012").code == 2
    assert machine.run(MALLORY, "validate", cwd=here.folder, SUDO_UID="20011").code == 2


def test_roots_own_manifest_counts_in_a_users_folder_and_for_that_user(machine: Machine) -> None:
    here = desk(machine)
    here.put(ROOT, "sync.yaml", "version: 1\nprojects: {}\n")
    assert machine.run(ROOT, "validate", cwd=here.folder).code == 0
    assert machine.run(ANNA, "validate", cwd=here.folder).code == 0


def test_nobody_writes_on_a_mount_that_is_read_only(machine: Machine) -> None:
    here = desk(machine, owner=ROOT, mode=0o777)
    here.put(ROOT, "sync.yaml", "version: 1\nprojects: {}\n", 0o666)
    assert machine.run(ANNA, "validate", cwd=here.folder).code == 2
    seen = machine.root / "seen"
    seen.mkdir()
    words = " ".join(map(shlex.quote, machine.installation.words(ANNA, "validate")))
    script = f"mount --bind -r {here.folder} {seen} || exit 77; cd {seen} && {words}"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script],
        env=machine.env(ANNA),
        capture_output=True,
        encoding="utf-8",
        timeout=180,
        check=False,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("no mount can be made here")
    assert (done.returncode, "no error" in done.stdout) == (0, True), done


@pytest.mark.parametrize("mode", [0o664, 0o660])
def test_the_group_that_is_a_users_alone_may_write(machine: Machine, mode: int) -> None:
    here = desk(machine, mode=0o775)
    here.put(ANNA, "sync.yaml", "version: 1\nprojects: {}\n", mode)
    assert machine.run(ANNA, "validate", cwd=here.folder).code == 0


def test_a_word_that_names_nobody_is_refused(machine: Machine) -> None:
    for word in ("no-such-user", "%no-such-group", "relative/folder"):
        done = machine.run(ANNA, "status", BM_SYNC_TRUST=word, BM_SYNC_MANIFEST="/etc/hostname")
        assert (done.code, f"BM_SYNC_TRUST names '{word}'" in done.err) == (2, True)


def test_a_watch_keeps_its_manifest_while_others_have_it_in_their_hands(machine: Machine) -> None:
    here = desk(machine)
    text = "version: 1\nremotes: {shelf: {type: local, root: ./shelf}}\n"
    text += "projects: {notes: {local: ./notes, remote: shelf}}\n"
    mine = here.put(ANNA, "sync.yaml", text)
    with machine.running(ANNA, "watch", cwd=here.folder) as watch:
        watch.until(lambda said: "notes" in said)
        mine.chmod(0o666)
        watch.until(lambda said: "others can write it (mode 0666)" in said)
        mine.chmod(0o644)
        here.folder.chmod(0o777)
        watch.until(lambda said: "others can replace it" in said)
        here.folder.chmod(0o755)
        local = here.put(MALLORY, "sync.local.yaml", f'hooks: {{before: ["touch {here.ran}"]}}\n')
        watch.until(lambda said: "sync.local.yaml" in said and "uid 20012" in said)
        local.unlink()
        here.put(MALLORY, "theirs", manifest(here.ran)).replace(mine)
        watch.until(lambda said: said.count("uid 20012") > 1)
        assert not here.ran.exists()
        os.chown(mine, ANNA.uid, ANNA.gid)
        watch.until(lambda _: here.ran.exists())


def test_an_rclone_conf_of_another_user_is_not_read(machine: Machine) -> None:
    here = desk(machine)
    here.put(
        ANNA,
        "sync.yaml",
        "version: 1\nremotes: {far: {rclone: theirs}}\n"
        "projects: {notes: {local: ./notes, remote: far}}\n",
    )
    conf = f"[theirs]\ntype = alias\nremote = {here.folder}/shelf\n"
    usual = machine.home(ANNA) / ".config/rclone/rclone.conf"
    machine.write(ANNA, usual, conf)
    assert machine.run(ANNA, "plan", cwd=here.folder).code == 0
    for file, env in (
        (usual, {}),
        (machine.root / "own/rclone/rclone.conf", {"XDG_CONFIG_HOME": str(machine.root / "own")}),
        (machine.root / "rclone.conf", {"RCLONE_CONFIG": str(machine.root / "rclone.conf")}),
    ):
        machine.write(ANNA, file, conf)
        os.chown(file, MALLORY.uid, MALLORY.gid)
        for words in (("plan",), ("import", "rclone", "-o", "-")):
            done = machine.run(ANNA, *words, cwd=here.folder, **env)
            assert f"{file} is not read: it belongs to" in done.out + done.err
            assert done.code == 2
        taken = machine.run(ANNA, "plan", cwd=here.folder, BM_SYNC_TRUST="20012", **env)
        assert taken.code == 0
        os.chown(file, ANNA.uid, ANNA.gid)
        if file != usual:
            file.unlink()


def test_what_is_taken_over_belongs_to_who_takes_it_over(machine: Machine) -> None:
    here = desk(machine)
    theirs = machine.write(ANNA, machine.root / "memory/beside").parent
    machine.write(ANNA, machine.root / "listings/beside")
    machine.write(MALLORY, theirs / "config.json", '{"projects": {"main": "/tmp/main"}}')
    done = machine.run(
        ANNA, "import", "basic-memory", "--config-dir", str(theirs), "-o", "-", cwd=here.folder
    )
    assert (done.code, "config.json is not read: it belongs to" in done.err) == (2, True)
    signing_in = machine.run(ANNA, "login", cwd=here.folder, BASIC_MEMORY_CONFIG_DIR=str(theirs))
    assert "config.json is not read: it belongs to" in signing_in.err
    text = "version: 1\nremotes: {shelf: {type: local, root: ./shelf}}\n"
    here.put(ANNA, "sync.yaml", f"{text}projects: {{notes: {{local: ./notes, remote: shelf}}}}\n")
    assert machine.run(ANNA, "apply", "--yes", cwd=here.folder).code == 0
    assert machine.run(ANNA, "reset", "notes", "--yes", cwd=here.folder).code == 0
    names = [
        str(here.folder / side).strip("/").replace("/", "_") for side in ("notes", "shelf/notes")
    ]
    for side in ("path1", "path2"):
        file = machine.root / "listings" / f"{'..'.join(names)}.{side}.lst"
        machine.write(
            MALLORY, file, "# bisync listing v1 from 2026-11-30T00:00:00.000000000+0000\n"
        )
    words = ("import", "bisync-state", "notes", "--workdir", str(machine.root / "listings"))
    done = machine.run(ANNA, *words, cwd=here.folder)
    assert (done.code, ".lst is not read: it belongs to" in done.err) == (2, True), done


FTP = """\
version: 1
remotes:
  far: {{type: {backend}, options: {{host: localhost, port: "1", user: anna, {option}: {file}}}}}
projects: {{notes: {{local: ./notes, remote: far, policy: {{retry: {{attempts: 1}}}}}}}}
"""


@pytest.mark.parametrize("option", ["key_file", "known_hosts_file", "pubkey_file"])
def test_a_file_of_another_user_that_an_option_names_is_not_used(
    machine: Machine, option: str
) -> None:
    here = desk(machine)
    theirs = machine.write(MALLORY, machine.root / "theirs")
    mine = here.put(ANNA, "mine")
    said = {}
    for file in (theirs, mine, "./mine", "~/missing"):
        here.put(ANNA, "sync.yaml", FTP.format(backend="sftp", option=option, file=file))
        said[file] = machine.run(ANNA, "plan", cwd=here.folder)
        assert ("is not used" in said[file].out) == (file == theirs), said[file]
    assert said[theirs].code == 2
    reason = f"the file that the option {option} of remote far names is not used: it belongs to"
    assert "sync.yaml:3:" in said[theirs].out
    assert f"{reason} a user without a name (uid 20012, mode 0644), not to" in said[theirs].out
    assert "if you trust it: BM_SYNC_TRUST=20012" in said[theirs].out
    here.put(ANNA, "sync.yaml", FTP.format(backend="sftp", option=option, file=theirs))
    named = machine.run(ANNA, "plan", "-f", "sync.yaml", cwd=here.folder)
    assert (named.code, "is not used" in named.out) == (2, True), "-f is for the manifest alone"
    taken = machine.run(ANNA, "plan", cwd=here.folder, BM_SYNC_TRUST="20012")
    assert "is not used" not in taken.out


def test_a_file_that_an_option_names_is_held_by_the_folders_on_the_way_too(
    machine: Machine,
) -> None:
    here = desk(machine)
    folder = machine.root / "open"
    folder.mkdir()
    folder.chmod(0o777)
    mine = machine.write(ANNA, folder / "credentials")
    here.put(
        ANNA,
        "sync.yaml",
        "version: 1\n"
        f"remotes: {{far: {{type: s3, options: {{shared_credentials_file: {mine}}}}}}}\n"
        "projects: {notes: {local: ./notes, remote: far, path: bucket/notes}}\n",
    )
    done = machine.run(ANNA, "plan", cwd=here.folder)
    assert (done.code, f"they can write the folder {folder}" in done.out) == (2, True), done
    os.mkfifo(here.folder / "pipe")
    os.chown(here.folder / "pipe", ANNA.uid, ANNA.gid)
    here.put(ANNA, "sync.yaml", FTP.format(backend="sftp", option="key_file", file="./pipe"))
    done = machine.run(ANNA, "plan", cwd=here.folder)
    assert (done.code, "it is a FIFO, not a regular file" in done.out) == (2, True), done


def test_a_saved_plan_of_another_user_is_not_read(machine: Machine) -> None:
    here = desk(machine)
    text = "version: 1\nremotes: {shelf: {type: local, root: ./shelf}}\n"
    here.put(ANNA, "sync.yaml", f"{text}projects: {{notes: {{local: ./notes, remote: shelf}}}}\n")
    assert machine.run(ANNA, "plan", "--out", "it.plan", cwd=here.folder).code == 0
    plan = here.folder / "it.plan"
    os.chown(plan, MALLORY.uid, MALLORY.gid)
    plan.chmod(0o644)
    for words in (("apply", "--yes", "it.plan"), ("show", "it.plan")):
        done = machine.run(ANNA, *words, cwd=here.folder)
        assert (done.code, "it.plan is not read: it belongs to" in done.err) == (2, True), done
        assert "if you trust it: BM_SYNC_TRUST=20012" in done.err
    assert not (here.folder / "shelf").exists()
    done = machine.run(ANNA, "apply", "--yes", "it.plan", cwd=here.folder, BM_SYNC_TRUST="20012")
    assert (done.code, (here.folder / "shelf/notes/a.md").exists()) == (0, True), done


def hooked(here: Desk, *commands: str) -> None:
    """Write a manifest with one project whose runs begin with commands."""
    hooks = ", ".join(f'"{command}"' for command in commands)
    here.put(
        ANNA,
        "sync.yaml",
        "version: 1\nremotes: {shelf: {type: local, root: ./shelf}}\n"
        f"hooks: {{before: [{hooks}]}}\n"
        "projects: {notes: {local: ./notes, remote: shelf}}\n",
    )


@pytest.mark.parametrize("command", ["sh {}", "nice {} x && true"])
@pytest.mark.parametrize("place", ["theirs", "mine, where others can put theirs"])
def test_a_script_that_others_have_in_their_hands_is_not_run(
    machine: Machine, command: str, place: str
) -> None:
    here = desk(machine)
    folder = machine.root / "open"
    folder.mkdir()
    folder.chmod(0o755 if place == "theirs" else 0o777)
    user = MALLORY if place == "theirs" else ANNA
    script = machine.write(user, folder / "s.sh", f"#!/bin/sh\ntouch {here.ran}\n", 0o755)
    hooked(here, command.format(script))
    done = machine.run(ANNA, "apply", "--yes", cwd=here.folder)
    assert (done.code, here.ran.exists()) == (2, False), done
    assert f"'{script}' is not run: " in done.err
    assert "BMS035" in done.err
    assert "BM_SYNC_TRUST=" in done.err


def test_scripts_of_ones_own_are_run_and_those_of_others_where_they_are_trusted(
    machine: Machine,
) -> None:
    here = desk(machine)
    theirs = machine.write(MALLORY, machine.root / "s.sh", f"#!/bin/sh\ntouch {here.ran}\n", 0o755)
    own = here.put(ANNA, "own.sh", "#!/bin/sh\n", 0o755)
    hooked(here, f"sh {own}", f"ls {theirs}")
    assert machine.run(ANNA, "apply", "--yes", cwd=here.folder).code == 0
    hooked(here, f"sh {theirs}")
    done = machine.run(ANNA, "apply", "--yes", cwd=here.folder, BM_SYNC_TRUST="20012")
    assert (done.code, here.ran.exists()) == (0, True), done
