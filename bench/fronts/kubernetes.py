"""
An emulator of a small Kubernetes cluster, where none is at hand.

The API is `kmock`'s stateful emulator, with what this needs beside it: a token, the
rights of `deploy/kubernetes/rbac.yaml` and no others, label selectors, and access
reviews. The node is a kubelet of a page: each Job gets a pod whose command really runs,
in a control group of its limits, with the environment that the manifest says and
nothing else. What the platform does is done here: one that is too large stays pending,
another image is never pulled, what is over its memory is killed whole (OOMKilled, 137),
over its disk evicted, over its deadline ended, and a Job that is deleted takes its pod
along.

    python -m bench.fronts.kubernetes --port 8902

writes `kubeconfig` into this folder, prints its path, then one JSON line for each pod
as it ends; port 0 takes any. Where no control groups may be made, nothing holds a pod
to its memory and CPU.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp.web
import kmock
import yaml

from bench.fronts.container import MIB, ROOT, Box

NAMESPACE = "transcode"
LOOK_SECONDS = 0.05
JOB_LABEL = "batch.kubernetes.io/job-name"
_UNITS = {"": 1, "m": 1e-3, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_VERBS = {"fetch": "get", "update": "patch"}
"""How kmock calls what RBAC calls otherwise."""


def quantity(text: str) -> float:
    """`500m`, `512Mi` or `2` as a number."""
    found = re.fullmatch(r"([0-9.]+)(m|[KMGT]i)?", text)
    if found is None:
        raise ValueError(text)
    return float(found[1]) * _UNITS[found[2] or ""]


def plain(found: Any) -> Any:
    """Without the views that `kmock` keeps objects in."""
    if isinstance(found, Mapping):
        return {name: plain(value) for name, value in found.items()}
    return [plain(it) for it in found] if isinstance(found, list) else found


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Refusal(Exception):
    """As the API server says no."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.document = {
            "apiVersion": "v1",
            "kind": "Status",
            "status": "Failure",
            "code": status,
            "reason": reason,
            "message": message,
        }


class ApiServer(kmock.KubernetesEmulator):  # type: ignore[misc]
    """Who may do what, and what is there."""

    def set_up(self, token: str, rules: list[dict[str, Any]]) -> None:
        self.token, self.rules = token, rules
        for kind in ("v1/pods", "batch/v1/jobs"):
            self.resources[kind] = kmock.ResourceInfo(namespaced=True)

    def may(self, verb: str, group: str, resource: str) -> bool:
        return any(
            group in rule["apiGroups"]
            and resource in rule["resources"]
            and verb in rule["verbs"]
            for rule in self.rules
        )

    async def _handle(self, request: kmock.Request) -> Any:
        try:
            self._judge(request)
        except Refusal as exc:
            return aiohttp.web.json_response(exc.document, status=exc.status)
        if request.url.path.endswith("/selfsubjectaccessreviews"):
            return self._reviewed(request)
        if request.url.path.rstrip("/") == "/version":
            shown = {"major": "1", "minor": "34", "gitVersion": "v1.34.1"}
            return aiohttp.web.json_response(shown)
        return await super()._handle(request)

    def _judge(self, request: kmock.Request) -> None:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            raise Refusal(401, "Unauthorized", "Unauthorized")
        resource = request.resource
        if resource is None or resource.group == "authorization.k8s.io":
            return
        action = request.action.value.lower() if request.action else "?"
        verb = _VERBS.get(action, action)
        if request.namespace != NAMESPACE or not self.may(
            verb, resource.group or "", resource.plural or ""
        ):
            raise Refusal(
                403,
                "Forbidden",
                f'{resource.plural} is forbidden: User "transcode" cannot {verb} '
                f'resource "{resource.plural}" in API group "{resource.group}" in the '
                f'namespace "{request.namespace}"',
            )

    def _reviewed(self, request: kmock.Request) -> Any:
        asked = request.data["spec"]["resourceAttributes"]
        allowed = asked["namespace"] == NAMESPACE and self.may(
            asked["verb"], asked["group"], asked["resource"]
        )
        return aiohttp.web.json_response(
            request.data | {"status": {"allowed": allowed}}
        )

    async def _serve_list(self, request: kmock.Request) -> Any:
        found = await super()._serve_list(request)
        name, _, value = request.params.get("labelSelector", "").partition("=")
        if name:
            found["items"] = [
                it
                for it in found["items"]
                if it["metadata"].get("labels", {}).get(name) == value
            ]
        return found


@dataclass
class Node:
    """A kubelet with the scheduler and the Job controller in it."""

    api: ApiServer
    folder: Path
    image: str
    secrets: Mapping[str, Mapping[str, str]]
    memory_mib: int = 16_384
    milli_cpus: int = 8000
    seen: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """For each Job that is made, its pod."""
        async with asyncio.TaskGroup() as group:
            while True:
                for (kind, _, name), job in list(self.api.objects.items()):
                    fresh = kind.plural == "jobs" and name not in self.seen
                    if fresh and not job.deleted:
                        self.seen.add(name)
                        group.create_task(Pod(self, name).run())
                await asyncio.sleep(LOOK_SECONDS)


class Pod:
    """One try at a Job."""

    def __init__(self, node: Node, job: str) -> None:
        self.node, self.job = node, job
        self.template = plain(self._job()["spec"]["template"])
        self.spec = self.template["spec"]
        (self.container,) = self.spec["containers"]
        self.limits = {
            name: quantity(text)
            for name, text in self.container["resources"]["limits"].items()
        }
        self.name = f"{job}-{secrets.token_hex(3)[:5]}"
        self.scratch = node.folder / self.name

    def _job(self) -> Any:
        return self.node.api.objects["batch/v1/jobs", NAMESPACE, self.job]

    def _gone(self) -> bool:
        return bool(self._job().deleted)

    async def run(self) -> None:
        labels = self.template["metadata"]["labels"]
        self.node.api.objects["v1/pods", NAMESPACE, self.name] = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": self.name,
                "namespace": NAMESPACE,
                "labels": labels | {JOB_LABEL: self.job},
            },
            "spec": self.spec,
            "status": {"phase": "Pending"},
        }
        if not self._has_room():
            said = "0/1 nodes are available: 1 Insufficient memory."
            await self._pending(
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "Unschedulable",
                    "message": said,
                }
            )
        elif self.container["image"] != self.node.image:
            self._tell_waiting("ErrImagePull")
            await asyncio.sleep(LOOK_SECONDS)
            self._tell_waiting("ImagePullBackOff")
        else:
            await self._work()

    def _has_room(self) -> bool:
        return (
            self.limits["memory"] <= self.node.memory_mib * MIB
            and self.limits["cpu"] * 1000 <= self.node.milli_cpus
        )

    async def _pending(self, condition: dict[str, Any]) -> None:
        """Until its Job's time is over, or it is deleted."""
        self._status({"phase": "Pending", "conditions": [condition]})
        until = time.monotonic() + self._job()["spec"]["activeDeadlineSeconds"]
        while not self._gone() and time.monotonic() < until:  # noqa: ASYNC110  a clock
            await asyncio.sleep(LOOK_SECONDS)
        self._fail_job("DeadlineExceeded", "Job was active longer than its deadline")

    def _tell_waiting(self, reason: str) -> None:
        why = f'Back-off pulling image "{self.container["image"]}": not found'
        waiting = {"waiting": {"reason": reason, "message": why}}
        self._status({"phase": "Pending", "containerStatuses": [self._told(waiting)]})

    async def _work(self) -> None:
        self.scratch.mkdir()
        memory, cpus = int(self.limits["memory"]), int(self.limits["cpu"] * 1000)
        box = Box("pod", memory, cpus)
        began = time.monotonic()
        environment = self._environment()
        process = await asyncio.create_subprocess_exec(
            *self._command(environment),
            env=environment,
            cwd=self.scratch,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            process_group=0,
            preexec_fn=box.enter,
        )
        running = {"running": {"startedAt": now()}}
        self._status(
            {
                "phase": "Running",
                "startTime": now(),
                "containerStatuses": [self._told(running)],
            }
        )
        said = asyncio.create_task(self._last_words(process))
        why = await self._watched(process, box, began)
        code = await process.wait()
        words = await said
        limit = box.limit_mib
        box.kill(process.pid)
        await asyncio.to_thread(box.remove)
        shutil.rmtree(self.scratch, ignore_errors=True)
        self._ended(why, code if code >= 0 else 128 - code, words)
        print(
            json.dumps(
                {
                    "pod": self.name,
                    "memory_mib": memory // MIB,
                    "milli_cpus": cpus,
                    "group_mib": limit,
                    "reason": why,
                    "exit_code": code,
                    "seconds": round(time.monotonic() - began, 3),
                }
            ),
            flush=True,
        )

    def _environment(self) -> dict[str, str]:
        found = {"PATH": os.environ["PATH"]}
        for one in self.container.get("envFrom", ()):
            found |= self.node.secrets[one["secretRef"]["name"]]
        for one in self.container.get("env", ()):
            if "value" in one:
                text = str(one["value"])
                # Its emptyDir is a folder of ours.
                found[one["name"]] = str(self.scratch) if text == "/scratch" else text
            else:
                asked = one["valueFrom"]["resourceFieldRef"]
                limit = self.limits[asked["resource"].removeprefix("limits.")]
                value = round(limit / quantity(asked["divisor"]))
                found[one["name"]] = str(value)
        return found

    def _command(self, environment: Mapping[str, str]) -> list[str]:
        words: list[str] = [*self.container["command"], *self.container["args"]]
        first, *rest = words
        program = sys.executable if first == "python" else first
        return [
            re.sub(
                r"\$\$|\$\((\w+)\)",
                lambda found: environment.get(found[1], found[0]) if found[1] else "$",
                word,
            )
            for word in (program, *rest)
        ]

    async def _last_words(self, process: asyncio.subprocess.Process) -> str:
        assert process.stderr is not None  # noqa: S101  it was asked for
        kept = b""
        while line := await process.stderr.read(4096):
            kept = (kept + line)[-2048:]
        return kept.decode("utf-8", "replace")

    async def _watched(
        self, process: asyncio.subprocess.Process, box: Box, began: float
    ) -> str:
        """Until it is over; why it was ended by us, or ``."""
        until = began + self.spec.get("activeDeadlineSeconds", float("inf"))
        (volume,) = self.spec["volumes"]
        disk = quantity(volume["emptyDir"]["sizeLimit"])
        looked = began
        while process.returncode is None:
            await asyncio.sleep(LOOK_SECONDS)
            why = ""
            if box.out_of_memory:
                why = "OOMKilled"
            elif time.monotonic() > until:
                why = "DeadlineExceeded"
            elif self._gone():
                why = "Deleted"
            elif time.monotonic() - looked > 1:
                looked = time.monotonic()
                why = "Evicted" if _size(self.scratch) > disk else ""
            if why:
                box.kill(process.pid)
                return why
        return ""

    def _ended(self, why: str, code: int, words: str) -> None:
        if self._gone():
            with contextlib.suppress(KeyError):
                self.node.api.objects["v1/pods", NAMESPACE, self.name].delete()
            return
        over: dict[str, Any] = {"exitCode": code, "finishedAt": now()}
        over["reason"] = "Completed" if not code else "Error"
        status: dict[str, Any] = {"phase": "Failed" if code else "Succeeded"}
        if why == "OOMKilled":
            over |= {"reason": why, "exitCode": 137}
        elif why:
            status |= {"reason": why, "message": _MESSAGES[why]}
        elif code:
            over["message"] = words
        status["containerStatuses"] = [self._told({"terminated": over})]
        self._status(status)
        if code:
            self._fail_job("BackoffLimitExceeded", "Job has reached the backoff limit")
        else:
            complete = {"type": "Complete", "status": "True"}
            self._job()["status"] = {"succeeded": 1, "conditions": [complete]}

    def _fail_job(self, reason: str, message: str) -> None:
        if self._gone():
            return
        failed = {"type": "Failed", "status": "True", "reason": reason}
        self._job()["status"] = {
            "failed": 1,
            "conditions": [failed | {"message": message}],
        }

    def _told(self, state: dict[str, Any]) -> dict[str, Any]:
        return {"name": "task", "restartCount": 0, "state": state}

    def _status(self, status: dict[str, Any]) -> None:
        pod = self.node.api.objects["v1/pods", NAMESPACE, self.name]
        pod["status"] = {"startTime": plain(pod["status"]).get("startTime")} | status


_MESSAGES = {
    "DeadlineExceeded": "Pod was active on the node longer than the specified deadline",
    "Evicted": 'Usage of EmptyDir volume "scratch" exceeds the limit.',
    "Deleted": "",
}


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.lstat().st_blocks * 512
    return total


def rights() -> list[dict[str, Any]]:
    """What the shipped Role allows."""
    text = (ROOT / "deploy/kubernetes/rbac.yaml").read_text(encoding="utf-8")
    (role,) = (it for it in yaml.safe_load_all(text) if it["kind"] == "Role")
    rules: list[dict[str, Any]] = role["rules"]
    return rules


def kubeconfig(address: str, token: str) -> dict[str, Any]:
    named = {"cluster": "front", "user": "transcode", "namespace": NAMESPACE}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "front",
        "clusters": [{"name": "front", "cluster": {"server": address}}],
        "users": [{"name": "transcode", "user": {"token": token}}],
        "contexts": [{"name": "front", "context": named}],
    }


async def serve(given: argparse.Namespace) -> None:
    token = secrets.token_hex(8)
    folder = Path.cwd()
    # The keys of whoever starts us are in the Secret, and nowhere else.
    keys = {k: v for k, v in os.environ.items() if k.startswith("AWS_")}
    async with ApiServer() as api, kmock.Server(api, port=given.port or None) as server:
        api.set_up(token, rights())
        node = Node(
            api,
            folder,
            given.image,
            {"transcode-store": keys},
            memory_mib=given.node_memory,
        )
        path = folder / "kubeconfig"
        address = str(server.url).rstrip("/")
        path.write_text(yaml.safe_dump(kubeconfig(address, token)), encoding="utf-8")
        print(path, flush=True)
        await node.run()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=8902)
    parser.add_argument("--image", default="transcode:1", help="the only one there is")
    parser.add_argument("--node-memory", type=int, default=16_384, help="MiB")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
