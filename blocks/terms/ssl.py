"""The certificate reseller (SSL): applications, clocks and refusals. Minsk time, the calendar of Belarus.

A clock in working days ends with the day itself (24:00 in Minsk), and the day on which it starts is not counted. What
is sold and for how much stands in `ssl_prices`, payment and rendering in `ssl_money`, monthly acts in `ssl_acts`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from blocks.errors import NotFound
from blocks.terms.base import Deadline, Decision, Frozen, Moment, Verdict, rule
from blocks.terms.calendars import calendar
from blocks.terms.deadlines import in_calendar_days, in_working_days
from blocks.terms.money import Money
from blocks.terms.ssl_prices import national_names, product
from blocks.terms.zones import MINSK

ZONE = MINSK
_TAKE_UP_DAYS, _COMPLETE_DAYS, _TELL_DAYS, _ANSWER_DAYS = 5, 30, 3, 3
_ON_REFUSAL = "a person decides about the money: SSL-5.2 speaks of refusals by the CA alone"


def in_minsk_days(moment: Moment, days: int) -> Deadline:
    """The end of the `days`-th working day of Belarus after the day of a moment in Minsk."""
    return in_working_days(moment, days, calendar("BY"))


class ApplicationFacts(Frozen):
    """An application: when it was paid and when its data were complete; null for what has not come yet."""

    paid_at: Moment | None
    complete_at: Moment | None


@rule("SSL-4.4", ApplicationFacts)
def taken_up(facts: ApplicationFacts) -> Decision:
    """An application is taken up within 5 working days of payment and complete data: of the later of the two.

    Before both are there no time runs, and nothing is taken up.
    """
    if facts.paid_at is None or facts.complete_at is None:
        missing = [name for name, at in (("payment", facts.paid_at), ("data", facts.complete_at)) if at is None]
        return Decision(clause="SSL-4.4", verdict=Verdict.REFUSED, what=f"missing: {', '.join(missing)}")
    return Decision(
        clause="SSL-4.4",
        verdict=Verdict.DUE,
        what="take the application up",
        deadline=in_minsk_days(max(facts.paid_at, facts.complete_at), _TAKE_UP_DAYS),
    )


class HindranceFacts(Frozen):
    """An application that cannot be met as it is: the change that would help, empty where none does."""

    correction: str


@rule("SSL-4.5", HindranceFacts)
def cannot_be_met(facts: HindranceFacts) -> Decision:
    """What cannot be done is answered by e-mail: a correction is proposed where one helps, else it is refused.

    The agreement names no time: the answer goes out while the application waits to be taken up (SSL-4.4). Nor does it
    say what becomes of money that was paid when it is we who refuse: `money` says that a person decides.
    """
    if correction := facts.correction.strip():
        what, values = f"propose by e-mail: {correction}", {"channel": "email"}
    else:
        what, values = "refuse the application by e-mail", {"channel": "email", "money": _ON_REFUSAL}
    return Decision(clause="SSL-4.5", verdict=Verdict.ACTION, what=what, values=values)


class DemandFacts(Frozen):
    """More data or documents that the CA wants: when our request reached the customer, its answer, and the moment."""

    received_at: Moment
    answered_at: Moment | None = None
    now: Moment


@rule("SSL-4.6", DemandFacts)
def more_data(facts: DemandFacts) -> Decision:
    """The customer has 3 calendar days of receiving our request, to the end of the third day in Minsk.

    Without an answer we may decline (SSL-5.3): a right and no duty, so a person decides. An answer that comes late is
    taken all the same while nobody has declined; `late` says it.
    """
    deadline = in_calendar_days(facts.received_at, _ANSWER_DAYS, ZONE)
    if facts.answered_at is not None:
        late = facts.answered_at > deadline.due
        return Decision(
            clause="SSL-4.6", verdict=Verdict.ACTION, what="pass the answer on to the CA", values={"late": late}
        )
    if facts.now <= deadline.due:
        return Decision(clause="SSL-4.6", verdict=Verdict.DUE, what="the customer answers", deadline=deadline)
    return Decision(
        clause="SSL-4.6",
        verdict=Verdict.PERSON,
        what="decline the application, or wait longer",
        deadline=deadline,
        values={"money": _ON_REFUSAL},
    )


class AnswerFacts(Frozen):
    """What the CA has said of an application."""

    ca: Literal["nothing", "issued", "refused"]


@rule("SSL-4.7", AnswerFacts)
def ca_decides(facts: AnswerFacts) -> Decision:
    """Only the CA issues or refuses; nobody here decides in its place, and its silence is no answer."""
    if facts.ca == "nothing":
        return Decision(clause="SSL-4.7", verdict=Verdict.REFUSED, what="no decision before the CA's own")
    what = "hand the certificate over" if facts.ca == "issued" else "tell the customer of the refusal (SSL-5.2)"
    return Decision(clause="SSL-4.7", verdict=Verdict.ACTION, what=what)


class PaidFacts(Frozen):
    """When the service was paid: money taken from the personal account, or the day its invoice was identified."""

    paid_at: Moment


@rule("SSL-5.1", PaidFacts)
def completed(facts: PaidFacts) -> Decision:
    """The service is done within 30 working days of its payment.

    Unlike SSL-4.4 this clock does not wait for the customer's data: who brings none can be declined (SSL-5.3).
    """
    return Decision(
        clause="SSL-5.1",
        verdict=Verdict.DUE,
        what="have the certificate handed over",
        deadline=in_minsk_days(facts.paid_at, _COMPLETE_DAYS),
    )


class RefusalFacts(Frozen):
    """A refusal by the CA: when we learnt of it, what was paid, and whether it found fraud or knowingly false data."""

    known_at: Moment
    paid: Money
    fraud: bool


@rule("SSL-5.2", RefusalFacts)
def refused(facts: RefusalFacts) -> Decision:
    """The customer hears of the CA's refusal within 3 working days of our knowing, and all of its money comes back.

    It comes back to the personal account, within the same days. Where the CA found fraud or knowingly false data
    nothing comes back: the notice alone is due, and with it the service is rendered (SSL-7.5).
    """
    if facts.fraud:
        what, amount = "tell the customer that the CA refused for fraud", Money.of(0, facts.paid.currency)
    else:
        what, amount = "tell the customer of the refusal, money back to its personal account", facts.paid
    return Decision(
        clause="SSL-5.2",
        verdict=Verdict.DUE,
        what=what,
        deadline=in_minsk_days(facts.known_at, _TELL_DAYS),
        amount=amount,
        values={"refund": not facts.fraud},
    )


class NamesFacts(Frozen):
    """A product and the names that its certificate is to have."""

    product: str = Field(examples=["positivessl"])
    names: tuple[str, ...] = Field(min_length=1, examples=[["shop.example.by"]])


@rule("SSL-A1b", NamesFacts)
def sold_for(facts: NamesFacts) -> Decision:
    """Products of the second list (Sectigo, GeoTrust) are not sold for .by, .бел, .ru, .рф and .su, at any depth.

    One such name among several is enough. Names under com.by and the like lie in .by; names are read in Unicode or
    `xn--`, in any case, with a wildcard or a dot at the end.
    """
    try:
        sold = product(facts.product)
    except NotFound as missing:
        return Decision(clause="SSL-A1b", verdict=Verdict.REFUSED, what=str(missing))
    if sold.abroad and (national := national_names(facts.names)):
        what = f"{sold.title} is not sold for {', '.join(national)}"
        return Decision(clause="SSL-A1b", verdict=Verdict.REFUSED, what=what)
    return Decision(clause="SSL-A1b", verdict=Verdict.ALLOWED, what=f"{sold.title} is sold for these names")
