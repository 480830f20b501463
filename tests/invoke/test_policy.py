"""What follows from a failed attempt."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcode.contract import Attempt, Candidate, Gpu, Money, OutcomeKind, Spec, Usage
from transcode.invoke.policy import (
    MAX_LARGER,
    MIB,
    MOST_UNBEGUN,
    GiveUp,
    Retry,
    after,
    pause_seconds,
)

SIZES = (128, 256, 512, 768, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096)
KILLED = OutcomeKind.OUT_OF_MEMORY


def money(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="CNY")


def candidate(spec: Spec, *, wall: float = 10.0, cost: str = "0.01") -> Candidate:
    usage = Usage(wall_seconds=wall, cpu_seconds=wall, peak_memory_bytes=None)
    return Candidate(
        spec=spec, predicted=usage, cost=money(cost), chosen=False, reason="-"
    )


def sizes(*memory_mib: int) -> list[Candidate]:
    """A lattice on which CPU follows memory and more of it is faster and dearer."""
    return [
        candidate(
            Spec(memory_mib=m, milli_cpus=m, time_limit_seconds=60),
            wall=100_000 / m,
            cost=f"0.{m:06d}",
        )
        for m in memory_mib
    ]


def attempt(of: Candidate, outcome: OutcomeKind, *, peak_mib: int = 1) -> Attempt:
    measured = of.predicted.model_copy(update={"peak_memory_bytes": peak_mib * MIB})
    return Attempt(
        number=1,
        spec=of.spec,
        predicted=of.predicted,
        measured=measured,
        cost=of.cost,
        outcome=outcome,
    )


@pytest.mark.parametrize(
    ("memory_mib", "expected"), [(128, 256), (512, 768), (1024, 1280), (2560, 3584)]
)
def test_out_of_memory_goes_to_the_next_size_with_a_margin(
    memory_mib: int, expected: int
) -> None:
    """
    A quarter more than the peak, which is at least what the kernel allowed.
    """
    last = attempt(sizes(memory_mib)[0], KILLED, peak_mib=memory_mib)
    decision = after(sizes(*SIZES), [last])

    assert isinstance(decision, Retry)
    assert expected == decision.candidate.spec.memory_mib


def test_out_of_memory_keeps_the_cpus_where_they_are_apart() -> None:
    """
    Memory was missing, not time: the same cores, not the cheapest.
    """
    grid = [
        candidate(Spec(memory_mib=m, milli_cpus=c), cost=f"0.{c:06d}")
        for m in (512, 1024)
        for c in (1000, 2000, 4000)
    ]
    decision = after(grid, [attempt(grid[1], KILLED, peak_mib=512)])

    assert isinstance(decision, Retry)
    assert Spec(memory_mib=1024, milli_cpus=2000) == decision.candidate.spec


def test_out_of_memory_ends_with_the_largest_and_after_some_steps() -> None:
    """
    Bounded both ways, and the reason says which.
    """
    largest = attempt(sizes(4096)[0], KILLED, peak_mib=4096)
    often = [attempt(c, KILLED) for c in sizes(1, 2, 3, 4, 5)[: MAX_LARGER + 1]]

    assert after(sizes(*SIZES), [largest]) == GiveUp(
        "No spec here has the 5120 MiB it would need next."
    )
    assert after(sizes(*SIZES), often) == GiveUp(
        "It ran out of memory 5 times: that is no matter of size."
    )


def test_out_of_time_goes_to_the_cheapest_that_is_enough_faster() -> None:
    """
    Faster by a fifth, not by a hair, and never below the memory that was needed.
    """
    options = sizes(1024, 1100, 1280, 1536)
    late = attempt(options[0], OutcomeKind.OUT_OF_TIME, peak_mib=900)
    hungry = attempt(options[0], OutcomeKind.OUT_OF_TIME, peak_mib=1100)
    first, second = after(options, [late]), after(options, [hungry])

    assert isinstance(first, Retry)
    assert isinstance(second, Retry)
    assert (1280, 1536) == (
        first.candidate.spec.memory_mib,
        second.candidate.spec.memory_mib,
    )


def test_out_of_time_may_go_to_a_longer_limit() -> None:
    """
    Where a spec may run longer, it need not be faster.
    """
    short = candidate(Spec(memory_mib=512, milli_cpus=1000, time_limit_seconds=60))
    long = candidate(Spec(memory_mib=512, milli_cpus=1000, time_limit_seconds=900))
    decision = after([short, long], [attempt(short, OutcomeKind.OUT_OF_TIME)])

    assert isinstance(decision, Retry)
    assert long == decision.candidate


def test_lost_is_tried_once_more_in_the_same_spec() -> None:
    """
    Losing a worker says nothing about its spec; losing two says something.
    """
    options = sizes(512, 1024)
    lost = attempt(options[0], OutcomeKind.LOST)
    decision = after(options, [lost])

    assert isinstance(decision, Retry)
    assert options[0] == decision.candidate
    assert after(options, [lost, lost]) == GiveUp("The worker was lost twice.")


def test_what_was_never_begun_is_begun_again() -> None:
    """It cost nothing and tells nothing, but not for ever; others count besides."""
    options = sizes(512, 768)
    lost = attempt(options[0], OutcomeKind.LOST)
    unbegun = lost.model_copy(update={"measured": None, "cost": money("0")})
    vanished = lost.model_copy(update={"measured": None})

    for several in range(1, MOST_UNBEGUN):
        again = after(options, [lost, *[unbegun] * several])
        assert isinstance(again, Retry)
        assert again.candidate == options[0]
    assert "never began it" in str(after(options, [unbegun] * MOST_UNBEGUN))
    assert after(options, [lost, unbegun, vanished]) == GiveUp(
        "The worker was lost twice."
    )


def test_what_was_never_begun_is_asked_for_later_each_time() -> None:
    """
    In all half a minute and more, for a node that died and is not yet known to have;
    nothing else waits.
    """
    options = sizes(512)
    lost = attempt(options[0], OutcomeKind.LOST)
    unbegun = lost.model_copy(update={"measured": None, "cost": money("0")})

    pauses = [pause_seconds([lost, *[unbegun] * it], 1.0) for it in range(MOST_UNBEGUN)]

    assert [0.0, 1.0, 2.0, 4.0, 8.0, 16.0] == pauses
    assert pause_seconds([unbegun, lost], 1.0) == 0.0
    assert pause_seconds([], 1.0) == 0.0


def test_without_a_gpu_it_goes_on_without() -> None:
    """
    The cheapest spec that asks for none.
    """
    gpu = candidate(
        Spec(memory_mib=512, milli_cpus=1, gpu=Gpu(kind="t4", memory_mib=1))
    )
    decision = after(
        [gpu, *sizes(1024, 512)], [attempt(gpu, OutcomeKind.GPU_UNAVAILABLE)]
    )

    assert isinstance(decision, Retry)
    assert 512 == decision.candidate.spec.memory_mib


def test_what_failed_is_not_tried_again_because_it_would_be_faster() -> None:
    """
    The GPU that was not there an attempt ago is no answer to running out of time.
    """
    gpu = candidate(
        Spec(memory_mib=512, milli_cpus=1, gpu=Gpu(kind="t4", memory_mib=1)), wall=1
    )
    slow = candidate(
        Spec(memory_mib=512, milli_cpus=1000, time_limit_seconds=60), wall=50
    )
    attempts = [
        attempt(gpu, OutcomeKind.GPU_UNAVAILABLE),
        attempt(slow, OutcomeKind.OUT_OF_TIME),
    ]

    assert isinstance(after([gpu, slow], attempts), GiveUp)


@pytest.mark.parametrize(
    "outcome",
    [
        OutcomeKind.ENCODER_FAILED,
        OutcomeKind.REJECTED,
        OutcomeKind.OUT_OF_DISK,
        OutcomeKind.CANCELLED,
    ],
)
def test_what_would_fail_again_is_not_tried_again(outcome: OutcomeKind) -> None:
    """
    Money is not spent on hope.
    """
    options = sizes(512, 1024)

    assert after(options, [attempt(options[0], outcome)]) == GiveUp(
        "Trying again could not help."
    )


def test_the_budget_is_a_hard_stop() -> None:
    """
    To the last digit: what is left may be spent, not more, and the reason has both.
    """
    options = sizes(128, 256)
    last = attempt(options[0], KILLED, peak_mib=128)

    assert isinstance(after(options, [last], left=money("0.000256")), Retry)
    assert after(options, [last], left=money("0.0002559")) == GiveUp(
        "Not tried again: 256 MiB, 256 milli-CPUs would cost 0.000256 CNY and the "
        "budget leaves 0.0002559 CNY."
    )


@given(
    start=st.sampled_from(SIZES),
    outcomes=st.lists(st.sampled_from(list(OutcomeKind)), min_size=12, max_size=12),
)
def test_it_ends_and_never_repeats_itself(
    start: int, outcomes: list[OutcomeKind]
) -> None:
    """
    Whatever happens: a bounded number of attempts, one spec twice at most, and that
    only after a worker was lost.
    """
    options = sizes(*SIZES)
    current = next(c for c in options if c.spec.memory_mib == start)
    attempts: list[Attempt] = []
    for outcome in outcomes:
        attempts.append(
            attempt(current, outcome, peak_mib=current.spec.memory_mib // 2)
        )
        if outcome is OutcomeKind.SUCCEEDED:
            break
        decision = after(options, attempts)
        if isinstance(decision, GiveUp):
            break
        again = [a.outcome for a in attempts if a.spec == decision.candidate.spec]
        assert again in ([], [OutcomeKind.LOST])
        current = decision.candidate
    else:
        pytest.fail("it did not end")
