"""Which part of a file a `Range` asks for, and how a fault of ours is answered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcode.errors import MachineBusy
from transcode.serve.files import asked_part
from transcode.serve.responses import HttpRefusal, status_of

MIB = 2**20


@given(
    size=st.integers(0, 2**40),
    begin=st.none() | st.integers(0, 2**41),
    end=st.none() | st.integers(0, 2**41),
)
def test_a_part_lies_in_the_file_and_in_what_was_asked(
    size: int, begin: int | None, end: int | None
) -> None:
    """No byte beyond the end, none that nobody asked for, never too many at once."""
    header = f"bytes={'' if begin is None else begin}-{'' if end is None else end}"
    none = begin is None and end is None
    reversed_ = begin is not None and end is not None and end < begin
    beyond = size == 0 or (end == 0 if begin is None else begin >= size)
    if beyond and not none and not reversed_:
        with pytest.raises(HttpRefusal) as refused:
            asked_part(header, size)
        assert 416 == refused.value.status
        return
    found = asked_part(header, size)
    if found is None:
        assert none or reversed_
        return
    first, last = found
    assert 0 <= first <= last < size
    assert last - first < 32 * MIB
    if begin is None:
        assert end is not None
        assert first == max(size - end, 0)
    else:
        assert first == begin
        assert end is None or last <= end


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, None),
        ("bytes=0-", (0, 8 * MIB - 1)),
        (f"bytes=0-{40 * MIB}", (0, 32 * MIB - 1)),
        ("bytes=-1", (100 * MIB - 1, 100 * MIB - 1)),
        ("bytes=0-0", (0, 0)),
        ("bytes=1-2,4-5", None),
        ("bytes=9-8", None),
        ("items=0-1", None),
        (f"bytes={'9' * 400}-", None),
    ],
)
def test_a_part_of_much_is_no_more_than_passes_through_us(
    header: str | None, part: tuple[int, int] | None
) -> None:
    """Without an end it is 8 MiB, of which who plays asks for the next."""
    assert part == asked_part(header, 100 * MIB)


def test_what_this_machine_had_no_time_for_is_to_be_sent_again() -> None:
    """Nothing is known of the upload yet: no caller is told that it is wrong."""
    assert 503 == status_of(MachineBusy("Its headers were not read in time."))
