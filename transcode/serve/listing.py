"""The jobs and bills of a destination, from an index that is kept up to date."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import islice
from typing import Annotated

import anyio
from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints

from ..contract import Value
from ..contract.job import JobReport, Submission
from ..contract.status import JobStatus
from ..errors import StoreDown
from ..hooks import Listener, Troubled
from ..jobs.documents import as_ours
from ..ledger.index import Index
from ..ledger.job_filter import Cursor, JobFilter
from ..ledger.summaries import JobSummary, Spending
from ..store.bucket import Bucket

_EVERY_SECONDS = 10.0
"""What other processes did is seen by then; what this one does, at once."""
_PAUSE_SECONDS = 0.5
"""Between two looks, however much happens."""
_FIRST_SECONDS = 20.0
_CHANGE_SECONDS = 5.0
"""How long an answer waits for what is known to have changed: where the store hangs, it
says by `as_of` how old it is."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

TagPair = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z0-9_.:/@+-]{1,64}=[A-Za-z0-9_.:/@+-]{1,64}$",
    ),
]
CursorText = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,500}$")]
Grouping = Annotated[
    str,
    StringConstraints(
        pattern=r"^(day|month|profile|platform|engine|function|tag:[A-Za-z0-9_.:/@+-]{1,64})$"
    ),
]


def _written_out(value: object) -> object:
    # A number were seconds since 1970.
    if isinstance(value, str) and not _DAY.fullmatch(value):
        raise ValueError("is no day; write 2026-11-22")
    return value


Day = Annotated[date, BeforeValidator(_written_out)]


class _Query(Value):
    model_config = ConfigDict(use_attribute_docstrings=True)


class JobsQuery(_Query):
    """Which jobs to list; the newest first."""

    status: tuple[JobStatus, ...] = ()
    """Only jobs that stand so; may be given several times."""
    tag: tuple[TagPair, ...] = ()
    """`key=value`; only jobs with all of them."""
    source: Annotated[str, StringConstraints(max_length=8192)] | None = None
    """What the source's address begins with."""
    profile: Annotated[str, StringConstraints(max_length=200)] | None = None
    """The profile's name."""
    cursor: (
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,500}$")] | None
    ) = None
    """`next` of the page before."""
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    """How many on a page."""


class CostsQuery(_Query):
    """Of which days, and how to add up."""

    by: Grouping = "day"
    """`day`, `month`, `profile`, `platform`, `engine`, `function` or `tag:KEY`."""
    since: Day | None = None
    """The first day, UTC."""
    until: Day | None = None
    """The last day, UTC."""


class JobPage(Value):
    """A part of the list."""

    jobs: tuple[JobSummary, ...]
    next: str | None
    """Cursor of the next page; null where this is the last."""
    as_of: str
    """When the store was last looked at; UTC, ISO 8601."""


class Costs(Value):
    """What was spent, one amount for each group and currency."""

    by: str
    groups: tuple[Spending, ...]


@dataclass
class Listing:
    """Answers from the index; `keep_fresh` brings it up to date."""

    index: Index
    bucket: Bucket
    listen: Listener
    _news: anyio.Event = field(default_factory=anyio.Event)
    _looked_anew: anyio.Event = field(default_factory=anyio.Event)
    _changes: int = 0
    _seen: int = 0
    """As many of the changes as the store had shown at the last look."""
    _as_of: datetime | None = None

    def changed(self) -> None:
        """Something happened here: look again soon."""
        self._changes += 1
        self._news.set()

    def told(self, report: JobReport) -> None:
        """Somebody was told how a job stands: the list must not know less."""
        line = self.index.line(report.job_id, datetime.now(UTC))
        if line is None or line.status != report.status:
            self.changed()

    async def keep_fresh(self) -> None:
        """For ever; a store that is down is asked again."""
        while True:
            self._news = anyio.Event()
            try:
                now, changes = datetime.now(UTC), self._changes
                await self.index.sync(self.bucket)
                self._as_of, self._seen = now, changes
                self._looked_anew.set()
                self._looked_anew = anyio.Event()
            except Exception as exc:  # noqa: BLE001 - said, and tried again
                self.listen(Troubled(as_ours(exc), _EVERY_SECONDS))
            await anyio.sleep(_PAUSE_SECONDS)
            with anyio.move_on_after(_EVERY_SECONDS):
                await self._news.wait()

    async def jobs(self, asked: JobsQuery) -> JobPage:
        """One page; raises `UsageError` for a cursor that is none."""
        as_of = await self._looked()
        now = datetime.now(UTC)
        wanted = JobFilter(
            statuses=frozenset(asked.status),
            tags=tuple(_pair(text) for text in asked.tag),
            source=asked.source or "",
            profile=asked.profile or "",
            after=None if asked.cursor is None else Cursor.parse(asked.cursor),
            now=now,
        )
        found = list(islice(self.index.lines(wanted), asked.limit + 1))
        page, more = found[: asked.limit], len(found) > asked.limit
        return JobPage(
            jobs=tuple(
                JobSummary.of(line, self.index.spent(line.job_id)) for line in page
            ),
            next=str(Cursor.after(page[-1])) if more else None,
            as_of=as_of.isoformat(),
        )

    async def by_hand(self, text: str) -> Submission | None:
        """What `transcode run` made under this id or folder, if it is one."""
        await self._looked()
        found = [job for job in self.index.find(text) if job.by_hand]
        return found[0].submission if len(found) == 1 else None

    async def costs(self, asked: CostsQuery) -> Costs:
        await self._looked()
        totals = self.index.totals(asked.by, asked.since, asked.until)
        return Costs(by=asked.by, groups=tuple(map(Spending.of, totals)))

    async def _looked(self) -> datetime:
        """
        When the store was: after all that was known to have changed by now.

        Raises `StoreDown` where it could not be looked at even once.
        """
        changes = self._changes
        with anyio.move_on_after(
            _FIRST_SECONDS if self._as_of is None else _CHANGE_SECONDS
        ):
            while self._as_of is None or self._seen < changes:
                await self._looked_anew.wait()
        if self._as_of is None:
            raise StoreDown("The jobs are still being read; come back in a moment.")
        return self._as_of


def _pair(text: str) -> tuple[str, str]:
    key, _, content = text.partition("=")
    return key, content
