"""What the objects of a job's state say of it, put together."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal, TypeVar

from pydantic import ValidationError

from ..contract.job import Claim, Ending, StoredRecord, Submission
from ..contract.state import ClaimHistory, status_of
from ..contract.status import FINAL, JobStatus
from ..store.bucket import Bucket, Entry
from .log import Unreadable, fetch_bodies
from .places import JOBS

OPEN_MARKS = ".transcode/open/"
END_MARKS = ".transcode/over/"
_ROUND = re.compile(r"rounds/(\d{6})-(\d{6})\.json", re.ASCII)


class _JobEnd(StoredRecord):
    """What of a manifest says that a job is over, and how long it took."""

    job_id: str
    status: Literal["succeeded", "rejected", "failed", "cancelled"]
    finished_at: str | None = None
    wall_seconds: float | None = None


class Job(StoredRecord):
    """One job, as the store last showed it."""

    submission: Submission
    claim: Claim | None = None
    """The newest."""
    claim_written_at: datetime | None = None
    ending: Ending | None = None
    """Of the newest claim that has one."""
    round_number: int = 0
    """How often somebody asked for it again."""
    round_after: int = 0
    """Claims up to this number were made before that, and count no more."""
    cancel_asked: bool = False
    """For this round: whoever holds the job, or looks at it next, ends it."""
    told: int = 0
    """Destinations that know how this round ended."""
    succeeded: bool = False
    finished_at: str | None = None
    wall_seconds: float | None = None
    by_hand: bool = False
    """Made by `transcode run`: there is a result, and no job is kept of it."""

    @property
    def job_id(self) -> str:
        return self.submission.job_id

    @property
    def claim_number(self) -> int:
        """Of the newest claim; 0 where there is none."""
        return 0 if self.claim is None else self.claim.number

    def status(self, now: datetime) -> JobStatus:
        """Where the job stands, leases counted at *now*."""
        return status_of(done=self.succeeded, last=self._last, now=now)

    def is_over(self, now: datetime) -> bool:
        """Whether it stays as it is unless somebody asks for it again."""
        return self.status(now) in FINAL

    @property
    def _last(self) -> ClaimHistory | None:
        """The newest claim, if it is of this round."""
        claim, written_at, ending = self.claim, self.claim_written_at, self.ending
        if claim is None or written_at is None or claim.number <= self.round_after:
            return None
        own = ending if ending is not None and ending.claim == claim.number else None
        return ClaimHistory.of(claim, written_at, own)


def by_job(entries: Iterable[Entry]) -> dict[str, dict[str, Entry]]:
    """Job id → the name of an object under it → the object; only what tells of it."""
    found: dict[str, dict[str, Entry]] = {}
    for entry in entries:
        job, _, name = entry.key.removeprefix(JOBS).partition("/")
        if name and not name.startswith(("attempts/", "tasks/")):
            found.setdefault(job, {})[name] = entry
    return found


async def end_marks(bucket: Bucket) -> dict[str, str]:
    """Job id → how and when its ends were noted; changes with each."""
    found: dict[str, str] = {}
    async for entry in bucket.entries(END_MARKS):
        name = entry.key.removeprefix(END_MARKS)
        job, _, how = name.partition(".")
        found[job] = f"{found.get(job, '')}{how}@{entry.modified.timestamp()} "
    return found


def job_of_marker(key: str) -> str:
    """The job that a marker of open jobs is of, whatever its round."""
    return key.removeprefix(OPEN_MARKS).partition(".")[0]


def digest(objects: Mapping[str, Entry]) -> str:
    """Changes when any of the job's objects does."""
    listed = sorted((name, entry.etag) for name, entry in objects.items())
    return hashlib.sha256(repr(listed).encode()).hexdigest()


async def look(
    bucket: Bucket, objects: Mapping[str, Entry]
) -> tuple[Job | None, list[Unreadable]]:
    """Read what matters of one job; None where no submission of it can be read."""
    if "submission.json" not in objects:
        return None, []
    claimed, ended = _last(objects, "claims/"), _last(objects, "endings/")
    keys = [objects[name].key for name in ("submission.json", claimed, ended) if name]
    bodies = await fetch_bodies(bucket, keys)
    strange: list[Unreadable] = []
    submission = _parse(Submission, objects["submission.json"].key, bodies, strange)
    if submission is None:
        return None, strange
    result = f"{submission.folder}/manifest.json"
    done = _parse(_JobEnd, result, await fetch_bodies(bucket, [result]), strange)
    if done is not None and done.job_id != submission.job_id:
        done = None
    ending = _parse(Ending, objects[ended].key, bodies, strange) if ended else None
    number, after = _round(objects)
    job = Job(
        submission=submission,
        claim=_parse(Claim, objects[claimed].key, bodies, strange) if claimed else None,
        claim_written_at=objects[claimed].modified if claimed else None,
        # Every attempt stands in the ledger already.
        ending=ending and ending.model_copy(update={"manifest": None}),
        round_number=number,
        round_after=after,
        cancel_asked=f"cancels/{number:06d}.json" in objects,
        told=sum(name.startswith(f"told/{number:06d}/") for name in objects),
        succeeded=done is not None and done.status == "succeeded",
        finished_at=None if done is None else done.finished_at,
        wall_seconds=None if done is None else done.wall_seconds,
    )
    return job, strange


def _last(objects: Mapping[str, Entry], folder: str) -> str:
    return max((name for name in objects if name.startswith(folder)), default="")


def _round(objects: Mapping[str, Entry]) -> tuple[int, int]:
    """How many `rounds/<number>-<claim>.json` there are, and the last one's claim."""
    found = [m for name in objects if (m := _ROUND.fullmatch(name))]
    last = max(found, key=lambda it: it[1], default=None)
    return len({it[1] for it in found}), 0 if last is None else int(last[2])


Some = TypeVar("Some", bound=StoredRecord)


def _parse(
    kind: type[Some], key: str, bodies: Mapping[str, bytes], strange: list[Unreadable]
) -> Some | None:
    if key not in bodies:
        return None
    try:
        return kind.from_json(bodies[key])
    except ValidationError as exc:
        strange.append(Unreadable(key, str(exc.errors(include_url=False)[0]["msg"])))
        return None
