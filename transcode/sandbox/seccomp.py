"""System calls that a codec has no use for, as a filter for the kernel."""

from __future__ import annotations

import errno
import struct
from typing import NamedTuple


class _Machine(NamedTuple):
    """Numbers of one architecture."""

    audit: int
    socket: int
    execute: tuple[int, int]
    never: tuple[int, ...]
    """ptrace, process_vm_readv and _writev, unshare, setns, bpf, userfaultfd,
    perf_event_open, add_key, request_key, keyctl, io_uring_setup: of no use to a
    codec, and how others got out."""


# linux/audit.h; arch/x86/entry/syscalls/syscall_64.tbl, asm-generic/unistd.h.
_MACHINES = {
    "x86_64": _Machine(
        0xC000003E,
        41,
        (59, 322),
        (101, 310, 311, 272, 308, 321, 323, 298, 248, 249, 250, 425),
    ),
    "aarch64": _Machine(
        0xC00000B7,
        198,
        (221, 281),
        (117, 270, 271, 97, 268, 280, 282, 241, 217, 218, 219, 425),
    ),
}
_X32 = 0x40000000


def denying(name: str, *, sockets: bool, programs: bool) -> bytes | None:
    """
    The filter for a machine of that name: what no codec needs answers EACCES.

    *sockets*, *programs*: to open one and to start one is denied, too. None for a
    machine whose numbers are not known. Layout: linux/bpf_common.h, linux/seccomp.h.
    """
    machine = _MACHINES.get(name)
    if machine is None:
        return None
    calls = [
        *machine.never,
        *((machine.socket,) if sockets else ()),
        *(machine.execute if programs else ()),
    ]
    load, equal, at_least, answer = 0x20, 0x15, 0x35, 0x06
    kill, allow, deny = 0x80000000, 0x7FFF0000, 0x00050000 | errno.EACCES
    rows = [
        (load, 0, 0, 4),
        (equal, 1, 0, machine.audit),
        (answer, 0, 0, kill),
        (load, 0, 0, 0),
        (at_least, len(calls) + 1, 0, _X32),
        *((equal, len(calls) - n, 0, call) for n, call in enumerate(calls)),
        (answer, 0, 0, allow),
        (answer, 0, 0, deny),
    ]
    return b"".join(struct.pack("=HBBI", *row) for row in rows)
