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

from ..contract import Upload
from ..errors import EventError
from . import cloudevents, s3_records, seaweedfs
from .envelopes import batch, opened
from .filter import MARK, Filter, is_own_output, lies_in, overlaps
from .folder import from_file
from .models import decoded
from .newest import newest
from .verdict import Finding, Ignored, Parsed, Reason, judge

__all__ = [
    "MARK",
    "Filter",
    "Ignored",
    "Parsed",
    "Reason",
    "batch",
    "from_file",
    "is_own_output",
    "lies_in",
    "newest",
    "overlaps",
    "parse",
]


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
    if isinstance(notification, bytes | str):
        message = decoded(notification, "The notification")
    names = {name.casefold(): str(text) for name, text in (headers or {}).items()}
    if cloudevents.in_binary_mode(names):
        message = cloudevents.from_headers(names, message)
    wanted = only or Filter()
    uploads: list[Upload] = []
    ignored: list[Ignored] = []
    for inner in opened(message):
        for found in _findings(inner, encoded=keys_encoded):
            told = judge(found, wanted) if isinstance(found, Finding) else found
            if isinstance(told, Upload):
                uploads.append(told)
            else:
                ignored.append(told)
    return Parsed(uploads=tuple(uploads), ignored=tuple(ignored))


def _findings(
    message: Mapping[str, Any], *, encoded: bool | None
) -> Iterator[Finding | Ignored]:
    """What one message, out of its envelopes, tells of."""
    if "specversion" in message:
        yield from cloudevents.findings(message, encoded=encoded)
    elif "event_type" in message:
        yield from seaweedfs.findings(message)
    elif "Records" in message:
        for what, record in _each(message, "Records"):
            yield s3_records.s3(record, what, encoded=encoded)
    elif "events" in message:
        for what, record in _each(message, "events"):
            yield s3_records.oss(record, what, encoded=encoded)
    elif message.get("detail-type") in s3_records.BRIDGED:
        yield s3_records.bridged(message, "The EventBridge event", encoded=encoded)
    else:
        yield _nothing_arrived(message)


def _each(message: Mapping[str, Any], field: str) -> Iterator[tuple[str, object]]:
    found = message[field]
    if not isinstance(found, list):
        raise EventError(f"The notification has a {field!r} that is no list.")
    for number, record in enumerate(found, 1):
        yield f"Record {number} of the notification", record


def _nothing_arrived(message: Mapping[str, Any]) -> Ignored:
    """What buckets, buses and topics say beside their events; raises for the rest."""
    if message.get("Event") == "s3:TestEvent":
        return Ignored(reason=Reason.TEST_EVENT, detail="a test of the configuration")
    # Whether to visit a SubscriptionConfirmation's address is for the operator.
    kind = message.get("detail-type", message.get("Type"))
    if isinstance(kind, str) and ("detail-type" in message or "TopicArn" in message):
        return Ignored(reason=Reason.NOT_AN_UPLOAD, detail=f"a message {kind!a}")
    names = ", ".join(sorted(ascii(name) for name in message)[:8]) or "no fields"
    raise EventError(
        "The notification is of no kind that is understood: it has none of 'Records', "
        f"'events', 'specversion', 'detail-type' and 'event_type', but {names}."
    )
