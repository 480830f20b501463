"""What this kernel does not hold of a fence, asked before anything is opened."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from ..errors import SettingsError
from .fence import Fence, Permissions, shortfall
from .fork import fork

_MOST = 65_536
_HANDED_OVER_SINCE = (5, 9)
"""Linux: a file can be put into the process that asks (SECCOMP_IOCTL_NOTIF_ADDFD)."""


def missing(may: Permissions) -> Mapping[str, str]:
    """
    What *may* would lack here, and why: tried by a child that does nothing else.

    Not to be called while other threads run: they would hold locks in the child.
    """
    hear, say = os.pipe()
    child = fork()
    if child == 0:
        try:
            with Fence(may) as fence:
                os.write(say, json.dumps(dict(fence.enter())).encode())
        finally:
            os._exit(0)
    os.close(say)
    try:
        told = os.read(hear, _MOST)
    finally:
        os.close(hear)
        os.waitpid(child, 0)
    if not told:
        return {"calls": "what tried it did not survive"}
    found: Mapping[str, str] = json.loads(told)
    return found


@cache
def can_hand_over() -> bool:
    """
    Whether this kernel asks us for the sockets of a fenced process.

    Tried in a child, and not to be called while other threads run.
    """
    release = os.uname().release.split(".")[:2]
    known = all(it.isdecimal() for it in release)
    if not known or (*map(int, release),) < _HANDED_OVER_SINCE:
        return False
    ours, theirs = socket.socketpair()
    with ours, theirs:
        return "served" not in missing(Permissions(served_by=ours.fileno()))


def refuse_without(programs: Sequence[str], *, remote: bool) -> None:
    """
    Raises `SettingsError` where one of *programs* would not be held whole; *remote*: as
    it is for a source behind http.
    """
    for program in programs:
        _refuse(_lacks(program, remote=remote))


def _lacks(program: str, *, remote: bool) -> Sequence[str]:
    # As `work.fetcher` has it where no connection is handed over.
    by_port = remote and not can_hand_over()
    may = Permissions(runs=program, network=by_port, ports=(1,) if by_port else ())
    return shortfall(missing(may), Path(program).name)


def refusing(
    seal: Callable[[Sequence[Path]], Sequence[str]],
) -> Callable[[Sequence[Path]], Sequence[str]]:
    """*seal* that raises `SettingsError` where it would answer what is not held."""

    def whole(folders: Sequence[Path]) -> Sequence[str]:
        _refuse(seal(folders))
        return ()

    return whole


def _refuse(said: Sequence[str]) -> None:
    if said:
        raise SettingsError(unfenced(said), setting="TRANSCODE_FENCE")


def unfenced(said: Sequence[str]) -> str:
    """The sentence of a refusal."""
    return (
        f"{' '.join(said)} TRANSCODE_FENCE=required forbids to open an upload like"
        " that: `transcode doctor` tells what this machine lacks."
    )


def _tell(programs: Sequence[str]) -> None:
    said = dict.fromkeys(
        sentence
        for program in programs
        for remote in (False, True)
        for sentence in _lacks(program, remote=remote)
    )
    sys.stdout.write(json.dumps([*said]))


if __name__ == "__main__":
    _tell(sys.argv[1:])
