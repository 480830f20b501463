"""Attempts on this machine, each in a worker process that is held to its spec."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
import anyio.to_thread

from ...contract import Attempt, Produced, Spec, Task
from ...errors import SettingsError
from ...platforms.platform import Machine, MachineLattice, Platform
from ...settings import Settings
from ..observer import AttemptObserver
from ..scratch import no_folder
from . import cgroup, prestart
from .admission import Admission
from .attempt import Run
from .forkserver import Forked, ForkServer
from .prestart import Started
from .process import Worker
from .reaper import Reaper, ScratchLock, sweep

SCRATCH_PREFIX = "transcode-scratch-"


class LocalEngine:
    """
    Runs attempts here, as many at a time as the machine has room for.

    Each attempt is a fresh process in its own session and control group; it is killed
    with everything it started when it is over its memory or time, when it is done and
    when the call is cancelled. `async with` it: leaving ends what still runs. Should
    this process be killed itself, a reaper cleans up in its stead.

    *kept_mib*: of every spec this process itself needs so much, because both are
    inside one; the attempt is held to what is left.
    """

    def __init__(  # noqa: PLR0913 - where it runs, and what tests replace
        self,
        machine: Machine,
        platform: Platform,
        settings: Settings,
        *,
        worker: Sequence[str] = prestart.WORKER,
        cgroup_root: Path = cgroup.ROOT,
        kept_mib: int = 0,
    ) -> None:
        self._pool = Admission(machine)
        self._machine = machine
        self._platform = platform
        self._settings = settings
        self._argv = tuple(worker)
        self._cgroup_root = cgroup_root
        self._kept_mib = kept_mib
        self._turns = itertools.count()
        self._warm: Worker | None = None
        # Elsewhere each task pays for what its worker imports, and so it does here
        # where that is shown.
        own = isinstance(platform.lattice, MachineLattice)
        self._may_fork = own and self._argv == prestart.WORKER
        self._forks: ForkServer | None = None
        self._several = False
        """A worker was started: who needs a second one needs more."""

    async def __aenter__(self) -> Self:
        parent = Path(self._settings.scratch or tempfile.gettempdir())
        sweep(parent, SCRATCH_PREFIX)
        cgroup.sweep(root=self._cgroup_root)
        self._scratch = _own_folder(parent)
        waiting = prestart.take(self._argv, cgroup_root=self._cgroup_root)
        if waiting is not None:
            self._warm = Worker(waiting.worker)
            self._several = True
        self._reaper = Reaper() if waiting is None else waiting.reaper
        self._reaper.remove(self._scratch.path)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with anyio.CancelScope(shield=True):
            warm, self._warm = self._warm, None
            if warm is not None:
                await self._end(warm)
            self._fork_no_more()
            await anyio.to_thread.run_sync(self._scratch.release)
            self._reaper.close()

    @property
    def platform(self) -> Platform:
        """Whose rules hold and whose prices are billed."""
        return self._platform

    async def prewarm(self) -> None:
        """Start a worker now, so that it imports while the source is looked at."""
        if self._warm is not None:
            return
        if self._may_fork and self._several:
            self._import_once()
        else:
            self._warm = self._start()

    @contextmanager
    def guard(self, path: Path) -> Iterator[None]:
        """Have `path` removed should this process be killed in the block."""
        self._reaper.remove(path)
        try:
            yield
        finally:
            self._reaper.spare(path)

    def fits(self, spec: Spec) -> bool:
        """Whether this machine is large enough for `spec`."""
        return self._pool.fits(spec)

    async def attempt(
        self,
        task: Task,
        *,
        number: int,
        staging: Path,
        observer: AttemptObserver,
    ) -> tuple[Attempt, Produced | None]:
        """
        Do `task` once, in its spec, as soon as there is room.

        Finished files are in `staging` (made here) if and only if the attempt
        succeeded; otherwise it is removed. Failures are outcomes: raised is only
        `PlanError` for a spec that this machine cannot hold. Cancelling kills and
        removes everything first, tells `observer` what was spent, and propagates.
        """
        async with self._pool.admitted(task.spec):
            # What it has made is guarded by whoever asked for it.
            with self.guard(staging):
                run = await self._run(task, number, staging)
                try:
                    await run.perform(
                        self._settings,
                        limit=run.limit(self._platform),
                        observer=observer,
                    )
                finally:
                    with anyio.CancelScope(shield=True):
                        attempt = await run.close(self._platform)
                        worker = run.worker
                        self._reaper.forget(worker.pid, worker.box.directories)
                        if not run.over:
                            observer.cancelled(attempt)
        return attempt, run.report

    async def _run(self, task: Task, number: int, staging: Path) -> Run:
        if not self._scratch.path.is_dir():
            # Somebody removed it, or what it lay on: we go on once that is back.
            gone, self._scratch = self._scratch, _own_folder(self._scratch.path.parent)
            gone.release()
            self._reaper.remove(self._scratch.path)
        scratch = self._scratch.path / f"{task.task_id}.{number}"
        staging = _make_folders(staging, scratch)
        worker = await self._worker()
        return Run(
            task=task,
            number=number,
            staging=staging,
            scratch=scratch,
            worker=worker,
            enforced_by=worker.box.limit(
                task.spec,
                self._machine,
                throttled=self._platform.throttled,
                turn=next(self._turns),
                kept_mib=self._kept_mib,
            ),
        )

    async def _worker(self) -> Worker:
        warm, self._warm = self._warm, None
        if warm is not None and warm.alive:
            return warm
        if warm is not None:
            await self._end(warm)
        if self._may_fork and self._several:
            self._import_once()
            if self._forks is not None:
                started = await self._forks.start(cgroup_root=self._cgroup_root)
                if started is not None:
                    return self._known(started)
                self._fork_no_more()
        return self._start()

    def _import_once(self) -> None:
        if self._forks is None:
            try:
                self._forks = ForkServer()
            except OSError:
                # Whoever starts a worker instead says what is wrong.
                return
            self._reaper.end(self._forks.pid, ())

    def _fork_no_more(self) -> None:
        """One that was killed is not tried again: memory is short, most likely."""
        forks, self._forks = self._forks, None
        if forks is not None:
            self._may_fork = False
            forks.close()
            self._reaper.forget(forks.pid, ())

    async def _end(self, worker: Worker) -> None:
        with anyio.CancelScope(shield=True):
            await worker.stop()
            await worker.discard()
            self._reaper.forget(worker.pid, worker.box.directories)

    def _start(self) -> Worker:
        return self._known(prestart.start(self._argv, cgroup_root=self._cgroup_root))

    def _known(self, started: Started | Forked) -> Worker:
        self._several = True
        worker = Worker(started)
        self._reaper.end(worker.pid, worker.box.directories)
        return worker


def _own_folder(parent: Path) -> ScratchLock:
    try:
        return ScratchLock(parent, SCRATCH_PREFIX)
    except OSError as exc:
        raise SettingsError(
            f"TRANSCODE_SCRATCH: nothing can be written in {str(parent)!r} "
            f"({exc.strerror}); name another folder.",
            setting="TRANSCODE_SCRATCH",
        ) from exc


def _make_folders(staging: Path, scratch: Path) -> Path:
    """Both, made; `staging` as the worker must be told it, absolute."""
    try:
        # Not what it lies in: where that is gone, so is the try that it belonged to.
        staging.mkdir(exist_ok=True)
        scratch.mkdir()
    except OSError as exc:
        raise no_folder(str(exc.filename), exc) from exc
    return staging.absolute()
