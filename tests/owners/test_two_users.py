"""The fixture itself: each user runs the product as that user, and cannot do what others may."""

from __future__ import annotations

import pytest
from two_users import ANNA, MALLORY, ROOT, TEAM, Machine, User

_MANIFEST = """\
version: 1
remotes: {shelf: {type: local, root: ./shelf}}
projects: {notes: {local: ./notes, remote: shelf}}
"""


@pytest.mark.parametrize("user", [ANNA, ROOT])
def test_a_user_applies_a_manifest_of_the_own_home(machine: Machine, user: User) -> None:
    home = machine.root / "desk"
    machine.write(user, home / "sync.yaml", _MANIFEST)
    machine.write(user, home / "notes/a.md")
    done = machine.run(user, "apply", "--yes", cwd=home, HOME=str(home))
    assert (done.code, done.err) == (0, done.err)
    arrived = home / "shelf/notes/a.md"
    assert arrived.stat().st_uid == user.uid


def test_one_user_cannot_read_what_another_closed(machine: Machine) -> None:
    secret = machine.write(ANNA, machine.home(ANNA) / "secret", mode=0o600)
    assert machine.shell(ANNA, f"cat {secret}").code == 0
    assert machine.shell(MALLORY, f"cat {secret}").code != 0
    assert str(TEAM) in machine.shell(MALLORY, "id -G").out.split()
    assert machine.shell(MALLORY, "bm-sync --version").out.startswith("bm-sync ")
