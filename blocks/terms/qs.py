"""QSockets (QS): real-time data exchange. Roubles, Moscow time, the Russian calendar.

A user (Пользователь) has projects (Проекты); each has its own tariff, token and paid periods. The agreement prints no
prices: they are a published list, kept as a dated file (`data/qs_tariffs.toml` is an example for the sandbox). How
projects and agreements end is in `qs_ending`.
"""

from __future__ import annotations

import re
import tomllib
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import Field, TypeAdapter, model_validator

from blocks.errors import NotFound
from blocks.terms.base import Deadline, Decision, Frozen, Moment, Verdict, rule
from blocks.terms.deadlines import in_calendar_months, local_date
from blocks.terms.ks import in_minutes
from blocks.terms.money import Money
from blocks.terms.policy import ORDER_POLICY
from blocks.terms.tariffs import Timeline
from blocks.terms.zones import MOSCOW

ZONE = MOSCOW
PERIODS = (1, 3, 9, 12)


class Tariff(Frozen):
    """A tariff: limits a day and at once, and the price of each paid period in months (empty for a free one)."""

    code: str
    title: str
    messages_a_day: int = Field(ge=1)
    connections: int = Field(ge=1)
    prices: dict[int, Money] = Field(default_factory=dict)

    @property
    def free(self) -> bool:
        """Whether it costs nothing."""
        return not self.prices


class PriceList(Frozen):
    """The published tariffs from a day on. `sandbox` marks an example that production refuses."""

    since: date
    sandbox: bool = False
    tariff: tuple[Tariff, ...]


def read_price_lists(text: str) -> Timeline[PriceList]:
    """Dated price lists from TOML (`[[list]]` with `[[list.tariff]]`). Raises pydantic.ValidationError, ValueError."""
    lists = TypeAdapter(dict[Literal["list"], list[PriceList]]).validate_python(tomllib.loads(text)).get("list", [])
    if any(set(t.prices) not in (set(), set(PERIODS)) for held in lists for t in held.tariff):
        raise ValueError("a paid tariff has a price for each of 1, 3, 9 and 12 months")
    return Timeline("QS price list", [(held.since, held) for held in lists])


@cache
def sandbox_price_lists() -> Timeline[PriceList]:
    """The example list shipped for the embedded default and the demo."""
    return read_price_lists(files("blocks.terms").joinpath("data", "qs_tariffs.toml").read_text("utf-8"))


def tariff_on(code: str, day: date, lists: Timeline[PriceList]) -> Tariff:
    """The tariff of that code on a day. Raises NotFound."""
    for tariff in lists.on(day).tariff:
        if tariff.code == code:
            return tariff
    raise NotFound("QS tariff", code)


class RegistrationFacts(Frozen):
    """What a user gave at registration. The password itself is never a fact: only whether one is kept as a hash."""

    email: str
    full_name: str
    password_hashed: bool
    position: str | None = None


@rule("QS-3.2.1", RegistrationFacts)
def registration(facts: RegistrationFacts) -> Decision:
    """Needed: an e-mail (the login), a password kept only as a hash, the full name. The position is optional."""
    missing = [
        name
        for name, present in (
            ("email", bool(re.fullmatch(r"[^@\s]+@[^@\s]+", facts.email))),
            ("full name", bool(facts.full_name.strip())),
            ("password hash", facts.password_hashed),
        )
        if not present
    ]
    return Decision(
        clause="QS-3.2.1",
        verdict=Verdict.REFUSED if missing else Verdict.ALLOWED,
        what=f"missing: {', '.join(missing)}" if missing else "the registration is complete",
    )


class ActivationFacts(Frozen):
    """A project and what has been paid for it: who pays, the moment its project was made, the moment of its money."""

    free: bool
    payer: Literal["person", "company"] = "person"
    created_at: Moment
    payment_recorded_at: Moment | None = None


@rule("QS-3.2.2", ActivationFacts)
def activation(facts: ActivationFacts) -> Decision:
    """Token and URL appear on activation only: a free project's when created, a paid one's at its recorded payment.

    A company's payment is recorded when its money arrives. "At the moment" allows the machine `at_once_minutes`.
    """
    since = facts.created_at if facts.free else facts.payment_recorded_at
    if since is None:
        return Decision(clause="QS-3.2.2", verdict=Verdict.REFUSED, what="no token before the payment is recorded")
    minutes = ORDER_POLICY.on(local_date(since, ZONE)).at_once_minutes
    return Decision(
        clause="QS-3.2.2", verdict=Verdict.DUE, what="activate, give token and URL", deadline=in_minutes(since, minutes)
    )


class MoveFacts(Frozen):
    """Two projects, and what is to be moved from one to the other."""

    from_project: str
    to_project: str
    what: Literal["messages", "connections", "paid time", "statistics", "token"]


@rule("QS-3.3.1", MoveFacts)
def between_projects(facts: MoveFacts) -> Decision:
    """Token, tariff, limits and statistics belong to one project; nothing is added up or moved between projects."""
    same = facts.from_project == facts.to_project
    return Decision(
        clause="QS-3.3.1",
        verdict=Verdict.ALLOWED if same else Verdict.REFUSED,
        what="within one project" if same else f"{facts.what} is not moved between projects",
    )


class LimitFacts(Frozen):
    """A project's use: messages handled in its Moscow day before this one, or connections open before this one."""

    limit: int = Field(ge=1)
    used: int = Field(ge=0)
    of: Literal["messages", "connections"]


@rule("QS-3.4.1", LimitFacts)
def limit(facts: LimitFacts) -> Decision:
    """Below its limit a project is served; at the limit a message is dropped and a new connection refused.

    The limit itself is included: message number `limit` passes, the next does not. A day is the Moscow day.
    """
    if facts.used < facts.limit:
        return Decision(clause="QS-3.4.1", verdict=Verdict.ALLOWED, what=f"one more of {facts.of}")
    what = "drop the message" if facts.of == "messages" else "refuse the connection; open ones stay"
    return Decision(clause="QS-3.4.1", verdict=Verdict.REFUSED, what=what)


@rule("QS-4.5.1", LimitFacts)
def limit_notice(facts: LimitFacts) -> Decision:
    """At 80 % and at 100 % of a limit the user is told by e-mail and in the interface, once for each.

    80 % is reached at the first whole use at or above it. `mark` is 0, 80 or 100: tell when it rises.
    """
    mark = 100 if facts.used >= facts.limit else 80 if facts.used * 100 >= facts.limit * 80 else 0
    return Decision(
        clause="QS-4.5.1",
        verdict=Verdict.ACTION if mark else Verdict.ALLOWED,
        what=f"tell the user that {mark} % of {facts.of} is used" if mark else "nothing to tell",
        values={"mark": mark},
    )


class PricedPeriodFacts(Frozen):
    """A tariff, a period of months, and the Moscow day of the payment."""

    tariff: str = Field(examples=["start"])
    months: int = Field(examples=[3])
    paid_on: date = Field(examples=["2026-11-22"])


@rule("QS-4.1.1", PricedPeriodFacts)
def period_price(facts: PricedPeriodFacts) -> Decision:
    """A period costs what the list of the day of its payment says, and keeps that price to its end (QS-4.1.4).

    An order that is paid within its payment window counts as paid on its own day: the price that was offered holds.

    Asked against the example list; the product asks the operator's own.
    """
    return priced(facts, sandbox_price_lists())


def priced(facts: PricedPeriodFacts, lists: Timeline[PriceList]) -> Decision:
    """The rule of QS-4.1.1 on given price lists."""
    try:
        tariff = tariff_on(facts.tariff, facts.paid_on, lists)
    except NotFound as missing:
        return Decision(clause="QS-4.1.1", verdict=Verdict.REFUSED, what=f"{missing}: not in the list of that day")
    if tariff.free:
        return Decision(
            clause="QS-4.1.1", verdict=Verdict.OWED, what="a free tariff has no periods", amount=Money.of(0, "RUB")
        )
    if facts.months not in tariff.prices:
        return Decision(clause="QS-4.1.1", verdict=Verdict.REFUSED, what="a period is 1, 3, 9 or 12 months")
    return Decision(
        clause="QS-4.1.1",
        verdict=Verdict.OWED,
        what=f"{tariff.title}, {facts.months} calendar months",
        amount=tariff.prices[facts.months],
    )


class NewTermsFacts(Frozen):
    """When new tariffs or a new offer were published and users notified, and the day from which they are to hold."""

    published_at: Moment
    notified_at: Moment
    holds_from: date


@rule("QS-4.1.3", NewTermsFacts)
def new_terms(facts: NewTermsFacts) -> Decision:
    """New tariffs and a new offer are published and notified at least 14 calendar days before they bind.

    14 whole Moscow days lie between the later of the two and the first day they hold: that is day of notice + 15.
    """
    told_on = local_date(max(facts.published_at, facts.notified_at), ZONE)
    soonest = date.fromordinal(told_on.toordinal() + 15)
    late = facts.holds_from < soonest
    return Decision(
        clause="QS-4.1.3",
        verdict=Verdict.REFUSED if late else Verdict.ALLOWED,
        what=f"they may hold from {soonest.isoformat()} on",
        values={"soonest": soonest.isoformat()},
    )


class PaymentFacts(Frozen):
    """A project's payment: the price, what has been received, and whether the bank cancelled or disputes it."""

    price: Money
    received: Money
    cancelled_or_disputed: bool = False

    @model_validator(mode="after")
    def _one_currency(self) -> PaymentFacts:
        if self.price.currency != self.received.currency:
            raise ValueError("price and payment are in one currency")
        return self


@rule("QS-4.2.1", PaymentFacts)
def prepayment(facts: PaymentFacts) -> Decision:
    """100 % is paid beforehand; a cancelled or disputed transaction suspends the project until the money is there."""
    if facts.cancelled_or_disputed:
        return Decision(clause="QS-4.2.1", verdict=Verdict.ACTION, what="suspend the project")
    if facts.received < facts.price:
        missing = facts.price - facts.received
        return Decision(clause="QS-4.2.1", verdict=Verdict.REFUSED, what="not paid in full", amount=missing)
    return Decision(
        clause="QS-4.2.1", verdict=Verdict.ACTION, what="activate the project", amount=facts.received - facts.price
    )


class PeriodFacts(Frozen):
    """When a period begins (the moment access is given or the former period ends) and its months."""

    begins_at: Moment
    months: int


@rule("QS-4.2.2", PeriodFacts)
def period(facts: PeriodFacts) -> Decision:
    """Periods are of 1, 3, 9 or 12 calendar months, counted from the moment of activation on the Moscow wall clock.

    A month that has no such day ends on its last day. The end is the last paid instant.
    """
    if facts.months not in PERIODS:
        return Decision(clause="QS-4.2.2", verdict=Verdict.REFUSED, what="a period is 1, 3, 9 or 12 months")
    ends = in_calendar_months(facts.begins_at, facts.months, ZONE)
    return Decision(clause="QS-4.2.2", verdict=Verdict.DUE, what="the paid period ends", deadline=ends)


class PayerFacts(Frozen):
    """Who pays."""

    payer: Literal["person", "entrepreneur", "company"]


@rule("QS-4.2.3", PayerFacts)
def way_of_payment(facts: PayerFacts) -> Decision:
    """People and sole entrepreneurs pay by YooKassa, legal entities by an invoice."""
    way = "invoice" if facts.payer == "company" else "yookassa"
    return Decision(clause="QS-4.2.3", verdict=Verdict.ACTION, what=f"pay by {way}", values={"way": way})


class RunningFacts(Frozen):
    """A paid project: the end of its period, and the moment at which we look."""

    paid_until: Moment
    now: Moment


@rule("QS-4.3.1", RunningFacts)
def period_end(facts: RunningFacts) -> Decision:
    """We never charge by ourselves. After the last paid instant access is suspended; a new payment restores it."""
    over = facts.now > facts.paid_until
    return Decision(
        clause="QS-4.3.1",
        verdict=Verdict.ACTION if over else Verdict.ALLOWED,
        what="suspend access" if over else "access lasts",
        deadline=Deadline(due=facts.paid_until, zone=ZONE),
        values={"suspend": over},
    )


class FreeProjectFacts(Frozen):
    """How many active free projects a user has."""

    active_free_projects: int = Field(ge=0)


@rule("QS-4.4.2", FreeProjectFacts)
def free_project(facts: FreeProjectFacts) -> Decision:
    """One active free project a user. A suspended or ended one does not count."""
    room = facts.active_free_projects == 0
    return Decision(
        clause="QS-4.4.2",
        verdict=Verdict.ALLOWED if room else Verdict.REFUSED,
        what="a free project" if room else "the user has an active free project",
    )


class AcceptanceFacts(Frozen):
    """How a user accepted the offer, and when."""

    registered_at: Moment | None = None
    paid_at: Moment | None = None


@rule("QS-10.1", AcceptanceFacts)
def acceptance(facts: AcceptanceFacts) -> Decision:
    """The agreement begins with registration, or with a payment without one: then we register the payer ourselves."""
    moments = [moment for moment in (facts.registered_at, facts.paid_at) if moment]
    if not moments:
        return Decision(clause="QS-10.1", verdict=Verdict.REFUSED, what="no agreement: neither registered nor paid")
    by_payment = facts.registered_at is None
    return Decision(
        clause="QS-10.1",
        verdict=Verdict.ACTION if by_payment else Verdict.ALLOWED,
        what="register the payer" if by_payment else "agreed by registration",
        values={"agreed_at": min(moments).isoformat(), "register_payer": by_payment},
    )
