"""
The state of a job in one word, the same wherever it is asked.

Command line, HTTP, index, metrics and destinations all take it from `status_of`: the
manifest, the newest claim of the round and how that ended decide, nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from .job import Claim, Ending
from .status import JobStatus, OutcomeKind

_GRAIN = timedelta(seconds=1)
"""S3 tells times of change in whole seconds: a lease is never cut short by that."""


@dataclass(frozen=True, slots=True)
class ClaimHistory:
    """A claim, when it was last written, and how it ended if it did."""

    claim: Claim
    renewed_at: datetime
    ending: Ending | None
    publishing: bool = False
    """Its holder was about to create the manifest when it was last heard of."""

    @classmethod
    def of(
        cls, claim: Claim, renewed_at: datetime, ending: Ending | None
    ) -> ClaimHistory:
        """A claim that said it would publish has not ended: the manifest would tell."""
        if ending is not None and ending.kind == "published":
            return cls(claim, renewed_at, None, publishing=True)
        return cls(claim, renewed_at, ending)

    @property
    def held_until(self) -> datetime:
        """When others may take the job over, unless the claim is renewed before."""
        return self.renewed_at + timedelta(seconds=self.claim.lease_seconds) + _GRAIN


def status_of(*, done: bool, last: ClaimHistory | None, now: datetime) -> JobStatus:
    """
    Where a job stands at *now*, by the clock of the times of its claims.

    *done*: its manifest exists, which decides whatever else is written. *last* is the
    newest claim of the current round; None where nobody has claimed the job since it
    was submitted, or asked for again. A cancellation that was asked for is no end: the
    job is over once its holder, or the next to look at it, has ended it.
    """
    if done:
        return "succeeded"
    if last is None:
        return "waiting"
    if last.ending is None:
        return "running" if now < last.held_until else "lost"
    return _ended(last.ending)


def _ended(ending: Ending) -> JobStatus:
    if ending.kind == "cancelled":
        return "cancelled"
    if ending.final:
        rejected = ending.outcome is OutcomeKind.REJECTED
        return "rejected" if rejected else "failed"
    if ending.kind == "lost":
        return "lost"
    return "waiting" if ending.kind == "handed_back" else "retrying"
