"""Numbers and names as a person reads them; unknown is said, never shown as 0."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from decimal import ROUND_UP, Decimal
from fractions import Fraction
from pathlib import PurePath
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from .contract import Money, Spec, Watermark

UNKNOWN = "unknown"
_SIGNIFICANT_DIGITS = 3
_LEAST_DECIMALS = 2
_TEN = 10
_HUNDRED = 100
_MINUTE = 60
_KIBI = 1024
_KILO = 1000


def duration(seconds: float | None) -> str:
    """`0.42 s`, `12.3 s`, `3 min 20 s`, `2 h 03 min`."""
    if seconds is None:
        return UNKNOWN
    if seconds < _TEN:
        return f"{seconds:.2f} s"
    if round(seconds, 1) < _MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    if minutes < _MINUTE:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // _MINUTE} h {minutes % _MINUTE:02d} min"


def clock(value: float | None) -> str:
    """Time left, as a bar shows it: `0:07`, `12:30`, `1:02:03`."""
    if value is None:
        return "-:--"
    minutes, rest = divmod(max(0, round(value)), _MINUTE)
    hours, minutes = divmod(minutes, _MINUTE)
    if hours:
        return f"{hours}:{minutes:02d}:{rest:02d}"
    return f"{minutes}:{rest:02d}"


def memory(count: int | None) -> str:
    """Bytes in powers of two, as memory is bought: `512 MiB`, `1.20 GiB`."""
    return _scaled(count, _KIBI, ("B", "KiB", "MiB", "GiB", "TiB"))


def size(count: int | None) -> str:
    """Bytes in powers of ten, as files are listed: `12.3 MB`."""
    return _scaled(count, _KILO, ("B", "kB", "MB", "GB", "TB"))


def bit_rate(bits: int | None) -> str:
    """`128 kbit/s`, `4.20 Mbit/s`."""
    return _scaled(bits, _KILO, ("bit/s", "kbit/s", "Mbit/s", "Gbit/s"))


def frame_rate(rate: Fraction) -> str:
    """`25`, `29.97`."""
    return f"{float(rate):.5g}" if rate.denominator == 1 else f"{float(rate):.4g}"


def exact_rate(value: Fraction | None) -> str:
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
    """
    Three significant digits at least, two decimals at least: `0.000361 USD`.

    What a person compares; documents for programs have every digit.
    """
    if value is None:
        return UNKNOWN
    return f"{rounded(value.amount)} {value.currency}"


def rounded(value: Decimal) -> str:
    """The amount of `money`, without its currency."""
    if value == 0:
        return "0"
    places = max(_LEAST_DECIMALS, _SIGNIFICANT_DIGITS - 1 - value.adjusted())
    return f"{value.quantize(Decimal(1).scaleb(-places)):f}"


def enough(value: Money) -> str:
    """*value* or a little more, with two digits: what to ask for instead."""
    least = Decimal(1).scaleb(value.amount.adjusted() - 1)
    amount = value.amount.quantize(least, ROUND_UP).normalize()
    return f"{amount:f} {value.currency}"


def cpus(spec: Spec) -> str:
    """`0.5 vCPU`, `2 vCPU`."""
    return f"{spec.milli_cpus / 1000:.3g} vCPU"


def spec(value: Spec) -> str:
    """`1024 MiB, 0.5 vCPU`."""
    gpu = "" if value.gpu is None else f", {value.gpu.kind}"
    return f"{value.memory_mib} MiB, {value.milli_cpus / 1000:g} vCPU{gpu}"


def spec_words(spec: Spec) -> str:
    """`1536 MiB memory, 0.85 vCPU, at most 15 m 00 s`; MiB as `--memory` takes it."""
    words = [f"{spec.memory_mib} MiB memory", cpus(spec)]
    if spec.gpu is not None:
        words.append(spec.gpu.kind)
    if spec.scratch_mib is not None:
        words.append(f"{spec.scratch_mib} MiB scratch")
    if spec.time_limit_seconds is not None:
        words.append(f"at most {duration(spec.time_limit_seconds)}")
    return ", ".join(words)


def marked(mark: Watermark) -> str:
    """Which image is drawn, and where."""
    return f"{PurePath(mark.image.path).name} is drawn on it, {mark.position}."


def one_line(text: str) -> str:
    """
    *text* as one line: names and titles come from strangers, a terminal obeys what it
    is shown, and a line break forges a line of ours. Each such character is replaced.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def printable(text: str) -> str:
    """
    The same of lines that we have set, whose breaks are kept.

    What stands in them has to be `one_line` before: here its breaks look like ours.
    """
    return "\n".join(map(one_line, text.split("\n")))


def place(uri: str) -> str:
    """Where to look: a path for a local file, the address as it is otherwise."""
    if uri.startswith("file://"):
        return one_line(unquote(uri.removeprefix("file://")))
    return one_line(uri)


def nearest(given: str, known: Iterable[str]) -> str:
    """A question to add where *given* may be a slip of one of *known*; or nothing."""
    from difflib import get_close_matches  # noqa: PLC0415 - only where something failed

    found = get_close_matches(given, list(known), n=1, cutoff=0.6)
    return f" Did you mean {found[0]}?" if found else ""


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def columns(rows: Sequence[Sequence[str]], *, right: Iterable[int]) -> list[str]:
    """The *rows* as lines with aligned columns; those in *right* flush right."""
    if not rows:
        return []
    rows = [list(map(one_line, row)) for row in rows]
    flush = set(right)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if i in flush else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def shortened(text: str, most: int) -> str:
    """At most so many characters: beginning and end tell names apart."""
    text = one_line(text)
    if len(text) <= most:
        return text
    end = most // 2
    return f"{text[: most - end - 1]}…{text[-end:]}"


def narrowed(
    rows: Sequence[Sequence[str]], *, width: int | None, drop: Sequence[int]
) -> list[list[str]]:
    """
    *rows* without as many of the columns *drop*, the first first, as it takes for them
    to stand within *width* two spaces apart; None: there is no limit.
    """
    lines = [list(map(one_line, row)) for row in rows]
    gone: list[int] = []
    for column in drop if width is not None else ():
        widths = [
            max((len(row[n]) for row in lines if n < len(row)), default=0)
            for n in range(max(map(len, lines), default=0))
            if n not in gone
        ]
        if sum(widths) + 2 * (len(widths) - 1) <= (width or 0):
            break
        gone.append(column)
    return [[it for n, it in enumerate(row) if n not in gone] for row in lines]


def table(
    rows: Iterable[Sequence[str]],
    *,
    head: Sequence[str] = (),
    indent: str = "  ",
    width: int | None = None,
    drop: Sequence[int] = (),
) -> str:
    """
    Left-aligned columns two spaces apart, as wide as their widest cell.

    Where that is more than *width*, columns are left out, those in *drop* in their
    order.
    """
    room = None if width is None else width - len(indent)
    lines = narrowed([*([head] if head else []), *rows], width=room, drop=drop)
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


def folded(line: str, width: int | None, *, hang: int | None = None) -> str:
    """
    *line* in lines of *width* that break between words, where a terminal would not.

    Further ones begin at column *hang*, else below the first word.
    """
    if width is None or len(line) <= width:
        return line
    first = len(line) - len(line.lstrip())
    return textwrap.fill(
        line,
        width,
        subsequent_indent=" " * (first if hang is None else hang),
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )


def _scaled(count: int | None, step: int, units: Sequence[str]) -> str:
    """Three figures are all that a person compares."""
    if count is None:
        return UNKNOWN
    number, unit = float(count), units[0]
    for larger in units[1:]:
        if number < step:
            break
        number, unit = number / step, larger
    if unit == units[0]:
        return f"{count} {unit}"
    digits = 0 if number >= _HUNDRED else 1 if number >= _TEN else 2
    return f"{number:.{digits}f} {unit}"
