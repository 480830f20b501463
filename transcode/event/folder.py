"""A file in a watched folder, as an upload."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ..contract import Upload
from ..errors import EventError
from .filter import path_parts

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def from_file(path: str, *, root: str, size: int, modified_ns: int) -> Upload:
    """
    The file *path* under the watched folder *root*, as `stat` describes it.

    Both paths are absolute; *size* is in bytes, *modified_ns* in nanoseconds since
    1970. The etag is the one the folder store gives. Raises `EventError` for a path
    outside the folder, and for a name that is not UTF-8.
    """
    inside, parts = path_parts(root), path_parts(path)
    if not (path.startswith("/") and root.startswith("/")):
        raise EventError(f"{path!r} in {root!r}: give absolute paths.", path=path)
    if parts[: len(inside)] != inside or len(parts) == len(inside):
        raise EventError(f"{path!r} is not inside {root!r}.", path=path)
    try:
        path.encode()
    except UnicodeEncodeError as exc:
        raise EventError(
            f"{path!r} has a name that is not UTF-8; rename it.", path=ascii(path)
        ) from exc
    return Upload(
        provider="folder",
        bucket="/" + "/".join(inside),
        key="/".join(parts[len(inside) :]),
        uri="/" + "/".join(parts),
        etag=f"{size:x}-{modified_ns:x}",
        bytes=size,
        sequencer=f"{modified_ns:020d}" if modified_ns >= 0 else None,
        event_time=after_epoch(modified_ns),
        event_name="found",
    )


def after_epoch(nanoseconds: int) -> datetime | None:
    """UTC; None where no calendar reaches."""
    try:
        return _EPOCH + timedelta(microseconds=nanoseconds // 1000)
    except OverflowError:
        return None
