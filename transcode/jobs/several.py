"""Several sources for somebody who waits: side by side, and each for itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import anyio
import anyio.lowlevel

from ..contract import Manifest
from ..errors import Cancelled, TranscodeError
from ..hooks import AlreadyDone, Event, Listener
from ..invoke.engine import Engine
from ..request import Request
from ..wiring import Wiring
from .receipts import run


@dataclass(frozen=True, slots=True)
class RunEnd:
    """What became of one source: a result, or an error."""

    source: str
    manifest: Manifest | None = None
    error: TranscodeError | None = None
    already: bool = False
    """It was there before."""

    @property
    def exit_code(self) -> int:
        """As if it had been run alone."""
        return 0 if self.error is None else self.error.exit_code


async def run_one(
    request: Request, wiring: Wiring, *, listen: Listener, engine: Engine | None = None
) -> tuple[RunEnd]:
    """`receipts.run`, with what is worth knowing besides; raises what it raises."""
    already = False

    def heard(event: Event) -> None:
        nonlocal already
        already = already or isinstance(event, AlreadyDone)
        listen(event)

    made = await run(request, wiring, listen=heard, engine=engine)
    return (RunEnd(request.source, made, already=already),)


async def run_several(
    requests: Sequence[Request], wiring: Wiring, *, listen: Listener
) -> tuple[RunEnd, ...]:
    """
    `receipts.run` for each, in this order, as many at a time as the machine takes.

    They share one engine, which never admits more than there is; so all *requests* have
    the same engine and platform. What one of them fails with is its own. Raises what
    concerns all: a platform that does not exist, and `Cancelled`.
    """
    from .documents import as_ours  # noqa: PLC0415 - one job has no use for it

    first = requests[0]
    platform = wiring.catalog.platform(
        first.platform or wiring.own_platform(first.engine)
    )
    ends: dict[int, RunEnd] = {}
    # One that probes or verifies leaves room for another to encode.
    places = anyio.CapacityLimiter(wiring.machine.milli_cpus // 1000 + 1)

    async def work(number: int, request: Request, engine: Engine) -> None:
        async with places:
            try:
                (ends[number],) = await run_one(
                    request, wiring, listen=listen, engine=engine
                )
            except Cancelled:
                raise
            except Exception as exc:  # noqa: BLE001 - one does not stop the others
                ends[number] = RunEnd(request.source, error=as_ours(exc))

    async with (
        wiring.engine(first.engine, platform) as engine,
        anyio.create_task_group() as group,
    ):
        for number, request in enumerate(requests):
            group.start_soon(work, number, request, engine)
            # In their order, which a limiter keeps for those that wait already.
            await anyio.lowlevel.checkpoint()
    return tuple(ends[number] for number in range(len(requests)))
