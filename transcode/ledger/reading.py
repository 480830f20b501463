"""
What is listed of jobs, from the index alone.

Apart from what brings that up to date: nothing here loads what a job is made of, and a
list of jobs that have not changed is there in a fraction of the time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from ..errors import SettingsError
from .job_filter import JobFilter
from .job_line import JobLine
from .queries import job_totals
from .tables import connect
from .totals import Total

EVERYTHING_EVERY = timedelta(days=1)
"""After so long the whole store is listed again, for what came late."""
STAMPS = "stamps"
_LINES = (
    "SELECT tags, final, job_id, source, profile, folder, submitted_at, body FROM jobs"
)


class IndexReader:
    """One state's index; made by `open`, closed with the block."""

    def __init__(self, base: sqlite3.Connection) -> None:
        self._base = base

    @classmethod
    @contextmanager
    def open(cls, folder: Path, state: str) -> Iterator[Self]:
        """
        The index in *folder* of the state at the address *state*.

        One that is damaged or of another release is thrown away. Raises
        `SettingsError` where the folder cannot be written.
        """
        name = hashlib.sha256(state.encode()).hexdigest()[:16]
        path = folder / f"{name}.sqlite3"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            base = connect(path)
        except (OSError, sqlite3.Error) as exc:
            raise SettingsError(
                f"The index {str(path)!r} cannot be used: {exc}. Let TRANSCODE_INDEX "
                "name a folder that can be written.",
                setting="TRANSCODE_INDEX",
            ) from exc
        with contextlib.closing(base):
            yield cls(base)

    def is_current(self, stamp: Callable[[str], str | None]) -> bool:
        """
        Whether nothing that it was made from has changed, as far as *stamp* knows: of
        each place in the store what `Bucket.stamp` says of it.
        """
        now = datetime.now(UTC)
        for name in ("listed_at", "jobs_listed_at"):
            at = self._fact(name)
            if not at or now - datetime.fromisoformat(at) > EVERYTHING_EVERY:
                return False
        seen: dict[str, str] = json.loads(self._fact(STAMPS) or "{}")
        return bool(seen) and all(stamp(at) == one for at, one in seen.items())

    def lines(self, wanted: JobFilter | None = None) -> Iterator[JobLine]:
        """
        As `jobs`, what a list shows of each. One that is over is read from its columns:
        for a job as a whole everything that is known of jobs has to be loaded.
        """
        wanted = wanted or JobFilter()
        where, values = wanted.where()
        for row in self._base.execute(
            f"{_LINES} WHERE {where} ORDER BY submitted_at DESC, job_id", values
        ):
            tags = json.loads(row[0])
            if wanted.tags and not {*wanted.tags} <= tags.items():
                continue
            line = _line(row, tags, wanted.now)
            if not wanted.statuses or line.status in wanted.statuses:
                yield line

    def line(self, job_id: str, now: datetime) -> JobLine | None:
        """The one of this job, as `lines`; None where there is none."""
        row = self._base.execute(f"{_LINES} WHERE job_id = ?", (job_id,)).fetchone()
        return None if row is None else _line(row, json.loads(row[0]), now)

    def spent(self, job_id: str) -> tuple[Total, ...]:
        """What a job has cost so far."""
        return job_totals(self._base, job_id)

    def _fact(self, name: str) -> str:
        row = self._base.execute("SELECT value FROM facts WHERE name = ?", (name,))
        return (row.fetchone() or ("",))[0]


def _line(row: tuple[Any, ...], tags: Mapping[str, str], now: datetime) -> JobLine:
    _, final, job_id, source, profile, folder, submitted_at, body = row
    if not final:
        # One that is not over is judged by all that is known of it.
        from .job_rows import Job  # noqa: PLC0415

        job = Job.from_json(body)
        return JobLine.of(job, job.status(now))
    more = json.loads(body)
    return JobLine(
        job_id=job_id,
        status=final,
        source=source,
        profile=profile,
        tags=tags,
        folder=folder,
        submitted_at=submitted_at,
        finished_at=more["finished_at"],
        wall_seconds=more["wall_seconds"],
        tries=more["claim"]["number"] if more["claim"] else 0,
        by_hand=more["by_hand"],
    )
