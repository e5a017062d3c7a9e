"""The rooms of the package depend one way, the pure ones do no I/O, only `cli` meets the process.

All of it is read from the sources, so that an import inside a function counts as well.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

import bm_sync

TOP = Path(bm_sync.__file__).parent
FILES = {path.relative_to(TOP).as_posix(): path for path in sorted(TOP.rglob("*.py"))}

# Lowest first. A room may import itself and the rooms below; those of one layer not each other.
LAYERS = (
    {"__init__"},
    {"errors", "structs", "masking", "parallel", "paths", "layout"},
    {"access"},
    {"files"},
    {"model"},
    {"backends", "secret", "filters"},
    {"log"},
    {"plan", "manifest", "state", "cloud", "rclone", "schedule", "notice"},
    {"engine"},
    {
        "api",
        "cloud_api",
        "cluster_api",
        "fleet_api",
        "lock_api",
        "past_api",
        "report_api",
        "schedule_api",
        "watch_api",
    },
    {"cli"},
)
HEIGHT = {room: height for height, layer in enumerate(LAYERS) for room in layer}

PURE = {"plan", "filters"}
PURE_ROOMS = {"errors", "structs", "layout", "model", "filters"}  # and the room itself
PURE_MODULES = {
    "__future__",
    "bisect",
    "collections",
    "dataclasses",
    "datetime",
    "enum",
    "fnmatch",
    "functools",
    "hashlib",
    "itertools",
    "json",
    "msgspec",
    "operator",
    "posixpath",
    "re",
    "string",
    "types",
    "typing",
    "unicodedata",
}

# A package that speaks to the outside stands in the rooms that are about it.
HOMES = {
    "argparse": {"cli"},
    "fcntl": {"state", "rclone", "cloud", "engine"},
    "httpx": {"rclone", "cloud", "notice"},
    "jsonschema": {"manifest"},
    "rich": {"cli"},
    "sh": {"rclone"},
    "socket": {"rclone", "schedule"},
    "sqlite3": {"state"},
    "yaml": {"manifest"},
}

RC_CALL = re.compile(
    r"(backend|config|core|job|mount|operations|options|rc|sync|vfs)/[a-z][a-z-]*[a-z]"
)


@cache
def nodes(file: str) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(FILES[file].read_text("utf-8"))))


def room(file: str) -> str:
    return file.split("/", maxsplit=1)[0].removesuffix(".py")


def imported(node: ast.AST) -> Iterator[str]:
    """Yield the modules that a statement imports, by their full names."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module == "bm_sync":
        for alias in node.names:
            known = alias.name in HEIGHT
            yield f"bm_sync.{alias.name}" if known else "bm_sync.__init__"
    elif isinstance(node, ast.ImportFrom):
        yield "." * node.level + (node.module or "")


@cache
def imports(file: str) -> frozenset[str]:
    return frozenset(name for node in nodes(file) for name in imported(node))


def rooms_used(file: str) -> set[str]:
    return {name.split(".")[1] for name in imports(file) if name.startswith("bm_sync.")}


def dotted(node: ast.AST) -> str:
    """Return `sys.argv` for that expression, "" for what is no dotted name."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            return f"{dotted(value)}.{attr}"
        case _:
            return ""


def found(what: Callable[[ast.AST], bool], files: list[str]) -> list[str]:
    """Return `file:line` of everything that `what` is true of."""
    return [
        f"{file}:{getattr(node, 'lineno', 0)}"
        for file in files
        for node in nodes(file)
        if what(node)
    ]


def outside(*rooms: str) -> list[str]:
    return [file for file in FILES if room(file) not in rooms]


def test_every_room_has_its_layer() -> None:
    assert {room(file) for file in FILES} <= set(HEIGHT)
    assert {"plan", "engine", "api", "cli"} <= {room(file) for file in FILES}


@pytest.mark.parametrize("name", sorted({room(file) for file in FILES}))
def test_a_room_imports_itself_and_lower_rooms_only(name: str) -> None:
    wrong = {
        (file, used)
        for file in FILES
        if room(file) == name
        for used in rooms_used(file)
        if used != name and HEIGHT[used] >= HEIGHT[name]
    }
    assert wrong == set()


def test_imports_name_their_module_in_full() -> None:
    assert [f for f in FILES if any(name.startswith(".") for name in imports(f))] == []
    assert [f for f in FILES if "importlib" in imports(f) and room(f) != "cli"] == []


@pytest.mark.parametrize("name", sorted(PURE))
def test_a_pure_room_imports_nothing_that_reaches_outside(name: str) -> None:
    files = [file for file in FILES if room(file) == name]
    assert {used for f in files for used in rooms_used(f)} <= PURE_ROOMS | {name}
    foreign = {n.split(".")[0] for f in files for n in imports(f) if not n.startswith("bm_sync")}
    assert foreign <= PURE_MODULES


def test_a_pure_room_asks_for_no_file_and_no_time() -> None:
    calls = {"open", "input", "print", "exec", "eval", "__import__"}
    clocks = {"now", "utcnow", "today"}

    def impure(node: ast.AST) -> bool:
        if not isinstance(node, ast.Call):
            return False
        asks_clock = isinstance(node.func, ast.Attribute) and node.func.attr in clocks
        return asks_clock or dotted(node.func) in calls

    assert found(impure, [file for file in FILES if room(file) in PURE]) == []


@pytest.mark.parametrize("package", sorted(HOMES))
def test_a_package_for_the_outside_stays_in_its_room(package: str) -> None:
    users = {room(f) for f in FILES if package in {n.split(".")[0] for n in imports(f)}}
    assert users <= HOMES[package]


def test_only_the_command_line_prints_exits_and_reads_its_arguments() -> None:
    calls = {"print", "input", "exit", "quit"}
    names = {"sys.exit", "sys.argv", "sys.stdin", "sys.stdout", "sys.stderr", "SystemExit"}

    def meets_the_process(node: ast.AST) -> bool:
        called = isinstance(node, ast.Call) and dotted(node.func) in calls
        return called or dotted(node) in names

    def ends(node: ast.AST) -> bool:
        return dotted(node) == "os._exit"

    assert found(meets_the_process, outside("cli")) == []
    # in the child that becomes rclone, when this process has ended before it
    assert len(found(ends, outside("cli"))) == len(found(ends, ["rclone/daemon.py"])) == 1
    assert found(meets_the_process, [f for f in FILES if room(f) == "cli"]) != []
    taken = {
        alias.name
        for f in outside("cli")
        for node in nodes(f)
        if isinstance(node, ast.ImportFrom) and node.module == "sys"
        for alias in node.names
    }
    assert taken == set()


def test_only_the_rclone_room_knows_the_names_of_rclones_calls() -> None:
    def names_a_call(node: ast.AST) -> bool:
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            return False
        return RC_CALL.fullmatch(node.value) is not None

    assert found(names_a_call, outside("rclone")) == []
    assert len(found(names_a_call, [f for f in FILES if room(f) == "rclone"])) > 10


def test_what_is_ours_below_a_root_is_spelled_in_one_module() -> None:
    """A path of our own that a second module spells is one that a third forgets to guard."""
    spelled = re.compile(r"\.bm-sync|\.bmpart")
    assert [f for f, path in FILES.items() if spelled.search(path.read_text("utf-8"))] == [
        "layout.py"
    ]


def length(node: ast.AST) -> int:
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_no_module_is_longer_than_500_lines() -> None:
    lengths = {file: len(path.read_text("utf-8").splitlines()) for file, path in FILES.items()}
    assert {file: lines for file, lines in lengths.items() if lines > 500} == {}


def test_no_function_is_longer_than_80_lines() -> None:
    def too_long(node: ast.AST) -> bool:
        return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and length(node) > 80

    assert found(too_long, list(FILES)) == []


def catching(name: str) -> Iterator[tuple[str, str, ast.ExceptHandler]]:
    """Yield the file, the function and the handler of every `except` that names `name`."""
    for file in FILES:
        for function in nodes(file):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.ExceptHandler) and name in caught(node):
                    yield file, function.name, node


def caught(handler: ast.ExceptHandler) -> set[str]:
    """Return the exceptions a handler names; a bare `except:` catches BaseException."""
    match handler.type:
        case None:
            return {"BaseException"}
        case ast.Tuple(elts=several):
            return {dotted(each) for each in several}
        case one:
            return {dotted(one)}


def test_a_bug_is_caught_in_two_places_at_the_entry_and_at_the_project_task() -> None:
    places = [(file, function) for file, function, _ in catching("Exception")]
    assert places == [("cli/main.py", "_run"), ("engine/project_run.py", "_act")]


def test_what_catches_everything_raises_it_again() -> None:
    ends = [handler.body[-1] for _, _, handler in catching("BaseException")]
    assert all(isinstance(end, ast.Raise) and end.exc is None for end in ends)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import os.path, sh", {"os.path", "sh"}),
        ("from bm_sync import __version__, api", {"bm_sync.__init__", "bm_sync.api"}),
        ("from bm_sync.plan.wire import digest", {"bm_sync.plan.wire"}),
        ("from . import wire", {"."}),
    ],
)
def test_the_reader_of_imports_sees_every_form(text: str, names: set[str]) -> None:
    assert set(imported(ast.parse(text).body[0])) == names
