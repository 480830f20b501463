"""The index: nothing of its own, the same answers however it was filled."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transcode.contract import OutcomeKind, ProfileRef, SourceRecord
from transcode.contract.job import Claim, Ending, LedgerRecord, Submission
from transcode.errors import ObjectExists, SettingsError, UsageError
from transcode.ledger.amounts import join, split
from transcode.ledger.index import Index
from transcode.ledger.job_filter import Cursor, JobFilter
from transcode.ledger.job_line import JobLine
from transcode.ledger.log import append
from transcode.ledger.places import LEDGER
from transcode.ledger.queries import GROUPS
from transcode.ledger.totals import (
    by_day,
    by_engine,
    by_function,
    by_month,
    by_platform,
    by_profile,
    by_tag,
    grand,
    totals,
)
from transcode.settings import Settings
from transcode.store.bucket import Bucket
from transcode.store.open import bucket
from transcode.store.stamps import folder_stamp

MakeRecord = Callable[..., LedgerRecord]
NOON = datetime(2026, 10, 2, 12, tzinfo=UTC)
HOUR = 3600
AGES = itertools.count(10**18)
BY = {
    "day": by_day,
    "month": by_month,
    "profile": by_profile,
    "platform": by_platform,
    "engine": by_engine,
    "function": by_function,
    "tag:who": by_tag("who"),
}


def state(folder: Path) -> AbstractAsyncContextManager[Bucket]:
    return bucket(str(folder / "out"), Settings())


def age(folder: Path) -> None:
    """
    As if hours had passed since, and each folder that changed had done so at a time of
    its own: the index believes no time of change that is a second old.
    """
    for at in (folder / "out", *(folder / "out").rglob("*")):
        if at.is_dir() and time.time() - at.stat().st_mtime < HOUR:
            os.utime(at, ns=(0, next(AGES)))


def answers(index: Index) -> list[object]:
    """Everything that an index can be asked."""
    jobs, now = list(index.jobs()), NOON + timedelta(days=1)
    lines = list(index.lines(JobFilter(now=now)))
    assert [JobLine.of(job, job.status(now)) for job in jobs] == lines
    return [
        jobs,
        [job.status(NOON + timedelta(days=1)) for job in jobs],
        list(index.records()),
        index.used(),
        *(index.totals(by) for by in BY),
        *(index.attempts(job.job_id) for job in jobs),
        *(index.spent(job.job_id) for job in jobs),
    ]


async def rebuilt(folder: Path, store: Bucket) -> list[object]:
    with tempfile.TemporaryDirectory() as fresh, Index.open(Path(fresh), "x") as index:
        await index.sync(store)
        return answers(index)


arrivals = st.lists(
    st.tuples(
        st.integers(1, 4),  # the job
        st.integers(1, 2),  # its claim
        st.integers(0, 2),  # the day: all within what a sync looks through again
        st.sampled_from(["succeeded", "out_of_memory", "lost"]),
        st.sampled_from(["functiongraph", "aws-lambda", "local"]),
        st.sampled_from([{}, {"who": "me"}, {"who": "you", "n": "1"}]),
        st.booleans(),  # whether the index is brought up to date after it
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=12)
@given(arrivals)
def test_brought_up_to_date_step_by_step_it_is_as_if_made_anew(
    make_record: MakeRecord, steps: list[tuple[Any, ...]]
) -> None:
    """In any order of arrival; and its totals are those of the records themselves."""

    async def check(folder: Path) -> None:
        async with state(folder) as store:
            with Index.open(folder, "x") as index:
                for job, claim, day, outcome, platform, tags, sync in steps:
                    record = make_record(
                        job,
                        claim=claim,
                        at=NOON + timedelta(days=day),
                        outcome=outcome,
                        platform=platform,
                        wall=job + day / 7,
                        tags=tags,
                    )
                    key = LEDGER + record.key
                    if not [entry async for entry in store.entries(key)]:
                        await append(store, record)
                    if sync:
                        await index.sync(store)
                await index.sync(store)

                assert await rebuilt(folder, store) == answers(index)
                records = list(index.records())
                for by, group in BY.items():
                    assert totals(records, group) == index.totals(by)
                    assert grand(index.totals("day")) == grand(index.totals(by))

    with tempfile.TemporaryDirectory() as folder:
        anyio.run(check, Path(folder))


def job_id(n: int) -> str:
    return hashlib.sha256(str(n).encode()).hexdigest()[:32]


def result(n: int) -> dict[str, object]:
    """The manifest of job *n*, as far as it is read."""
    used = {"wall_seconds": n, "cpu_seconds": n, "peak_memory_bytes": 1}
    attempt = {
        "number": 1,
        "spec": {"memory_mib": 128, "milli_cpus": 1000},
        "predicted": used,
        "measured": {**used, "billed_milliseconds": 1000 * n},
        "cost": {"amount": f"0.{n}", "currency": "USD"},
        "outcome": "succeeded",
    }
    return {
        "schema": "transcode/manifest/1",
        "job_id": job_id(n),
        "status": "succeeded",
        "source": {"uri": f"{n}.mp4", "bytes": 1, "etag": None, "version": None},
        "profile": {"name": "hls", "digest": "sha256:0"},
        "platform": {"name": "local", "price_table": "2026-11-01"},
        "engine": "local",
        "tasks": [{"task_id": "all", "kind": "encode", "attempts": [attempt]}],
        "cost": {"amount": f"0.{n}", "currency": "USD", "predicted": "0.1"},
        "finished_at": (NOON + timedelta(seconds=n)).isoformat(),
        "wall_seconds": n,
        "written_by": "a later release",
    }


def objects(n: int, what: str, number: int) -> tuple[str, bytes]:  # noqa: PLR0911
    """One object of job *n*'s state, by what it is."""
    job, folder = job_id(n), f".transcode/jobs/{job_id(n)}"
    if what == "submission":
        made = Submission(
            job_id=job,
            folder=f"{n}.hls.{job[:12]}",
            source=SourceRecord(uri=f"{n}.mp4", bytes=1, etag=None, version=None),
            profile=ProfileRef(name="hls", digest="sha256:0"),
            to="out",
            tags={"who": str(n)},
            submitted_at=NOON + timedelta(seconds=n),
        )
        return f"{folder}/submission.json", made.to_json().encode()
    if what == "claim":
        claim = Claim(job_id=job, number=number, owner="me", lease_seconds=60)
        return f"{folder}/claims/{number:06d}.json", claim.to_json().encode()
    if what == "result":
        return f"{n}.hls.{job[:12]}/manifest.json", json.dumps(result(n)).encode()
    if what == "manifest":
        text = f'{{"job_id": "{job}", "status": "succeeded", "wall_seconds": 1.5}}'
        return f"{n}.hls.{job[:12]}/manifest.json", text.encode()
    if what == "cancel":
        return f"{folder}/cancels/{number - 1:06d}.json", b"{}"
    if what == "round":
        return f"{folder}/rounds/000001-{number:06d}.json", b"{}"
    if what == "over":
        return f".transcode/over/{job}.succeeded", str(number).encode()
    if what == "opened":
        return f".transcode/open/{job}.{number}", b""
    ending = Ending.model_validate(
        {
            "job_id": job,
            "claim": number,
            "kind": "failed" if what in {"failed", "rejected"} else what,
            "final": number > 1,
            "outcome": "rejected" if what == "rejected" else "encoder_failed",
        }
    )
    return f"{folder}/endings/{number:06d}.json", ending.to_json().encode()


KINDS = (
    *("submission", "claim", "manifest", "cancel", "failed", "rejected"),
    *("handed_back", "cancelled", "round", "sync", "result", "removed", "entered"),
    *("over", "opened"),
)


@settings(deadline=None, max_examples=20)
@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.sampled_from(KINDS), st.integers(1, 2)),
        max_size=16,
    )
)
def test_jobs_brought_up_to_date_are_as_if_listed_anew(
    make_record: MakeRecord, steps: list[tuple[int, str, int]]
) -> None:
    """
    Whatever objects of a job's state appear, in any order, and whenever we look; also
    of results that no job is kept of, or is kept of later, and that are removed.
    """

    async def check(folder: Path) -> None:
        async with state(folder) as store:
            with Index.open(folder, "x") as index:
                for n, what, number in steps:
                    if what == "sync":
                        age(folder)
                        await index.sync(store)
                    elif what == "removed":
                        await store.delete(objects(n, "manifest", 1)[0])
                    elif what == "entered":
                        with suppress(ObjectExists):
                            await append(store, make_record(n, claim=number, at=NOON))
                    elif what in {"manifest", "result"}:
                        # Once there, it stays as it is until it is removed.
                        with suppress(ObjectExists):
                            await store.create(*objects(n, what, number))
                    else:
                        await store.put(*objects(n, what, number))
                age(folder)
                await index.sync(store)

                assert await rebuilt(folder, store) == answers(index)

    with tempfile.TemporaryDirectory() as folder:
        anyio.run(check, Path(folder))


CHANGES: list[tuple[str, int]] = [
    ("an attempt", 2),
    ("of another day", 1),
    *(("submission", 2), ("over", 1), ("opened", 1), ("result", 3)),
]


@pytest.mark.parametrize(("what", "n"), CHANGES, ids=[what for what, _ in CHANGES])
async def test_nothing_is_listed_where_nothing_has_changed(
    tmp_path: Path, make_record: MakeRecord, what: str, n: int
) -> None:
    """And whatever happens to a job or comes to the ledger is a change."""
    async with state(tmp_path) as store:
        for each, number in [("submission", 1), ("claim", 1), ("manifest", 1)]:
            await store.put(*objects(1, each, number))
        await store.put(*objects(1, "over", 1))
        await append(store, make_record(1, at=NOON))
        look = partial(folder_stamp, tmp_path / "out")
        with Index.open(tmp_path, "x") as index:
            await index.sync(store)
            assert not index.is_current(look)
            age(tmp_path)
            assert not index.is_current(look)
            await index.sync(store)
            assert index.is_current(look)

            if what == "an attempt":
                await append(store, make_record(n, at=NOON))
            elif what == "of another day":
                day = NOON + timedelta(days=1)
                await append(store, make_record(n, claim=2, at=day))
            else:
                await store.put(*objects(n, what, 2))
            age(tmp_path)
            assert not index.is_current(look)
            await index.sync(store)
            assert await rebuilt(tmp_path, store) == answers(index)


async def test_a_job_that_is_not_over_may_change_unseen(tmp_path: Path) -> None:
    """What happens to it shows in its own folder alone: it is looked at each time."""
    async with state(tmp_path) as store:
        await store.put(*objects(1, "submission", 1))
        with Index.open(tmp_path, "x") as index:
            age(tmp_path)
            await index.sync(store)

            assert not index.is_current(partial(folder_stamp, tmp_path / "out"))


@pytest.mark.parametrize(
    ("there", "status"),
    [
        ([], "waiting"),
        ([("claim", 1)], "running"),
        ([("claim", 1), ("failed", 1)], "retrying"),
        ([("claim", 1), ("handed_back", 1)], "waiting"),
        ([("claim", 1), ("failed", 1), ("claim", 2)], "running"),
        ([("claim", 2), ("failed", 2)], "failed"),
        ([("claim", 2), ("rejected", 2)], "rejected"),
        ([("claim", 1), ("cancelled", 1)], "cancelled"),
        ([("cancel", 1)], "waiting"),
        ([("claim", 2), ("failed", 2), ("round", 2)], "waiting"),
        ([("cancel", 1), ("claim", 2), ("failed", 2), ("round", 2)], "waiting"),
        ([("claim", 1), ("failed", 1), ("round", 1), ("claim", 2)], "running"),
        ([("claim", 1), ("manifest", 1)], "succeeded"),
    ],
)
async def test_a_jobs_status_is_read_from_what_is_there(
    tmp_path: Path, there: list[tuple[str, int]], status: str
) -> None:
    """Claims, endings and the manifest say it all."""
    async with state(tmp_path) as store:
        for what, number in [("submission", 1), *there]:
            await store.put(*objects(1, what, number))
        with Index.open(tmp_path, "x") as index:
            await index.sync(store)

            assert [status] == [job.status(datetime.now(UTC)) for job in index.jobs()]
            if status == "running":
                later = datetime.now(UTC) + timedelta(minutes=2)
                assert ["lost"] == [job.status(later) for job in index.jobs()]


async def test_a_result_that_appears_later_is_seen(tmp_path: Path) -> None:
    """The manifest lies outside of a job's state: nothing there changes with it."""
    async with state(tmp_path) as store:
        await store.put(*objects(1, "submission", 1))
        await store.put(*objects(1, "claim", 1))
        with Index.open(tmp_path, "x") as index:
            await index.sync(store)
            await store.put(*objects(1, "manifest", 1))
            await index.sync(store)

            assert ["succeeded"] == [job.status(NOON) for job in index.jobs()]


async def test_a_result_of_no_job_is_listed_and_billed(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    """
    Its manifest is all the book there is; where a ledger tells of it, that counts, and
    no attempt twice.
    """
    async with state(tmp_path) as store:
        await store.put(*objects(1, "result", 1))
        await store.put("clip.hls.0123456789ab/manifest.json", b'{"name": "a web app"}')
        other, body = objects(2, "result", 1)
        await store.put(other.replace("2.hls", "3.hls"), body)
        await store.put("4.hls.0123456789ab/manifest.json", body)
        with Index.open(tmp_path, "x") as index:
            synced = await index.sync(store)
            first, second = index.find(job_id(1)[:12])[0], index.find(job_id(2)[:5])[0]
            (alone,) = index.attempts(first.job_id)

            assert ["4.hls.0123456789ab/manifest.json"] == [
                one.key for one in synced.strange
            ]
            assert (True, "succeeded") == (first.by_hand, first.status(NOON))
            assert "3.hls." in second.submission.folder
            assert NOON == first.submission.submitted_at
            assert [Decimal("0.1")] == [it.cost for it in index.spent(first.job_id)]
            assert alone.predicted_cost is not None
            assert Decimal("0.1") == alone.predicted_cost.amount

            told = make_record(1, claim=1764339861234, at=NOON)
            await append(store, told)
            await index.sync(store, everything=True)
            assert (told,) == index.attempts(first.job_id)

            await store.delete(objects(1, "manifest", 1)[0])
            await index.sync(store)
            assert [] == index.find(first.job_id)
            assert (told,) == index.attempts(first.job_id)


async def test_a_job_that_is_opened_again_is_seen(tmp_path: Path) -> None:
    """Though what is over is not looked through each time: its markers tell."""
    over, opened = ".transcode/over/{}.failed", ".transcode/open/{}"
    async with state(tmp_path) as store:
        for what, number in [("submission", 1), ("claim", 2), ("failed", 2)]:
            await store.put(*objects(1, what, number))
        with Index.open(tmp_path, "x") as index:

            async def seen() -> list[str]:
                await index.sync(store)
                return [job.status(datetime.now(UTC)) for job in index.jobs()]

            await index.sync(store)
            (job,) = index.jobs()
            await store.put(over.format(job.job_id), b"")
            assert [["failed"], ["failed"]] == [await seen(), await seen()]
            await store.put(opened.format(job.job_id) + ".1", b"")
            await store.put(*objects(1, "round", 2))
            assert ["waiting"] == await seen()
            await store.put(*objects(1, "claim", 3))
            await store.put(*objects(1, "manifest", 1))
            await store.put(over.format(job.job_id).replace("failed", "succeeded"), b"")
            await store.delete(opened.format(job.job_id) + ".1")

            assert ["succeeded"] == await seen()
            everything = await index.sync(store, everything=True)
            assert 0 == everything.jobs


async def test_jobs_are_found_by_what_they_are_of(tmp_path: Path) -> None:
    """And a cursor goes on behind the last one, whatever came since."""
    async with state(tmp_path) as store:
        for n in range(1, 5):
            await store.put(*objects(n, "submission", 1))
        with Index.open(tmp_path, "x") as index:
            await index.sync(store)
            every = [job.job_id for job in index.jobs()]
            first = next(index.jobs())
            line = next(index.lines())
            assert first.job_id == line.job_id
            after = JobFilter(after=Cursor.parse(str(Cursor.after(line))))
            assert every[1:] == [job.job_id for job in index.jobs(after)]
            source = first.submission.source.uri
            name = first.submission.profile.name
            assert every[0] in {j.job_id for j in index.jobs(JobFilter(source=source))}
            assert [] == [*index.jobs(JobFilter(source="nowhere"))]
            assert every == [j.job_id for j in index.jobs(JobFilter(profile=name))]
            assert [] == [*index.jobs(JobFilter(profile="another"))]
            failed = JobFilter(statuses=frozenset({"failed"}))
            waiting = JobFilter(statuses=frozenset({"failed", "waiting"}))
            assert [[], every] == [
                [job.job_id for job in index.jobs(one)] for one in (failed, waiting)
            ]
    for text in ("", "x", "AAAA", "é"):
        with pytest.raises(UsageError, match="no cursor"):
            Cursor.parse(text)


async def test_a_report_counts_more_than_being_written_off(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    """An attempt given up as lost yet told its end, a day later: it is billed once."""
    lost = make_record(1, at=NOON, outcome="lost")
    told = make_record(1, at=NOON + timedelta(days=1))
    async with state(tmp_path) as store:
        await append(store, lost)
        with Index.open(tmp_path, "x") as index:
            await index.sync(store)
            assert (lost,) == index.attempts(lost.job_id)

            await append(store, told)
            await index.sync(store)

            assert (told,) == index.attempts(lost.job_id)
            assert totals([told], by_day) == index.totals("day")


async def test_what_comes_long_after_its_day_is_found_when_all_is_listed(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    """Once a day everything is listed; between, the newest days."""
    async with state(tmp_path) as store:
        await append(store, make_record(1, at=NOON))
        with Index.open(tmp_path, "x") as index:
            await index.sync(store)
            await append(store, make_record(2, at=NOON - timedelta(days=30)))

            assert 0 == (await index.sync(store)).attempts
            assert 1 == (await index.sync(store, everything=True)).attempts


async def test_torn_records_are_told_until_they_are_mended(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    """They are not read again while they stay as they are, and counted once whole."""
    record = make_record(1)
    async with state(tmp_path) as store:
        await store.put(LEDGER + record.key, b"{")
        with Index.open(tmp_path, "x") as index:
            first, second = await index.sync(store), await index.sync(store)
            await store.put(LEDGER + record.key, record.to_json().encode())
            third = await index.sync(store, everything=True)

    assert [LEDGER + record.key] == [it.key for it in first.strange]
    assert first == second
    assert (1, ()) == (third.attempts, third.strange)


async def test_a_damaged_index_is_made_anew(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    """It holds nothing that the store does not."""
    folder = tmp_path / "index"
    async with state(tmp_path) as store:
        await append(store, make_record(1))
        with Index.open(folder, "x") as index:
            await index.sync(store)
        for path in folder.iterdir():
            path.write_bytes(b"not a database at all, " * 100)
        with Index.open(folder, "x") as index:
            await index.sync(store)

            assert 1 == len(list(index.records()))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """With the setting that moves it."""
    (tmp_path / "file").touch()

    with (
        pytest.raises(SettingsError, match="TRANSCODE_INDEX"),
        Index.open(tmp_path / "file", "x"),
    ):
        pass


def test_an_unknown_grouping_is_refused(tmp_path: Path) -> None:
    """And those that there are stand in the message."""
    with (
        Index.open(tmp_path, "x") as index,
        pytest.raises(UsageError, match=", ".join(GROUPS)),
    ):
        index.totals("moon")


amounts = st.decimals(min_value=0, max_value=10**8, places=28, allow_nan=False)


@given(st.lists(amounts, max_size=20))
def test_sums_of_limbs_are_exact(values: list[Decimal]) -> None:
    """SQLite adds integers only, and not one digit is lost."""
    columns: dict[int, int] = defaultdict(int)
    for value in values:
        for n, limb in enumerate(split(value)):
            columns[n] += limb

    found = join([columns[n] for n in range(4)])

    assert sum(map(Fraction, values)) == Fraction(found)


def test_an_amount_too_fine_to_be_kept_is_refused() -> None:
    """Rather than rounded."""
    with pytest.raises(ValueError, match="exactly"):
        split(Decimal("1e-37"))


def test_every_outcome_is_known() -> None:
    """The index tells `succeeded` from the rest by its word."""
    assert "succeeded" == OutcomeKind.SUCCEEDED.value
