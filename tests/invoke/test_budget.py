"""However attempts are divided and whatever they cost, the budget holds."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcode.contract import Money, Spec, Usage
from transcode.invoke.budget import TaskBudget
from transcode.platforms.platform import Platform
from transcode.platforms.price import bill, longest_seconds

AMOUNTS = st.decimals("0.0001", "2", places=4)
CNY = "CNY"


def money(text: str) -> Money:
    return Money(amount=Decimal(text), currency=CNY)


def test_one_task_may_spend_everything_that_is_left() -> None:
    """
    Its prediction is no limit; what was spent before is.
    """
    task_budget = TaskBudget(money("1.00"), {"t1": Decimal("0.10")})
    task_budget.spend(Decimal("0.30"))

    assert money("0.70") == task_budget.reserve("t1", Decimal("0.10"))
    assert money("0.00") == task_budget.left()


def test_several_tasks_share_what_was_promised_to_nobody() -> None:
    """
    In proportion to what they are predicted to cost.
    """
    task_budget = TaskBudget(
        money("1.00"), {"a": Decimal("0.10"), "b": Decimal("0.30")}
    )

    assert money("0.25") == task_budget.reserve("a", Decimal("0.10"))
    assert money("0.75") == task_budget.reserve("b", Decimal("0.30"))


def test_what_an_attempt_did_not_need_is_there_for_the_next() -> None:
    """
    Settling, for whatever reason it ended, frees the reservation.
    """
    task_budget = TaskBudget(
        money("1.00"), {"a": Decimal("0.50"), "b": Decimal("0.50")}
    )
    task_budget.reserve("a", Decimal("0.50"))
    task_budget.settle("a", Decimal("0.10"))

    assert money("0.90") == task_budget.reserve("b", Decimal("0.50"))


def test_without_a_budget_nothing_is_limited() -> None:
    """
    None, and not a very large number.
    """
    task_budget = TaskBudget(None, {"a": Decimal("0.50")})

    assert task_budget.reserve("a", Decimal("0.50")) is None
    assert task_budget.left() is None


@given(
    budget=AMOUNTS,
    predicted=st.lists(AMOUNTS, min_size=1, max_size=5),
    steps=st.lists(
        st.tuples(st.integers(0, 4), st.floats(0, 1), st.booleans()), max_size=30
    ),
)
def test_whatever_attempts_do_the_budget_is_never_passed(
    budget: Decimal, predicted: list[Decimal], steps: list[tuple[int, float, bool]]
) -> None:
    """
    Attempts start and end in any order and spend any part of what they may.
    """
    names = [f"t{n}" for n in range(len(predicted))]
    task_budget = TaskBudget(
        Money(amount=budget, currency=CNY), dict(zip(names, predicted, strict=True))
    )
    running: dict[str, Decimal] = {}
    spent = Decimal(0)
    for which, share, all_of_it in steps:
        index = which % len(names)
        name = names[index]
        if name in running:
            limit = running.pop(name)
            cost = limit if all_of_it else limit * Decimal(share)
            spent += cost
            task_budget.settle(name, cost)
        else:
            limit_of = task_budget.reserve(name, predicted[index])
            assert limit_of is not None
            running[name] = limit_of.amount
        assert spent + sum(running.values(), Decimal(0)) <= budget + Decimal("1e-20")


@given(
    amount=AMOUNTS,
    memory=st.sampled_from([128, 512, 4096]),
    cpus=st.integers(300, 3000),
)
def test_the_longest_time_is_all_that_the_money_buys(
    platform: Platform, amount: Decimal, memory: int, cpus: int
) -> None:
    """
    It is paid for, and one billing unit more would not be.
    """
    spec = Spec(memory_mib=memory, milli_cpus=cpus)
    seconds = longest_seconds(platform, spec, amount)
    assert seconds is not None

    def cost(wall: float) -> Decimal:
        usage = Usage(wall_seconds=wall, cpu_seconds=0.0, peak_memory_bytes=None)
        return bill(platform, spec, usage).total.amount

    unit = platform.billing.round_up_milliseconds / 1000
    assert cost(seconds) <= amount
    assert cost(seconds + unit) > amount


@pytest.mark.parametrize("amount", ["0", "0.000000001"])
def test_less_than_one_billing_unit_buys_no_time(
    platform: Platform, amount: str
) -> None:
    """
    Not a negative one.
    """
    spec = Spec(memory_mib=1024, milli_cpus=1000)

    assert 0.0 == longest_seconds(platform, spec, Decimal(amount))
