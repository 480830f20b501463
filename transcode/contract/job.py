"""
What is kept of a job between processes, each an object created once in the store.

    Submission → Claim → LedgerRecord… → Ending or Manifest → Envelope

The same rules as in `contract`: frozen, typed, units in the names. These outlive a
release: readers ignore fields they do not know, so that an older one can read on.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints

from . import (
    Attempt,
    Failure,
    Interval,
    Manifest,
    Media,
    Money,
    PlatformRef,
    ProfileRef,
    Recipe,
    SourceRecord,
    Value,
)
from .status import FINAL, JobStatus, OutcomeKind

Tag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:/@+-]{1,64}$")]
"""Key or value of a tag: safe in a metric's label, a file name and a CSV."""


class StoredRecord(Value):
    """A record that a later or an earlier release may read."""

    model_config = ConfigDict(extra="ignore")


class Submission(StoredRecord):
    """What somebody or some event asked for, of one version of one object."""

    schema_: Literal["transcode/submission/1"] = Field(
        "transcode/submission/1", alias="schema"
    )
    job_id: str
    folder: str
    """Of the results, under the destination."""
    source: SourceRecord
    location: str | None = None
    """Of a file: its real path. One that the name leads to later is another file."""
    profile: ProfileRef
    """Refused if its digest is another when the work starts."""
    profile_from: str | None = None
    """What it is looked up by: a name, or the absolute path of a file; None: `name`."""
    to: str
    engine: str = "local"
    platform: str | None = None
    deadline_seconds: float | None = None
    """From `submitted_at` to the manifest."""
    budget: str | None = None
    memory_mib: int | None = None
    optimize: Literal["cost", "time", "balanced"] = "balanced"
    options: Mapping[str, Any] = Field(default_factory=dict)
    """Further fields of `pipeline.Request` that are not at their default."""
    tags: Mapping[Tag, Tag] = Field(default_factory=dict)
    priority: int = 0
    """Higher first; between equals the older first."""
    event_id: str | None = None
    depth: int = 0
    """How many of our own jobs stand between this source and a real upload."""
    submitted_at: datetime
    """UTC, by the clock of the store."""
    traceparent: str | None = None
    """The span that it was taken in, as W3C Trace Context writes it; None where there
    are no traces."""


class Claim(StoredRecord):
    """
    The right to work on a job, until its lease ends or a higher number exists.

    The number is the fencing token: objects written under it are seen only through a
    manifest or ending that its holder commits.
    """

    schema_: Literal["transcode/claim/1"] = Field("transcode/claim/1", alias="schema")
    job_id: str
    number: int
    """From 1; created conditionally, so each number has one holder."""
    owner: str
    """Who: host, process and a random part; never reused."""
    lease_seconds: float
    """Counted from the last write of the claim by the clock of the store."""
    renewals: int = 0


class Ending(StoredRecord):
    """
    How a claim ended; there is at most one for a number.

    `published` is written by its holder right before the manifest, `lost` by whoever
    ends the job in its stead: the store lets one of them exist, so that a worker that
    comes back after the job was given up publishes nothing.
    """

    schema_: Literal["transcode/ending/1"] = Field("transcode/ending/1", alias="schema")
    job_id: str
    claim: int
    kind: Literal["failed", "handed_back", "cancelled", "published", "lost"]
    final: bool
    """True: nobody takes the job again but by `transcode retry`."""
    outcome: OutcomeKind
    failure: Failure | None = None
    manifest: Manifest | None = None
    """In a failure's shape, with every attempt of the claim and its cost."""
    not_before: datetime | None = None
    """When trying again makes sense; None: at once."""


class LedgerRecord(StoredRecord):
    """One attempt and what it cost; written once, never changed."""

    schema_: Literal["transcode/ledger/1"] = Field("transcode/ledger/1", alias="schema")
    recorded_at: datetime
    """UTC, by the clock of the store: when the attempt began. The same before and
    after it, so that one attempt has one name in the ledger whoever enters it."""
    job_id: str
    claim: int
    """Of a run by hand, which claims nothing: when it began, milliseconds."""
    task_id: str
    kind: str
    """The task's: `encode`; `function` for the small functions around the tasks."""
    source: SourceRecord
    profile: ProfileRef
    platform: PlatformRef
    engine: str
    tags: Mapping[Tag, Tag] = Field(default_factory=dict)
    attempt: Attempt
    predicted_cost: Money | None = None
    """At the prices of `platform`, before it ran."""
    predicted_wall: Interval | None = None
    media: Media | None = None
    """With `recipe`, what a re-fit of the prediction needs."""
    recipe: Recipe | None = None
    platform_billed_milliseconds: int | None = None
    """What the platform says it billed; None until its log is entered."""

    @property
    def key(self) -> str:
        """
        Its name in the ledger: sorted by day, unique per attempt; with the platform's
        own figure it has another, and stands for the record that had none.
        """
        day = self.recorded_at.strftime("%Y-%m-%d")
        known = "" if self.platform_billed_milliseconds is None else ".billed"
        return (
            f"{day}/{self.job_id}.{self.claim:04d}.{self.task_id}."
            f"{self.attempt.number}{known}.json"
        )


class Envelope(StoredRecord):
    """What destinations are sent: a result, its job, and where the manifest is."""

    schema_: Literal["transcode/notice/1"] = Field("transcode/notice/1", alias="schema")
    id: str
    """The same on every delivery of one result: job id, status, and after a `retry`
    its number. No `.` in it: that delimits it where a webhook is signed."""
    job_id: str
    status: Literal["succeeded", "rejected", "failed", "cancelled"]
    submission: Submission
    manifest: Manifest | None
    """None where it would not fit; `manifest_uri` leads to it."""
    manifest_uri: str | None
    """None for a failure, which has no object of its own but this one."""
    tries: int
    """Claims that were needed."""
    sent_at: datetime

    @classmethod
    def of(  # noqa: PLR0913 - the facts of one ending, each from elsewhere
        cls,
        submission: Submission,
        manifest: Manifest,
        *,
        manifest_uri: str | None,
        tries: int,
        sent_at: datetime,
        round_number: int = 0,
    ) -> Self:
        name = f"{submission.job_id}-{manifest.status}"
        return cls(
            id=f"{name}-{round_number}" if round_number else name,
            job_id=submission.job_id,
            status=manifest.status,
            submission=submission,
            manifest=manifest,
            manifest_uri=manifest_uri,
            tries=tries,
            sent_at=sent_at,
        )


class JobReport(StoredRecord):
    """Where a job stands, for whoever asks."""

    job_id: str
    folder: str
    status: JobStatus
    detail: str | None = None
    """One clause: who works on it, until when it waits, why it failed."""
    submission: Submission
    tries: int = 0
    """Claims so far, of all rounds."""
    manifest: Manifest | None = None
    """Of a success or a failure; None while it is neither."""

    @property
    def over(self) -> bool:
        """Whether it stays as it is unless somebody asks for it again."""
        return self.status in FINAL


class Delivery(StoredRecord):
    """What became of telling one destination of one result; it can be tried again."""

    schema_: Literal["transcode/told/1"] = Field("transcode/told/1", alias="schema")
    envelope_id: str
    digest: str
    """Of destination and envelope: the name of this record."""
    target: str
    """For a person; without what may be secret in the address."""
    ok: bool
    tries: int
    """Of this round."""
    linked: bool = False
    """True: it was sent without the manifest, which did not fit."""
    error: Failure | None = None
    """The last one; `retryable` says whether another round can help."""
