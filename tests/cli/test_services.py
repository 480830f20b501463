"""What `watch` and `serve` are to whoever runs them: a log, an exit code, process 1."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

PATIENCE_SECONDS = 90


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts `transcode`, which ends with the test; `log` gets its standard error."""
    started: list[subprocess.Popen[bytes]] = []
    (tmp_path / "in").mkdir()

    def begin(*args: str, before: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                [*before, sys.executable, "-m", "transcode", *args],
                cwd=tmp_path,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def until(holds: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert process.poll() is None, "it ended by itself"
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


def put(tmp_path: Path) -> None:
    """An upload that ends soon: it is no film, and has lain there for long."""
    path = tmp_path / "in/a.mp4"
    path.write_text("Dear diary, today I was renamed.\n" * 50)
    os.utime(path, (1e9, 1e9))


@pytest.mark.parametrize("form", ["text", "json"])
def test_each_line_has_a_time_a_level_and_its_job(
    tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]], form: str
) -> None:
    """For a person or for a machine; SIGTERM is the ordinary end."""
    put(tmp_path)
    log = tmp_path / "log"
    process = start("watch", "in", "--to", "out", "--log-format", form)

    until(lambda: b"rejected" in log.read_bytes(), process)
    process.send_signal(signal.SIGTERM)
    assert 0 == process.wait(PATIENCE_SECONDS)

    (job,) = (path.name for path in (tmp_path / "out/.transcode/jobs").iterdir())
    for line in log.read_text().splitlines():
        if form == "json":
            said = json.loads(line)
            assert {"time", "level", "job", "message"} == said.keys()
            of_job = said["job"] == job
            time_text, level, message = said["time"], said["level"], said["message"]
        else:
            time_text, level, message = line.split(None, 2)
            of_job = job[:12] in message
        assert datetime.fromisoformat(time_text).tzinfo is not None
        # Whoever is root here is warned of that, once, before there is a job.
        assert of_job or (level == "warning" and "root" in message)
        assert level == ("info" if of_job else "warning")
        assert message


def test_interrupted_by_hand_it_says_so(
    tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    """Ctrl-C is no ordinary end: 130, as everywhere."""
    put(tmp_path)
    process = start("watch", "in", "--to", "out")
    until(lambda: b"rejected" in (tmp_path / "log").read_bytes(), process)

    process.send_signal(signal.SIGINT)

    assert 130 == process.wait(PATIENCE_SECONDS)


def test_as_process_1_it_buries_orphans_and_passes_signals_on(
    tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    """As in a container without an init of its own."""
    unshare = shutil.which("unshare")
    own = ("--pid", "--fork", "--mount-proc", "--kill-child")
    tried = unshare and subprocess.run([unshare, *own, "true"], check=False)
    if not unshare or not tried or tried.returncode:
        pytest.skip("needs the right to make a PID namespace")
    put(tmp_path)
    process = start("watch", "in", "--to", "out", before=(unshare, *own))
    until(lambda: b"rejected" in (tmp_path / "log").read_bytes(), process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    first = int(children.read_text())

    # Its child exits at once, and leaves a grandchild to process 1 of the namespace.
    orphan = ["nsenter", "-t", str(first), "-p", "sh", "-c", "(sleep 0.2 &)"]
    subprocess.run(orphan, check=True)
    below = Path(f"/proc/{first}/task/{first}/children")

    def zombies() -> list[str]:
        stats = [Path(f"/proc/{pid}/stat") for pid in below.read_text().split()]
        return [s.read_text() for s in stats if s.exists() and ") Z " in s.read_text()]

    until(lambda: len(below.read_text().split()) == 1, process)
    assert [] == zombies()
    os.kill(first, signal.SIGTERM)
    assert 0 == process.wait(PATIENCE_SECONDS)
