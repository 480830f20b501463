"""Uploads → jobs: whatever told of them, an event or a listing, and however often."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread
from pydantic import Field

from ..access.address import path_of
from ..contract import Source, Upload, Value
from ..contract.job import Submission
from ..deliver import folder_name
from ..errors import (
    DestinationUnwritable,
    MediaError,
    ObjectMissing,
    PlatformError,
    ProfileError,
    RecordUnreadable,
    SettingsError,
    SourceNotFound,
    SourceUnreadable,
    TranscodeError,
    UsageError,
    WatermarkError,
)
from ..event.filter import Filter, is_own_output, lies_in, overlaps
from ..event.newest import newest
from ..hooks import Taken, Troubled
from ..plan.profile import Profile
from ..request import Request, job_of, look_up, profile_of
from ..store.watched_folder import is_inside, whole
from ..wiring import Wiring
from .documents import as_ours
from .finalize import may_be_mended
from .repository import EndedJob
from .service import JobService
from .source_look import Look, Place, SourceSeen, entries
from .sources import ELSEWHERE, comes_from, why_outside

_AT_ONCE = 16
"""Objects that are looked at side by side; each costs a request or two."""
_OUR_FAULT = (
    *(DestinationUnwritable, SettingsError, ProfileError, PlatformError),
    *(SourceUnreadable, WatermarkError),
)
"""Whoever set us up must hear of it; no upload is to blame, and none is forgotten."""
GONE = "it is gone already"
_FEW = 16
"""Objects that are asked for one by one; for more, all that is over is listed."""
AMONG_RESULTS = "it lies among our results"
BESIDE = "by its name it is no media; --suffix takes what it names"
"""Of a bucket that tells of everything, most events end with one of these."""
_GROUP = 64
"""Open jobs that are read before the first of them is passed on."""


class Rule(Value):
    """What is made of each upload."""

    request: Request
    """Its `source` is replaced by the upload's."""
    only: Filter = Filter(may_be_media=True)
    sources: tuple[str, ...] | None = None
    """Folders, prefixes and web addresses that uploads are taken from; None: any."""
    tags: Mapping[str, str] = Field(default_factory=dict)
    priority: int = 0
    settle_seconds: float = 2.0
    """A file in a folder counts as whole when it was left alone for so long, and for
    three times as long as it rested while it grew, and no process here has it open
    for writing."""


def refuse_overlap(source: str, to: str) -> None:
    """
    Raise `SettingsError` where results would be uploads again, or uploads results.

    Folders are compared as they are, behind symbolic links and bind mounts.
    """
    apart = "://" in source or "://" in to
    if overlaps(_real(source), _real(to)) or (
        not apart and (is_inside(to, source) or is_inside(source, to))
    ):
        raise SettingsError(
            f"Results in {to!r} would lie among the uploads of {source!r} and start us "
            "again. Give --to a folder or prefix outside of it.",
            source=source,
            to=to,
        )


def _real(address: str) -> str:
    scheme, found, _ = address.partition("://")
    if found and scheme != "file":
        return address
    return str(Path(path_of(address)).resolve())


@dataclass(frozen=True, slots=True)
class Ingest:
    """Makes jobs of uploads at a service, by one rule."""

    service: JobService
    rule: Rule
    places: dict[str, Place] = field(default_factory=dict)
    """By source, so that a poll costs a listing only."""

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
        self, uploads: Sequence[Upload], *, within: str | None = None
    ) -> tuple[tuple[Upload, Taken | Exception], ...]:
        """
        As `take`, but what is raised stands beside the upload it belongs to.

        *within* is the one source they were found in, and so have to be in; None: any
        of the rule's.
        """
        sources = (within,) if within else self.rule.sources
        several = newest(uploads)
        limit = anyio.CapacityLimiter(_AT_ONCE)
        became: dict[int, Taken | Exception] = {}

        async def one(number: int, upload: Upload) -> None:
            async with limit:
                try:
                    became[number] = await self._one(upload, sources)
                except Exception as exc:  # noqa: BLE001 - kept beside its upload
                    became[number] = exc

        async with anyio.create_task_group() as group:
            for number, upload in enumerate(several):
                group.start_soon(one, number, upload)
        return tuple((each, became[n]) for n, each in enumerate(several))

    async def _one(self, upload: Upload, sources: Sequence[str] | None) -> Taken:
        why = self._why_not(upload, sources)
        if why is not None:
            return Taken(upload.uri, None, new=False, ignored=why)
        request = self.rule.request.model_copy(update={"source": upload.uri})
        try:
            order = await look_up(request, self.service.wiring)
            why = why_outside(order.source, upload.uri, sources)
            if why is not None:
                return Taken(upload.uri, None, new=False, ignored=why)
            if is_own_output(order.source.marks):
                return Taken(
                    upload.uri, None, new=False, ignored="it is our own result"
                )
            report, new = await self.service.submit(
                request,
                tags=self.rule.tags,
                priority=self.rule.priority,
                event_id=upload.event_id,
                order=order,
            )
        except SourceNotFound:
            return Taken(upload.uri, None, new=False, ignored=GONE)
        except _OUR_FAULT:
            raise
        except (UsageError, MediaError) as exc:
            return Taken(upload.uri, None, new=False, ignored=exc.message)
        return Taken(upload.uri, report, new=new, ignored=None)

    def _why_not(self, upload: Upload, sources: Sequence[str] | None) -> str | None:
        """Told by its name alone."""
        uri = upload.uri
        if not comes_from(uri, sources):
            return ELSEWHERE
        # The state of jobs carries no mark: taken in, it would start us for ever.
        if lies_in(_real(uri), _real(self.service.to)):
            return AMONG_RESULTS
        return BESIDE if self.rule.only.passes_over(upload.key) else None

    async def look(self, source: str) -> AsyncIterator[tuple[Taken | Troubled, ...]]:
        """
        Take what lies in a folder or under a prefix and was not taken before, in
        groups, so that work on the first begins while others are looked at.

        What cannot be looked at is said, once, and looked at again, ever more rarely;
        whatever lies beside it is none the worse. Raises `TranscodeError` where
        nothing at all can be.
        """
        place = self.places.setdefault(source, Place())
        look = Look(place, anyio.current_time(), self.rule.settle_seconds)
        finished = _Finished(self)
        async for found, blocked in entries(
            source,
            self.rule.only,
            to=self.service.to,
            settings=self.service.wiring.settings,
        ):
            strange = look.strange(blocked)
            if strange:
                yield strange
            due = look.due(found)
            # Asked of all processes at once: one by one, it took the loop for seconds.
            resting = await whole([one.file for one in due.values() if one.file])
            for key, one in tuple(due.items()):
                if one.file is not None and one.file not in resting:
                    look.unsettled += 1
                    del due[key]
            for key in await finished.among(due):
                look.settle(key)
                del due[key]
            became, events = await self._take_due(look, due, source)
            await finished.note(due, became)
            if events:
                yield events
        look.end()

    async def _take_due(
        self, look: Look, due: Mapping[str, SourceSeen], source: str
    ) -> tuple[dict[str, Taken], tuple[Taken | Troubled, ...]]:
        """What became of each key, and what is to be said."""
        keys = {seen.upload.uri: key for key, seen in due.items()}
        told = await self.take_each(
            [seen.upload for seen in due.values()], within=source
        )
        failures = [one for _, one in told if isinstance(one, Exception)]
        if len(failures) == len(told) > 1:
            # It is not they: the store of results, perhaps, or the network.
            raise failures[0]
        became: dict[str, Taken] = {}
        events: list[Taken | Troubled] = []
        for upload, one in told:
            key = keys[upload.uri]
            if isinstance(one, Taken):
                if one.ignored != GONE:
                    look.settle(key)
                became[key] = one
                events.append(one)
            else:
                pause = look.put_off(key)
                if pause is not None:
                    events.append(Troubled(as_ours(one), pause))
        return became, tuple(events)


@dataclass(slots=True)
class _Finished:
    """Which objects of a source are jobs that are over, learned in a few listings."""

    ingest: Ingest
    asked: int = 0
    jobs: Mapping[str, EndedJob] | None = None
    """By each name; None until there were enough to ask for."""
    folders: frozenset[str] = frozenset()
    open: frozenset[str] = frozenset()
    profile: Profile | None = None

    async def among(self, due: Mapping[str, SourceSeen]) -> list[str]:
        """
        Keys of those in *due* whose job is over and whose results, where it has any,
        are there, or whose job is open, so that a patrol finds it. A few are asked for
        one by one, which costs less than to list all.
        """
        self.asked += len(due)
        if self.asked <= _FEW or not due:
            return []
        service = self.ingest.service
        if self.jobs is None:
            self.jobs = await service.repository.over()
            self.folders = await service.bucket.folders() if self.jobs else frozenset()
            self.open = await service.repository.known_open()
        known = []
        for key, names in self._names(due):
            if self._is_over(due[key], names) or names[0] in self.open:
                known.append(key)
        return known

    async def note(
        self, due: Mapping[str, SourceSeen], became: Mapping[str, Taken]
    ) -> None:
        """
        Have the next look know what this one had to ask for: results made by hand, and
        versions of objects, which a listing does not tell.
        """
        if self.jobs is None:
            return
        for key, names in self._names(due):
            report = became[key].report if key in became else None
            if report is None or not report.over or may_be_mended(report):
                continue
            name = names[0] if names[0] == report.job_id else names[1]
            if name not in self.jobs:
                ended = EndedJob(report.job_id, report.status)
                await self.ingest.service.repository.note(name, ended)

    def _is_over(self, seen: SourceSeen, names: tuple[str, str]) -> bool:
        jobs = self.jobs or {}
        found = next((jobs[name] for name in names if name in jobs), None)
        if found is None or found.status != "succeeded":
            return found is not None
        folder = folder_name(seen.upload.uri, self._profile.name, found.job_id)
        return folder in self.folders

    def _names(
        self, due: Mapping[str, SourceSeen]
    ) -> Iterator[tuple[str, tuple[str, str]]]:
        """
        Of each key, the job's id where there are no versions, and a name of our own
        that is as good where there are: by the time of change.
        """
        profile, request = self._profile, self.ingest.rule.request
        for key, seen in due.items():
            upload = seen.upload
            source = Source(
                uri=upload.uri,
                bytes=upload.bytes or 0,
                etag=upload.etag,
                location=upload.uri,
            )
            job, _ = job_of(source, profile, request)
            known_by = source.model_copy(update={"etag": seen.sighting.etag})
            yield key, (job, job_of(known_by, profile, request)[0])

    @property
    def _profile(self) -> Profile:
        if self.profile is None:
            self.profile = profile_of(
                self.ingest.rule.request, self.ingest.service.wiring
            )
        return self.profile


async def open_jobs(
    service: JobService,
    troubled: Callable[[TranscodeError], None] = lambda _error: None,
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
    async for job in service.repository.open_jobs():
        if not known(job):
            group.append(job)
        if len(group) == _GROUP:
            for submission in await _submissions(service, group, troubled):
                yield submission
            group = []
    for submission in await _submissions(service, group, troubled):
        yield submission


async def _submissions(
    service: JobService, jobs: Sequence[str], troubled: Callable[[TranscodeError], None]
) -> list[Submission]:
    found: list[Submission] = []
    failures: list[Exception] = []
    limit = anyio.CapacityLimiter(_AT_ONCE)

    async def read(job: str) -> None:
        async with limit:
            try:
                found.append(await service.repository.submission(job))
            except ObjectMissing:
                # Whoever took it in died between the marker and the job, or is about
                # to write it: their upload is taken again.
                return
            except RecordUnreadable as exc:
                troubled(exc)
            except Exception as exc:  # noqa: BLE001 - raised below, not as a group
                failures.append(exc)

    async with anyio.create_task_group() as group:
        for job in jobs:
            group.start_soon(read, job)
    if failures:
        raise failures[0]
    return sorted(found, key=lambda s: (-s.priority, s.submitted_at, s.job_id))


def rule_for(wiring: Wiring, rule: Rule) -> Rule:
    """*rule*, once profile and platform are known to be good; raises otherwise."""
    wiring.catalog.profile(rule.request.profile)
    wiring.platform_of(rule.request.engine, rule.request.platform)
    return rule
