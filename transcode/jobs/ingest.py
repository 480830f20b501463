"""Uploads → jobs: whatever told of them, an event or a listing, and however often."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import anyio
from pydantic import Field

from ..contract import Upload, Value
from ..contract.job import Submission
from ..errors import (
    DestinationUnwritable,
    MediaError,
    ObjectMissing,
    PlatformError,
    ProfileError,
    RecordUnreadable,
    SettingsError,
    SourceNotFound,
    StoreError,
    UsageError,
)
from ..event.filter import Filter, is_own_output, lies_in, overlaps
from ..event.folder import from_file
from ..event.newest import newest
from ..hooks import Taken
from ..request import Request, look_up
from ..store.bucket import Bucket, Entry
from ..store.open import bucket
from ..store.open_files import open_for_writing
from ..wiring import Wiring
from .service import Desk

_AT_ONCE = 16
"""Objects that are looked at side by side; each costs a request or two."""
_OUR_FAULT = (DestinationUnwritable, SettingsError, ProfileError, PlatformError)
"""Whoever set us up must hear of it; no upload is to blame, and none is forgotten."""
AMONG_RESULTS = "it lies among our results"
ELSEWHERE = "it lies in none of the places that uploads are taken from"
"""Of a bucket that tells of everything, most events end with one of these."""
_GROUP = 64
"""Open jobs that are read before the first of them is passed on."""
_UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".download", "~")
"""Endings under which programs write what they rename when it is whole."""


class Rule(Value):
    """What is made of each upload."""

    request: Request
    """Its `source` is replaced by the upload's."""
    only: Filter = Filter()
    sources: tuple[str, ...] | None = None
    """Folders, prefixes and web addresses that uploads are taken from; None: any."""
    tags: Mapping[str, str] = Field(default_factory=dict)
    priority: int = 0
    settle_seconds: float = 2.0
    """A file in a folder counts as whole when it was left alone for so long and no
    process here has it open for writing."""


def refuse_overlap(source: str, to: str) -> None:
    """
    Raise `SettingsError` where results would be uploads again, or uploads results.

    Folders are compared as they are, behind symbolic links.
    """
    if overlaps(_real(source), _real(to)):
        raise SettingsError(
            f"Results in {to!r} would lie among the uploads of {source!r} and start us "
            "again. Give --to a folder or prefix outside of it.",
            source=source,
            to=to,
        )


def comes_from(uri: str, sources: Sequence[str] | None) -> bool:
    """Whether *uri* lies in one of *sources*; None: anywhere is fine."""
    return sources is None or any(
        lies_in(_real(uri), _real(place)) for place in sources
    )


def _real(address: str) -> str:
    scheme, found, _ = address.partition("://")
    if found and scheme != "file":
        return address
    return str(Path(address.removeprefix("file://")).resolve())


@dataclass(frozen=True, slots=True)
class Intake:
    """Makes jobs of uploads at a desk, by one rule."""

    desk: Desk
    rule: Rule
    seen: dict[str, str] = field(default_factory=dict)
    """Key → etag of what was settled before, so that a poll costs a listing only."""
    unsettled: list[str] = field(default_factory=list)
    """Files that the last look found in the making."""

    async def take(self, uploads: Sequence[Upload]) -> tuple[Taken, ...]:
        """
        Make a job of each upload that is none yet; says of each what became of it.

        Of several versions of a key only the newest is taken. What cannot become a
        job, because it is gone or our own, is said and no error; a store that does
        not answer raises, so that whoever told us tells us again.
        """
        told = await self.take_each(uploads)
        for _, became in told:
            if isinstance(became, Exception):
                raise became
        return tuple(became for _, became in told if isinstance(became, Taken))

    async def take_each(
        self, uploads: Sequence[Upload]
    ) -> tuple[tuple[Upload, Taken | Exception], ...]:
        """As `take`, but what is raised stands beside the upload it belongs to."""
        several = newest(uploads)
        limit = anyio.CapacityLimiter(_AT_ONCE)
        became: dict[int, Taken | Exception] = {}

        async def one(number: int, upload: Upload) -> None:
            async with limit:
                try:
                    became[number] = await self._one(upload)
                except Exception as exc:  # noqa: BLE001 - kept beside its upload
                    became[number] = exc

        async with anyio.create_task_group() as group:
            for number, upload in enumerate(several):
                group.start_soon(one, number, upload)
        return tuple((each, became[n]) for n, each in enumerate(several))

    async def _one(self, upload: Upload) -> Taken:
        why = self._why_not(upload.uri)
        if why is not None:
            return Taken(upload.uri, None, new=False, ignored=why)
        request = self.rule.request.model_copy(update={"source": upload.uri})
        try:
            order = await look_up(request, self.desk.wiring)
            if is_own_output(order.source.marks):
                return Taken(
                    upload.uri, None, new=False, ignored="it is our own result"
                )
            report, new = await self.desk.submit(
                request,
                tags=self.rule.tags,
                priority=self.rule.priority,
                event_id=upload.event_id,
                order=order,
            )
        except SourceNotFound:
            return Taken(upload.uri, None, new=False, ignored="it is gone already")
        except _OUR_FAULT:
            raise
        except (UsageError, MediaError) as exc:
            return Taken(upload.uri, None, new=False, ignored=exc.message)
        return Taken(upload.uri, report, new=new, ignored=None)

    def _why_not(self, uri: str) -> str | None:
        """Told by where it lies alone."""
        # The state of jobs carries no mark: taken in, it would start us for ever.
        if lies_in(_real(uri), _real(self.desk.to)):
            return AMONG_RESULTS
        if comes_from(uri, self.rule.sources):
            return None
        return ELSEWHERE

    async def look(self, source: str) -> tuple[Taken, ...]:
        """Take what lies in a folder or under a prefix and was not taken before."""
        wiring = self.desk.wiring
        async with bucket(source, wiring.settings) as objects:
            now = await objects.now()
            fresh = [
                entry
                async for entry in objects.entries()
                if self._counts(source, entry)
                and self.seen.get(entry.key) != entry.etag
            ]
            whole = [e for e in fresh if _is_whole(objects, source, e, now, self.rule)]
            uploads = [_upload(source, objects, entry) for entry in whole]
            taken = await self.take([one for one in uploads if one is not None])
        self.seen.update({entry.key: entry.etag for entry in whole})
        self.unsettled[:] = [entry.key for entry in fresh if entry not in whole]
        return taken

    def _counts(self, source: str, entry: Entry) -> bool:
        names = entry.key.split("/")
        hidden = any(name.startswith(".") for name in names)
        unfinished = names[-1].casefold().endswith(_UNFINISHED)
        return (
            entry.bytes > 0
            and not hidden
            and not (unfinished and not source.startswith("s3://"))
            and self.rule.only.takes(entry.key)
        )


def _is_whole(
    objects: Bucket, source: str, entry: Entry, now: datetime, rule: Rule
) -> bool:
    """An object appears when it is whole; a file while it is being written."""
    if source.startswith("s3://"):
        return True
    if now - entry.modified < timedelta(seconds=rule.settle_seconds):
        return False
    return not open_for_writing(Path(objects.uri(entry.key)))


def _upload(source: str, objects: Bucket, entry: Entry) -> Upload | None:
    """None for a file that has gone since it was listed."""
    uri = objects.uri(entry.key)
    if not source.startswith("s3://"):
        try:
            status = Path(uri).stat()
        except OSError:
            return None
        return from_file(
            uri,
            root=str(Path(objects.uri())),
            size=status.st_size,
            modified_ns=status.st_mtime_ns,
        )
    name, _, key = uri.removeprefix("s3://").partition("/")
    return Upload(
        provider="s3",
        bucket=name,
        key=key,
        uri=uri,
        etag=entry.etag,
        bytes=entry.bytes,
        event_time=entry.modified,
        event_name="found",
    )


async def open_jobs(
    desk: Desk,
    troubled: Callable[[StoreError], None] = lambda _error: None,
    *,
    known: Callable[[str], bool] = lambda _job: False,
) -> AsyncIterator[Submission]:
    """
    Jobs that are not over but those *known*, of which nothing is read again.

    They come in groups, so that work begins before thousands were read; within one,
    the highest priority first, then the oldest. One whose submission cannot be made
    out is passed to *troubled* and left out.
    """
    group: list[str] = []
    async for job in desk.book.open_jobs():
        if not known(job):
            group.append(job)
        if len(group) == _GROUP:
            for submission in await _submissions(desk, group, troubled):
                yield submission
            group = []
    for submission in await _submissions(desk, group, troubled):
        yield submission


async def _submissions(
    desk: Desk, jobs: Sequence[str], troubled: Callable[[StoreError], None]
) -> list[Submission]:
    found: list[Submission] = []
    failures: list[Exception] = []
    limit = anyio.CapacityLimiter(_AT_ONCE)

    async def read(job: str) -> None:
        async with limit:
            try:
                found.append(await desk.book.submission(job))
            except ObjectMissing:
                # Whoever took it in died between the marker and the job, or is about
                # to write it: their upload is taken again.
                return
            except RecordUnreadable as exc:
                troubled(exc)
            except StoreError as exc:
                failures.append(exc)

    async with anyio.create_task_group() as group:
        for job in jobs:
            group.start_soon(read, job)
    if failures:
        raise failures[0]
    return sorted(found, key=lambda s: (-s.priority, s.submitted_at, s.job_id))


def rule_for(wiring: Wiring, rule: Rule) -> Rule:
    """*rule*, once profile and platform are known to be good; raises otherwise."""
    wiring.profile(rule.request.profile)
    wiring.platform(rule.request.platform or wiring.own_platform(rule.request.engine))
    return rule
