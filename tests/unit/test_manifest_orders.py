"""Which files of a project's folders are closed, because runs depend on them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from bm_sync import manifest
from bm_sync.filters.matcher import Matcher
from bm_sync.manifest.commands import Desk, files_run
from bm_sync.model.config import Manifest
from bm_sync.model.setup import Machine


class Yard:
    """A folder with a manifest, and projects around it."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.env = {"HOME": str(top / "home"), "PATH": "/usr/bin:/bin"}

    def write(self, path: str, text: str = "") -> Path:
        file = self.top / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def script(self, path: str) -> None:
        self.write(path, "#!/bin/sh\n").chmod(0o755)

    def load(
        self, declared: dict[str, object], file: str = "sync.yaml", machine: Machine | None = None
    ) -> Manifest:
        self.write(file, json.dumps({"version": 1, **declared}))
        state = self.top / "state"
        return manifest.load(self.top / file, self.env, state_dir=state, machine=machine).manifest

    def closed(self, declared: dict[str, object], file: str = "sync.yaml") -> dict[str, str]:
        """Return what is closed in the project `notes`, with what it is."""
        (notes,) = [p for p in self.load(declared, file).projects if p.name == "notes"]
        return {order.path: order.what for order in notes.filters.orders}


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    (tmp_path / "home").mkdir()
    return Yard(tmp_path)


def shelf(root: str = "./cloud", **more: object) -> dict[str, object]:
    return {
        "remotes": {"shelf": {"type": "local", "root": root}},
        "defaults": {"remote": "shelf"},
        **more,
    }


def test_the_manifest_and_that_of_this_machine_are_closed_where_they_lie(yard: Yard) -> None:
    declared = shelf("../cloud", projects={"notes": {"local": "."}})
    assert yard.closed(declared, "notes/sync.yaml") == {
        "sync.yaml": "the manifest",
        "sync.local.yaml": "this machine's part of the manifest",
    }


def test_the_folder_of_a_remote_is_a_side_too(yard: Yard) -> None:
    declared = shelf("..", projects={"notes": {"local": "../../here"}})
    assert set(yard.closed(declared, "cloud/notes/m.yaml")) == {"m.yaml", "m.local.yaml"}


def test_a_project_that_holds_none_of_it_has_nothing_closed(yard: Yard) -> None:
    assert yard.closed(shelf(projects={"notes": {"local": "./notes"}})) == {}


def test_included_files_and_those_that_a_pattern_may_find_are_closed(yard: Yard) -> None:
    yard.write("notes/team.yaml", "version: 1\ninclude: [deeper/base.yaml]\n")
    yard.write("notes/deeper/base.yaml", "version: 1\n")
    include = ["notes/team.yaml", "notes/conf.d/*.yaml"]
    found = yard.closed(shelf(include=include, projects={"notes": {"local": "./notes"}}))
    assert set(found) == {"team.yaml", "deeper/base.yaml", "conf.d/*.yaml"}
    matcher = Matcher(
        yard.load(json.loads((yard.top / "sync.yaml").read_text())).projects[0].filters
    )
    assert matcher.excluded("conf.d/new.yaml", is_dir=False)


def test_a_pattern_with_folders_closes_names_in_those_that_are_there(yard: Yard) -> None:
    yard.write("notes/a/x.md")
    found = yard.closed(shelf(include=["notes/*/s.yaml"], projects={"notes": {"local": "./notes"}}))
    assert found == {"a/s.yaml": "included by the manifest"}


def test_ignore_files_secrets_and_files_of_remotes_are_closed(yard: Yard) -> None:
    yard.write("notes/my.ignore", "*.tmp\n")
    yard.write("notes/token", "x\n")
    remotes = {
        "shelf": {"type": "local", "root": "./cloud"},
        "box": {
            "type": "sftp",
            "options": {
                "host": "h",
                "key_file": str(yard.top / "notes/id"),
                "pass": {"command": f"sh {yard.top}/notes/pass --key"},
                "user": {"file": "notes/token"},
            },
        },
        "away": {"type": "alias", "options": {"remote": f"{yard.top}/notes/sub"}},
        "ssh": {"type": "sftp", "options": {"ssh": f"{yard.top}/notes/tunnel -x"}},
    }
    found = yard.closed(
        shelf(
            filters={"f": {"ignore_files": ["notes/my.ignore", "notes/.bmignore"]}},
            projects={"notes": {"local": "./notes"}},
            notify=[{"type": "ntfy", "url": {"file": "notes/topic"}}],
        )
        | {"remotes": remotes}
    )
    assert found == {
        "my.ignore": "an ignore file that the manifest names",
        ".bmignore": "an ignore file that the manifest names",
        "id": "a file that remote box names",
        "pass": "a program that tells a secret",
        "token": "a secret of the manifest",
        "tunnel": "a program that remote ssh runs",
        "topic": "a secret of the manifest",
    }


def test_scripts_that_hooks_name_are_closed_there_or_not(yard: Yard) -> None:
    yard.script("notes/tools/gen")
    found = yard.closed(
        shelf(
            vars={"tools": str(yard.top / "notes/tools")},
            hooks={
                "before": ["sh notes/check.sh", "${tools}/made"],
                "after": ["notes/report a.md"],
            },
            projects={
                "notes": {
                    "local": "./notes",
                    "hooks": {
                        "before": ["cd ${local} && ./begin", "make -C ${local} html"],
                        "after": ['env X=1 "$BM_SYNC_LOCAL/end"', "xargs ./notes/tools/gen <list"],
                    },
                },
                "other": {"local": "./other", "hooks": {"after": ["cp ${local}/a.md /tmp"]}},
            },
        )
    )
    named = {"check.sh", "tools/made", "report", "begin", "end", "tools/gen"}
    assert set(found) == {*named, "GNUmakefile", "Makefile"}
    assert set(found.values()) == {"a program that a hook runs"}


def test_programs_are_looked_for_where_the_shell_does(yard: Yard) -> None:
    yard.script("later/tell")
    yard.env["PATH"] = f"{yard.top}/notes/bin:{yard.top}/later:{yard.top}/notes/last"
    hooks = {"before": ["tell them"]}
    found = yard.closed(shelf(hooks=hooks, projects={"notes": {"local": "./notes"}}))
    hooked = {path for path, what in found.items() if what == "a program that a hook runs"}
    assert hooked == {"bin/tell"}


def test_what_the_machine_itself_runs_by_is_closed(yard: Yard) -> None:
    yard.env["XDG_CACHE_HOME"] = str(yard.top / "notes/cache")
    yard.env["RCLONE_CONFIG"] = str(yard.top / "notes/rclone.conf")
    yard.env["BASIC_MEMORY_CONFIG_DIR"] = str(yard.top / "notes/memory")
    yard.env["RCLONE_PASSWORD_COMMAND"] = f"{yard.top}/notes/unlock now"
    declared = shelf(metrics="notes/out.prom", projects={"notes": {"local": "./notes"}})
    machine = Machine("h", "linux", files=((str(yard.top / "notes/rclone"), "the rclone"),))
    (notes,) = yard.load(declared, machine=machine).projects
    assert {order.path for order in notes.filters.orders} == {
        *("cache/bm-sync", "rclone.conf", "memory/config.json", "memory/basic-memory-cloud.json"),
        *("unlock", "out.prom", "rclone"),
    }


def test_bm_sync_itself_is_closed_where_it_is_installed(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(yard.top / "notes/.venv"))
    found = yard.closed(shelf(projects={"notes": {"local": "./notes"}}))
    assert set(found) == {".venv"}


def test_every_link_on_the_way_to_an_order_is_closed_with_its_end(yard: Yard) -> None:
    yard.write("notes/real/team.yaml", "version: 1\n")
    (yard.top / "notes/first").symlink_to("second")
    (yard.top / "notes/second").symlink_to(yard.top / "notes/real")
    (yard.top / "notes/real/link.yaml").symlink_to("team.yaml")
    declared = shelf(include=["notes/first/link.yaml"], projects={"notes": {"local": "./notes"}})
    assert set(yard.closed(declared)) == {"first", "second", "real/link.yaml", "real/team.yaml"}


def test_a_folder_that_is_reached_by_a_link_is_the_folder(yard: Yard) -> None:
    (yard.top / "notes").mkdir()
    (yard.top / "alias").symlink_to("notes")
    declared = shelf("../cloud", projects={"notes": {"local": "../alias"}})
    assert "sync.yaml" in yard.closed(declared, "notes/sync.yaml")


def test_rings_of_links_end(yard: Yard) -> None:
    (yard.top / "notes").mkdir()
    (yard.top / "notes/a").symlink_to("b")
    (yard.top / "notes/b").symlink_to("a")
    hooks = {"before": [f"{yard.top}/notes/a/run"]}
    found = yard.closed(shelf(hooks=hooks, projects={"notes": {"local": "./notes"}}))
    assert set(found) == {"a", "b"}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("sh check.sh", {"check.sh"}),
        ("./check --fast", {"check"}),
        ("timeout 30s nice -n 5 ./x && echo hi >> log", {"x"}),
        ("python3 -u tools/gen a.md", {"tools/gen"}),
        ("python3 -m http.server", set()),
        ("bash -c './deep arg; tools/inner'", {"deep", "tools/inner"}),
        ("sh <feed", {"feed"}),
        ("sort <feed", set()),
        ("X=1 Y=2 ./y", {"y"}),
        ("true; (./in)|./out", {"in", "out"}),
        ("if true; then ./q; fi", {"q"}),
        ("cp a.md ../b.md", set()),
        ("node build.js", {"build.js"}),
        ("run-parts . && . ./env", {"env"}),
        ("make notes", {"GNUmakefile", "Makefile"}),
        ("nice just all && cat Makefile", {"justfile", ".justfile"}),
        ("terraform apply", {"*.tf", "*.tf.json", ".terraform"}),
        ("echo 'never closed && ./x", {"x"}),
        ("first\n./second", {"second"}),
        ("", set()),
        ("a\0b/c", set()),
    ],
)
def test_the_files_that_a_command_runs_are_those_it_names(
    command: str, expected: set[str], tmp_path: Path
) -> None:
    found = {*files_run(command, Desk(tmp_path / "home", (tmp_path / "f",)))}
    named = {(read.path / read.pattern).relative_to(tmp_path / "f") for read in found}
    assert {path.as_posix() for path in named} == expected


def test_no_text_makes_the_search_for_programs_endless(tmp_path: Path) -> None:
    desk = Desk(tmp_path, (tmp_path,))
    assert list(files_run("sh -c " + "'sh -c " * 200 + "./x", desk)) is not None
    assert len(list(files_run("./x " * 100_000, desk))) <= 500


def warned(yard: Yard, declared: dict[str, object]) -> list[str]:
    """Return what is said about programs that a run could start."""
    yard.write("sync.yaml", json.dumps({"version": 1, **declared}))
    loaded = manifest.load(yard.top / "sync.yaml", yard.env, state_dir=yard.top / "state")
    return [d.what for d in loaded.warnings if d.code == "BMS094"]


@pytest.mark.parametrize(
    ("hook", "reader"),
    [
        ("make -C ${local} html", "make"),
        ("cd ${local} && npm run build", "npm"),
        ("python3 notes/tools/gen", "tools/gen"),
        ("cd notes/sub && tox", "tox"),
        ("make html", None),
        ("notify-send hello", None),
        ("git -C ${local} commit -m x", None),
    ],
)
def test_a_command_that_may_read_orders_in_a_projects_folder_is_told(
    yard: Yard, hook: str, reader: str | None
) -> None:
    yard.script("notes/tools/gen")
    (yard.top / "notes/sub").mkdir()
    projects = {"notes": {"local": "./notes", "hooks": {"after": [hook]}}}
    told = warned(yard, shelf(projects=projects))
    what = f"'{reader}' may take orders from any file in the folder of 'notes'"
    assert told == ([what] if reader else [])
    assert (
        warned(
            yard,
            shelf(
                policies={"p": {"mode": "push"}},
                projects={"notes": {**projects["notes"], "policy": "p"}},
            ),
        )
        == []
    )


@pytest.mark.parametrize(
    ("local", "named"),
    [
        ("~/.config", "~/.config/systemd/user, ~/.config/autostart, ~/.config/fish and 2 more"),
        ("~/.ssh", "~/.ssh"),
        ("~/.local", "~/.local/bin"),
        ("~/.ssh/keys", "~/.ssh"),
        ("~/notes", None),
    ],
)
def test_a_folder_in_which_lies_what_starts_programs_is_told(
    yard: Yard, local: str, named: str | None
) -> None:
    told = warned(yard, shelf(projects={"notes": {"local": local}}))
    what = f"in the folder of 'notes' lies what starts programs of yours ({named})"
    assert told == ([what] if named else [])
    push = {"notes": {"local": local, "policy": "p"}}
    assert warned(yard, shelf(policies={"p": {"mode": "push"}}, projects=push)) == []


def test_what_is_left_out_is_not_told(yard: Yard) -> None:
    rules = {"f": {"exclude": ["/systemd/", "/autostart/", "/fish/", "/git/", "/nvim/"]}}
    notes = {"local": "~/.config", "filters": ["f"]}
    assert warned(yard, shelf(filters=rules, projects={"notes": notes})) == []


def test_what_starts_bm_sync_by_itself_is_closed(yard: Yard) -> None:
    found = yard.closed(shelf(projects={"notes": {"local": "~/.config"}}))
    starting = {path for path, what in found.items() if what == "what starts bm-sync by itself"}
    assert starting == {
        *("systemd/user/bm-sync-*", "systemd/user/timers.target.wants/bm-sync-*"),
        *("systemd/user/default.target.wants/bm-sync-*", "environment.d"),
        *("systemd/user/service.d", "systemd/user/timer.d"),
    }


def test_where_python_and_the_shell_find_what_runs_is_closed(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(yard.top / "home/lib/site"), *sys.path])
    yard.env["PATH"] = f"{yard.top}/home/bin:/usr/bin"
    found = yard.closed(shelf(projects={"notes": {"local": "~"}}))
    assert found["lib/site"] == "where the Python of bm-sync finds modules"
    assert {"bin/rclone", "bin/bm-sync"} <= found.keys()
