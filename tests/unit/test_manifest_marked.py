"""Lists that a file changes instead of replacing them: notify, and the moments of hooks."""

from __future__ import annotations

from pathlib import Path

import pytest
from layered import Files

from bm_sync.manifest import origins
from bm_sync.model.hooks import Moment

TEAM = """\
hooks: {on_error: [./told.sh]}
notify:
  - {type: ntfy, url: "https://ntfy.example/team"}
  - {type: desktop}
remotes: {shelf: {type: local, root: cloud}}
defaults:
  remote: shelf
  hooks: {before: [./pull.sh], after: [./done.sh]}
projects: {notes: {local: notes}}
"""


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path).write(team=TEAM, sync="version: 1\ninclude: [team.yaml]\n")


def hooks(files: Files) -> dict[str, list[str]]:
    """Return what the hooks of the project say, by moment."""
    found = files.project("notes").hooks
    said = {m.value: [hook.said for hook in found if hook.moment is m] for m in Moment}
    return {moment: commands for moment, commands in said.items() if commands}


def targets(files: Files) -> list[str]:
    found = origins.data(files.load())["notify"]
    assert isinstance(found, list)
    return [str(each["type"]) for each in found if isinstance(each, dict)]


def test_this_machine_tells_more_targets_and_fewer(files: Files) -> None:
    files.write(**{"sync.local": "+notify: [{type: email, to: ada@example.org}]\n"})
    assert targets(files) == ["ntfy", "desktop", "email"]
    files.write(**{"sync.local": "-notify: [{type: desktop}]\n"})
    assert targets(files) == ["ntfy"]
    files.write(**{"sync.local": "notify: [{type: desktop}]\n"})
    assert targets(files) == ["desktop"]


def test_a_target_is_taken_away_however_it_is_written(files: Files) -> None:
    own = '-notify:\n  - url: "https://ntfy.example/team"\n    type: ntfy\n'
    assert targets(files.write(**{"sync.local": own})) == ["desktop"]


def test_a_target_that_is_not_there_is_told_without_its_secret(files: Files) -> None:
    own = "-notify: [{type: ntfy, url: x, token: tr0ub4dor}]\n"
    slips = files.write(**{"sync.local": own}).slips()
    slip = next(slip for slip in slips if slip.code == "BMS043")
    assert (Path(slip.file).name, slip.line) == ("sync.local.yaml", 1)
    assert slip.what == "this is not in the list notify below, so nothing is taken from it"
    assert "tr0ub4dor" not in repr(slips)


def test_hooks_of_the_run_and_of_defaults_are_added_to_and_taken_from(files: Files) -> None:
    own = (
        "hooks: {+on_error: [./louder.sh], -on_error: [./told.sh]}\n"
        "defaults: {hooks: {+before: [./mine.sh], -after: [./done.sh]}}\n"
    )
    files.write(**{"sync.local": own})
    assert [hook.said for hook in files.load().manifest.hooks] == ["./louder.sh"]
    assert hooks(files) == {"before": ["./pull.sh", "./mine.sh"]}


def test_hooks_of_a_project_that_change_a_list_are_put_over_those_of_the_defaults(
    files: Files,
) -> None:
    def own(said: str) -> dict[str, list[str]]:
        files.write(**{"sync.local": f"projects: {{notes: {{hooks: {said}}}}}\n"})
        return hooks(files)

    both = {"before": ["./pull.sh", "./mine.sh"], "after": ["./done.sh"]}
    assert own("{+before: [./mine.sh]}") == both
    assert own("{+before: [./mine.sh], after: [x]}") == {**both, "after": ["x"]}
    assert own("{-before: [./pull.sh]}") == {"after": ["./done.sh"]}
    assert own("{before: [./mine.sh]}") == {"before": ["./mine.sh"]}
    assert own("null") == {}


def test_one_file_alone_changes_the_hooks_of_its_defaults_too(files: Files) -> None:
    own = TEAM.replace("{local: notes}", "{local: notes, hooks: {+after: [./mine.sh]}}")
    files.write(sync=f"version: 1\n{own}")
    assert hooks(files) == {"before": ["./pull.sh"], "after": ["./done.sh", "./mine.sh"]}


def test_a_changed_list_beside_the_whole_list_is_a_slip(files: Files) -> None:
    own = "+notify: []\nnotify: []\nhooks: {+before: [a], before: [b]}\n"
    files.write(**{"sync.local": own})
    expected = ["sync.local.yaml:1 BMS042", "sync.local.yaml:3 BMS042"]
    assert [said for said in files.told() if said.endswith("BMS042")] == expected


def test_every_command_names_the_file_that_said_it_and_runs_in_its_folder(files: Files) -> None:
    files.write(
        conf__more="projects: {notes: {hooks: {+before: [./mine.sh]}}}\n",
        sync='version: 1\ninclude: [team.yaml, "conf/*.yaml"]\n',
    )
    before = [hook for hook in files.project("notes").hooks if hook.moment is Moment.BEFORE]
    assert [hook.folder for hook in before] == [files.root, files.root / "conf"]
    said = origins.data(files.load())["origins"]
    assert isinstance(said, dict)
    places = [str(said[f"/projects/notes/hooks/{n}/run"]) for n in (0, 1)]
    assert [Path(place).name for place in places] == ["team.yaml:8", "more.yaml:1"]
