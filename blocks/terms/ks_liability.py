"""KeepSecrets (KS): what is owed for outages and interception, each once in an agreement's life (App. 3)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from fractions import Fraction

from pydantic import model_validator

from blocks.terms.base import Decision, Frozen, Moment, Verdict, rule
from blocks.terms.deadlines import local_date
from blocks.terms.ks import ZONE
from blocks.terms.money import Money


class Outage(Frozen):
    """An interval without access to the services, ends included as instants.

    `works`: the allowed works within it; they shorten it and do not make two of it. `numbers`: the journal's.
    """

    began_at: Moment
    ended_at: Moment
    works: timedelta = timedelta()
    numbers: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _runs_forward(self) -> Outage:
        if self.ended_at < self.began_at:
            raise ValueError("an outage does not end before it began")
        if not timedelta() <= self.works <= self.ended_at - self.began_at:
            raise ValueError("works within an outage are not longer than it")
        return self

    @property
    def length(self) -> timedelta:
        """How long it lasted, without works."""
        return self.ended_at - self.began_at - self.works


class OutageFacts(Frozen):
    """A customer's outages, its yearly price, and whether this compensation was given before in the agreement."""

    outages: tuple[Outage, ...]
    yearly_price: Money
    given_before: bool = False


_HALF_HOUR, _HOUR, _LONG = timedelta(minutes=30), timedelta(hours=1), timedelta(hours=3)


def _once(clause: str, facts: OutageFacts, what: str, amount: Money) -> Decision:
    if facts.given_before:
        return Decision(clause=clause, verdict=Verdict.REFUSED, what=f"{what}: given once already, and it is one-off")
    return Decision(clause=clause, verdict=Verdict.OWED, what=what, amount=amount)


def repeated(outages: Iterable[Outage]) -> list[tuple[Outage, ...]]:
    """The outages of 30 to 60 minutes of each Moscow month that has more than one, in the order of time."""
    months: dict[date, list[Outage]] = {}
    for outage in sorted(outages, key=lambda outage: outage.began_at):
        if _HALF_HOUR <= outage.length <= _HOUR:
            months.setdefault(local_date(outage.began_at, ZONE).replace(day=1), []).append(outage)
    return [tuple(found) for found in months.values() if len(found) > 1]


@rule("KS-3.10a", OutageFacts)
def short_outages(facts: OutageFacts) -> Decision:
    """Two or more outages of 30 to 60 minutes in one calendar month: half of the yearly price, once in an agreement.

    Both bounds are inclusive. An outage belongs to the Moscow month in which it began. Lengths are exact intervals.
    """
    if not repeated(facts.outages):
        return Decision(clause="KS-3.10a", verdict=Verdict.REFUSED, what="no second such outage in one month")
    return _once("KS-3.10a", facts, "half of the yearly price", facts.yearly_price.times(Fraction(1, 2)))


@rule("KS-3.10b", OutageFacts)
def long_outage(facts: OutageFacts) -> Decision:
    """An outage of 3 hours or more without a break: the whole yearly price, once in an agreement.

    Over 60 minutes and under 3 hours the agreement names no compensation: nothing is owed by itself, a person decides.
    """
    long = any(outage.length >= _LONG for outage in facts.outages)
    if long and not facts.given_before:
        return _once("KS-3.10b", facts, "the whole yearly price", facts.yearly_price)
    if any(_HOUR < outage.length < _LONG for outage in facts.outages):
        return Decision(
            clause="KS-3.10b", verdict=Verdict.PERSON, what="an outage between 60 minutes and 3 hours: not provided for"
        )
    if long:
        return _once("KS-3.10b", facts, "the whole yearly price", facts.yearly_price)
    return Decision(clause="KS-3.10b", verdict=Verdict.REFUSED, what="no outage of 3 hours")


class InterceptionFacts(Frozen):
    """A claim that a call was intercepted on the line, and what it is proven with."""

    yearly_price: Money
    recording: bool
    addresses: bool
    ports: bool
    cipher: bool
    given_before: bool = False


@rule("KS-3.10c", InterceptionFacts)
def intercepted_call(facts: InterceptionFacts) -> Decision:
    """A call intercepted on the line, proven by its recording, both sides' addresses and ports, and the cipher.

    Ten yearly prices, once in an agreement. An incomplete proof is not a refusal: a person decides.
    """
    if not (facts.recording and facts.addresses and facts.ports and facts.cipher):
        return Decision(clause="KS-3.10c", verdict=Verdict.PERSON, what="the proof is not complete")
    if facts.given_before:
        return Decision(clause="KS-3.10c", verdict=Verdict.REFUSED, what="given once already, and it is one-off")
    return Decision(
        clause="KS-3.10c", verdict=Verdict.OWED, what="ten yearly prices", amount=facts.yearly_price.times(10)
    )
