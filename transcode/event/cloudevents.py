"""CloudEvents, structured or binary: OBS by EventGrid, GCS, S3, OSS, and our own."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import AliasChoices, Field

from ..contract import Upload
from ..errors import EventError
from . import s3_records
from .models import (
    Count,
    Foreign,
    Instant,
    Name,
    Word,
    decoded,
    read,
    stored_etag,
    stored_key,
    stored_version,
)
from .verdict import Finding, Reason

_GCS = "google.cloud.storage.object.v1."
_GCS_REASONS = {
    "finalized": None,
    "deleted": Reason.DELETION,
    "archived": Reason.DELETION,
    "metadataUpdated": Reason.UNCHANGED,
}


class CloudEvent(Foreign):
    """The envelope: https://github.com/cloudevents/spec, version 1.0."""

    specversion: Name
    id: Name
    source: Name
    type: Name
    time: Instant = None
    subject: Word = None
    data: Any = None
    data_base64: Word = None


class _GridBucket(Foreign):
    name: Name = Field(validation_alias=AliasChoices("name", "bucket"))


class _GridObject(Foreign):
    key: Name
    size: Count | None = None
    etag: Word = Field(None, alias="eTag")
    version: Word = Field(None, alias="versionId")


class _GridEntity(Foreign):
    bucket: _GridBucket
    object: _GridObject


class _GridRecord(Foreign):
    name: Name = Field(alias="eventName")
    obs: _GridEntity


class _GcsObject(Foreign):
    bucket: Name
    name: Name
    generation: Count | None = None
    size: Count | None = None
    etag: Word = None
    metadata: Mapping[str, str | None] | None = None


class _Named(Foreign):
    uri: Name
    size: Count | None = None
    etag: Word = None
    version: Word = None


def in_binary_mode(headers: Mapping[str, str]) -> bool:
    """Whether the envelope stands in lower-case *headers* and the body is the data."""
    structured = headers.get("content-type", "").startswith("application/cloudevents")
    return not structured and ("ce-type" in headers or "ce-specversion" in headers)


def from_headers(headers: Mapping[str, str], body: object) -> dict[str, object]:
    """
    The envelope that a request in binary mode spreads over its headers.

    Header values are percent-encoded (HTTP protocol binding 1.0, 3.1.3.2).
    """
    told: dict[str, object] = {
        name.removeprefix("ce-"): unquote(value)
        for name, value in headers.items()
        if name.startswith("ce-")
    }
    # Without one the envelope says which attribute is missing.
    return {"specversion": ""} | told | {"data": body}


def findings(
    message: Mapping[str, object], *, encoded: bool | None
) -> Iterator[Finding]:
    """Every object that one CloudEvent tells of; raises `EventError`."""
    event = read(CloudEvent, message, "A CloudEvent")
    what = f"A CloudEvent of type {event.type!r}"
    data = _data(event, what)
    if event.source.startswith("HC.OBS") or event.type.startswith("OBS:"):
        # One record or several, by subscription.
        for record in data if isinstance(data, list) else [data]:
            yield _grid(event, record, what, encoded=encoded)
    elif event.type.startswith(_GCS):
        yield _gcs(event, data, what)
    elif event.type.startswith("com.amazonaws.s3."):
        yield s3_records.s3(data, what, encoded=encoded)
    elif event.type.startswith("oss:"):
        yield s3_records.oss(data, what, encoded=encoded)
    else:
        yield _named(event, data, what)


def _data(event: CloudEvent, what: str) -> object:
    if event.data is not None or event.data_base64 is None:
        return event.data
    try:
        text = base64.b64decode(event.data_base64, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise EventError(
            f"{what} has a 'data_base64' that is not Base64.", event=what
        ) from exc
    return decoded(text, what)


def _grid(
    event: CloudEvent, record: object, what: str, *, encoded: bool | None
) -> Finding:
    told = read(_GridRecord, record, what)
    stored = told.obs.object
    marker = "DeleteMarkerCreated" in told.name
    bucket = told.obs.bucket.name
    # A subscription's `objectKeyEncode` decides; no event says which it was.
    key = stored_key(stored.key, what, encoded=bool(encoded))
    upload = Upload(
        provider="obs",
        bucket=bucket,
        key=key,
        uri=s3_records.address("obs", bucket, key),
        version=None if marker else stored_version(stored.version),
        etag=stored_etag(stored.etag),
        bytes=stored.size,
        event_id=event.id,
        # It is `1` in every event seen, and the record's own time is local time that
        # calls itself UTC; the envelope's is right.
        sequencer=None,
        event_time=event.time,
        event_name=told.name,
    )
    return Finding(upload, s3_records.reason_of(told.name))


def _gcs(event: CloudEvent, data: object, what: str) -> Finding:
    told = read(_GcsObject, data, what)
    kind = event.type.removeprefix(_GCS)
    reason = _GCS_REASONS.get(kind, Reason.NOT_AN_UPLOAD)
    known = told.generation is not None
    upload = Upload(
        provider="gcs",
        bucket=told.bucket,
        key=told.name,
        uri=s3_records.address("gcs", told.bucket, told.name),
        # A generation that went takes all older ones with it, as a key does.
        version=str(told.generation) if known and reason is None else None,
        etag=stored_etag(told.etag),
        bytes=told.size,
        event_id=event.id,
        # Microseconds since 1970 when the content was written; always increasing.
        sequencer=f"{told.generation:020d}" if known else None,
        event_time=event.time,
        event_name=event.type,
    )
    return Finding(upload, reason, told.metadata or {})


def _named(event: CloudEvent, data: object, what: str) -> Finding:
    """An event of anybody's making, with `{"uri": …}` as its data."""
    told = read(_Named, data, what)
    scheme, found, rest = told.uri.partition("://")
    if not found or scheme not in ("s3", "gs", "http", "https"):
        # A file is named by who may read it, not by whoever can send a request.
        raise EventError(
            f"{what} has a 'uri' that is no s3://, gs://, http:// or https:// address: "
            f"{told.uri!r}.",
            event=what,
            uri=told.uri,
        )
    web = scheme.startswith("http")
    bucket, key = _web_place(told.uri, what) if web else _split(rest)
    if not bucket or not key or "@" in bucket:
        raise EventError(
            f"{what} has a 'uri' that names no object, or a password: write "
            "s3://bucket/key or https://host/path.",
            event=what,
        )
    upload = Upload(
        provider="http" if web else "gcs" if scheme == "gs" else "s3",
        bucket=bucket,
        key=key,
        uri=told.uri,
        version=told.version,
        etag=stored_etag(told.etag),
        bytes=told.size,
        # Unique together: CloudEvents 1.0, "id".
        event_id=f"{event.source} {event.id}",
        event_time=event.time,
        event_name=event.type,
    )
    return Finding(upload)


def _split(rest: str) -> tuple[str, str]:
    bucket, _, key = rest.partition("/")
    return bucket, key


def _web_place(uri: str, what: str) -> tuple[str, str]:
    """Host and path, without the query: two signatures do not make two objects."""
    try:
        parts = urlsplit(uri)
    except ValueError as exc:
        raise EventError(
            f"{what} has a 'uri' that is no address: {exc}.", event=what
        ) from exc
    return parts.netloc, parts.path.removeprefix("/")
