"""
The engine `kubernetes`: a Job for each task, all of its spec enforced.

On an emulator of a cluster (`bench/fronts/kubernetes.py`), which runs the pods' real
command under their real limits and with the rights that we ship; on a real S3 server.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
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

_spec = importlib.util.spec_from_file_location(
    "tasks_of_engines", Path(__file__).parents[1] / "invoke/conftest.py"
)
assert _spec is not None
assert _spec.loader is not None
tasks = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tasks)

FRONT = Path(__file__).parents[2] / "bench/fronts/kubernetes.py"
BUCKET = "shared"

MakeFront = Callable[..., "Front"]
Run = Callable[..., subprocess.CompletedProcess[str]]


class Front:
    """The emulator, in a process of its own."""

    def __init__(self, folder: Path, environment: dict[str, str], *more: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(FRONT), "--port", "0", *more],
            cwd=folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.kubeconfig = self._line().strip()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    @property
    def known(self) -> dict[str, str]:
        """What names it to whoever starts tasks."""
        return {
            "KUBECONFIG": self.kubeconfig,
            "TRANSCODE_KUBERNETES_IMAGE": "transcode:1",
            "TRANSCODE_KUBERNETES_NAMESPACE": "transcode",
            "TRANSCODE_KUBERNETES_SERVICE_ACCOUNT": "transcode-task",
            "TRANSCODE_KUBERNETES_SECRET": "transcode-store",
        }

    def pods(self, count: int) -> list[dict[str, Any]]:
        """The next that end."""
        return [json.loads(self._line()) for _ in range(count)]

    def close(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=60)


@pytest.fixture
def make_front(environment: dict[str, str], tmp_path: Path) -> Iterator[MakeFront]:
    made: list[Front] = []

    def make(*more: str) -> Front:
        made.append(Front(tmp_path, environment, *more))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def run(environment: dict[str, str], objects: Any, prefix: str, make_clip: Any) -> Run:
    """`transcode run` of a clip that lies in the bucket."""

    def go(engine: str, *more: str, **known: str) -> subprocess.CompletedProcess[str]:
        key = f"{prefix}/in/clip.mp4"
        clip = make_clip("clip", seconds=1, size="320x180")
        objects.put(key, clip.read_bytes())
        argv = [sys.executable, "-m", "transcode", "run", f"s3://{BUCKET}/{key}"]
        argv += ["--engine", engine, "--profile", "mp4", "--json"]
        argv += ["--to", f"s3://{BUCKET}/{prefix}/{engine}", *more]
        return subprocess.run(
            argv,
            env={**os.environ, **environment, **known},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return go


def pictures(ffmpeg: str, video: bytes) -> str:
    """A digest of each decoded picture."""
    argv = [ffmpeg, "-v", "error", "-i", "pipe:0", "-map", "0:v", "-f", "framemd5", "-"]
    done = subprocess.run(argv, input=video, capture_output=True, check=True)
    return done.stdout.decode()


def test_a_job_gives_the_same_pictures_as_this_machine(
    make_front: MakeFront, run: Run, objects: Any, prefix: str, ffmpeg: str
) -> None:
    """
    In a pod whose group has the memory that was chosen, with keys of the Secret alone
    and no right that the Role does not give; nothing of the Job or its order is left.
    """
    front = make_front()

    done = run("kubernetes", "--memory", "1024", **front.known)
    here = run("local")

    assert (0, 0) == (done.returncode, here.returncode), done.stderr + here.stderr
    there, local = (Manifest.from_json(one.stdout) for one in (done, here))
    (pod,) = front.pods(1)
    (attempt,) = there.tasks[0].attempts
    spec = (attempt.spec.memory_mib, attempt.spec.milli_cpus)
    assert ("kubernetes", "kubernetes") == (there.engine, there.platform.name)
    assert (1024, 1024) == (spec[0], pod["group_mib"])
    assert spec == (pod["memory_mib"], pod["milli_cpus"])
    assert attempt.measured is not None
    assert attempt.measured.peak_memory_bytes is not None
    assert attempt.measured.peak_memory_bytes <= (1024 - 128) * 2**20
    videos = [
        objects.get(out.uri.removeprefix(f"s3://{BUCKET}/"))
        for one in (there, local)
        for out in one.outputs
        if out.kind == "rendition"
    ]
    assert 2 == len(videos)
    assert pictures(ffmpeg, videos[0]) == pictures(ffmpeg, videos[1])
    left = objects.keys(f"{prefix}/kubernetes/")
    assert not [key for key in left if "invocations" in key]


async def test_what_would_not_do_is_said(
    make_front: MakeFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    An image that nobody has, a node that nobody has yet, a namespace without rights;
    and `deploy --check` says of each right whether we have it.
    """
    front = make_front("--node-memory", "4096")
    monkeypatch.setenv("KUBECONFIG", front.kubeconfig)
    task = tasks.made(1024, uri="s3://shared/in.mp4", time_limit_seconds=60)
    other = wired(front, TRANSCODE_KUBERNETES_IMAGE="transcode:2")
    async with other.engine("kubernetes", platform(other)) as engine:
        assert isinstance(engine, RemoteEngine)
        ended = await (await engine.invoker.invoke("s3://a/1", task)).ended()
    large = tasks.made(8192, 2000, uri="s3://shared/in.mp4", time_limit_seconds=60)
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


def wired(front: Front, **more: str) -> Wiring:
    known = {k: v for k, v in front.known.items() if k != "KUBECONFIG"}
    return wire(Settings.from_environment(known | more))


def platform(wiring: Wiring) -> Platform:
    return wiring.platform_of("kubernetes", None)
