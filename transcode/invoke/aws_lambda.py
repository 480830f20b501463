"""
Attempts as asynchronous invocations of AWS Lambda, in functions of one image.

A call cannot choose its memory, so there is a function for each size that the platform
file's `[tier]` names, called `<prefix>-<memory>`. Tries are ours to count, so their
retries are 0: that is looked at before the first call of each.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Protocol

import anyio

from ..contract import Spec, Task
from ..errors import (
    DeliveryError,
    DestinationDown,
    SettingsError,
    TranscodeError,
    WorkerLost,
)
from ..platforms.platform import Platform, on_lattice
from ..retry import RetryPolicy
from .remote import refuse_paths

__all__ = ["FunctionFacts", "LambdaInvoker", "LambdaTasks", "faults_of", "name_of"]

_AGAIN = RetryPolicy(initial_interval_seconds=0.5, maximum_attempts=5)
"""For a call that Lambda does not take just now, as when its API is throttled."""
_COLD_SECONDS = 60.0
"""From a container's start to the first sign of life; images take seconds."""
_SETTING = "TRANSCODE_LAMBDA_FUNCTION"


class FunctionFacts(Protocol):
    """How a function is set up."""

    @property
    def memory_mib(self) -> int: ...
    @property
    def scratch_mib(self) -> int: ...
    @property
    def time_limit_seconds(self) -> int: ...
    @property
    def retries(self) -> int:
        """Of asynchronous invocations that failed; 2 where nobody has set it."""

    @property
    def event_age_seconds(self) -> int:
        """After which a queued invocation is dropped; six hours where nobody has."""


class LambdaTasks(Protocol):
    """Functions by their names; all raise `DeliveryError`."""

    async def invoke(self, function: str, body: bytes) -> str:
        """Queue an asynchronous invocation; its request's id."""

    async def look(self, function: str) -> FunctionFacts:
        """How it is set up."""


class LambdaInvoker:
    """Starts tasks, each in the function that has the memory chosen for it."""

    def __init__(self, tasks: LambdaTasks, prefix: str, platform: Platform) -> None:
        self._tasks = tasks
        self._prefix = prefix
        self._platform = platform
        self._known: dict[int, FunctionFacts] = {}
        self._lock = anyio.Lock()

    @property
    def concurrency(self) -> int | None:
        """None: Lambda keeps events for as long as they may grow old."""
        return None

    def fits(self, spec: Spec) -> bool:
        """Whether the tier has it, whatever this machine has."""
        return on_lattice(self._platform, spec)

    async def start(self, records: str, task: Task) -> None:
        await self._call(records, task)

    async def invoke(self, records: str, task: Task) -> LambdaTask:
        facts = await self._call(records, task)
        return LambdaTask(
            begins_within_seconds=facts.event_age_seconds + _COLD_SECONDS,
            runs_seconds=float(facts.time_limit_seconds),
        )

    async def _call(self, records: str, task: Task) -> FunctionFacts:
        refuse_paths(records, task, engine="aws-lambda")
        function = name_of(self._prefix, task.spec.memory_mib)
        try:
            facts = await self._looked_at(function, task.spec)
            body = json.dumps({"transcode": "task", "records": records}).encode()
            await self._invoke(function, body)
        except DeliveryError as exc:
            raise _refused(function, exc) from exc
        return facts

    async def _looked_at(self, function: str, spec: Spec) -> FunctionFacts:
        """Once for each; raises `SettingsError` where it would do what it must not."""
        async with self._lock:
            if spec.memory_mib not in self._known:
                facts = await self._tasks.look(function)
                faults = faults_of(self._platform, spec.memory_mib, facts)
                if faults:
                    raise SettingsError(
                        f"The function {function} is not set up for tasks: "
                        f"{'; '.join(faults)}. `transcode deploy --check aws-lambda` "
                        "looks at all of them.",
                        setting=_SETTING,
                        function=function,
                    )
                self._known[spec.memory_mib] = facts
            return self._known[spec.memory_mib]

    async def _invoke(self, function: str, body: bytes) -> None:
        tries = 1
        while True:
            try:
                await self._tasks.invoke(function, body)
            except DestinationDown:
                if _AGAIN.exhausted(tries):
                    raise
                await anyio.sleep(_AGAIN.wait_seconds(tries, random.random()))  # noqa: S311  no secret
                tries += 1
            else:
                return


@dataclass(frozen=True, slots=True)
class LambdaTask:
    """One that was queued; see `remote.RemoteInvocation`."""

    begins_within_seconds: float
    runs_seconds: float

    async def ended(self) -> TranscodeError | None:
        """
        Lambda tells nobody of the end of an asynchronous invocation: its report or its
        silence does, and past this nothing of it can run.
        """
        await anyio.sleep(self.begins_within_seconds + self.runs_seconds)
        return WorkerLost("The invocation is past its time and has left no report.")

    async def cancel(self) -> None:
        """Nothing stops it but itself: it looks whether its report was written."""


def name_of(prefix: str, memory_mib: int) -> str:
    """The function of this size."""
    return f"{prefix}-{memory_mib}"


def faults_of(
    platform: Platform, memory_mib: int, facts: FunctionFacts
) -> tuple[str, ...]:
    """What keeps a function from doing the tasks of this size, in words; pure."""
    found = []
    if facts.memory_mib != memory_mib:
        found.append(f"it has {facts.memory_mib} MB of memory, not {memory_mib}")
    if facts.retries:
        found.append(
            f"it retries {facts.retries} times what failed: set MaximumRetryAttempts "
            "to 0, tries are counted and paid for by us"
        )
    scratch = _scratch_of(platform, memory_mib)
    if facts.scratch_mib < scratch:
        found.append(f"its /tmp has {facts.scratch_mib} MB, {scratch} are planned")
    limit = platform.limits.time_limit_seconds or 0
    if facts.time_limit_seconds < limit:
        found.append(
            f"its timeout is {facts.time_limit_seconds} s, {limit} s are planned"
        )
    return tuple(found)


def _scratch_of(platform: Platform, memory_mib: int) -> int:
    tier = platform.tier
    if tier is None:
        return 0
    pairs = zip(tier.memory_mib, tier.scratch_mib, strict=True)
    return dict(pairs).get(memory_mib, 0)


def _refused(function: str, exc: DeliveryError) -> TranscodeError:
    if isinstance(exc, DestinationDown):
        return WorkerLost(
            f"AWS Lambda did not take the invocation: {exc.message}", **exc.evidence
        )
    return SettingsError(
        f"AWS Lambda refuses {function}: {exc.message} Look at {_SETTING}, at the "
        "keys and at what they may do; `transcode deploy --check aws-lambda` says "
        "what is missing.",
        setting=_SETTING,
        **exc.evidence,
    )
