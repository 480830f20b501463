"""Runs side by side on a machine with many cores: never more CPUs than it has."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")
ORCHESTRATING_MILLI = 200
"""Of a CPU, what a run needs beside what its spec grants: it plans and publishes."""


@dataclass(frozen=True, slots=True)
class Weighed(Generic[T]):
    """One thing to do, and the share of the machine that it may take."""

    what: T
    milli_cpus: int


def side_by_side(
    work: Callable[[T], R],
    todo: Sequence[Weighed[T]],
    *,
    milli_cpus: int,
    preload: str,
) -> Iterator[R]:
    """
    Do everything, each in a process of its own; yields what comes back, as it comes.

    The first that still fits is begun next, so that the order is a wish. What fits
    never is begun alone. Processes are forks of one that has imported *preload*.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([preload])
    left = list(todo)
    busy: dict[Future[R], int] = {}
    with ProcessPoolExecutor(
        max_workers=max(milli_cpus // 400, 1), mp_context=context, max_tasks_per_child=1
    ) as pool:
        while left or busy:
            free = milli_cpus - sum(busy.values())
            for it in list(left):
                takes = it.milli_cpus + ORCHESTRATING_MILLI
                if takes <= free or not busy:
                    busy[pool.submit(work, it.what)] = takes
                    left.remove(it)
                    free -= takes
            done, _ = wait(busy, return_when=FIRST_COMPLETED)
            for future in done:
                del busy[future]
                yield future.result()
