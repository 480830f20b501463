"""S3, OBS and MinIO `Records`, OSS `events`, and S3 through EventBridge."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import AliasChoices, Field

from ..contract import Provider, Upload
from .finding import Finding, Reason
from .foreign import (
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

_NOT_YET_WHOLE = {
    *("InitiateMultipartUpload", "InitialMultipartUpload"),
    *("UploadPart", "UploadPartCopy", "PutSymlink"),
}
"""Of OSS: a trigger on `ObjectCreated:*` is told of every part of an upload."""
_ONLY_METADATA = {"PutRetention", "PutLegalHold", "PutTagging", "DeleteTagging"}
"""Of MinIO, which counts them as `ObjectCreated`."""


class _Bucket(Foreign):
    name: Name
    arn: Word = None
    owner: Mapping[str, object] | str | None = Field(None, alias="ownerIdentity")


class _Object(Foreign):
    key: Name
    size: Count | None = None
    etag: Word = Field(None, validation_alias=AliasChoices("eTag", "etag"))
    version: Word = Field(
        None, validation_alias=AliasChoices("versionId", "version-id")
    )
    sequencer: Word = None
    metadata: Mapping[str, str] | None = Field(None, alias="userMetadata")


class _Entity(Foreign):
    bucket: _Bucket
    object: _Object


class _Reply(Foreign):
    request_id: Word = Field(
        None, validation_alias=AliasChoices("x-amz-request-id", "requestId")
    )


class _Record(Foreign):
    event_name: Name = Field(alias="eventName")
    event_source: Word = Field(None, alias="eventSource")
    event_time: Instant = Field(None, alias="eventTime")
    reply: _Reply | None = Field(None, alias="responseElements")


class _S3Record(_Record):
    entity: _Entity = Field(validation_alias=AliasChoices("s3", "obs"))


class _OssRecord(_Record):
    entity: _Entity = Field(alias="oss")


class _Detail(Foreign):
    bucket: _Bucket
    object: _Object
    deletion_type: Word = Field(None, alias="deletion-type")


class _Bridged(Foreign):
    id: Word = None
    time: Instant = None
    detail: _Detail


def s3(record: object, what: str, *, encoded: bool | None) -> Finding:
    """One record of S3, OBS or MinIO. Their keys are form-encoded."""
    told = read(_S3Record, record, what)
    return _finding(told, told.entity, what, _provider(told), encoded is not False)


def oss(record: object, what: str, *, encoded: bool | None) -> Finding:
    """One event of Alibaba OSS; a `deltaSize` is not a size."""
    told = read(_OssRecord, record, what)
    return _finding(told, told.entity, what, "oss", bool(encoded))


def bridged(message: Mapping[str, object], what: str, encoded: bool | None) -> Finding:
    """S3's `Object Created` and `Object Deleted` of EventBridge: keys are not encoded."""
    told = read(_Bridged, message, what)
    kind, stored = str(message["detail-type"]), told.detail.object
    created = kind == "Object Created"
    marker = told.detail.deletion_type == "Delete Marker Created"
    return Finding(
        upload(
            "aws",
            told.detail.bucket.name,
            stored_key(stored.key, what, encoded=bool(encoded)),
            Upload.model_construct(),
        ),
        None if created else Reason.DELETION,
    )
