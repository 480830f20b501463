"""Whether predictions still hold."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from transcode.contract import Interval
from transcode.contract.job import LedgerRecord
from transcode.ledger.drift import drift

MakeRecord = Callable[..., LedgerRecord]


@pytest.fixture
def tasks(make_record: MakeRecord) -> Callable[[int, int], list[LedgerRecord]]:
    """So many records, of which so many took longer than their interval says."""

    def make(count: int, outside: int) -> list[LedgerRecord]:
        within, beyond = Interval(low=1, high=3), Interval(low=0.5, high=1.5)
        return [
            make_record(n, wall=2.0).model_copy(
                update={"predicted_wall": beyond if n < outside else within}
            )
            for n in range(count)
        ]

    return make


@pytest.mark.parametrize(
    ("count", "outside", "drifts"),
    [(50, 5, False), (50, 10, False), (50, 13, True), (10, 5, True), (9, 9, False)],
)
def test_more_outside_than_chance_explains_is_drift(
    tasks: Callable[[int, int], list[LedgerRecord]],
    count: int,
    outside: int,
    drifts: bool,  # noqa: FBT001 - a row of the table
) -> None:
    """One in ten is outside of a right interval; of fewer than ten nothing is said."""
    found = drift(tasks(count, outside))

    assert found is not None
    assert drifts == found.is_drift
    assert f"{outside} of the last {count} tasks" in found.sentence


def test_what_failed_or_was_not_predicted_says_nothing(make_record: MakeRecord) -> None:
    """None, and not a model that is always right."""
    failed = make_record(1, outcome="out_of_memory")
    bare = make_record(2).model_copy(update={"predicted_wall": None})

    assert drift([failed, bare]) is None
