"""What the engine makes of a platform that says nothing."""

from __future__ import annotations

import anyio

from tests.jobs.test_model import Loop
from transcode.errors import DestinationDown, WorkerLost
from transcode.invoke.functiongraph import FunctionGraphTask


class Down:
    """An API that answers nobody."""

    async def invoke(self, body: bytes, *, memory_mib: int | None) -> str:
        raise AssertionError

    async def status(self, request_id: str) -> None:
        raise DestinationDown("FunctionGraph cannot be reached.", destination="it")

    async def cancel(self, request_id: str) -> None:
        raise AssertionError


def test_a_platform_that_is_silent_for_long_has_lost_the_task() -> None:
    """Minutes, not for ever: what never begins reports nothing. Its room is free."""

    async def wait() -> tuple[object, float, int]:
        room = anyio.Semaphore(0, max_value=1)
        ended = await FunctionGraphTask(Down(), "request", room).ended()
        return ended, anyio.current_time(), room.value

    ended, seconds, free = anyio.run(wait, backend_options={"loop_factory": Loop})

    assert isinstance(ended, WorkerLost)
    assert "cannot be reached" in ended.message
    assert 300 < seconds < 330
    assert 1 == free
