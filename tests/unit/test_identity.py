"""The key of a project's memory: the same for ever, whatever else is declared."""

from __future__ import annotations

from pathlib import Path

from bm_sync.engine.identity import at_source, local_label, project_key, remote_label
from bm_sync.model.config import (
    BUILT_IN,
    BackendRemote,
    CloudRemote,
    FilterSet,
    FolderRemote,
    Placement,
    Policy,
    Project,
    Source,
)
from bm_sync.structs import replace

BUCKET = BackendRemote("prod", "s3", (("endpoint", "https://s3.example.org"),), "notes", BUILT_IN)
CLOUD = CloudRemote("cloud", None, "ada", "auto", "https://storage.example.org", BUILT_IN)
FOLDER = FolderRemote("shelf", Path("/nowhere/shelf"))
PLAIN = Project(
    name="notes",
    local=Path("/nowhere/notes"),
    remote=BUCKET,
    path="work",
    policy=Policy("test"),
    filters=FilterSet(),
    tags=(),
    origin=BUILT_IN,
)
FROM = replace(PLAIN, local=None, remote=FOLDER, source=Source(BUCKET, "team/notes"))


def test_the_key_of_a_project_is_the_one_that_it_always_had() -> None:
    assert project_key(PLAIN) == "71e7095b100a129e6462b382f41ebb01"
    assert project_key(replace(PLAIN, remote=FOLDER)) == "9bd08847c1a9fbba94db122f76b8d547"
    assert (
        project_key(replace(PLAIN, remote=CLOUD, path="My Notes"))
        == "90422038ac474582aea37f61ef881814"
    )
    assert project_key(replace(PLAIN, local=None)) == "4d1425d979eb018afefe3ddc64a130a5"


def test_a_project_between_two_remotes_is_told_by_both_places_and_not_by_its_name() -> None:
    others = [
        replace(FROM, source=None),
        replace(FROM, source=None, local=Path("/nowhere/team/notes")),
        replace(FROM, source=Source(BUCKET, "team")),
        replace(FROM, source=Source(replace(BUCKET, root="other"), "team/notes")),
        replace(FROM, path="elsewhere"),
        replace(FROM, remote=CLOUD),
    ]
    assert len({project_key(project) for project in (FROM, *others)}) == 1 + len(others)
    assert project_key(replace(FROM, name="renamed")) == project_key(FROM)
    assert project_key(replace(FROM, source=Source(replace(BUCKET, name="p"), "team/notes"))) == (
        project_key(FROM)
    )


def test_a_project_between_two_remotes_has_two_sides_and_is_seen_from_either() -> None:
    assert FROM.placement is Placement.SYNCED
    assert local_label(FROM, Path("/nowhere")) == "prod:notes/team/notes"
    assert remote_label(FROM) == "shelf:work"
    there = at_source(FROM)
    assert there is not None
    assert (there.remote, there.path, there.source, there.name) == (
        BUCKET,
        "team/notes",
        None,
        "notes",
    )
    assert at_source(PLAIN) is None
