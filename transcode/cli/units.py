"""Numbers as a person reads them; unknown is said, never shown as 0."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from urllib.parse import unquote

from ..contract import Money, Spec

UNKNOWN = "unknown"
_MINUTE = 60
_HOUR = 3600
_TENTHS_BELOW = 10
_WHOLE_FROM = 100


def seconds(value: float | None) -> str:
    """`0.42 s`, `12.3 s`, `4 min 05 s`, `2 h 03 min`."""
    if value is None:
        return UNKNOWN
    if value < _TENTHS_BELOW:
        return f"{value:.2f} s"
    if value < _MINUTE:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"


def clock(value: float | None) -> str:
    """Time left, as a bar shows it: `0:07`, `12:30`, `1:02:03`."""
    if value is None:
        return "-:--"
    minutes, rest = divmod(max(0, round(value)), _MINUTE)
    hours, minutes = divmod(minutes, _MINUTE)
    if hours:
        return f"{hours}:{minutes:02d}:{rest:02d}"
    return f"{minutes}:{rest:02d}"


def size(value: int | None) -> str:
    """Bytes in powers of ten, as files are listed: `12.3 MB`."""
    if value is None:
        return UNKNOWN
    number, unit = float(value), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if number < 1000:  # noqa: PLR2004 - the definition of kilo
            break
        number, unit = number / 1000, larger
    return f"{value} B" if unit == "B" else f"{_short(number)} {unit}"


def memory(value: int | None) -> str:
    """Bytes in powers of two, as memory is bought: `512 MiB`."""
    return UNKNOWN if value is None else f"{_short(value / 2**20)} MiB"


def bit_rate(value: int | None) -> str:
    """`128 kbit/s`, `4.2 Mbit/s`."""
    if value is None:
        return UNKNOWN
    if value < 10**6:
        return f"{_short(value / 1000)} kbit/s"
    return f"{_short(value / 10**6)} Mbit/s"


def rate(value: Fraction | None) -> str:
    """A frame rate exactly and as a decimal: `30000/1001 = 29.97 fps`, `25 fps`."""
    if value is None:
        return UNKNOWN
    if value.denominator == 1:
        return f"{value.numerator} fps"
    decimal = f"{float(value):.3f}".rstrip("0")
    return f"{value.numerator}/{value.denominator} = {decimal} fps"


def amount(value: Decimal) -> str:
    """An exact amount without trailing zeros or an exponent, two places at least."""
    whole, _, places = format(value, "f").partition(".")
    return f"{whole}.{places.rstrip('0').ljust(2, '0')}"


def money(value: Money | None) -> str:
    return UNKNOWN if value is None else f"{amount(value.amount)} {value.currency}"


def spec(value: Spec) -> str:
    """`1024 MiB, 0.5 vCPU`."""
    gpu = "" if value.gpu is None else f", {value.gpu.kind}"
    return f"{value.memory_mib} MiB, {value.milli_cpus / 1000:g} vCPU{gpu}"


def printable(text: str) -> str:
    """
    *text* without control characters: names and titles come from strangers, and a
    terminal obeys what it is shown. Line breaks are kept.
    """
    return "".join(
        c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def place(uri: str) -> str:
    """Where to look: a path for a local file, the address as it is otherwise."""
    if uri.startswith("file://"):
        return printable(unquote(uri.removeprefix("file://")))
    return printable(uri)


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def table(
    rows: Iterable[Sequence[str]], *, head: Sequence[str] = (), indent: str = "  "
) -> str:
    """Left-aligned columns two spaces apart, as wide as their widest cell."""
    lines = [list(head)] if head else []
    lines += [list(row) for row in rows]
    if not lines:
        return ""
    columns = max(len(row) for row in lines)
    widths = [
        max((len(row[column]) for row in lines if column < len(row)), default=0)
        for column in range(columns)
    ]
    return "\n".join(
        (
            indent
            + "  ".join(
                cell.ljust(width) for cell, width in zip(row, widths, strict=False)
            )
        ).rstrip()
        for row in lines
    )


def _short(number: float) -> str:
    """Three figures are all that a person compares."""
    if number >= _WHOLE_FROM:
        return f"{number:.0f}"
    return f"{number:.1f}" if number >= _TENTHS_BELOW else f"{number:.2f}"
