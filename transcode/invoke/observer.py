"""Who hears of attempts: one method for each thing that there is to hear."""

from __future__ import annotations

from ..contract import Attempt, Plan, Progress, Task
from ..hooks import AttemptEnded, Listener, Overdue, Progressed
from .journal import Journal

__all__ = ["AttemptObserver", "JobObserver", "Reporter"]


class AttemptObserver:
    """Hears of one attempt as it runs. What is not overridden is not heard."""

    def progressed(self, progress: Progress) -> None:
        """It came so far."""

    def overdue(self) -> None:
        """It runs past its predicted interval; said once."""

    def cancelled(self, attempt: Attempt) -> None:
        """It was cancelled, and this is what was spent on it."""


class JobObserver:
    """Hears of all attempts of a job. What is not overridden is not heard."""

    async def keep(self, task: Task, attempt: Attempt) -> None:
        """
        Waited for: before an attempt with what it counts as should nothing more be
        heard of it, and after it with what it was.
        """

    def progressed(self, progress: Progress) -> None:
        """One of them came so far."""

    def overdue(self, task: Task, number: int) -> None:
        """Attempt *number* at *task* runs past its predicted interval."""

    def ended(self, task: Task, attempt: Attempt) -> None:
        """An attempt is over, cancelled ones included."""


class Reporter(JobObserver):
    """Tells whoever listens, and has attempts of *plan* written down."""

    def __init__(self, plan: Plan, journal: Journal, listen: Listener) -> None:
        self._plan = plan
        self._journal = journal
        self._listen = listen

    async def keep(self, task: Task, attempt: Attempt) -> None:
        await self._journal.keep(self._plan, task, attempt)

    def progressed(self, progress: Progress) -> None:
        self._listen(Progressed(progress))

    def overdue(self, task: Task, number: int) -> None:
        expected, interval = task.predicted.wall_seconds, task.predicted_wall
        self._listen(Overdue(task.task_id, number, expected, interval.high))

    def ended(self, task: Task, attempt: Attempt) -> None:
        self._listen(AttemptEnded(task.task_id, attempt))
