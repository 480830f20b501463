"""A folder for what is needed for a while and never published."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol


class Guards(Protocol):
    """Of an engine, what is asked of it here."""

    def guard(self, path: Path) -> AbstractContextManager[None]:
        """Have `path` removed should this process be killed in the block."""


@contextmanager
def private_scratch(engine: Guards, scratch: Path, what: str) -> Iterator[Path]:
    """A new folder in *scratch*, gone after the block, whatever ends it."""
    folder = Path(tempfile.mkdtemp(prefix=f"transcode-{what}-", dir=scratch))
    with engine.guard(folder):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
