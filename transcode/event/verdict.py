"""What an event tells of an object, and whether that makes it an upload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ..contract import Upload, Value
from .filter import Filter, is_own_output


class Reason(StrEnum):
    """Why something that was told of is no upload."""

    TEST_EVENT = "test_event"
    """The provider tries out a new configuration."""
    NOT_AN_UPLOAD = "not_an_upload"
    """Read, tagged, restored, subscribed: nothing arrived."""
    INTERNAL = "internal"
    """The store's own business: parts of an upload, indexes, symbolic links."""
    DELETION = "deletion"
    UNCHANGED = "unchanged"
    """Metadata was rewritten; the content is the one that was told of before."""
    FOLDER_MARKER = "folder_marker"
    OWN_OUTPUT = "own_output"
    """We made it: see `is_own_output`."""
    FOREIGN_PREFIX = "foreign_prefix"
    FOREIGN_SUFFIX = "foreign_suffix"
    ZERO_BYTES = "zero_bytes"


class Ignored(Value):
    """Something an event told of that is no upload, and why."""

    reason: Reason
    detail: str
    """One clause for a log: what it was."""
    about: Upload | None = None
    """The object, where one was named. Of a deletion: with a version where only that
    version went, without one where the key did."""


class Parsed(Value):
    """Everything one notification told of; nothing in it is dropped silently."""

    uploads: tuple[Upload, ...] = ()
    ignored: tuple[Ignored, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One object as a dialect found it; *reason* where that alone settles it."""

    upload: Upload
    reason: Reason | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    """User metadata, where the event carries it."""


def judge(finding: Finding, only: Filter) -> Upload | Ignored:
    """An upload, or the first reason why it is none."""
    reason = finding.reason or _reason(finding, only)
    if reason is None:
        return finding.upload
    about = finding.upload
    told = f"{about.event_name} of {about.bucket}/{about.key}"
    return Ignored(reason=reason, detail=told, about=about)


def _reason(finding: Finding, only: Filter) -> Reason | None:
    upload = finding.upload
    if upload.key.endswith("/"):
        return Reason.FOLDER_MARKER
    if is_own_output(finding.metadata):
        return Reason.OWN_OUTPUT
    if not upload.key.startswith(only.prefix):
        return Reason.FOREIGN_PREFIX
    if not only.takes_suffix_of(upload.key):
        return Reason.FOREIGN_SUFFIX
    return Reason.ZERO_BYTES if upload.bytes == 0 else None
