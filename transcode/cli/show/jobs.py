"""One job as text: everything that is known of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

from pydantic import ValidationError

from ...contract import Attempt, Manifest, OutcomeKind
from ...contract.job import Delivery, LedgerRecord
from ...errors import UsageError
from ...ledger.index import Index
from ...ledger.job_line import JobLine
from ...ledger.job_rows import Job
from ...ledger.log import fetch_bodies
from ...ledger.places import JOBS
from ...ledger.results import BY_HAND
from ...ledger.totals import Total
from ...store.bucket import Bucket
from ...units import (
    duration,
    money,
    place,
    plural,
    printable,
    rounded,
    table,
)
from .job_list import SHOWN_DIGITS, JobListing, listed_data, when
from .legible import legible
from .result import attempt_rows, attempts_table

_FIRST_TIME = 10**12
"""In milliseconds, and in 2001: a claim from here on is when somebody ran it."""


@dataclass(frozen=True, slots=True)
class JobDetails:
    job: Job
    listed: JobListing
    attempts: tuple[LedgerRecord, ...]
    unfinished: tuple[LedgerRecord, ...]
    """Begun, and not in the ledger: they run, or their worker is gone."""
    manifest: Manifest | None
    location: str
    told: tuple[Delivery, ...] = ()
    """What became of each destination, as far as its name was written down."""


async def gather(index: Index, store: Bucket, text: str, *, to: str) -> JobDetails:
    """Everything of the one job that *text* names; raises `UsageError` otherwise."""
    # With all that works on jobs, which a list does without.
    from ...jobs import told_of  # noqa: PLC0415

    name = PurePosixPath(text.rstrip("/")).name
    found = index.find(name)
    if len(found) != 1:
        ids = ", ".join(job.job_id[:SHOWN_DIGITS] for job in found[:5])
        raise UsageError(
            f"{text!r} could be any of {plural(len(found), 'job')}, {ids}; give more "
            "of the id."
            if found
            else f"There is no job {text!r} in {to!r}; `transcode jobs` lists them.",
            job=text,
        )
    job = found[0]
    key = f"{job.submission.folder}/manifest.json"
    known = index.attempts(job.job_id)
    begun = [e.key async for e in store.entries(f"{JOBS}{job.job_id}/attempts/")]
    bodies = await fetch_bodies(store, [key, *begun])
    manifest = None
    if key in bodies:
        try:
            manifest = Manifest.from_json(bodies[key])
        except ValidationError:
            # Of another release; what it says of outputs is left out.
            manifest = None
    return JobDetails(
        job=job,
        listed=JobListing(
            JobLine.of(job, job.status(datetime.now(UTC))), index.spent(job.job_id)
        ),
        attempts=known,
        unfinished=_unfinished(known, [bodies[k] for k in begun if k in bodies]),
        manifest=manifest,
        location=store.uri(job.submission.folder),
        told=await told_of(store, job.job_id),
    )


def _unfinished(
    known: Sequence[LedgerRecord], bodies: Sequence[bytes]
) -> tuple[LedgerRecord, ...]:
    """Attempts that were begun and are not in the ledger: running now, or lost."""
    over = {(r.claim, r.task_id, r.attempt.number) for r in known}
    found = []
    for body in bodies:
        with suppress(ValidationError):
            record = LedgerRecord.from_json(body)
            if (record.claim, record.task_id, record.attempt.number) not in over:
                found.append(record)
    return tuple(found)


def shown_text(shown: JobDetails, *, width: int | None = None) -> str:
    """Everything of one; on a terminal of few columns, with less of its specs."""
    shown = legible(shown)
    job, submission = shown.job, shown.job.submission
    rows = [
        ("source", place(submission.source.uri)),
        ("profile", submission.profile.name),
        ("engine", submission.engine),
        ("begun" if job.by_hand else "submitted", when(submission.submitted_at)),
    ]
    if job.by_hand:
        rows.append(("by", "transcode run; no job is kept of it"))
    if submission.tags:
        pairs = sorted(submission.tags.items())
        rows.append(("tags", ", ".join(f"{key}={value}" for key, value in pairs)))
    if submission.deadline_seconds is not None:
        rows.append(("deadline", duration(submission.deadline_seconds)))
    if submission.budget is not None:
        rows.append(("budget", submission.budget))
    if job.claim is not None:
        rows.append(("tries", f"{job.claim.number}, the last by {job.claim.owner}"))
    if job.finished_at is not None:
        took = (
            "" if job.wall_seconds is None else f" after {duration(job.wall_seconds)}"
        )
        rows.append(("finished", f"{job.finished_at}{took}"))
    if job.succeeded:
        count = (
            "" if shown.manifest is None else f", {len(shown.manifest.outputs)} files"
        )
        rows.append(("results", f"{place(shown.location)}{count}"))
    blocks = [
        f"Job {job.job_id}: {shown.listed.status}",
        table(rows),
        _attempts_text(shown, width),
    ]
    failure = _failure(shown)
    if failure:
        blocks.append(failure)
    if not job.by_hand:
        blocks.append(_told_text(shown))
    return printable("\n\n".join(blocks))


def _attempts_text(shown: JobDetails, width: int | None) -> str:
    if not shown.attempts and not shown.unfinished:
        return "Attempts: none yet"
    head = ("task", "try", "spec", "", "wall", "CPU", "memory", "cost")
    rows = []
    for record in shown.attempts:
        attempt = record.attempt
        first, second = attempt_rows(record.task_id, _numbered(record))
        cost = record.predicted_cost
        guessed = "" if cost is None else money(cost)
        rows.append((*first, guessed))
        rows.append((*second, attempt.cost.currency))
    running = shown.listed.status == "running"
    for record in shown.unfinished:
        mine = running and record.claim == shown.job.claim_number
        first, second = attempt_rows(record.task_id, _numbered(record))
        outcome = "running" if mine else "not heard of"
        rows += [(*first, ""), (*second[:3], outcome, "", "", "", "")]
    lines = [_joined(row) for row in rows]
    totals = ", ".join(
        f"{rounded(one.cost)} {one.currency}{_of_failed(one)}"
        for one in shown.listed.spent
    )
    total = [f"  Total {totals}"] if totals else []
    return "\n".join(["Attempts", attempts_table(lines, head, width), *total])


def _joined(row: Sequence[str]) -> Sequence[str]:
    """The currency goes with its amount; a prediction has both already."""
    return (*row[:7], " ".join(cell for cell in row[7:] if cell))


def _numbered(record: LedgerRecord) -> tuple[str, Attempt]:
    number = str(record.attempt.number)
    claimed = BY_HAND < record.claim < _FIRST_TIME
    return f"{record.claim}.{number}" if claimed else number, record.attempt


def _of_failed(total: Total) -> str:
    if not total.failed:
        return ""
    return (
        f", {total.failed_share:.0%} of it for {plural(total.failed, 'failed attempt')}"
    )


def _failure(shown: JobDetails) -> str:
    ending = shown.job.ending
    if shown.listed.status == "succeeded":
        return ""
    failure = None if ending is None else ending.failure
    if failure is None:
        failed = [r.attempt.failure for r in shown.attempts if r.attempt.failure]
        failure = failed[-1] if failed else None
    if failure is None:
        return ""
    again = ""
    if ending is not None and ending.outcome is not OutcomeKind.CANCELLED:
        again = (
            " Nobody takes it again by itself." if ending.final else " It is retried."
        )
    return f"Failure: {failure.type}: {' '.join(failure.message.split())}{again}"


def _told_text(shown: JobDetails) -> str:
    told = shown.job.told
    head = f"Told: {plural(told, 'destination')}" if told else "Told: nobody"
    rows = [
        (one.target, "told" if one.ok else f"not told{_why_untold(one)}")
        for one in shown.told
    ]
    return "\n".join([head, table(rows)]) if rows else head


def _why_untold(one: Delivery) -> str:
    if one.error is None:
        return ""
    tries = f" in {one.tries} tries" if one.tries > 1 else ""
    return f"{tries}: {' '.join(one.error.message.split())} It is tried again."


def shown_json(shown: JobDetails) -> str:
    data = listed_data(shown.listed)
    data["job"] = shown.job.model_dump(mode="json")
    data["location"] = shown.location
    data["attempts"] = [record.model_dump(mode="json") for record in shown.attempts]
    data["told"] = [record.model_dump(mode="json") for record in shown.told]
    data["unfinished"] = [r.model_dump(mode="json") for r in shown.unfinished]
    return json.dumps(data, indent=2)
