"""
Whether a short sample encode pays.

Content is the largest unknown of a prediction. Without a limit it changes little: it
stretches every spec alike. Near a deadline or a budget it decides, because predictions
are compared with limits at the upper end of their interval: who knows more may take a
smaller spec, or dare what would be refused. So a sample pays where what is saved with
it, on the average over what it may tell, is more than it costs.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

from ..contract import (
    Candidate,
    Constraints,
    Content,
    FoundFactor,
    Money,
    Plan,
    PlannedTask,
    Sampling,
)
from ..errors import PlanError
from ..media.metrics import told
from ..media.timeline import made
from ..platforms.platform import Machine, Platform
from ..units import bit_rate
from .choose import PATIENCE, choose
from .coefficients import Coefficients
from .predict import NINETY_PERCENT
from .quality import has_target
from .sample_parts import CONTENT_SPREAD, parts_of, sample_recipe, search_parts

MOST_OF_JOB = 0.05
"""A sample may be predicted to cost this much of the job it is about."""
MOST_OF_REFUSED = 0.25
"""And this much where without it there would be no job."""
WORTH = 0.03
"""Saved at least, beyond its own cost: whoever waits wants a reason."""
OUTLOOKS = (-1.2816, -0.5244, 0.0, 0.5244, 1.2816)
"""Of a normal distribution, the middles of five equally likely fifths."""


def consider(  # noqa: PLR0911, PLR0913 - a plan, what it was made from; each a case
    plan: Plan,
    refusal: PlanError | None = None,
    *,
    platform: Platform,
    machine: Machine | None,
    constraints: Constraints,
    coefficients: Coefficients,
) -> Sampling | None:
    """
    Whether a sample encode pays before *plan*; None where no picture is encoded.

    With *refusal*, the plan is one without deadline and budget, and the question is
    whether a sample may show that it fits them after all.
    """
    if not plan.tasks:
        return None
    main = plan.tasks[0].task
    needed = has_target(main.recipe)
    if main.kind == "join" and not needed:
        return _told("impossible", "All chunks begin at once, none can tell of others.")
    look_at = search_parts if needed else parts_of
    parts = look_at(plan.media, main.recipe)
    if parts is None:
        return None
    if isinstance(parts, str):
        return _told("impossible", f"{parts[0].upper()}{parts[1:]}.")

    def weigh(constraints: Constraints, content: Content) -> tuple[Candidate, ...]:
        return choose(
            made(main.media, main.recipe), main.recipe, platform=platform,
            machine=machine, constraints=constraints, coefficients=coefficients,
            content=content,
        ).candidates  # fmt: skip

    recipe = sample_recipe(main.recipe, parts)
    choice = choose(
        made(main.media, recipe), recipe, platform=platform, machine=machine,
        constraints=_unbound(constraints), coefficients=coefficients,
    )  # fmt: skip
    best = choice.candidates[0]
    sample = PlannedTask(
        task=main.model_copy(
            update={
                "task_id": f"{main.job_id[:12]}-sample",
                "kind": "sample",
                "recipe": recipe,
                "spec": best.spec,
                "predicted": best.predicted,
                "predicted_wall": choice.wall,
                "predicted_cost": best.cost,
                "joins": (),
            }
        ),
        candidates=choice.candidates,
    )
    if needed:
        return _told(
            "needed", "The rate factor of a target quality is found by it.", sample
        )
    share = best.predicted.wall_seconds / main.predicted.wall_seconds
    if main.predicted_cost.amount:  # a machine of one's own may be for nothing
        share = float(best.cost.amount / main.predicted_cost.amount)
    if share > (MOST_OF_JOB if refusal is None else MOST_OF_REFUSED):
        return _told("too_dear", f"It would cost {share:.0%} of the job.", sample)
    wall = main.predicted_wall
    spread = math.log(wall.high / wall.low) / 2 / NINETY_PERCENT
    return _judge(
        sample,
        None if refusal else plan.tasks[0].candidates[0],
        constraints,
        spread,
        weigh,
    )


def _judge(
    sample: PlannedTask,
    now: Candidate | None,
    constraints: Constraints,
    spread: float,
    weigh: Callable[[Constraints, Content], tuple[Candidate, ...]],
) -> Sampling:
    """
    Five equally likely contents are looked at. For each: what the spec of *now* would
    take, and what would be chosen by somebody who knew, with what the sample costs.
    """
    price, wait = sample.task.predicted_cost, sample.task.predicted.wall_seconds
    own = {"cost": float(price.amount), "wait": wait}
    left, gains, fitting = less(constraints, price, wait), [], 0
    for outlook in OUTLOOKS:
        content = Content(cpu=math.exp(outlook * spread), spread=CONTENT_SPREAD)
        try:
            best = weigh(left, content)[0]
        except PlanError:
            continue
        fitting += 1
        if now is not None:
            without = _at(now, weigh(_unbound(constraints), content))
            told = _worth(best, constraints.optimize, **own)
            gains.append(_worth(without, constraints.optimize) / told if told else 1.0)
    if now is None:
        if not fitting:
            return _told("no_gain", "Nothing that it could tell would make it fit.")
        return _told(
            "pays",
            "It may show that the job fits after all: so it would in "
            f"{fitting} of {len(OUTLOOKS)} equally likely cases.",
            sample,
        )
    gain = statistics.mean(gains) - 1 if gains else 0.0
    if gain < WORTH:
        return _told(
            "no_gain", "What it could tell would hardly save what it costs.", sample
        )
    return _told(
        "pays",
        f"It is expected to save {gain:.0%}: who knows the content can do with a "
        "smaller spec.",
        sample,
    )


def taken(sampling: Sampling, content: Content, cost: Money) -> Sampling:
    """What was said before the sample, after it."""
    reason = (
        f"A sample encode took {content.cpu:.2f} times what the source's bit rate made "
        "expect."
    )
    if content.factors:
        found = ", ".join(
            f"{name} crf {it.crf:g} ({told(it.metric, it.score)}, {_rate(it)} expected)"
            for name, it in content.factors.items()
        )
        reason = f"Found on samples: {found}."
    return sampling.model_copy(
        update={
            "verdict": "taken",
            "reason": reason,
            "content": content,
            "cost": cost,
        }
    )


def _rate(found: FoundFactor) -> str:
    said = bit_rate(found.bit_rate)
    if found.bit_rate_within is None:
        return said
    low, high = found.bit_rate_within.low, found.bit_rate_within.high
    return f"{said}, {bit_rate(round(low))} to {bit_rate(round(high))},"


def failed(sampling: Sampling, why: str, cost: Money) -> Sampling:
    """The plan goes by the headers then; what was spent is on the bill."""
    reason = f"The sample encode failed: {why}"
    return sampling.model_copy(
        update={"verdict": "failed", "reason": reason, "cost": cost}
    )


def less(constraints: Constraints, cost: Money, wall_seconds: float) -> Constraints:
    """What is left of deadline and budget after a sample."""
    update: dict[str, object] = {}
    if constraints.deadline_seconds is not None:
        left = constraints.deadline_seconds - wall_seconds
        update["deadline_seconds"] = max(left, 0.001)
    budget = constraints.budget
    if budget is not None and budget.currency == cost.currency:
        amount = max(budget.amount - cost.amount, cost.amount * 0)
        update["budget"] = Money(amount=amount, currency=cost.currency)
    return constraints.model_copy(update=update)


def _unbound(constraints: Constraints) -> Constraints:
    return constraints.model_copy(update={"deadline_seconds": None, "budget": None})


def _at(chosen: Candidate, candidates: tuple[Candidate, ...]) -> Candidate:
    """The same spec, as things turn out."""
    size = chosen.spec.memory_mib, chosen.spec.milli_cpus
    return next(
        it for it in candidates if (it.spec.memory_mib, it.spec.milli_cpus) == size
    )


def _worth(
    candidate: Candidate, optimize: str, *, cost: float = 0.0, wait: float = 0.0
) -> float:
    """What is minimised; less is better. *cost* and *wait* are the sample's."""
    price = float(candidate.cost.amount) + cost
    wall = candidate.predicted.wall_seconds + wait
    if optimize == "cost":
        return price
    return wall if optimize == "time" else price * math.pow(wall, PATIENCE)


def _told(verdict: str, reason: str, planned: PlannedTask | None = None) -> Sampling:
    return Sampling.model_validate(
        {"verdict": verdict, "reason": reason, "planned": planned}
    )
