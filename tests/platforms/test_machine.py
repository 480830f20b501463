"""What a machine has, where control groups hold us to less."""

from __future__ import annotations

from pathlib import Path

import pytest

from transcode.platforms.machine import (
    memory_bytes_allowed,
    memory_for_work,
    milli_cpus_allowed,
    this_machine,
)

MIB = 2**20
V2 = "30 24 0:26 {top} /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n"
V1 = (
    "31 24 0:27 {top} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "32 24 0:28 {top} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
)
NO_LIMIT_V1 = "9223372036854771712"


def machine(root: Path, mounts: str, group: str, files: dict[str, str]) -> Path:
    """A root with such mounts, and us in such a group."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/mountinfo").write_text(mounts)
    (root / "proc/self/cgroup").write_text(group)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def test_a_unit_is_held_to_its_own_limit(tmp_path: Path) -> None:
    """As systemd sets it: the slice above allows more, the root says nothing."""
    unit = "system.slice/transcode.service"
    root = machine(
        tmp_path,
        V2.format(top="/"),
        f"0::/{unit}\n",
        {
            f"{unit}/memory.max": str(300 * MIB),
            f"{unit}/memory.high": "max",
            f"{unit}/cpu.max": "50000 100000",
            "system.slice/memory.max": str(4096 * MIB),
            "system.slice/cpu.max": "max 100000",
        },
    )

    assert 300 * MIB == memory_bytes_allowed(root)
    assert 500 == milli_cpus_allowed(root)
    assert 172 * MIB == memory_for_work(8192 * MIB, 300 * MIB)


def test_the_least_of_all_groups_above_counts(tmp_path: Path) -> None:
    """A slice that is smaller than its unit, and a soft limit below the hard one."""
    root = machine(
        tmp_path,
        V2.format(top="/"),
        "0::/a.slice/b.service\n",
        {
            "a.slice/b.service/memory.max": str(900 * MIB),
            "a.slice/memory.max": str(700 * MIB),
            "a.slice/memory.high": str(600 * MIB),
            "a.slice/cpu.max": "150000 100000",
            "a.slice/b.service/cpu.max": "max 100000",
        },
    )

    assert 600 * MIB == memory_bytes_allowed(root)
    assert 1500 == milli_cpus_allowed(root)


@pytest.mark.parametrize("top", ["/", "/docker/0123"])
def test_version_1_is_read_where_it_is_mounted(tmp_path: Path, top: str) -> None:
    """A container sees its own group as the root of what is mounted."""
    own = "" if top != "/" else "docker/0123/"
    root = machine(
        tmp_path,
        V1.format(top=top),
        "4:memory:/docker/0123\n3:cpu,cpuacct:/docker/0123\n0::/\n",
        {
            f"memory/{own}memory.limit_in_bytes": str(512 * MIB),
            f"cpu,cpuacct/{own}cpu.cfs_quota_us": "30000",
            f"cpu,cpuacct/{own}cpu.cfs_period_us": "100000",
        }
        | ({"memory/memory.limit_in_bytes": NO_LIMIT_V1} if own else {}),
    )

    assert 512 * MIB == memory_bytes_allowed(root)
    assert 300 == milli_cpus_allowed(root)


@pytest.mark.parametrize("group", ["0::/../../elsewhere\n", "", "garbage\n"])
def test_a_group_that_is_not_mounted_here_limits_nothing(
    tmp_path: Path, group: str
) -> None:
    """Nor does one without limits; both are no number, and never 0."""
    root = machine(
        tmp_path, V2.format(top="/"), group, {"memory.max": "max", "cpu.max": "max 1"}
    )

    assert memory_bytes_allowed(root) is None
    assert milli_cpus_allowed(root) is None
    assert 1000 == memory_for_work(1000, None) == memory_for_work(1000, 2**63 - 4096)


def test_this_machine_has_no_more_than_its_kernel_says(tmp_path: Path) -> None:
    """Whatever holds us here."""
    found = this_machine(tmp_path)

    allowed = memory_bytes_allowed()
    assert found.memory_mib > 0
    assert found.milli_cpus > 0
    if allowed is not None:
        assert found.memory_mib * MIB <= allowed
