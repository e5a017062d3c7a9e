"""`check`, `why`, `plan`, `apply` and `status` say what a mode does and what it leaves."""

from __future__ import annotations

import pytest
from cli_outside import World

MODES = {
    "two-way": "mode: two-way",
    "push": "mode: push",
    "pull": "mode: pull",
    "up": "mode: mirror, direction: up",
    "down": "mode: mirror, direction: down",
}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return a project of each mode, in sync once, then changed in every way on both sides."""
    made = World(tmp_path_factory.mktemp("modes"))
    text = "version: 1\nremotes: {shelf: {type: local, root: ./cloud}}\nprojects:\n"
    for name, policy in MODES.items():
        off = "guards: {max_delete: 100%, max_overwrite: 100%}"
        text += f"  {name}: {{local: ./{name}, remote: shelf, policy: {{{policy}, {off}}}}}\n"
        for path in ("same.md", "edited.md", "gone here.md", "gone there.md"):
            made.write(f"{name}/{path}", f"{path}\n")
            made.write(f"cloud/{name}/{path}", f"{path}\n")
    made.write("sync.yaml", text)
    assert made.run("apply", "--yes").code == 0
    for name in MODES:
        made.write(f"{name}/edited.md", "edited here\n")
        made.write(f"{name}/new here.md")
        made.write(f"cloud/{name}/new there.md")
        (made.root / name / "gone here.md").unlink()
        (made.root / "cloud" / name / "gone there.md").unlink()
    return made


FATES = {
    # what stands where:  edited here, new here, new there, gone here, gone there
    "two-way": ("sends", "sends", "brings", "deletes", "deletes"),
    "push": ("sends", "sends", "does not bring", "does not bring", "sends"),
    "pull": ("neither sends", "does not send", "brings", "brings", "does not send"),
    "up": ("sends", "sends", "deletes", "deletes", "sends"),
    "down": ("brings", "deletes", "brings", "brings", "deletes"),
}
PATHS = ("edited.md", "new here.md", "new there.md", "gone here.md", "gone there.md")


@pytest.mark.parametrize("mode", MODES)
def test_check_says_what_the_mode_does_about_each_difference(here: World, mode: str) -> None:
    (check,) = here.run("check", mode, "--json").json["data"]
    told = {each["path"]: each["then"] for each in check["differences"]}
    assert told.keys() == set(PATHS)
    for path, fate in zip(PATHS, FATES[mode], strict=True):
        assert fate in told[path], (path, told[path])
    text = here.run("check", mode).out
    assert all(said in text for said in told.values())
    assert "compare: full" not in text


@pytest.mark.parametrize("mode", MODES)
def test_why_says_where_a_path_stands_and_what_the_mode_does(here: World, mode: str) -> None:
    said = here.run("why", *[f"{mode}:{path}" for path in (*PATHS, "same.md", "no.md")], "--json")
    told = {each["path"]: each for each in said.json["data"]}
    stands = {path: (told[path]["local"], told[path]["remote"]) for path in told}
    assert stands == {
        "edited.md": (True, True),
        "new here.md": (True, False),
        "new there.md": (False, True),
        "gone here.md": (False, True),
        "gone there.md": (True, False),
        "same.md": (True, True),
        "no.md": (False, False),
    }
    words = {"does not send": "neither sends", "does not bring": "neither brings"}
    for path, fate in zip(PATHS, FATES[mode], strict=True):
        then = told[path]["then"].replace("moves it to the trash", "deletes")
        then = then.replace("replaces it and keeps", "brings")
        assert words.get(fate, fate) in then, (path, then)
    assert "agreed" in told["same.md"]["then"]
    assert told["no.md"]["then"] == ""
    assert told["same.md"]["agreed"] is True


def test_why_takes_several_paths_in_every_form(here: World) -> None:
    said = here.run("why", "pull", "same.md", "push/edited.md", "two-way:no.md")
    assert said.code == 0
    heads = [line for line in said.out.splitlines() if not line.startswith(" ")]
    assert [head.partition(": not")[0] for head in heads] == [
        "pull: same.md",
        "push: edited.md",
        "two-way: no.md",
    ]
    assert "there is nothing of this name on either side" in heads[-1]
    wrong = here.run("why", "pul", "same.md")
    assert (wrong.code, "did you mean 'pull'" in wrong.err) == (2, True), wrong


def test_what_a_mode_leaves_is_told_by_every_run_and_by_status(here: World) -> None:
    left = "a pull neither sends nor replaces them"
    assert left in here.run("plan", "pull").out
    done = here.run("apply", "--yes", "pull")
    assert (done.code, left in done.out) == (0, True)
    assert left in here.run("status", "pull").out
    assert here.run("-q", "apply", "--yes", "pull").out == ""
    why = here.run("why", "pull:new there.md").out
    assert "last: copy on the local side" in why
    assert "both sides agreed on it" in why
