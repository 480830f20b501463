"""A task as a Job, and what is read of its end; no cluster is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kubernetes_validate
import pytest

from transcode.contract import Gpu, Task
from transcode.errors import (
    OutOfDisk,
    OutOfMemory,
    OutOfTime,
    SettingsError,
    TranscodeError,
    WorkerLost,
)
from transcode.invoke.kubernetes_job import JobSetup, Verdict, job_of, unplaced, verdict

SETUP = JobSetup("transcode:1", service_account="task", secret="keys", queue="video")  # noqa: S106  a name
RUNNING: dict[str, Any] = {"status": {"active": 1}}


def failed(reason: str, message: str = "") -> dict[str, Any]:
    condition = {"type": "Failed", "status": "True"}
    return {
        "status": {"conditions": [condition | {"reason": reason, "message": message}]}
    }


def pod(state: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    told = {} if state is None else {"containerStatuses": [{"state": state}]}
    return {"metadata": {}, "status": status | told}


def over(code: int, reason: str, message: str = "") -> dict[str, Any]:
    said = {"exitCode": code, "reason": reason, "message": message}
    return pod({"terminated": said}, phase="Failed" if code else "Succeeded")


def waits(reason: str) -> dict[str, Any]:
    return pod({"waiting": {"reason": reason, "message": "not found"}}, phase="Pending")


@pytest.mark.parametrize("version", ["1.28", "1.34"])
def test_a_job_is_one_and_has_all_of_its_spec(
    make_task: Callable[..., Task], version: str
) -> None:
    """By the API's own schema; requests are limits, and there is one try."""
    gpu = Gpu(kind="nvidia.com/gpu", memory_mib=16_384)
    task = make_task(1024, 1500, scratch_mib=2048, time_limit_seconds=90, gpu=gpu)

    job = job_of("s3://results/$(HOME)/records", task, SETUP)

    kubernetes_validate.validate(job, version, strict=True)
    spec = job["spec"]
    inside = spec["template"]["spec"]
    (container,) = inside["containers"]
    wanted = {
        "cpu": "1500m",
        "memory": "1024Mi",
        "ephemeral-storage": "2304Mi",
        "nvidia.com/gpu": "1",
    }
    assert {"requests": wanted, "limits": wanted} == container["resources"]
    assert (0, "Never") == (spec["backoffLimit"], inside["restartPolicy"])
    assert (690, 1590) == (
        inside["activeDeadlineSeconds"],
        spec["activeDeadlineSeconds"],
    )
    assert inside["automountServiceAccountToken"] is False
    assert [{"secretRef": {"name": "keys"}}] == container["envFrom"]
    assert "video" == job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"]
    # Kubernetes would put its own variable in.
    assert "s3://results/$$(HOME)/records" == container["args"][-1]
    assert job == job_of("s3://results/$(HOME)/records", task, SETUP)


@pytest.mark.parametrize(
    ("job", "ended", "kind", "said"),
    [
        (
            failed("BackoffLimitExceeded"),
            over(137, "OOMKilled"),
            OutOfMemory,
            "OOMKilled",
        ),
        # A kernel that killed all of the group, and a runtime that did not hear why.
        (RUNNING, over(137, "Error"), OutOfMemory, "exit code 137"),
        # Only a child was killed, and the first process ended well.
        (RUNNING, over(0, "OOMKilled"), OutOfMemory, "OOMKilled"),
        (RUNNING, over(4, "Error", "no store"), WorkerLost, "exit code 4: no store."),
        (
            failed("DeadlineExceeded", "Job was active longer than specified deadline"),
            pod(phase="Failed", startTime="2026-11-28T10:00:00Z"),
            OutOfTime,
            "longer than specified deadline.",
        ),
        (
            RUNNING,
            pod(phase="Failed", reason="DeadlineExceeded", message="Pod was active"),
            OutOfTime,
            "Pod was active.",
        ),
        (
            RUNNING,
            pod(
                phase="Failed",
                reason="Evicted",
                message='Usage of EmptyDir volume "scratch" exceeds the limit "1Gi".',
            ),
            OutOfDisk,
            "exceeds the limit",
        ),
        (
            RUNNING,
            pod(
                phase="Failed",
                reason="Evicted",
                message="The node was low on resource: memory.",
            ),
            WorkerLost,
            "low on resource",
        ),
        (RUNNING, waits("ImagePullBackOff"), SettingsError, "not found."),
        (RUNNING, waits("CreateContainerConfigError"), SettingsError, "does not start"),
        (
            failed("DeadlineExceeded"),
            pod(
                phase="Pending",
                conditions=[
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/3 nodes are available",
                    }
                ],
            ),
            WorkerLost,
            "It found no room: 0/3 nodes are available.",
        ),
        (
            RUNNING,
            pod(
                {"terminated": {"exitCode": 137, "reason": "Error"}},
                phase="Failed",
                conditions=[
                    {
                        "type": "DisruptionTarget",
                        "status": "True",
                        "message": "preempted by another",
                    }
                ],
            ),
            WorkerLost,
            "taken away: preempted by another.",
        ),
    ],
)
def test_how_a_pod_ended_is_an_outcome(
    job: dict[str, Any], ended: dict[str, Any], kind: type[TranscodeError], said: str
) -> None:
    """Each in the class that decides on the next try."""
    found = verdict(job, [ended])

    assert found is not None
    assert kind is type(found.error)
    assert found.error is not None
    assert said in found.error.message


def test_what_goes_on_is_no_end() -> None:
    """An image whose pull is tried again, a pod without a node, a Job in a queue."""
    place = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}
    homeless = pod(phase="Pending", conditions=[place])
    suspended = {"spec": {"suspend": True}, "status": {}}

    assert verdict(RUNNING, [waits("ErrImagePull")]) is None
    assert verdict(RUNNING, [homeless]) is None
    assert "0/3 nodes." == unplaced([homeless])
    assert verdict(suspended, []) is None
    assert unplaced([pod(phase="Running")]) is None


def test_what_ended_well_is_left_to_its_report() -> None:
    """No word of the platform counts beside it."""
    complete = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}

    assert Verdict(None) == verdict(complete, [over(0, "Completed")])
