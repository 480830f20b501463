"""What every value of the contract is made of."""

from __future__ import annotations

import re
from decimal import Context, Decimal, InvalidOperation
from fractions import Fraction
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
)

RESULT_VERSION = 1


"""Part of every job id: raised when the same request would give other results."""


EXACT = Context(prec=60)
"""Enough digits that no product of a price and a quantity is ever rounded."""
_RATIO = re.compile(r"-?[0-9]{1,40}(?:/[0-9]{1,40}|\.[0-9]{1,40})?")
_MOST_DIGITS = 30
"""Before the point of an amount; no money has as many."""
_FINEST_DIGITS = 60
"""Behind it: what a price times a quantity may need (`EXACT`)."""


def ratio(text: str) -> Fraction:
    """
    An exact ratio; raises `ValueError`, also for `1e9`.

    Python would write an exponent out: nine letters, and gigabytes of a number.
    """
    if not _RATIO.fullmatch(text):
        raise ValueError(f"{text[:50]!r} is no ratio of two whole numbers")
    try:
        return Fraction(text)
    except ZeroDivisionError as exc:
        raise ValueError(f"{text[:50]!r} is divided by nothing") from exc


def decimal_amount(text: str) -> Decimal:
    """An amount of money as somebody wrote it; raises `ValueError`."""
    try:
        return _bounded(Decimal(text))
    except InvalidOperation as exc:
        raise ValueError(f"{text[:50]!r} is no decimal number") from exc


def _bounded(value: Decimal) -> Decimal:
    """Written out, as we do everywhere, `1e300000000` takes gigabytes, too."""
    exponent = value.as_tuple().exponent
    if (
        not isinstance(exponent, int)
        or value.adjusted() >= _MOST_DIGITS
        or exponent < -_FINEST_DIGITS
    ):
        raise ValueError(
            f"an amount has at most {_MOST_DIGITS} digits before the point and "
            f"{_FINEST_DIGITS} behind it"
        )
    return value


def _to_fraction(value: object) -> object:
    return ratio(value) if isinstance(value, str) else value


Ratio = Annotated[
    Fraction,
    BeforeValidator(_to_fraction),
    PlainSerializer(
        lambda r: f"{r.numerator}/{r.denominator}", return_type=str, when_used="json"
    ),
]


"""An exact ratio, `"30000/1001"` in JSON; a rate is in frames per second."""


Amount = Annotated[
    Decimal,
    AfterValidator(_bounded),
    PlainSerializer(lambda d: format(d, "f"), return_type=str, when_used="json"),
]


"""An exact amount of money; a plain decimal string in JSON, never an exponent."""


class Value(BaseModel):
    """A frozen value; an unknown field is a bug, these travel within one release."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        serialize_by_alias=True,
        # Imports are billed; most processes use a few of these classes.
        defer_build=True,
    )

    def to_json(self, *, indent: int | None = None) -> str:
        return self.model_dump_json(indent=indent)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        return cls.model_validate_json(text)


class Money(Value):
    """An exact amount in one currency (ISO 4217)."""

    amount: Amount
    currency: str

    def __add__(self, other: Money) -> Money:
        if other.currency != self.currency:
            msg = f"cannot add {other.currency} to {self.currency}"
            raise ValueError(msg)
        return Money(amount=self.amount + other.amount, currency=self.currency)
