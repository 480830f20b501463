"""What is answered that is no value of the contract."""

from __future__ import annotations

from typing import Any, Literal

from ..contract import Value


class ToldUpload(Value):
    """What became of one upload."""

    uri: str
    job_id: str | None
    status: str
    new: bool
    ignored: str | None
    """Why it became no job."""
    error: dict[str, Any] | None


class NoUpload(Value):
    """What an event told of that is no upload."""

    reason: str
    detail: str | None
    uri: str | None


class Told(Value):
    """What became of an event."""

    uploads: tuple[ToldUpload, ...]
    ignored: tuple[NoUpload, ...]


class Healthy(Value):
    """A constant."""

    status: Literal["ok"]
