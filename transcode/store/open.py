"""An address → the store that answers for it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from ..contract import Source
from ..errors import ObjectChanged, SourceNotFound
from ..settings import Settings
from .bucket import Bucket, refuse_scheme
from .destination import Destination


def bucket(text: str, settings: Settings) -> AbstractAsyncContextManager[Bucket]:
    """
    Open what *text* names: a folder, `file://`, `s3://bucket/prefix`.

    Connections are shared and closed with the block. A folder need not exist yet.
    Raises `UsageError` for any other scheme.
    """
    if text.startswith("s3://"):
        from .s3_bucket import S3Bucket  # noqa: PLC0415  botocore takes a second

        return S3Bucket.open(text, settings)
    refuse_scheme(text, "store", "a folder, file:// or s3://")
    from .folder_bucket import FolderBucket  # noqa: PLC0415  imports the protocol

    return FolderBucket.open(text)


def state_name(state: Bucket, settings: Settings) -> str:
    """
    What tells a state from every other one, for whoever keeps something beside it: S3
    servers may have buckets of the same name.
    """
    uri, endpoint = state.uri(), settings.s3_endpoint_url
    return f"{endpoint} {uri}" if endpoint and uri.startswith("s3://") else uri


async def locate(text: str, settings: Settings) -> Source:
    """
    Resolve what the user named to one version of one object.

    *text* is a path, `file://`, `s3://bucket/key` or `http(s)://`. Raises
    `SourceNotFound` or `SourceUnreadable`.
    """
    if text.startswith("s3://"):
        from . import s3_source  # noqa: PLC0415  botocore takes a second to import

        return await s3_source.locate(text, settings)
    if text.startswith(("http://", "https://")):
        from . import http_source  # noqa: PLC0415  not needed for files

        return await http_source.locate(text, settings)
    refuse_scheme(text, "source", "a path, file://, s3:// or http(s)://")
    from . import folder_source  # noqa: PLC0415

    return folder_source.locate(text)


async def refuse_change(planned: Source, text: str, settings: Settings) -> None:
    """
    Raise `ObjectChanged` where *text* no longer names what was *planned* for.

    It says whether the object was replaced or is gone.
    """
    try:
        now = await locate(text, settings)
    except SourceNotFound as exc:
        raise ObjectChanged(
            f"{planned.uri!r} was deleted while it was being transcoded; upload it "
            "again to have it transcoded.",
            uri=planned.uri,
        ) from exc
    if (now.etag, now.version, now.bytes) != (
        planned.etag,
        planned.version,
        planned.bytes,
    ):
        raise ObjectChanged(
            f"{planned.uri!r} was changed while it was being transcoded; run again "
            "for the new version.",
            uri=planned.uri,
        )


def destination(text: str, settings: Settings) -> Destination:
    """Resolve `--to`: a folder or `s3://bucket/prefix`."""
    if text.startswith("s3://"):
        # botocore takes a second to import.
        from .bucket_destination import BucketDestination  # noqa: PLC0415
        from .s3_objects import split  # noqa: PLC0415

        name, prefix = split(text)
        address = f"s3://{name}/{prefix.strip('/')}".rstrip("/")
        return BucketDestination(address, lambda: bucket(text, settings))
    refuse_scheme(text, "destination", "a folder, file:// or s3://")
    from .folder_destination import FolderDestination  # noqa: PLC0415

    return FolderDestination(text)
