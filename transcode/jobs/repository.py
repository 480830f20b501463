"""Where each record of a job lies, and how it is read and written."""

from __future__ import annotations

import contextlib
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeVar

import anyio
from pydantic import ValidationError

from ..contract import OutcomeKind, Value
from ..contract.job import Claim, Delivery, Ending, LedgerRecord, Submission
from ..contract.state import ClaimHistory
from ..contract.status import FINAL, JobStatus
from ..errors import LeaseLost, ObjectExists, ObjectMissing, RecordUnreadable
from ..ledger.log import append
from ..store.bucket import Bucket
from .state import History

STATE = ".transcode"


NUMBERED = re.compile(r"(\d{6})\.json")


_ROUND = re.compile(r"rounds/(\d{6})-(\d{6})\.json")


_READS_AT_ONCE = 8
_REMEMBERED = 1024
"""Submissions, of 1 kB each."""


Record = TypeVar("Record", bound=Value)


Key = TypeVar("Key")


def path(job: str, name: str) -> str:
    return f"{STATE}/jobs/{job}/{name}"


def numbers(found: Iterable[str], kind: str) -> list[int]:
    """Of the records of this kind; what others have put beside them is left alone."""
    prefix = f"{kind}/"
    names = (key.removeprefix(prefix) for key in found if key.startswith(prefix))
    matches = (NUMBERED.fullmatch(name) for name in names)
    return sorted(int(match[1]) for match in matches if match)


def rounds(found: Iterable[str]) -> list[int]:
    """The claim after which each round began; one number for each round."""
    matches = [match for key in sorted(found) if (match := _ROUND.fullmatch(key))]
    by_round = {int(match[1]): int(match[2]) for match in matches}
    return [by_round[number] for number in sorted(by_round)]


async def read_one(objects: Bucket, kind: type[Record], key: str) -> Record:
    body, _ = await objects.read(key)
    try:
        return kind.from_json(body)
    except ValidationError as exc:
        raise RecordUnreadable(
            f"{objects.uri(key)!r} is no {kind.__name__.lower()} of ours: "
            f"{exc.errors(include_url=False)[0]['msg']}. Restore it or remove it.",
            key=key,
        ) from exc


async def read_several(
    objects: Bucket,
    keys: list[tuple[Key, str]],
    kind: type[Record],
    *,
    strange_too: bool = False,
) -> dict[Key, Record]:
    """Those that are there; with *strange_too*, whatever else lies among them."""
    limit = anyio.CapacityLimiter(_READS_AT_ONCE)
    found: dict[Key, Record] = {}
    failures: list[Exception] = []

    async def read(name: Key, key: str) -> None:
        async with limit:
            try:
                found[name] = await read_one(objects, kind, key)
            except ObjectMissing:
                return
            except Exception as exc:  # noqa: BLE001 - raised below, not as a group
                if not (strange_too and isinstance(exc, RecordUnreadable)):
                    failures.append(exc)

    async with anyio.create_task_group() as group:
        for name, key in keys:
            group.start_soon(read, name, key)
    if failures:
        raise failures[0]
    return found


_OPEN = f"{STATE}/open/"
_OVER = f"{STATE}/over/"


@dataclass(frozen=True, slots=True)
class EndedJob:
    """A job that came to its end."""

    job_id: str
    status: JobStatus


class JobRepository:
    """The records of all jobs of one destination."""

    def __init__(
        self, objects: Bucket, *, done: Callable[[str], Awaitable[bool]]
    ) -> None:
        """*done* says whether a folder of results holds a manifest."""
        self._objects = objects
        self._done = done
        self._submissions: OrderedDict[str, Submission] = OrderedDict()
        """Of the last jobs that were looked at: none is ever written again."""

    @property
    def objects(self) -> Bucket:
        """Where they lie."""
        return self._objects

    async def now(self) -> datetime:
        return await self._objects.now()

    async def submit(self, submission: Submission) -> tuple[Submission, bool]:
        """
        Keep it, unless the job is known: then what was kept first is what counts.

        The marker comes first: a job without one would never be found by `open_jobs`.
        One that is known gets none: it may be over.
        """
        job = submission.job_id
        with contextlib.suppress(ObjectMissing):
            return await self.submission(job), False
        await self._objects.put(_OPEN + job, b"")
        try:
            await self._objects.create(path(job, "submission.json"), _json(submission))
        except ObjectExists:
            return await self.submission(job), False
        return submission, True

    async def submission(self, job: str) -> Submission:
        """Raises `ObjectMissing` where no such job was submitted."""
        key = path(job, "submission.json")
        found = await read_one(self._objects, Submission, key)
        self._submissions[job] = found
        self._submissions.move_to_end(job)
        while len(self._submissions) > _REMEMBERED:
            self._submissions.popitem(last=False)
        return found

    async def open_jobs(self) -> AsyncIterator[str]:
        """Ids of jobs that are not over, and of a few that have just ended."""
        last = ""
        async for entry in self._objects.entries(_OPEN):
            job = entry.key.removeprefix(_OPEN).partition(".")[0]
            if job not in ("", last):
                yield job
            last = job

    async def known_open(self) -> frozenset[str]:
        """
        Ids of `open_jobs` that were submitted, in a few listings. A marker alone is
        left by who died before the submission: that upload is to be taken again.
        """
        marked = frozenset([job async for job in self.open_jobs()])
        if not marked:
            return marked
        return marked & await self._objects.folders(f"{STATE}/jobs/")

    async def jobs(self, begins: str = "") -> AsyncIterator[str]:
        """Ids of all jobs there ever were here that begin like this."""
        last = ""
        root = f"{STATE}/jobs/"
        async for entry in self._objects.entries(root + begins):
            job = entry.key.removeprefix(root).partition("/")[0]
            if job != last:
                yield job
            last = job

    async def over(self) -> dict[str, EndedJob]:
        """
        Names under which it is noted that a job came to its end, in one listing: the
        job's id, and others that uploads have. What has succeeded once stays so here;
        of a job that was opened again the marker of `open_jobs` tells.
        """
        found: dict[str, EndedJob] = {}
        async for entry in self._objects.entries(_OVER):
            name, status, job, *_ = [*entry.key.removeprefix(_OVER).split("."), "", ""]
            known = found.get(name)
            if status in FINAL and (known is None or known.status != "succeeded"):
                found[name] = EndedJob(job or name, status)
        return found

    async def note(self, name: str, ended: EndedJob) -> None:
        """Have `over` know a job that came to its end by *name*."""
        other = "" if name == ended.job_id else f".{ended.job_id}"
        await self._objects.put(f"{_OVER}{name}.{ended.status}{other}", b"")

    async def close(
        self, job: str, round_number: int, *, ended: EndedJob | None
    ) -> None:
        """
        Nothing is left to do for this round of it, nor for those before.

        That it *ended* for good is said first: listings of uploads then pass it over.
        """
        if ended is not None:
            await self.note(job, ended)
        for number in range(round_number + 1):
            await self._objects.delete(_marker(job, number))

    async def reopen(self, job: str, round_number: int) -> None:
        """Each round has a marker of its own: closing one never hides the next."""
        await self._objects.put(_marker(job, round_number), b"")

    async def done(self, folder: str) -> bool:
        """Whether the manifest exists."""
        return await self._done(folder)

    async def history(self, job: str, *, held_at: datetime | None = None) -> History:
        """
        Everything about the job; raises `ObjectMissing` where there is none.

        The manifest is looked for last: what was seen before it can only be older. It
        is not where somebody holds the job at the time *held_at*: whoever publishes has
        said so before, and holds it no more.
        """
        found: dict[str, datetime] = {}
        root = path(job, "")
        async for entry in self._objects.entries(root):
            found[entry.key.removeprefix(root)] = entry.modified
        submission = self._submissions.get(job)
        if submission is None or "submission.json" not in found:
            submission = await self.submission(job)
        claims = await read_several(
            self._objects,
            [(n, path(job, f"claims/{n:06d}.json")) for n in numbers(found, "claims")],
            Claim,
        )
        endings = await read_several(
            self._objects,
            [
                (n, path(job, f"endings/{n:06d}.json"))
                for n in numbers(found, "endings")
            ],
            Ending,
        )
        begun = rounds(found)
        number = len(begun)
        told = f"told/{number:06d}/"
        tried = tuple(
            ClaimHistory.of(claim, found[f"claims/{n:06d}.json"], endings.get(n))
            for n, claim in sorted(claims.items())
        )
        held = (
            held_at is not None
            and bool(tried)
            and tried[-1].ending is None
            and held_at < tried[-1].held_until
            and all(it.kind != "published" for it in endings.values())
        )
        return History(
            submission=submission,
            tried=tried,
            done=not held and await self._done(submission.folder),
            round_after=max(begun, default=0),
            round_number=number,
            cancelled=f"cancels/{number:06d}.json" in found,
            told=frozenset(
                key.removeprefix(told).removesuffix(".json")
                for key in found
                if key.startswith(told)
            ),
        )

    async def claim(self, job: str, number: int, *, owner: str, lease: float) -> Claim:
        """Create claim *number*; raises `ObjectExists` where somebody was faster."""
        claim = Claim(job_id=job, number=number, owner=owner, lease_seconds=lease)
        await self._objects.create(path(job, f"claims/{number:06d}.json"), _json(claim))
        return claim

    async def renew(self, claim: Claim) -> Literal["renewed", "taken", "cancelled"]:
        """Write the claim again, unless somebody holds a later one or said stop."""
        newest, cancels = claim.number, set()
        async for entry in self._objects.entries(path(claim.job_id, "c")):
            kind, _, name = entry.key.removeprefix(path(claim.job_id, "")).partition(
                "/"
            )
            if match := NUMBERED.fullmatch(name):
                number = int(match[1])
                if kind == "claims":
                    newest = max(newest, number)
                elif kind == "cancels":
                    cancels.add(number)
        if newest > claim.number:
            return "taken"
        if cancels:
            root = path(claim.job_id, "")
            found = [e.key async for e in self._objects.entries(root + "rounds/")]
            begun = rounds(key.removeprefix(root) for key in found)
            if len(begun) in cancels:
                return "cancelled"
        again = claim.model_copy(update={"renewals": claim.renewals + 1})
        key = path(claim.job_id, f"claims/{claim.number:06d}.json")
        await self._objects.put(key, _json(again))
        return "renewed"

    async def end(self, ending: Ending) -> Ending:
        """Say how a claim ended; what was said first counts."""
        key = path(ending.job_id, f"endings/{ending.claim:06d}.json")
        try:
            await self._objects.create(key, _json(ending))
        except ObjectExists:
            return await read_one(self._objects, Ending, key)
        return ending

    async def commit(self, claim: Claim) -> None:
        """
        Say that the manifest comes next; raises `LeaseLost` where the claim was ended
        by somebody else, who has then decided that there shall be none of it.
        """
        said = await self.end(
            Ending(
                job_id=claim.job_id,
                claim=claim.number,
                kind="published",
                final=False,
                outcome=OutcomeKind.SUCCEEDED,
            )
        )
        if said.kind != "published":
            raise LeaseLost(
                f"Job {claim.job_id[:12]} was ended while this worker did not answer. "
                "Nothing of this try will be seen.",
                job_id=claim.job_id,
                claim=claim.number,
            )

    async def seal(self, history: History) -> None:
        """Have no claim so far that was lost publish anything any more."""
        for one in history.tried:
            if one.ending is None:
                await self.end(
                    Ending(
                        job_id=one.claim.job_id,
                        claim=one.claim.number,
                        kind="lost",
                        final=False,
                        outcome=OutcomeKind.LOST,
                    )
                )

    async def cancel(self, job: str) -> None:
        """Ask whoever holds the job, or would, to stop."""
        number = (await self.history(job)).round_number
        await self._objects.put(path(job, f"cancels/{number:06d}.json"), b"{}")

    async def retry(self, job: str) -> None:
        """Begin a new round: tries, endings and cancellation so far count no more."""
        history = await self.history(job)
        after = max((one.claim.number for one in history.tried), default=0)
        number = history.round_number + 1
        key = path(job, f"rounds/{number:06d}-{after:06d}.json")
        await self._objects.put(key, b"{}")
        # Last: the marker of a round that never began would stay for ever.
        await self.reopen(job, number)

    async def keep_attempt(self, record: LedgerRecord) -> None:
        """Before an attempt as its provisional attempt, after it as what it was."""
        name = f"{record.claim:06d}.{record.task_id}.{record.attempt.number}.json"
        await self._objects.put(path(record.job_id, f"attempts/{name}"), _json(record))

    async def attempts(self, job: str) -> tuple[LedgerRecord, ...]:
        """
        Every attempt that anybody began, in the order of claims and numbers.

        What is no record is left out: a job must come to its end without it, too.
        """
        keys = [e.key async for e in self._objects.entries(path(job, "attempts/"))]
        found = await read_several(
            self._objects, [(key, key) for key in keys], LedgerRecord, strange_too=True
        )
        return tuple(
            sorted(found.values(), key=lambda r: (r.claim, r.task_id, r.attempt.number))
        )

    async def enter(self, record: LedgerRecord) -> None:
        """Into the ledger, once: what stands there already stays."""
        with contextlib.suppress(ObjectExists):
            await append(self._objects, record)

    async def told(
        self, job: str, round_number: int, digest: str, *, told: Delivery | None = None
    ) -> None:
        """A destination knows how the round ended; *told* says which, for a person."""
        key = path(job, f"told/{round_number:06d}/{digest}.json")
        await self._objects.put(key, b"{}" if told is None else _json(told))

    async def untold(self, job: str, round_number: int, told: Delivery) -> None:
        """A destination could not be told, last time; it stays to be told."""
        key = path(job, f"untold/{round_number:06d}/{told.digest}.json")
        await self._objects.put(key, _json(told))


async def told_of(objects: Bucket, job: str) -> tuple[Delivery, ...]:
    """Who was told of *job*, and who could not be and has not been since."""
    found: dict[str, str] = {}
    for kind in ("untold/", "told/"):
        root = path(job, kind)
        async for entry in objects.entries(root):
            found[entry.key.removeprefix(root)] = entry.key
    records = await read_several(
        objects, list(found.items()), Delivery, strange_too=True
    )
    return tuple(records[name] for name in sorted(records))


def _marker(job: str, round_number: int) -> str:
    return f"{_OPEN}{job}.{round_number}" if round_number else _OPEN + job


def _json(value: Value) -> bytes:
    return (value.to_json() + "\n").encode()
