"""
A task as a Kubernetes Job, and what its pods say of the end. Pure.

Names of fields and reasons: the API's reference, batch/v1 Job and v1 Pod, and
`pkg/kubelet/eviction/helpers.go` of Kubernetes for what an eviction says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..contract import Task
from ..errors import (
    OutOfDisk,
    OutOfMemory,
    OutOfTime,
    SettingsError,
    TranscodeError,
    WorkerLost,
)

__all__ = [
    "PLACE_SECONDS",
    "JobSetup",
    "Verdict",
    "job_name",
    "job_of",
    "unplaced",
    "verdict",
]

QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
JOB_LABEL = "batch.kubernetes.io/job-name"
"""Which the Job controller puts on the pods of a Job, since Kubernetes 1.27."""
_ENTRY = "transcode.handlers.kubernetes"
_SCRATCH = "/scratch"
_START_SECONDS = 600
"""For pulling an image of some 200 MB and starting it, within a pod's deadline."""
PLACE_SECONDS = 900
"""For a place: an autoscaler that adds a node takes minutes."""
_KEPT_SECONDS = 600
"""A finished Job, for whoever wants to look at it."""
_KILLED = 137
"""128 + SIGKILL: of the kernel for memory, where nobody says otherwise."""
_NEVER_STARTS = frozenset(
    {
        *("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"),
        *("CreateContainerConfigError", "CreateContainerError", "RunContainerError"),
    }
)
"""Why a container waits that does not start by waiting; ErrImagePull is tried again,
and becomes ImagePullBackOff."""


@dataclass(frozen=True, slots=True)
class JobSetup:
    """What an operator says of all Jobs."""

    image: str
    service_account: str | None = None
    secret: str | None = None
    """Its entries are the container's environment: keys to the store."""
    queue: str | None = None
    """A LocalQueue of Kueue."""
    settings: str = "{}"
    """JSON of those that a task is told; what the Secret says counts for more."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """That it is over."""

    error: TranscodeError | None
    """None: it ended well."""


def job_name(records: str) -> str:
    """The same for the same attempt, so that one who asks twice gets one Job."""
    return f"transcode-{hashlib.sha256(records.encode()).hexdigest()[:20]}"


def job_of(records: str, task: Task, setup: JobSetup) -> dict[str, Any]:
    """
    The Job that carries out the order in *records*, with all of the task's spec
    enforced: requests are limits, so that no neighbour takes any of it.
    """
    spec = task.spec
    resources = {
        "cpu": f"{spec.milli_cpus}m",
        "memory": f"{spec.memory_mib}Mi",
        "ephemeral-storage": f"{_storage_mib(spec.scratch_mib)}Mi",
    }
    if spec.gpu is not None:
        resources[spec.gpu.kind] = "1"
    running = None
    if spec.time_limit_seconds is not None:
        running = spec.time_limit_seconds + _START_SECONDS
    labels = {
        "app.kubernetes.io/name": "transcode",
        "app.kubernetes.io/component": "task",
        "app.kubernetes.io/managed-by": "transcode",
        "app.kubernetes.io/instance": task.job_id[:12],
    }
    queued = {} if setup.queue is None else {QUEUE_LABEL: setup.queue}
    env_from = [] if setup.secret is None else [{"secretRef": {"name": setup.secret}}]
    container = {
        "name": "task",
        "image": setup.image,
        "command": ["python", "-m", _ENTRY],
        # What the cluster really gives, whatever it made of what was asked for.
        "args": [
            *("--memory-mib", "$(MEMORY_MIB)", "--milli-cpus", "$(MILLI_CPUS)"),
            *("--settings", _literal(setup.settings), _literal(records)),
        ],
        # Whoever asks why it ended is told what it said last.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "env": [
            _given("MEMORY_MIB", "limits.memory", "1Mi"),
            _given("MILLI_CPUS", "limits.cpu", "1m"),
            {"name": "TRANSCODE_SCRATCH", "value": _SCRATCH},
            {"name": "TMPDIR", "value": _SCRATCH},
            {"name": "HOME", "value": _SCRATCH},
        ],
        "envFrom": env_from,
        "resources": {"requests": resources, "limits": resources},
        "volumeMounts": [{"name": "scratch", "mountPath": _SCRATCH}],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    scratch = {"sizeLimit": resources["ephemeral-storage"]}
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 10,
        "securityContext": {
            "runAsNonRoot": True,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "scratch", "emptyDir": scratch}],
    }
    if setup.service_account is not None:
        pod["serviceAccountName"] = setup.service_account
    job: dict[str, Any] = {
        "backoffLimit": 0,
        "completions": 1,
        "parallelism": 1,
        "ttlSecondsAfterFinished": _KEPT_SECONDS,
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    if running is not None:
        pod["activeDeadlineSeconds"] = running
        job["activeDeadlineSeconds"] = running + PLACE_SECONDS
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(records),
            "labels": labels | queued,
            "annotations": {"transcode/task": task.task_id, "transcode/order": records},
        },
        "spec": job,
    }


def verdict(
    job: Mapping[str, Any], pods: Sequence[Mapping[str, Any]]
) -> Verdict | None:
    """What a Job and its pods say of its end; None: it goes on, or waits for room."""
    for pod in pods:
        error = _of_pod(pod)
        if error is not None:
            return Verdict(error)
    conditions = _conditions(job)
    if "Complete" in conditions:
        return Verdict(None)
    failed = conditions.get("Failed") or conditions.get("FailureTarget")
    if failed is None:
        lost = next(
            (it for it in pods if it.get("status", {}).get("phase") == "Failed"), None
        )
        return None if lost is None else Verdict(_of_lost(lost))
    reason, said = failed.get("reason", ""), _sentence(failed.get("message", ""))
    evidence = {"reason": reason, "held_by": "kubernetes"}
    if reason == "DeadlineExceeded":
        if not any(_started(pod) for pod in pods):
            why = unplaced(pods) or said
            return Verdict(WorkerLost(f"It found no room: {why}", **evidence))
        return Verdict(OutOfTime(f"Kubernetes ended the Job: {said}", **evidence))
    return Verdict(WorkerLost(f"The Job failed ({reason}): {said}", **evidence))


def _of_pod(pod: Mapping[str, Any]) -> TranscodeError | None:
    """What went wrong with it, if anything did."""
    status = pod.get("status", {})
    reason, said = status.get("reason", ""), _sentence(status.get("message", ""))
    evidence: dict[str, Any] = {"reason": reason, "held_by": "kubernetes"}
    if reason == "DeadlineExceeded":
        return OutOfTime(f"Kubernetes ended the pod: {said}", **evidence)
    if reason == "Evicted":
        own = "exceeds the limit" in said or "exceeds the total limit" in said
        kind = OutOfDisk if own else WorkerLost
        return kind(f"Kubernetes evicted the pod: {said}", **evidence)
    for container in status.get("containerStatuses", ()):
        state = container.get("state", {})
        waiting, over = state.get("waiting", {}), state.get("terminated", {})
        if waiting.get("reason") in _NEVER_STARTS:
            why = _sentence(waiting.get("message", ""))
            return SettingsError(
                f"The container does not start ({waiting['reason']}): {why} Look at "
                "TRANSCODE_KUBERNETES_IMAGE, and at the pull secrets of the service "
                "account.",
                setting="TRANSCODE_KUBERNETES_IMAGE",
                reason=waiting["reason"],
            )
        code = over.get("exitCode", 0)
        if over and not code and over.get("reason") != "OOMKilled":
            continue
        if over:
            return _of_container(pod, over)
    return None


def _of_lost(pod: Mapping[str, Any]) -> TranscodeError:
    """Of one that failed and says nothing of its container: its node may be gone."""
    status = pod["status"]
    disrupted = _conditions(pod).get("DisruptionTarget", {})
    why = disrupted.get("message") or status.get("message") or "no reason given"
    reason = status.get("reason", "")
    return WorkerLost(
        f"The pod failed: {_sentence(why)}", reason=reason, held_by="kubernetes"
    )


def _of_container(pod: Mapping[str, Any], over: Mapping[str, Any]) -> TranscodeError:
    reason, code = over.get("reason", ""), over.get("exitCode", 0)
    evidence = {"reason": reason, "exit_code": code, "held_by": "kubernetes"}
    deleted = pod.get("metadata", {}).get("deletionTimestamp") is not None
    disrupted = _conditions(pod).get("DisruptionTarget")
    if disrupted is not None:
        why = _sentence(disrupted.get("message", ""))
        return WorkerLost(f"The pod was taken away: {why}", **evidence)
    if reason == "OOMKilled" or (code == _KILLED and not deleted):
        return OutOfMemory(
            f"Kubernetes killed the container for its memory ({reason or 'Error'}, "
            f"exit code {code}).",
            **evidence,
        )
    said = _sentence(over.get("message", "")) or "It left no message."
    return WorkerLost(f"The container ended with exit code {code}: {said}", **evidence)


def _conditions(one: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Those that hold, by their type."""
    return {
        condition["type"]: condition
        for condition in one.get("status", {}).get("conditions", ())
        if condition.get("status") == "True"
    }


def unplaced(pods: Sequence[Mapping[str, Any]]) -> str | None:
    """Why the scheduler has found no node; None where it has, or has not looked."""
    for pod in pods:
        for condition in pod.get("status", {}).get("conditions", ()):
            placed = condition.get("type") == "PodScheduled"
            if placed and condition.get("status") == "False":
                said = condition.get("message") or condition.get("reason")
                return _sentence(said or "unschedulable")
    return None


def _started(pod: Mapping[str, Any]) -> bool:
    return pod.get("status", {}).get("startTime") is not None


def _storage_mib(scratch_mib: int | None) -> int:
    """Beside the scratch: logs, and what the container's own layer takes."""
    return (scratch_mib or 0) + 256


def _literal(text: str) -> str:
    """As an argument in which Kubernetes replaces nothing: a file may be `$(HOME)`."""
    return text.replace("$", "$$")


def _given(name: str, resource: str, divisor: str) -> dict[str, Any]:
    field = {"containerName": "task", "resource": resource, "divisor": divisor}
    return {"name": name, "valueFrom": {"resourceFieldRef": field}}


def _sentence(text: str) -> str:
    """In one line, with a full stop."""
    line = " ".join(text.split())[:300]
    return line if not line or line.endswith(".") else f"{line}."
