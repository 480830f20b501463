"""
The engine `kubernetes`: a Job for each task, all of its spec enforced.

On an emulator of a cluster (`bench/fronts/kubernetes.py`), which runs the pods' real
command under their real limits and with the rights that we ship; on a real S3 server.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import Manifest
from transcode.deploy.kubernetes import look
from transcode.errors import SettingsError
from transcode.invoke.kubernetes_job import job_name, unplaced
from transcode.invoke.remote import RemoteEngine
from transcode.platforms.platform import Platform
from transcode.settings import Settings
from transcode.wiring import Wiring, wire

ENGINE, FRONT = "kubernetes", "kubernetes"

MakeFront = Callable[..., Any]
Run = Callable[..., subprocess.CompletedProcess[str]]


def known(front: Any) -> dict[str, str]:
    """What names it to whoever starts tasks."""
    return {
        "KUBECONFIG": front.address,
        "TRANSCODE_KUBERNETES_IMAGE": "transcode:1",
        "TRANSCODE_KUBERNETES_NAMESPACE": "transcode",
        "TRANSCODE_KUBERNETES_SERVICE_ACCOUNT": "transcode-task",
        "TRANSCODE_KUBERNETES_SECRET": "transcode-store",
    }


def test_a_job_gives_the_same_pictures_as_this_machine(
    make_front: MakeFront,
    run: Run,
    place: Any,
    make_clip: Any,
    as_here: Callable[..., None],
) -> None:
    """
    In a pod whose group has the memory that was chosen, with keys of the Secret alone
    and no right that the Role does not give; nothing of the Job or its order is left.
    """
    front = make_front()
    clip = make_clip("job", seconds=1, size="320x180")
    asked = ("--profile", "preview")

    done = run(clip, known(front), *asked, "--memory", "1024")

    assert 0 == done.returncode, done.stderr
    there = Manifest.from_json(done.stdout)
    (pod,) = front.ended(1)
    (attempt,) = there.tasks[0].attempts
    spec = (attempt.spec.memory_mib, attempt.spec.milli_cpus)
    assert ("kubernetes", "kubernetes") == (there.engine, there.platform.name)
    assert (1024, 1024) == (spec[0], pod["group_mib"])
    assert spec == (pod["memory_mib"], pod["milli_cpus"])
    assert attempt.measured is not None
    assert attempt.measured.peak_memory_bytes is not None
    assert attempt.measured.peak_memory_bytes <= (1024 - 128) * 2**20
    as_here(there, clip, *asked)
    assert not [name for name in place.names("out/") if "invocations" in name]


async def test_what_would_not_do_is_said(
    make_front: MakeFront, make_task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    An image that nobody has, a node that nobody has yet, a namespace without rights;
    and `deploy --check` says of each right whether we have it.
    """
    front = make_front("--node-memory", "4096")
    monkeypatch.setenv("KUBECONFIG", front.address)
    task = make_task(1024, uri="s3://shared/in.mp4", time_limit_seconds=60)
    other = wired(front, TRANSCODE_KUBERNETES_IMAGE="transcode:2")
    async with other.engine("kubernetes", platform(other)) as engine:
        assert isinstance(engine, RemoteEngine)
        ended = await (await engine.invoker.invoke("s3://a/1", task)).ended()
    large = make_task(8192, 2000, uri="s3://shared/in.mp4", time_limit_seconds=60)
    async with (
        wired(front).kubernetes_cluster() as cluster,
        wired(front).engine("kubernetes", platform(other)) as engine,
    ):
        assert isinstance(engine, RemoteEngine)
        waiting = await engine.invoker.invoke("s3://a/2", large)
        twice = await engine.invoker.invoke("s3://a/2", large)
        pods: list[dict[str, Any]] = []
        while unplaced(pods) is None:
            _, pods = await cluster.look(job_name("s3://a/2"))
        await waiting.cancel()
        job, _ = await cluster.look(job_name("s3://a/2"))
        await twice.cancel()
    elsewhere = wired(front, TRANSCODE_KUBERNETES_NAMESPACE="default")
    async with elsewhere.engine("kubernetes", platform(other)) as engine:
        assert isinstance(engine, RemoteEngine)
        with pytest.raises(
            SettingsError, match=r"namespace default \(403\)"
        ) as refused:
            await engine.invoker.invoke("s3://a/3", task)
    allowed, denied = await look(wired(front)), await look(elsewhere)

    assert isinstance(ended, SettingsError)
    assert "ImagePullBackOff" in ended.message
    assert "0/1 nodes are available: 1 Insufficient memory." == unplaced(pods)
    assert {} == job
    assert "`transcode deploy --check kubernetes`" in refused.value.message
    assert () == allowed.drifted
    assert ["create jobs", "get jobs", "delete jobs", "list pods"] == [
        one.what.partition("may ")[2] for one in denied.drifted
    ]


async def test_a_cluster_that_is_not_there_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With what names it, and without a traceback of its client."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))

    with pytest.raises(SettingsError, match="set KUBECONFIG to a file"):
        async with wire(Settings()).kubernetes_cluster():
            pass


def wired(front: Any, **more: str) -> Wiring:
    named = {k: v for k, v in known(front).items() if k != "KUBECONFIG"}
    return wire(Settings.from_environment(named | more))


def platform(wiring: Wiring) -> Platform:
    return wiring.platform_of("kubernetes", None)
