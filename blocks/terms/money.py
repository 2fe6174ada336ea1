"""Exact money: a decimal amount of two places and a currency. A binary float is refused everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

Currency = Literal["RUB", "KZT", "BYN", "EUR", "USD", "UAH"]
_PLACES = Decimal("0.01")
LIMIT = 10**15
"""Amounts are below this, in whole roubles, tenge, euros; quantities in whole pieces."""


def _exact(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        raise ValueError("money is given as decimal text or a whole number, never as a float")  # noqa: TRY004
    try:
        amount = Decimal(value)
    except ArithmeticError:
        raise ValueError("not a decimal number") from None
    if not amount.is_finite() or amount.copy_abs() >= LIMIT:
        raise ValueError("an amount is finite and below 10^15")
    if amount != amount.quantize(_PLACES):
        raise ValueError("an amount has at most two decimal places")
    return amount.quantize(_PLACES) + 0  # no negative zero


Amount = Annotated[
    Decimal,
    BeforeValidator(_exact),
    PlainSerializer(lambda amount: f"{amount:.2f}", return_type=str),
    Field(examples=["9990.00"]),
]


def half_up(exact: Fraction) -> int:
    """The nearest whole number; halves go away from zero."""
    whole = (2 * abs(exact.numerator) + exact.denominator) // (2 * exact.denominator)
    return -whole if exact < 0 else whole


class Money(BaseModel):
    """An amount in a currency, as `{"amount": "9990.00", "currency": "RUB"}`.

    Arithmetic across currencies raises ValueError.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount: Amount
    currency: Currency

    @classmethod
    def of(cls, amount: str | int | Decimal, currency: Currency) -> Money:
        """Money from decimal text, a whole number of major units, or a Decimal."""
        return cls(amount=_exact(amount), currency=currency)

    @classmethod
    def from_minor(cls, minor: int, currency: str) -> Money:
        """Money from whole minor units (kopecks, tiyn, cents), as the ledger keeps it. Raises ValueError."""
        if isinstance(minor, bool) or not isinstance(minor, int):
            raise ValueError("minor units are whole numbers")  # noqa: TRY004 - as everywhere here
        return cls.model_validate({"amount": Decimal(minor) / 100, "currency": currency})

    @property
    def minor(self) -> int:
        """The amount in minor units."""
        return int(self.amount * 100)

    def _same(self, other: Money) -> Money:
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not mix")
        return other

    def __add__(self, other: Money) -> Money:
        return Money.of(self.amount + self._same(other).amount, self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money.of(self.amount - self._same(other).amount, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.amount < self._same(other).amount

    def __le__(self, other: Money) -> bool:
        return self.amount <= self._same(other).amount

    def __bool__(self) -> bool:
        return bool(self.amount)

    def __str__(self) -> str:
        return f"{self.amount:.2f} {self.currency}"

    def times(self, ratio: Fraction | int) -> Money:
        """This amount times an exact ratio, rounded half up (away from zero) to minor units once."""
        return Money.from_minor(half_up(Fraction(self.minor) * ratio), self.currency)

    def split(self, weights: Sequence[int]) -> list[Money]:
        """Parts in proportion to whole weights, by largest remainder (ties to the earlier part); they sum to the whole.

        Raises ValueError when no weight is positive or one is negative.
        """
        total = sum(weights)
        if total <= 0 or min(weights) < 0:
            raise ValueError("weights are whole, not negative, and not all zero")
        sign, whole = (-1, -self.minor) if self.minor < 0 else (1, self.minor)
        parts = [whole * weight // total for weight in weights]
        by_remainder = sorted(range(len(weights)), key=lambda i: (-(whole * weights[i] % total), i))
        for i in by_remainder[: whole - sum(parts)]:
            parts[i] += 1
        return [Money.from_minor(sign * part, self.currency) for part in parts]
