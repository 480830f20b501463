"""
An S3 server, the environment that a platform gives to a function, and what stands in
for platforms that cannot be reached.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from transcode.contract import Manifest
from transcode.settings import Settings
from transcode.wiring import Wiring, wire

ROOT = Path(__file__).resolve().parents[2]
RUN_FRONT = f"""
import runpy, sys
sys.path.append({str(ROOT)!r})
runpy.run_module("bench.fronts." + sys.argv.pop(1), run_name="__main__")
"""
"""The checkout comes last: what is installed is tested."""


def _conftest(folder: str) -> Any:
    """That of other tests, which have what these need, too."""
    path = ROOT / "tests" / folder / "conftest.py"
    spec = importlib.util.spec_from_file_location(f"{folder}_of_handlers", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


storage = _conftest("store")
make_task = _conftest("invoke").make_task
s3_server = storage.s3_server
s3_shared = storage.s3_shared
BUCKET = "shared"


class Objects:
    """The bucket, by a client that is not ours."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def put(self, key: str, body: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=body)

    def get(self, key: str) -> bytes:
        return bytes(self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read())

    def keys(self, prefix: str) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2")
        return [
            entry["Key"]
            for page in pages.paginate(Bucket=BUCKET, Prefix=prefix)
            for entry in page.get("Contents", ())
        ]


@pytest.fixture(scope="session")
def objects(s3_server: str, s3_shared: str) -> Iterator[Objects]:
    client = boto3.client(
        "s3",
        endpoint_url=s3_server,
        region_name="us-east-1",
        aws_access_key_id=storage.KEY,
        aws_secret_access_key=storage.SECRET,
    )
    yield Objects(client)
    client.close()


@pytest.fixture
def prefix(tmp_path: Path) -> str:
    """Of the test's own."""
    return tmp_path.name


@pytest.fixture
def environment(s3_server: str, objects: Objects, prefix: str) -> dict[str, str]:
    """The function's configuration."""
    return {
        "AWS_ACCESS_KEY_ID": storage.KEY,
        "AWS_SECRET_ACCESS_KEY": storage.SECRET,
        "TRANSCODE_S3_ENDPOINT_URL": s3_server,
        "TRANSCODE_S3_REGION": "us-east-1",
        "TRANSCODE_S3_PATH_STYLE": "1",
        "TRANSCODE_TO": f"s3://{BUCKET}/{prefix}/out",
        "TRANSCODE_SOURCES": f"s3://{BUCKET}/{prefix}/in/",
        "TRANSCODE_PROFILE": "preview",
        "TRANSCODE_SUFFIXES": ".mp4 .mov",
    }


@pytest.fixture
def free_port() -> int:
    return int(storage._free_port())


class Place:
    """What lies beneath the test's own prefix."""

    def __init__(self, objects: Objects, prefix: str) -> None:
        self._objects, self._prefix = objects, prefix
        self.uri = f"s3://{BUCKET}/{prefix}"

    def key(self, name: str) -> str:
        """In the bucket."""
        return f"{self._prefix}/{name}"

    def put(self, name: str, body: bytes) -> None:
        self._objects.put(self.key(name), body)

    def get(self, uri: str) -> bytes:
        return self._objects.get(uri.removeprefix(f"s3://{BUCKET}/"))

    def names(self, beneath: str) -> list[str]:
        """Of all that lies there, from the prefix on."""
        start = len(self._prefix) + 1
        return [key[start:] for key in self._objects.keys(self.key(beneath))]

    def manifests(self) -> list[Manifest]:
        """Of all jobs that are over."""
        found = [it for it in self.names("out/") if it.endswith("/manifest.json")]
        return [Manifest.from_json(self.get(f"{self.uri}/{it}")) for it in found]


@pytest.fixture
def place(objects: Objects, prefix: str) -> Place:
    return Place(objects, prefix)


class Front:
    """One of `bench/fronts/`, in a process of its own."""

    def __init__(
        self, name: str, folder: Path, environment: Mapping[str, str], *more: str
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN_FRONT, name, "--port", "0", *more],
            cwd=folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.address = self._line().strip()
        """Or where it says what its address is."""

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def ended(self, count: int) -> list[dict[str, Any]]:
        """The next invocations that end, as it tells of them."""
        return [json.loads(self._line()) for _ in range(count)]

    def close(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=60)


@pytest.fixture
def make_front(
    request: pytest.FixtureRequest, environment: dict[str, str], tmp_path: Path
) -> Iterator[Callable[..., Front]]:
    """Starts the one that the test's file names in `FRONT`, for as long as the test."""
    made: list[Front] = []

    def make(*more: str, **variables: str) -> Front:
        name = request.module.FRONT
        made.append(Front(name, tmp_path, environment | variables, *more))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def run(
    request: pytest.FixtureRequest, environment: dict[str, str], place: Place
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`transcode run` of a clip that lies in the bucket, by the file's `ENGINE`."""

    def go(
        clip: Path, known: Mapping[str, str], *more: str
    ) -> subprocess.CompletedProcess[str]:
        place.put(f"in/{clip.name}", clip.read_bytes())
        argv = [sys.executable, "-m", "transcode", "run", f"{place.uri}/in/{clip.name}"]
        argv += ["--engine", request.module.ENGINE, "--json"]
        argv += ["--to", f"{place.uri}/out", *more]
        return subprocess.run(
            argv,
            env={**os.environ, **environment, **known},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return go


@pytest.fixture
def wired(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Wiring]:
    """What a process has that knows the functions, as *known* names them."""

    def make(known: Mapping[str, str], **variables: str) -> Wiring:
        mine = {**environment, **known, **variables}
        for name, value in mine.items():
            monkeypatch.setenv(name, value)
        told = {k: v for k, v in mine.items() if k != "TRANSCODE_TO"}
        return wire(Settings.from_environment(told))

    return make


@pytest.fixture
def as_here(
    place: Place, tmp_path: Path, decoded: Any, decoded_here: Any
) -> Callable[..., None]:
    """
    Whether a job gave what this machine makes of the same clip with the same options:
    every picture, every sound and every still, decoded by another tool than ours.
    """

    def compare(manifest: Manifest, clip: Path, *asked: str) -> None:
        found = {}
        for output in manifest.outputs:
            path = tmp_path / Path(output.uri).name
            path.write_bytes(place.get(output.uri))
            found[path.name] = decoded(path)
            path.unlink()
        assert decoded_here(clip, *asked) == found
        assert any(len(text.splitlines()) > 20 for text in found.values())

    return compare
