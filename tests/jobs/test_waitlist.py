"""Who waits for room on a platform: in which order, and who looks."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio

from tests.jobs.test_state import SUBMISSION
from transcode.contract.job import Submission
from transcode.jobs.waitlist import (
    hold_waitlist,
    job_of_turn,
    leave_waitlist,
    next_turn,
    release_waitlist,
    wait_for_turn,
    whose_turn,
)
from transcode.settings import Settings
from transcode.store.open import bucket

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
LONG_SECONDS = 200
"""After which who looks is taken for lost."""


def submission(number: int, *, priority: int = 0, late: float = 0) -> Submission:
    return SUBMISSION.model_copy(
        update={
            "job_id": f"{number:032x}",
            "priority": priority,
            "submitted_at": NOON + timedelta(seconds=late),
        }
    )


def test_the_most_urgent_come_first_and_of_those_the_oldest(tmp_path: Path) -> None:
    """Whoever was put there last; each in the memory in which it was to be planned."""
    several = [
        submission(1, late=20),
        submission(2, late=10),
        submission(3, priority=5, late=30),
        submission(4, priority=-5),
    ]

    async def check() -> None:
        async with bucket(str(tmp_path / "out"), Settings()) as store:
            assert await next_turn(store) is None
            for one in several:
                await wait_for_turn(store, one, 256 * one.priority or None)
            await wait_for_turn(store, several[0], None)
            found = [job_of_turn(key) for key in await whose_turn(store, 9)]
            assert [3, 2, 1, 4] == [int(job, 16) for job in found]
            first = await next_turn(store)
            assert first is not None
            assert 1280 == first.memory_mib
            await leave_waitlist(store, several[2])
            assert [job_of_turn(key) for key in await whose_turn(store, 1)] == found[
                1:2
            ]

    anyio.run(check)


def test_one_looks_at_a_time_and_who_is_lost_does_not_for_ever(tmp_path: Path) -> None:
    """Until it lets go, or has looked for longer than planning takes."""

    async def check() -> None:
        async with bucket(str(tmp_path / "out"), Settings()) as store:
            assert [True, False] == [await hold_waitlist(store) for _ in range(2)]
            await release_waitlist(store)
            assert await hold_waitlist(store)
            (held,) = (tmp_path / "out/.transcode").glob("waitlist.held")
            before = time.time() - LONG_SECONDS
            os.utime(held, (before, before))
            assert [True, False] == [await hold_waitlist(store) for _ in range(2)]

    anyio.run(check)
