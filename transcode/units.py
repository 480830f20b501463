"""
Numbers of a plan as a person reads them; unknown is said, never shown as 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_UP, Decimal
from fractions import Fraction
from pathlib import PurePath

from .contract import Money, Spec, Watermark

UNKNOWN = "unknown"
_SIGNIFICANT_DIGITS = 3
_LEAST_DECIMALS = 2
_TEN = 10
_MINUTE = 60
_KIBI = 1024
_KILO = 1000


def duration(seconds: float | None) -> str:
    """`0.42 s`, `12.3 s`, `3 m 20 s`, `2 h 03 m`."""
    if seconds is None:
        return UNKNOWN
    if seconds < _TEN:
        return f"{seconds:.2f} s"
    if round(seconds, 1) < _MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    if minutes < _MINUTE:
        return f"{minutes} m {rest:02d} s"
    return f"{minutes // _MINUTE} h {minutes % _MINUTE:02d} m"


def memory(count: int | None) -> str:
    """Bytes in powers of two, as memory is bought: `512 MiB`, `1.2 GiB`."""
    return _scaled(count, _KIBI, ("B", "KiB", "MiB", "GiB", "TiB"))


def size(count: int | None) -> str:
    """Bytes in powers of ten, as files are listed: `12.3 MB`."""
    return _scaled(count, _KILO, ("B", "kB", "MB", "GB", "TB"))


def bit_rate(bits: int) -> str:
    """`128 kb/s`, `5.2 Mb/s`."""
    return _scaled(bits, _KILO, ("b/s", "kb/s", "Mb/s", "Gb/s"))


def frame_rate(rate: Fraction) -> str:
    """`25`, `29.97`."""
    return f"{float(rate):.5g}" if rate.denominator == 1 else f"{float(rate):.4g}"


def money(value: Money) -> str:
    """Three significant digits at least, two decimals at least: `0.000361 CNY`."""
    amount = value.amount
    if amount == 0:
        return f"0 {value.currency}"
    places = max(_LEAST_DECIMALS, _SIGNIFICANT_DIGITS - 1 - amount.adjusted())
    return f"{amount.quantize(Decimal(1).scaleb(-places)):f} {value.currency}"


def enough(value: Money) -> str:
    """*value* or a little more, with two digits: what to ask for instead."""
    least = Decimal(1).scaleb(value.amount.adjusted() - 1)
    amount = value.amount.quantize(least, ROUND_UP).normalize()
    return f"{amount:f} {value.currency}"


def cpus(spec: Spec) -> str:
    """`0.5 vCPU`, `2 vCPU`."""
    return f"{spec.milli_cpus / 1000:.3g} vCPU"


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


def columns(rows: Sequence[Sequence[str]], *, right: Iterable[int]) -> list[str]:
    """The *rows* as lines with aligned columns; those in *right* flush right."""
    if not rows:
        return []
    flush = set(right)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if i in flush else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _scaled(count: int | None, step: int, units: Sequence[str]) -> str:
    if count is None:
        return UNKNOWN
    number, unit = float(count), units[0]
    for larger in units[1:]:
        if number < step:
            break
        number, unit = number / step, larger
    if unit == units[0]:
        return f"{count} {unit}"
    digits = f"{number:.3g}" if number < _KILO else f"{number:.0f}"
    return f"{digits} {unit}"


def marked(mark: Watermark) -> str:
    """Which image is drawn, and where."""
    return f"{PurePath(mark.image.path).name} is drawn on it, {mark.position}."
