"""Every address of the server and what is done there."""

from __future__ import annotations

# ruff: noqa: ARG001, ARG002 - endpoints and handlers have the signature they are given
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

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
from .access import Access, refuse_foreign_kind
from .health import Health
from .metrics import Metrics
from .responses import HttpRefusal, answer, body_of, failed, reported, status_of
from .schemas import outside, read, request_for

_ANSWER_SECONDS = 25.0
"""Senders hang up after 30 s; an answer that nobody hears cannot ask for a repeat."""

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

    async def events(self, request: Request) -> Response:
        """
        Uploads that a store or bus tells of; answered once they are kept as jobs.

        A store that does not answer, or an object that may not be read now, is 503:
        the sender repeats the event, and what was kept of it before is found again.
        """
        if request.method == "OPTIONS":
            return _handshake(request)
        body = await body_of(request)
        rule = self.ingest.rule
        parsed = parse(body, headers=dict(request.headers), only=rule.only)
        told = await _in_time(self.ingest.take_each(parsed.uploads))
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

    async def submit(self, request: Request) -> Response:
        """One job by hand: 201 where it is new, 200 where it was known."""
        asked = read(await body_of(request))
        rule = self.ingest.rule
        wanted, tags, priority = request_for(asked, rule, self.sources)
        order = await _in_time(look_up(wanted, self.service.wiring))
        why = why_outside(order.source, asked.source, self.sources)
        if why is not None:
            raise outside(asked.source, why)
        report, new = await _in_time(
            self.service.submit(wanted, tags=tags, priority=priority, order=order)
        )
        await self._queued(Taken(asked.source, report, new=new, ignored=None))
        return reported(report, 201 if new else 200)

    async def job(self, request: Request) -> Response:
        """Where a job stands."""
        return reported(await _in_time(self.service.report(await self._named(request))))

    async def cancel(self, request: Request) -> Response:
        """Have it stopped, by whoever works on it."""
        job = await self._named(request)
        return reported(await _in_time(self.service.cancel(job)), 202)

    async def retry(self, request: Request) -> Response:
        """Open it again."""
        job = await self._named(request)
        try:
            report = await _in_time(self.service.retry(job))
        except UsageError as exc:
            raise HttpRefusal(409, exc) from exc
        await self.runner.add(job, priority=report.submission.priority)
        return reported(report, 202)

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

    async def _named(self, request: Request) -> str:
        text = request.path_params["job"]
        try:
            return await _in_time(self.service.find(text))
        except UsageError as exc:
            raise HttpRefusal(404, exc) from exc

    async def _queued(self, one: Taken) -> None:
        if one.ignored not in (AMONG_RESULTS, BESIDE, ELSEWHERE):
            self.listen(one)
        report: JobReport | None = one.report
        if report is not None and not report.over:
            await self.runner.add(report.job_id, priority=report.submission.priority)


def app(counter: Counter) -> Starlette:
    """The application; `/healthz` is open, everything else asks who is calling."""

    def guarded(endpoint: Endpoint) -> Endpoint:
        async def checked(request: Request) -> Response:
            counter.access.refuse(request)
            if request.method == "POST":
                refuse_foreign_kind(request)
            return await endpoint(request)

        return checked

    return Starlette(
        routes=[
            Route("/events", guarded(counter.events), methods=["POST", "OPTIONS"]),
            Route("/jobs", guarded(counter.submit), methods=["POST"]),
            Route("/jobs/{job}", guarded(counter.job)),
            Route("/jobs/{job}/cancel", guarded(counter.cancel), methods=["POST"]),
            Route("/jobs/{job}/retry", guarded(counter.retry), methods=["POST"]),
            Route("/healthz", counter.healthy),
            Route("/metrics", guarded(counter.measured)),
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


def _handshake(request: Request) -> Response:
    """
    CloudEvents' web hooks ask first whether they may send.

    https://github.com/cloudevents/spec, http-webhook, section 4.
    """
    origin = request.headers.get("webhook-request-origin")
    allowed = {"WebHook-Allowed-Origin": origin} if origin else {}
    return Response(status_code=200, headers={"Allow": "POST", **allowed})
