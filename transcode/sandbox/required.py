"""What this kernel does not hold of a fence, asked before anything is opened."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..errors import SettingsError
from .fence import Fence, Permissions, shortfall

_MOST = 65_536


def missing(may: Permissions) -> Mapping[str, str]:
    """
    What *may* would lack here, and why: tried by a child that does nothing else.

    Not to be called while other threads run: they would hold locks in the child.
    """
    hear, say = os.pipe()
    child = os.fork()
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


def refuse_without(programs: Sequence[str]) -> None:
    """Raises `SettingsError` where one of *programs* would not be held whole."""
    for program in programs:
        _refuse(shortfall(missing(Permissions(runs=program)), Path(program).name))


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
        for sentence in shortfall(
            missing(Permissions(runs=program)), Path(program).name
        )
    )
    sys.stdout.write(json.dumps([*said]))


if __name__ == "__main__":
    _tell(sys.argv[1:])
