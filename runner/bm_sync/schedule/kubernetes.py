"""The texts of a ConfigMap and of CronJobs that run a manifest in Kubernetes. Pure.

Fields are those of batch/v1 and v1 since Kubernetes 1.29 (Indexed Jobs with a limit of failures for
each index). Pods fit the Pod Security Standard `restricted`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from msgspec import Struct

from bm_sync.errors import UsageError
from bm_sync.model.schedule import TimerUnit
from bm_sync.schedule.jobs import Bundle, Job
from bm_sync.schedule.yaml_text import Value, document

CONFIG = "/config"
_WORK = "/bm-sync"
_USER = 65532
_LATE_S = 1800  # few enough missed runs for the controller, which gives up after a hundred
_AT_ONCE_S = 60
_MOST_BYTES = 1_000_000  # a ConfigMap holds 1 MiB
_INDEX = "metadata.annotations['batch.kubernetes.io/job-completion-index']"

# A person has to act, or nothing will change by trying again soon: usage, a guard or a conflict,
# not signed in, no rclone, a condition that does not hold.
_NO_RETRY = (2, 3, 4, 6, 75)


class Pods(Struct, frozen=True):
    """In which image the runs are, and over how many pods the projects are divided."""

    image: str
    shards: int


def units(bundle: Bundle, jobs: Sequence[Job], pods: Pods) -> tuple[TimerUnit, ...]:
    """Return the ConfigMap, then a CronJob for each schedule; one for each of its times."""
    config = _config_map(bundle)
    if len(config.encode("utf-8", "surrogatepass")) > _MOST_BYTES:
        what = f"the manifest is larger than {_MOST_BYTES} bytes, too large for a ConfigMap"
        raise UsageError(what, hint="split it: one for each part of the projects")
    found = [TimerUnit(f"{bundle.name}-manifest.yaml", config)]
    for job in jobs:
        for number, cron in enumerate(job.crons):
            name = job.name if not number else f"{job.name}-{number + 1}"
            body = _cron_job(name, cron, job, (bundle, pods))
            found.append(
                TimerUnit(f"{name}.yaml", "---\n" + document(body, [job.title, *bundle.notes]))
            )
    return tuple(found)


def _labels(name: str) -> dict[str, Value]:
    return {"app.kubernetes.io/name": "bm-sync", "app.kubernetes.io/instance": name}


def _config_map(bundle: Bundle) -> str:
    return "---\n" + document(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"{bundle.name}-manifest", "labels": _labels(bundle.name)},
            "data": {_key(number): text for number, (_, text) in enumerate(bundle.files)},
        },
        bundle.notes,
    )


def _key(number: int) -> str:
    """Return the key of a file; a path is none, so they are numbered and mounted at their paths."""
    return "manifest" if not number else f"included-{number}"


def _cron_job(name: str, cron: str, job: Job, given: tuple[Bundle, Pods]) -> dict[str, Value]:
    bundle, pods = given
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name, "labels": _labels(bundle.name)},
        "spec": {
            "schedule": cron,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": _LATE_S if job.schedule.catch_up else _AT_ONCE_S,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {
                "metadata": {"labels": _labels(bundle.name)},
                "spec": _job(name, job, bundle, pods),
            },
        },
    }


def _job(name: str, job: Job, bundle: Bundle, pods: Pods) -> dict[str, Value]:
    return {
        "completionMode": "Indexed",
        "completions": pods.shards,
        "parallelism": pods.shards,
        "backoffLimitPerIndex": 3,
        "ttlSecondsAfterFinished": 86400,
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "Ignore",
                    "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                },
                {
                    "action": "FailIndex",
                    "onExitCodes": {
                        "containerName": "bm-sync",
                        "operator": "In",
                        "values": list(_NO_RETRY),
                    },
                },
            ]
        },
        "template": {
            "metadata": {
                "labels": _labels(bundle.name),
                "annotations": {"bm-sync/manifest": _digest(bundle)},
            },
            "spec": _pod(name, job, bundle, pods),
        },
    }


def _digest(bundle: Bundle) -> str:
    whole = "\0".join(text for _, text in bundle.files)
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _pod(name: str, job: Job, bundle: Bundle, pods: Pods) -> dict[str, Value]:
    hardened: dict[str, Value] = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    items: list[Value] = [
        {"key": _key(number), "path": path} for number, (path, _) in enumerate(bundle.files)
    ]
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 120,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        # An emptyDir is open to every user, where no state is kept; a folder in it is our own.
        "initContainers": [
            {
                "name": "own-folder",
                "image": pods.image,
                "command": ["mkdir", "-p", "-m", "0700", "/work/own"],
                "securityContext": hardened,
                "resources": _resources("10m", "16Mi", "64Mi"),
                "volumeMounts": [{"name": "work", "mountPath": "/work"}],
            }
        ],
        "containers": [
            {
                "name": "bm-sync",
                "image": pods.image,
                # $(NAME) would be a variable of the container, $$ is a dollar.
                "command": [word.replace("$", "$$") for word in job.words],
                "env": list(_env(name, bundle, pods)),
                "securityContext": hardened,
                "resources": _resources("100m", "128Mi", "512Mi"),
                "volumeMounts": [
                    {"name": "manifest", "mountPath": CONFIG, "readOnly": True},
                    {"name": "work", "mountPath": _WORK, "subPath": "own"},
                ],
            }
        ],
        "volumes": [
            {
                "name": "manifest",
                "configMap": {
                    "name": f"{bundle.name}-manifest",
                    "defaultMode": 0o444,
                    "items": items,
                },
            },
            {"name": "work", "emptyDir": {"sizeLimit": "2Gi"}},
        ],
    }


def _resources(cpu: str, memory: str, most: str) -> dict[str, Value]:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": most}}


def _env(name: str, bundle: Bundle, pods: Pods) -> Iterator[Value]:
    """Yield the variables: everything is written below one folder, and the shard is named."""
    folders = {
        "HOME": _WORK,
        "TMPDIR": _WORK,
        "BM_SYNC_STATE_DIR": f"{_WORK}/state",
        "BM_SYNC_RUNTIME_DIR": f"{_WORK}/run",
        "XDG_CACHE_HOME": f"{_WORK}/cache",
    }
    for key, value in folders.items():
        yield {"name": key, "value": value}
    yield {"name": "JOB_COMPLETION_INDEX", "valueFrom": {"fieldRef": {"fieldPath": _INDEX}}}
    yield {"name": "JOB_COMPLETIONS", "value": str(pods.shards)}
    yield {"name": "BM_SYNC_HOST", "value": f"{name}-$(JOB_COMPLETION_INDEX)"}
    for key in bundle.env:
        ref: Value = {"name": f"{bundle.name}-env", "key": key}
        yield {"name": key, "valueFrom": {"secretKeyRef": ref}}
