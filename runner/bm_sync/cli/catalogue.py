"""The commands in the order of the help, with one line each; nothing of them is imported here."""

from __future__ import annotations

GROUPS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "declare",
        (
            ("init", "write a commented starter manifest"),
            ("import", "take over what Basic Memory, rclone or rclone bisync has declared"),
            ("validate", "find every slip in the manifest"),
            ("show", "print the manifest with everything resolved, or a saved plan"),
            ("schema", "print the JSON Schema of the manifest, a plan, a run or another answer"),
            ("explain", "tell more about an error code such as BMS004"),
        ),
    ),
    (
        "sync",
        (
            ("plan", "show every file that would move; changes nothing"),
            ("apply", "move exactly those"),
            ("check", "compare both sides by content; changes nothing"),
        ),
    ),
    (
        "look after",
        (
            ("status", "list the projects as last seen"),
            ("report", "tell what happened over a time and how all stands now, as a page too"),
            ("fleet", "tell how all machines stand that apply the manifest"),
            ("ls", "list what lies on the remote, or locally"),
            ("history", "list the runs, or every action of one run"),
            ("undo", "take back what a run did, on both sides"),
            ("versions", "list the kept versions of a file"),
            ("restore", "bring one of them back, or print it"),
            ("conflicts", "list the conflicts that nobody has settled, and what to do"),
            ("why", "tell why a path is synced or not"),
            ("prune", "remove versions that are not to be kept; with --ignored, what is excluded"),
            ("unlock", "tell who holds a project, remove a lease that a dead run left"),
            ("reset", "forget what both sides last agreed on"),
            ("doctor", "check rclone, the state, the remotes and the folders"),
        ),
    ),
    (
        "by itself",
        (
            ("schedule", "make the timers that sync projects by themselves, or look at them"),
            ("watch", "go on and sync on schedule, and soon after local changes"),
        ),
    ),
    (
        "the shell",
        (("completion", "print what completes command lines in bash, zsh or fish"),),
    ),
    (
        "Basic Memory Cloud",
        (
            ("login", "sign in to Basic Memory Cloud"),
            ("logout", "forget the sign-in on this machine"),
            ("cloud", "look at the account and the projects there, delete a project there"),
        ),
    ),
)


def module(command: str) -> str:
    """Return the module of a command; `import` is a word that Python keeps for itself."""
    return f"bm_sync.cli.commands.{'import_' if command == 'import' else command}"


SUMMARIES = {name: summary for _, commands in GROUPS for name, summary in commands}
