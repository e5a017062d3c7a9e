"""A manifest of several files: which are read, in which order they count, what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from layered import HERE, Files

from bm_sync.model.config import FolderRemote
from bm_sync.model.setup import Machine

ALONE = "version: 1\nprojects: {notes: {local: notes, remote: null}}\n"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def manifest_of(include: str, rest: str = "") -> str:
    return (
        f"version: 1\ninclude: {include}\n{rest}projects: {{notes: {{local: n, remote: null}}}}\n"
    )


def tags(files: Files) -> tuple[str, ...]:
    return files.project("notes").tags


def test_included_files_count_in_their_order_then_the_file_then_that_of_this_machine(
    files: Files,
) -> None:
    def project(tag: str) -> str:
        return f"projects: {{notes: {{tags: [{tag}]}}}}\n"

    files.write(one=project("one"), two=project("two"))
    files.write(sync=manifest_of("[one.yaml, two.yaml]"))
    assert tags(files) == ("two",)
    files.write(sync=manifest_of("[two.yaml, one.yaml]"))
    assert tags(files) == ("one",)
    own = "projects: {notes: {local: n, remote: null, tags: [own]}}\n"
    files.write(sync=f"version: 1\ninclude: [one.yaml]\n{own}")
    assert tags(files) == ("own",)
    files.write(**{"sync.local": project("local")})
    assert tags(files) == ("local",)


def test_what_the_file_of_this_machine_includes_stands_between_the_two(files: Files) -> None:
    files.write(sync=ALONE, extra="projects: {notes: {tags: [extra], local: e}}\n")
    files.write(**{"sync.local": "include: [extra.yaml]\nprojects: {notes: {local: l}}\n"})
    notes = files.project("notes")
    assert (notes.tags, notes.local) == (("extra",), files.root / "l")


def test_a_file_that_two_include_counts_once_below_both(files: Files) -> None:
    files.write(
        base="projects: {notes: {tags: [base], path: base}}\n",
        one="include: [base.yaml]\nprojects: {notes: {tags: [one]}}\n",
        two="include: [base.yaml]\nprojects: {notes: {path: two}}\n",
        sync=manifest_of("[one.yaml, two.yaml]"),
    )
    notes = files.project("notes")
    assert (notes.tags, notes.path) == (("one",), "two")


def test_a_glob_is_sorted_and_leaves_out_hidden_files_itself_and_that_of_this_machine(
    files: Files,
) -> None:
    files.write(
        a="projects: {notes: {tags: [a]}}\n",
        b="projects: {notes: {tags: [b]}}\n",
        sync=manifest_of('["*.yaml"]'),
    )
    files.write(**{"sync.local": "", ".hidden": "nothing: here\n"})
    loaded = files.load()
    assert [path.name for path in loaded.manifest.files] == [
        "sync.yaml",
        "a.yaml",
        "b.yaml",
        "sync.local.yaml",
    ]
    assert loaded.manifest.projects[0].tags == ("b",)


def test_a_glob_that_matches_nothing_is_no_slip(files: Files) -> None:
    assert files.write(sync=manifest_of('["conf.d/*.yaml"]')).told() == []


def test_empty_files_declare_nothing(files: Files) -> None:
    files.write(empty="", comment="# nothing\n", sync=manifest_of("[empty.yaml, comment.yaml]"))
    assert files.told() == []


def test_relative_paths_begin_at_the_file_that_says_them(files: Files) -> None:
    files.write(
        team__base="remotes: {shelf: {type: local, root: ./cloud}}\n"
        "filters: {f: {ignore_files: [ignored]}}\n"
        "projects: {docs: {local: docs, remote: shelf, filters: [f]}}\n",
        sync="version: 1\ninclude: [team/base.yaml]\n"
        "projects: {notes: {local: n, remote: shelf}}\n",
    )
    (files.root / "team/ignored").write_text("*.tmp\n")
    docs = files.project("docs")
    assert docs.local == files.root / "team/docs"
    assert isinstance(docs.remote, FolderRemote)
    assert docs.remote.root == files.root / "team/cloud"
    assert [rule.pattern for rule in docs.filters.shared] == ["*.tmp"]
    assert files.project("notes").local == files.root / "n"


def test_an_overlay_of_a_relative_path_is_relative_to_the_overlay(files: Files) -> None:
    files.write(
        team__base="projects: {notes: {local: a, remote: null}}\n",
        sync="version: 1\ninclude: [team/base.yaml]\nprojects: {notes: {local: b}}\n",
    )
    assert files.project("notes").local == files.root / "b"


def test_files_of_the_git_work_tree_around_the_manifest_may_be_included(tmp_path: Path) -> None:
    Files(tmp_path).write(shared="projects: {notes: {tags: [shared]}}\n")
    files = Files(tmp_path / "hosts").write(sync=manifest_of("[../shared.yaml]"))
    assert files.slips()[0].code == "BMS040"
    (tmp_path / ".git").mkdir()
    assert tags(files) == ("shared",)


@pytest.mark.parametrize(
    ("include", "words"),
    [
        ("[/etc/x.yaml]", "is not a relative path"),
        ("[~/x.yaml]", "is not a relative path"),
        ("[../x.yaml]", "lies outside"),
        ('["../*.yaml"]', "lies outside"),
        ("[link/x.yaml]", "lies outside"),
        ('["link/*.yaml"]', "lies outside"),
        ("[link.yaml]", "lies outside"),
        ("[inner/.git/x.yaml]", "lies outside"),
        ("[secrets]", "does not end in .yaml"),
        ('["**/x.yaml"]', "has ** in it"),
        ('["*/../x.yaml"]', "has .. behind a glob"),
        ('["${HOME}/x.yaml"]', "has a variable"),
        ('["a\\tb.yaml"]', "has a control character"),
        ("[nowhere.yaml]", "there is no file 'nowhere.yaml'"),
        ("[folder.yaml]", "cannot be read: Is a directory"),
        ("[pipe.yaml]", "cannot be read: it is a FIFO, not a regular file"),
    ],
)
def test_nothing_outside_and_nothing_but_yaml_files_is_read(
    include: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = "canary: 4711\n"
    outside = tmp_path / "outside"
    Files(outside).write(x=canary)
    files = Files(tmp_path / "in").write(sync=manifest_of(include))
    Files(files.root / "inner/.git").write(x=canary)
    Files(tmp_path).write(x=canary)
    (files.root / "link").symlink_to(outside)
    (files.root / "link.yaml").symlink_to(outside / "x.yaml")
    (files.root / "folder.yaml").mkdir()
    (files.root / "secrets").write_text(canary)
    os.mkfifo(files.root / "pipe.yaml")
    monkeypatch.chdir(files.root)
    (slip,) = files.slips()
    assert slip.code == "BMS040"
    assert words in slip.what
    assert "canary" not in f"{slip.what} {slip.hint} {slip.line_text}"


def test_a_link_in_place_of_the_file_of_this_machine_stays_inside_too(tmp_path: Path) -> None:
    Files(tmp_path).write(x="canary: 4711\n")
    files = Files(tmp_path / "in").write(sync=ALONE)
    (files.root / "sync.local.yaml").symlink_to(tmp_path / "x.yaml")
    assert files.told() == ["sync.local.yaml:1 BMS040"]
    (files.root / "mine").mkdir()
    (files.root / "mine/x.yaml").write_text("projects: {notes: {tags: [mine]}}\n")
    (files.root / "sync.local.yaml").unlink()
    (files.root / "sync.local.yaml").symlink_to("mine/x.yaml")
    assert tags(files) == ("mine",)


def test_a_circle_names_every_file_of_it(files: Files) -> None:
    files.write(
        sync=manifest_of("[a.yaml]"), a="include: [d/b.yaml]\n", d__b="include: [../a.yaml]\n"
    )
    (slip,) = files.slips()
    assert (slip.code, Path(slip.file).name, slip.line) == ("BMS041", "b.yaml", 1)
    said = slip.what.replace(f"{files.root}/", "")
    assert said == "files include each other in a circle: a.yaml -> d/b.yaml -> a.yaml"


def test_a_file_that_is_linked_into_its_own_circle_is_known(files: Files) -> None:
    files.write(sync=manifest_of("[other.yaml]"))
    (files.root / "other.yaml").symlink_to("sync.yaml")
    assert files.told() == ["sync.yaml:2 BMS041"]


def test_depth_number_and_size_are_bounded(files: Files) -> None:
    chain = {f"f{n}": f"include: [f{n + 1}.yaml]\n" for n in range(30)}
    files.write(sync=manifest_of("[f0.yaml]"), **chain)
    assert [said.split()[1] for said in files.told()] == ["BMS010"]
    files.write(sync=manifest_of('["many/*.yaml"]'), **{f"many__f{n}": "" for n in range(101)})
    assert files.told() == ["sync.yaml:2 BMS010"]
    listed = ", ".join(f"many/f{n}.yaml" for n in range(101))
    files.write(sync=manifest_of(f"[{listed}]"))
    assert files.told() == ["sync.yaml:2 BMS010"]
    big = "# " + "x" * (4 * 1024 * 1024 - 10) + "\n"
    files.write(sync=manifest_of('["big/*.yaml"]'), **{f"big__f{n}": big for n in range(5)})
    assert files.told() == ["sync.yaml:2 BMS010"]


@pytest.mark.parametrize(
    ("include", "code"),
    [("5", "BMS006"), ("a.yaml", "BMS006"), ("[5]", "BMS006"), ("[[a.yaml]]", "BMS006")],
)
def test_an_include_that_is_no_list_of_texts_is_told(include: str, code: str, files: Files) -> None:
    assert files.write(sync=manifest_of(include)).told() == [f"sync.yaml:2 {code}"]


def test_a_slip_is_told_in_the_file_that_made_it(files: Files) -> None:
    files.write(
        sync=manifest_of("[a.yaml]"),
        a="version: 1\npolicies:\n  p: {mode: upp}\n",
        **{"sync.local": "projects:\n  notes:\n    locl: x\n"},
    )
    assert files.told() == ["a.yaml:3 BMS007", "sync.local.yaml:3 BMS004"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("projects: [\n", "a.yaml:2 BMS003"),
        ("- a\n", "a.yaml:1 BMS002"),
        ("version: 2\n", "a.yaml:1 BMS012"),
        ("a: \x07\n", "a.yaml:1 BMS013"),
        ("a: 1\na: 2\n", "a.yaml:2 BMS008"),
    ],
)
def test_an_included_file_that_cannot_be_used_is_the_only_slip(
    text: str, said: str, files: Files
) -> None:
    files.write(sync=manifest_of("[a.yaml]", "defaults: {policy: of-a}\n"), a=text)
    assert said in files.told()


def test_a_secret_of_an_included_file_is_in_no_message(files: Files) -> None:
    canary = "tr0ub4dor"
    files.write(
        sync=manifest_of("[a.yaml]"),
        a=f"remotes:\n  r: {{type: s3, options: {{secret_access_key: {canary}, 7: x}}, rot: a}}\n",
    )
    slips = files.slips()
    assert {Path(s.file).name for s in slips} == {"a.yaml"}
    assert canary not in repr(slips)


def test_the_same_line_number_of_another_file_is_not_masked(files: Files) -> None:
    files.write(
        a="remotes: {r: {type: s3, options: {secret_access_key: tr0ub4dor}}}\n",
        sync="projekts: {notes: {local: n, remote: null}, other: {local: o, remote: null}}\n"
        "include: [a.yaml]\nversion: 1\nprojects: {}\n",
    )
    said = {Path(s.file).name: s.line_text for s in files.slips()}
    assert "*" not in said["sync.yaml"]
    assert "secret_access_key: ***}" in said["a.yaml"]


def test_places_in_other_files_are_named_with_their_file(files: Files) -> None:
    files.write(
        a="projects: {docs: {local: n, remote: null}}\n",
        sync=manifest_of("[a.yaml]"),
    )
    (slip,) = files.slips()
    assert slip.what.endswith(f"as 'docs' in {files.root}/a.yaml:1") or slip.what.endswith(
        "as 'notes' in line 3"
    )
    assert slip.code == "BMS022"


def test_every_file_that_others_may_change_is_told(files: Files) -> None:
    files.write(sync=manifest_of("[a.yaml]"), a="")
    (files.root / "a.yaml").chmod(0o666)
    assert files.told() == ["sync.yaml:2 BMS035"]


def test_the_digest_is_that_of_every_file_and_of_what_is_set(files: Files) -> None:
    files.write(sync=manifest_of("[a.yaml]", "vars: {x: a}\n"), a="vars: {y: '1'}\n")
    seen = [files.load().manifest.digest]
    files.write(a="vars: {y: '2'}\n")
    seen.append(files.load().manifest.digest)
    files.write(**{"sync.local": "# mine\n"})
    seen.append(files.load().manifest.digest)
    seen.append(files.load(BM_SYNC_VAR_x="b").manifest.digest)
    seen.append(files.load(Machine(sets=(("x", "c"),))).manifest.digest)
    assert len(set(seen)) == len(seen)
    assert files.load(BM_SYNC_VAR_unused="b").manifest.digest == seen[2]


def test_the_digest_does_not_depend_on_where_one_stands(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bm_sync import manifest

    files.write(sync=manifest_of("[team/a.yaml]"), team__a="")
    whole = files.load().manifest.digest
    monkeypatch.chdir(files.root / "team")
    loaded = manifest.load(Path("../sync.yaml"), {"HOME": "/h"}, state_dir=files.root / "s")
    assert loaded.manifest.digest == whole
    assert loaded.manifest.files == (Path("../sync.yaml"), Path("../team/a.yaml"))


def test_variables_of_file_includes_this_machine_environment_and_command_line_count_in_this_order(
    files: Files,
) -> None:
    head = 'version: 1\nprojects: {notes: {local: "${x}", remote: null}}\n'

    def local(machine: Machine = HERE, **env: str) -> str:
        return str(files.project("notes", machine, **env).local)

    files.write(sync=f"{head}vars: {{x: /own}}\n")
    said = [local()]
    files.write(a="vars: {x: /a}\n", b="vars: {x: /b}\n")
    files.write(sync=f"{head}vars: {{x: /own}}\ninclude: [a.yaml]\n")
    said.append(local())
    files.write(sync=f"{head}vars: {{x: /own}}\ninclude: [a.yaml, b.yaml]\n")
    said.append(local())
    files.write(**{"sync.local": "vars: {x: /local}\n"})
    said.append(local())
    said.append(local(BM_SYNC_VAR_x="/environment"))
    said.append(local(Machine(sets=(("x", "/set"),)), BM_SYNC_VAR_x="/environment"))
    assert said == ["/own", "/a", "/b", "/local", "/environment", "/set"]


def test_variables_of_files_that_included_files_include_are_stronger_than_theirs(
    files: Files,
) -> None:
    files.write(
        sync=manifest_of("[a.yaml, b.yaml]").replace("local: n", 'local: "${w}${x}${y}${z}"'),
        a="include: [inner.yaml]\nvars: {w: /a, x: /a, y: /a, z: /a}\n",
        inner="vars: {x: /inner, y: /inner, z: /inner}\n",
        b="include: [inner.yaml]\nvars: {y: /b, z: /b}\n",
        extra="vars: {z: /extra, y: /extra}\n",
        **{"sync.local": "include: [extra.yaml]\nvars: {z: /local}\n"},
    )
    assert files.project("notes").local == Path("/a/inner/extra/local")


def test_only_variables_have_this_order(files: Files) -> None:
    files.write(
        sync=manifest_of("[a.yaml]", "vars: {x: own, y: own}\n").replace(
            "local: n", 'local: n, path: own, tags: ["${x}", "${y}"]'
        ),
        a="vars: {x: a}\nprojects: {notes: {path: a, tags: [a]}}\n",
    )
    notes = files.project("notes")
    assert (notes.path, notes.tags) == ("own", ("a", "own"))


def test_vars_that_are_no_mapping_are_the_only_slip(files: Files) -> None:
    files.write(
        sync='version: 1\nvars: {x: a}\nprojects: {notes: {local: "${x}", remote: null}}\n',
        **{"sync.local": "vars: [x]\n"},
    )
    assert files.told() == ["sync.local.yaml:1 BMS006"]


def test_a_file_is_suggested_by_its_name_and_not_by_its_ending(files: Files) -> None:
    files.write(sync=manifest_of("[nope.yaml]"), team="")
    assert files.slips()[0].hint == "write it relative to this file"
    files.write(sync=manifest_of("[teem.yml]"))
    assert files.slips()[0].hint == "did you mean 'team.yaml'?"


def test_a_variable_that_others_use_is_replaced_for_them_too(files: Files) -> None:
    files.write(
        sync='version: 1\nvars: {root: /a, n: "${root}/n"}\n'
        'projects: {notes: {local: "${n}", remote: null}}\n'
    )
    assert files.project("notes", BM_SYNC_VAR_root="/b").local == Path("/b/n")


def test_what_is_set_from_outside_is_taken_as_it_is(files: Files) -> None:
    files.write(sync='version: 1\nprojects: {notes: {local: "${x:-y}", remote: null}}\n')
    assert files.project("notes").local == files.root / "y"
    set_ = Machine(sets=(("x", "/$$HOME/${HOME}"),))
    assert files.project("notes", set_).local == Path("/$$HOME/${HOME}")


def test_a_manifest_of_one_file_imports_nothing_that_puts_files_together(files: Files) -> None:
    files.write(sync=ALONE)
    program = (
        "import sys; from pathlib import Path; from bm_sync import manifest\n"
        "manifest.load(Path('sync.yaml'), {'HOME': '/h'}, state_dir=Path('state'))\n"
        "print(*sorted(m for m in sys.modules if m.startswith('bm_sync.manifest.')))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program],
        cwd=files.root,
        env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = {name.rpartition(".")[2] for name in said.split()}
    assert "loader" in names
    unwanted = {"layers", "including", "merge", "overrides", "locks", "belonging", "origins"}
    assert names & unwanted == set()
