"""Revenue of the ОЦП by calendar month: lines added up, tariff rows with their dates, and what is compared and settled.

Amounts are whole tiyn (`_minor`), always of KZT without VAT unless a name says otherwise. Income is what a line adds to
the Operator's revenue (OCP-P5.1): `issued` and `paid` add their sum; `cancelled` adds nothing; `refunded` adds nothing
to its own month, and takes its sum back where it names an earlier line; a `correction` adds its signed sum.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Annotated

from pydantic import Field

from blocks.terms.base import Frozen
from blocks.terms.deadlines import months_later

Month = Annotated[str, Field(pattern=r"^20\d{2}-(0[1-9]|1[0-2])$", examples=["2026-10"])]
"""A reporting period: a calendar month (OCP-P5.1)."""


def first_day(month: str) -> date:
    """The first day of a month."""
    return date.fromisoformat(f"{month}-01")


def last_day(month: str) -> date:
    """The last day of a month."""
    return months_later(first_day(month), 1) - timedelta(days=1)


def month_of(day: date) -> str:
    """The month of a day."""
    return f"{day:%Y-%m}"


class LineState(StrEnum):
    """What became of an invoice line."""

    ISSUED = "issued"
    PAID = "paid"
    REFUNDED = "refunded"
    CANCELLED = "cancelled"
    CORRECTION = "correction"


class Total(Frozen):
    """Lines of one tariff row and one span of days (both ends included), added up: income and the VAT beside it."""

    tariff: str
    begins_on: date
    ends_on: date
    lines: int
    income_minor: int
    vat_minor: int


class SplitRow(Frozen):
    """A row of an act: one version of a tariff row in one month.

    `fee_minor` is the Operator's subscription fee, `reward_minor` the Provider's reward; they sum to the income.
    `rounding_minor` is by how much the fee differs from half-up of this row alone, because a month's fee is rounded
    once as a whole. A row whose `month_of` is earlier than the act's month is a correction: what changes, signed.
    """

    month_of: Month
    tariff: str
    since: date
    until: date
    fee_bp: int
    lines: int
    income_minor: int
    fee_minor: int
    reward_minor: int
    vat_minor: int
    rounding_minor: int = 0


class Cause(StrEnum):
    """Why two lists differ on a line, in the order in which a line with several causes is counted."""

    DUPLICATE = "duplicate"
    MISSING_AT_THEM = "missing_at_them"
    MISSING_AT_US = "missing_at_us"
    AMOUNT = "amount"
    TARIFF = "tariff"
    PERIOD = "period"
    CUSTOMER = "customer"


class Figures(Frozen):
    """What is compared of a line. `income_minor` is signed as it counts; `vat_minor` stands as the line states it."""

    invoice: str
    customer: str
    service: str
    tariff: str
    begins_on: date
    ends_on: date
    state: LineState
    income_minor: int
    vat_minor: int


class Difference(Frozen):
    """A line on which the lists differ: all its causes, and what stands in our list and in the Operator's.

    Either side may be empty, or hold several for a duplicate.
    """

    line: str
    causes: tuple[Cause, ...]
    ours: tuple[Figures, ...]
    theirs: tuple[Figures, ...]

    @property
    def cause(self) -> Cause:
        """The cause that it is counted under."""
        return self.causes[0]

    @property
    def delta_minor(self) -> int:
        """The Operator's income minus ours."""
        return sum(one.income_minor for one in self.theirs) - sum(one.income_minor for one in self.ours)

    @property
    def key(self) -> str:
        """The same for the same cause, line and figures at both sides: a sha256."""
        sides = (",".join(one.model_dump_json() for one in side) for side in (self.ours, self.theirs))
        return sha256("\n".join((self.cause, self.line, *sides)).encode()).hexdigest()


class CauseTotal(Frozen):
    """The differences of one cause added up."""

    cause: Cause
    lines: int
    ours_minor: int
    theirs_minor: int

    @property
    def delta_minor(self) -> int:
        """The Operator's income minus ours."""
        return self.theirs_minor - self.ours_minor


class Reconciliation(Frozen):
    """Two lists of one month compared line by line. `differences` are all of them, by cause and line.

    `key` is the same for the same two lists: the sha256 of their canonical forms.
    """

    month: Month
    key: str
    ours_lines: int
    ours_minor: int
    theirs_lines: int
    theirs_minor: int
    matched_lines: int
    matched_minor: int
    by_cause: tuple[CauseTotal, ...]
    differences: tuple[Difference, ...]


class Way(StrEnum):
    """How a difference is settled: explained, and our figure stands; or accepted, and the Operator's holds."""

    EXPLAINED = "explained"
    ACCEPTED = "accepted"


class Settlement(Frozen):
    """A person's word on differences of one cause: on one line with that delta, or (`line` None) on all of them.

    `key` is what it was said of: a word on all holds for the reconciliation of that key alone, a word on a line for
    that reconciliation, or as long as the figures of both sides are those of the difference of that key.
    """

    cause: Cause
    line: str | None
    delta_minor: int | None
    key: str
    way: Way
    who: str
    reason: str


def words_on(result: Reconciliation, said: Iterable[Settlement]) -> tuple[Settlement | None, ...]:
    """The word that holds for each difference of a reconciliation, in their order; None where none does.

    A word on the line goes before one on its cause, and of each kind the last said holds.
    """
    on_lines: dict[str, list[Settlement]] = {}
    on_causes: dict[Cause, Settlement] = {}
    for word in said:
        if word.line is not None:
            on_lines.setdefault(word.line, []).insert(0, word)
        elif word.key == result.key:
            on_causes[word.cause] = word
    return tuple(
        next((word for word in on_lines.get(one.line, ()) if _of(word, one, result.key)), on_causes.get(one.cause))
        for one in result.differences
    )


def _of(word: Settlement, one: Difference, key: str) -> bool:
    """Whether a word on a line was said of this difference."""
    return (word.cause, word.delta_minor) == (one.cause, one.delta_minor) and word.key in {key, one.key}
