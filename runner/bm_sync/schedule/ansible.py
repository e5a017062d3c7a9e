"""The files of an Ansible role that puts a manifest and its timers on machines. Pure.

Modules and keywords are those of ansible-core 2.15 and later, nothing beyond `ansible.builtin`.
"""

from __future__ import annotations

from bm_sync.model.schedule import TimerUnit
from bm_sync.schedule.jobs import Bundle
from bm_sync.schedule.yaml_text import Value, Verbatim, document, listing

_HEAD = "Made by: bm-sync schedule show --target ansible"
_RUN: tuple[Value, ...] = ("{{ bm_sync_command }}",)
_COPIES = "bm_sync/files/manifest/"
_PATH = "bm_sync_path"  # below the manifest's folder, named by who wrote the manifest
_PLACE = "{{ bm_sync_folder }}/{{ bm_sync_path }}"


def units(bundle: Bundle) -> tuple[TimerUnit, ...]:
    """Return the files of the role `bm_sync`, by their paths below `roles`."""
    main = bundle.files[0][0]
    role = "bm_sync"
    return (
        TimerUnit(f"{role}/defaults/main.yml", _defaults()),
        TimerUnit(f"{role}/meta/main.yml", _meta()),
        TimerUnit(f"{role}/meta/argument_specs.yml", _arguments()),
        TimerUnit(f"{role}/tasks/main.yml", listing(_tasks(main, bundle), [_HEAD, *bundle.notes])),
        TimerUnit(f"{role}/handlers/main.yml", listing(_handlers(main), [_HEAD])),
        *(TimerUnit(f"{_COPIES}{path}", text) for path, text in bundle.files),
    )


def is_copy(unit: TimerUnit) -> bool:
    """Whether a file of the role is one of the manifest, as it is."""
    return unit.name.startswith(_COPIES)


_OPTIONS: tuple[tuple[str, str, str, Value], ...] = (
    ("bm_sync_folder", "path", "Where the manifest lies on each machine.", "/etc/bm-sync"),
    ("bm_sync_command", "str", "What starts the program there.", "bm-sync"),
    ("bm_sync_install", "bool", "Whether to install it with pip before.", False),
    ("bm_sync_package", "str", "What pip installs: git+URL@COMMIT.", ""),
    ("bm_sync_virtualenv", "path", "The virtual environment it goes to.", "/opt/bm-sync"),
    ("bm_sync_timers", "bool", "Whether to make the timers that the manifest declares.", True),
    (
        "bm_sync_target",
        "str",
        "systemd, systemd-system, launchd or cron; default: what is there.",
        "",
    ),
)


def _defaults() -> str:
    said: dict[str, Value] = {name: default for name, _, _, default in _OPTIONS}
    return "---\n" + document(said, [_HEAD, *(f"{n}: {what}" for n, _, what, _ in _OPTIONS)])


def _meta() -> str:
    galaxy: dict[str, Value] = {
        "role_name": "bm_sync",
        "author": "bm-sync",
        "description": "Puts a manifest of what is synced, and its timers, on machines",
        "license": "MIT",
        "min_ansible_version": "2.15",
        "platforms": [{"name": "GenericLinux", "versions": ["all"]}],
    }
    return "---\n" + document({"galaxy_info": galaxy, "dependencies": []}, [_HEAD])


def _arguments() -> str:
    options: dict[str, Value] = {
        name: {"type": kind, "description": what, "default": default}
        for name, kind, what, default in _OPTIONS
    }
    said: Value = {"short_description": "Sync by a manifest", "options": options}
    return "---\n" + document({"argument_specs": {"main": said}}, [_HEAD])


def _tasks(main: str, bundle: Bundle) -> list[Value]:
    install: Value = {
        "name": "Install bm-sync",
        "ansible.builtin.pip": {
            "name": "{{ bm_sync_package }}",
            "virtualenv": "{{ bm_sync_virtualenv }}",
            "virtualenv_command": "python3 -m venv",
        },
        "when": "bm_sync_install",
    }
    folders = sorted({path.rpartition("/")[0] for path, _ in bundle.files} - {""})
    made = [_folder(folder) for folder in ["", *folders]]
    copied = [_copy(path) for path, _ in bundle.files]
    flush: Value = {
        "name": "Check the manifest before timers are made of it",
        "ansible.builtin.meta": "flush_handlers",
    }
    return [install, *made, *copied, flush, _timers(main)]


def _folder(path: str) -> Value:
    """Return the task that makes a folder below the manifest's, or that itself."""
    made: dict[str, Value] = {
        "name": Verbatim(f"Make the folder {path}") if path else "Make the folder of the manifest",
        "ansible.builtin.file": {
            "path": _PLACE if path else "{{ bm_sync_folder }}",
            "state": "directory",
            "mode": "0755",
        },
    }
    return {**made, "vars": {_PATH: Verbatim(path)}} if path else made


def _copy(path: str) -> Value:
    return {
        "name": Verbatim(f"Put {path} in place"),
        "ansible.builtin.copy": {
            "src": Verbatim(f"manifest/{path}"),
            "dest": _PLACE,
            "mode": "0644",
        },
        "vars": {_PATH: Verbatim(path)},
        "notify": "Check the manifest",
    }


def _timers(main: str) -> Value:
    """Return the task that makes the timers; the command itself is idempotent and says so."""
    target = "{{ ['--target', bm_sync_target] if bm_sync_target else [] }}"
    words: list[Value] = ["schedule", "install", "--json", "-f", _PLACE]
    return {
        "name": "Make the timers that the manifest declares",
        "ansible.builtin.command": {
            "argv": "{{ [bm_sync_command] + bm_sync_words + bm_sync_named }}",
        },
        "vars": {"bm_sync_words": words, "bm_sync_named": target, _PATH: Verbatim(main)},
        "register": "bm_sync_made",
        "changed_when": (
            "((bm_sync_made.stdout | from_json).data.written"
            " + (bm_sync_made.stdout | from_json).data.removed) | length > 0"
        ),
        "when": "bm_sync_timers",
    }


def _handlers(main: str) -> list[Value]:
    return [
        {
            "name": "Check the manifest",
            "ansible.builtin.command": {"argv": [*_RUN, "validate", _PLACE]},
            "vars": {_PATH: Verbatim(main)},
            "changed_when": False,
        }
    ]
