"""
Stage 1: notification → Upload.

    parse(notification) → Parsed(uploads, ignored)

Pure: what a platform sent goes in, what arrived comes out, in whatever dialect it was
told. One module a dialect; `guard` says what may never start a job, `order` which of
several events of a key counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import AliasChoices, Field

from ..contract import Upload
from ..errors import EventError
from . import cloudevents, records, seaweedfs
from .finding import Finding, Ignored, Parsed, Reason, judge
from .foreign import Foreign, Name, Word, decoded, read
from .guard import MARK, Filter, is_own_output, overlaps
from .order import dedupe_key, newest
from .watched import from_file

__all__ = [
    "MARK",
    "Filter",
    "Ignored",
    "Parsed",
    "Reason",
    "batch",
    "dedupe_key",
    "from_file",
    "is_own_output",
    "newest",
    "overlaps",
    "parse",
]

_DEEPEST = 4
"""A queue in front of a topic in front of a bus makes three envelopes."""


class _Queued(Foreign):
    id: Name = Field(validation_alias=AliasChoices("messageId", "MessageId"))
    body: Name = Field(validation_alias=AliasChoices("body", "Body"))


class _Published(Foreign):
    kind: Word = Field(None, alias="Type")
    text: Name = Field(alias="Message")


class _PublishedRecord(Foreign):
    published: _Published = Field(alias="Sns")


def parse(
    notification: Mapping[str, Any] | bytes | str,
    *,
    headers: Mapping[str, str] | None = None,
    only: Filter | None = None,
    keys_encoded: bool | None = None,
) -> Parsed:
    """
    Everything that *notification* tells of: uploads, and what is none with its reason.

    Understood are S3 `Records` (also inside SQS, SNS and EventBridge), OBS `Records`
    and EventGrid, OSS `events`, GCS, MinIO and SeaweedFS webhooks, and any CloudEvent
    whose data is `{"uri": …}` (`size`, `etag`, `version` if known); in an HTTP request,
    *headers* hold a CloudEvent's envelope in binary mode. *only* says which keys count.
    *keys_encoded* overrides whether keys are form-encoded, where a dialect leaves it to
    the subscription (`objectKeyEncode` of EventGrid).

    Raises `EventError`, and nothing else, for what is none of these or lacks what it
    must have; one bad record fails the whole, see `batch`.
    """
    message: object = notification
    if isinstance(notification, (bytes, bytearray, str)):
        message = decoded(bytes_or_text(notification), "The notification")
    names = {name.casefold(): str(text) for name, text in (headers or {}).items()}
    if cloudevents.in_binary_mode(names):
        message = cloudevents.from_headers(names, message)
    wanted, uploads, ignored = only or Filter(), [], []
    for found in _findings(message, keys_encoded, depth=0):
        told = judge(found, wanted) if isinstance(found, Finding) else found
        (uploads if isinstance(told, Upload) else ignored).append(told)
    return Parsed(uploads=tuple(uploads), ignored=tuple(ignored))
