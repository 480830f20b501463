"""What one invocation is told: the task, and where what it makes is to lie."""

from __future__ import annotations

from .plan import Task
from .value import Value


class WorkOrder(Value):
    """
    One attempt at a task, in addresses alone: whoever is told it needs no file of ours.

    `task.inputs` are addresses, too.
    """

    task: Task
    number: int
    """Of the attempt, from 1."""
    place: str | None
    """A folder of the store, of this attempt alone; None: nothing is kept of it."""
    profile: str
    """Marks what is made as ours."""

    @property
    def name(self) -> str:
        """Of the attempt, within its job."""
        return attempt_name(self.task.task_id, self.number)


def attempt_name(task_id: str, number: int) -> str:
    """What an attempt's folder and records are called."""
    return f"{task_id}.{number}"
