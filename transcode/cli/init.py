"""The first process of a container: it buries orphans and passes signals on.

A process that lost its parent becomes a child of the first one, and stays a zombie
until that waits for it. Ours waits for its own children alone, so the command runs one
process further down.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

_PASSED_ON = (
    *(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT),
    *(signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH),
)
_KILLED = 128
"""A shell's exit code for a command that a signal ended is this and its number."""


def fork() -> None:
    """Go on in a child; what stays behind ends as that does, and never returns."""
    sys.stdout.flush()
    sys.stderr.flush()
    # Held back until somebody is there to take them.
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
        return

    def pass_on(number: int, _frame: object) -> None:
        with suppress(ProcessLookupError):
            os.kill(child, number)

    for number in _PASSED_ON:
        signal.signal(number, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    os._exit(_bury(child))


def _bury(child: int) -> int:
    """Wait for whoever ends, until it is *child*: its exit code."""
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else _KILLED - code
