"""Sources and results on S3-compatible storage."""

from __future__ import annotations

from ..contract import Source
from ..errors import (
    ObjectMissing,
    SourceNotFound,
    SourceUnreadable,
    UsageError,
)
from ..settings import Settings
from .s3_bucket import S3Bucket
from .s3_objects import split

_SIGNED_SECONDS = 12 * 3600


"""How long a worker may go on reading; longer than any platform's time limit but
FunctionGraph's, whose credentials expire after 24 h anyway."""


async def locate(text: str, settings: Settings) -> Source:
    """One version of an object, with a signed address that a worker can read."""
    name, key = split(text)
    if not key:
        raise UsageError(f"{text!r} names no object; write s3://bucket/key.", uri=text)
    async with S3Bucket.open(f"s3://{name}", settings) as bucket:
        try:
            found = await bucket.head(key)
        except ObjectMissing as exc:
            raise SourceNotFound(
                f"There is no object {text!r}. Check bucket and key.", uri=text
            ) from exc
        if found.archived:
            raise SourceUnreadable(
                f"{text!r} is archived: its store has to restore it before it can be "
                "read.",
                uri=text,
            )
        location = await bucket.sign(
            key, seconds=_SIGNED_SECONDS, version=found.version
        )
    return Source(
        uri=text,
        bytes=found.bytes,
        etag=found.etag,
        version=found.version,
        location=location,
        marks={
            name: text
            for name, text in found.metadata.items()
            if name.startswith("transcode-")
        },
    )
