"""
Attempts as Jobs of a Kubernetes cluster, each with all of its spec enforced.

A Job is a call: one pod, one try (`backoffLimit: 0`), limits that are requests, and a
deadline. On cgroup v2 the whole container is killed for its memory, we with it; so the
worker in it is held below what the container has, and the verdict is ours.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import anyio

from ..contract import Spec, Task
from ..errors import SettingsError, TranscodeError, UsageError, WorkerLost
from ..platforms.platform import Platform, on_lattice
from .kubernetes_job import (
    JOB_LABEL,
    PLACE_SECONDS,
    JobSetup,
    job_name,
    job_of,
    unplaced,
    verdict,
)
from .remote import refuse_paths

__all__ = ["KubernetesCluster", "KubernetesInvoker"]

_LOOK_SECONDS = 3.0
"""Between two looks at a Job: its report says the same, and sooner."""
_ANSWER_SECONDS = 30.0
_SILENT_SECONDS = 300.0
"""A control plane that is renewed is back by then."""
_TRIES = 3
_PAUSE_SECONDS = 1.0
_IS_THERE = 409
_GONE = 404
_LATER = frozenset({408, 429, 500, 502, 503, 504})


class KubernetesCluster:
    """The API of a cluster, in one namespace; `KUBECONFIG` or the pod's own account."""

    def __init__(self, api: Any, namespace: str) -> None:
        self._api = api
        self.namespace = namespace

    @classmethod
    async def open(cls, namespace: str | None) -> KubernetesCluster:
        """
        Find the cluster; raises `UsageError` without the client, `SettingsError` where
        nobody answers or nothing says where it is.
        """
        kr8s = _import()
        try:
            with warnings.catch_warnings():
                # Of versions that it has not been tried with; what we ask is old.
                warnings.simplefilter("ignore")
                with anyio.fail_after(_ANSWER_SECONDS):
                    api = await kr8s.api(namespace=namespace)
        except Exception as exc:  # its client's errors and its parser's have no root
            raise SettingsError(
                f"No Kubernetes cluster can be reached ({_first_line(exc)}): set "
                "KUBECONFIG to a file whose current context is one, or run in a pod "
                "that has a service account.",
                setting="KUBECONFIG",
            ) from exc
        api.timeout = _ANSWER_SECONDS
        return cls(api, namespace or api.namespace)

    async def close(self) -> None:
        """Close its connections, which the client itself never does."""
        session = getattr(self._api, "_session", None)
        if session is not None:
            await session.aclose()

    async def create(self, job: Mapping[str, Any]) -> None:
        """Once: nothing happens where it is there already."""
        await self._ask("POST", "jobs", json=dict(job), fine=_IS_THERE)

    async def look(self, name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The Job and its pods; an empty Job where it is gone."""
        job = await self._ask("GET", f"jobs/{name}", fine=_GONE)
        query = {"labelSelector": f"{JOB_LABEL}={name}"}
        found = await self._ask("GET", "pods", base="/api", params=query)
        return job, list(found.get("items", ()))

    async def delete(self, name: str) -> None:
        """With its pods, at once."""
        options = {"propagationPolicy": "Background"}
        await self._ask("DELETE", f"jobs/{name}", json=options, fine=_GONE)

    async def may(self, verb: str, group: str, resource: str) -> bool:
        """Whether whoever we are here may do this, by a SelfSubjectAccessReview."""
        asked = {"verb": verb, "group": group, "resource": resource}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"namespace": self.namespace, **asked}},
        }
        found = await self._ask(
            "POST",
            "selfsubjectaccessreviews",
            base="/apis/authorization.k8s.io",
            json=review,
            everywhere=True,
        )
        return bool(found.get("status", {}).get("allowed"))

    async def has(self, kind: str, name: str) -> bool | None:
        """Whether there is such an object of v1; None where we may not look."""
        try:
            found = await self._ask("GET", f"{kind}/{name}", base="/api", fine=_GONE)
        except SettingsError:
            return None
        return bool(found.get("metadata", {}).get("name") == name)

    async def _ask(  # noqa: PLR0913 - one request
        self,
        method: str,
        path: str,
        *,
        base: str = "/apis/batch",
        json: dict[str, Any] | None = None,
        params: dict[str, str] | None = None,
        fine: int | None = None,
        everywhere: bool = False,
    ) -> dict[str, Any]:
        """What it answers; raises `SettingsError`, or `WorkerLost` for later."""
        kr8s, httpx = _import_errors()
        body = {"json": json} if json is not None else {}
        query = {"params": params} if params is not None else {}
        try:
            async with self._api.call_api(
                method,
                version="v1",
                base=base,
                namespace=None if everywhere else self.namespace,
                url=path,
                **body,
                **query,
            ) as reply:
                answer: dict[str, Any] = reply.json()
                return answer
        except kr8s.ServerError as exc:
            status = exc.response.status_code if exc.response is not None else 500
            if status == fine:
                return {}
            raise _refused(status, _said(exc), self.namespace) from exc
        except (kr8s.APITimeoutError, httpx.HTTPError, OSError) as exc:
            raise WorkerLost(
                f"The Kubernetes cluster does not answer ({_first_line(exc)})."
            ) from exc


class KubernetesInvoker:
    """Starts a Job for each task."""

    def __init__(
        self, cluster: KubernetesCluster, setup: JobSetup, platform: Platform
    ) -> None:
        self._cluster = cluster
        self._setup = setup
        self._platform = platform

    def fits(self, spec: Spec) -> bool:
        """Whether the platform has it; what the nodes have, the scheduler knows."""
        asked = spec.model_copy(update={"gpu": None})
        return on_lattice(self._platform, asked)

    async def invoke(self, records: str, task: Task) -> KubernetesTask:
        refuse_paths(records, task, engine="kubernetes")
        job = job_of(records, task, self._setup)
        for left in reversed(range(_TRIES)):
            try:
                await self._cluster.create(job)
                break
            except WorkerLost:
                if not left:
                    raise
                await anyio.sleep(_PAUSE_SECONDS)
        return KubernetesTask(self._cluster, job_name(records))


@dataclass(frozen=True, slots=True)
class KubernetesTask:
    """One that was created; see `remote.RemoteInvocation`."""

    cluster: KubernetesCluster
    name: str

    async def ended(self) -> TranscodeError | None:
        homeless: float | None = None
        answered = anyio.current_time()
        while True:
            await anyio.sleep(_LOOK_SECONDS)
            try:
                job, pods = await self.cluster.look(self.name)
            except WorkerLost as exc:
                # The report tells; but of what never begins there is none.
                if anyio.current_time() - answered > _SILENT_SECONDS:
                    return exc
                continue
            answered = anyio.current_time()
            if not job:
                return WorkerLost("Somebody has deleted the Job.", job=self.name)
            found = verdict(job, pods)
            if found is not None:
                return found.error
            why, now = unplaced(pods), anyio.current_time()
            homeless = None if why is None else homeless or now
            if homeless is not None and now - homeless > PLACE_SECONDS:
                await self.cancel()
                minutes = PLACE_SECONDS // 60
                return WorkerLost(f"No node had room within {minutes} minutes: {why}")

    async def cancel(self) -> None:
        try:
            with anyio.move_on_after(_ANSWER_SECONDS):
                await self.cluster.delete(self.name)
        except TranscodeError:
            return  # it ends by its own deadline, and counts for nothing


def _refused(status: int, said: str, namespace: str) -> TranscodeError:
    line = " ".join(said.split())[:300].rstrip(".")
    if status in _LATER:
        return WorkerLost(f"The Kubernetes API answered {status}: {line}.")
    return SettingsError(
        f"Kubernetes refuses it in namespace {namespace} ({status}): {line}. "
        "`transcode deploy --check kubernetes` says what is missing.",
        setting="TRANSCODE_KUBERNETES_NAMESPACE",
        status=status,
    )


def _said(exc: Any) -> str:
    """By the API's own words: its client's are for who writes programs."""
    try:
        return str(exc.response.json()["message"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return _first_line(exc)


def _import() -> Any:
    try:
        return importlib.import_module("kr8s.asyncio")
    except ImportError as exc:
        raise UsageError(
            "The engine `kubernetes` needs kr8s, which is not installed: "
            "pip install 'kr8s>=0.20'.",
            engine="kubernetes",
        ) from exc


def _import_errors() -> tuple[Any, Any]:
    return importlib.import_module("kr8s"), importlib.import_module("httpx")


def _first_line(exc: BaseException) -> str:
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0].rstrip(".")
