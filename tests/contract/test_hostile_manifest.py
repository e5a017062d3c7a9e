"""A manifest that somebody else wrote: refused with one sentence before anything happens."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cli_outside import World

from bm_sync import manifest
from bm_sync.manifest import formats

HEAD = "version: 1\nremotes:\n  shelf: {type: local, root: ./shelf}\n"


def project(text: str) -> str:
    return f"{HEAD}projects:\n  {text}\n"


def remote(text: str) -> str:
    project = "projects:\n  notes: {local: ./n, remote: x}\n"
    return f"version: 1\nremotes:\n  x: {text}\n{project}"


def bomb() -> str:
    lines = ["a: &a [x, x, x, x, x, x, x, x]"]
    for one, two in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{two}: &{two} [{', '.join([f'*{one}'] * 8)}]")
    return "\n".join(lines)


NAME = "a letter or digit, then letters, digits, spaces, '.', '_' and '-'; at most 63 characters"
REFUSED = {
    "bomb": (bomb(), "5:4: error BMS010: more than 50000 values"),
    "merge key": (
        project("notes: {<<: {local: ./x}, remote: shelf}"),
        "5:11: error BMS009: merge keys are not supported",
    ),
    "depth after other things": (
        "version: 1\nvars: {a: b}\nprojects:\n  a: " + "[" * 20_000,
        "4:54: error BMS010: nested deeper than 50 levels",
    ),
    "depth": ("[" * 20_000, "1:51: error BMS010: nested deeper than 50 levels"),
    "size": ("x" * 5_000_000, "1:1: error BMS010: the file is larger than 4 MiB"),
    "tag of python": (
        project("notes: {local: !!python/object/apply:os.system [id], remote: shelf}"),
        "5:18: error BMS009: tags are not supported",
    ),
    "include": (
        project("notes: !include other.yaml"),
        "5:10: error BMS009: tags are not supported",
    ),
    "binary": (
        project("notes: {local: !!binary aGk=, remote: shelf}"),
        "5:18: error BMS009: tags are not supported",
    ),
    "two documents": (
        project("notes: {local: ./n, remote: shelf}\n---\nversion: 1"),
        "6:1: error BMS009: a second document begins here; a manifest is one document",
    ),
    "a key twice": (
        project("notes: {local: ./n, local: ./m, remote: shelf}"),
        "5:23: error BMS008: the key 'local' was already given in line 5",
    ),
    "no number": (
        f"{HEAD}policies: {{p: {{guards: {{max_delete: .nan}}}}}}\nprojects: {{}}\n",
        "4:37: error BMS011: '.nan' is not a guard limit in policies.p.guards.max_delete",
    ),
    # names
    "name with an escape": (
        project('"no\\etes": {local: ./n, remote: shelf}'),
        "5:3: error BMS011: 'no\\x1btes' is not a project name in projects",
    ),
    "name that leads up": (
        project("..: {local: ./n, remote: shelf}"),
        "5:3: error BMS011: '..' is not a project name in projects",
    ),
    "name with a slash": (
        project("a/b: {local: ./n, remote: shelf}"),
        "5:3: error BMS011: 'a/b' is not a project name in projects",
    ),
    "name like an option": (
        project("-rf: {local: ./n, remote: shelf}"),
        "5:3: error BMS011: '-rf' is not a project name in projects",
    ),
    "remote like an option": (
        "version: 1\nremotes:\n  --config: {type: local, root: ./x}\nprojects: {}\n",
        "3:3: error BMS011: '--config' is not a name in remotes",
    ),
    # paths on the remote
    "path like an option": (
        project("notes: {local: ./n, remote: shelf, path: -rf}"),
        "5:44: error BMS020: '-rf' cannot be a project's path: it begins with a dash",
    ),
    "path that leads up": (
        project("notes: {local: ./n, remote: shelf, path: ../other}"),
        "5:44: error BMS020: '../other' cannot be a project's path: it has . or .. in it",
    ),
    "path that leads up in the middle": (
        project("notes: {local: ./n, remote: shelf, path: a/../../b}"),
        "5:44: error BMS020: 'a/../../b' cannot be a project's path: it has . or .. in it",
    ),
    "path into our own folder": (
        project("notes: {local: ./n, remote: shelf, path: .bm-sync/trash}"),
        (
            "5:44: error BMS020: '.bm-sync/trash' cannot be a project's path:"
            " .bm-sync is bm-sync's own"
        ),
    ),
    "absolute path": (
        project("notes: {local: ./n, remote: shelf, path: /etc}"),
        (
            "5:44: error BMS020: '/etc' cannot be a project's path:"
            " it begins with a slash; it is below the remote's root"
        ),
    ),
    "connection string as a path": (
        project("notes: {local: ./n, remote: shelf, path: ':local:/etc'}"),
        (
            "5:44: error BMS020: ':local:/etc' cannot be a project's path:"
            " its first part has a colon; the remote is named apart from the path"
        ),
    ),
    "connection string as a root": (
        remote("{type: s3, root: ':sftp,ssh=\"sh -c id\":/'}"),
        (
            "3:23: error BMS020: ':sftp,ssh=\"sh -c id\":/' cannot be a root:"
            " its first part has a colon; the remote is named apart from the path"
        ),
    ),
    "line break in a root": (
        remote('{type: s3, root: "a\\nb"}'),
        "3:23: error BMS020: 'a\\x0ab' cannot be a root: it has a control character",
    ),
    # remotes
    "connection string as a remote of rclone": (
        remote("{rclone: ':sftp,ssh=\"id\":'}"),
        "3:15: error BMS030: ':sftp,ssh=\"id\":' is not the name of a remote in rclone.conf",
    ),
    "options behind a remote of rclone": (
        remote("{rclone: 'gdrive,ssh=\"id\"'}"),
        "3:15: error BMS030: 'gdrive,ssh=\"id\"' is not the name of a remote in rclone.conf",
    ),
    "options behind a backend": (
        remote("{type: 'sftp,ssh=id'}"),
        "3:13: error BMS030: 'sftp,ssh=id' is not the name of a backend",
    ),
    "a remote on the fly in an option": (
        remote("{type: alias, options: {remote: ':local:/'}}"),
        "3:38: error BMS030: the option remote declares a remote on the fly",
    ),
    "options in an option": (
        remote("{type: crypt, options: {remote: 'gdrive,ssh=id:x'}}"),
        "3:38: error BMS030: the option remote declares a remote on the fly",
    ),
    "the whole machine in an option": (
        remote("{type: alias, options: {remote: /}}"),
        "3:38: error BMS021: the option remote: the root folder / cannot be kept in sync",
    ),
    "the whole machine by a detour": (
        remote("{type: alias, options: {remote: /tmp/../}}"),
        "3:38: error BMS021: the option remote: the root folder / cannot be kept in sync",
    ),
    "the system among several": (
        remote('{type: combine, options: {upstreams: "a=/home/a b=/proc/self"}}'),
        "3:43: error BMS021: the option upstreams: '/proc/self' belongs to the system",
    ),
    "line break in an option": (
        remote('{type: s3, options: {endpoint: "a\\n[evil]\\ntype = local"}}'),
        "3:37: error BMS011: the option endpoint has a line break or a null character in it",
    ),
    "a cloud without encryption": (
        remote("{type: basic-memory-cloud, host: 'http://evil.example'}"),
        (
            "3:39: error BMS037: 'http://evil.example' cannot be the host: http is read by"
            " everybody on the way; it is for this machine only"
        ),
    ),
    "a cloud that looks like another": (
        remote("{type: basic-memory-cloud, host: 'https://cloud.basicmemory.com@evil.example'}"),
        (
            "3:39: error BMS037: 'https://cloud.basicmemory.com@evil.example' cannot be the host:"
            " it has a user in it"
        ),
    ),
    # local folders
    "the root": (
        project("notes: {local: /, remote: shelf}"),
        "5:18: error BMS021: the root folder / cannot be kept in sync",
    ),
    "the root by a variable": (
        project("notes: {local: '${ROOT_BY_VARIABLE}', remote: shelf}"),
        "5:18: error BMS021: the root folder / cannot be kept in sync",
    ),
    "the root by a default": (
        project("notes: {local: '${NOT_SET:-/}', remote: shelf}"),
        "5:18: error BMS021: the root folder / cannot be kept in sync",
    ),
    "the root by the home": (
        project(f"notes: {{local: '~{'/..' * 20}', remote: shelf}}"),
        "5:18: error BMS021: the root folder / cannot be kept in sync",
    ),
    "the root as a remote": (
        remote("{type: local, root: /}"),
        "3:26: error BMS021: the root folder / cannot be kept in sync",
    ),
    "another user's home": (
        project("notes: {local: '~root/x', remote: shelf}"),
        "5:18: error BMS021: local: '~root/x' is not known",
    ),
    "nothing": (
        project("notes: {local: '', remote: shelf}"),
        "5:18: error BMS021: local is empty",
    ),
    "null character": (
        project('notes: {local: "./n\\0", remote: shelf}'),
        "5:18: error BMS021: local has a control character: './n\\x00'",
    ),
    "processes": (
        project("notes: {local: /proc/self, remote: shelf}"),
        "5:18: error BMS021: '/proc/self' belongs to the system",
    ),
    "devices": (
        project("notes: {local: /dev/shm, remote: shelf}"),
        "5:18: error BMS021: '/dev/shm' belongs to the system",
    ),
    # files that are read
    "the environment as an ignore file": (
        f"{HEAD}filters: {{f: {{ignore_files: [/proc/self/environ]}}}}\nprojects: {{}}\n",
        (
            "4:30: error BMS028: the ignore file '/proc/self/environ' cannot be read:"
            " it belongs to the system"
        ),
    ),
    "an endless ignore file": (
        f"{HEAD}filters: {{f: {{ignore_files: [/dev/zero]}}}}\nprojects: {{}}\n",
        "4:30: error BMS028: the ignore file '/dev/zero' cannot be read: it belongs to the system",
    ),
    "a pipe as an ignore file": (
        f"{HEAD}filters: {{f: {{ignore_files: [./pipe]}}}}\nprojects: {{}}\n",
        (
            "4:30: error BMS028: the ignore file './pipe' cannot be read: it is a FIFO,"
            " not a regular file"
        ),
    ),
}


def refusal(folder: Path, text: str) -> str:
    """Return everything that is said about a manifest in `folder`."""
    os.mkfifo(folder / "pipe")
    (folder / "home").mkdir()
    file = folder / "sync.yaml"
    file.write_text(text)
    env = {"HOME": str(folder / "home"), "ROOT_BY_VARIABLE": "/"}
    before = sorted(p.name for p in folder.rglob("*"))
    with pytest.raises(manifest.ManifestError) as refused:
        manifest.load(file, env, state_dir=folder / "state")
    assert sorted(p.name for p in folder.rglob("*")) == before, "nothing came to be"
    return formats.text(refused.value.diagnostics)


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_at_its_place_with_one_sentence(tmp_path: Path, case: str) -> None:
    text, expected = REFUSED[case]
    said = refusal(tmp_path, text)
    assert f"{tmp_path}/sync.yaml:{expected}" in said.splitlines()
    assert said.count("error BMS") == 1, said
    assert said.isprintable() or not {c for c in said if c < " " and c != "\n"}


@pytest.mark.parametrize("command", ["plan", "apply", "ls", "unlock"])
def test_no_command_does_anything_with_a_manifest_that_is_refused(
    tmp_path: Path, command: str
) -> None:
    here = World(tmp_path)
    here.write("sync.yaml", project("notes: {local: /, remote: shelf}"))
    words = [command, "notes"] if command == "ls" else [command]
    said = here.run(*words)
    assert said.code == 2
    assert "error BMS021: the root folder / cannot be kept in sync" in said.err + said.out
    assert [p.name for p in tmp_path.iterdir()] == ["sync.yaml"], "nothing came to be"
