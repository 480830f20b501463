"""Keeping a claim alive while somebody works under it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import anyio

from ..contract.job import Claim
from ..errors import Cancelled, LeaseLost, TranscodeError
from .repository import JobRepository

_PART = 3
"""Renewals within a lease: two may fail before anybody else may take the job."""


@asynccontextmanager
async def keep_lease(repository: JobRepository, claim: Claim) -> AsyncIterator[None]:
    """
    Renew *claim* while the block runs.

    The block is cancelled as soon as the claim is known to be another's, somebody
    asked to stop, or the store could not be reached for as long as the lease is:
    then `LeaseLost` or `Cancelled` is raised in its place. That is a courtesy which
    saves work; correctness rests on the claim's number alone.
    """
    stopped: list[TranscodeError] = []
    raised: list[Exception] = []
    async with anyio.create_task_group() as group:
        group.start_soon(_renewing, repository, claim, stopped, group.cancel_scope)
        try:
            yield
        except Exception as exc:  # noqa: BLE001 - raised below, or it would be a group
            raised.append(exc)
        finally:
            group.cancel_scope.cancel()
    for error in (*stopped, *raised):
        raise error


async def _renewing(
    repository: JobRepository,
    claim: Claim,
    stopped: list[TranscodeError],
    scope: anyio.CancelScope,
) -> None:
    pause = claim.lease_seconds / _PART
    renewed = anyio.current_time()
    while True:
        await anyio.sleep(pause)
        state: Literal["renewed", "taken", "cancelled", "unknown"]
        try:
            with anyio.fail_after(claim.lease_seconds):
                state = await repository.renew(claim)
        except (TranscodeError, TimeoutError):
            # Also a full disk or a right that was withdrawn: nobody hears of us then.
            state = "unknown"
        now = anyio.current_time()
        if state == "renewed":
            renewed = now
            continue
        if state == "unknown" and now - renewed < claim.lease_seconds:
            continue
        stopped.append(_why(claim, state))
        scope.cancel()
        return


async def confirm(repository: JobRepository, claim: Claim) -> None:
    """
    Renew *claim* now; raises `LeaseLost` or `Cancelled` where it is ours no more.

    For whoever is about to spend something after a pause of unknown length.
    """
    state = await repository.renew(claim)
    if state != "renewed":
        raise _why(claim, state)


def _why(claim: Claim, state: str) -> TranscodeError:
    if state == "cancelled":
        return Cancelled(f"Job {claim.job_id[:12]} was cancelled.", job_id=claim.job_id)
    said = (
        "somebody else has taken it over"
        if state == "taken"
        else f"the store did not answer for {claim.lease_seconds:g} s"
    )
    return LeaseLost(
        f"Job {claim.job_id[:12]} is no longer ours: {said}. Nothing of this try will "
        "be seen.",
        job_id=claim.job_id,
        claim=claim.number,
    )
