"""Admission: the sum of what runs never exceeds the machine."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from ...contract import Spec
from ...errors import PlanError
from ...platforms.platform import Machine


@dataclass(eq=False, slots=True)
class _Waiter:
    memory_mib: int
    milli_cpus: int
    admitted: anyio.Event = field(default_factory=anyio.Event)


class Admission:
    """
    First come, first served; whoever is first in line is never overtaken.

    A small spec could often slip past a waiting large one, and a stream of small ones
    would starve it: nobody slips past.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.free_memory_mib = machine.memory_mib
        self.free_milli_cpus = machine.milli_cpus
        self._line: deque[_Waiter] = deque()

    def fits(self, spec: Spec) -> bool:
        """
        Whether `spec` can ever be admitted here.

        CPU is no obstacle: with fewer cores than the spec has, the attempt gets the
        whole machine and says so.
        """
        return spec.memory_mib <= self.machine.memory_mib

    @asynccontextmanager
    async def admitted(self, spec: Spec) -> AsyncIterator[None]:
        """
        Wait for room, hold it, give it back.

        Raises `PlanError` at once where the machine is too small even when empty.
        """
        if not self.fits(spec):
            raise PlanError(
                f"The spec asks for {spec.memory_mib} MiB and this machine has "
                f"{self.machine.memory_mib} MiB: choose a smaller --memory, or run it "
                "on another engine.",
                memory_mib=spec.memory_mib,
                machine_memory_mib=self.machine.memory_mib,
            )
        milli_cpus = min(spec.milli_cpus, self.machine.milli_cpus)
        waiter = _Waiter(spec.memory_mib, milli_cpus)
        self._line.append(waiter)
        self._admit()
        try:
            await waiter.admitted.wait()
            yield
        finally:
            if waiter.admitted.is_set():
                self.free_memory_mib += waiter.memory_mib
                self.free_milli_cpus += waiter.milli_cpus
            else:
                self._line.remove(waiter)
            self._admit()

    def _admit(self) -> None:
        while self._line and (
            self._line[0].memory_mib <= self.free_memory_mib
            and self._line[0].milli_cpus <= self.free_milli_cpus
        ):
            waiter = self._line.popleft()
            self.free_memory_mib -= waiter.memory_mib
            self.free_milli_cpus -= waiter.milli_cpus
            waiter.admitted.set()
