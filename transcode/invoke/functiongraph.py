"""
Attempts as asynchronous invocations of one function of Huawei Cloud FunctionGraph, each
in the memory that was chosen for it: `X-Cff-Instance-Memory`.

The function is the image of `handlers/functiongraph_image.py` with dynamic memory on.
Time limit, scratch and GPU are its own, so there may be several (`variants`), of which
each task gets the cheapest that fits. Tries are ours to count, so its retries are 0.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import anyio

from ..contract import Spec, Task
from ..errors import (
    DeliveryError,
    DestinationDown,
    OutOfMemory,
    OutOfTime,
    PlanError,
    SettingsError,
    TranscodeError,
    WorkerLost,
)
from ..platforms.platform import Platform, on_lattice
from .remote import refuse_paths
from .variants import FunctionVariant, cheapest, misfit

__all__ = [
    "ASYNC_CONCURRENCY",
    "FunctionGraphFunction",
    "FunctionGraphInvoker",
    "FunctionGraphTasks",
]

ASYNC_CONCURRENCY = 100
"""Concurrent executions of an account unless it was raised; what is above it is
discarded without a word. "Notes and Constraints" of FunctionGraph, 2025-07-09."""
_LOOK_SECONDS = 10.0
"""Between two questions for the state: the report says the same, and sooner."""
_SILENT_SECONDS = 300.0
"""An API that is renewed is back by then."""
_OUT_OF_MEMORY = ("memory", "oom")
_OUT_OF_TIME = ("timeout", "timed out", "time out")
"""In what is said of an invocation that failed: the codes of it are not documented."""


class State(Protocol):
    """What the platform keeps of an invocation."""

    @property
    def state(self) -> str: ...
    @property
    def error_code(self) -> str: ...
    @property
    def error_message(self) -> str: ...


class FunctionGraphTasks(Protocol):
    """One function's asynchronous invocations; all raise `DeliveryError`."""

    async def invoke(self, body: bytes, *, memory_mib: int | None) -> str:
        """Queue one in this memory, None: the function's own; its request's id."""

    async def status(self, request_id: str) -> State | None:
        """None where nothing is kept of it."""

    async def cancel(self, request_id: str) -> None:
        """Stop it at once."""


@dataclass(frozen=True, slots=True)
class FunctionGraphFunction:
    """One of those that do tasks."""

    variant: FunctionVariant
    tasks: FunctionGraphTasks


class FunctionGraphInvoker:
    """Starts tasks, no more at a time than the account may have."""

    def __init__(
        self,
        functions: Sequence[FunctionGraphFunction],
        platform: Platform,
        *,
        concurrency: int = ASYNC_CONCURRENCY,
    ) -> None:
        self._tasks = {one.variant: one.tasks for one in functions}
        self._platform = platform
        self.concurrency: int | None = concurrency
        self._room = anyio.Semaphore(concurrency)

    def fits(self, spec: Spec) -> bool:
        """Whether the platform has it, and a function, whatever this machine has."""
        on = on_lattice(self._platform, spec)
        return on and cheapest(tuple(self._tasks), spec) is not None

    def misfit(self, spec: Spec) -> str | None:
        """Why it does not fit, where that is a matter of the functions."""
        variants = tuple(self._tasks)
        return misfit(variants, spec) if cheapest(variants, spec) is None else None

    async def start(self, records: str, task: Task) -> None:
        refuse_paths(records, task, engine="functiongraph")
        await self._invoke(records, task)

    async def invoke(self, records: str, task: Task) -> FunctionGraphTask:
        refuse_paths(records, task, engine="functiongraph")
        await self._room.acquire()
        try:
            tasks, request = await self._invoke(records, task)
        except BaseException:
            self._room.release()
            raise
        return FunctionGraphTask(tasks, request, self._room)

    async def pass_turn(self, memory_mib: int | None) -> None:
        """By the cheapest function: it plans, and starts others."""
        tasks = self._tasks[min(self._tasks, key=lambda it: it.dearness)]
        body = json.dumps({"transcode": "turn"}).encode()
        try:
            await tasks.invoke(body, memory_mib=memory_mib)
        except DeliveryError as exc:
            raise _refused(exc) from exc

    async def _invoke(self, records: str, task: Task) -> tuple[FunctionGraphTasks, str]:
        """By the cheapest function; what it is called by there."""
        chosen = cheapest(tuple(self._tasks), task.spec)
        if chosen is None:
            raise PlanError(misfit(tuple(self._tasks), task.spec))
        tasks = self._tasks[chosen]
        body = json.dumps({"transcode": "task", "records": records}).encode()
        try:
            return tasks, await tasks.invoke(body, memory_mib=task.spec.memory_mib)
        except DeliveryError as exc:
            raise _refused(exc) from exc


@dataclass(slots=True)
class FunctionGraphTask:
    """One that was queued; see `remote.RemoteInvocation`."""

    tasks: FunctionGraphTasks
    request: str
    room: anyio.Semaphore

    async def ended(self) -> TranscodeError | None:
        answered = anyio.current_time()
        try:
            while True:
                await anyio.sleep(_LOOK_SECONDS)
                try:
                    found = await self.tasks.status(self.request)
                except DestinationDown as exc:
                    # The report tells; but of what never begins there is none.
                    if anyio.current_time() - answered > _SILENT_SECONDS:
                        return WorkerLost(
                            f"Nothing is to be heard of FunctionGraph: {exc.message}"
                        )
                    continue
                answered = anyio.current_time()
                if found is not None and found.state in {"SUCCESS", "FAIL", "DISCARD"}:
                    return _said(found)
        finally:
            self.room.release()

    async def cancel(self) -> None:
        with anyio.move_on_after(_LOOK_SECONDS):
            try:
                await self.tasks.cancel(self.request)
            except DeliveryError:
                return  # it ends by its own limits, and counts for nothing


def _said(found: State) -> TranscodeError | None:
    """What it means that an invocation is over."""
    if found.state == "SUCCESS":
        return None
    if found.state == "DISCARD":
        return WorkerLost(
            "FunctionGraph discarded the invocation: more run than the account may "
            "have, or its event grew too old.",
            error_code=found.error_code,
        )
    text = f"{found.error_code} {found.error_message}".lower()
    words = f"({found.error_code}: {found.error_message})"
    evidence = {"error_code": found.error_code, "held_by": "functiongraph"}
    if any(word in text for word in _OUT_OF_MEMORY):
        return OutOfMemory(f"FunctionGraph killed it for memory {words}.", **evidence)
    if any(word in text for word in _OUT_OF_TIME):
        return OutOfTime(f"FunctionGraph killed it for time {words}.", **evidence)
    return WorkerLost(f"The invocation failed {words}.", **evidence)


def _refused(exc: DeliveryError) -> TranscodeError:
    if isinstance(exc, DestinationDown):
        return WorkerLost(
            f"FunctionGraph did not take the invocation: {exc.message}", **exc.evidence
        )
    return SettingsError(
        f"FunctionGraph refuses the invocation: {exc.message} Look at "
        "TRANSCODE_FUNCTIONGRAPH_FUNCTION, its keys, and that dynamic memory is on.",
        setting="TRANSCODE_FUNCTIONGRAPH_FUNCTION",
        **exc.evidence,
    )
