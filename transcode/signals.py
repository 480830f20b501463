"""Ctrl-C and SIGTERM: the first cancels cleanly, the second kills."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from anyio.abc import TaskStatus

from .errors import Cancelled, WorkerLost
from .store.connections import keep_open

T = TypeVar("T")

INTERRUPTED = 130


def run_to_the_end(work: Callable[[], Awaitable[T]], *, serves: bool = False) -> T:
    """
    Run *work* in an event loop of its own.

    SIGINT or SIGTERM cancels it, and `Cancelled` is raised once it has cleaned up
    after itself, unless it was finished by then. A second signal does not wait: the
    process leaves at once with 130, and its children are killed behind it.

    Of what *serves* for ever, SIGTERM is the ordinary end: it exits with 0.
    """
    return anyio.run(_guard, work, serves)


async def _guard(
    work: Callable[[], Awaitable[T]],
    serves: bool,  # noqa: FBT001 - anyio.run passes by position
) -> T:
    async def settle() -> tuple[T | None, Exception | None]:
        # Carried out as a value: a task group would wrap it into a group.
        try:
            async with keep_open():
                return await work(), None
        except BrokenPipeError as exc:
            # At the edge a closed pipe means a reader of ours that left, and success.
            lost = WorkerLost(
                "A child process closed its pipe before its work was done."
            )
            lost.__cause__ = exc
            return None, lost
        except Exception as exc:  # noqa: BLE001 - raised again below
            return None, exc

    settled: tuple[T | None, Exception | None] | None = None
    heard: list[int] = []
    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as scope:
            await group.start(_watch, scope, heard)
            settled = await settle()
        group.cancel_scope.cancel()
    # Both signals are Python's own again: from here on they mean KeyboardInterrupt.
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    if serves and signal.SIGTERM in heard[:1]:
        return None  # type: ignore[return-value]  # nobody asks what a service gives
    if settled is None:
        raise Cancelled("Interrupted; children and scratch are gone.")
    value, error = settled
    if error is not None:
        if scope.cancel_called and not isinstance(error, Cancelled):
            message = "Interrupted; children and scratch are gone."
            raise Cancelled(message, while_stopping=repr(error)) from error
        raise error
    return value  # type: ignore[return-value]


async def _watch(
    scope: anyio.CancelScope, heard: list[int], *, task_status: TaskStatus[None]
) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for number in signals:
            heard.append(number)
            if scope.cancel_called:
                _leave_at_once()
            scope.cancel()


def _leave_at_once() -> None:
    # Whatever still runs is ended by the engine's reaper, which outlives us.
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), b"\x1b[?25h\n")  # a live bar hides the cursor
    os._exit(INTERRUPTED)
