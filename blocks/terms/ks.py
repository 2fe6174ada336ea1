"""KeepSecrets (KS): the communications complex. Roubles, Moscow time, the Russian calendar.

Комплекс связи: XMPP, mail and SIP for a fixed number of contacts; a one-off connection (подключение) and a yearly
service. Orders, prices and access data (данные доступа) are here; what is owed for failures is in `ks_liability`.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from blocks.errors import NotFound
from blocks.terms.base import Deadline, Decision, Frozen, Moment, Verdict, rule
from blocks.terms.deadlines import in_calendar_months, local_date
from blocks.terms.money import Money
from blocks.terms.policy import ORDER_POLICY
from blocks.terms.tariffs import Timeline
from blocks.terms.zones import MOSCOW

ZONE = MOSCOW


class Package(Frozen):
    """A package (пакет): its contacts, the one-off connection and the yearly price."""

    contacts: int
    connection: Money
    yearly: Money

    @property
    def dedicated(self) -> bool:
        """Whether KS-4.3 gives it a dedicated server, a second-level domain and its DNS."""
        return self.contacts >= 50

    @property
    def first_year(self) -> Money:
        """Connection and the first year: what an order costs."""
        return self.connection + self.yearly


def _packages(*rows: tuple[int, int, int]) -> dict[int, Package]:
    return {n: Package(contacts=n, connection=Money.of(c, "RUB"), yearly=Money.of(y, "RUB")) for n, c, y in rows}


PACKAGES: Timeline[dict[int, Package]] = Timeline(
    "KS price list",
    [
        (
            date(2019, 5, 30),
            _packages(
                (2, 3999, 9990),
                (6, 9999, 19990),
                (12, 14999, 34990),
                (20, 19999, 49990),
                (50, 100000, 99990),
                (100, 100000, 199990),
            ),
        )
    ],
)


def package_on(contacts: int, day: date) -> Package:
    """The package of that many contacts on a day (KS-4.1). Raises NotFound for an unknown package or an early day."""
    packages = PACKAGES.on(day)
    if contacts not in packages:
        raise NotFound("KS package of contacts", str(contacts))
    return packages[contacts]


def _no_package(clause: str, missing: NotFound) -> Decision:
    return Decision(clause=clause, verdict=Verdict.REFUSED, what=f"{missing}: not in the price list of that day")


class PriceFacts(Frozen):
    """An order of a package: how many contacts, and the Moscow day of the order."""

    contacts: int = Field(ge=1, examples=[6])
    ordered_on: date = Field(examples=["2026-11-22"])


@rule("KS-4.1", PriceFacts)
def price(facts: PriceFacts) -> Decision:
    """What an order costs: connection and the first year, by the price list of the day of the order.

    The day is Moscow's. Contacts between two packages have no price: the number in a package never changes.
    """
    try:
        package = package_on(facts.contacts, facts.ordered_on)
    except NotFound as missing:
        return _no_package("KS-4.1", missing)
    return Decision(
        clause="KS-4.1",
        verdict=Verdict.OWED,
        what=f"connection and first year of {facts.contacts} contacts",
        amount=package.first_year,
        values={"connection": str(package.connection), "yearly": str(package.yearly)},
    )


class YearlyFacts(Frozen):
    """An agreement's package and day, and the day for which the yearly price is asked."""

    contacts: int = Field(ge=1, examples=[6])
    agreed_on: date = Field(examples=["2024-03-01"])
    asked_on: date = Field(examples=["2026-11-22"])


@rule("KS-4.2", YearlyFacts)
def yearly_price(facts: YearlyFacts) -> Decision:
    """The yearly price is that of the day of the agreement, for its whole term.

    A later rise never reaches the customer. A later cut does not either: it takes a new agreement, and the decision
    names the new price so that a person can offer one. `asked_on` before `agreed_on` is refused.
    """
    if facts.asked_on < facts.agreed_on:
        return Decision(clause="KS-4.2", verdict=Verdict.REFUSED, what="no agreement yet on the day asked for")
    try:
        frozen = package_on(facts.contacts, facts.agreed_on).yearly
    except NotFound as missing:
        return _no_package("KS-4.2", missing)
    listed = PACKAGES.on(facts.asked_on).get(facts.contacts)
    values: dict[str, str | int | bool] = {"listed_now": str(listed.yearly) if listed else "not sold"}
    if listed and listed.yearly < frozen:
        values["cheaper_by_new_agreement"] = True
    return Decision(
        clause="KS-4.2", verdict=Verdict.OWED, what="yearly price frozen at agreement", amount=frozen, values=values
    )


class PackageFacts(Frozen):
    """A package by its contacts."""

    contacts: int = Field(ge=1, examples=[50])


@rule("KS-4.3", PackageFacts)
def dedicated_resources(facts: PackageFacts) -> Decision:
    """Packages of 50 and of 100 contacts get a dedicated server, a second-level domain and DNS of its zone."""
    dedicated = facts.contacts in (50, 100)
    return Decision(
        clause="KS-4.3",
        verdict=Verdict.ACTION if dedicated else Verdict.ALLOWED,
        what="provide a dedicated server, a second-level domain and its DNS" if dedicated else "shared servers",
        values={"dedicated": dedicated},
    )


class JurisdictionFacts(Frozen):
    """Where the customer wants its servers: an ISO 3166 country code, or nothing."""

    wish: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = Field(default=None, examples=["DE"])


@rule("KS-2.8", JurisdictionFacts)
def jurisdiction(facts: JurisdictionFacts) -> Decision:
    """European data centres ("EU") unless the order names a country; any country can be named."""
    return Decision(clause="KS-2.8", verdict=Verdict.ALLOWED, what="jurisdiction", values={"place": facts.wish or "EU"})


class ReceiptFacts(Frozen):
    """A customer's message (an order or a request) and when it arrived."""

    received_at: Moment


@rule("KS-1.3", ReceiptFacts)
def receipt(facts: ReceiptFacts) -> Decision:
    """A message is answered electronically: receipt and its time, the time needed, later the outcome.

    The clause gives no term for the answer; ours is `receipt_minutes`. `minutes_needed` is what the answer states.
    """
    policy = ORDER_POLICY.on(local_date(facts.received_at, ZONE))
    return Decision(
        clause="KS-1.3",
        verdict=Verdict.DUE,
        what="confirm receipt, its time and the time needed",
        deadline=in_minutes(facts.received_at, policy.receipt_minutes),
        values={"minutes_needed": policy.activation_minutes},
    )


def in_minutes(moment: Moment, minutes: int) -> Deadline:
    """Plain minutes after an instant, in the agreement's zone."""
    return Deadline(due=moment + timedelta(minutes=minutes), zone=ZONE)


class DeliveryFacts(Frozen):
    """How the customer chose to get its access data."""

    delivery: Literal["electronic", "envelope"]


@rule("KS-1.4", DeliveryFacts)
def access_data_delivery(facts: DeliveryFacts) -> Decision:
    """Electronic: an encrypted file by e-mail, its password generated by us and shown once on the customer's screen.

    Envelope: printed and sealed; a person confirms the handing over. We read "on the customer's screen" as a page that
    only the customer's link opens and that shows the password on a deliberate press, never on mere opening.
    """
    steps = {
        "electronic": "send the encrypted file by e-mail; show its password once",
        "envelope": "print, seal and hand over; a person confirms",
    }
    return Decision(clause="KS-1.4", verdict=Verdict.ACTION, what=steps[facts.delivery])


class NoticeFacts(Frozen):
    """What is known of a notice sent to a customer."""

    channel: Literal["email", "message", "telephone", "sms"]
    delivery_proven: bool
    bounced: bool = False


@rule("KS-1.5", NoticeFacts)
def notice_counts(facts: NoticeFacts) -> Decision:
    """A notice counts only through a channel that can prove delivery, and when it has.

    E-mail with a delivery status and messages with receipts can; a telephone call and a plain SMS cannot.
    """
    counts = facts.channel in ("email", "message") and facts.delivery_proven and not facts.bounced
    return Decision(
        clause="KS-1.5",
        verdict=Verdict.ALLOWED if counts else Verdict.REFUSED,
        what="the notice has been given" if counts else "the notice has not been given: no proof of delivery",
    )


class HandoverFacts(Frozen):
    """What has happened to the access data: file or envelope out, password shown or receipt confirmed."""

    delivery: Literal["electronic", "envelope"]
    sent: bool
    password_shown: bool = False
    confirmed_by: str | None = None


@rule("KS-2.1", HandoverFacts)
def connection_complete(facts: HandoverFacts) -> Decision:
    """Handing over the access data completes the connection service.

    We read handing over as: the file sent and its password shown; or, for an envelope, a named person's confirmation.
    """
    done = facts.sent and (
        facts.password_shown if facts.delivery == "electronic" else bool((facts.confirmed_by or "").strip())
    )
    return Decision(
        clause="KS-2.1",
        verdict=Verdict.ACTION,
        what="complete the connection service" if done else "wait for the handing over",
        values={"complete": done},
    )


class RecoveryFacts(Frozen):
    """A customer's request about access data that it no longer has or trusts."""

    request: Literal["recover", "correct", "lost", "compromised"]


@rule("KS-2.2", RecoveryFacts)
def access_data_recovery(facts: RecoveryFacts) -> Decision:
    """Access data is generated uniformly, and never corrected or recovered; no plaintext exists to recover it from.

    New access data under a new order is not recovery; whether to offer it free of charge a person decides.
    """
    return Decision(
        clause="KS-2.2", verdict=Verdict.REFUSED, what=f"{facts.request}: access data is not corrected or recovered"
    )


NUMBER = re.compile(r"[1-9]\d{3,4}")


def _account_name(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9]{1,31}", value):
        raise ValueError("an account name is lower-case Latin letters and digits, and starts with a letter")
    return value


AccountName = Annotated[str, AfterValidator(_account_name)]


class AccountsFacts(Frozen):
    """A package and the domain that serves it."""

    contacts: int = Field(ge=1, le=9000, examples=[6])
    domain: str = Field(pattern=r"^[a-z0-9.-]+\.[a-z0-9-]+$", examples=["k000001.example.net"])


class Contact(Frozen):
    """One contact's accounts: the same name for XMPP and mail, and an internal SIP number."""

    name: AccountName
    address: str
    number: str


def contacts_of(facts: AccountsFacts) -> list[Contact]:
    """The accounts of a package: c001.. for XMPP and mail, 1001.. for SIP (KS-2.2, KS-2.3, KS-2.4, KS-2.5)."""
    return [
        Contact(name=f"c{n:03d}", address=f"c{n:03d}@{facts.domain}", number=str(1000 + n))
        for n in range(1, facts.contacts + 1)
    ]


@rule("KS-2.3", AccountsFacts)
def xmpp_accounts(facts: AccountsFacts) -> Decision:
    """One XMPP account a contact, in the domain of the customer; named uniformly."""
    return _accounts("KS-2.3", "XMPP accounts", [c.address for c in contacts_of(facts)])


@rule("KS-2.4", AccountsFacts)
def sip_accounts(facts: AccountsFacts) -> Decision:
    """One SIP account a contact, with an internal number of 4 digits from 1001 on (5 would be allowed too).

    Numbers are internal to the customer; 0000 is the provider's support and is never given out.
    """
    return _accounts("KS-2.4", "internal SIP numbers", [c.number for c in contacts_of(facts)])


@rule("KS-2.5", AccountsFacts)
def mailboxes(facts: AccountsFacts) -> Decision:
    """One mailbox a contact, at the same address as its XMPP account."""
    return _accounts("KS-2.5", "mailboxes", [c.address for c in contacts_of(facts)])


def _accounts(clause: str, what: str, names: list[str]) -> Decision:
    return Decision(
        clause=clause,
        verdict=Verdict.ACTION,
        what=f"create {len(names)} {what}",
        values={"count": len(names), "first": names[0], "last": names[-1]},
    )


def paid_until(active_from: Moment) -> Deadline:
    """The end of the yearly service that starts at an instant: twelve calendar months, Moscow (KS-2.1)."""
    return in_calendar_months(active_from, 12, ZONE)
