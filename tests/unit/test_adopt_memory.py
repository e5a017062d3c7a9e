"""Every form of Basic Memory's config.json becomes a manifest that loads, with nothing lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bm_sync import api
from bm_sync.errors import UsageError
from bm_sync.manifest import bmignore
from bm_sync.manifest.adopt.proposal import Proposal
from bm_sync.model.config import CloudRemote, Placement, Project
from bm_sync.model.setup import Setup


class Home:
    """A home with Basic Memory's data directory in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / ".basic-memory"
        self.data.mkdir(parents=True)

    def config(self, **said: Any) -> None:  # noqa: ANN401 - JSON
        (self.data / "config.json").write_text(json.dumps(said))

    def propose(self) -> Proposal:
        env = {"HOME": str(self.folder)}
        setup = Setup(env=env, state_dir=self.folder / ".state", host="laptop")
        return api.import_basic_memory(None, self.folder / "sync.yaml", setup)

    def projects(self) -> dict[str, Project]:
        return {p.name: p for p in self.propose().loaded.manifest.projects}

    def states(self) -> dict[str, tuple[str, str | None]]:
        """Return the state and the local folder, below the home, of each project."""
        return {
            name: (
                p.placement.value,
                None if p.local is None else p.local.relative_to(self.folder).as_posix(),
            )
            for name, p in self.projects().items()
        }

    def at(self, name: str) -> str:
        """Return a folder of the home that exists."""
        (self.folder / name).mkdir(parents=True, exist_ok=True)
        return str(self.folder / name)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_the_form_of_0_16_to_0_18(home: Home) -> None:
    home.config(
        projects={"main": home.at("main"), "research": home.at("research")},
        cloud_mode=True,
        cloud_projects={
            "research": {"local_path": home.at("research"), "last_sync": "2026-01-02T03:04:05"},
            "archive": {"local_path": None, "bisync_initialized": False},
        },
        default_project="main",
    )
    assert home.states() == {
        "research": ("synced", "research"),
        "archive": ("cloud-only", None),
        "main": ("local-only", "main"),
    }
    assert "# Basic Memory synced it last at 2026-01-02T03:04:05" in home.propose().text


def test_the_form_of_0_19_to_0_24(home: Home) -> None:
    home.config(
        projects={
            "main": {"path": home.at("main"), "mode": "local"},
            "research": {"path": "", "mode": "cloud", "local_sync_path": home.at("research")},
            "by-alias": {"path": "x", "mode": "cloud", "cloud_sync_path": home.at("alias")},
            "by-path": {"path": home.at("by-path"), "mode": "cloud"},
            "archive": {"path": "", "mode": "cloud"},
            "slug": {"path": "slug", "mode": "cloud"},
        },
        some_key_of_next_year=[1, 2],
    )
    assert home.states() == {
        "research": ("synced", "research"),
        "by-alias": ("synced", "alias"),
        "by-path": ("synced", "by-path"),
        "archive": ("cloud-only", None),
        "slug": ("cloud-only", None),
        "main": ("local-only", "main"),
    }


def test_the_form_with_modes_beside_folders(home: Home) -> None:
    home.config(
        projects={"main": home.at("main"), "notes": home.at("notes"), "away": ""},
        project_modes={"notes": "cloud", "away": "cloud"},
    )
    assert home.states() == {
        "notes": ("synced", "notes"),
        "away": ("cloud-only", None),
        "main": ("local-only", "main"),
    }


def test_what_its_own_migration_loses_is_kept(home: Home) -> None:
    synced = {"local_path": home.at("research"), "bisync_initialized": True}
    home.config(projects={}, cloud_projects={"research": synced})
    assert home.states() == {"research": ("synced", "research")}
    home.config(
        projects={"research": {"path": home.at("research"), "mode": "local"}},
        cloud_projects={"research": synced, "second": {"local_path": home.at("second")}},
    )
    assert home.states() == {"research": ("synced", "research"), "second": ("synced", "second")}


def test_a_project_that_the_migration_made_local_is_still_synced(home: Home) -> None:
    entry = {"path": home.at("research"), "mode": "local", "local_sync_path": home.at("research")}
    home.config(projects={"research": {**entry, "bisync_initialized": True}})
    assert home.states() == {"research": ("synced", "research")}
    assert "Basic Memory says mode local, yet it was synced" in home.propose().text
    home.config(projects={"research": entry})
    assert home.states() == {"research": ("local-only", "research")}


def test_each_workspace_is_a_remote(home: Home) -> None:
    one, two = "0b1c2d3e-1111-4111-8111-111111111111", "9f8e7d6c-2222-4222-8222-222222222222"
    home.config(
        projects={
            "a": {"path": "", "mode": "cloud", "workspace_id": two},
            "b": {"path": "", "mode": "cloud"},
            "c": {"path": "", "mode": "cloud", "workspace_id": one},
        },
        default_workspace=one,
        cloud_host="http://127.0.0.1:8765/",
    )
    remotes = {n: p.remote for n, p in home.projects().items()}
    found = {n: r.workspace for n, r in remotes.items() if isinstance(r, CloudRemote)}
    assert found == {"a": two, "b": one, "c": one}
    assert {r.name for r in remotes.values() if r} == {"cloud", "cloud-9f8e7d6c"}
    assert {r.host for r in remotes.values() if isinstance(r, CloudRemote)} == {
        "http://127.0.0.1:8765"
    }


@pytest.mark.parametrize(
    ("said", "name", "path"),
    [
        ("My Notes", "My Notes", "My Notes"),
        ("Büro: 2026", "Buro-2026", "buro-2026"),
        ("_drafts", "drafts", "_drafts"),
        ("日記", "日記", "日記"),
        ("日記: 2026", "2026", "日記-2026"),
        ("$HOME ${x}", "HOME-x", "$HOME ${x}"),
        ("on\nnew line", "on-new-line", "on-new-line"),
        ("x" * 70, "x" * 56, "x" * 70),
    ],
)
def test_a_name_that_a_manifest_cannot_have_is_mapped(
    home: Home, said: str, name: str, path: str
) -> None:
    home.config(projects={said: {"path": "", "mode": "cloud"}})
    ((found, project),) = home.projects().items()
    assert (found, project.path) == (name, path)


def test_names_that_fall_together_get_a_number(home: Home) -> None:
    home.config(projects={n: {"path": home.at(f"p{i}")} for i, n in enumerate(["é", "e", "E"])})
    assert list(home.projects()) == ["é", "e", "E-2"]


def test_folders_that_no_two_projects_may_share_are_said_and_left_out(home: Home) -> None:
    home.config(
        projects={
            "main": {"path": home.at("notes")},
            "inner": {"path": home.at("notes/inner"), "mode": "cloud"},
            "twin": {"path": home.at("notes/inner"), "mode": "cloud"},
            "empty": {"path": "", "mode": "local"},
            "relative": {"path": "notes", "mode": "local"},
            "whole disk": {"path": "/", "mode": "local"},
            "odd": 5,
        }
    )
    proposal = home.propose()
    assert [p.name for p in proposal.loaded.manifest.projects] == ["inner"]
    why = {each.source: each.why for each in proposal.left_out}
    assert "has a local folder that holds that of 'inner'" in why["main"]
    assert "the same local folder as 'inner'" in why["twin"]
    assert "path is empty" in why["empty"]
    assert "not absolute" in why["relative"]
    assert "/ cannot be kept in sync" in why["whole disk"]
    assert why["odd"] == "its entry is not understood: it is neither a folder nor an object"
    assert set(why) == {"main", "twin", "empty", "relative", "whole disk", "odd"}
    comments = [line for line in proposal.text.splitlines() if line.startswith("  # '")]
    assert len(comments) == len(why)
    assert not any("in line" in line for line in comments)


def test_two_spellings_of_one_cloud_project_are_one(home: Home) -> None:
    entry = {"path": "", "mode": "cloud"}
    home.config(projects={"My Notes": entry, "my-notes": entry})
    proposal = home.propose()
    assert [p.name for p in proposal.loaded.manifest.projects] == ["My Notes"]
    assert [each.source for each in proposal.left_out] == ["my-notes"]


def test_a_folder_that_is_missing_gets_a_word(home: Home) -> None:
    gone = str(home.folder / "gone")
    home.config(projects={"gone": {"path": gone, "mode": "cloud"}, "here": {"path": gone + "2"}})
    text = home.propose().text
    assert "# The folder does not exist yet: apply makes it and brings the files." in text
    assert "# The folder does not exist.\n  here:" in text


def test_listings_of_an_earlier_bisync_are_named_with_the_command(home: Home) -> None:
    entry = {"path": "", "mode": "cloud", "local_sync_path": home.at("notes")}
    home.config(projects={"My Notes": entry, "other": {"path": "", "mode": "cloud"}})
    state = home.data / "bisync-state/My Notes"
    state.mkdir(parents=True)
    assert "bisync-state" not in home.propose().text
    (state / "x..y.path1.lst").write_text("# bisync listing v1\n")
    words = f"bm-sync import bisync-state 'My Notes' --workdir '{state}'"
    assert home.propose().text.count(words) == home.propose().text.count("bisync-state '") == 1


def test_the_ignore_file_is_used_where_it_stands(home: Home) -> None:
    home.config(projects={"a": {"path": "", "mode": "cloud"}})
    (home.data / ".bmignore").write_text("# mine\n.*\n*.db\n")
    filters = home.projects()["a"].filters
    assert [rule.pattern for rule in filters.shared] == [".*", "*.db"]
    assert (filters.rules, filters.gitignore) == ((), True)


def test_a_pattern_of_the_guide_gets_its_other_half(home: Home) -> None:
    home.config(projects={"a": {"path": "", "mode": "cloud"}})
    (home.data / ".bmignore").write_text(
        "# mine\n.git/**\n.env/**\n*.pyc\nmemory.db/**\nmemory.db\n!keep/**\n**/x/**\n"
    )
    rules = [rule.pattern for rule in home.projects()["a"].filters.rules]
    assert rules == [".git", ".git/**", ".env", ".env/**", "**/x", "**/x/**"]
    assert "X and X/** stand here together" in home.propose().text


def test_without_an_ignore_file_its_defaults_count(home: Home) -> None:
    home.config(projects={"a": {"path": "", "mode": "cloud"}})
    filters = home.projects()["a"].filters
    written = [line for line in bmignore.DEFAULT.splitlines() if line and line[0] != "#"]
    assert [rule.pattern for rule in filters.shared] == written
    assert "# Until Basic Memory has written that file" in home.propose().text


def test_an_ignore_file_that_cannot_be_read_is_one_sentence(home: Home) -> None:
    home.config(projects={"a": {"path": "", "mode": "cloud"}})
    (home.data / ".bmignore").mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        home.propose()


def test_a_bad_line_of_the_ignore_file_is_a_warning_and_the_others_count(home: Home) -> None:
    home.config(projects={"a": {"path": "", "mode": "cloud"}})
    (home.data / ".bmignore").write_text("*.tmp\nfoo[\n\\#x\n")
    loaded = home.propose().loaded
    assert [(w.line, w.severity) for w in loaded.warnings] == [(2, "warning")]
    rules = [rule.pattern for rule in loaded.manifest.projects[0].filters.shared]
    assert rules == ["*.tmp", "\\#x"]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (None, "there is no"),
        ("", "not JSON"),
        ('{"projects": {"a"', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "no object"),
        ('{"projects": []}', "projects is no object"),
        ('{"cloud_projects": 3}', "cloud_projects is no object"),
    ],
)
def test_a_config_that_is_missing_or_damaged_is_one_sentence(
    home: Home, content: str | None, word: str
) -> None:
    if content is not None:
        (home.data / "config.json").write_text(content)
    with pytest.raises(UsageError, match=word):
        home.propose()


def test_a_service_without_https_is_refused(home: Home) -> None:
    home.config(
        projects={"a": {"path": "", "mode": "cloud"}}, cloud_host="http://cloud.example.com"
    )
    with pytest.raises(UsageError, match="http is read by everybody"):
        home.propose()


def test_no_secret_and_no_hostile_name_gets_into_the_manifest(home: Home) -> None:
    home.config(
        projects={
            "a\x1b[2J\u202e\n  evil: {}": {"path": home.at("a")},
            "\ud800b": {"path": home.at("b")},
            "long" * 100: {"path": "/x" * 5000, "mode": "cloud"},
            "nul\0": {"path": "/a\0b", "mode": "cloud"},
            "/etc": {"path": "", "mode": "cloud"},
        },
        cloud_api_key="bmc_canary",
    )
    text = home.propose().text
    assert "canary" not in text
    assert all(char.isprintable() or char == "\n" for char in text)
    assert {p.local.name for p in home.projects().values() if p.local} == {"a", "b"}


def test_the_source_is_left_as_it_is(home: Home) -> None:
    home.config(projects={"a": {"path": home.at("a"), "mode": "cloud"}})
    (home.data / ".bmignore").write_text(".env\n")
    files = sorted(home.data.rglob("*"))
    before = [(f, f.stat().st_mtime_ns, f.read_bytes()) for f in files]
    assert [p.placement for p in home.projects().values()] == [Placement.SYNCED]
    assert sorted(home.data.rglob("*")) == files
    assert [(f, f.stat().st_mtime_ns, f.read_bytes()) for f in files] == before
