"""What is to be done, in which specs, at which price, and why."""

from __future__ import annotations

from decimal import localcontext
from typing import Literal

from pydantic import Field

from .media import Media
from .recipe import Rung
from .source import Source
from .spec import Candidate, Content, Spec, StoreRequests, Usage
from .task import Task
from .value import EXACT, Money, Value


class PlannedTask(Value):
    task: Task
    candidates: tuple[Candidate, ...]
    """Chosen one first, then the losers, nearest first."""
    fallback: PlannedTask | None = None
    """
    The same without copying, or in one piece: done should what is copied or joined
    turn out to be unfit, which headers do not always tell.
    """


class Sampling(Value):
    """Whether to encode a little of the source first: what it brings, or brought."""

    verdict: Literal[
        "taken", "failed", "pays", "needed", "no_gain", "too_dear", "impossible"
    ]
    reason: str
    """One sentence."""
    planned: PlannedTask | None = None
    """The sample, where one can be taken."""
    content: Content | None = None
    """What it showed."""
    cost: Money | None = None
    """Of all its attempts; in the plan's predicted cost, and on the bill."""


class Indexing(Value):
    """Whether every packet is looked at first, so that the source can be cut."""

    verdict: Literal["pays", "taken", "failed"]
    reason: str
    """One sentence."""
    planned: PlannedTask | None = None
    """The pass; None once it is over."""
    cost: Money | None = None
    """Of all its attempts; in the plan's predicted cost, and on the bill."""


class OnePiece(Value):
    """The best single task beside chunks, whatever the deadline: what speed costs."""

    wall_seconds: float
    cost: Money


class Division(Value):
    """In how many parts the pictures are encoded at once."""

    chunks: int = 1
    """1: in one piece."""
    possible: bool
    """False: it can only be done in one piece."""
    reason: str
    """Why, and what the other way would take."""
    one_piece: OnePiece | None = None
    """Of a job in chunks; None where no single task does it."""


class Elsewhere(Value):
    """What the same plan would cost on another platform."""

    platform: str
    spec: Spec | None
    wall_seconds: float | None
    cost: Money | None
    reason: str | None = None
    """Why it would not run there, where `cost` is None."""
    chunks: int = 1
    """So many at once, each in `spec`."""


class HardwareOffer(Value):
    """A GPU of the platform beside the chosen spec: priced, but not predicted."""

    title: str
    spec: Spec
    """The cheapest that may have it and holds the task."""
    per_second: Money | None = None
    """Of the whole spec; None: not known."""
    within_seconds: float | None = None
    """In this time the task would cost as much as on the chosen spec."""
    times_real_time: float | None = None
    """The same as a speed; None where the source's length is not known."""
    predicted: Usage | None = None
    bit_rate_penalty: float | None = None
    """More bits for the same picture than the software encoder; None: not measured."""
    reason: str
    """Why it is not chosen."""


class ServicePrice(Value):
    """What a managed service charges for the same renditions, at list price."""

    service: str
    price_table: str
    """Its date, ISO 8601."""
    cost: Money | None
    per_minute: Money | None
    """Of the source, all renditions together."""
    reason: str | None = None
    """Why `cost` is None."""


class RankedPrice(Value):
    """One way to have it made, among all of them."""

    name: str
    kind: Literal["chosen", "platform", "service"]
    wall_seconds: float | None
    """None: nobody knows, as of a service."""
    per_minute: Money
    """Of the source's length, all renditions together, at list price."""
    compared: Money | None
    """The same in the plan's currency; None: no rate was given."""
    cpu: float | None
    """CPU seconds of its vCPU beside one of where predictions were measured; None: a
    service does not say."""
    learned_from: int = 0
    """Attempts there that tell so; 0: it is taken to be as fast as this machine."""


class ProfileRef(Value):
    name: str
    digest: str
    """`sha256:` and the hex digest of the profile's content, defaults included."""


class StoreTerms(Value):
    """The object store of a platform's tasks, and what it charges for requests."""

    name: str
    put: Money | None
    """For one that writes or lists; None: not known."""
    get: Money | None
    reason: str | None = None
    """Why they are not known."""

    def cost(self, asked: StoreRequests) -> Money | None:
        """Of *asked*, at list price; None where a price is not known."""
        if self.put is None or self.get is None:
            return None
        with localcontext(EXACT):
            amount = asked.puts * self.put.amount + asked.gets * self.get.amount
        return Money(amount=amount, currency=self.put.currency)


class PlatformRef(Value):
    name: str
    price_table: str
    """Date of the price table, ISO 8601."""


class Starting(Value):
    """What new instances of functions are expected to add to the bill; in the price."""

    seconds: float
    """Of one of the longest task's spec, billed before it works."""
    share: float
    """Of calls that are assumed to find no instance waiting."""
    source: str
    as_of: str
    """Date of both figures, ISO 8601."""


class Plan(Value):
    """Media + profile + platform + constraints → tasks. Printable and refusable."""

    schema_: Literal["transcode/plan/1"] = Field("transcode/plan/1", alias="schema")
    job_id: str
    source: Source
    profile: ProfileRef
    platform: PlatformRef
    engine: str
    media: Media
    rung: Rung
    reasons: tuple[str, ...]
    """Why this rung and not a cheaper one; one sentence each."""
    tasks: tuple[PlannedTask, ...]
    predicted: Usage
    predicted_cost: Money
    store: StoreTerms | None = None
    """What requests to the platform's object store cost; `predicted.store` has how many
    there are. None: the platform's file names no store."""
    sampling: Sampling | None = None
    """None: there is nothing to learn, because no picture is encoded."""
    indexing: Indexing | None = None
    """None: where the source can be cut is known, or nothing would be cut."""
    division: Division | None = None
    """None: there is nothing to divide, because no picture is encoded."""
    starting: Starting | None = None
    """None: tasks are no calls of functions, or their start is not billed."""
    elsewhere: tuple[Elsewhere, ...] = ()
    services: tuple[ServicePrice, ...] = ()
    hardware: tuple[HardwareOffer, ...] = ()
    ranking: tuple[RankedPrice, ...] = ()
    """Cheapest first; made by whoever shows a plan, with the rates that were given."""
    deadline_seconds: float | None = None
    budget: Money | None = None
    warnings: tuple[str, ...] = ()
