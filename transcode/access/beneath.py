"""
Files opened by their real name: no link on the way, now or since it was looked at.

A path that was checked and is opened later may lead elsewhere by then, where strangers
may rename. A real path has no link in it; opened so, it is the file at that place or
none. Light to import: the probing child uses it, too.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

_OPENAT2 = 437
"""On every architecture (Linux 5.6)."""
_AT_FDCWD = -100
_NO_LINKS = 0x02 | 0x04
"""RESOLVE_NO_MAGICLINKS and RESOLVE_NO_SYMLINKS of linux/openat2.h."""
_NOT_TO_BE_HAD = frozenset({errno.ENOSYS, errno.EPERM, errno.EINVAL})
"""Older kernels, and containers whose filter knows no such call."""
_ON_THE_WAY = os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_READING = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
"""Non-blocking, so that a fifo cannot hold us; a regular file ignores it."""


def open_real(path: str) -> int:
    """
    A descriptor to read the file at *path*, which is absolute and has no link in it.

    Raises OSError: ELOOP (or ENOTDIR) where one is on the way.
    """
    if not path.startswith("/"):
        raise OSError(errno.EINVAL, "no absolute path", path)
    descriptor = _in_one(path)
    return _by_hand(path) if descriptor is None else descriptor


def _in_one(path: str) -> int | None:
    """By openat2; None where that is not to be had."""
    libc = ctypes.CDLL(None, use_errno=True)
    how = struct.pack("=QQQ", _READING, 0, _NO_LINKS)
    name = os.fsencode(path)
    while True:
        made = libc.syscall(_OPENAT2, _AT_FDCWD, name, how, ctypes.c_size_t(len(how)))
        if made >= 0:
            return int(made)
        number = ctypes.get_errno()
        if number == errno.EINTR:
            continue
        if number in _NOT_TO_BE_HAD:
            return None
        raise OSError(number, os.strerror(number), path)


def _by_hand(path: str) -> int:
    """Name by name, each held while the next is opened."""
    *folders, last = [name for name in path.split("/") if name] or ["."]
    if {".", ".."} & {*folders, last}:
        raise OSError(errno.EINVAL, "no real path", path)
    here = os.open("/", _ON_THE_WAY)
    try:
        for name in folders:
            there = os.open(name, _ON_THE_WAY, dir_fd=here)
            os.close(here)
            here = there
        return os.open(last, _READING | os.O_NOFOLLOW, dir_fd=here)
    finally:
        os.close(here)
