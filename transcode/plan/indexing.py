"""
Whether a pass over all packets pays, so that what has no index can be cut; and what of
it is believed.

The plan is made as if there were an index. Where chunks are taken then, or were asked
for, and are still better by what is minimised with what the pass takes, it is made
first, and everything is planned anew by what it saw.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from types import MappingProxyType
from typing import Literal

from ..contract import (
    Constraints,
    Elsewhere,
    FilePackaging,
    Indexed,
    Indexing,
    Media,
    Money,
    Plan,
    PlannedTask,
    Recipe,
    Usage,
    VideoStream,
)
from ..platforms.platform import Machine, Platform
from ..units import duration, money
from .choose import NEAR_TIE, PATIENCE, choose
from .chunks import unindexed
from .coefficients import Coefficients
from .tasks import planned_task

__all__ = ["as_if_indexed", "considered", "index_of", "lacking", "with_index"]

_GOP_SECONDS = 2.0
"""From one keyframe to the next where nobody knows: what cameras and encoders use."""
_NEAR_SECONDS = 0.002
_HALF = Fraction(1, 2)
_MOST_KEYFRAMES = 20_000
"""As the probe has it: a day of television."""


def lacking(media: Media, index: int | None) -> VideoStream | None:
    """The picture at *index*, where only a pass tells where it can be cut."""
    video = next((it for it in media.video if it.index == index), None)
    if video is None or not unindexed(media):
        return None
    return None if video.frames and video.keyframe_seconds else video


def as_if_indexed(media: Media) -> Media:
    """*media* with keyframes at usual distances, and as many pictures as it lasts."""

    def guessed(video: VideoStream) -> VideoStream:
        lasts = video.duration_seconds or media.duration_seconds
        if lacking(media, video.index) is None or not lasts or not video.frame_rate:
            return video
        begins, every = video.start_seconds or 0.0, video.longest_gop_seconds
        every = every or _GOP_SECONDS
        keys = min(math.ceil(lasts / every), _MOST_KEYFRAMES)
        return video.model_copy(
            update={
                "frames": max(1, round(lasts * video.frame_rate)),
                "keyframe_seconds": tuple(begins + n * every for n in range(keys)),
            }
        )

    return media.model_copy(update={"video": tuple(map(guessed, media.video))})


def index_of(
    plan: Plan,
    *,
    platform: Platform,
    machine: Machine | None,
    coefficients: Coefficients,
    optimize: Literal["cost", "time", "balanced"],
) -> PlannedTask:
    """The pass before *plan*, in the spec that is best by *optimize*."""
    main = plan.tasks[0].task
    recipe = Recipe(
        video_index=main.recipe.video_index, packaging=FilePackaging(files=())
    )
    choice = choose(
        plan.media, recipe, platform=platform, machine=machine,
        constraints=Constraints(optimize=optimize), coefficients=coefficients,
    )  # fmt: skip
    return planned_task(
        plan.source, plan.media, recipe, choice=choice, job=main.job_id, kind="index"
    )


def considered(
    plan: Plan,
    pass_: PlannedTask,
    constraints: Constraints,
    *,
    there: Mapping[str, PlannedTask | None] = MappingProxyType({}),
) -> Plan | None:
    """
    *plan*, made as if there were an index, with the pass that makes one before it;
    *there* has that pass for other platforms, too; None where none of their specs does.

    None where it would not be cut, or one piece is better by what is minimised.
    """
    division = plan.division
    if division is None or division.chunks < 2:  # noqa: PLR2004 - a whole is no chunk
        return None
    cost, took = pass_.task.predicted_cost, pass_.task.predicted
    price = plan.predicted_cost + cost
    wall = plan.predicted.wall_seconds + took.wall_seconds
    whole = division.one_piece
    if constraints.chunks is None and whole is not None:
        late = constraints.deadline_seconds or math.inf
        dear = math.inf if constraints.budget is None else constraints.budget.amount
        fits = whole.wall_seconds <= late and whole.cost.amount <= dear
        if fits and not _better((price, wall), (whole.cost, whole.wall_seconds),
                                constraints.optimize):  # fmt: skip
            return None
    told = Indexing(
        verdict="pays",
        reason=(
            f"Nothing says where it can be cut: all of its packets are looked at first "
            f"({duration(took.wall_seconds)}, {money(cost)}), none decoded."
        ),
        planned=pass_,
    )
    return plan.model_copy(
        update={
            "indexing": told,
            "predicted_cost": price,
            "predicted": _after(took, plan.predicted),
            "elsewhere": tuple(
                _with_pass(it, there[it.platform]) if it.platform in there else it
                for it in plan.elsewhere
            ),
            "deadline_seconds": constraints.deadline_seconds,
            "budget": constraints.budget,
        }
    )


def _with_pass(beside: Elsewhere, pass_: PlannedTask | None) -> Elsewhere:
    """What it would cost and take there, the pass included."""
    if beside.cost is None or beside.wall_seconds is None:
        return beside
    if pass_ is None:
        reason = "No spec there does the pass over all packets that chunks need."
        nothing = {"spec": None, "cost": None, "wall_seconds": None, "chunks": 1}
        return beside.model_copy(update=nothing | {"reason": reason})
    first = pass_.task.predicted.wall_seconds
    return beside.model_copy(
        update={
            "cost": beside.cost + pass_.task.predicted_cost,
            "wall_seconds": first + beside.wall_seconds,
        }
    )


def with_index(media: Media, index: int | None, seen: Indexed) -> Media | str:
    """
    *media* with what the pass saw; or why it cannot be cut by that, as a clause.

    It is believed where it bears out what the plan goes by in any case: the first
    picture's time and the rate. Else chunks were made by another plan than one piece.
    """
    video = lacking(media, index)
    if video is None:
        return "its picture is another one than was looked at"
    wrong = _wrong(video, seen)
    if wrong is not None:
        return wrong
    lasts = seen.last_seconds - seen.first_seconds
    if video.frame_rate:
        lasts += float(1 / video.frame_rate)
    ends = [*seen.keyframe_seconds, seen.first_seconds + lasts]
    unknown = {
        name: why
        for name, why in video.unknown.items()
        if name not in {"frames", "keyframe_seconds", "longest_gop_seconds"}
    }
    whole = video.model_copy(
        update={
            "frames": seen.pictures,
            "keyframe_seconds": seen.keyframe_seconds,
            "longest_gop_seconds": round(max(b - a for a, b in pairwise(ends)), 6),
            "longest_still_seconds": seen.longest_step_seconds or None,
            # What one piece goes by stays what it is.
            "duration_seconds": video.duration_seconds or round(lasts, 6),
            "unknown": unknown,
        }
    )
    pictures = tuple(whole if it.index == index else it for it in media.video)
    return media.model_copy(update={"video": pictures})


def _wrong(video: VideoStream, seen: Indexed) -> str | None:
    """What of *seen* contradicts *video*, as a clause."""
    first, keys = seen.first_seconds, seen.keyframe_seconds
    clauses = (
        (bool(seen.leaps), "its clock jumps"),
        (bool(seen.untimed), f"{seen.untimed} of its pictures have no time"),
        (
            abs(first - (video.start_seconds or 0.0)) > _NEAR_SECONDS,
            "its first picture is shown at another time than its head says",
        ),
        (not 0 < len(keys) <= _MOST_KEYFRAMES, "it has no keyframes, or too many"),
        (
            bool(keys) and abs(keys[0] - first) > _NEAR_SECONDS,
            "it does not begin with a keyframe",
        ),
    )
    return next((why for true, why in clauses if true), _uneven(video, seen))


def _uneven(video: VideoStream, seen: Indexed) -> str | None:
    """Where a rate that the head showed to be constant is not that of the whole."""
    rate = video.frame_rate
    if video.variable_frame_rate is not False or not rate:
        return None
    lasts = Fraction(seen.last_seconds - seen.first_seconds)
    due = round(lasts * rate) + 1
    if seen.pictures == due and seen.shortest_step_seconds >= _HALF / rate:
        return None
    return f"it has {seen.pictures} pictures, and {due} by its rate"


def _better(
    chunked: tuple[Money, float], whole: tuple[Money, float], optimize: str
) -> bool:
    """As `chunk_choice` compares them, with what the pass takes; not in a tie."""
    (cost, wall), (beside, took) = chunked, whole
    price, other = float(cost.amount), float(beside.amount)
    if optimize == "cost":
        return price < other
    if optimize == "time":
        return wall * NEAR_TIE < took
    score = price * math.pow(wall, PATIENCE)
    return score * NEAR_TIE < other * math.pow(took, PATIENCE)


def _after(first: Usage, then: Usage) -> Usage:
    """One after the other."""
    return then.model_copy(
        update={
            "wall_seconds": first.wall_seconds + then.wall_seconds,
            "cpu_seconds": first.cpu_seconds + then.cpu_seconds,
            "billed_milliseconds": (first.billed_milliseconds or 0)
            + (then.billed_milliseconds or 0),
            "read_bytes": (first.read_bytes or 0) + (then.read_bytes or 0),
            "requests": first.requests + then.requests,
            "store": then.store
            if first.store is None or then.store is None
            else first.store + then.store,
        }
    )
