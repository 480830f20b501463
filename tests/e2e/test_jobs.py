"""Jobs over a folder with real processes: stopped, frozen, and two at once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PATIENCE_SECONDS = 120


class Shop:
    """Folders of uploads and results, and the processes that work there."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.state = home / "out/.transcode"
        self.processes: list[subprocess.Popen[bytes]] = []
        (home / "in").mkdir()

    def start(self, *args: str, lease: int = 60) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "transcode", *args, "--profile", "mp4"],
            cwd=self.home,
            env=os.environ | {"TRANSCODE_LEASE_SECONDS": str(lease)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.processes.append(process)
        return process

    def sweep(self, *, lease: int = 60) -> None:
        process = self.start("sweep", "in", "--to", "out", lease=lease)
        _, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert 0 == process.returncode, err

    def files(self, pattern: str) -> list[Path]:
        return sorted((self.home / "out").glob(pattern))

    def until(self, holds: Callable[[], Any], *others: subprocess.Popen[bytes]) -> None:
        """Look again and again; whoever works meanwhile has to stay alive."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert time.monotonic() < deadline, "it never happened"
            for process in others:
                assert process.poll() is None, "it ended by itself"
            time.sleep(0.02)

    def ends(self, process: subprocess.Popen[bytes]) -> int:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_SECONDS)
        return process.returncode

    def ledger(self) -> list[dict[str, Any]]:
        return [json.loads(p.read_text()) for p in self.files(".transcode/ledger/*/*")]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A fresh one; its processes end with the test."""
    shop = Shop(tmp_path)
    yield shop
    for process in shop.processes:
        process.kill()
        process.wait()
        if process.stderr:
            process.stderr.close()


def test_sigterm_hands_back_and_the_next_takes_it_at_once(
    shop: Shop, make_clip: Any
) -> None:
    """Without waiting for the lease; what the first one spent is on the bill."""
    clip = make_clip("long", seconds=20, size="640x480", audio=False)
    shutil.copyfile(clip, shop.home / "in/a.mp4")
    first = shop.start("sweep", "in", "--to", "out")
    shop.until(lambda: shop.files(".transcode/jobs/*/attempts/*"), first)

    assert 130 == shop.ends(first)
    (ending,) = shop.files(".transcode/jobs/*/endings/*")
    assert "handed_back" == json.loads(ending.read_text())["kind"]
    assert [] == shop.files(".transcode-*")
    shop.sweep()

    assert 1 == len(shop.files("*/manifest.json"))
    assert ["cancelled", "succeeded"] == [
        record["attempt"]["outcome"] for record in shop.ledger()
    ]
    assert [] == shop.files(".transcode/open/*")


def test_a_worker_that_stood_still_beyond_its_lease_has_lost(
    shop: Shop, make_clip: Any
) -> None:
    """Another has published meanwhile; it changes nothing and goes on watching."""
    clip = make_clip("still", seconds=1, audio=False)
    shutil.copyfile(clip, shop.home / "in/a.mp4")
    frozen = shop.start("watch", "in", "--to", "out", lease=2)
    shop.until(lambda: shop.files(".transcode/jobs/*/attempts/*"), frozen)
    frozen.send_signal(signal.SIGSTOP)

    def done() -> bool:
        shop.sweep(lease=2)
        return bool(shop.files("*/manifest.json"))

    shop.until(done)
    (manifest,) = shop.files("*/manifest.json")
    made = {path: path.read_bytes() for path in manifest.parent.iterdir()}
    frozen.send_signal(signal.SIGCONT)
    # It takes the next upload: so it is through with the first.
    shutil.copyfile(clip, shop.home / "in/b.mp4")
    shop.until(lambda: len(shop.files("b.*/manifest.json")) == 1, frozen)
    shop.until(lambda: not shop.files(".transcode-*"), frozen)

    assert 0 == shop.ends(frozen)
    assert made == {path: path.read_bytes() for path in manifest.parent.iterdir()}
    names = [path.name for path in shop.files(".transcode/jobs/*/attempts/*")]
    assert 3 == len(names)
    assert 3 == len(shop.ledger())


def test_two_watchers_do_each_upload_once(shop: Shop, make_clip: Any) -> None:
    """As many attempts as uploads, whoever came first."""
    for name in "abc":
        clip = make_clip(name, seconds=1, audio=False)
        shutil.copyfile(clip, shop.home / f"in/{name}.mp4")
    watchers = [shop.start("watch", "in", "--to", "out") for _ in range(2)]

    shop.until(lambda: len(shop.files("*/manifest.json")) == 3, *watchers)
    shop.until(lambda: not shop.files(".transcode/open/*"), *watchers)

    assert [0, 0] == [shop.ends(watcher) for watcher in watchers]
    assert ["succeeded"] * 3 == [r["attempt"]["outcome"] for r in shop.ledger()]


def test_waiting_ends_as_a_run_would_have(
    make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    """A plan that nothing meets is 5, no media is 3, and the worst of both is 5."""
    clip, text = make_clip("exit.mp4", seconds=1), tmp_path / "no-media.mp4"
    text.write_text("not a video\n" * 100)

    def submit(*args: str) -> int:
        argv = [sys.executable, "-m", "transcode", "submit", *args]
        argv += ["--to", "out", "--wait"]
        return subprocess.run(
            argv, cwd=tmp_path, capture_output=True, check=False
        ).returncode

    assert 5 == submit(str(clip), "--deadline", "0.01")
    assert 3 == submit(str(text))
    assert 5 == submit(str(text), str(clip), "--deadline", "0.01")
