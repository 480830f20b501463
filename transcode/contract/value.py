"""What every value of the contract is made of."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

RESULT_VERSION = 1


"""Part of every job id: raised when the same request would give other results."""


def _to_fraction(value: object) -> object:
    return Fraction(value) if isinstance(value, str) else value


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
