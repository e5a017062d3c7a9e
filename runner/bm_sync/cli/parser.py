"""The command line's grammar: global options, and commands that are imported when chosen.

Every slip raises `UsageError` with a suggestion; argparse never exits on its own but for `--help`
and `--version`.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import NoReturn

from bm_sync import __version__
from bm_sync.cli.catalogue import GROUPS, SUMMARIES, module
from bm_sync.errors import UsageError

_ABOUT = "Declare what is kept in sync, see every file before it moves, apply exactly that."
_HELP_EDGE = 13


class Parser(argparse.ArgumentParser):
    """A parser that raises `UsageError` with a suggestion instead of exiting."""

    def declared(self) -> tuple[argparse.Action, ...]:
        """Return every argument and option, in the order declared."""
        return tuple(self._actions)

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found wrong."""
        raise UsageError(_lower(message), hint=f"see: {self.prog} --help")

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is None or value in action.choices:
            return
        known = [str(choice) for choice in action.choices]
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - there is no public name
            raise UsageError(
                f"there is no command {value!r}", hint=_meant(str(value), known) or _SEE_HELP
            )
        name = "/".join(action.option_strings) or str(action.metavar or action.dest)
        raise UsageError(
            f"{name}: {value!r} is none of {', '.join(known)}", hint=_meant(str(value), known)
        )


class CommandParser(Parser):
    """The parser of one command; its module is imported when it is asked to parse."""

    _declared = False

    def parse_known_args(  # type: ignore[override]  # the overloads of typeshed, in one
        self,
        args: Sequence[str] | None = None,
        namespace: argparse.Namespace | None = None,
    ) -> tuple[argparse.Namespace, list[str]]:
        """Declare the arguments of the chosen command, then parse them.

        Names and options may stand in any order, which argparse calls intermixed; it comes back
        here for its passes.
        """
        if self._declared:
            return super().parse_known_args(args, namespace)
        self.declare()
        found, unknown = self.parse_known_intermixed_args(args, namespace)
        if unknown:
            raise self.unknown(unknown)
        return found, unknown

    def declare(self) -> None:
        """Declare the arguments of the command that the program's name ends with."""
        self._declared = True
        command = self.prog.rsplit(" ", 1)[-1]
        import_module(module(command)).add(self)
        self.description = f"{SUMMARIES[command]}."
        add_globals(self)

    def unknown(self, words: Sequence[str]) -> UsageError:
        """Return the error for words that the command does not take."""
        options = [word for word in words if word.startswith("-")]
        if not options:
            return UsageError(
                f"{self.prog} does not take {words[0]!r}", hint=f"see: {self.prog} --help"
            )
        known = [name for action in self._actions for name in action.option_strings]
        name = options[0].split("=", 1)[0]
        return UsageError(
            f"{self.prog} has no option {name!r}",
            hint=_meant(name, known) or f"see: {self.prog} --help",
        )


_SEE_HELP = "see: bm-sync --help"


def _meant(word: str, known: Iterable[str]) -> str | None:
    from difflib import get_close_matches

    names = {name.lstrip("-"): name for name in known}  # dashes are no likeness
    close = get_close_matches(word.lstrip("-"), list(names), n=1, cutoff=0.6)
    return f"did you mean {names[close[0]]!r}?" if close else None


def _lower(message: str) -> str:
    return re.sub(r"^argument ", "", message)


class _TopParser(Parser):
    """The parser in front of the commands; its help groups them."""

    def format_help(self) -> str:
        """Return the help of all commands in their groups, then the global options."""
        said = [f"usage: {self.prog} [options] command ...", "", _ABOUT]
        for group, commands in GROUPS:
            said += ["", f"{group}:"]
            said += [f"  {name:{_HELP_EDGE}}{summary}" for name, summary in commands]
        formatter = self._get_formatter()
        formatter.start_section("options, before or after the command")
        formatter.add_arguments(action for action in self._actions if action.option_strings)
        formatter.end_section()
        return "\n".join(
            [*said, "", formatter.format_help(), "one command: bm-sync COMMAND --help", ""]
        )


def top() -> Parser:
    """Return the parser of the whole command line."""
    parser = _TopParser(prog="bm-sync", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"bm-sync {__version__}")
    add_globals(parser, sets="sets_before")
    commands = parser.add_subparsers(dest="command", metavar="command", parser_class=CommandParser)
    for name in SUMMARIES:
        commands.add_parser(name, allow_abbrev=False)
    return parser


def add_globals(parser: argparse.ArgumentParser, *, sets: str = "sets") -> None:
    """Declare the options that stand before or after the command.

    What is not given stays out of the namespace, so that the later place does not undo the
    earlier one; `DEFAULTS` fill in. `sets` is where `--set` is kept, which counts in both places.
    """
    add = parser.add_argument_group("global options").add_argument
    gone = argparse.SUPPRESS
    add(
        "-f",
        "--manifest",
        metavar="FILE",
        default=gone,
        help="the manifest, whoever it belongs to (default: BM_SYNC_MANIFEST, else sync.yaml here "
        "or in a parent folder, if it is in nobody else's hands)",
    )
    add(
        "--state-dir",
        metavar="DIR",
        default=gone,
        help="where bm-sync remembers (BM_SYNC_STATE_DIR; default: ~/.local/state/bm-sync)",
    )
    add(
        "--rclone",
        metavar="FILE",
        default=gone,
        help="another rclone than the one installed with bm-sync (BM_SYNC_RCLONE)",
    )
    add(
        "--set",
        dest=sets,
        action="append",
        metavar="NAME=VALUE",
        default=gone,
        help="set a variable of the manifest (repeatable; BM_SYNC_VAR_NAME)",
    )
    add("--json", action="store_true", default=gone, help="print one JSON envelope")
    add("-q", "--quiet", action="store_true", default=gone, help="print only what matters")
    add("-v", "--verbose", action="count", default=gone, help="say more on standard error")
    add("--no-color", action="store_true", default=gone, help="no colours (NO_COLOR)")


DEFAULTS = {
    "manifest": None,
    "state_dir": None,
    "rclone": None,
    "sets": (),
    "json": False,
    "quiet": False,
    "verbose": 0,
    "no_color": False,
}


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the parsed command line; raise `UsageError` for every slip."""
    parser = top()
    found, unknown = parser.parse_known_args(argv)
    if unknown:
        known = [name for action in parser._actions for name in action.option_strings]  # noqa: SLF001 - as in argparse itself
        raise UsageError(
            f"bm-sync has no option {unknown[0]!r}", hint=_meant(unknown[0], known) or _SEE_HELP
        )
    if found.command is None:
        raise UsageError("no command is given", hint=_SEE_HELP)
    given = {**DEFAULTS, **vars(found)}
    given["sets"] = [*given.pop("sets_before", ()), *given["sets"]]
    return argparse.Namespace(**given)
