"""Basic Memory's own client beside bm-sync on one folder: doctor says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_outside import World, world


@pytest.fixture
def here(tmp_path: Path) -> World:
    return world(tmp_path)


def configure(here: World, **entry: object) -> None:
    here.write(".basic-memory/config.json", json.dumps({"projects": {"research": entry}}))


def told(here: World) -> list[dict[str, str]]:
    """Return what doctor says of another client."""
    rows = here.run("doctor", "--json").json["data"]
    return [row for row in rows if "own client" in row["what"]]


@pytest.mark.parametrize("where", ["notes", ".", "notes/deep"])
def test_a_folder_that_both_sync_is_a_warning_with_the_way_out(here: World, where: str) -> None:
    assert told(here) == []
    path = str(here.root / where)
    configure(here, path=path, mode="cloud", local_sync_path=path, bisync_initialized=True)
    here.write(".basic-memory/bisync-state/research/a.path1.lst")
    here.write(
        "Library/LaunchAgents/sync.plist",
        "<string>bm</string><string>cloud</string><string>bisync</string>",
    )
    found = told(here)
    assert "notes: local folder" in [row["subject"] for row in found]
    assert all(row["health"] == "warning" for row in found)
    assert "its bisync state is there" in found[0]["what"]
    assert "sync.plist starts it" in found[0]["what"]
    assert ".bm-sync/ has to stand in" in (found[0]["hint"] or "")


def test_a_project_that_it_keeps_here_only_is_no_concern(here: World) -> None:
    configure(here, path=str(here.root / "notes"), mode="local")
    assert told(here) == []
    here.write(".basic-memory/config.json", "{")
    assert told(here) == []
