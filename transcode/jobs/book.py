"""Where each record of a job lies, and how it is read and written."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Literal, TypeVar

import anyio

from ..contract import Value
from ..errors import ObjectExists, ObjectMissing
from ..ledger import append
from ..record import Claim, Ending, LedgerRecord, Submission
from ..store.bucket import Bucket
from .standing import History, Tried

STATE = ".transcode"
_OPEN = f"{STATE}/open/"
_READS_AT_ONCE = 8

Record = TypeVar("Record", bound=Value)
Key = TypeVar("Key")


class Book:
    """The records of all jobs of one destination."""

    def __init__(
        self, objects: Bucket, *, done: Callable[[str], Awaitable[bool]]
    ) -> None:
        """*done* says whether a folder of results holds a manifest."""
        self._objects = objects
        self._done = done

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
            await self._objects.create(_path(job, "submission.json"), _json(submission))
        except ObjectExists:
            return await self.submission(job), False
        return submission, True

    async def submission(self, job: str) -> Submission:
        """Raises `ObjectMissing` where no such job was submitted."""
        return await self._read(Submission, _path(job, "submission.json"))

    async def open_jobs(self) -> AsyncIterator[str]:
        """Ids of jobs that are not over, and of a few that have just ended."""
        async for entry in self._objects.entries(_OPEN):
            yield entry.key.removeprefix(_OPEN)

    async def jobs(self, begins: str = "") -> AsyncIterator[str]:
        """Ids of all jobs there ever were here that begin like this."""
        last = ""
        root = f"{STATE}/jobs/"
        async for entry in self._objects.entries(root + begins):
            job = entry.key.removeprefix(root).partition("/")[0]
            if job != last:
                yield job
            last = job

    async def close(self, job: str) -> None:
        """Nothing is left to do for it."""
        await self._objects.delete(_OPEN + job)

    async def reopen(self, job: str) -> None:
        await self._objects.put(_OPEN + job, b"")

    async def history(self, job: str) -> History:
        """
        Everything about the job; raises `ObjectMissing` where there is none.

        The manifest is looked for last: what was seen before it can only be older.
        """
        found: dict[str, datetime] = {}
        root = _path(job, "")
        async for entry in self._objects.entries(root):
            found[entry.key.removeprefix(root)] = entry.modified
        submission = await self.submission(job)
        claims = await self._several(
            [
                (n, _path(job, f"claims/{n:06d}.json"))
                for n in _numbers(found, "claims")
            ],
            Claim,
        )
        endings = await self._several(
            [
                (n, _path(job, f"endings/{n:06d}.json"))
                for n in _numbers(found, "endings")
            ],
            Ending,
        )
        rounds = _rounds(found)
        number = len(rounds)
        told = f"told/{number:06d}/"
        return History(
            submission=submission,
            tried=tuple(
                Tried(claim, found[f"claims/{n:06d}.json"], endings.get(n))
                for n, claim in sorted(claims.items())
            ),
            done=await self._done(submission.folder),
            round_after=max(rounds, default=0),
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
        await self._objects.create(
            _path(job, f"claims/{number:06d}.json"), _json(claim)
        )
        return claim

    async def renew(self, claim: Claim) -> Literal["renewed", "taken", "cancelled"]:
        """Write the claim again, unless somebody holds a later one or said stop."""
        newest, rounds, cancels = claim.number, 0, set()
        async for entry in self._objects.entries(_path(claim.job_id, "c")):
            kind, _, name = entry.key.removeprefix(_path(claim.job_id, "")).partition(
                "/"
            )
            if kind == "claims":
                newest = max(newest, int(name[:6]))
            else:
                cancels.add(int(name[:6]))
        if newest > claim.number:
            return "taken"
        if cancels:
            async for _ in self._objects.entries(_path(claim.job_id, "rounds/")):
                rounds += 1
            if rounds in cancels:
                return "cancelled"
        again = claim.model_copy(update={"renewals": claim.renewals + 1})
        key = _path(claim.job_id, f"claims/{claim.number:06d}.json")
        await self._objects.put(key, _json(again))
        return "renewed"

    async def end(self, ending: Ending) -> Ending:
        """Say how a claim ended; what was said first counts."""
        key = _path(ending.job_id, f"endings/{ending.claim:06d}.json")
        try:
            await self._objects.create(key, _json(ending))
        except ObjectExists:
            return await self._read(Ending, key)
        return ending

    async def cancel(self, job: str) -> None:
        """Ask whoever holds the job, or would, to stop."""
        number = (await self.history(job)).round_number
        await self._objects.put(_path(job, f"cancels/{number:06d}.json"), b"{}")

    async def retry(self, job: str) -> None:
        """Begin a new round: tries, endings and cancellation so far count no more."""
        history = await self.history(job)
        after = max((one.claim.number for one in history.tried), default=0)
        await self.reopen(job)
        key = _path(job, f"rounds/{history.round_number + 1:06d}-{after:06d}.json")
        await self._objects.put(key, b"{}")

    async def keep_attempt(self, record: LedgerRecord) -> None:
        """Before an attempt as its testament, after it as what it was."""
        name = f"{record.claim:06d}.{record.task_id}.{record.attempt.number}.json"
        await self._objects.put(_path(record.job_id, f"attempts/{name}"), _json(record))

    async def attempts(self, job: str) -> tuple[LedgerRecord, ...]:
        """Every attempt that anybody began, in the order of claims and numbers."""
        keys = [e.key async for e in self._objects.entries(_path(job, "attempts/"))]
        found = await self._several([(key, key) for key in keys], LedgerRecord)
        return tuple(
            sorted(found.values(), key=lambda r: (r.claim, r.task_id, r.attempt.number))
        )

    async def enter(self, record: LedgerRecord) -> None:
        """Into the ledger, once: what stands there already stays."""
        with contextlib.suppress(ObjectExists):
            await append(self._objects, record)

    async def told(self, job: str, round_number: int, digest: str) -> None:
        """A destination knows how the round ended."""
        key = _path(job, f"told/{round_number:06d}/{digest}.json")
        await self._objects.put(key, b"{}")

    async def _read(self, kind: type[Record], key: str) -> Record:
        body, _ = await self._objects.read(key)
        return kind.from_json(body)

    async def _several(
        self, keys: list[tuple[Key, str]], kind: type[Record]
    ) -> dict[Key, Record]:
        limit = anyio.CapacityLimiter(_READS_AT_ONCE)
        found: dict[Key, Record] = {}

        async def read(name: Key, key: str) -> None:
            async with limit:
                try:
                    found[name] = await self._read(kind, key)
                except ObjectMissing:
                    return

        async with anyio.create_task_group() as group:
            for name, key in keys:
                group.start_soon(read, name, key)
        return found


def _path(job: str, name: str) -> str:
    return f"{STATE}/jobs/{job}/{name}"


def _json(value: Value) -> bytes:
    return (value.to_json() + "\n").encode()


def _numbers(found: dict[str, datetime], kind: str) -> list[int]:
    prefix = f"{kind}/"
    return sorted(
        int(key[len(prefix) :][:6]) for key in found if key.startswith(prefix)
    )


def _rounds(found: dict[str, datetime]) -> list[int]:
    """The claim after which each round began; one number for each round."""
    names = {key.removeprefix("rounds/") for key in found if key.startswith("rounds/")}
    by_round = {int(name[:6]): int(name[7:13]) for name in sorted(names)}
    return [by_round[number] for number in sorted(by_round)]
