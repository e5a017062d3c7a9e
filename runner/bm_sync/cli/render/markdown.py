"""A plan as Markdown, for a comment on a pull request: nothing in a name can become markup.

Every character that Markdown or HTML knows is written as a numeric reference, which is text to both
(CommonMark 6.2), and names stand in code, where nobody is mentioned and nothing is linked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bm_sync.cli.render.counts import cells, moved_bytes
from bm_sync.cli.render.files import Row, action_row
from bm_sync.cli.render.plan import arrow, flag, gone_lines, name_words, project_words, total_line
from bm_sync.cli.render.text import count, escape
from bm_sync.cli.render.view import View
from bm_sync.model.plan import Plan, ProjectPlan

MOST = 60_000  # a comment on GitHub holds 65,536 characters
_FOR_WORDS = 20_000
_SPARE = 400  # for what is said about what does not fit
_MOST_PROJECTS = 50
_MOST_FILES = 50
_MOST_WORDS = 12
_LONGEST_NAME = 120
_LONGEST_LINE = 1000
_MARKUP = re.compile(r"^[-=]|^\d+(?=[.)])|(?<=w)\.|:(?! )|_|[^\w\s:/.,;()%=-]", re.ASCII)


def plan_markdown(plan: Plan, view: View) -> str:
    """Return the whole plan: the total, a table of projects, what needs a word, the files folded.

    At most `MOST` characters; what does not fit is counted.
    """
    busy = [project for project in plan.projects if not project.in_sync]
    head = f"### bm-sync plan\n\n{plain(total_line(plan))}\n\n{_table(plan.projects)}"
    words, silent = _fill([_words(project, view) for project in busy], _FOR_WORDS)
    words += "".join(f"\n{plain(line.strip())}\n" for line in gone_lines(plan, view))
    room = MOST - _SPARE - len(head) - len(words)
    files, folded = _fill([_files(project) for project in busy], room)
    left = [f"the words about {count(silent, 'more project')}"] if silent else []
    left += [f"the files of {count(folded, 'more project')}"] if folded else []
    more = f"\nLeft out, to fit into a comment: {' and '.join(left)}.\n" if left else ""
    return f"{head}{words}{files}{more}\nplan `{plan.digest[:16]}`\n"


def _fill(parts: Sequence[str], room: int) -> tuple[str, int]:
    """Return the parts that fit, in their order, and how many do not."""
    said, left = "", 0
    for part in parts:
        fits = len(said) + len(part) <= room
        said, left = (said + part, left) if fits else (said, left + 1)
    return said, left


def _table(projects: Sequence[ProjectPlan]) -> str:
    lines = [
        "| project | mode | local | | remote | would happen | |",
        "|---|---|---|---|---|---|---|",
    ]
    busy = sorted(projects, key=lambda project: project.in_sync)
    for project in busy[:_MOST_PROJECTS]:
        figures = [f"{number:,} {word}" for number, word in cells(project.totals)]
        figures += [moved] if (moved := moved_bytes(project.totals)) else []
        quiet = "in sync" if project.in_sync else "nothing to move"
        mark = flag(project)
        row = (
            plain(name_words(project)),
            project.mode.value,
            code(project.local),
            plain(arrow(project.mode, project.direction).strip()),
            code(project.remote),
            ", ".join(figures) or ("" if mark else quiet),
            f"**{mark}**" if mark else "",
        )
        lines.append(f"| {' | '.join(row)} |")
    rest = len(projects) - _MOST_PROJECTS
    more = f"\nand {count(rest, 'more project')}\n" if rest > 0 else ""
    return "\n".join(lines) + "\n" + more


def _words(project: ProjectPlan, view: View) -> str:
    block = project_words(project, view)
    if block is None:
        return ""
    said = [plain(line.strip()) for line in block[1][:_MOST_WORDS]]
    return f"\n**{plain(project.project)}**\n\n" + "".join(f"- {line}\n" for line in said)


def _files(project: ProjectPlan) -> str:
    rows = [action_row(action) for action in project.moves[:_MOST_FILES]]
    if not rows:
        return ""
    head = f"{plain(project.project)}: {count(len(project.moves), 'change')}"
    rest = len(project.moves) - len(rows)
    return (
        f"\n<details><summary>{head}</summary>\n\n"
        "| | what | size | path | why |\n|---|---|--:|---|---|\n"
        + "".join(_file(row) for row in rows)
        + (f"\nand {rest:,} more\n" if rest > 0 else "")
        + "\n</details>\n"
    )


def _file(row: Row) -> str:
    side, what, size, path, why = row
    return f"| {plain(side.strip())} | {what} | {size} | {code(path)} | {plain(why)} |\n"


def code(name: str) -> str:
    """Return a name as code, shortened when it is long."""
    return f"<code>{plain(name, _LONGEST_NAME)}</code>" if name else ""


def plain(words: str, longest: int = _LONGEST_LINE) -> str:
    """Return words of anybody so that Markdown and HTML take none of them for markup."""
    short = words if len(words) <= longest else words[: longest - 1] + "…"
    return _MARKUP.sub(lambda found: _as_numbers(found[0]), escape(short))


def _as_numbers(text: str) -> str:
    return "".join(f"&#{ord(char)};" for char in text)
