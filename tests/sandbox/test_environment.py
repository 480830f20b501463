"""Keys stay with the process that needs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from transcode.cli.prestart import is_lasting
from transcode.invoke.local import cgroup, prestart
from transcode.invoke.local.reaper import Reaper
from transcode.settings import Settings

SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "canary-key",
    "TRANSCODE_HUAWEI_SECRET_KEY": "canary-key",
    "TRANSCODE_ON_SUCCESS": "https://canary-key@example.com/",
    "SOMETHING_NEW": "canary-key",
}


def test_a_worker_never_had_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Not in what it was started with, which /proc goes on telling; nor its reaper.
    """
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    reaper = Reaper()
    started = prestart.start(("/bin/sleep", "600"), cgroup_root=cgroup.ROOT)
    seen = Path(f"/proc/{started.process.pid}/environ").read_bytes()
    minder = Path(f"/proc/{reaper._process.pid}/environ").read_bytes()
    started.box.kill()
    started.process.wait()
    for pipe in (started.process.stdin, started.process.stdout, started.process.stderr):
        assert pipe is not None
        pipe.close()
    started.box.remove()
    reaper.close()

    assert b"PATH=" in seen
    assert b"canary" not in seen + minder


def test_an_order_names_no_destination() -> None:
    """
    No setting but those that the work takes, whatever is set.
    """
    settings = Settings.from_environment(
        {name: value for name, value in SECRETS.items() if name.startswith("TRANSC")}
        | {"TRANSCODE_FFMPEG": "/opt/ffmpeg", "TRANSCODE_TOKEN": "canary-key"}
    )

    kept = settings.for_workers()

    assert "canary" not in kept.to_json()
    assert Settings(ffmpeg="/opt/ffmpeg") == kept


_PRIVATE = """
import ctypes, os, sys
def leave(code):
    os.write(1, b"dumpable %d" % ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
    end(code)
end, os._exit = os._exit, leave
sys.argv = ["transcode", "--version"]
import transcode.cli
transcode.cli.main()
"""


def test_others_cannot_read_our_memory() -> None:
    """
    Whoever runs under the same user finds neither our memory nor our environment.
    """
    done = subprocess.run(
        [sys.executable, "-c", _PRIVATE], capture_output=True, check=True
    )

    assert b"dumpable 0" in done.stdout


_AS_NOBODY = """
import os
from transcode.meter import Meter, open_counters
from transcode.sandbox.environment import keep_private
Meter().read()  # Imports what it needs.
open_counters.cache_clear()
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65533); os.setuid(65533)
    import ctypes; ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
open_counters()
keep_private()
before = Meter()
open("/dev/null", "wb").write(b"x" * 100_000)
print(before.read().written_bytes >= 100_000)
"""


def test_it_still_weighs_itself() -> None:
    """
    A function that is not root counts its bytes while others may not look.
    """
    done = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY], capture_output=True, check=True, text=True,
        cwd=os.fspath(Path(__file__).resolve().parents[2]),
    )  # fmt: skip

    assert "True\n" == done.stdout


_LEAN = """
import gc, os, sys
from transcode.sandbox.environment import start_lean
before = gc.get_threshold()[0]
start_lean(lasting=sys.argv[1] == "lasting")
print(gc.get_threshold()[0] > before, os.environ["PYDANTIC_DISABLE_PLUGINS"])
"""


@pytest.mark.parametrize(("life", "later"), [("short", "True"), ("lasting", "False")])
def test_garbage_is_left_by_what_ends_soon(life: str, later: str) -> None:
    """A service collects as ever, one job after so much that it ends before."""
    done = subprocess.run(
        [sys.executable, "-c", _LEAN, life], capture_output=True, check=True, text=True
    )

    assert f"{later} __all__\n" == done.stdout


@pytest.mark.parametrize(
    ("words", "lasting"),
    [
        (["serve"], True),
        (["watch", "in"], True),
        (["run", "watch"], False),
        ([], False),
    ],
)
def test_only_services_last(words: list[str], *, lasting: bool) -> None:
    """By the command, not by what it is given."""
    assert lasting == is_lasting(words)
