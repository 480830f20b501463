"""
Exact amounts in columns that SQLite can add: four limbs of nine decimal digits.

SQLite's integers have 64 bits and its only other number is a float. Limbs of 10**9
leave room for the sum of 9 * 10**9 amounts, and 36 decimals for an amount; a price per
second cut at 10**-15, times milliseconds, times MiB per GiB, has 28.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext

from ..contract.value import EXACT

LIMBS = 4
DIGITS = 9
BASE = 10**DIGITS
DECIMALS = LIMBS * DIGITS
Limbs = tuple[int, int, int, int]


def split(amount: Decimal) -> Limbs:
    """
    The limbs of *amount*, most significant first.

    Raises ValueError where it has more decimals than there is room for, or is below 0.
    """
    with localcontext(EXACT):
        scaled = amount.scaleb(DECIMALS)
        whole = int(scaled)
    if whole < 0 or scaled != whole or whole >= BASE ** (LIMBS + 1):
        msg = f"an amount of {amount} cannot be kept exactly"
        raise ValueError(msg)
    high, d = divmod(whole, BASE)
    high, c = divmod(high, BASE)
    a, b = divmod(high, BASE)
    return a, b, c, d


def join(limbs: Sequence[int]) -> Decimal:
    """The amount of limbs, or of sums of limbs."""
    whole = 0
    for limb in limbs:
        whole = whole * BASE + limb
    with localcontext(EXACT):
        amount = Decimal(whole).scaleb(-DECIMALS).normalize()
        exponent = amount.as_tuple().exponent
        is_large = isinstance(exponent, int) and exponent > 0
        return amount.quantize(Decimal(1)) if is_large else amount
