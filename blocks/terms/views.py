"""Frozen view models: what tasks read from the ledger and reports turn into documents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from blocks.terms.money import Money


@dataclass(frozen=True)
class Invoice:
    """An invoice (счёт на оплату). Its lines sum to its total; the moment of the order dates it.

    `account` is the number of the payer's personal account (лицевой счёт), empty where the agreement knows none.
    """

    number: str
    issued_at: datetime
    pay_by: datetime
    provider: str
    requisites: str
    customer: str
    inn: str
    lines: tuple[tuple[str, Money], ...]
    total: Money
    account: str = ""

    def __post_init__(self) -> None:
        if sum((line for _, line in self.lines), Money.of(0, self.total.currency)) != self.total:
            raise ValueError(f"the lines of {self.number} do not sum to its total")


@dataclass(frozen=True, repr=False)
class Credential:
    """One contact's access data in clear: in memory only, without a repr."""

    address: str
    number: str
    password: str


@dataclass(frozen=True, repr=False)
class AccessSheet:
    """What a credential file is rendered from: in memory only, without a repr."""

    number: str
    domain: str
    customer: str
    dated: datetime
    credentials: tuple[Credential, ...]


@dataclass(frozen=True)
class StoryLine:
    """One event of an order."""

    at: datetime
    what: str
    who: str
    why: str
    clause: str


@dataclass(frozen=True)
class OwedLine:
    """One obligation of an order, open or not."""

    clause: str
    what: str
    due_at: datetime
    state: str
    evidence: str


@dataclass(frozen=True)
class NoticeLine:
    """One notice of an order: whom it told what, and what is known of its delivery."""

    at: datetime
    kind: str
    recipient: str
    state: str


@dataclass(frozen=True)
class OrderStory:
    """An order's whole story. E-mail addresses are masked; nothing in it is a secret.

    `limits` are those of a complex (KS-3.5), empty for a project; `proofs` counts what proved its accounts to work.
    """

    number: str
    state: str
    hold_reason: str
    customer: str
    item: str
    price: Money
    received: Money
    service: str
    service_state: str
    paid_until: datetime | None
    lines: tuple[StoryLine, ...]
    owed: tuple[OwedLine, ...]
    notices: tuple[NoticeLine, ...]
    documents: tuple[tuple[str, str, str], ...]
    limits: str = ""
    proofs: int = 0
