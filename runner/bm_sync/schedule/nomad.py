"""The texts of sysbatch jobs that run a manifest on every node of a Nomad cluster. Pure.

The form is that of Nomad's HTTP API, which `nomad job run -json` takes too; durations are
nanoseconds. Source: https://developer.hashicorp.com/nomad/api-docs/json-jobs
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from bm_sync.model.schedule import TimerUnit
from bm_sync.schedule.jobs import Bundle, Job

_SECOND_NS = 1_000_000_000


def units(bundle: Bundle, jobs: Sequence[Job]) -> tuple[TimerUnit, ...]:
    """Return a job for each schedule; one for each of its times."""
    return tuple(
        TimerUnit(
            f"{_numbered(job.name, number)}.nomad.json",
            json.dumps({"Job": _job(_numbered(job.name, number), cron, job, bundle)}, indent=2)
            + "\n",
        )
        for job in jobs
        for number, cron in enumerate(job.crons)
    )


def _numbered(name: str, number: int) -> str:
    return name if not number else f"{name}-{number + 1}"


def _job(name: str, cron: str, job: Job, bundle: Bundle) -> dict[str, object]:
    return {
        "ID": name,
        "Name": name,
        "Type": "sysbatch",
        "Datacenters": ["*"],
        "Meta": {"made_by": "bm-sync schedule show --target nomad", "what": job.title},
        "Periodic": {
            "Enabled": True,
            "SpecType": "cron",
            "Spec": cron,
            "ProhibitOverlap": True,
        },
        "TaskGroups": [_group(name, job, bundle)],
    }


def _group(name: str, job: Job, bundle: Bundle) -> dict[str, object]:
    return {
        "Name": "bm-sync",
        "Count": 1,
        # What waits for a person is not tried again before the next time comes.
        "RestartPolicy": {
            "Attempts": 0,
            "Interval": 60 * _SECOND_NS,
            "Delay": 15 * _SECOND_NS,
            "Mode": "fail",
        },
        "Tasks": [_task(name, job, bundle)],
    }


def _task(name: str, job: Job, bundle: Bundle) -> dict[str, object]:
    said: dict[str, object] = {
        "Name": "apply",
        "Driver": "raw_exec",
        "Config": {"command": "/usr/bin/env", "args": [_literal(word) for word in job.words]},
        "KillTimeout": 120 * _SECOND_NS,
        "Resources": {"CPU": 100, "MemoryMB": 256},
        "LogConfig": {"MaxFiles": 2, "MaxFileSizeMB": 5},
    }
    if bundle.env:
        said["Templates"] = [
            {
                "EmbeddedTmpl": _variables(name, bundle.env),
                "DestPath": "secrets/bm-sync.env",
                "Envvars": True,
                "ChangeMode": "noop",
            }
        ]
    return said


def _literal(word: str) -> str:
    """Return a word that Nomad takes as it is: a task's configuration is read as HCL templates.

    Source: https://developer.hashicorp.com/nomad/docs/reference/hcl2/expressions#string-literals
    """
    return word.replace("${", "$${").replace("%{", "%%{")


def _variables(name: str, names: Sequence[str]) -> str:
    """Return a template that takes variables from Nomad's own store, at the place of the job."""
    lines = [f"{key}={{{{ .{key} | toJSON }}}}" for key in names]
    begin = f'{{{{ with nomadVar "nomad/jobs/{name}" }}}}'
    return "\n".join([begin, *lines, "{{ end }}"]) + "\n"
