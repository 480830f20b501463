"""A plan in a file: what was shown is what is run, or is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveFloat, ValidationError

from ..contract import Money, Plan, Value
from ..errors import PlanChanged, UsageError
from ..request import Request
from ..units import money, spec

_SAME_PRICE = 0.01
"""Share of the price by which two looks at one machine may differ."""


class KeptPlan(Value):
    """What `plan --out` writes."""

    schema_: Literal["transcode/kept-plan/1"] = Field(
        "transcode/kept-plan/1", alias="schema"
    )
    request: Request
    """With absolute paths, and without a sample: that would show another plan."""
    plan: Plan
    pace: PositiveFloat | None = None
    """How fast the machine was taken to be, which is looked at anew for each plan and
    never comes out the same; None in files of before this was written."""


def keep(request: Request, plan: Plan, to: Path, *, pace: float | None = None) -> None:
    """Write it down; raises `UsageError` where that cannot be."""
    if request.sample == "always":
        raise UsageError(
            "A plan that a sample has made cannot be kept: another sample would show "
            "another one. Leave out --sample always."
        )
    if plan.sampling is not None and plan.sampling.verdict == "needed":
        raise UsageError(
            "A plan with a target quality cannot be kept: its rate factors are found "
            "by a sample when it runs. Leave out --out."
        )
    if plan.indexing is not None:
        raise UsageError(
            "A plan in chunks of a source without an index cannot be kept: where it is "
            "cut is found when it runs. Leave out --out, or give --chunks 1."
        )
    profile = request.profile
    by_path = "/" in profile or profile.endswith(".toml")
    mark = request.watermark
    asked = request.model_copy(
        update={
            "source": plan.source.uri,
            "profile": str(Path(profile).absolute()) if by_path else profile,
            "watermark": mark
            and mark.model_copy(update={"image": str(Path(mark.image).absolute())}),
            "sample": "never",
        }
    )
    try:
        found = KeptPlan(request=asked, plan=plan, pace=pace)
        to.write_text(found.to_json(indent=2) + "\n")
    except OSError as exc:
        raise UsageError(
            f"The plan cannot be written to {str(to)!r}: {exc.strerror}."
        ) from exc


def read(path: Path) -> KeptPlan:
    """Raises `UsageError` for what `plan --out` has not written."""
    try:
        return KeptPlan.from_json(path.read_bytes())
    except OSError as exc:
        raise UsageError(f"{str(path)!r} cannot be read: {exc.strerror}.") from exc
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the document"
        raise UsageError(
            f"{str(path)!r} is no plan of this release, see {field}: {first['msg']}. "
            "`transcode plan SOURCE --out FILE` writes one."
        ) from exc


def refuse_change(kept: Plan, now: Plan) -> None:
    """Raise `PlanChanged` where *now* is not what was shown; nothing is spent yet."""
    found = list(_changes(kept, now))
    if found:
        raise PlanChanged(
            f"What would be done is not what was planned: {'; '.join(found)}. Look at "
            "it again: `transcode plan`.",
            changes=found,
        )


def _changes(kept: Plan, now: Plan) -> Iterator[str]:
    before, after = kept.source, now.source
    if (before.bytes, before.etag, before.version) != (
        *(after.bytes, after.etag, after.version),
    ):
        yield "the source is another version"
    if kept.profile != now.profile:
        yield f"the profile {now.profile.name!r} has changed"
    if kept.platform != now.platform:
        yield (
            f"the prices of {kept.platform.name} of {kept.platform.price_table} are "
            f"now {now.platform.name}'s of {now.platform.price_table}"
        )
    tasks, again = ([p.task for p in plan.tasks] for plan in (kept, now))
    if [(t.kind, t.recipe) for t in tasks] != [(t.kind, t.recipe) for t in again]:
        yield "other work would be done"
    elif [t.spec for t in tasks] != [t.spec for t in again]:
        specs = (
            ", ".join(dict.fromkeys(spec(t.spec) for t in s)) for s in (tasks, again)
        )
        yield "it would run in {1} instead of {0}".format(*specs)
    elif not _alike(kept.predicted_cost, now.predicted_cost):
        old, new = money(kept.predicted_cost), money(now.predicted_cost)
        yield f"it would cost {new} instead of {old}"


def _alike(one: Money, two: Money) -> bool:
    if one.currency != two.currency:
        return False
    return abs(float(two.amount - one.amount)) <= _SAME_PRICE * float(one.amount)
