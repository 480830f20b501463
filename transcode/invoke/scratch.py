"""A folder for what is needed for a while and never published."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from ..errors import DestinationUnwritable, OutOfDisk


def no_folder(path: str, exc: OSError) -> DestinationUnwritable | OutOfDisk:
    """Why *path* could not be made."""
    full = exc.errno in {errno.ENOSPC, errno.EDQUOT}
    kind = OutOfDisk if full else DestinationUnwritable
    return kind(
        f"Cannot make the folder {path!r}: {exc.strerror}. Free some space or choose "
        "another folder.",
        path=path,
    )


class Guards(Protocol):
    """Of an engine, what is asked of it here."""

    def guard(self, path: Path) -> AbstractContextManager[None]:
        """Have `path` removed should this process be killed in the block."""


@contextmanager
def private_scratch(engine: Guards, scratch: Path, what: str) -> Iterator[Path]:
    """A new folder in *scratch*, gone after the block, whatever ends it."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"transcode-{what}-", dir=scratch))
    except OSError as exc:
        raise no_folder(str(exc.filename or scratch), exc) from exc
    with engine.guard(folder):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
