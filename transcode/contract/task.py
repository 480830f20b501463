"""What one invocation is to do; all that a worker sees of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from .media import Media
from .outcome import AudioFacts
from .recipe import Recipe
from .source import Source
from .spec import Interval, Spec, Usage
from .value import Money, Value

MEASURING = frozenset({"sample", "index"})
"""Kinds of tasks that make nothing: what they tell goes into the plan."""
PARTS = frozenset({"chunk", "sound"})
"""Kinds of tasks that make what a join takes: nothing of it is published as it is."""


class Task(Value):
    """One invocation's worth of work, with the promise made about it."""

    task_id: str
    kind: Literal["encode", "sample", "index", "chunk", "sound", "join"] = "encode"
    """
    A sample makes nothing that is kept: it says what the encode will take; an index
    says where the source's keyframes are. Chunks make parts of the renditions, sound
    the encoded soundtracks, where that has a task of its own; and a join everything
    else and the whole of them.
    """
    job_id: str
    source: Source
    media: Media
    """Without keyframe times: a task must fit into an asynchronous call."""
    recipe: Recipe
    spec: Spec
    predicted: Usage
    predicted_wall: Interval
    predicted_cost: Money
    spend_limit: Money | None = None
    """What one attempt may cost: it is stopped before it costs more."""
    joins: tuple[str, ...] = ()
    """Ids of the chunks that have to be done before, in the order of their times, and
    behind them that of the sound."""
    inputs: tuple[str, ...] = ()
    """Folders with what those made; known when they are done."""
    heard: Mapping[str, AudioFacts] = Field(default_factory=dict)
    """Of a join: soundtracks that another task made, as it heard them."""
