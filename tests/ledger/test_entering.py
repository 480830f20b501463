"""The platform's own figures, entered: what bills say from then on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from transcode.catalog import Catalog
from transcode.contract.job import LedgerRecord
from transcode.ledger.entering import Entries, entries_of
from transcode.ledger.index import Index
from transcode.ledger.log import append
from transcode.ledger.reconcile import with_log
from transcode.ledger.results import BY_HAND
from transcode.platforms.platform import Platform
from transcode.platforms.price import cost
from transcode.settings import Settings
from transcode.store.open import bucket

MakeRecord = Callable[..., LedgerRecord]
_CATALOG = Catalog(Settings())


def platform_of(record: LedgerRecord) -> Platform:
    return _CATALOG.platform(record.platform.name)


def log_of(billed: dict[str, int]) -> str:
    return "\n".join(
        f"Finish invoke request '{call}', duration: 1.0ms, billing duration: {said}ms, "
        "memory used: 21.473MB, billing memory: 128MB"
        for call, said in billed.items()
    )


def called(record: LedgerRecord, call: str, *, heard: bool = True) -> LedgerRecord:
    attempt = record.attempt.model_copy(
        update={
            "invocation": call,
            "measured": record.attempt.measured if heard else None,
        }
    )
    return record.model_copy(update={"attempt": attempt})


def entered(text: str, records: Sequence[LedgerRecord]) -> Entries:
    found = entries_of(text, records, platform_of)
    assert found is not None
    return found


calls = st.lists(
    st.tuples(
        st.integers(0, 10**7),  # what the platform says
        st.lists(st.tuples(st.floats(0, 900), st.booleans()), min_size=1, max_size=3),
        st.sampled_from(["succeeded", "out_of_memory", "lost"]),
        st.sampled_from([BY_HAND, 1, 2]),
    ),
    max_size=3,
)


@settings(deadline=None, max_examples=12)
@given(calls)
def test_the_bill_is_what_the_platform_says_to_the_millisecond(
    make_record: MakeRecord, drawn: list[tuple[Any, ...]]
) -> None:
    """
    Each invocation's parts add up to its figure, priced by the rule; entered twice it
    is entered once, and an index that is filled anew says the same.
    """
    records, said = [], {}
    for n, (billed, parts, outcome, claim) in enumerate(drawn):
        said[f"call-{n:08d}"] = billed
        for part, (wall, heard) in enumerate(parts):
            record = make_record(
                10 * n + part, wall=wall, outcome=outcome, claim=claim,
                platform="functiongraph",
            )  # fmt: skip
            records.append(called(record, f"call-{n:08d}", heard=heard))
    text = log_of(said) or log_of({"unknown-0": 3})

    async def through_the_store() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with bucket(f"{folder}/out", Settings()) as store:
                with Index.open(Path(folder) / "index", "x") as index:
                    await check(folder, store, index)

    async def check(folder: str, store: Any, index: Index) -> None:
        for record in records:
            await append(store, record)
        await index.sync(store, everything=True)
        first = entered(text, list(index.records()))
        assert () == first.left
        assert len(records) == len(first.records)
        for record in first.records:
            await append(store, record)
        await index.sync(store, everything=True)

        standing = list(index.records())
        assert len(records) == len(standing)
        sums = dict.fromkeys(said, 0)
        for it in standing:
            assert it.platform_billed_milliseconds is not None
            assert it.attempt.invocation is not None
            sums[it.attempt.invocation] += it.platform_billed_milliseconds
            usage = it.attempt.measured or it.attempt.predicted
            usage = usage.model_copy(
                update={"billed_milliseconds": it.platform_billed_milliseconds}
            )
            assert cost(platform_of(it), it.attempt.spec, usage) == it.attempt.cost
        assert said == sums
        again = entered(text, standing)
        assert ((), len(records)) == (again.records, again.known)
        checked = with_log(text, standing)
        assert checked is not None
        assert not [it for it in checked.differences if it.ours is not None]
        with Index.open(Path(folder) / "anew", "x") as anew:
            await anew.sync(store)
            assert standing == list(anew.records())
            assert index.totals("function") == anew.totals("function")

    anyio.run(through_the_store)


def test_an_attempt_that_reports_late_is_billed_as_measured(
    make_record: MakeRecord, tmp_path: Path
) -> None:
    """A figure of one written off stands for no work; entered again, it does."""
    lost = called(make_record(1, outcome="lost"), "aaaaaaaa", heard=False)
    done = called(make_record(1, outcome="succeeded"), "aaaaaaaa")
    done = done.model_copy(update={"recorded_at": done.recorded_at + timedelta(days=1)})
    text = log_of({"aaaaaaaa": 5000})

    async def through_the_store() -> None:
        async with bucket(str(tmp_path / "out"), Settings()) as store:
            with Index.open(tmp_path / "index", "x") as index:
                for record in (lost, *entered(text, [lost]).records, done):
                    await append(store, record)
                await index.sync(store)
                (standing,) = index.records()
                assert done == standing
                for record in entered(text, [standing]).records:
                    await append(store, record)
                await index.sync(store)
                (standing,) = index.records()
                assert ("succeeded", 5000) == (
                    standing.attempt.outcome.value,
                    standing.platform_billed_milliseconds,
                )

    anyio.run(through_the_store)


def test_prices_that_have_changed_since_enter_nothing(make_record: MakeRecord) -> None:
    """What it cost by a table that is gone nobody can say; the rest is entered."""
    old, new = (
        called(make_record(n), call) for n, call in ((1, "a" * 8), (2, "b" * 8))
    )
    ref = old.platform.model_copy(update={"price_table": "2024-01-01"})
    old = old.model_copy(update={"platform": ref})

    found = entered(log_of({"a" * 8: 7, "b" * 8: 8}), [old, new])

    assert [8] == [it.platform_billed_milliseconds for it in found.records]
    assert 1 == len(found.left)
    assert old.key in found.left[0]
    assert "2024-01-01" in found.left[0]
    assert entries_of("month,platform,function\n", [new], platform_of) is None
