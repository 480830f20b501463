"""Repricing: the same table changes nothing, and every figure says what it rests on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transcode.contract import Spec, Usage
from transcode.contract.job import LedgerRecord
from transcode.ledger.reprice import Repriced, by_policy, compare, same, usage_in
from transcode.ledger.totals import by_profile
from transcode.platforms.platform import Platform, parse_platform, spec_for_memory

MakeRecord = Callable[..., LedgerRecord]
FOLDER = Path(__file__).resolve().parents[2] / "profiles/platforms"
NAMES = ("functiongraph", "aws-lambda", "cloud-run", "alibaba-fc", "local")


def load(name: str) -> Platform:
    path = FOLDER / f"{name}.toml"
    return parse_platform(path.read_text(encoding="utf-8"), origin=path.name)


PLATFORMS = {name: load(name) for name in NAMES}


def own(record: LedgerRecord) -> Platform:
    return PLATFORMS[record.platform.name]


def unheard(record: LedgerRecord) -> LedgerRecord:
    """As its provisional attempt leaves an attempt whose worker vanished."""
    attempt = record.attempt.model_copy(update={"measured": None})
    assert record.predicted_cost is not None
    attempt = attempt.model_copy(update={"cost": record.predicted_cost})
    return record.model_copy(update={"attempt": attempt})


def half_as_long(record: LedgerRecord, spec: Spec) -> Usage:
    """A model: time by CPU, memory always 200 MiB."""
    return Usage(
        wall_seconds=1000 / spec.milli_cpus,
        cpu_seconds=1,
        peak_memory_bytes=200 * 2**20,
    )


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(NAMES),
            st.floats(0.001, 10_000),
            st.sampled_from(["succeeded", "out_of_memory", "lost"]),
            st.sampled_from([512, 1024, 2048]),
        ),
        max_size=6,
    )
)
def test_the_same_table_is_the_identity(
    make_record: MakeRecord, ran: list[tuple[str, float, str, int]]
) -> None:
    """Record by record and to the last digit, lost attempts included."""
    records = []
    for n, (platform, wall, outcome, memory) in enumerate(ran):
        record = make_record(
            n, platform=platform, wall=wall, outcome=outcome, memory_mib=memory
        )
        records.append(unheard(record) if outcome == "lost" else record)

    found = same(records, own, by_profile)

    assert [r.attempt.cost for r in records] == [one.after for one in found]
    assert all(row.before == row.after for row in compare(found))


@pytest.mark.parametrize("name", NAMES)
def test_twice_the_prices_are_twice_the_cost(
    make_record: MakeRecord, name: str
) -> None:
    """Another price table is all that is changed."""
    platform = PLATFORMS[name]
    price = platform.price.model_copy(
        update={"unit_price": platform.price.unit_price * 2}
    )
    dearer = platform.model_copy(update={"price": price})
    records = [make_record(n, platform=name, wall=n + 0.5) for n in range(3)]

    (row,) = compare(same(records, lambda _record: dearer, by_profile))

    assert row.before * 2 == row.after


def replay(
    records: list[LedgerRecord], memory: int, *, platform: str = "functiongraph"
) -> list[Repriced]:
    return by_policy(
        records,
        platform=lambda _record: PLATFORMS[platform],
        spec_of=lambda _record: spec_for_memory(PLATFORMS[platform], memory),
        predict=half_as_long,
        group=by_profile,
    )


def test_what_ran_in_that_spec_is_measured_and_the_rest_is_predicted(
    make_record: MakeRecord,
) -> None:
    """And so it says."""
    records = [make_record(1, memory_mib=1024), make_record(2, memory_mib=2048)]

    (row,) = compare(replay(records, 1024))

    assert (1, 1, 0) == (row.measured, row.predicted, row.left_out)


def test_a_prediction_is_corrected_by_what_was_measured(
    make_record: MakeRecord,
) -> None:
    """Twice as long here as predicted: twice as long there; memory likewise."""
    record = make_record(1, memory_mib=1024, wall=2.0)

    usage = usage_in(record, Spec(memory_mib=4096, milli_cpus=4000), half_as_long)

    assert usage is not None
    assert (0.5, 100 * 2**20) == (usage.wall_seconds, usage.peak_memory_bytes)


def test_a_failed_attempt_is_paid_before_and_not_after(make_record: MakeRecord) -> None:
    """One large enough spec needs one try: what the failure cost is what is saved."""
    small = make_record(1, memory_mib=512, wall=1, outcome="out_of_memory")
    large = make_record(1, memory_mib=1024, wall=2, number=2)

    (row,) = compare(replay([small, large], 1024))

    assert (small.attempt.cost + large.attempt.cost).amount == row.before
    assert large.attempt.cost.amount == row.after


def test_what_would_not_fit_or_never_worked_is_left_out_of_both_sums(
    make_record: MakeRecord,
) -> None:
    """It is counted beside them, with the reason."""
    heavy = make_record(1, memory_mib=1024)
    failed = make_record(2, outcome="encoder_failed")
    found = by_policy(
        [heavy, failed],
        platform=own,
        spec_of=lambda _record: Spec(memory_mib=64, milli_cpus=100),
        predict=half_as_long,
        group=by_profile,
    )

    (row,) = compare(found)

    assert {"it needs 100 MiB, more than the spec has", "it never succeeded"} == {
        one.why for one in found
    }
    assert (Decimal(0), Decimal(0), 2) == (row.before, row.after, row.left_out)
    total = heavy.attempt.cost + failed.attempt.cost
    assert total.amount == row.left_out_before


def test_currencies_are_never_added(make_record: MakeRecord) -> None:
    """A task that moved from one to another is left out; the others keep apart."""
    moved = [make_record(1), make_record(1, number=2, platform="aws-lambda")]
    other = [make_record(2, platform="aws-lambda")]

    rows = compare(replay([*moved, *other], 1024))

    assert [("CNY", 1), ("USD", 1)] == [(row.currency, row.left_out) for row in rows]
    assert ["CNY", "CNY"] == [row.after_currency for row in rows]


def test_sums_are_those_of_the_parts(make_record: MakeRecord) -> None:
    """However they are grouped."""
    records = [
        make_record(n, profile="hls" if n % 2 else "mp4", wall=n + 1) for n in range(5)
    ]
    found = same(records, own, by_profile)

    apart = compare(found)
    (together,) = compare([replace(one, group="") for one in found])

    assert together.after == sum(row.after for row in apart)
    assert together.before == sum(row.before for row in apart)
