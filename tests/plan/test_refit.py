"""What is learned from tasks that ran, where the truth is known because we made it."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable
from datetime import date
from importlib import resources

import pytest

from transcode.contract import Capabilities, Constraints, Media, Recipe, Source, Spec
from transcode.errors import UsageError
from transcode.plan.coefficients import (
    Coefficients,
    Experience,
    coefficients_text,
    parse_coefficients,
)
from transcode.plan.make_plan import make_plan
from transcode.plan.predict import predict
from transcode.plan.profile import Profile
from transcode.plan.refit import (
    ENOUGH,
    Observation,
    _is_held_out,
    accuracy,
    learn,
    refuse_worse,
)
from transcode.platforms.platform import Machine, parse_platform

from .conftest import PROFILES, Change

TODAY = date(2026, 11, 22)
SPEC = Spec(memory_mib=2048, milli_cpus=1000)


@pytest.fixture(scope="module")
def shipped_coefficients() -> Coefficients:
    text = resources.files("transcode.plan") / "coefficients.toml"
    return parse_coefficients(text.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def recipes(
    change: Change,
    upload: Source,
    capable: Capabilities,
    shipped: Callable[[str], Profile],
) -> dict[str, tuple[Media, Recipe]]:
    """What two profiles make of one picture that neither can copy."""
    text = (PROFILES / "platforms" / "functiongraph.toml").read_text(encoding="utf-8")
    platform = parse_platform(text, origin="functiongraph")
    shipped_text = resources.files("transcode.plan") / "coefficients.toml"
    media = change(video={"codec": "mpeg4", "profile": None})
    found = {}
    for name in ("preview", "hevc"):
        plan = make_plan(
            upload,
            media,
            shipped(name),
            platform,
            machine=Machine(milli_cpus=2000, memory_mib=8192, scratch_mib=10**5),
            constraints=Constraints(),
            capabilities=capable,
            coefficients=parse_coefficients(shipped_text.read_text(encoding="utf-8")),
            engine="local",
            others=[],
        )
        found[name] = (media, plan.tasks[0].task.recipe)
    return found


Make = Callable[..., list[Observation]]


@pytest.fixture
def ran(
    recipes: dict[str, tuple[Media, Recipe]], shipped_coefficients: Coefficients
) -> Make:
    """Tasks that took so many times what the shipped coefficients predict."""

    def make(
        count: int,
        *,
        cpu: float = 1.0,
        wall: float = 1.0,
        memory: float = 1.0,
        noise: float = 0.05,
        profile: str = "preview",
        platform: str = "aws-lambda",
    ) -> list[Observation]:
        chance = random.Random(f"{profile}{platform}{count}")  # noqa: S311 - repeatable
        media, recipe = recipes[profile]
        told = predict(
            media, recipe, spec=SPEC, coefficients=shipped_coefficients
        ).usage
        seen = []
        for n in range(count):
            error = math.exp(chance.gauss(0, noise))
            usage = told.model_copy(
                update={
                    "cpu_seconds": told.cpu_seconds * cpu * error,
                    "wall_seconds": told.wall_seconds * cpu * wall * error,
                    "peak_memory_bytes": round(
                        (told.peak_memory_bytes or 0) * memory * error
                    ),
                }
            )
            seen.append(
                Observation(
                    source=f"s3://up/{profile}-{platform}-{n}.mp4",
                    day=TODAY,
                    platform=platform,
                    media=media,
                    recipe=recipe,
                    spec=SPEC,
                    measured=usage,
                )
            )
        return seen

    return make


def test_a_slow_machine_is_learned_and_held_out_files_prove_it(
    ran: Make, shipped_coefficients: Coefficients
) -> None:
    """Half again the CPU time and 20 % more wall: within a few percent afterwards."""
    seen = ran(200, cpu=1.5, wall=1.2)

    learned = learn(seen, shipped_coefficients, origin="out", today=TODAY)

    it = learned.learned
    assert it is not None
    assert it.before is not None
    assert it.after is not None
    assert it.before.wall_error > 0.7
    assert it.after.wall_error < 0.1
    assert it.after.cpu_error < 0.1
    assert it.after.inside >= 0.85
    after = accuracy(seen, learned)
    assert after.wall_error < 0.1


def test_a_platform_and_an_encoder_are_told_apart(
    ran: Make, shipped_coefficients: Coefficients
) -> None:
    """One platform is twice as slow, with whatever encoder; one encoder 1.4 times."""
    seen = [
        *ran(40, cpu=1.0),
        *ran(40, cpu=1.4, profile="hevc"),
        *ran(40, cpu=2.0, platform="local"),
        *ran(40, cpu=2.8, platform="local", profile="hevc"),
    ]

    found = learn(seen, shipped_coefficients, origin="out", today=TODAY).learned

    assert found is not None
    where, tasks = found.platform, found.encode
    assert where["local"].cpu / where["aws-lambda"].cpu == pytest.approx(2.0, rel=0.1)
    (light,) = (it.cpu for key, it in tasks.items() if "264" in key)
    (heavy,) = (it.cpu for key, it in tasks.items() if "265" in key or "hevc" in key)
    assert heavy / light == pytest.approx(1.4, rel=0.1)


def test_a_few_absurd_tasks_change_little(
    ran: Make, shipped_coefficients: Coefficients
) -> None:
    """Whose machine was asleep for an hour: medians do not follow them."""
    seen = [*ran(60), *ran(5, cpu=100.0)]

    found = learn(seen, shipped_coefficients, origin="out", today=TODAY).learned

    assert found is not None
    (task,) = found.encode.values()
    assert task.cpu * found.platform["aws-lambda"].cpu == pytest.approx(1.0, abs=0.1)


def test_few_tasks_are_believed_by_half(
    ran: Make, shipped_coefficients: Coefficients
) -> None:
    """Twice as slow, seen five times on a platform: more than nothing, less than 2."""
    seen = [*ran(30), *ran(5, cpu=2.0, platform="local", noise=0.0)]

    found = learn(seen, shipped_coefficients, origin="out", today=TODAY).learned

    assert found is not None
    assert 1.2 < found.platform["local"].cpu < 1.8


def test_memory_follows_the_upper_end(
    ran: Make, shipped_coefficients: Coefficients
) -> None:
    """What is predicted afterwards, with its margin, holds every peak that was seen."""
    seen = ran(60, memory=1.4, noise=0.1)

    learned = learn(seen, shipped_coefficients, origin="out", today=TODAY)

    assert accuracy(seen, shipped_coefficients).memory_under > 0.5
    assert 0.0 == accuracy(seen, learned).memory_under


def test_a_worse_fit_is_refused(ran: Make, shipped_coefficients: Coefficients) -> None:
    """
    Files held out took what was foretold, and the others three times as long; or they
    need the memory that was learned of once, and the others no longer do.
    """
    good, tall = ran(200), ran(200, memory=1.6)
    held = {one.source for one in good if _is_held_out(one.source)}
    once = learn(tall, shipped_coefficients, origin="out", today=TODAY)

    def mixed(
        kept: list[Observation], others: list[Observation], used: Coefficients
    ) -> Experience:
        both = zip(kept, others, strict=True)
        seen = [a if a.source in held else b for a, b in both]
        found = learn(seen, used, origin="out", today=TODAY).learned
        assert found is not None
        return found

    with pytest.raises(UsageError, match=r"wall time of \d+% instead of"):
        refuse_worse(mixed(good, ran(200, cpu=3.0), shipped_coefficients))
    with pytest.raises(UsageError, match=r"more memory than was given in \d+%"):
        refuse_worse(mixed(tall, good, once))
    refuse_worse(mixed(good, good, shipped_coefficients))
    refuse_worse(mixed(tall, tall, once))


def test_too_few_are_refused_with_how_many_are_missing(
    ran: Make, shipped_coefficients: Coefficients
) -> None:
    """Nothing is fitted to an anecdote."""
    with pytest.raises(UsageError, match=f"holds 7 .* {ENOUGH} are needed: 13 more"):
        learn(ran(7), shipped_coefficients, origin="out", today=TODAY)


def test_learning_again_forgets_what_was_learned_before(
    ran: Make, shipped_coefficients: Coefficients
) -> None:
    """A factor is on what was measured, never on a factor."""
    seen = ran(40, cpu=1.5)
    once = learn(seen, shipped_coefficients, origin="out", today=TODAY)

    again = learn(seen, once, origin="out", today=TODAY)

    assert once.learned is not None
    assert again.learned is not None
    assert once.learned.encode == again.learned.encode
    assert once.learned.platform == again.learned.platform


def test_what_is_written_is_what_is_read(
    ran: Make, shipped_coefficients: Coefficients
) -> None:
    """Measured and learned alike."""
    learned = learn(ran(40, cpu=1.5), shipped_coefficients, origin="o", today=TODAY)

    assert learned == parse_coefficients(coefficients_text(learned))
    assert shipped_coefficients == parse_coefficients(
        coefficients_text(shipped_coefficients)
    )


def test_how_fast_the_machine_is_now_is_not_learned_twice(
    ran: Make, shipped_coefficients: Coefficients
) -> None:
    """A platform's factor stands in for the pace, which is kept in no file."""
    seen = ran(60, cpu=1.5)
    slow = shipped_coefficients.model_copy(update={"pace": 1.5})

    by_slow = learn(seen, slow, origin="out", today=TODAY)
    by_fast = learn(seen, shipped_coefficients, origin="out", today=TODAY)

    assert by_slow.learned is not None
    assert by_fast.learned is not None
    for one in (by_slow.learned, by_fast.learned):
        factor = one.encode["libx264/ultrafast"].cpu * one.platform["aws-lambda"].cpu
        assert 1.5 == pytest.approx(factor, rel=0.01)
    assert "pace" not in coefficients_text(slow)
    told = by_slow.model_copy(update={"pace": 1.5})
    assert accuracy(seen, told).cpu_error < 0.1


def test_many_tasks_of_one_source_are_one_witness(
    ran: Make, shipped_coefficients: Coefficients
) -> None:
    """Its error may be its own: less is learned than from as many sources."""
    many = ran(40, cpu=2.0)
    one = [dataclasses.replace(it, source="same.mp4") for it in many]

    wide, narrow = (
        learn(seen, shipped_coefficients, origin="out", today=TODAY).learned
        for seen in (many, one)
    )

    assert wide is not None
    assert narrow is not None
    key, place = "libx264/ultrafast", "aws-lambda"
    assert wide.encode[key].cpu * wide.platform[place].cpu > 1.9
    assert narrow.encode[key].cpu * narrow.platform[place].cpu < 1.5
    assert (40, 1) == (wide.encode[key].sources, narrow.encode[key].sources)
