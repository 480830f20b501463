"""
What a program calls: `probe`, `plan`, `run`, `submit` and `report`, sync and async.

Those that end with `_async` run in the caller's event loop, the others in one of their
own. All raise what the command line would tell, as the errors of `transcode.errors`.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Literal, TypedDict, TypeVar, Unpack

import anyio
from pydantic import ValidationError

from . import pipeline
from .contract import Manifest, Media, Plan
from .contract.job import JobReport
from .errors import UsageError
from .hooks import Event, Listener
from .jobs import receipts
from .jobs.batch import submit_all
from .jobs.ingest import Rule
from .jobs.service import JobService
from .plan.profile import ClipProfile, WatermarkProfile
from .request import Request
from .settings import Settings
from .store.connections import keep_open
from .wiring import Wiring, wire

T = TypeVar("T")
Named = str | os.PathLike[str]


class Options(TypedDict, total=False):
    """What `plan`, `run` and `submit` may be told; each as the option of the name."""

    profile: Named
    """A name, or a TOML file; `hls` where it is not given."""
    platform: Named
    engine: str
    deadline_seconds: float
    budget: Decimal | str
    """In the platform's currency. No float: none of them is a tenth."""
    memory_mib: int
    optimize: Literal["cost", "time", "balanced"]
    chunks: int
    sample: Literal["auto", "always", "never"]
    accept_partial: bool
    target_vmaf: float
    """So good is each rendition to be; its rate factor is searched for."""
    target_xpsnr: float
    """The same as XPSNR, dB."""
    clip: ClipProfile | Mapping[str, float]
    """`{"start_seconds": 10, "end_seconds": 20}`, or one of both."""
    watermark: WatermarkProfile | Mapping[str, str | float]
    """`{"image": "logo.png"}`, and what else a profile's `[watermark]` may have."""


def _silent(_event: Event) -> None:
    """Nobody listens."""


async def probe_async(source: Named, *, settings: Settings | None = None) -> Media:
    """What is in *source*: a path, `file://`, `s3://` or `http(s)://`."""

    async def work(wiring: Wiring) -> Media:
        _, media = await pipeline.probe_source(os.fspath(source), wiring)
        return media

    return await _wired(work, settings)


async def plan_async(
    source: Named,
    *,
    on_event: Listener = _silent,
    settings: Settings | None = None,
    **options: Unpack[Options],
) -> Plan:
    """What `run` would do with *source*, in which spec, and at what price."""
    request = _request(source, options)
    return await _wired(lambda w: pipeline.admit(request, w, listen=on_event), settings)


async def run_async(
    source: Named,
    *,
    to: Named = "transcoded",
    on_event: Listener = _silent,
    settings: Settings | None = None,
    **options: Unpack[Options],
) -> Manifest:
    """
    Make the renditions of *source* below *to*, verify them, and say what it cost.

    Cancelled, it ends its children and removes everything half-made. The error of a
    job that failed carries the manifest with its bill as `manifest`.
    """
    request = _request(source, options, to=to)
    return await _wired(lambda w: receipts.run(request, w, listen=on_event), settings)


async def submit_async(  # noqa: PLR0913 - what a submission may say
    source: Named,
    *,
    to: Named = "transcoded",
    tags: Mapping[str, str] | None = None,
    priority: int = 0,
    wait: bool = False,
    on_event: Listener = _silent,
    settings: Settings | None = None,
    **options: Unpack[Options],
) -> JobReport:
    """
    Keep a job for whoever watches *to*; with *wait*, work on it here to its end.

    The same version of a source under the same profile is one job. A job that failed
    is a report, no exception.
    """
    rule = Rule(
        request=_request("", options, to=to), tags=dict(tags or {}), priority=priority
    )

    async def work(wiring: Wiring) -> JobReport:
        named = (os.fspath(source),)
        (one,) = await submit_all(wiring, rule, named, wait=wait, listen=on_event)
        return one

    return await _wired(work, settings)


async def report_async(
    job: str, *, to: Named = "transcoded", settings: Settings | None = None
) -> JobReport:
    """Where *job* stands: its id, the first digits of it, or its folder of results."""

    async def work(wiring: Wiring) -> JobReport:
        async with JobService.open(wiring, to=os.fspath(to)) as service:
            return await service.report(await service.find(job))

    return await _wired(work, settings)


def probe(source: Named, *, settings: Settings | None = None) -> Media:
    """As `probe_async`, for programs without an event loop."""
    return _run(lambda: probe_async(source, settings=settings), "probe_async")


def plan(
    source: Named,
    *,
    on_event: Listener = _silent,
    settings: Settings | None = None,
    **options: Unpack[Options],
) -> Plan:
    """As `plan_async`, for programs without an event loop."""
    return _run(
        lambda: plan_async(source, on_event=on_event, settings=settings, **options),
        "plan_async",
    )


def run(
    source: Named,
    *,
    to: Named = "transcoded",
    on_event: Listener = _silent,
    settings: Settings | None = None,
    **options: Unpack[Options],
) -> Manifest:
    """As `run_async`, for programs without an event loop."""
    return _run(
        lambda: run_async(
            source, to=to, on_event=on_event, settings=settings, **options
        ),
        "run_async",
    )


def submit(  # noqa: PLR0913 - as of `submit_async`
    source: Named,
    *,
    to: Named = "transcoded",
    tags: Mapping[str, str] | None = None,
    priority: int = 0,
    wait: bool = False,
    on_event: Listener = _silent,
    settings: Settings | None = None,
    **options: Unpack[Options],
) -> JobReport:
    """As `submit_async`, for programs without an event loop."""
    return _run(
        lambda: submit_async(
            source,
            to=to,
            tags=tags,
            priority=priority,
            wait=wait,
            on_event=on_event,
            settings=settings,
            **options,
        ),
        "submit_async",
    )


def report(
    job: str, *, to: Named = "transcoded", settings: Settings | None = None
) -> JobReport:
    """As `report_async`, for programs without an event loop."""
    return _run(lambda: report_async(job, to=to, settings=settings), "report_async")


def _request(source: Named, options: Options, *, to: Named = "transcoded") -> Request:
    """The request; raises `UsageError` naming what is wrong."""
    given = {
        name: os.fspath(value) if isinstance(value, os.PathLike) else value
        for name, value in options.items()
        if value is not None
    }
    budget = given.get("budget")
    if isinstance(budget, Decimal):
        given["budget"] = format(budget, "f")
    elif budget is not None and not isinstance(budget, str):
        raise UsageError(
            f"budget={budget!r} is neither a Decimal nor text; write '0.05'.",
            field="budget",
        )
    try:
        return Request.model_validate(
            {"source": os.fspath(source), "to": os.fspath(to), **given}
        )
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"{field}={first['input']!r} is wrong: {first['msg'].lower()}.",
            field=field,
        ) from exc


async def _wired(
    work: Callable[[Wiring], Awaitable[T]], settings: Settings | None
) -> T:
    settings = settings or Settings.from_environment(os.environ)
    async with keep_open():
        return await work(wire(settings))


def _run(work: Callable[[], Awaitable[T]], instead: str) -> T:
    try:
        anyio.get_current_task()
    except anyio.NoEventLoopError:
        return anyio.run(work)
    raise UsageError(
        f"An event loop runs here already: await transcode.{instead} instead.",
    )
