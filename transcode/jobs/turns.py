"""
Jobs that wait for room on a platform are begun by whoever makes some.

A task that has ended calls a function (`pass_turn`), which begins what waited longest
(`take_turns`); what has to wait stands in the `waitlist`.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio

from ..contract.job import JobReport, Submission
from ..errors import ObjectMissing, TranscodeError
from ..hooks import Listener
from .advance import room_on
from .service import JobService
from .state import waits_for_room
from .waitlist import (
    hold_waitlist,
    job_of_turn,
    next_turn,
    release_waitlist,
    whose_turn,
)

__all__ = ["pass_turn", "take_turns"]

_LET_GO_SECONDS = 5.0
_IN_VAIN = 2
"""Looks that begin nothing, one after the other: once it was full, and then it was
not."""
_AT_A_LOOK = 4
"""Jobs that one look takes, for each that is planned at a time."""


async def pass_turn(service: JobService, submission: Submission) -> None:
    """
    A task of this job has made room: have a function `take_turns`, where somebody
    waits and nobody looks already.
    """
    engine = await service.limited(submission)
    turn = None if engine is None else await next_turn(service.bucket)
    if engine is None or turn is None or not await hold_waitlist(service.bucket):
        return
    try:
        await engine.pass_turn(turn.memory_mib)
    except TranscodeError:
        await release_waitlist(service.bucket)
        raise


async def take_turns(
    service: JobService,
    width: int,
    failed: Callable[[TranscodeError], None],
    *,
    listen: Listener = lambda _event: None,
) -> list[JobReport]:
    """
    Start jobs that wait for room, *width* side by side and while there is some, in the
    name of who holds the waitlist; then let go of it. Those that wait no more.

    A job that cannot be started is told to *failed*, and ends no other.
    """
    begun: list[JobReport] = []
    in_vain = 0
    while True:
        try:
            now = await _look(service, width, failed, listen)
        finally:
            with anyio.move_on_after(_LET_GO_SECONDS, shield=True):
                await release_waitlist(service.bucket)
        begun += now
        in_vain = 0 if now else in_vain + 1
        # Whoever ended while the waitlist was ours has left it to us.
        if in_vain == _IN_VAIN or not await _has_turn(service):
            return begun
        if not await hold_waitlist(service.bucket):
            return begun


async def _has_turn(service: JobService) -> bool:
    """Whether somebody waits, and there is room."""
    for key in await whose_turn(service.bucket, 1):
        try:
            history = await service.repository.history(job_of_turn(key))
        except ObjectMissing:
            return True  # to be taken off the list
        engine = await service.limited(history.submission)
        if engine is None:
            return False
        room = await room_on(engine, service.bucket, service.wiring, service.planning)
        return room is None or room > 0
    return False


async def _look(
    service: JobService,
    width: int,
    failed: Callable[[TranscodeError], None],
    listen: Listener,
) -> list[JobReport]:
    service.planning.look_again()
    waiting = iter(await whose_turn(service.bucket, width * _AT_A_LOOK))
    begun: list[JobReport] = []

    async def each() -> None:
        for key in waiting:
            if service.planning.is_full():
                return
            try:
                report = await _begin(service, key, listen)
            except TranscodeError as exc:
                failed(exc)
            else:
                begun.extend([report] if report else [])

    async with anyio.create_task_group() as group:
        for _ in range(width):
            group.start_soon(each)
    return begun


async def _begin(service: JobService, key: str, listen: Listener) -> JobReport | None:
    """The job, if it was begun or is over."""
    job = job_of_turn(key)
    try:
        report = await service.start(job, listen=listen, has_room=True)
        history = await service.repository.history(job)
    except ObjectMissing:
        await service.bucket.delete(key)  # somebody has removed it
        return None
    last = history.tried[-1] if history.tried else None
    waits = last is None or waits_for_room(history)
    # One that is being planned by another may yet have to wait.
    if report.over or (report.status == "waiting" and not waits):
        await service.bucket.delete(key)
    ours = last is not None and last.claim.owner == service.owner
    return report if report.over or (ours and not waits) else None
