"""What a CA can be asked. Every call can be repeated; no call waits longer than its client's time-outs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pydantic import Field

from blocks.terms.base import Frozen, Moment


class OrderState(StrEnum):
    """An order as RFC 8555 names its states; a reseller's own words are brought to these, an unknown one to PROCESSING.

    INVALID is the CA's own decision not to issue (SSL-4.7). A proof that failed is an error, `challenge`.
    """

    PENDING = "pending"
    READY = "ready"
    PROCESSING = "processing"
    VALID = "valid"
    INVALID = "invalid"


class Request(Frozen):
    """What is ordered. `names` are in lower case and DNS form (`xn--`), the first leads; `csr` is PEM and has them all.

    `intent` is a random word written down before the CA is asked; where a CA takes a reference of ours it is this one.
    `product` is an ACME profile or a reseller's product, empty where the CA has one kind alone. `replaces` is the PEM
    of the certificate that this one succeeds, or empty. `facts` are what a commercial CA asks of its customer.
    """

    intent: str
    names: tuple[str, ...] = Field(min_length=1)
    csr: str
    product: str = ""
    replaces: str = ""
    facts: Mapping[str, str] = Field(default_factory=dict)


class Placed(Frozen):
    """An order at a CA: its address or number there, its state, and until when the CA keeps it (None: it does not say).

    `wanted` says in plain words what the CA asks of the customer (documents, a call), empty where it asks nothing.
    `fraud` is set where it refused for fraud or false data (SSL-5.2). `problem` is the CA's own word of an INVALID one.
    """

    url: str
    state: OrderState
    expires_at: Moment | None = None
    wanted: str = ""
    problem: str = ""
    fraud: bool = False


class Advice(Frozen):
    """When a CA advises to renew (ARI, RFC 9773), and when it wants to be asked again."""

    start: Moment
    end: Moment
    ask_at: Moment
    why: str = ""


class Authority(Protocol):
    """One CA, with our account there.

    All raise Transient where it does not answer, is busy or limits our rate (`retry_after` as it says), and Refused for
    good. Reasons of Refused: `caa` (the DNS forbids this CA), `challenge` (it did not find our proof of the domain),
    `dns` and `tsig` (our name server does not take the proof), `identifier` (it never issues for such a name), `csr`,
    `account`, `order_expired` (place another), `gone` (it knows no such order), `unsupported`, `ca` for any other no.
    """

    @property
    def name(self) -> str:
        """How the settings name it."""

    def place(self, request: Request, *, now: datetime) -> Placed:
        """Place an order; CAA is checked before. Raises OutcomeUnknown where nobody knows whether it was placed."""

    def find(self, request: Request) -> Placed | None:
        """An order of that intent that was placed before, whose address we never wrote down; None where there is none.

        A CA whose orders cannot be looked for answers None: an order that nobody finalizes issues nothing.
        """

    def advance(self, url: str, request: Request, *, now: datetime) -> Placed:
        """Bring an order one bounded piece further (prove the domain, finalize, look), and tell how it stands then.

        What it put into the DNS is taken away when the order is valid or invalid.
        """

    def collect(self, url: str) -> str:
        """The chain of a VALID order as PEM, the leaf first."""

    def cancel(self, url: str) -> None:
        """End an order that issued nothing; one that is over already stays as it is."""

    def revoke(self, chain: str, reason: int) -> None:
        """Revoke for a reason of RFC 5280 (1 keyCompromise, 4 superseded, 5 cessation). Twice is no error."""

    def advice(self, chain: str, *, now: datetime) -> Advice | None:
        """When to renew a certificate, or None where the CA offers no ARI."""

    def check(self) -> str:
        """What was seen, for the doctor."""
