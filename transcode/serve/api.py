"""Every address of the server and what is done there."""

from __future__ import annotations

# ruff: noqa: ARG001, ARG002 - endpoints and handlers have the signature they are given
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from .. import pipeline
from ..contract import Plan, Source, Value
from ..contract.job import JobReport
from ..errors import ObjectMissing, StoreDown, TranscodeError, UsageError
from ..event.parse import parse
from ..hooks import Listener, Taken
from ..jobs.documents import as_ours, became, passed_over
from ..jobs.ingest import AMONG_RESULTS, BESIDE, Ingest
from ..jobs.runner import Runner
from ..jobs.service import JobService
from ..jobs.sources import ELSEWHERE, why_outside
from ..request import look_up
from ..tracing.spans import HEADER, span
from .access import Access, refuse_foreign_kind
from .documents import Healthy, Told
from .files import Uploaded, result_file, taken_in
from .health import Health
from .listing import Costs, CostsQuery, JobPage, JobsQuery, Listing
from .live import Live, LiveEvent
from .metrics import Metrics
from .operations import JSON, Operation, StatusReply, described, query_of
from .pages import pages
from .responses import HttpRefusal, answer, body_of, failed, reported, status_of
from .schemas import Asked, PlanAsked, marks_of, outside, read, request_for

_ANSWER_SECONDS = 25.0
"""Senders hang up after 30 s; an answer that nobody hears cannot ask for a repeat."""

_PLANS = 2
"""At a time: each opens a source in a process of its own."""
EVENT_STREAM = "text/event-stream"

T = TypeVar("T")
Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Counter:
    """Where callers are served: everything an answer is made from."""

    service: JobService
    ingest: Ingest
    runner: Runner
    metrics: Metrics
    queue: Callable[[], None]
    """Brings the gauges up to date."""
    sources: Sequence[str] | None
    access: Access
    health: Health
    listen: Listener
    live: Live
    listing: Listing
    images: str | None = None
    """The folder of what watermarks may be."""
    uploads_to: str | None = None
    """A folder or prefix that takes uploads; None: nothing is taken."""
    planning: anyio.CapacityLimiter = field(
        default_factory=lambda: anyio.CapacityLimiter(_PLANS)
    )

    async def events(self, request: Request) -> Response:
        """
        Uploads that a store or bus tells of; answered once they are kept as jobs.

        A store that does not answer, or an object that may not be read now, is 503:
        the sender repeats the event, and what was kept of it before is found again.
        """
        body = await body_of(request)
        rule = self.ingest.rule
        parsed = parse(body, headers=dict(request.headers), only=rule.only)
        with span("event", parent=request.headers.get(HEADER)) as marked:
            told = await _in_time(self.ingest.take_each(parsed.uploads))
            marked.mark({"transcode.uploads": len(told)})
        for _, one in told:
            if isinstance(one, Taken):
                await self._queued(one)
        document = {
            "uploads": [became(upload.uri, one) for upload, one in told],
            "ignored": passed_over(parsed.ignored),
        }
        failures = [as_ours(one) for _, one in told if isinstance(one, Exception)]
        if failures:
            # The whole event is to be sent again; the part that is kept costs nothing.
            worst = max(failures, key=status_of)
            again = type(worst)(worst.message, **{**worst.evidence, **document})
            # Where we could not look, the upload would be forgotten by any other.
            return failed(again, 503 if any(f.mendable for f in failures) else None)
        fresh = any(isinstance(one, Taken) and one.new for _, one in told)
        return answer(document, 202 if fresh else 200)

    async def jobs(self, request: Request) -> Response:
        """
        The jobs, the newest first, a page at a time.

        From an index: of what other processes do, it may be some seconds behind.
        """
        asked = query_of(request, JobsQuery)
        return _document(await self.listing.jobs(asked))

    async def costs(self, request: Request) -> Response:
        """What was spent, by day, month, profile, platform, engine, function or tag."""
        asked = query_of(request, CostsQuery)
        return _document(await self.listing.costs(asked))

    async def plan(self, request: Request) -> Response:
        """
        What would be made, in which spec, why, and at what price; nothing is kept.

        The chosen spec stands first among the candidates of a task, then those that
        lost, each with its reason.
        """
        asked = read(await body_of(request), PlanAsked)
        wanted = request_for(asked, self.ingest.rule, self.sources, self.images)
        wanted = wanted.model_copy(update={"sample": "auto"})
        order = await _in_time(look_up(wanted, self.service.wiring))
        self._refuse_outside(order.source, asked.source)
        async with self.planning:
            made = await _in_time(pipeline.admit(wanted, self.service.wiring))
        # Found a second time: what it leads to now is what was looked at.
        self._refuse_outside(made.source, asked.source)
        return _document(made)

    async def submit(self, request: Request) -> Response:
        """One job by hand: 201 where it is new, 200 where it was known."""
        asked = read(await body_of(request), Asked)
        rule = self.ingest.rule
        wanted = request_for(asked, rule, self.sources, self.images)
        tags, priority = marks_of(asked, rule)
        order = await _in_time(look_up(wanted, self.service.wiring))
        self._refuse_outside(order.source, asked.source)
        with span(
            "submit", pipeline.marks_of_job(order), parent=request.headers.get(HEADER)
        ):
            report, new = await _in_time(
                self.service.submit(wanted, tags=tags, priority=priority, order=order)
            )
        await self._queued(Taken(asked.source, report, new=new, ignored=None))
        return self._answer(report, 201 if new else 200)

    async def job(self, request: Request) -> Response:
        """Where a job stands. What `transcode run` made is told of, too."""
        return self._answer(await self._reported(request))

    async def planned(self, request: Request) -> Response:
        """
        The plan of a job that was planned by this server; 404 for any other.

        Plans are not kept in the store: `POST /plan` tells what would be done now.
        """
        job = await self._named(request)
        plan = self.live.plans.get(job)
        if plan is None:
            error = UsageError(
                f"Job {job[:12]} was not planned here since the server began; POST "
                "/plan says what would be done now.",
                job_id=job,
            )
            raise HttpRefusal(404, error)
        return _document(plan)

    async def job_events(self, request: Request) -> Response:
        """What happens to one job, as server-sent events; begins with where it is."""
        return self._stream(await self._named(request))

    async def all_events(self, request: Request) -> Response:
        """
        What happens to all jobs of this server, as server-sent events.

        A stream ends after some seconds, or where its reader is slow; come back then.
        """
        return self._stream(None)

    async def file(self, request: Request) -> Response:
        """A file of a job's results, as the manifest or a playlist in it names it."""
        report = await self._reported(request)
        path, part = request.path_params["path"], request.headers.get("Range")
        return await _in_time(result_file(self.service.bucket, report, path, part=part))

    async def upload(self, request: Request) -> Response:
        """
        Store a source: the body, as it comes, under this name among the uploads.

        It goes to the first `--source` that is a folder or a bucket's prefix; 409 where
        there is none, or something of that name. Submit its `uri` then. It has to come
        within the time that any request has; what takes longer belongs in the bucket.
        """
        made = await taken_in(
            self.uploads_to, request.path_params["name"], request, self.service.wiring
        )
        return _document(made, 201)

    async def cancel(self, request: Request) -> Response:
        """Have it stopped, by whoever works on it."""
        job = await self._named(request)
        return self._answer(await _in_time(self.service.cancel(job)), 202)

    async def retry(self, request: Request) -> Response:
        """Open it again."""
        job = await self._named(request)
        try:
            report = await _in_time(self.service.retry(job))
        except UsageError as exc:
            raise HttpRefusal(409, exc) from exc
        await self.runner.add(job, priority=report.submission.priority)
        return self._answer(report, 202)

    async def handshake(self, request: Request) -> Response:
        """
        CloudEvents' web hooks ask first whether they may send.

        https://github.com/cloudevents/spec, http-webhook, section 4.
        """
        origin = request.headers.get("webhook-request-origin")
        allowed = {"WebHook-Allowed-Origin": origin} if origin else {}
        headers = {"Allow": "GET, POST, OPTIONS", **allowed}
        return PlainTextResponse("", headers=headers)

    async def schema(self, request: Request) -> Response:
        """This interface as OpenAPI 3.1."""
        return answer(described(OPERATIONS))

    async def healthy(self, request: Request) -> Response:
        """
        200 while the store answers, 503 while it does not.

        Anybody may ask and as often as they like: a constant, and no request for each.
        """
        if await self.health.ask():
            return answer({"status": "ok"})
        return failed(StoreDown("The store does not answer."), 503)

    async def measured(self, request: Request) -> Response:
        """Prometheus' text format."""
        self.queue()
        kind = "text/plain; version=0.0.4; charset=utf-8"
        return Response(self.metrics.text(), headers={"Content-Type": kind})

    def _refuse_outside(self, source: Source, asked: str) -> None:
        why = why_outside(source, asked, self.sources)
        if why is not None:
            raise outside(asked, why)

    def _answer(self, report: JobReport, status: int = 200) -> Response:
        self.listing.told(report)
        return reported(report, status)

    def _stream(self, job: str | None) -> Response:
        return StreamingResponse(
            self.live.stream(job),
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
            media_type=EVENT_STREAM,
        )

    async def _named(self, request: Request) -> str:
        text = request.path_params["job"]
        try:
            return await _in_time(self.service.find(text))
        except UsageError as exc:
            raise HttpRefusal(404, exc) from exc

    async def _reported(self, request: Request) -> JobReport:
        """Of a job that is kept, or of a result that was made by hand."""
        try:
            return await _in_time(self.service.report(await self._named(request)))
        except HttpRefusal:
            made = await self.listing.by_hand(request.path_params["job"])
            if made is None:
                raise
            report = await _in_time(self.service.result(made))
            if report is None:
                raise
            return report

    async def _queued(self, one: Taken) -> None:
        if one.ignored not in (AMONG_RESULTS, BESIDE, ELSEWHERE):
            self.listen(one)
        report: JobReport | None = one.report
        if report is not None and not report.over:
            await self.runner.add(report.job_id, priority=report.submission.priority)


_REPORT = StatusReply("Where the job stands.", JobReport)
_STREAM = StatusReply("`LiveEvent`s, one in each `data`.", LiveEvent, EVENT_STREAM)
_TEXT = "text/plain"

OPERATIONS = (
    Operation(
        *("POST", "/events", Counter.events),
        {
            200: StatusReply("Known uploads, or none.", Told),
            202: StatusReply("New jobs were kept.", Told),
        },
        body_kind=JSON,
    ),
    Operation(
        *("OPTIONS", "/events", Counter.handshake),
        {200: StatusReply("Who may send.", kind=_TEXT)},
    ),
    Operation(
        *("GET", "/events", Counter.all_events),
        {
            200: StatusReply(
                "`LiveEvent`s, one in each `data`.", LiveEvent, EVENT_STREAM
            )
        },
    ),
    Operation(
        *("GET", "/jobs", Counter.jobs),
        {200: StatusReply("A page of jobs.", JobPage)},
        query=JobsQuery,
    ),
    Operation(
        *("POST", "/jobs", Counter.submit),
        {200: _REPORT, 201: StatusReply("A new job.", JobReport)},
        body=Asked,
        refusals=(404,),
    ),
    Operation(
        *("POST", "/plan", Counter.plan),
        {200: StatusReply("The plan.", Plan)},
        body=PlanAsked,
        refusals=(404, 422),
    ),
    Operation(
        *("GET", "/costs", Counter.costs),
        {200: StatusReply("What was spent.", Costs)},
        query=CostsQuery,
    ),
    Operation(*("GET", "/jobs/{job}", Counter.job), {200: _REPORT}, refusals=(404,)),
    Operation(
        *("GET", "/jobs/{job}/plan", Counter.planned),
        {200: StatusReply("The plan.", Plan)},
        refusals=(404,),
    ),
    Operation(
        *("GET", "/jobs/{job}/events", Counter.job_events),
        {
            200: StatusReply(
                "`LiveEvent`s, one in each `data`.", LiveEvent, EVENT_STREAM
            )
        },
        refusals=(404,),
    ),
    Operation(
        *("GET", "/jobs/{job}/files/{path:path}", Counter.file),
        {
            200: StatusReply("The file.", kind="*/*"),
            206: StatusReply("A part of it.", kind="*/*"),
            307: StatusReply("A large file of a bucket: where to read it.", kind="*/*"),
        },
        refusals=(404, 416),
    ),
    Operation(
        *("POST", "/jobs/{job}/cancel", Counter.cancel),
        {202: _REPORT},
        refusals=(404,),
    ),
    Operation(
        *("POST", "/jobs/{job}/retry", Counter.retry),
        {202: _REPORT},
        refusals=(404, 409),
    ),
    Operation(
        *("PUT", "/uploads/{name}", Counter.upload),
        {201: StatusReply("It is there.", Uploaded)},
        body_kind="application/octet-stream",
        refusals=(404, 409),
    ),
    Operation(
        *("GET", "/healthz", Counter.healthy),
        {200: StatusReply("The store answers.", Healthy)},
        is_open=True,
    ),
    Operation(
        *("GET", "/metrics", Counter.measured),
        {200: StatusReply("Prometheus' text format.", kind=_TEXT)},
    ),
    Operation(
        *("GET", "/openapi.json", Counter.schema),
        {200: StatusReply("This document.", kind=JSON)},
    ),
)
"""What routes, checks and describes: an address that is not here does not exist."""


def app(counter: Counter) -> Starlette:
    """The application; what is a constant is open, all else asks who is calling."""

    def bound(operation: Operation) -> Endpoint:
        async def checked(request: Request) -> Response:
            if not operation.is_open:
                counter.access.refuse(request)
            if operation.method == "POST":
                refuse_foreign_kind(request)
            return await operation.endpoint(counter, request)

        return checked

    by_path: dict[str, dict[str, Endpoint]] = {}
    for one in OPERATIONS:
        by_path.setdefault(one.path, {})[one.method] = bound(one)

    def dispatched(methods: dict[str, Endpoint]) -> Endpoint:
        async def chosen(request: Request) -> Response:
            method = "GET" if request.method == "HEAD" else request.method
            return await methods[method](request)

        return chosen

    return Starlette(
        routes=[
            *pages(),
            *(
                Route(path, dispatched(methods), methods=[*methods])
                for path, methods in by_path.items()
            ),
        ],
        exception_handlers={
            HttpRefusal: _refused,
            HTTPException: _unknown,
            TranscodeError: _told,
            Exception: _unforeseen,
        },
    )


async def _refused(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HttpRefusal)  # noqa: S101  that is what it is called for
    response = failed(exc.error, exc.status)
    response.headers.update(exc.headers)
    return response


async def _unknown(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)  # noqa: S101  see above
    error = UsageError(f"{request.method} {request.url.path}: {exc.detail}.")
    response = failed(error, exc.status_code)
    response.headers.update(exc.headers or {})
    return response


async def _told(request: Request, exc: Exception) -> Response:
    if isinstance(exc, ObjectMissing):
        return failed(exc, 404)
    return failed(as_ours(exc))


async def _unforeseen(request: Request, exc: Exception) -> Response:
    return failed(as_ours(exc), 500)


async def _in_time(work: Awaitable[T]) -> T:
    """Its result, or `StoreDown` while somebody still listens."""
    try:
        with anyio.fail_after(_ANSWER_SECONDS):
            return await work
    except TimeoutError as exc:
        error = StoreDown(f"The store did not answer within {_ANSWER_SECONDS:g} s.")
        raise error from exc


def _document(value: Value, status: int = 200) -> Response:
    return Response(value.to_json(), status, media_type=JSON)
