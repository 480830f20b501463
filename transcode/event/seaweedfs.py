"""SeaweedFS's webhook: the filer tells of every change in its tree of files."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping

from pydantic import Field

from ..contract import Upload
from .folder import after_epoch
from .models import Count, Foreign, Name, Word, read, stored_version
from .s3_records import address
from .verdict import Finding, Ignored, Reason

_BUCKETS = "/buckets/"
"""`filer.options.buckets_folder`, which nobody changes."""
_VERSIONS = ".versions/v_"
"""A version is a file of that name beside the key's place."""
_SECOND = 10**9


class _Chunk(Foreign):
    size: Count = 0
    etag: Word = Field(None, alias="e_tag")
    modified_ns: Count = Field(0, alias="modified_ts_ns")


class _Attributes(Foreign):
    size: Count = Field(0, alias="file_size")
    # Before 1970 where it was never set.
    seconds: int = Field(0, alias="mtime", gt=-(2**40), lt=2**40)
    nanoseconds: Count = Field(0, alias="mtime_ns")
    md5: Word = None


class _Entry(Foreign):
    name: Name
    folder: bool = Field(False, alias="is_directory")
    chunks: tuple[_Chunk, ...] = ()
    attributes: _Attributes = Field(default_factory=_Attributes)
    extended: Mapping[str, str | None] = Field(default_factory=dict)
    """Header name → value in Base64."""


class _Change(Foreign):
    old: _Entry | None = Field(None, alias="old_entry")
    new: _Entry | None = Field(None, alias="new_entry")
    parent: Word = Field(None, alias="new_parent_path")


class _Notice(Foreign):
    kind: Name = Field(alias="event_type")
    path: Name = Field(alias="key")
    change: _Change = Field(alias="message")


def findings(message: Mapping[str, object]) -> Iterator[Finding | Ignored]:
    """What one notice tells of: a rename is a deletion and an arrival."""
    told = read(_Notice, message, "A SeaweedFS notice")
    old, new, parent = told.change.old, told.change.new, told.change.parent
    # The notice's own key is where a renamed file was.
    path = told.path
    if parent and new:
        path = f"{'' if parent == '/' else parent}/{new.name}"
    if old is not None and (new is None or path != told.path):
        yield _about(told.kind, told.path, old, Reason.DELETION)
    if new is not None:
        same = old is not None and path == told.path and _same_content(old, new)
        yield _about(told.kind, path, new, Reason.UNCHANGED if same else None)
    if old is None and new is None:
        yield Ignored(
            reason=Reason.NOT_AN_UPLOAD, detail=f"{told.kind} of {told.path!r}"
        )


def _about(
    kind: str, path: str, entry: _Entry, reason: Reason | None
) -> Finding | Ignored:
    bucket, _, key = path.removeprefix(_BUCKETS).partition("/")
    inside = path.startswith(_BUCKETS) and bucket and key
    if not inside or bucket.startswith(".") or f"{key}/".startswith(".uploads/"):
        return Ignored(reason=Reason.INTERNAL, detail=f"{kind} of {path!r}")
    if entry.folder:
        return Ignored(reason=Reason.FOLDER_MARKER, detail=f"{kind} of {path!r}")
    key, _, named = key.rpartition(_VERSIONS) if _VERSIONS in key else (key, "", "")
    marker = "Seaweed-X-Amz-Delete-Marker" in entry.extended
    if marker:
        reason = Reason.DELETION
    written_ns, size = _written_ns(entry), entry.attributes.size
    upload = Upload(
        provider="seaweedfs",
        bucket=bucket,
        key=key,
        uri=address("seaweedfs", bucket, key),
        version=None if marker else stored_version(named or None),
        etag=_header(entry, "Seaweed-X-Amz-ETag") or _hex(entry.attributes.md5),
        bytes=size or (None if entry.chunks else 0),
        event_id=None,
        # Of a deletion, when that which went was written: older ones went before it.
        sequencer=f"{written_ns:020d}" if written_ns > 0 else None,
        event_time=after_epoch(written_ns) if written_ns > 0 else None,
        event_name=kind,
    )
    return Finding(upload, reason, entry.extended)


def _same_content(old: _Entry, new: _Entry) -> bool:
    # Each chunk is written once; small files live in the entry and have none.
    return bool(new.chunks) and old.chunks == new.chunks


def _written_ns(entry: _Entry) -> int:
    """When it was written: whole seconds by S3, but its chunks know better."""
    stated = entry.attributes.seconds * _SECOND + entry.attributes.nanoseconds
    return max([stated, *(chunk.modified_ns for chunk in entry.chunks)])


def _header(entry: _Entry, name: str) -> str | None:
    value = entry.extended.get(name)
    try:
        return base64.b64decode(value, validate=True).decode() if value else None
    except (binascii.Error, ValueError):
        return None


def _hex(md5: str | None) -> str | None:
    try:
        return base64.b64decode(md5, validate=True).hex() if md5 else None
    except (binascii.Error, ValueError):
        return None
