"""The certificate reseller (SSL): what is owed, how it is paid, when it is rendered, what it costs. Minsk time."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, model_validator

from blocks.errors import NotFound
from blocks.terms.base import Decision, Frozen, Moment, Verdict, rule
from blocks.terms.deadlines import local_date
from blocks.terms.money import Currency, Money
from blocks.terms.revenue import month_of
from blocks.terms.ssl import ZONE, in_minsk_days
from blocks.terms.ssl_prices import price_on, product

_CREDIT_DAYS = 3


class ClaimFacts(Frozen):
    """What a customer claims, and what it paid for the service, in one currency."""

    claimed: Money
    paid: Money

    @model_validator(mode="after")
    def _one_currency(self) -> ClaimFacts:
        if self.claimed.currency != self.paid.currency:
            raise ValueError("the claim and the money paid are in one currency")
        return self


@rule("SSL-6.1", ClaimFacts)
def liability(facts: ClaimFacts) -> Decision:
    """We owe what is proven, at most what was paid for the service; a refusal by the CA is no breach of ours (6.3)."""
    return Decision(
        clause="SSL-6.1",
        verdict=Verdict.OWED,
        what="at most what was paid for the service",
        amount=min(facts.claimed, facts.paid),
        values={"limit": str(facts.paid)},
    )


class TopUpFacts(Frozen):
    """A payment to a personal account: what its paper names, and when the bank gave it to us.

    `erip` is a payment through the state's settlement system (ЕРИП), which names the account alone.
    """

    account: str
    payer: str
    erip: bool = False
    presented_at: Moment


@rule("SSL-7.2", TopUpFacts)
def credited(facts: TopUpFacts) -> Decision:
    """A payment is known by account number and payer, by the number alone through ЕРИП; the bank's day counts.

    It stands on the personal account within 3 working days. What cannot be identified is credited to nobody.
    """
    if not facts.account.strip() or not (facts.erip or facts.payer.strip()):
        return Decision(clause="SSL-7.2", verdict=Verdict.PERSON, what="find out whose payment it is")
    return Decision(
        clause="SSL-7.2",
        verdict=Verdict.DUE,
        what="credit the personal account",
        deadline=in_minsk_days(facts.presented_at, _CREDIT_DAYS),
    )


class PaymentFacts(Frozen):
    """A service's price, and the money for it: what the personal account holds, or what came by an invoice.

    Of money by an invoice: the number on its paper, its payer, and whether it came through ЕРИП.
    """

    way: Literal["account", "invoice"]
    price: Money
    money: Money
    invoice: str = ""
    payer: str = ""
    erip: bool = False

    @model_validator(mode="after")
    def _one_currency(self) -> PaymentFacts:
        if self.price.currency != self.money.currency:
            raise ValueError("the price and the money are in one currency")
        return self


@rule("SSL-7.3", PaymentFacts)
def payment(facts: PaymentFacts) -> Decision:
    """A service is paid from the personal account, or by an invoice that its number and its payer identify.

    Through ЕРИП the number alone does. An account pays the price or nothing. Money by an invoice that is less or more
    than the price, or that nothing identifies, is decided by a person: the agreement is silent.
    """
    if facts.way == "account":
        enough = facts.price <= facts.money
        return Decision(
            clause="SSL-7.3",
            verdict=Verdict.ALLOWED if enough else Verdict.REFUSED,
            what="take the price from the personal account" if enough else "the personal account holds too little",
            amount=facts.price,
        )
    if not facts.invoice.strip() or not (facts.erip or facts.payer.strip()):
        return Decision(clause="SSL-7.3", verdict=Verdict.PERSON, what="find out which invoice was paid")
    exact = facts.price == facts.money
    return Decision(
        clause="SSL-7.3",
        verdict=Verdict.ALLOWED if exact else Verdict.PERSON,
        what="the invoice is paid" if exact else "the sum is not that of the invoice",
        amount=facts.price,
    )


class RenderedFacts(Frozen):
    """When the certificate was handed over (null: not yet), or when a refusal for fraud was sent."""

    handed_over_at: Moment | None
    fraud_notice_at: Moment | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> RenderedFacts:
        if self.handed_over_at is not None and self.fraud_notice_at is not None:
            raise ValueError("a certificate that was refused for fraud was not handed over")
        return self


@rule("SSL-7.5", RenderedFacts)
def rendered(facts: RenderedFacts) -> Decision:
    """Rendered when the certificate is handed over; after a refusal for fraud, when its notice goes out.

    Any other refusal renders nothing. `month` is the month in Minsk, whose act has the service (SSL-7.6).
    """
    at = facts.handed_over_at or facts.fraud_notice_at
    if at is None:
        return Decision(clause="SSL-7.5", verdict=Verdict.REFUSED, what="not rendered yet")
    day = local_date(at, ZONE)
    return Decision(
        clause="SSL-7.5",
        verdict=Verdict.ACTION,
        what=f"count the service as rendered on {day.isoformat()}",
        values={"rendered_on": day.isoformat(), "month": month_of(day)},
    )


class LeavingFacts(Frozen):
    """Who ends the agreement early, and what was paid for the service."""

    by: Literal["customer", "provider"]
    paid: Money


@rule("SSL-7.8", LeavingFacts)
def leaving(facts: LeavingFacts) -> Decision:
    """A customer who leaves early gets nothing of the service's price back, and our part counts as done.

    What lies on its personal account was paid for no service and stays its own. When it is we who end the agreement
    early the agreement is silent.
    """
    if facts.by == "provider":
        return Decision(clause="SSL-7.8", verdict=Verdict.PERSON, what="what returns when we end the agreement")
    return Decision(
        clause="SSL-7.8",
        verdict=Verdict.OWED,
        what="nothing returns, and our obligations count as fulfilled",
        amount=Money.of(0, facts.paid.currency),
    )


class PriceFacts(Frozen):
    """A product, whether the customer is a resident of Belarus, its currency, and the day of payment in Minsk."""

    product: str = Field(examples=["alphassl"])
    resident: bool
    currency: Currency
    paid_on: date = Field(examples=["2026-11-22"])


@rule("SSL-A1", PriceFacts)
def price(facts: PriceFacts) -> Decision:
    """A year costs what the lists of the day of payment say (SSL-5.1, 7.1), by product, residence and currency.

    Residents pay in roubles of Belarus. Others pay in the currencies of the row: the second list has no BYN for them.
    A day before the first list that we know has no price.
    """
    try:
        amount = price_on(facts.product, facts.paid_on, resident=facts.resident, currency=facts.currency)
        title = product(facts.product).title
    except NotFound as missing:
        return Decision(clause="SSL-A1", verdict=Verdict.REFUSED, what=f"{missing}: not in the list of that day")
    return Decision(clause="SSL-A1", verdict=Verdict.OWED, what=f"{title}, 1 year", amount=amount)
