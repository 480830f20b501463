"""What a platform's function keeps between calls: settings read, tools warm."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ..contract import Spec
from ..errors import SettingsError
from ..event.filter import Filter
from ..jobs.ingest import Rule, refuse_overlap, rule_for
from ..meter import open_counters
from ..platforms.machine import this_machine
from ..platforms.platform import Machine, Platform, spec_for_memory
from ..request import Request
from ..sandbox.environment import keep_private
from ..settings import Settings
from ..tracing.spans import begin
from ..wiring import Wiring

LOCAL = "local"
"""The engine of what is done in the call itself."""


@dataclass
class Function:
    """Everything that outlives a call, made by the initialiser."""

    wiring: Wiring
    rule: Rule
    platform: Platform
    spec: Spec | None
    """The one that the platform gave us; None where it does not say."""
    unbilled_seconds: float = 0.0
    """Of the initialiser, until a call enters it into the ledger."""

    @classmethod
    def prepare(
        cls, settings: Settings, *, platform: str, memory_mib: int | None
    ) -> Function:
        """
        Read the settings and warm up what a first job would wait for.

        Raises `SettingsError` where `TRANSCODE_TO` is missing or lies among the
        uploads, `PlatformError` for memory that is none of the platform's.
        """
        started = time.monotonic()
        begin(settings.traces)
        open_counters()
        keep_private()
        if settings.to is None:
            raise SettingsError(
                "TRANSCODE_TO is not set: say where results go, s3://bucket/prefix.",
                setting="TRANSCODE_TO",
            )
        sources = tuple((settings.sources or "").split())
        for source in sources:
            refuse_overlap(source, settings.to)
        wiring = Wiring(settings)
        chosen = wiring.catalog.platform(settings.platform or platform)
        spec = None
        if memory_mib is not None:
            there = this_machine(wiring.scratch)
            spec = spec_for_memory(chosen, memory_mib, there)
            held = Machine(
                milli_cpus=spec.milli_cpus,
                memory_mib=memory_mib,
                scratch_mib=there.scratch_mib,
            )
            wiring = Wiring(settings, held_to=held)
        engine = _engine_of(settings)
        apart = engine != LOCAL
        request = Request(
            source="",
            to=settings.to,
            profile=settings.profile,
            platform=settings.platform or platform,
            engine=engine,
            # Where the work is done elsewhere, its memory is chosen for it.
            memory_mib=None if apart else memory_mib,
        )
        rule = Rule(
            request=request,
            only=Filter(
                suffixes=tuple((settings.suffixes or "").split()), may_be_media=True
            ),
            sources=sources or ("s3://",),
        )
        rule_for(wiring, rule)
        wiring.prepare()
        _warm_store(settings.to)
        spent = time.monotonic() - started
        return cls(wiring, rule, chosen, spec, unbilled_seconds=spent)

    def take_unbilled(self) -> float:
        seconds, self.unbilled_seconds = self.unbilled_seconds, 0.0
        return seconds


def _engine_of(settings: Settings) -> str:
    """Where the tasks of uploads are done: in calls of their own, once named."""
    if settings.functiongraph_function is not None:
        return "functiongraph"
    return LOCAL if settings.lambda_function is None else "aws-lambda"


def _warm_store(to: str) -> None:
    if to.startswith("s3://"):
        from ..store import s3_bucket  # noqa: F401, PLC0415  botocore takes a second
