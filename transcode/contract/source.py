"""What arrived, and where it lies."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import Field

from .value import Value

# ── what arrived ──────────────────────────────────────────────────────────────

Provider = Literal[
    "aws", "obs", "oss", "gcs", "minio", "seaweedfs", "s3", "http", "folder"
]


"""Whose event told of an upload; `s3` is storage that only speaks like S3."""


class Upload(Value):
    """One version of one object that arrived, as an event tells it; not looked at."""

    provider: Provider
    bucket: str
    """The watched folder of a `folder`, the host of an `http` address."""
    key: str
    """Exactly as stored: decoded where the event encodes it, and only there."""
    uri: str
    """What opens it: `s3://`, `gs://`, `http(s)://` or an absolute path. The query of
    an http address may be a signature: for opening, not for printing."""
    version: str | None = None
    """None where the bucket keeps no versions; the generation in GCS."""
    etag: str | None = None
    """Without quotes, else as stated. GCS's is not the one its S3 interface gives."""
    bytes: int | None = None
    event_id: str | None = None
    """The same on every delivery of an event; an event may tell of several uploads."""
    sequencer: str | None = None
    """Orders events of one key: as text, the shorter padded with zeros on the right."""
    event_time: datetime | None = None
    """UTC."""
    event_name: str
    """In the provider's words: `ObjectCreated:Put`."""


class Source(Value):
    """One version of one object: its identity, and where a worker can read it."""

    uri: str
    """As the user or the event named it; credentials never stand in it."""
    bytes: int | None
    etag: str | None
    """For a local file: size and modification time, since a folder has no etag."""
    version: str | None = None
    location: str
    """What a process opens: an absolute path, or an http(s) URL (may be signed, so
    it is never printed and not part of the job's identity)."""
    public_only: bool = False
    """Whether a stranger may have chosen its server, which then is to be refused on
    this machine and in private networks."""
    marks: Mapping[str, str] = Field(default_factory=dict)
    """The `transcode-…` metadata of an object: on what we made ourselves."""

    @property
    def depth(self) -> int:
        """How many of our jobs stand between this and a real upload."""
        if "transcode-job" not in self.marks:
            return 0
        before = self.marks.get("transcode-depth", "")
        return int(before) + 1 if before.isdecimal() else 1

    @property
    def is_remote(self) -> bool:
        return self.location.startswith(("http://", "https://"))


class SourceRecord(Value):
    uri: str
    bytes: int | None
    etag: str | None
    version: str | None
