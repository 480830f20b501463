"""Totals: exact, the same in any grouping and any order, one for each currency."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from transcode.contract.job import LedgerRecord
from transcode.ledger import totals as by
from transcode.ledger.reconcile import Difference, with_log, with_reports

MakeRecord = Callable[..., LedgerRecord]
GROUPS = (
    *(by.by_day, by.by_month, by.by_profile, by.by_platform, by.by_engine),
    *(by.by_function, by.by_tag("who")),
)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["functiongraph", "aws-lambda", "local"]),
            st.floats(0.001, 1e5),
            st.sampled_from(["succeeded", "out_of_memory"]),
            st.sampled_from([{}, {"who": "me"}]),
        ),
        max_size=8,
    ),
    st.randoms(use_true_random=False),
)
def test_any_grouping_adds_up_to_the_same(
    make_record: MakeRecord, ran: list[tuple[Any, ...]], shuffle: random.Random
) -> None:
    """To the last digit; and what failed is part of what was spent."""
    records = [
        make_record(n, platform=p, wall=w, outcome=o, tags=t)
        for n, (p, w, o, t) in enumerate(ran)
    ]
    sums: dict[str, Fraction] = {}
    for record in records:
        cost = record.attempt.cost
        sums[cost.currency] = sums.get(cost.currency, Fraction(0)) + Fraction(
            cost.amount
        )
    mixed = list(records)
    shuffle.shuffle(mixed)

    for group in GROUPS:
        found = by.totals(records, group)
        assert sums == {it.currency: Fraction(it.cost) for it in by.grand(found)}
        assert by.totals(mixed, group) == found
        assert all(it.failed_cost <= it.cost for it in found)


def test_what_the_platform_billed_otherwise_is_listed(make_record: MakeRecord) -> None:
    """Attempts it said nothing of are not compared."""
    said = make_record(1, wall=2).model_copy(
        update={"platform_billed_milliseconds": 2000}
    )
    other = make_record(2, wall=2).model_copy(
        update={"platform_billed_milliseconds": 2003}
    )

    found = with_reports([said, other, make_record(3)])

    assert 2 == found.compared
    assert [(2000, 2003, 3)] == [
        (it.ours, it.theirs, it.more) for it in found.differences
    ]
    assert isinstance(found.differences[0], Difference)


def test_a_platform_s_log_stands_beside_ours(make_record: MakeRecord) -> None:
    """
    An upload's call is in the ledger once for each of its jobs; what either side has
    nothing of is not known, and a file without such lines is no log.
    """

    def called(number: int, name: str | None) -> LedgerRecord:
        record = make_record(number, wall=2)
        attempt = record.attempt.model_copy(update={"invocation": name})
        return record.model_copy(update={"attempt": attempt})

    records = [called(1, "aaaaaaaa"), called(2, "aaaaaaaa"), called(3, "bbbbbbbb")]
    line = "REPORT RequestId: {}\tDuration: 1 ms\tBilled Duration: {} ms\t".format

    found = with_log(
        f"{line('aaaaaaaa', 4000)}\n{line('cccccccc', 7)}Init Duration: 5 ms",
        [*records, called(4, None)],
    )

    assert found is not None
    assert 1 == found.compared
    assert [(2000, None), (None, 7)] == [(d.ours, d.theirs) for d in found.differences]
    assert "cccccccc" == found.differences[1].where
    assert "2 invocations in the log, 1 with a start of 5 ms in all" == found.note
    assert with_log("month,platform,function\n", records) is None
