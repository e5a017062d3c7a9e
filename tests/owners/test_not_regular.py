"""A file that gives orders and is no regular one is refused at once; nothing waits for a writer."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_outside import START, World, world

HEAD = "version: 1\nremotes: {shelf: {type: local, root: ./cloud}}\n"
NOTES = "projects: {notes: {local: ./notes, remote: shelf}}\n"


def manifest(here: World, text: str = HEAD + NOTES) -> None:
    here.write("sync.yaml", text)


def as_the_manifest(here: World) -> tuple[str, ...]:
    (here.root / "sync.yaml").unlink()
    (here.root / "odd").rename(here.root / "sync.yaml")
    return ("plan",)


def named(here: World) -> tuple[str, ...]:
    manifest(here)
    return ("plan", "-f", "odd")


def as_the_one_of_this_machine(here: World) -> tuple[str, ...]:
    manifest(here)
    (here.root / "odd").rename(here.root / "sync.local.yaml")
    return ("plan",)


def as_an_included_file(here: World) -> tuple[str, ...]:
    manifest(here, f"include: [odd.yaml]\n{HEAD}{NOTES}")
    (here.root / "odd").rename(here.root / "odd.yaml")
    return ("plan",)


def as_an_ignore_file(here: World) -> tuple[str, ...]:
    manifest(here, f"{HEAD}filters: {{f: {{ignore_files: [./odd]}}}}\n{NOTES}")
    return ("plan",)


def as_a_secret(here: World) -> tuple[str, ...]:
    options = f"{{host: localhost, user: {{file: {here.root}/odd}}}}"
    manifest(here, f"version: 1\nremotes: {{shelf: {{type: ftp, options: {options}}}}}\n{NOTES}")
    return ("plan",)


def as_the_rclone_conf(here: World) -> tuple[str, ...]:
    manifest(here, f"version: 1\nremotes: {{shelf: {{rclone: far}}}}\n{NOTES}")
    (here.root / ".config/rclone").mkdir(parents=True)
    (here.root / "odd").rename(here.root / ".config/rclone/rclone.conf")
    return ("plan",)


def as_the_config_of_basic_memory(here: World) -> tuple[str, ...]:
    (here.root / "odd").rename(here.root / "config.json")
    return ("import", "basic-memory", "--config-dir", ".", "-o", "-")


PLACES: tuple[Callable[[World], tuple[str, ...]], ...] = (
    as_the_manifest,
    named,
    as_the_one_of_this_machine,
    as_an_included_file,
    as_an_ignore_file,
    as_a_secret,
    as_the_rclone_conf,
    as_the_config_of_basic_memory,
)


def fifo(place: Path) -> str:
    os.mkfifo(place)
    return "it is a FIFO, not a regular file"


def listener(place: Path) -> str:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(place))
    return "it is a socket, not a regular file"


def device(place: Path) -> str:
    if os.geteuid() != 0:
        pytest.skip("only root can make a device")
    os.mknod(place, 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero, which never ends
    return "it is a device, not a regular file"


@pytest.mark.parametrize("make", [fifo, listener, device])
@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_regular_file_is_refused_at_once(
    tmp_path: Path, place: Callable[[World], tuple[str, ...]], make: Callable[[Path], str]
) -> None:
    here = world(tmp_path)
    why = make(here.root / "odd")
    said = here.run(*place(here))
    assert (said.code, why in said.out + said.err) == (2, True), said


def test_the_right_version_of_a_conflict_is_not_waited_for(tmp_path: Path) -> None:
    here = world(tmp_path)
    os.mkfifo(here.root / "odd")
    said = here.run("conflicts", "resolve", "notes/a.md", "--keep", "odd")
    assert (said.code, "it is a FIFO, not a regular file" in said.err) == (2, True)


def test_a_manifest_comes_through_a_descriptor_that_the_caller_gives(tmp_path: Path) -> None:
    here = world(tmp_path)
    text = (here.root / "sync.yaml").read_text().replace("./", f"{here.root}/")
    here.write("sync.yaml", text)
    piped = here.run("validate", "-f", "/dev/stdin", stdin=text)
    assert (piped.code, "2 projects" in piped.out) == (0, True)
    for words in ("validate -f", "validate", "show -f"):
        substituted = here.paste(f"bm-sync {words} <(cat sync.yaml)")
        assert (substituted.code, "error" in substituted.out.replace("no error", "")) == (0, False)
    redirected = here.paste("bm-sync validate -f /dev/stdin <sync.yaml")
    assert (redirected.code, "2 projects" in redirected.out) == (0, True)
    endless = subprocess.run(
        ["sh", "-c", 'exec "$@" </dev/zero', "sh", *START, "validate", "-f", "/dev/stdin"],
        cwd=here.root,
        env=here.env,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert (endless.returncode, "the file is larger than 4 MiB" in endless.stdout) == (2, True)


def test_an_endless_file_is_read_to_its_bound_only(tmp_path: Path) -> None:
    here = world(tmp_path)
    with (here.root / "sync.yaml").open("r+b") as file:
        file.truncate(1 << 40)
    said = here.run("plan")
    assert (said.code, "the file is larger than 4 MiB" in said.err) == (2, True)
