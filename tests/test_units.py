from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from transcode import units
from transcode.contract import Gpu, Spec


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "unknown"),
        (0.0, "0.00 s"),
        (3.14159, "3.14 s"),
        (30.16, "30.2 s"),
        (245, "4 min 05 s"),
        (7384, "2 h 03 min"),
    ],
)
def test_seconds_read_as_a_person_says_them(value: float | None, text: str) -> None:
    """Short times keep their figures, long ones lose them."""
    assert text == units.duration(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-:--"), (-3.0, "0:00"), (7, "0:07"), (750, "12:30"), (3723, "1:02:03")],
)
def test_time_left_is_a_clock(value: float | None, text: str) -> None:
    """A bar has room for a clock; what is not known yet is a dash."""
    assert text == units.clock(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "unknown"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (12_345_678, "12.3 MB"),
        (5 * 10**12, "5.00 TB"),
    ],
)
def test_sizes_are_in_powers_of_ten(value: int | None, text: str) -> None:
    """As file managers list them."""
    assert text == units.size(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "unknown"),
        (Fraction(25), "25 fps"),
        (Fraction(25, 2), "25/2 = 12.5 fps"),
        (Fraction(30000, 1001), "30000/1001 = 29.97 fps"),
    ],
)
def test_a_rate_is_exact_and_readable(value: Fraction | None, text: str) -> None:
    """The fraction is what is true, the decimal what is read."""
    assert text == units.exact_rate(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0.00"),
        ("1", "1.00"),
        ("0.000334", "0.000334"),
        ("0.0003340000", "0.000334"),
        ("1E-7", "0.0000001"),
        ("35.55871", "35.55871"),
    ],
)
def test_an_amount_loses_zeros_but_no_value(value: str, text: str) -> None:
    """An amount on the screen is the amount on the bill."""
    assert text == units.amount(Decimal(value))
    assert Decimal(value) == Decimal(text)


def test_a_spec_names_what_it_gives() -> None:
    """Memory, CPUs and, where there is one, the GPU."""
    assert "512 MiB, 0.6 vCPU" == units.spec(Spec(memory_mib=512, milli_cpus=600))
    assert "2048 MiB, 10 vCPU, T4" == units.spec(
        Spec(memory_mib=2048, milli_cpus=10000, gpu=Gpu(kind="T4", memory_mib=16384))
    )


def test_nothing_that_a_terminal_obeys_is_printed() -> None:
    """Titles come from strangers."""
    assert "a\ufffd[31mb\nc" == units.printable("a\x1b[31mb\nc")


def test_a_local_file_is_shown_as_a_path() -> None:
    """A path can be pasted into a shell, a file:// address cannot."""
    assert "/srv/a b.mp4" == units.place("file:///srv/a%20b.mp4")
    assert "s3://bucket/a%20b" == units.place("s3://bucket/a%20b")


def test_columns_are_as_wide_as_they_need() -> None:
    """The last column leaves no blanks behind."""
    text = units.table([("a", "long cell", "x"), ("bbb", "c", "y")], head=("h",))

    assert "  h\n  a    long cell  x\n  bbb  c          y" == text
