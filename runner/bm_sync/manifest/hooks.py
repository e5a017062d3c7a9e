"""Builds hooks: commands of the manifest that run around projects and runs.

In a hook the dollar belongs to the shell, so nothing is put into its text when the manifest is
read. `${local}` and the other facts, and `${NAME}` of `vars`, become references to variables of the
command's environment, quoted as the place demands: a name or a path is never read as shell text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as AbstractMapping

from msgspec import Struct, field

from bm_sync.manifest.codes import Code
from bm_sync.manifest.nodes import Entry, Mapping, Node, Scalar, Sequence, Spot
from bm_sync.manifest.values import Surroundings, duration_s, text
from bm_sync.model.hooks import PROJECT_FACTS, RUN_FACTS, TIMEOUT_S, Hook, Moment, variable
from bm_sync.model.uses import Taken, Use

_FACTS = frozenset((*PROJECT_FACTS, *RUN_FACTS))
_USE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def shell_script(said: str, known: AbstractMapping[str, str]) -> str:
    """Return a command with each `${name}` that is `known` as a reference to its variable.

    Outside of quotes the reference is quoted, so that a path with a blank stays one word. Between
    quotes it stands plain. Whatever the shell makes of it, it is a reference, never a value.
    """
    parts: list[str] = []
    quote = ""
    at = 0
    while at < len(said):
        use = _USE.match(said, at)
        if use is not None and use[1] in known:
            reference = f"${{{known[use[1]]}}}"
            parts.append(reference if quote else f'"{reference}"')
            at = use.end()
            continue
        char = said[at]
        width = 2 if char == "\\" and quote != "'" else 1
        if width == 1 and char in "'\"" and quote in {"", char}:
            quote = "" if quote else char
        parts.append(said[at : at + width])
        at += width
    return "".join(parts)


class Hooks(Struct):
    """The hooks of a manifest; those of `defaults` are worked out once."""

    default: Node | None
    variables: Mapping
    around: Surroundings
    first: Spot | None = None
    count: int = 0
    _defaults: tuple[Hook, ...] | None = field(default=None)

    def used(self, own: Entry | None, *, remote: bool) -> tuple[Hook, ...]:
        """Return the hooks of a project that says `own`; null says that it has none.

        A project without a remote is never synced, so it has none, and its own are refused.
        """
        if own is None:
            if self._defaults is None:
                self._defaults = self.of(self.default, PROJECT_FACTS)
            return self._defaults if remote else ()
        if isinstance(own.value, Mapping) and not remote:
            what = "hooks are for projects with a remote"
            self.around.report.error(Code.FACT, own.key.spot, what, "nothing is synced here")
        return self.of(own.value, PROJECT_FACTS)

    def of(self, node: Node | None, facts: tuple[str, ...] = RUN_FACTS) -> tuple[Hook, ...]:
        """Return the hooks that a `hooks` key says, in the order of their moments."""
        if not isinstance(node, Mapping):
            return ()
        built = [
            self._hook(moment, item, facts)
            for moment in Moment
            for item in _items(node.get(moment.value))
        ]
        return tuple(hook for hook in built if hook is not None)

    def warn(self) -> None:
        """Say once that the manifest runs programs."""
        if self.first is not None:
            commands = "a command" if self.count == 1 else f"{self.count} commands"
            what = f"hooks run {commands} on this machine"
            hint = "keep them only if you wrote them"
            self.around.report.warning(Code.RUNS_COMMAND, self.first, what, hint)

    def _hook(self, moment: Moment, item: Node, facts: tuple[str, ...]) -> Hook | None:
        said = item.get("run") if isinstance(item, Mapping) else item
        if not isinstance(said, Scalar) or not isinstance(said.value, str):
            return None
        if "\0" in said.value:
            self.around.report.error(Code.MALFORMED, said.spot, "a command has a null character")
            return None
        self.first = min(self.first or said.spot, said.spot)
        self.count += 1
        use = Use(Taken.PROGRAM, f"a hook of {moment.value}", self.around.origin(said.spot))
        self.around.uses.append((use, said.spot))
        self._refuse_facts_of_others(said, facts)
        used = {name for name in _USE.findall(said.value) if name in self.variables.entries}
        values = {name: self._value(name) for name in used}
        known = {name: name for name in used} | {fact: variable(fact) for fact in facts}
        limit = text(item, "timeout") if isinstance(item, Mapping) else None
        return Hook(
            moment=moment,
            said=said.value,
            script=shell_script(said.value, known),
            folder=self.around.folder_of(said.spot),
            origin=self.around.origin(said.spot),
            timeout_s=TIMEOUT_S if limit is None else duration_s(limit),
            variables=tuple(sorted(values.items())),
        )

    def _value(self, name: str) -> str:
        """Return a variable's value; a leading ~ is the home folder, as it is in every path."""
        said = text(self.variables, name) or ""
        if said == "~" or said.startswith("~/"):
            return f"{self.around.home}{said[1:]}"
        return said

    def _refuse_facts_of_others(self, said: Scalar, facts: tuple[str, ...]) -> None:
        """Refuse facts of one project in a hook of the run, and those of the run in a project's."""
        for name in _USE.findall(str(said.value)):
            if name in facts or name in self.variables.entries or name not in _FACTS:
                continue
            if name in PROJECT_FACTS:
                what = f"${{{name}}} is a fact of one project, and this hook is for the whole run"
                hint = "write the hook below a project, or below defaults for each of them"
            else:
                what = f"${{{name}}} is a fact of the whole run, and this hook is for one project"
                hint = f"write it into the hooks of the run; a variable of your own is ${name}"
            self.around.report.error(Code.FACT, said.spot, what, hint)


def _items(node: Node | None) -> tuple[Node, ...]:
    """Return the commands of a moment: a list, or a single one."""
    if isinstance(node, Sequence):
        return node.items
    return () if node is None else (node,)
