"""Admission: never more than the machine, never out of turn."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcode.contract import Spec
from transcode.errors import PlanError
from transcode.invoke.local.admission import Admission
from transcode.platforms.platform import Machine

MACHINE = Machine(milli_cpus=4000, memory_mib=1000, scratch_mib=1)
specs = st.builds(
    Spec, memory_mib=st.integers(1, 1000), milli_cpus=st.integers(1, 6000)
)


@given(asked=st.lists(st.tuples(specs, st.integers(0, 5), st.booleans()), max_size=25))
def test_what_runs_fits_into_the_machine_and_nobody_is_overtaken(
    asked: list[tuple[Spec, int, bool]],
) -> None:
    """
    Whatever is asked for, held and given up in whatever order.
    """
    pool = Admission(MACHINE)
    running: list[Spec] = []
    arrived: list[int] = []
    order: list[int] = []

    async def one(index: int, spec: Spec, turns: int) -> None:
        arrived.append(index)
        async with pool.admitted(spec):
            order.append(index)
            running.append(spec)
            memory = sum(s.memory_mib for s in running)
            milli_cpus = sum(min(s.milli_cpus, 4000) for s in running)
            try:
                assert memory <= MACHINE.memory_mib
                assert milli_cpus <= MACHINE.milli_cpus
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
            finally:
                running.remove(spec)

    async def impatient(index: int, spec: Spec, turns: int) -> None:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(one, index, spec, 10**9)
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                scope.cancel()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for index, (spec, turns, gives_up) in enumerate(asked):
                group.start_soon(impatient if gives_up else one, index, spec, turns)

    anyio.run(main)

    assert [index for index in arrived if index in order] == order
    assert {i for i, (_, _, gives_up) in enumerate(asked) if not gives_up} <= set(order)
    assert (MACHINE.memory_mib, MACHINE.milli_cpus) == (
        pool.free_memory_mib,
        pool.free_milli_cpus,
    )


@pytest.mark.anyio
async def test_more_memory_than_the_machine_has_is_refused_at_once() -> None:
    """
    Waiting for it would be waiting for ever.
    """
    pool = Admission(MACHINE)

    assert pool.fits(Spec(memory_mib=1000, milli_cpus=99_000))
    assert not pool.fits(Spec(memory_mib=1001, milli_cpus=1))
    with pytest.raises(PlanError, match="1001 MiB and this machine has 1000 MiB"):
        async with pool.admitted(Spec(memory_mib=1001, milli_cpus=1)):
            pass
