"""Connections for a process that has none: each end is handed over as it asks."""

from __future__ import annotations

import errno
import os
import socket
import struct
from fcntl import ioctl

from .calls import NUMBERS
from .seccomp import NOTIFICATIONS

_RECEIVE, _SEND, _ADD_FILE = NOTIFICATIONS
_ASKED = struct.Struct("=Q2IiIQ6Q")
_ADDED = struct.Struct("=Q4I")
_SAID = struct.Struct("=QqiI")
"""linux/seccomp.h: struct seccomp_notif, seccomp_notif_addfd, seccomp_notif_resp."""
_WINDOW = 131_072
"""Bytes; as of a connection by TCP. The kernel doubles what is set."""
_GONE = frozenset({errno.ENOENT, errno.EINTR, errno.EAGAIN})


class Handover:
    """Where the kernel asks for a fenced process; made of what its fence has sent."""

    def __init__(self, listener: int) -> None:
        self._listener = listener
        column = 0 if os.uname().machine == "x86_64" else 1
        self._socket = NUMBERS["socket"][column]

    def fileno(self) -> int:
        return self._listener

    def close(self) -> None:
        os.close(self._listener)

    def answer(self) -> socket.socket | None:
        """
        Answer what is asked next. Our end, where it was a socket that was asked for;
        to whatever address it connects then, it is connected to us.
        """
        asked = bytearray(_ASKED.size)
        try:
            ioctl(self._listener, _RECEIVE, asked)
            number, _, _, call, _, _, _, kind, *_ = _ASKED.unpack(asked)
            if call != self._socket:
                self._say(number, 0)
                return None
            ours, theirs = socket.socketpair()
            with theirs:
                # A reader takes it for how far it had better read on than ask anew.
                theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WINDOW // 2)
                theirs.setblocking(not kind & socket.SOCK_NONBLOCK)
                cloexec = kind & socket.SOCK_CLOEXEC
                wanted = _ADDED.pack(number, 0, theirs.fileno(), 0, cloexec)
                self._say(number, ioctl(self._listener, _ADD_FILE, bytearray(wanted)))
        except OSError as exc:
            # It has gone, or was interrupted and asks again.
            if exc.errno in _GONE:
                return None
            raise
        return ours

    def _say(self, number: int, value: int) -> None:
        ioctl(self._listener, _SEND, bytearray(_SAID.pack(number, value, 0, 0)))
