"""The ledger: written once, read by day, and never stopped by what lies in its way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from transcode.contract.job import LedgerRecord
from transcode.errors import ObjectExists
from transcode.ledger.log import Unreadable, append, read
from transcode.ledger.places import LEDGER
from transcode.settings import Settings
from transcode.store.bucket import Bucket
from transcode.store.open import bucket

MakeRecord = Callable[..., LedgerRecord]


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[Bucket]:
    async with bucket(str(tmp_path / "out"), Settings()) as opened:
        yield opened


def at(day: int, hour: int = 12) -> datetime:
    return datetime(2026, 10, day, hour, tzinfo=UTC)


async def everything(state: Bucket) -> list[LedgerRecord]:
    return [record async for record in read(state)]


async def test_what_was_appended_is_read_in_the_order_of_days(
    state: Bucket, make_record: MakeRecord
) -> None:
    """Whatever order they came in."""
    late, early = make_record(1, at=at(9)), make_record(2, at=at(2))
    for record in (late, early):
        await append(state, record)

    assert [early, late] == await everything(state)


async def test_the_same_record_twice_is_one(
    state: Bucket, make_record: MakeRecord
) -> None:
    """A write whose reply was lost is simply repeated."""
    record = make_record(1)
    await append(state, record)
    await append(state, record)

    assert [record] == await everything(state)


async def test_a_record_is_never_changed(
    state: Bucket, make_record: MakeRecord
) -> None:
    """Another one under its name is refused, and what stands stays."""
    record = make_record(1, wall=1.0)
    await append(state, record)

    with pytest.raises(ObjectExists):
        await append(state, make_record(1, wall=2.0))
    assert [record] == await everything(state)


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        (None, None, [1, 2, 3]),
        (date(2026, 10, 2), None, [2, 3]),
        (date(2026, 10, 2), date(2026, 10, 2), [2]),
        (None, date(2026, 10, 2), [1, 2]),
        (date(2025, 1, 1), date(2026, 10, 2), [1, 2]),
    ],
)
async def test_days_are_chosen_with_both_ends(
    state: Bucket,
    make_record: MakeRecord,
    since: date | None,
    until: date | None,
    days: list[int],
) -> None:
    """By the days' prefixes, whether few are asked for or years."""
    for day in (1, 2, 3):
        await append(state, make_record(day, at=at(day)))

    found = [record.recorded_at.day async for record in read(state, since, until)]

    assert days == found


async def test_torn_and_foreign_objects_are_reported_and_left_out(
    state: Bucket, make_record: MakeRecord
) -> None:
    """Half a record, somebody's notes, and a record under another's name."""
    good, other = make_record(1, at=at(1)), make_record(2, at=at(1))
    await append(state, good)
    text = good.to_json().encode()
    await state.create(f"{LEDGER}2026-10-01/torn.json", text[: len(text) // 2])
    await state.create(f"{LEDGER}notes.txt", b"do not delete")
    await state.create(f"{LEDGER}2026-10-01/moved.json", other.to_json().encode())
    strange: list[Unreadable] = []

    found = [record async for record in read(state, report=strange.append)]

    assert [good] == found
    assert {
        f"{LEDGER}2026-10-01/torn.json",
        f"{LEDGER}2026-10-01/moved.json",
        f"{LEDGER}notes.txt",
    } == {it.key for it in strange}
    assert all(it.why for it in strange)
