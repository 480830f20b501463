"""What one invocation is told, and what it writes of itself: all in addresses."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from .outcome import Attempt, Produced, Progress
from .task import Task
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
    records: str | None
    """Another, for order, heartbeat and report; None: nobody asks for them."""
    profile: str
    """Marks what is made as ours."""
    traceparent: str | None = None
    """The span that it belongs to, as W3C Trace Context writes it; None: no traces."""

    @property
    def name(self) -> str:
        """Of the attempt, within its job."""
        return attempt_name(self.task.task_id, self.number)


class Heartbeat(Value):
    """Written over and over while an invocation runs: it is alive, and so far."""

    schema_: Literal["transcode/beat/1"] = Field("transcode/beat/1", alias="schema")
    number: int
    """Rises with each."""
    progress: Progress | None = None
    overdue: bool = False
    """It runs past its predicted interval."""


class InvocationReport(Value):
    """
    Written last, created conditionally: how an invocation ended.

    Whoever gives an invocation up writes it in its stead: the store decides which of
    them came first, and what is said later counts for nothing.
    """

    schema_: Literal["transcode/report/1"] = Field("transcode/report/1", alias="schema")
    attempt: Attempt
    produced: Produced | None = None


class OrderedWork(Value):
    """Of an order, what it was for; whoever else it was written for reads more."""

    model_config = ConfigDict(extra="ignore")

    work: WorkOrder


class KeptWork(Value):
    """What a try before has finished, so that nobody need do it again."""

    claim: int
    """Of that try: it is on its bill."""
    attempt: Attempt
    place: str
    """Where it lies, and stays until the job is over."""
    produced: Produced


def attempt_name(task_id: str, number: int) -> str:
    """What an attempt's folder and records are called."""
    return f"{task_id}.{number}"
