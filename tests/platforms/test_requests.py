"""What tasks ask of an object store, and what that costs."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from transcode.contract import Spec, StoreRequests, Usage
from transcode.errors import PlatformError
from transcode.platforms.platform import parse_platform
from transcode.platforms.price import bill, longest_seconds, store_terms
from transcode.platforms.requests import PART_BYTES, SOURCE_GETS, requests_for

FOLDER = Path(__file__).resolve().parents[2] / "profiles/platforms"
LAMBDA = parse_platform((FOLDER / "aws-lambda.toml").read_text(), origin="aws-lambda")
OBS = parse_platform((FOLDER / "functiongraph.toml").read_text(), origin="obs")
SPEC = Spec(memory_mib=1769, milli_cpus=1000, scratch_mib=512)
TEN_MINUTES = StoreRequests(puts=750, gets=4)
"""Of a ladder of five in segments of four seconds."""


def used(store: StoreRequests | None) -> Usage:
    return Usage(wall_seconds=600, cpu_seconds=600, peak_memory_bytes=None, store=store)


def test_each_object_is_one_put_and_large_ones_go_in_parts() -> None:
    """Begun, sent, completed and looked at; what is joined is listed and fetched."""
    small = requests_for([(0, 1), (PART_BYTES - 1, 1)])
    large = requests_for([(PART_BYTES, 1), (2 * PART_BYTES + 1, 1)], source_gets=0)
    joined = requests_for((), source_gets=0, inputs=[3, 3])

    assert (small.puts, small.gets) == (2, SOURCE_GETS)
    assert (large.puts, large.gets) == (1 + 2 + 3 + 2, 2)
    assert (joined.puts, joined.gets) == (2, 6)
    assert requests_for([(PART_BYTES - 1, 10**12)]).puts == 10**12
    assert not small.counted


def test_requests_are_lines_of_the_bill() -> None:
    """750 segments are a fifth of what one vCPU of Lambda takes for as long."""
    lines = {it.item: it.amount for it in bill(LAMBDA, SPEC, used(TEN_MINUTES)).lines}
    without = bill(LAMBDA, SPEC, used(None)).total.amount

    assert lines["store puts"] == Decimal("0.00375")
    assert lines["store gets"] == Decimal("0.0000016")
    assert Decimal("0.2") < lines["store puts"] / without < Decimal("0.25")


def test_what_is_asked_of_the_store_is_paid_before_any_time() -> None:
    """An attempt is stopped before both together cost more than it may."""
    budget = bill(LAMBDA, SPEC, used(TEN_MINUTES)).total.amount

    assert longest_seconds(LAMBDA, SPEC, budget, store=TEN_MINUTES) == 600
    assert (longest_seconds(LAMBDA, SPEC, budget) or 0) > 700


def test_a_price_that_nobody_knows_is_none_with_its_reason() -> None:
    """It is no 0: the bill has no such line, and says why."""
    terms = store_terms(OBS)

    assert terms is not None
    assert terms.cost(TEN_MINUTES) is None
    assert "was not to be read" in (terms.reason or "")
    assert bill(OBS, SPEC, used(TEN_MINUTES)) == bill(OBS, SPEC, used(None))


def test_a_store_has_its_prices_or_the_reason_why_not() -> None:
    """Half a price is none."""
    text = (FOLDER / "functiongraph.toml").read_text()
    half = text.replace('reason = "OBS', 'puts_per_thousand = "1"\nx = "OBS')

    with pytest.raises(PlatformError, match="store"):
        parse_platform(half.replace('\nx = "', '\n# "'), origin="half.toml")
