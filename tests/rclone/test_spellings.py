"""Names that a server takes for one: normal forms, case, both. Real servers that ignore them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest
from servers import BUCKET, Server, serve_s3, serve_sftp, serve_webdav
from two_machines import Machine, converged, quiet

from bm_sync.model.config import Remote
from bm_sync.model.run import Outcome

NFC, NFD = (partial(unicodedata.normalize, form) for form in ("NFC", "NFD"))
FAST = ("--dir-cache-time", "1ms")  # the server looks at its folder each time
BLIND = ("--vfs-case-insensitive", "--vfs-cache-mode", "off")
SERVERS: dict[str, Callable[..., AbstractContextManager[Server]]] = {
    "s3": serve_s3,
    "webdav": serve_webdav,
    "sftp": serve_sftp,
}


class Store:
    """A folder behind a server that takes several names for one."""

    def __init__(self, remote: Remote, top: Path, home: Path) -> None:
        self.project = top / "projects" / "notes"
        self.project.mkdir(parents=True)
        self.here = Machine(home, remote)

    def write(self, path: str, text: str) -> None:
        """Write a file behind the server's back."""
        file = self.project / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def files(self) -> dict[str, str]:
        """Return what lies there, by the names that it has there."""
        found = (p for p in self.project.rglob("*") if p.is_file())
        return {p.relative_to(self.project).as_posix(): p.read_text() for p in found}


def store_of(kind: str, tmp_path: Path, *flags: str) -> Iterator[Store]:
    served = tmp_path / "served"
    served.mkdir()
    top = served / BUCKET if kind == "s3" else served
    with SERVERS[kind](served, *FAST, *flags) as server:
        top.mkdir(exist_ok=True)
        remote = server.remote(f"{BUCKET}/projects" if kind == "s3" else "projects")
        yield Store(remote, top, tmp_path / "here")


@pytest.fixture(params=SERVERS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    yield from store_of(request.param, tmp_path)


@pytest.fixture(params=["s3", "webdav"])
def blind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    yield from store_of(request.param, tmp_path, *BLIND)


def texts(machine: Machine) -> dict[str, str]:
    return {path: content.decode() for path, content in machine.files().items()}


@pytest.mark.parametrize(("mine", "theirs"), [(NFC, NFD), (NFD, NFC)])
def test_a_file_made_on_both_sides_is_one_path_and_both_contents_stay(
    store: Store, mine: Callable[[str], str], theirs: Callable[[str], str]
) -> None:
    store.here.write("a.md", "a")
    converged(store.here.apply())
    store.here.write(mine("é.md"), "here")
    store.write(theirs("é.md"), "there, longer")
    converged(store.here.apply())
    quiet(store.here)
    here, there = texts(store.here), store.files()
    assert mine("é.md") in here, "the spelling of each side stays"
    assert theirs("é.md") in there
    assert sorted(here.values()) == sorted(there.values())
    assert {"here", "there, longer"} <= set(here.values())


@pytest.mark.parametrize(("mine", "theirs"), [(NFC, NFD), (NFD, NFC)])
def test_equal_files_are_adopted_and_go_on_being_one(
    store: Store, mine: Callable[[str], str], theirs: Callable[[str], str]
) -> None:
    for name in ("é.md", "ö/ü.md", "ö/gone.md"):
        store.here.write(mine(name), name)
        store.write(theirs(name), name)
    run = converged(store.here.apply())
    assert not run.actions, "nothing moves"
    quiet(store.here)
    store.here.write(mine("é.md"), "edited here")
    store.write(theirs("ö/ü.md"), "edited there")
    store.here.write(mine("ö/new here.md"), "new here")
    store.write(theirs("ö/new there.md"), "new there")
    (store.here.folder / mine("ö/gone.md")).unlink()
    run = converged(store.here.apply())
    assert all(done.outcome is Outcome.DONE for done in run.actions)
    expected = {
        "é.md": "edited here",
        "ö/ü.md": "edited there",
        "ö/new here.md": "new here",
        "ö/new there.md": "new there",
    }
    assert texts(store.here) == {mine(name): text for name, text in expected.items()}
    assert store.files() == {theirs(name): text for name, text in expected.items()}
    quiet(store.here)
    (store.project / theirs("é.md")).unlink()
    converged(store.here.apply())
    assert mine("é.md") not in texts(store.here)
    quiet(store.here)


def test_case_and_normal_form_together_are_one_path(blind: Store) -> None:
    blind.here.write(NFC("Été/É.MD"), "same")
    blind.write(NFD("été/é.md"), "same")
    blind.here.write("Plain.md", "here")
    blind.write("plain.md", "there, longer")
    converged(blind.here.apply())
    quiet(blind.here)
    blind.here.write(NFC("Été/É.MD"), "edited")
    converged(blind.here.apply())
    assert blind.files()[NFD("été/é.md")] == "edited"
    assert NFC("Été/É.MD") in texts(blind.here)
    assert {"here", "there, longer"} <= set(texts(blind.here).values())
    assert sorted(texts(blind.here).values()) == sorted(blind.files().values())
    quiet(blind.here)


def test_a_rename_by_case_still_goes_through(blind: Store) -> None:
    blind.here.write("note.md", "text")
    converged(blind.here.apply())
    (blind.here.folder / "note.md").rename(blind.here.folder / "NOTE.md")
    converged(blind.here.apply())
    assert texts(blind.here) == {"NOTE.md": "text"}
    assert list(blind.files()) == ["NOTE.md"]
    quiet(blind.here)


def test_twins_of_this_machine_are_not_taken_for_one_and_neither_is_lost(store: Store) -> None:
    for name in (NFC("é.md"), NFD("é.md")):
        store.here.write(name, ascii(name))
    for _ in range(2):
        run = store.here.apply()
        assert run.exit == 1, "one of them cannot go there, and that is told"
        assert texts(store.here) == {n: ascii(n) for n in (NFC("é.md"), NFD("é.md"))}
        assert len(store.files()) <= 1
    store.here.write("other.md", "other")
    store.here.apply()
    assert store.files()["other.md"] == "other"


def test_a_twin_that_comes_beside_a_known_pair_never_deletes_it(store: Store) -> None:
    store.here.write(NFC("é.md"), "same")
    store.write(NFD("é.md"), "same")
    converged(store.here.apply())
    store.here.write(NFD("é.md"), "a twin")
    for _ in range(3):
        run = store.here.apply()
        assert run.exit == 1
        assert "normal form" in run.problems[0].what
        assert texts(store.here) == {NFC("é.md"): "same", NFD("é.md"): "a twin"}
        assert store.files() == {NFD("é.md"): "same"}
