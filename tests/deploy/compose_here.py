"""
Start what `compose.yaml` names as compose does, without Docker, and use it.

    unshare --net --mount python tests/deploy/compose_here.py FOLDER CLIP

Commands, environment, files, names, ports, health checks and their order are those of
the file, in a network where nothing else is. Instead of images there are the programs
of this machine; paths of volumes and files lead below FOLDER. Capabilities and users
are as they are here. Prints one JSON document of what was seen.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 120.0
TOKEN = "a-token-of-compose"  # noqa: S105  of a network that lives for a test
_UP = 0x1
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
PROGRAMS = {
    "transcode": ([], "transcode"),
    "chrislusf/seaweedfs": (["weed", "-logtostderr=true"], "weed"),
    "prom/prometheus": (["prometheus"], "prometheus"),
    "grafana/grafana": (["grafana"], "grafana"),
}
"""Image → what its entry point begins with, and the program that is started."""


class Composed:
    """The services of the file, with names and paths of here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
        self.file = yaml.safe_load(_filled(text))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def startable(self) -> list[str]:
        """Services whose program is on this machine; those that others need first."""
        services, order = self.file["services"], []

        def add(name: str) -> None:
            for before in services[name].get("depends_on", ()):
                add(before)
            if name not in order and self._program(name):
                order.append(name)

        for name in services:
            add(name)
        return order

    def _image(self, name: str) -> str:
        return str(self.file["services"][name]["image"]).partition(":")[0]

    def _program(self, name: str) -> str | None:
        return shutil.which(PROGRAMS[self._image(name)][1])

    def start(self, name: str) -> None:
        """Once what it depends on is as it says."""
        service = self.file["services"][name]
        for before, wanted in service.get("depends_on", {}).items():
            self.wait(before, wanted["condition"])
        command = service.get("command", [])
        words = shlex.split(command) if isinstance(command, str) else command
        argv = service.get("entrypoint") or [*PROGRAMS[self._image(name)][0], *words]
        paths = self._paths(name)
        environment = service.get("environment", {})
        told = {it: _led(str(value), paths) for it, value in environment.items()}
        home = self.folder / name
        environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **told}
        if "/tmp" in paths:  # noqa: S108  of the service
            environ["TMPDIR"] = paths["/tmp"]  # noqa: S108
        argv = [_led(word, paths) for word in argv]
        if service.get("read_only"):
            argv = [*_READ_ONLY, str(self.folder), *argv]
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                argv, stdout=log, stderr=log, env=environ, cwd=home
            )

    def wait(self, name: str, condition: str) -> None:
        process = self.processes[name]
        if condition == "service_completed_successfully":
            code = process.wait(PATIENCE_SECONDS)
            if code:
                raise SystemExit(f"{name} ended with {code}:\n{self.log(name)}")
            return
        how, *words = self.file["services"][name]["healthcheck"]["test"]
        assert how == "CMD"

        def healthy() -> bool:
            if process.poll() is not None:
                raise SystemExit(f"{name} ended:\n{self.log(name)}")
            done = subprocess.run(words, capture_output=True, check=False)
            return done.returncode == 0

        until(healthy, name)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-2000:]

    def _paths(self, name: str) -> dict[str, str]:
        """Path in the container → path here; what the files say is written."""
        service, paths = self.file["services"][name], {}
        home = self.folder / name
        home.mkdir(exist_ok=True)
        for volume in service.get("volumes", ()):
            source, target, *_ = volume.split(":")
            here = ROOT / source if source.startswith(".") else home / Path(target).name
            if not source.startswith("."):
                here.mkdir(exist_ok=True)
            paths[target] = str(here)
        for target in service.get("tmpfs", ()):
            (home / "tmp").mkdir(exist_ok=True)
            paths[target] = str(home / "tmp")
        for config in service.get("configs", ()):
            here = home / Path(config["target"]).name
            text = self.file["configs"][config["source"]]["content"]
            here.write_text(_led(text, paths), encoding="utf-8")
            paths[config["target"]] = str(here)
        return paths

    def stop(self) -> dict[str, int]:
        """What each says when told to end; the store alone would take its time."""
        codes = {}
        for name, process in reversed(self.processes.items()):
            if name == "store":
                process.kill()
                process.wait()
                continue
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                codes[name] = process.wait(30)
            process.kill()
        return codes


_READ_ONLY = (
    *("unshare", "--mount", "sh", "-euc"),
    'mount --bind "$0" "$0"; mount -o remount,bind,ro /; exec "$@"',
)
"""As `read_only`: nothing can be written but below the folder."""


def _filled(text: str) -> str:
    """Compose's own variables."""
    given = {"TRANSCODE_TOKEN": TOKEN}

    def value(found: re.Match[str]) -> str:
        name, how, default = found.groups()
        if name not in given and how != ":-":
            raise SystemExit(f"{name} is not set")
        return given.get(name, default)

    return re.sub(r"\$\{(\w+)(:-|:\?)([^}]*)\}", value, text)


def _led(text: str, paths: Mapping[str, str]) -> str:
    for target in sorted(paths, key=len, reverse=True):
        text = re.sub(
            rf"(?<![\w./-]){re.escape(target)}(?![\w.-])", paths[target], text
        )
    return text


def network(names: list[str], folder: Path) -> None:
    """The loopback of this namespace, and names of services as compose has them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        asked = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(one, _SIOCGIFFLAGS, asked))[1]
        fcntl.ioctl(one, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _UP))
    hosts = folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {' '.join(names)}\n", encoding="utf-8")
    argv = ["mount", "--bind", str(hosts), "/etc/hosts"]
    subprocess.run(argv, check=True)


def until(found: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if it := found():
            return it
        time.sleep(0.2)
    raise SystemExit(f"it did not happen: {what}")


def ask(
    url: str, *, method: str = "GET", body: object = None, token: str | None = TOKEN
) -> tuple[int, Any]:
    """Status, and what came: JSON where it is."""
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    if not isinstance(body, bytes | None):
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310
            text, status = reply.read(), reply.status
    except urllib.error.HTTPError as exc:
        text, status = exc.read(), exc.code
    with contextlib.suppress(ValueError):
        return status, json.loads(text)
    return status, text.decode(errors="replace")


def used(clip: Path) -> Iterator[tuple[str, Any]]:
    """The service: its door, its page, an upload through it, a job."""
    at = "http://transcode:8000"
    yield "without_token", ask(f"{at}/jobs", token=None)[0]
    yield "page", "<title>" in ask(f"{at}/")[1]
    status, kept = ask(f"{at}/uploads/clip.mp4", method="PUT", body=clip.read_bytes())
    yield "uploaded", (status, kept["uri"])
    asked = {"source": kept["uri"], "profile": "preview"}
    status, job = ask(f"{at}/jobs", method="POST", body=asked)
    yield "submitted", status

    def over() -> Any:
        report = ask(f"{at}/jobs/{job['job_id']}")[1]
        return report if report["status"] not in {"waiting", "running"} else None

    yield "job", until(over, "the job ends")["status"]
    # What this server does is seen in the list within a second.
    listed = f"{at}/jobs?status=succeeded"
    yield "listed", len(until(lambda: ask(listed)[1]["jobs"], "the job is listed"))


def watched(expressions: list[str]) -> Iterator[tuple[str, Any]]:
    """Prometheus: it reads the service, knows the rules, understands the dashboard."""
    at = "http://prometheus:9090/api/v1"

    def scraped() -> Any:
        targets = ask(f"{at}/targets", token=None)[1]["data"]["activeTargets"]
        return [it["health"] for it in targets if it["health"] != "unknown"]

    def counted() -> Any:
        query = "sum(transcode_jobs_total)"
        found = ask(f"{at}/query?query={query}", token=None)[1]["data"]["result"]
        return found and found[0]["value"][1]

    until(lambda: ask(f"{at}/targets", token=None)[0] == 200, "Prometheus answers")
    yield "targets", until(scraped, "Prometheus reads the service")
    yield "counted", until(counted, "Prometheus has counted the job")

    def evaluated() -> Any:
        groups = ask(f"{at}/rules", token=None)[1]["data"]["groups"]
        rules = [it for group in groups for it in group["rules"]]
        found = {it["name"]: it["health"] for it in rules}
        return None if "unknown" in found.values() else found

    yield "rules", until(evaluated, "Prometheus evaluates the rules")
    refused = []
    for expression in expressions:
        query = urllib.parse.quote(expression)
        status, told = ask(f"{at}/query?query={query}", token=None)
        if status != 200:
            refused.append((expression, told))
    yield "refused", refused


def main() -> None:
    folder, clip = Path(sys.argv[1]), Path(sys.argv[2])
    composed = Composed(folder)
    network(list(composed.file["services"]), folder)
    dashboard = json.loads((ROOT / "deploy/grafana/transcode.json").read_text())
    shown = [t["expr"] for panel in dashboard["panels"] for t in panel["targets"]]
    names = composed.startable()
    seen: dict[str, Any] = {"started": names}
    try:
        for name in names:
            composed.start(name)
        composed.wait("transcode", "service_healthy")
        seen |= used(clip)
        if "prometheus" in names:
            seen |= watched(shown)
    except SystemExit as exc:
        logs = "\n".join(f"{it}:\n{composed.log(it)}" for it in composed.processes)
        raise SystemExit(f"{exc}\n{logs}") from exc
    finally:
        seen["ended"] = composed.stop()
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main()
