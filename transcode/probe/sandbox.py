"""What a probing child takes away from itself before it looks at an upload."""

from __future__ import annotations

import ctypes
import os
import resource
import signal

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
"""linux/prctl.h and linux/sched.h; `os.unshare` exists only since Python 3.12."""


def confine(
    *, memory_bytes: int, cpu_seconds: int, open_files: int, offline: bool
) -> dict[str, str]:
    """
    Lower every limit of this process, for good; answers what could not be had.

    Limits can only sink, so calling it twice is harmless. `offline` moves the process
    into a network namespace without an address; where the kernel or the container
    forbids that, the answer names `network` and the reason.
    """
    for limit, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, open_files),
        (resource.RLIMIT_CORE, 0),
    ):
        _lower(limit, value)
    # A write beyond RLIMIT_FSIZE shall be an error we can report, not a death.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    libc = ctypes.CDLL(None, use_errno=True)
    refused = {}
    for name, option, value in (
        ("no_new_privs", _PR_SET_NO_NEW_PRIVS, 1),
        ("death_signal", _PR_SET_PDEATHSIG, int(signal.SIGKILL)),
        ("dumpable", _PR_SET_DUMPABLE, 0),
    ):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            refused[name] = os.strerror(ctypes.get_errno())
    if offline:
        flags = _CLONE_NEWNET | (0 if os.geteuid() == 0 else _CLONE_NEWUSER)
        if libc.unshare(flags) != 0:
            refused["network"] = os.strerror(ctypes.get_errno())
    return refused


def _lower(limit: int, value: int) -> None:
    _, hard = resource.getrlimit(limit)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(limit, (value, value))
