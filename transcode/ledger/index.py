"""
A local index of one state's jobs and attempts: what listing and reports ask.

It holds nothing of its own. It is brought up to date from the store, may be deleted at
any time, and made anew it gives the same answers.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from ..contract.job import LedgerRecord
from ..store.bucket import Bucket, Entry
from .job_filter import JobFilter
from .job_rows import (
    END_MARKS,
    OPEN_MARKS,
    Job,
    by_job,
    digest,
    end_marks,
    job_of_marker,
    look,
)
from .log import AT_A_TIME, Unreadable, entries, fetch_bodies, parse
from .places import JOBS, LEDGER
from .queries import GROUPS, totals, used
from .reading import EVERYTHING_EVERY, STAMPS, IndexReader
from .results import BY_HAND, FOLDER, job_of, key_of, records_of
from .results import parse as parse_result
from .tables import add_records, remove_records, sum_up, tags_text, unfit
from .totals import Total

if TYPE_CHECKING:
    from .statement import Used

__all__ = ["GROUPS", "JOBS", "Index", "Job", "JobFilter", "Synced"]

OVERLAP = timedelta(days=2)
"""Days before the newest that are looked through again: clocks differ, and a worker
that was cut off reports late."""
_BATCH = 16 * AT_A_TIME
_RESULT = "result"
"""The mark of a job that is known by its result alone."""
_RESULTS = 4 * AT_A_TIME
"""Manifests in memory at a time: of a long ladder one has 100 kB."""
_ONE_BY_ONE = 64
"""Jobs that are listed alone; for more, all are."""
_PLACES = frozenset({"", JOBS, END_MARKS, OPEN_MARKS, LEDGER})
"""Where what is new shows, beside the days of the ledger."""


@dataclass(frozen=True, slots=True)
class Synced:
    """What bringing the index up to date found."""

    attempts: int
    """Records that were new."""
    jobs: int
    """Jobs that were new or had changed."""
    strange: tuple[Unreadable, ...]
    """Everything in the state that is no record of ours, known before or not."""


class Index(IndexReader):
    """One state's index; made by `open`, closed with the block."""

    async def sync(self, bucket: Bucket, *, everything: bool = False) -> Synced:
        """
        Take in what is new in the store.

        Of the ledger the newest days are listed, of jobs those that are not known to be
        over; once a day, or with *everything*, all of it. Where the store can tell that
        nothing has changed, nothing is listed.
        """
        stamps = await _stamps(bucket)
        if not everything and self.is_current(stamps.get):
            return Synced(0, 0, ())
        all_over = everything or self._lists_jobs()
        attempts = await self._sync_ledger(bucket, everything=everything)
        jobs, unsure = await self._sync_jobs(bucket, everything=all_over)
        results, unread = await self._sync_results(
            bucket, attempts, everything=all_over
        )
        rows = self._base.execute("SELECT key, why FROM strange ORDER BY key")
        strange = tuple(Unreadable(*row) for row in rows)
        with self._base:
            # What is not over, or not understood, may change within its own folder.
            settled = not unsure and not unread and not strange
            self._note(STAMPS, json.dumps(self._kept(stamps)) if settled else "")
        return Synced(attempts, jobs + results, strange)

    def _kept(self, stamps: Mapping[str, str | None]) -> dict[str, str]:
        """What has to be as it is for nothing to be new; none where that is unknown."""
        newest = self._fact("newest")
        since = str(date.fromisoformat(newest) - OVERLAP) if newest else ""
        kept = {
            at: one
            for at, one in stamps.items()
            if at in _PLACES or at.removeprefix(LEDGER).rstrip("/") >= since
        }
        known = {at: one for at, one in kept.items() if one is not None}
        return known if len(known) == len(kept) else {}

    async def _sync_ledger(self, bucket: Bucket, *, everything: bool) -> int:
        now = datetime.now(UTC)
        newest, listed_at = self._fact("newest"), self._fact("listed_at")
        since = None
        if newest and listed_at and not everything:
            age = now - datetime.fromisoformat(listed_at)
            if age <= EVERYTHING_EVERY:
                since = date.fromisoformat(newest) - OVERLAP
        known = self._known("" if since is None else since.isoformat())
        gone, wanted, count = set(known), list[Entry](), 0
        async for entry in entries(bucket, since):
            gone.discard(entry.key)
            if known.get(entry.key) not in ("", entry.etag):
                wanted.append(entry)
            if len(wanted) == _BATCH:
                count += await self._take(bucket, wanted)
                wanted = []
        count += await self._take(bucket, wanted)
        with self._base:
            if since is None:
                self._forget(gone)
                self._note("listed_at", now.isoformat())
            sum_up(self._base)
            self._note("newest", self._newest(now.date()))
        return count

    def _known(self, first: str) -> dict[str, str]:
        """Key → the etag it was strange with; empty for a record: those stay."""
        rows = self._base.execute(
            "SELECT ? || key, '' FROM attempts WHERE key >= ? "
            "AND (claim != ? OR reported) UNION ALL "
            "SELECT key, etag FROM strange WHERE key >= ? AND key < ?",
            (LEDGER, first, BY_HAND, LEDGER + first, LEDGER + "\uffff"),
        )
        return dict(rows.fetchall())

    async def _take(self, bucket: Bucket, wanted: Sequence[Entry]) -> int:
        bodies = await fetch_bodies(bucket, [entry.key for entry in wanted])
        records: list[LedgerRecord] = []
        strange: list[tuple[str, str, str]] = []
        for entry in wanted:
            if entry.key not in bodies:
                continue
            found = parse(entry.key, bodies[entry.key])
            why = found.why if isinstance(found, Unreadable) else unfit(found)
            if isinstance(found, Unreadable) or why is not None:
                strange.append((entry.key, entry.etag, why or ""))
            else:
                records.append(found)
        with self._base:
            self._not_strange(LEDGER + record.key for record in records)
            self._base.executemany(
                "INSERT OR REPLACE INTO strange VALUES (?, ?, ?)", strange
            )
            add_records(self._base, records)
        return len(records)

    def _not_strange(self, keys: Iterable[str]) -> None:
        delete = "DELETE FROM strange WHERE key = ?"
        self._base.executemany(delete, ((key,) for key in keys))

    def _forget(self, keys: set[str]) -> None:
        self._not_strange(keys)
        remove_records(self._base, (key.removeprefix(LEDGER) for key in sorted(keys)))

    def _newest(self, today: date) -> str:
        # A clock far ahead must not hide what comes until then.
        row = self._base.execute(
            "SELECT MAX(day) FROM attempts WHERE day <= ? AND claim != ?",
            (today.isoformat(), BY_HAND),
        )
        return row.fetchone()[0] or ""

    async def _sync_jobs(
        self, bucket: Bucket, *, everything: bool
    ) -> tuple[int, set[str]]:
        """How many were new or changed, and those that may change again unseen."""
        changed = 0
        opened = {job_of_marker(e.key) async for e in bucket.entries(OPEN_MARKS)}
        marks, known = await end_marks(bucket), self._known_jobs()
        if everything:
            listed = by_job([entry async for entry in bucket.entries(JOBS)])
            there = frozenset(listed)
            gone = known.keys() - there
            self._note("jobs_listed_at", datetime.now(UTC).isoformat())
        else:
            there = await bucket.folders(JOBS)
            listed, gone = {}, known.keys() - there
            unsure = _unsure(there, known, opened, marks)
            if len(unsure) > _ONE_BY_ONE:
                found = [e async for e in bucket.entries(JOBS)]
                listed = {j: them for j, them in by_job(found).items() if j in unsure}
            else:
                for one in sorted(unsure):
                    found = [e async for e in bucket.entries(f"{JOBS}{one}/")]
                    listed |= by_job(found)
        for job_id, objects in listed.items():
            seen, mark = digest(objects), marks.get(job_id, "")
            if known.get(job_id) == (seen, mark):
                continue
            job, strange = await look(bucket, objects)
            with self._base:
                changed += self._keep(job_id, job, seen, mark)
                self._not_strange(entry.key for entry in objects.values())
                self._base.executemany(
                    "INSERT OR REPLACE INTO strange VALUES (?, '', ?)",
                    [(it.key, it.why) for it in strange],
                )
        with self._base:
            for job_id in gone:
                self._forget_job(job_id)
        return changed, _unsure(there, self._known_jobs(), opened, marks)

    async def _sync_results(
        self, bucket: Bucket, told: int, *, everything: bool
    ) -> tuple[int, frozenset[str]]:
        """
        Take in what `transcode run` has made here, by the manifests that tell of it:
        how many were new or changed, and the folders that have none yet.

        One that is known is read again with *everything* only: results stay as they
        are, or are gone. *told*: how much the ledger had to say that was new.
        """
        there = {it for it in await bucket.folders("") if FOLDER.fullmatch(it)}
        kept = self._base.execute("SELECT folder FROM jobs WHERE mark != ?", (_RESULT,))
        there -= {folder for (folder,) in kept}
        rows = self._base.execute("SELECT folder, digest FROM results")
        known: dict[str, str] = dict(rows.fetchall())
        wanted = sorted(there if everything else there - known.keys())
        changed = 0
        for at in range(0, len(wanted), _RESULTS):
            folders = wanted[at : at + _RESULTS]
            bodies = await fetch_bodies(bucket, [key_of(it) for it in folders])
            with self._base:
                for folder in folders:
                    body = bodies.get(key_of(folder), b"")
                    seen = hashlib.sha256(body).hexdigest()
                    if known.get(folder) != seen:
                        self._forget_result(folder)
                        changed += self._keep_result(folder, body, seen, bucket.uri())
        with self._base:
            for folder in sorted(known.keys() - there):
                self._forget_result(folder)
                changed += 1
            if changed or told:
                self._let_ledgers_tell()
            sum_up(self._base)
        rows = self._base.execute("SELECT folder FROM results")
        return changed, frozenset(there - {folder for (folder,) in rows})

    def _keep_result(self, folder: str, body: bytes, seen: str, to: str) -> int:
        found = parse_result(folder, body) if body else None
        if found is None:
            # Not finished yet, or somebody else's: looked at again the next time.
            return 0
        strange = found if isinstance(found, Unreadable) else None
        if not isinstance(found, Unreadable):
            records = records_of(found)
            whys = [why for one in records if (why := unfit(one))]
            if whys:
                strange = Unreadable(key_of(folder), whys[0])
            else:
                add_records(self._base, records)
                self._write(job_of(folder, found, to=to), "", _RESULT)
        if strange is not None:
            row = (strange.key, seen, strange.why)
            self._base.execute("INSERT OR REPLACE INTO strange VALUES (?, ?, ?)", row)
        job_id = "" if isinstance(found, Unreadable) else found.job_id
        row = (folder, job_id, seen)
        self._base.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", row)
        return 1

    def _forget_result(self, folder: str) -> None:
        self._not_strange([key_of(folder)])
        rows = self._base.execute(
            "DELETE FROM results WHERE folder = ? RETURNING job_id", (folder,)
        )
        for (job_id,) in rows.fetchall():
            self._base.execute(
                "DELETE FROM jobs WHERE job_id = ? AND mark = ?", (job_id, _RESULT)
            )
            keys = self._base.execute(
                "SELECT key FROM attempts WHERE job_id = ? AND claim = ?",
                (job_id, BY_HAND),
            )
            remove_records(self._base, [key for (key,) in keys.fetchall()])

    def _let_ledgers_tell(self) -> None:
        """What the ledger has of a job, and when it was, is better known than this."""
        keys = self._base.execute(
            "SELECT key FROM attempts AS mine WHERE claim = ? AND EXISTS (SELECT 1 "
            "FROM attempts AS told WHERE told.job_id = mine.job_id AND told.claim > ? "
            "AND told.outcome = 'succeeded')",
            (BY_HAND, BY_HAND),
        )
        remove_records(self._base, [key for (key,) in keys.fetchall()])

    def _known_jobs(self) -> dict[str, tuple[str, str]]:
        """Job → its digest, empty unless it was over, and how its end was marked."""
        rows = self._base.execute(
            "SELECT job_id, digest, mark FROM jobs WHERE mark != ?", (_RESULT,)
        )
        return {job: (seen, mark) for job, seen, mark in rows}

    def _lists_jobs(self) -> bool:
        """Whether it is time to look through every object of every job."""
        before = self._fact("jobs_listed_at")
        now = datetime.now(UTC)
        return not before or now - datetime.fromisoformat(before) > EVERYTHING_EVERY

    def _keep(self, job_id: str, job: Job | None, seen: str, mark: str) -> int:
        """Write *job* down; 1 where that changed anything."""
        if job is None:
            return self._forget_job(job_id)
        # The result of a job that is not over lies outside of its state: look again.
        over = job.is_over(datetime.now(UTC))
        return self._write(job, seen if over else "", mark)

    def _forget_job(self, job_id: str) -> int:
        # A result may tell of it none the less.
        gone = self._base.execute(
            "DELETE FROM jobs WHERE job_id = ? AND mark != ?", (job_id, _RESULT)
        )
        return gone.rowcount

    def _write(self, job: Job, seen: str, mark: str) -> int:
        submission, now = job.submission, datetime.now(UTC)
        over, job_id = job.is_over(now), job.job_id
        row = (
            *(job_id, seen),
            *(submission.submitted_at.isoformat(), submission.folder),
            *(tags_text(submission.tags), job.to_json()),
            job.status(now) if over else "",
            *(submission.source.uri, submission.profile.name, mark),
        )
        old = self._base.execute("SELECT * FROM jobs WHERE job_id = ?", (job_id,))
        if old.fetchone() == row:
            return 0
        marks = ", ".join("?" * len(row))
        self._base.execute(f"INSERT OR REPLACE INTO jobs VALUES ({marks})", row)  # noqa: S608
        return 1

    def _note(self, name: str, value: str) -> None:
        self._base.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def jobs(self, wanted: JobFilter | None = None) -> Iterator[Job]:
        """Every job that is *wanted*, the newest first."""
        wanted = wanted or JobFilter()
        where, values = wanted.where()
        chosen = f"SELECT tags, body FROM jobs WHERE {where}"  # noqa: S608 - ours
        for row in self._base.execute(
            f"{chosen} ORDER BY submitted_at DESC, job_id", values
        ):
            if wanted.tags and not {*wanted.tags} <= json.loads(row[0]).items():
                continue
            job = Job.from_json(row[1])
            if not wanted.statuses or job.status(wanted.now) in wanted.statuses:
                yield job

    def find(self, text: str) -> list[Job]:
        """The jobs whose id begins with *text*, or whose folder it is."""
        rows = self._base.execute(
            "SELECT body FROM jobs WHERE substr(job_id, 1, ?) = ? OR folder = ? "
            "ORDER BY job_id",
            (len(text), text, text),
        )
        return [Job.from_json(row[0]) for row in rows]

    def attempts(self, job_id: str) -> tuple[LedgerRecord, ...]:
        """Every attempt of a job, in the order of claim, task and number."""
        return tuple(
            self._records(
                "job_id = ? AND stands ORDER BY claim, task_id, number", (job_id,)
            )
        )

    def records(
        self, since: date | None = None, until: date | None = None
    ) -> Iterator[LedgerRecord]:
        """The records of these days, both included, by day."""
        return self._records(
            "day BETWEEN ? AND ? AND stands ORDER BY attempts.key", _days(since, until)
        )

    def latest(self, count: int) -> Iterator[LedgerRecord]:
        """The last *count* records of attempts that succeeded, the newest first."""
        return self._records(
            "outcome = 'succeeded' AND stands ORDER BY recorded_at DESC LIMIT ?",
            (str(count),),
        )

    def _records(self, where: str, values: tuple[str, ...]) -> Iterator[LedgerRecord]:
        for (body,) in self._base.execute(
            f"SELECT body FROM attempts JOIN bodies USING (key) WHERE {where}",  # noqa: S608
            values,
        ):
            yield LedgerRecord.from_json(zlib.decompress(body))

    def totals(
        self, by: str, since: date | None = None, until: date | None = None
    ) -> tuple[Total, ...]:
        """
        What was spent in these days by one of `GROUPS` or by `tag:KEY`.

        Raises `UsageError` for anything else.
        """
        return totals(self._base, by, _days(since, until))

    def used(
        self, since: date | None = None, until: date | None = None
    ) -> tuple[Used, ...]:
        """What ran in these days, as a platform counts it: by month and spec."""
        return used(self._base, _days(since, until))


def _days(since: date | None, until: date | None) -> tuple[str, str]:
    return (since or date.min).isoformat(), (until or date.max).isoformat()


def _unsure(
    there: frozenset[str],
    known: Mapping[str, tuple[str, str]],
    opened: set[str],
    marks: Mapping[str, str],
) -> set[str]:
    """
    Jobs that may have changed since they were looked at: not known to be over, opened
    again, or ended anew.

    Whoever ends a job marks that, and marks it again after a `retry`; whoever opens one
    leaves a marker until all of it is done.
    """
    sure = {
        job
        for job, (seen, mark) in known.items()
        if seen and mark and marks.get(job) == mark
    }
    return {*there} - (sure - opened)


async def _stamps(bucket: Bucket) -> dict[str, str | None]:
    """Of every place where something new would show; none where the store has none."""
    if await bucket.stamp(JOBS) is None:
        return {}
    days = [f"{LEDGER}{day}/" for day in await bucket.folders(LEDGER)]
    return {at: await bucket.stamp(at) for at in (*_PLACES, *days)}
