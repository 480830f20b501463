"""What this process used, and what that costs."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from transcode.contract import Spec, Usage
from transcode.meter import metering, settle
from transcode.platforms.platform import Platform, parse_platform

MIB = 2**20


@pytest.fixture
def platform() -> Platform:
    root = Path(__file__).resolve().parents[1]
    path = root / "profiles" / "platforms" / "functiongraph.toml"
    return parse_platform(path.read_text(encoding="utf-8"), origin=path.name)


def test_memory_is_the_highest_seen_not_the_last() -> None:
    """
    What was held for a moment and given back was needed all the same.
    """
    # In a process of its own: beside others garbage of theirs may go meanwhile.
    code = (
        "from transcode.meter import metering\n"
        "with metering() as meter:\n"
        "    before = meter.read().peak_memory_bytes\n"
        "    held = bytearray(64 << 20)\n"
        "    held[::4096] = b'x' * (64 << 8)\n"
        "    meter.sample()\n"
        "    del held\n"
        "    print(meter.read().peak_memory_bytes - before)\n"
    )
    argv = [sys.executable, "-P", "-c", code]
    more = subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    assert 60 * MIB < int(more) < 80 * MIB


def test_time_and_bytes_count_from_the_start_and_with_children(tmp_path: Path) -> None:
    """
    A child's CPU counts once it was waited for; bytes are those of system calls.
    """
    loop = "import time\nwhile time.process_time() < 0.3: pass"
    (tmp_path / "in").write_bytes(b"x" * 100_000)
    with metering() as meter:
        subprocess.run([sys.executable, "-S", "-c", loop], check=True)
        (tmp_path / "out").write_bytes((tmp_path / "in").read_bytes())
        usage = meter.read()

    assert 0.25 < usage.cpu_seconds < 3
    assert usage.wall_seconds > 0.3
    assert usage.read_bytes is not None
    assert usage.read_bytes >= 100_000
    assert usage.written_bytes is not None
    assert usage.written_bytes >= 100_000


def test_two_readings_grow() -> None:
    """
    A reading does not end the measurement.
    """
    with metering() as meter:
        first = meter.read()
        sum(range(100_000))
        second = meter.read()

    assert second.wall_seconds > first.wall_seconds
    assert second.cpu_seconds >= first.cpu_seconds


def test_usage_is_settled_by_the_platforms_rule(platform: Platform) -> None:
    """
    12.3456 s at 1 GiB: 12346 ms, at 0.00011108 CNY per GiB-second, and one request.
    """
    usage = Usage(wall_seconds=12.3456, cpu_seconds=1, peak_memory_bytes=None)
    weighed, cost = settle(platform, Spec(memory_mib=1024, milli_cpus=1000), usage)

    assert 12346 == weighed.billed_milliseconds
    assert Decimal("12.346") * Decimal("0.00011108") + Decimal("0.00000133") == (
        cost.amount
    )
