"""An upload's call, or a clock's: many jobs planned side by side."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from transcode.contract import Spec
from transcode.errors import StoreDown
from transcode.functions.upload import Invocation, _Call, plans_at_once

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture
def anyio_backend() -> str:
    """The functions run on asyncio; so do their tests."""
    return "asyncio"


class Service:
    """Starts jobs, and counts how many at once; each waits until *together* are."""

    def __init__(self, together: int, bad: str) -> None:
        self.together, self.bad = together, bad
        self.now = self.most = 0
        self.started: list[str] = []
        self._all = anyio.Event()
        self.bucket = self

    async def is_conditional(self) -> bool:
        return True

    async def start(self, job: str, *, listen: Any) -> Any:
        self.started.append(job)
        self.now += 1
        self.most = max(self.most, self.now)
        if self.now == self.together:
            self._all.set()
        with anyio.fail_after(30):
            await self._all.wait()
        self.now -= 1
        if job == self.bad:
            raise StoreDown("of this one alone")
        return report(job, over=True)


def report(job: str, *, over: bool = False, priority: int = 0) -> Any:
    asked = NOON - timedelta(seconds=int(job[1:] or 0))
    submission = SimpleNamespace(
        engine="functiongraph", priority=priority, submitted_at=asked
    )
    return SimpleNamespace(job_id=job, over=over, tries=over, submission=submission)


async def test_jobs_are_planned_side_by_side() -> None:
    """
    As many as there is memory for, the most urgent first; one that cannot be planned
    stops no other, and is said.
    """
    spec = Spec(memory_mib=512, milli_cpus=600)
    settings = SimpleNamespace(margin_seconds=5.0)
    function: Any = SimpleNamespace(
        spec=spec, wiring=SimpleNamespace(settings=settings)
    )
    call = _Call(function, Invocation("1", 900.0))
    for number in range(10):
        call.jobs[f"j{number}"] = report(f"j{number}", priority=number)
    service: Any = Service(together=4, bad="j8")

    await call._work(service)

    assert 4 == service.most == plans_at_once(spec)
    assert ["j9", "j8", "j7", "j6"] == service.started[:4]
    assert sorted(call.jobs) == sorted(service.started)
    assert ["j8"] == [job for job, found in call.jobs.items() if not found.over]
    assert ["of this one alone"] == [error.message for error in call.errors]


async def test_who_has_waited_longest_comes_first() -> None:
    """However the store lists them; and only those that went on pay for the call."""
    function: Any = SimpleNamespace(
        spec=None,
        wiring=SimpleNamespace(settings=SimpleNamespace(margin_seconds=5.0)),
    )
    call = _Call(function, Invocation("1", None))
    for number in range(3):
        call.jobs[f"j{number}"] = report(f"j{number}")
    service: Any = Service(together=1, bad="j1")

    await call._work(service)

    assert ["j2", "j1", "j0"] == service.started
    assert ["j2", "j0"] == call.worked


async def test_what_there_is_no_time_for_is_left_to_the_next_call() -> None:
    """And is no error."""
    settings = SimpleNamespace(margin_seconds=5.0)
    function: Any = SimpleNamespace(
        spec=None, wiring=SimpleNamespace(settings=settings)
    )
    call = _Call(function, Invocation("1", 6.0))
    call.jobs["j"] = report("j")
    service: Any = Service(together=1, bad="")

    await call._work(service)

    assert ([], []) == (service.started, call.errors)


@pytest.mark.parametrize(
    ("memory_mib", "plans"), [(None, 1), (128, 1), (256, 1), (512, 4), (4096, 8)]
)
def test_memory_bounds_how_many_are_planned(memory_mib: int | None, plans: int) -> None:
    """Where the platform does not say it, they are planned one by one."""
    spec = memory_mib and Spec(memory_mib=memory_mib, milli_cpus=1000)

    assert plans == plans_at_once(spec or None)
