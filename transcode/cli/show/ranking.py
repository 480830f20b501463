"""What a minute costs on each platform, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from ...contract import RankedPrice
from ...plan.coefficients import Coefficients
from ...units import columns, duration, money, one_line, printable
from .plan import WIDTH, wrapped


def ranking_text(
    found: Sequence[RankedPrice],
    rates: Mapping[str, Decimal],
    measured: Coefficients,
    *,
    width: int | None = None,
) -> str:
    """A line each, at most 60 columns, and whose vCPUs were taken for that."""
    wide = WIDTH if width is None else min(WIDTH, width)
    if not found:
        return ""
    at = ", ".join(f"1 {name} = {rate}" for name, rate in sorted(rates.items()))
    own = next(it.per_minute.currency for it in found if it.kind == "chosen")
    title = f"Price of a minute of it, cheapest first{f' ({at} {own})' if at else ''}"
    rows = [
        (
            one_line(it.name),
            _price(it),
            "" if it.wall_seconds is None else duration(it.wall_seconds),
            "chosen" if it.kind == "chosen" else "",
        )
        for it in found
    ]
    lines = [title, *(f"  {line}".rstrip() for line in columns(rows, right=(1, 2)))]
    missing = {it.per_minute.currency for it in found if it.compared is None}
    if missing:
        names = " ".join(f"--rate {name}=…" for name in sorted(missing))
        lines += wrapped(
            f"What is in another currency is not compared; {names} would.",
            first="  ",
            rest="  ",
            width=wide,
        )
    lines += wrapped(_speeds(found, measured), first="  ", rest="  ", width=wide)
    return printable("\n".join(lines))


def _price(it: RankedPrice) -> str:
    if it.compared is None or it.compared == it.per_minute:
        return money(it.per_minute)
    return f"≈ {money(it.compared)}"


def _speeds(found: Sequence[RankedPrice], measured: Coefficients) -> str:
    where = f"{measured.measured.cpu}, {measured.measured.date}"
    said = (
        f"A vCPU is taken to need {measured.pace:.2f} × the CPU time of where "
        f"predictions were measured ({where}), as this machine does: nothing was "
        "measured on the platforms"
    )
    learned = [
        f"of {it.name} it is {it.cpu:.2f} ×, learned from {it.learned_from} attempts"
        for it in found
        if it.learned_from
    ]
    return "; ".join([said, *learned]) + "."
