"""The upload as a child gets it: opened once by us, and handed on as a descriptor."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ..access.beneath import open_real
from ..errors import ObjectChanged, SourceUnreadable
from ..sandbox.fence import Permissions

_LINKED = frozenset({errno.ELOOP, errno.ENOTDIR})


@dataclass(frozen=True, slots=True)
class HandedOn:
    """What a program is started with instead."""

    argv: Sequence[str]
    may: Permissions
    descriptors: tuple[int, ...] = ()


@contextmanager
def handed_on(
    argv: Sequence[str], may: Permissions, source: str | None
) -> Iterator[HandedOn]:
    """
    *argv* and *may* with the file *source*, a real path, replaced by a descriptor.

    Whatever its name leads to when the program opens it, it reads this file. None: as
    they are. Raises `SourceUnreadable`, and `ObjectChanged` where a link stands in its
    place.
    """
    if source is None:
        yield HandedOn(argv, may)
        return
    descriptor = _opened(source)
    try:
        # Opened again there, so that two inputs of one file have a position each.
        name = f"/proc/self/fd/{descriptor}"
        given = [name if it == source else it for it in may.reads]
        yield HandedOn(
            [f"file:{name}" if it == f"file:{source}" else it for it in argv],
            may._replace(reads=tuple(given)),
            (descriptor,),
        )
    finally:
        os.close(descriptor)


def _opened(source: str) -> int:
    try:
        return open_real(source)
    except OSError as exc:
        if exc.errno in _LINKED:
            raise ObjectChanged(
                "A link stands where the source was looked at; it is not followed.",
                path=source,
            ) from exc
        raise SourceUnreadable(
            "The source has gone or may not be read any more: "
            f"{(exc.strerror or str(exc)).lower()}.",
            path=source,
        ) from exc
