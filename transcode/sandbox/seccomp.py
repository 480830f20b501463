"""
The system calls that are left to a process, as a filter for the kernel: an allow-list.

Found with strace over every profile that ships (ffmpeg 8.1 and 9.0, with glibc and
with musl, PyAV, Shaka Packager), and what those libraries call on other kernels.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .calls import (
    ALLOWED,
    ASKED_OF_NETWORKS,
    CONNECTIONS,
    DRIVERS,
    NUMBERS,
    STARTING,
)

_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""linux/audit.h; the order is that of `NUMBERS`' columns."""
_UNIFIED = 424
"""From here on a number means the same on every machine (Linux 5.1)."""


class Needs(NamedTuple):
    """What a process needs besides computing, its memory and its files."""

    program: bool = False
    """To become another program: it is fenced before its first instruction."""
    starts: bool = False
    """To start programs of its own, as a script does."""
    network: bool = False
    """To connect by TCP, and to ask for names by UDP."""
    served: bool = False
    """To be handed a connection wherever it asks for one; see `handing_over`."""
    serves: bool = False
    """To be whoever hands it over."""
    devices: bool = False
    """To talk to drivers, whatever those take, and by Unix sockets."""


class ArgumentCheck(NamedTuple):
    """Of one argument the bits of *mask* have one of *values*."""

    argument: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF
    pointer: bool = False
    """All 64 bits count; the kernel takes 32 of whatever is an `int`."""


NOTIFICATIONS = (0xC0502100, 0xC0182101, 0x40182103)
"""linux/seccomp.h: SECCOMP_IOCTL_NOTIF_RECV, _SEND and _ADDFD."""

_Ways = tuple[tuple[ArgumentCheck, ...], ...]
"""One of them holds, with all its checks."""

_THREAD = 0x003D0F00
"""The flags by which glibc makes a thread: memory, files, signals and exit shared, and
no namespace. musl adds CLONE_DETACHED, which means nothing."""
_DETACHED = 0x00400000
_ANY_NAMESPACE = 0x7E020080
_INTERNET, _BY_UNIX = (2, 10), (1,)
_ADDRESS_BYTES = (16, 28)
"""Of an address of the Internet, version 4 and 6."""
_STREAM, _DATAGRAM = 1, 2
_SOCKET_FLAGS = 0o2004000
"""SOCK_CLOEXEC and SOCK_NONBLOCK."""
_FAST_OPEN = 0x20000000
"""Connects within `send`, past whoever watches `connect`."""
_TCP, _UDP = 6, 17
_TCP_OPTIONS = (1, 2, 4, 5, 6, 12, 18)
"""NODELAY, MAXSEG, KEEPIDLE, KEEPINTVL, KEEPCNT, QUICKACK, USER_TIMEOUT: none that
connects (FASTOPEN_CONNECT) or changes what the connection is (ULP, REPAIR)."""


def _checked(needs: Needs, own: int) -> Mapping[str, _Ways]:
    """What is allowed by its arguments alone. linux/*.h have the numbers."""
    itself = ((ArgumentCheck(0, (own,)),),)
    thread = ((ArgumentCheck(0, (_THREAD,), 0xFFFFFFFF & ~_DETACHED),),)
    checked: dict[str, _Ways] = {
        "clone": thread,
        # DUPFD, GETFD, SETFD, GETFL, SETFL, locks, DUPFD_CLOEXEC, GETPIPE_SZ and the
        # newer locks: none that names somebody to be sent a signal (SETOWN).
        "fcntl": ((ArgumentCheck(1, (*range(8), 1030, 1032, 36, 37, 38)),),),
        # Is it a terminal, how wide is it, how much is there to read; FIONBIO and
        # FIO(N)CLEX.
        "ioctl": (
            (
                ArgumentCheck(
                    1, (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451, 0x802C542A)
                ),
            ),
        ),
        # Names of threads and of memory.
        "prctl": ((ArgumentCheck(0, (15, 16, 0x53564D41)),),),
        # Limits are asked for, of itself, and not set.
        "prlimit64": ((ArgumentCheck(0, (0,)), ArgumentCheck(2, (0,), pointer=True)),),
        "kill": itself,
        "tgkill": itself,
        "sched_setaffinity": ((ArgumentCheck(0, (0,)),),),
        # PRIO_PROCESS, and of that the calling thread: x265 steps back.
        "setpriority": ((ArgumentCheck(0, (0,)), ArgumentCheck(1, (0,))),),
    }
    if needs.starts:
        checked["clone"] = ((ArgumentCheck(0, (0,), _ANY_NAMESPACE),),)
    sockets: list[tuple[ArgumentCheck, ...]] = []
    kinds = [(_STREAM, _TCP)] if needs.network or needs.served else []
    kinds += [(_DATAGRAM, _UDP)] if needs.network else []
    sockets += [
        (
            ArgumentCheck(0, _INTERNET),
            ArgumentCheck(1, (kind,), 0xFFFFFFFF & ~_SOCKET_FLAGS),
            # No other, such as MPTCP, which port rules do not see.
            ArgumentCheck(2, (0, protocol)),
        )
        for kind, protocol in kinds
    ]
    if needs.serves:
        # Within itself: two ends of which the other process is given one.
        checked["socketpair"] = ((ArgumentCheck(0, _BY_UNIX),),)
        (own_ioctl,) = checked["ioctl"]
        checked["ioctl"] = (own_ioctl, (ArgumentCheck(1, NOTIFICATIONS),))
    if needs.devices:
        del checked["ioctl"]
        sockets.append((ArgumentCheck(0, _BY_UNIX),))
    if sockets:
        level = ArgumentCheck(1, (0, 1, 41))  # of IP, of sockets, of IPv6
        checked |= {
            "socket": tuple(sockets),
            "sendto": ((ArgumentCheck(3, (0,), _FAST_OPEN),),),
            "sendmsg": ((ArgumentCheck(2, (0,), _FAST_OPEN),),),
            "sendmmsg": ((ArgumentCheck(3, (0,), _FAST_OPEN),),),
            "setsockopt": (
                (level,),
                (ArgumentCheck(1, (_TCP,)), ArgumentCheck(2, _TCP_OPTIONS)),
            ),
        }
    return checked


def allowing(machine: str, needs: Needs, own: int) -> bytes | None:
    """
    The filter for a *machine* of that name and the process whose id is *own*.

    What is not allowed answers EACCES, and calls that are younger than Linux 5.1
    answer ENOSYS as an older kernel would: libraries have another way for these
    (`clone3`, whose flags no filter can see, becomes `clone`). Another architecture's
    calls are the end of the process. None for a machine whose numbers are not known.
    Layout: linux/bpf_common.h, linux/seccomp.h.
    """
    if machine not in _AUDIT:
        return None
    column = [*_AUDIT].index(machine)
    checked = _checked(needs, own)
    connected = needs.network or needs.served or needs.devices
    names = [
        *ALLOWED,
        *(STARTING if needs.starts else ()),
        *(("execve",) if needs.program or needs.starts else ()),
        *(ASKED_OF_NETWORKS if connected else ()),
        *(CONNECTIONS if needs.serves else ()),
        *(DRIVERS if needs.devices else ()),
    ]
    rows = [*_of_machine(machine, _KILL), (_LOAD, 0, 0, _NUMBER)]
    for name in names:
        number = NUMBERS[name][column]
        if number is not None:
            rows += [(_EQUAL, 0, 1, number), (_ANSWER, 0, 0, _ALLOW)]
    for name, ways in checked.items():
        number = NUMBERS[name][column]
        if number is not None:
            block = _block(ways, _ALLOW, _DENY)
            rows += [(_EQUAL, 0, len(block), number), *block]
    rows += [
        (_AT_LEAST, 0, 1, _UNIFIED),
        (_ANSWER, 0, 0, _ABSENT),
        (_ANSWER, 0, 0, _DENY),
    ]
    return _packed(rows)


def handing_over(machine: str) -> bytes | None:
    """
    A filter that asks another process wherever a socket of the Internet is wanted, or
    an address of it is connected to: that one gives an end of its own instead.

    All else it leaves to `allowing`, which goes first where it forbids. None as there.
    """
    if machine not in _AUDIT:
        return None
    column = [*_AUDIT].index(machine)
    rows = [*_of_machine(machine, _ALLOW), (_LOAD, 0, 0, _NUMBER)]
    for name, check in (
        ("socket", ArgumentCheck(0, _INTERNET)),
        # Drivers' sockets have addresses of other lengths.
        ("connect", ArgumentCheck(2, _ADDRESS_BYTES)),
    ):
        block = _block(((check,),), _ASK, _ALLOW)
        rows += [(_EQUAL, 0, len(block), NUMBERS[name][column] or 0), *block]
    return _packed([*rows, (_ANSWER, 0, 0, _ALLOW)])


_Row = tuple[int, int, int, int]
_LOAD, _AND, _EQUAL, _AT_LEAST, _ANSWER = 0x20, 0x54, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_KILL, _ALLOW, _ASK = 0x80000000, 0x7FFF0000, 0x7FC00000
_DENY, _ABSENT = 0x00050000 | errno.EACCES, 0x00050000 | errno.ENOSYS


def _of_machine(machine: str, others: int) -> Sequence[_Row]:
    return (
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, _AUDIT[machine]),
        (_ANSWER, 0, 0, others),
    )


def _packed(rows: Sequence[_Row]) -> bytes:
    return b"".join(struct.pack("=HBBI", *row) for row in rows)


def _block(ways: _Ways, yes: int, no: int) -> Sequence[_Row]:
    """Answers in any case: nothing follows it."""
    rows: list[_Row] = []
    for way in ways:
        tests: list[_Row] = []
        for check in reversed(way):
            tests = [*_test(check, len(tests) + 1), *tests]
        rows += [*tests, (_ANSWER, 0, 0, yes)]
    return [*rows, (_ANSWER, 0, 0, no)]


def _test(check: ArgumentCheck, past: int) -> list[_Row]:
    """Goes on where it holds; *past* rows behind it otherwise."""
    low = _ARGUMENTS + 8 * check.argument
    rows: list[_Row] = [(_LOAD, 0, 0, low)]
    if check.mask != 0xFFFFFFFF:  # noqa: PLR2004  all of it
        rows.append((_AND, 0, 0, check.mask))
    last = len(check.values) - 1
    for position, value in enumerate(check.values):
        more = last - position
        rows.append((_EQUAL, more, 0 if more else past, value))
    if check.pointer:
        rows[-1] = (_EQUAL, 0, past + 2, check.values[-1])
        rows += [(_LOAD, 0, 0, low + 4), (_EQUAL, 0, past, 0)]
    return rows
