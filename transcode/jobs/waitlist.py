"""
Whose turn it is, where a platform runs as much as it may and loses the rest.

    <state>/.transcode/waitlist/<how urgent>.<when submitted>.<job>

A job for which there was no room stands there until it is begun. Whoever has finished a
task has made room, and calls a function that looks here, one at a time: it holds
`waitlist.held`, and looks once more after it has let go. What is lost of all this is
found by a sweep.
"""

from __future__ import annotations

from datetime import timedelta

from pydantic import ValidationError

from ..contract import Value
from ..contract.job import Submission
from ..errors import ObjectExists, ObjectMissing
from ..store.bucket import Bucket
from .repository import STATE

_WAITLIST = f"{STATE}/waitlist/"
_HELD = f"{STATE}/waitlist.held"
_HELD_FOR = timedelta(minutes=2)
"""Who looks for longer has been lost: more than planning takes, less than a sweep is
waited for."""
_URGENCY = 10**9
"""Above every priority, so that names sort."""


class Turn(Value):
    """A job that waits for room."""

    memory_mib: int | None
    """Of the function that was to plan it; None: it was none."""


async def wait_for_turn(
    bucket: Bucket, submission: Submission, memory_mib: int | None
) -> None:
    """Put it there; again is fine."""
    body = Turn(memory_mib=memory_mib).to_json().encode()
    await bucket.put(_place(submission), body)


async def leave_waitlist(bucket: Bucket, submission: Submission) -> None:
    """It was begun, or is over; fine where it does not stand there."""
    await bucket.delete(_place(submission))


async def whose_turn(bucket: Bucket, most: int) -> list[str]:
    """Keys, at most so many: the most urgent, and of those the oldest."""
    found: list[str] = []
    async for entry in bucket.entries(_WAITLIST):
        found.append(entry.key)
        if len(found) == most:
            break
    return found


def job_of_turn(key: str) -> str:
    return key.rpartition(".")[2]


async def next_turn(bucket: Bucket) -> Turn | None:
    """The first; None: nobody waits."""
    for key in await whose_turn(bucket, 1):
        try:
            body, _ = await bucket.read(key)
            return Turn.from_json(body)
        except (ObjectMissing, ValidationError):
            return Turn(memory_mib=None)  # begun meanwhile, or not ours
    return None


async def hold_waitlist(bucket: Bucket) -> bool:
    """Whether it is us who looks now; `release_waitlist` is to follow."""
    try:
        await bucket.create(_HELD, b"")
    except ObjectExists:
        pass
    else:
        return True
    try:
        there = await bucket.head(_HELD)
        if await bucket.now() - there.modified < _HELD_FOR:
            return False
        # Two who see that at once look both, and claims decide.
        await bucket.delete(_HELD)
        await bucket.create(_HELD, b"")
    except (ObjectExists, ObjectMissing):
        return False
    return True


async def release_waitlist(bucket: Bucket) -> None:
    await bucket.delete(_HELD)


def _place(submission: Submission) -> str:
    urgency = f"{_URGENCY - submission.priority:010d}"
    since = submission.submitted_at.strftime("%Y%m%dT%H%M%S%f")
    return f"{_WAITLIST}{urgency}.{since}.{submission.job_id}"
