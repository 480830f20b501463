"""The result of a job, as it is written once and last."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .media import Media
from .outcome import (
    Attempt,
    AudioFacts,
    Check,
    Failure,
    Partial,
    QualityFacts,
    VideoFacts,
)
from .plan import OnePiece, PlatformRef, ProfileRef
from .recipe import ArtifactKind, MadeBy, Rung
from .source import SourceRecord
from .value import Amount, Value


class Output(Value):
    uri: str
    kind: ArtifactKind
    made_by: MadeBy
    bytes: int
    sha256: str
    container: str | None = None
    duration_seconds: float | None = None
    video: VideoFacts | None = None
    quality: QualityFacts | None = None
    """Of a rendition with a target; None where it was not measured."""
    audio: AudioFacts | None = None
    soundtracks: tuple[AudioFacts, ...] = ()
    media_bytes: int | None = None
    segments: int | None = None


class ResultPage(Value):
    """The page beside the manifest that shows a result: a constant of the release."""

    uri: str
    bytes: int
    sha256: str


class TaskRecord(Value):
    task_id: str
    kind: str
    attempts: tuple[Attempt, ...]


class StoreCharge(Value):
    """Requests of all attempts to the object store, and what they are of the cost."""

    puts: int
    gets: int
    counted: bool
    """False: at least some are derived from what was read and made."""
    amount: Amount | None
    """In the cost's currency; None: nobody knows, and the cost is without it."""
    reason: str | None = None
    """Why `amount` is None."""


class JobCost(Value):
    amount: Amount
    currency: str
    predicted: Amount
    store: StoreCharge | None = None
    """None: no object store was asked for anything."""
    one_piece: OnePiece | None = None
    """Of a job in chunks, what one piece was predicted to take and to cost."""


class Verification(Value):
    passed: bool
    checks: tuple[Check, ...]


class Manifest(Value):
    """The job's result; its existence with status `succeeded` *is* success."""

    schema_: Literal["transcode/manifest/1"] = Field(
        "transcode/manifest/1", alias="schema"
    )
    job_id: str
    status: Literal["succeeded", "rejected", "failed", "cancelled"]
    source: SourceRecord
    profile: ProfileRef
    platform: PlatformRef
    engine: str
    media: Media | None
    rung: Rung | None = None
    outputs: tuple[Output, ...] = ()
    tasks: tuple[TaskRecord, ...] = ()
    cost: JobCost
    verification: Verification
    warnings: tuple[str, ...] = ()
    partial: Partial | None = None
    """None: the results are of the whole source."""
    error: Failure | None = None
    location: str | None = None
    """Where the job's folder is."""
    page: ResultPage | None = None
    """Of a CMAF result. It is no output: nothing of the job is in it."""
    depth: int = 0
    """How many of our own jobs have made the source, one from the other."""
    finished_at: str | None = None
    """UTC, ISO 8601."""
    wall_seconds: float | None = None
