"""The open digital platform (OCP): tariffs with the Operator's fee (App. 4), and the sharing of revenue (App. 5).

Tenge without VAT unless it says otherwise; days are Astana's. How a month is shared row by row is in `revenue_split`.
"""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

from pydantic import Field, model_validator

from blocks.errors import NotFound
from blocks.terms.base import Deadline, Decision, Frozen, Moment, Verdict, rule
from blocks.terms.calendars import calendar
from blocks.terms.deadlines import end_of_day, in_working_days, months_later
from blocks.terms.money import Money
from blocks.terms.ocp_tariffs import VAT_BP, TariffRow
from blocks.terms.revenue import LineState, Month, first_day, last_day, month_of
from blocks.terms.revenue_split import counts
from blocks.terms.zones import ASTANA

ZONE = ASTANA
_DATA_DAY, _PAYOUT_DAYS = 9, 3


class TariffFacts(Frozen):
    """A tariff row with its versions, and the day that is asked about."""

    row: TariffRow
    day: date


@rule("OCP-P4", TariffFacts)
def tariff(facts: TariffFacts) -> Decision:
    """A row's price without VAT, its price with VAT and the Operator's fee are those of its version of the day.

    The fee is 20 % of the price without VAT where the row names none. VAT is Kazakhstan's of the day; the price with it
    is rounded half up to the tiyn. A row without a price is charged by agreement: a person names the price. `amount` is
    the price without VAT.
    """
    try:
        ((_, _, version),) = facts.row.between(facts.day, facts.day)
        vat_bp = VAT_BP.on(facts.day)
    except NotFound as missing:
        return Decision(clause="OCP-P4", verdict=Verdict.REFUSED, what=f"{missing}: nothing holds on that day yet")
    values = {"since": version.since.isoformat(), "fee_percent": _percent(version.fee_bp)}
    if version.price is None:
        return Decision(
            clause="OCP-P4", verdict=Verdict.PERSON, what=f"{facts.row.title}: charged by agreement", values=values
        )
    price = Money.of(version.price, "KZT")
    with_vat = price.times(Fraction(10_000 + vat_bp, 10_000))
    return Decision(
        clause="OCP-P4",
        verdict=Verdict.OWED,
        what=f"{facts.row.title}: {price} without VAT",
        amount=price,
        values={**values, "vat_percent": _percent(vat_bp), "price_with_vat": str(with_vat.amount)},
    )


def _percent(bp: int) -> str:
    whole, hundredths = divmod(bp, 100)
    return f"{whole}.{hundredths:02d}".rstrip("0").rstrip(".")


class RevenueLine(Frozen):
    """An invoice line: its state, whether it names an earlier line, its sum without VAT, its first and last day.

    Only a refund or a correction names an earlier line, and a correction always does; it alone may be negative.
    """

    state: LineState
    corrects: bool = False
    net: Money
    begins_on: date
    ends_on: date

    @model_validator(mode="after")
    def _makes_sense(self) -> RevenueLine:
        if self.net.currency != "KZT":
            raise ValueError("income is counted in tenge")
        if self.ends_on < self.begins_on:
            raise ValueError("a line ends on its first day or later")
        if self.state is LineState.CORRECTION:
            if not self.corrects:
                raise ValueError("a correction names the line that it corrects")
        elif self.corrects and self.state is not LineState.REFUNDED:
            raise ValueError("only a refund or a correction names an earlier line")
        elif self.net.minor < 0:
            raise ValueError("only a correction has a negative sum")
        return self


class IncomeFacts(Frozen):
    """A month, and every invoice line of it."""

    month: Month
    lines: tuple[RevenueLine, ...]


@rule("OCP-P5.1", IncomeFacts)
def income(facts: IncomeFacts) -> Decision:
    """Income of a calendar month is what is issued for services of its days, before taxes: an accrual.

    What is issued counts, paid or not: payments and debts are the Operator's own business (App. 5 4.2). A cancelled
    line never counts. A refund takes back the line that it names and belongs to that line's month; one that names none
    stands for its own line and adds nothing. A correction adds its signed sum to the month of the line that it names.
    Lines whose days are not all in the month are refused: a service over two months is two lines. The income is our
    reward and the Operator's subscription fee together, and nothing else.
    """
    outside = [
        line
        for line in facts.lines
        if not first_day(facts.month) <= line.begins_on <= line.ends_on <= last_day(facts.month)
    ]
    if outside:
        first = min(outside, key=lambda line: (line.begins_on, line.ends_on))
        return Decision(
            clause="OCP-P5.1",
            verdict=Verdict.REFUSED,
            what=f"not of {facts.month}: {len(outside)} lines, the first of {first.begins_on} - {first.ends_on}",
        )
    counted = [counts(line.state, line.corrects) * line.net.minor for line in facts.lines]
    return Decision(
        clause="OCP-P5.1",
        verdict=Verdict.OWED,
        what=f"the income of {facts.month}: our reward and the Operator's fee together",
        amount=Money.from_minor(sum(counted), "KZT"),
        values={"lines": sum(counts(line.state, line.corrects) != 0 for line in facts.lines)},
    )


class MonthFacts(Frozen):
    """A reporting month."""

    month: Month


def data_due(month: str) -> Deadline:
    """By when the Operator has the data on a month's invoices (OCP-P5.2): the end of the 9th of the next month."""
    ninth = months_later(first_day(month), 1) + timedelta(days=_DATA_DAY - 1)
    return Deadline(due=end_of_day(ninth, ZONE), zone=ZONE)


@rule("OCP-P5.2", MonthFacts)
def invoice_data(facts: MonthFacts) -> Decision:
    """The data is there before the tenth of the next month begins: by the end of the 9th (Astana), day off or not.

    The clause counts calendar days and knows no transfer to a working day.
    """
    return Decision(
        clause="OCP-P5.2",
        verdict=Verdict.DUE,
        what=f"give the Operator the data on invoices issued for {facts.month}",
        deadline=data_due(facts.month),
    )


class SignedFacts(Frozen):
    """When each side signed the act, and when the Operator had the invoice; None: not yet, or with the act."""

    signed_by_us_at: Moment | None = None
    signed_by_operator_at: Moment | None = None
    invoice_handed_at: Moment | None = None


def payout_due(signed_at: Moment) -> Deadline:
    """By when the reward is paid (OCP-P5.3), from the moment at which act and invoice were there and signed by both."""
    return in_working_days(signed_at, _PAYOUT_DAYS, calendar("KZ"))


@rule("OCP-P5.3", SignedFacts)
def payout(facts: SignedFacts) -> Decision:
    """The Operator pays by the end of the 3rd business day, by Kazakhstan's calendar, after the later signature.

    The day of that signature is not counted. The invoice goes with the act; handed over later than both signed, it
    is what the days are counted from. Before both have signed nothing is due.
    """
    sides = {"us": facts.signed_by_us_at, "the Operator": facts.signed_by_operator_at}
    if missing := [side for side, at in sides.items() if at is None]:
        what = f"nothing is due before both have signed: not signed by {' and '.join(missing)}"
        return Decision(clause="OCP-P5.3", verdict=Verdict.ALLOWED, what=what)
    since = max(at for at in (*sides.values(), facts.invoice_handed_at) if at is not None)
    return Decision(
        clause="OCP-P5.3", verdict=Verdict.DUE, what="the Operator pays our reward", deadline=payout_due(since)
    )


class RewardFacts(Frozen):
    """The income of an act and the Operator's fee in it, both without VAT."""

    income: Money
    fee: Money


@rule("OCP-P5.4", RewardFacts)
def reward(facts: RewardFacts) -> Decision:
    """Our reward is the income less the Operator's subscription fee, which stays with the Operator.

    It is invoiced in tenge without VAT; another currency is refused. A negative reward, of an act that corrects, is
    returned to the Operator.
    """
    if {facts.income.currency, facts.fee.currency} != {"KZT"}:
        return Decision(clause="OCP-P5.4", verdict=Verdict.REFUSED, what="invoices are in tenge")
    rest = facts.income - facts.fee
    what = "nothing is invoiced"
    if rest.minor:
        what = "invoice the reward, without VAT" if rest.minor > 0 else "return to the Operator, without VAT"
    return Decision(clause="OCP-P5.4", verdict=Verdict.OWED, what=what, amount=rest)


class RecordFacts(Frozen):
    """The last day on which a service was rendered, when it was put on record (None: not yet), and when we look."""

    rendered_on: date = Field(ge=date(2000, 1, 1), le=date(2099, 12, 31), examples=["2026-10-31"])
    recorded_at: Moment | None = None
    now: Moment

    @model_validator(mode="after")
    def _recorded_by_now(self) -> RecordFacts:
        if self.recorded_at is not None and self.recorded_at > self.now:
            raise ValueError("a record is not made in the future")
        return self


def record_due(rendered_on: date) -> Deadline:
    """By when a service is on record (OCP-3.2.6): the end of the last day of its month."""
    return Deadline(due=end_of_day(last_day(month_of(rendered_on)), ZONE), zone=ZONE)


@rule("OCP-3.2.6", RecordFacts)
def on_record(facts: RecordFacts) -> Decision:
    """Every service rendered is on record before its month is over: by the end of the month's last day (Astana).

    The clause names no term. The data of a month goes out by the 9th of the next (OCP-P5.2) and must be whole then, so
    a record made up only for it is too late. A service of several days counts from its last.
    """
    deadline = record_due(facts.rendered_on)
    late = (facts.recorded_at or facts.now) > deadline.due
    if facts.recorded_at is None:
        verdict, what = (
            (Verdict.REFUSED, "not on record, and its month is over") if late else (Verdict.DUE, "record it")
        )
    else:
        verdict, what = (Verdict.REFUSED, "recorded late") if late else (Verdict.ALLOWED, "on record in time")
    return Decision(clause="OCP-3.2.6", verdict=verdict, what=what, deadline=deadline)
