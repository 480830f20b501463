"""Every system call has a verdict: by the filter's own code, and by this kernel."""

from __future__ import annotations

import csv
import errno
import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from transcode.sandbox.seccomp import Needs, allowing, handing_over

MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
OWN = 4321
ALLOW, KILL = 0x7FFF0000, 0x80000000
DENY, ABSENT = 0x00050000 | errno.EACCES, 0x00050000 | errno.ENOSYS
NEEDS = {
    "reader": Needs(),
    "program": Needs(program=True),
    "script": Needs(program=True, starts=True),
    "network": Needs(network=True),
    "served": Needs(program=True, served=True),
    "serves": Needs(network=True, serves=True),
    "devices": Needs(program=True, devices=True),
}


def _table() -> Iterator[dict[str, str]]:
    with Path(__file__).with_name("calls.tsv").open(encoding="ascii") as file:
        yield from csv.DictReader(file, delimiter="\t")


def _answer(code: bytes, number: int, arch: int, *arguments: int) -> int:
    """What the kernel's machine for such filters would answer (linux/filter.h)."""
    data = struct.pack("=IIQ6Q", number, arch, 0, *(*arguments, *[0] * 6)[:6])
    rows = list(struct.iter_unpack("=HBBI", code))
    register, at = 0, 0
    while True:
        operation, yes, no, value = rows[at]
        at += 1
        match operation:
            case 0x20:
                register = int.from_bytes(data[value : value + 4], "little")
            case 0x54:
                register &= value
            case 0x15:
                at += yes if register == value else no
            case 0x35:
                at += yes if register >= value else no
            case 0x06:
                return int(value)
            case _:
                pytest.fail(f"an unknown instruction: {operation:#x}")


def _expected(verdict: str, needs: Needs) -> int | None:
    """None: it is the arguments that decide."""
    network = needs.network or needs.served or needs.devices
    given = {
        "allowed": True,
        "program": needs.program or needs.starts,
        "starts": needs.starts,
        "network": network,
        "serves": needs.serves,
        "devices": needs.devices,
    }
    if verdict == "arguments" or (verdict == "network-arguments" and network):
        return None
    if verdict == "serves-arguments" and needs.serves:
        return None
    if verdict == "absent":
        return ABSENT
    return ALLOW if given.get(verdict, False) else DENY


@pytest.mark.parametrize("role", NEEDS)
@pytest.mark.parametrize("machine", MACHINES)
def test_the_whole_table_has_a_verdict(machine: str, role: str) -> None:
    """
    Each call of Linux 6.19, by name, on each machine, for each kind of process.
    """
    needs, arch = NEEDS[role], MACHINES[machine]
    code = allowing(machine, needs, OWN)
    assert code is not None
    wrong = []
    for row in _table():
        expected = _expected(row["verdict"], needs)
        if row["name"] == "ioctl" and needs.devices:
            expected = ALLOW
        if row[machine] == "-" or expected is None:
            continue
        if _answer(code, int(row[machine]), arch) != expected:
            wrong.append(row["name"])

    assert [] == wrong


@pytest.mark.parametrize("machine", MACHINES)
def test_numbers_in_no_table_have_one_too(machine: str) -> None:
    """
    Holes and the future: denied or absent, never allowed; x32 is neither.
    """
    known = {int(row[machine]) for row in _table() if row[machine] != "-"}
    code = allowing(machine, NEEDS["script"], OWN)
    assert code is not None
    arch = MACHINES[machine]
    for number in {*range(600)} - known:
        expected = DENY if number < 424 else ABSENT
        assert expected == _answer(code, number, arch)
    for number in range(600):
        assert ABSENT == _answer(code, 0x40000000 | number, arch)
    for foreign in (0x40000003, 0xC000003E, 0xC00000B7, 0x40000028):
        if foreign != arch:
            assert KILL == _answer(code, 0, foreign)


def test_the_table_is_whole() -> None:
    """
    What this machine's own headers name is among it, with the same number.
    """
    headers = [
        *Path("/usr/include").glob("*/asm/unistd_64.h"),
        *Path("/usr/include/asm").glob("unistd_64.h"),
    ]
    if not headers or os.uname().machine != "x86_64":
        pytest.skip("no kernel headers of x86_64 here")
    ours = {row["name"]: row["x86_64"] for row in _table()}
    text = headers[0].read_text(encoding="ascii")
    for name, number in re.findall(r"#define __NR_(\w+)\s+(\d+)", text):
        if int(number) <= 470:
            assert number == ours[name]


_THREAD = 0x3D0F00
_CASES = [
    # Which, for whom, arguments that pass, arguments that do not.
    ("clone", "program", [(_THREAD,), (_THREAD | 0x400000,)], [(0,), (17,)]),
    ("clone", "program", [], [(_THREAD | 0x10000000,), (0x10000011,), (0x4111,)]),
    ("clone", "script", [(17,), (0x01200011,), (_THREAD,)], [(0x10000011,)]),
    ("clone", "script", [], [(0x40000011,), (0x20000,), (0x80,)]),
    ("kill", "program", [(OWN, 6)], [(1, 9), (0, 9), (-1 & 0xFFFFFFFF, 9)]),
    ("tgkill", "program", [(OWN, OWN + 3, 6)], [(1, 1, 9)]),
    ("prlimit64", "program", [(0, 3, 0, 99)], [(0, 3, 99), (OWN - 1, 3, 0, 9)]),
    ("prlimit64", "program", [], [(0, 3, 1 << 40, 0)]),
    ("fcntl", "reader", [(3, 4, 2048), (3, 1030)], [(3, 8, 1), (3, 10, 9), (3, 15)]),
    ("fcntl", "reader", [(3, 2)], [(3, 1031, 1 << 20), (3, 1024), (3, 1033, 1)]),
    ("ioctl", "program", [(1, 0x5401), (1, 0x5413)], [(0, 0x5412), (3, 0x8901)]),
    ("ioctl", "program", [], [(3, 0x5452), (3, 0x40049409)]),
    ("prctl", "program", [(15, 99), (0x53564D41,)], [(4, 1), (1, 0), (22, 2), (8, 1)]),
    ("sched_setaffinity", "program", [(0, 8, 1)], [(OWN - 1, 8, 1)]),
    ("setpriority", "program", [(0, 0, 10)], [(0, 1, 19), (1, 0, 19), (2, 0, 19)]),
    ("socket", "network", [(2, 0o2004001, 0), (10, 1, 6)], [(2, 1, 262)]),
    ("socket", "network", [(2, 2, 17)], [(2, 1, 132), (2, 3, 0), (1, 1, 0), (16, 3)]),
    ("socket", "network", [], [(2, 1, 17), (2, 2, 136), (17, 3, 768), (38, 5)]),
    ("socket", "devices", [(1, 0o2000005, 0)], [(2, 1, 0), (10, 1, 6), (16, 3, 0)]),
    ("socket", "served", [(2, 0o2004001, 0), (10, 1, 6)], [(2, 2, 17), (1, 1, 0)]),
    ("ioctl", "serves", [(3, 0xC0502100), (3, 0x40182103)], [(3, 0x80082102)]),
    ("ioctl", "served", [(1, 0x5401)], [(3, 0xC0502100), (3, 0x40182103)]),
    ("socketpair", "serves", [(1, 1, 0)], [(2, 1, 0), (30, 1, 0)]),
    ("sendto", "network", [(3, 0, 9, 0x4000)], [(3, 0, 9, 0x20000000)]),
    ("sendmsg", "network", [(3, 0, 0x4000)], [(3, 0, 0x20004000)]),
    ("sendmmsg", "network", [(3, 0, 2, 0)], [(3, 0, 2, 0x20000000)]),
    ("setsockopt", "network", [(3, 6, 1), (3, 1, 9)], [(3, 6, 30), (3, 6, 23)]),
    ("setsockopt", "network", [(3, 41, 26)], [(3, 6, 31), (3, 284, 1), (3, 255, 64)]),
]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("name", "role", "passing", "others"), _CASES)
def test_arguments_decide(
    name: str,
    role: str,
    passing: list[tuple[int, ...]],
    others: list[tuple[int, ...]],
    machine: str,
) -> None:
    """
    Threads but no process; itself but no other; no owner of signals, no fast open.
    """
    numbers = {row["name"]: row[machine] for row in _table()}
    code = allowing(machine, NEEDS[role], OWN)
    assert code is not None
    number, arch = int(numbers[name]), MACHINES[machine]

    assert [ALLOW] * len(passing) == [_answer(code, number, arch, *a) for a in passing]
    assert [DENY] * len(others) == [_answer(code, number, arch, *a) for a in others]


@pytest.mark.parametrize("machine", MACHINES)
def test_what_is_asked_before_it_is_done(machine: str) -> None:
    """
    Every socket of the Internet and every address of it; nothing else is anybody's.
    """
    rows = [row for row in _table() if row[machine] != "-"]
    numbers = {row["name"]: int(row[machine]) for row in rows}
    code, arch, ask = handing_over(machine), MACHINES[machine], 0x7FC00000
    assert code is not None
    for domain in (2, 10):
        for kind in (1, 2, 3, 0o2004001):
            assert ask == _answer(code, numbers["socket"], arch, domain, kind)
    assert ask == _answer(code, numbers["connect"], arch, 3, 1 << 40, 16)
    assert ask == _answer(code, numbers["connect"], arch, 3, 1 << 40, 28)
    assert ALLOW == _answer(code, numbers["connect"], arch, 3, 1 << 40, 110)
    assert ALLOW == _answer(code, numbers["socket"], arch, 1, 1)
    for name, number in numbers.items():
        if name not in {"socket", "connect"}:
            assert ALLOW == _answer(code, number, arch, 2, 1, 16)
    assert handing_over("riscv64") is None


def test_each_checked_call_has_cases() -> None:
    """
    Whatever the table leaves to arguments is tried with some of both kinds.
    """
    checked = {row["name"] for row in _table() if "arguments" in row["verdict"]}

    assert checked == {case[0] for case in _CASES}


def test_a_machine_without_numbers_has_no_filter() -> None:
    """
    It is said, and not guessed at.
    """
    assert allowing("riscv64", Needs(), OWN) is None
