"""Names that a local file system takes for one: twins are named, two spellings are one path."""

from __future__ import annotations

from pathlib import Path

import pytest
from filesystems.kinds import KINDS
from two_machines import Machine, converged

from bm_sync.model.config import FolderRemote
from bm_sync.model.tree import ProblemKind


@pytest.fixture(params=[k for k in KINDS if "case" in k.refuses], ids=lambda kind: kind.name)
def here(request: pytest.FixtureRequest, tmp_path: Path) -> object:
    """Yield a machine whose folder lies on a disk that ignores case, its remote on this one."""
    disk = tmp_path / "here" / "notes"
    with request.param.mount(tmp_path, disk):
        yield Machine(tmp_path / "here", FolderRemote(name="shelf", root=tmp_path / "shelf"))


def there(tmp_path: Path) -> dict[str, str]:
    top = tmp_path / "shelf" / "notes"
    return {p.name: p.read_text() for p in top.iterdir() if p.is_file()}


def test_twins_that_come_to_it_are_named_and_stay_where_they_are(
    here: Machine, tmp_path: Path
) -> None:
    here.write("other.md", "other")
    converged(here.apply())
    for name in ("Twin.md", "twin.md"):
        (tmp_path / "shelf" / "notes" / name).write_text(name)
    for _ in range(2):
        run = here.apply()
        assert run.exit == 1
        assert {p.path: p.kind for p in run.problems} == dict.fromkeys(
            ("Twin.md", "twin.md"), ProblemKind.CASE
        )
    assert list(here.files()) == ["other.md"]


def test_another_spelling_here_is_named_and_nothing_is_replaced(
    here: Machine, tmp_path: Path
) -> None:
    here.write("Note.md", "here")
    (tmp_path / "shelf" / "notes").mkdir(parents=True)
    (tmp_path / "shelf" / "notes" / "note.md").write_text("there")
    for _ in range(2):
        run = here.apply()
        assert run.exit in (0, 1)
        assert b"here" in here.files().values()
        assert "there" in there(tmp_path).values()
