"""What was chosen, what it is predicted to take, and what lost; in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..contract import Plan, PlannedTask, Task
from .compared import wrapped
from .words import columns, cpus, duration, memory, money, spec_words

__all__ = [
    "divided_specs",
    "division_words",
    "item",
    "losers_of",
    "sampling_words",
    "single_spec",
]


def single_spec(plan: Plan, planned: PlannedTask) -> Iterator[str]:
    task, usage = planned.task, planned.task.predicted
    price = f"{plan.platform.name}, prices of {plan.platform.price_table}"
    yield from item("Platform", price)
    yield from item("Spec", spec_words(task.spec))
    if planned.candidates:
        yield from item("", planned.candidates[0].reason)
    rows = [
        ("time", duration(usage.wall_seconds), _sure(task)),
        ("processor", duration(usage.cpu_seconds), "of one vCPU"),
        ("memory", memory(usage.peak_memory_bytes), _share(planned)),
        ("scratch", memory(usage.scratch_bytes), ""),
        ("price", money(task.predicted_cost), _limits(plan)),
    ]
    yield ""
    yield "Predicted"
    yield from (f"  {line}".rstrip() for line in columns(rows, right=(1,)))


def divided_specs(
    plan: Plan, join: PlannedTask, chunks: Sequence[PlannedTask]
) -> Iterator[str]:
    """Several tasks at once, and one after them."""
    price = f"{plan.platform.name}, prices of {plan.platform.price_table}"
    yield from item("Platform", price)
    each = [it.task for it in chunks]
    yield from item("Specs", f"{len(each)} chunks, each {spec_words(each[0].spec)}")
    yield from item("", f"then a join, {spec_words(join.task.spec)}")
    if plan.division is not None:
        yield from item("", plan.division.reason)
    longest = max(each, key=lambda it: it.predicted.wall_seconds)
    usage = plan.predicted
    rows = [
        ("time", duration(usage.wall_seconds), "all chunks at once, and the join"),
        ("a chunk", duration(longest.predicted.wall_seconds), _sure(longest)),
        ("the join", duration(join.task.predicted.wall_seconds), _sure(join.task)),
        ("processor", duration(usage.cpu_seconds), "of one vCPU"),
        ("memory", memory(usage.peak_memory_bytes), "of the largest"),
        ("scratch", memory(usage.scratch_bytes), "of all"),
        ("price", money(plan.predicted_cost), _limits(plan)),
    ]
    yield ""
    yield "Predicted"
    yield from (f"  {line}".rstrip() for line in columns(rows, right=(1,)))


def _sure(task: Task) -> str:
    wall = task.predicted_wall
    return f"90 % sure of {duration(wall.low)} to {duration(wall.high)}"


def division_words(plan: Plan) -> Iterator[str]:
    """What chunks would be, where it is done in one piece and need not be."""
    said = plan.division
    if said is not None and said.chunks == 1 and said.possible:
        yield from item("Chunks", f"None are made. {said.reason}")


def sampling_words(plan: Plan) -> Iterator[str]:
    sampling = plan.sampling
    if sampling is None:
        return
    text = sampling.reason
    planned = sampling.planned
    if sampling.cost is not None:
        text += f" It has cost {money(sampling.cost)}."
    elif planned is None:
        text = f"None is taken. {text}"
    else:
        price = money(planned.task.predicted_cost)
        seconds = duration(planned.task.predicted.wall_seconds)
        pays = sampling.verdict == "pays"
        when = "`run` takes one first" if pays else "None is taken"
        text = f"{when} ({seconds}, {price}). {text}"
    yield from item("Sample", text)


def _share(planned: PlannedTask) -> str:
    peak = planned.task.predicted.peak_memory_bytes
    if peak is None:
        return ""
    share = peak / (planned.task.spec.memory_mib * 2**20)
    return f"{share:.0%} of the spec"


def _limits(plan: Plan) -> str:
    said = []
    if plan.deadline_seconds is not None:
        said.append(f"deadline {duration(plan.deadline_seconds)}")
    if plan.budget is not None:
        said.append(f"budget {money(plan.budget)}")
    return ", ".join(said)


def losers_of(planned: PlannedTask, *, of: str = "") -> Iterator[str]:
    losers = [it for it in planned.candidates if not it.chosen]
    if not losers:
        return
    yield f"Specs that lost{f' for {of}' if of else ''}, nearest first"
    rows = [
        (
            f"{it.spec.memory_mib} MiB",
            cpus(it.spec),
            duration(it.predicted.wall_seconds),
            money(it.cost),
        )
        for it in losers[:_MOST_LOSERS]
    ]
    lines = columns(rows, right=(0, 1, 2, 3))
    for line, it in zip(lines, losers, strict=False):
        prefix = f"  {line}  "
        yield from wrapped(it.reason, first=prefix, rest=" " * len(prefix))
    if len(losers) > _MOST_LOSERS:
        yield f"  and {len(losers) - _MOST_LOSERS} more; --json lists them all"


def item(label: str, text: str, *, indent: int = 10, hang: int = 0) -> Iterator[str]:
    first = f"{label:<{indent}}"
    yield from wrapped(text, first=first, rest=" " * (indent + hang))


_MOST_LOSERS = 4
