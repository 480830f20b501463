"""S3, OBS and MinIO `Records`, OSS `events`, and S3's events from EventBridge."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import AliasChoices, Field

from ..contract import Provider, Upload
from .models import (
    Count,
    Foreign,
    Instant,
    Name,
    Word,
    read,
    stored_etag,
    stored_key,
    stored_version,
)
from .verdict import Finding, Reason

_INTERNAL = {
    *("InitiateMultipartUpload", "InitialMultipartUpload"),
    *("UploadPart", "UploadPartCopy", "PutSymlink", "AbortMultipartUpload"),
}
"""Of OSS: a trigger on `ObjectCreated:*` is told of every part of an upload."""
_ONLY_METADATA = {"PutRetention", "PutLegalHold", "PutTagging", "DeleteTagging"}
"""Of MinIO, which counts them as `ObjectCreated`."""


BRIDGED = ("Object Created", "Object Deleted", "Object Restore Completed")
"""S3's events on EventBridge that tell of an object's coming or going."""


class _Bucket(Foreign):
    name: Name


class _Object(Foreign):
    key: Name
    size: Count | None = None
    etag: Word = Field(None, validation_alias=AliasChoices("eTag", "etag"))
    version: Word = Field(
        None, validation_alias=AliasChoices("versionId", "version-id")
    )
    sequencer: Word = None
    metadata: Mapping[str, str | None] | None = Field(None, alias="userMetadata")


class _Entity(Foreign):
    bucket: _Bucket
    object: _Object


class _Reply(Foreign):
    request_id: Word = Field(
        None, validation_alias=AliasChoices("x-amz-request-id", "requestId")
    )


class _Record(Foreign):
    name: Name = Field(alias="eventName")
    source: Word = Field(None, alias="eventSource")
    time: Instant = Field(None, alias="eventTime")
    reply: _Reply | None = Field(None, alias="responseElements")
    entity: _Entity = Field(validation_alias=AliasChoices("s3", "obs"))


class _OssRecord(_Record):
    entity: _Entity = Field(alias="oss")


class _Detail(_Entity):
    deletion_type: Word = Field(None, alias="deletion-type")


class _Bridged(Foreign):
    kind: Name = Field(alias="detail-type")
    id: Word = None
    time: Instant = None
    detail: _Detail


def s3(record: object, what: str, *, encoded: bool | None = None) -> Finding:
    """One record of S3, OBS, MinIO and their like, who all form-encode the key."""
    told = read(_Record, record, what)
    key = stored_key(told.entity.object.key, what, encoded=encoded is not False)
    return _finding(_provider(told), told, key)


def oss(record: object, what: str, *, encoded: bool | None = None) -> Finding:
    """One event of Alibaba OSS; its `deltaSize` is not a size."""
    told = read(_OssRecord, record, what)
    return _finding(
        "oss", told, stored_key(told.entity.object.key, what, encoded=bool(encoded))
    )


def bridged(message: object, what: str, *, encoded: bool | None = None) -> Finding:
    """What EventBridge tells of one of `BRIDGED`; keys are not encoded."""
    told = read(_Bridged, message, what)
    stored = told.detail.object
    arrived = told.kind != "Object Deleted"
    marker = told.detail.deletion_type == "Delete Marker Created"
    bucket = told.detail.bucket.name
    key = stored_key(stored.key, what, encoded=bool(encoded))
    upload = Upload(
        provider="aws",
        bucket=bucket,
        key=key,
        uri=address("aws", bucket, key),
        version=None if marker else stored_version(stored.version),
        etag=stored_etag(stored.etag),
        bytes=stored.size,
        event_id=told.id,
        sequencer=stored.sequencer,
        event_time=told.time,
        event_name=told.kind,
    )
    return Finding(upload, None if arrived else Reason.DELETION)


def address(provider: Provider, bucket: str, key: str) -> str:
    """What opens an object: everything but GCS is reached as S3."""
    return f"{'gs' if provider == 'gcs' else 's3'}://{bucket}/{key}"


def _finding(provider: Provider, told: _Record, key: str) -> Finding:
    stored = told.entity.object
    # A marker's version is its own; what went is the key.
    marker = "DeleteMarkerCreated" in told.name
    bucket = told.entity.bucket.name
    upload = Upload(
        provider=provider,
        bucket=bucket,
        key=key,
        uri=address(provider, bucket, key),
        version=None if marker else stored_version(stored.version),
        etag=stored_etag(stored.etag),
        bytes=stored.size,
        event_id=told.reply.request_id if told.reply else None,
        sequencer=stored.sequencer,
        event_time=told.time,
        event_name=told.name,
    )
    return Finding(upload, reason_of(told.name), stored.metadata or {})


def _provider(told: _Record) -> Provider:
    if told.source in (None, "OBS"):
        # Its triggers leave it out, its other events say so.
        return "obs"
    if told.source.startswith("minio") or told.name.startswith("s3:"):
        return "minio"
    return "aws" if told.source == "aws:s3" else "s3"


def reason_of(event_name: str) -> Reason | None:
    """What `ObjectCreated:Put` and its like already say; None for an arrival."""
    family, _, action = event_name.partition(":")
    if family.casefold() in ("s3", "oss"):
        family, _, action = action.partition(":")
    if action in _INTERNAL:
        return Reason.INTERNAL
    if action in _ONLY_METADATA:
        return Reason.UNCHANGED
    if family in ("ObjectRemoved", "LifecycleExpiration"):
        return Reason.DELETION
    if (family, action) == ("ObjectRestore", "Completed"):
        # Archived, it could not be read when it arrived. Where it was a job since
        # before that, it is the same job still.
        return None
    return None if family == "ObjectCreated" else Reason.NOT_AN_UPLOAD
