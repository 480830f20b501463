"""Which jobs are wanted: by where they stand, what they are of, and how far back."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from ..contract.status import FINAL, JobStatus
from ..errors import UsageError
from .job_line import JobLine


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last job of a page: the next one begins behind it, whatever came since."""

    submitted_at: str
    job_id: str

    @classmethod
    def after(cls, line: JobLine) -> Self:
        return cls(line.submitted_at, line.job_id)

    def __str__(self) -> str:
        text = f"{self.submitted_at}\n{self.job_id}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `UsageError` for what no page has said."""
        try:
            padded = text.encode("ascii") + b"=" * (-len(text) % 4)
            when, _, job = base64.b64decode(padded, b"-_", validate=True).partition(
                b"\n"
            )
            datetime.fromisoformat(when.decode())
            found = cls(when.decode(), job.decode())
        except (ValueError, binascii.Error) as exc:
            raise UsageError(
                f"{text[:100]!r} is no cursor; take `next` of a page as it is.",
                field="cursor",
            ) from exc
        return found


@dataclass(frozen=True, slots=True)
class JobFilter:
    """What is not given is no condition."""

    statuses: frozenset[JobStatus] = frozenset()
    tags: tuple[tuple[str, str], ...] = ()
    """All of them: of one key with two values there is no job."""
    source: str = ""
    """What the source's address begins with."""
    profile: str = ""
    after: Cursor | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When leases are counted at."""

    def where(self) -> tuple[str, tuple[str | int, ...]]:
        """A condition for SQLite, which may let pass more than is wanted."""
        said: list[str] = ["1"]
        values: list[str | int] = []
        if self.statuses:
            # Where one stands that is not over, the clock says.
            over = sorted(self.statuses & {*FINAL})
            open_too = "final = '' OR " if self.statuses - {*FINAL} else ""
            said.append(f"({open_too}final IN ({', '.join('?' * len(over))}))")
            values += over
        if self.source:
            said.append("substr(source, 1, ?) = ?")
            values += [len(self.source), self.source]
        if self.profile:
            said.append("profile = ?")
            values.append(self.profile)
        if self.after is not None:
            said.append("(submitted_at < ? OR (submitted_at = ? AND job_id > ?))")
            values += [self.after.submitted_at] * 2 + [self.after.job_id]
        return " AND ".join(said), tuple(values)
