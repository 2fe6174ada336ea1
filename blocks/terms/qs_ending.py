"""QSockets (QS): refunds, liability, late payment, force majeure, notices, and how an agreement ends."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Literal

from pydantic import model_validator

from blocks.terms.base import Deadline, Decision, Frozen, Moment, Verdict, rule
from blocks.terms.calendars import calendar
from blocks.terms.deadlines import end_of_day, in_calendar_days, in_working_days, local_date
from blocks.terms.money import Money
from blocks.terms.qs import ZONE

_INSTANT = timedelta(microseconds=1)


class RefundFacts(Frozen):
    """A whole paid period that has ended: what was paid, and what our monitoring shows of it."""

    paid: Money
    period_over: bool
    access_given_at_any_time: bool
    cause_is_ours: bool
    monitoring_confirms: bool


@rule("QS-4.3.2", RefundFacts)
def refund(facts: RefundFacts) -> Decision:
    """All is returned only if access was never given in the whole paid period for technical reasons of ours.

    Our monitoring must show it; where it shows nothing either way a person decides. Otherwise nothing is returned.
    """
    if facts.access_given_at_any_time or not facts.cause_is_ours or not facts.period_over:
        return Decision(clause="QS-4.3.2", verdict=Verdict.REFUSED, what="no refund of a paid period")
    if not facts.monitoring_confirms:
        return Decision(clause="QS-4.3.2", verdict=Verdict.PERSON, what="our monitoring does not show it")
    return Decision(clause="QS-4.3.2", verdict=Verdict.OWED, what="return the whole payment", amount=facts.paid)


class LiabilityFacts(Frozen):
    """A claim: the damages asked, what the user paid in the 12 months before it, what earlier claims took."""

    claimed: Money
    paid_in_last_12_months: Money
    owed_before: Money = Money.of(0, "RUB")

    @model_validator(mode="after")
    def _in_roubles(self) -> LiabilityFacts:
        if {m.currency for m in (self.claimed, self.paid_in_last_12_months, self.owed_before)} != {"RUB"}:
            raise ValueError("the agreement's liability is in roubles")
        return self


@rule("QS-6.2.3", LiabilityFacts)
def liability(facts: LiabilityFacts) -> Decision:
    """At most 10 % of what the user paid in the last 12 months and never over 10 000 RUB, for all claims together.

    Ten per cent is cut to whole kopecks, so that the cap is never exceeded.

    `amount` is the most that can be owed for this claim; whether anything is owed a person decides.
    """
    tenth = Money.from_minor(facts.paid_in_last_12_months.minor // 10, "RUB")
    cap = max(min(tenth, Money.of(10_000, "RUB")) - facts.owed_before, Money.of(0, "RUB"))
    return Decision(
        clause="QS-6.2.3",
        verdict=Verdict.OWED,
        what="the most that can be owed",
        amount=min(facts.claimed, cap),
        values={"cap": str(cap)},
    )


class LatePaymentFacts(Frozen):
    """A sum due under deferral: its last day for payment, and the day on which it is paid (or asked about)."""

    unpaid: Money
    due_on: date
    paid_on: date


@rule("QS-6.3.5", LatePaymentFacts)
def late_payment(facts: LatePaymentFacts) -> Decision:
    """0.1 % of the unpaid sum for each day of delay; the day after the due day is the first, the day of payment counts.

    Simple, not compound; rounded half up once.
    """
    days = (facts.paid_on - facts.due_on).days
    if days <= 0:
        return Decision(clause="QS-6.3.5", verdict=Verdict.REFUSED, what="not late")
    return Decision(
        clause="QS-6.3.5",
        verdict=Verdict.OWED,
        what=f"{days} days late",
        amount=facts.unpaid.times(Fraction(days, 1000)),
        values={"days": days},
    )


class ForceMajeureFacts(Frozen):
    """Force majeure: when it began, when it ended (if it has), the moment at which we look, and whether it lasts."""

    began_at: Moment
    ended_at: Moment | None = None
    now: Moment
    lasts: bool = True


@rule("QS-6.4", ForceMajeureFacts)
def force_majeure(facts: ForceMajeureFacts) -> Decision:
    """Notice within 3 business days of its beginning (and of its end).

    When it has lasted more than 30 calendar days without a break either side may leave with 5 business days' notice;
    the 30th day itself is not yet more than 30.
    """
    since = (local_date(facts.now, ZONE) - local_date(facts.began_at, ZONE)).days
    lasts = facts.lasts and facts.ended_at is None
    values: dict[str, str | int | bool] = {"may_leave": lasts and since > 30}
    if values["may_leave"]:
        leave = in_working_days(facts.now, 5, calendar("RU"))
        values["earliest_end"] = leave.local.isoformat()
        if leave.provisional:
            values["earliest_end_provisional"] = True
    return Decision(
        clause="QS-6.4",
        verdict=Verdict.DUE,
        what=f"written notice of the {'end' if facts.ended_at else 'beginning'} of force majeure",
        deadline=in_working_days(facts.ended_at or facts.began_at, 3, calendar("RU")),
        values=values,
    )


class LeavingFacts(Frozen):
    """A notice of leaving: who leaves, when it was received, and the paid period with its price."""

    who: Literal["user", "provider"]
    noticed_at: Moment
    ends_on: date
    period_from: Moment
    period_until: Moment
    paid: Money


@rule("QS-8.2", LeavingFacts)
def leaving(facts: LeavingFacts) -> Decision:
    """14 calendar days' notice. The user leaves: access to the end of the paid period, nothing returns.

    We leave: the unused part returns in proportion, counted in Moscow calendar days; the last day of the agreement is
    used. 14 whole days lie between notice and end: `ends_on` is day of notice + 14 at the soonest.
    """
    soonest = local_date(facts.noticed_at, ZONE) + timedelta(days=14)
    if facts.ends_on < soonest:
        return Decision(
            clause="QS-8.2",
            verdict=Verdict.REFUSED,
            what=f"the agreement may end on {soonest.isoformat()} at the soonest",
            values={"soonest": soonest.isoformat()},
        )
    if facts.who == "user":
        return Decision(
            clause="QS-8.2",
            verdict=Verdict.ACTION,
            what="access lasts to the end of the paid period; nothing is returned",
            deadline=Deadline(due=facts.period_until, zone=ZONE),
        )
    first, end = local_date(facts.period_from, ZONE), local_date(facts.period_until, ZONE)
    days = max((end - first).days, 1)
    last_paid = local_date(facts.period_until - _INSTANT, ZONE)
    unused = min(max((last_paid - facts.ends_on).days, 0), days)
    return Decision(
        clause="QS-8.2",
        verdict=Verdict.OWED,
        what=f"return {unused} unused days of {days}",
        amount=facts.paid.times(Fraction(unused, days)),
        deadline=Deadline(due=end_of_day(facts.ends_on, ZONE), zone=ZONE),
    )


class EndFacts(Frozen):
    """When an agreement ended."""

    ended_at: Moment


@rule("QS-8.3", EndFacts)
def destroy_registration(facts: EndFacts) -> Decision:
    """Registration data is destroyed within 7 calendar days of the end; logs keep their own terms (QS-3.5.3).

    An end at midnight is the end of the day before.
    """
    return Decision(
        clause="QS-8.3",
        verdict=Verdict.DUE,
        what="destroy e-mail, name, password hash and contacts",
        deadline=in_calendar_days(facts.ended_at - _INSTANT, 7, ZONE),
    )


class ClaimFacts(Frozen):
    """When a claim was received."""

    received_at: Moment


@rule("QS-11.2", ClaimFacts)
def claim(facts: ClaimFacts) -> Decision:
    """A claim is answered within 10 business days of its receipt."""
    return Decision(
        clause="QS-11.2",
        verdict=Verdict.DUE,
        what="answer the claim",
        deadline=in_working_days(facts.received_at, 10, calendar("RU")),
    )


class ReceivedFacts(Frozen):
    """A notice: its channel, when it went out (or was posted), and what came back.

    For post: `arrived_at` is its arrival at the place of delivery, `delivered_at` the recorded handing over.
    """

    channel: Literal["email", "interface", "post"]
    sent_at: Moment
    bounced: bool = False
    arrived_at: Moment | None = None
    delivered_at: Moment | None = None


@rule("QS-12.4", ReceivedFacts)
def notice_received(facts: ReceivedFacts) -> Decision:
    """E-mail counts from its sending unless it bounces; in the interface from posting; post from delivery.

    Post not collected counts on the 7th calendar day after its arrival (from the beginning of that day). The printed
    condition for e-mail speaks of a delivery message; we read a message of failed delivery.
    """
    at: datetime | None
    if facts.channel == "email":
        at = None if facts.bounced else facts.sent_at
    elif facts.channel == "interface":
        at = facts.sent_at
    elif facts.delivered_at or not facts.arrived_at:
        at = facts.delivered_at
    else:
        at = end_of_day(local_date(facts.arrived_at, ZONE) + timedelta(days=6), ZONE)
    if at is None:
        return Decision(clause="QS-12.4", verdict=Verdict.REFUSED, what="the notice has not been received")
    return Decision(
        clause="QS-12.4",
        verdict=Verdict.ALLOWED,
        what="the notice counts as received",
        deadline=Deadline(due=at, zone=ZONE),
    )
