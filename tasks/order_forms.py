"""Orders, payment notifications, bank receipts and decisions, as they look on the wire and in the UI's forms."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field, StringConstraints, model_validator

from blocks.clients.ca.pem import must_stand_alone
from blocks.errors import Refused
from blocks.terms.money import Money
from blocks.terms.ssl_prices import PRODUCTS
from tasks.ssl_application import why_refused


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("only printable characters, on one line")
    return value


def _request_alone(csr: str) -> str:
    try:
        must_stand_alone(csr)
    except Refused as refusal:
        raise ValueError(str(refusal)) from None
    return csr


ACCOUNT = r"^LS-\d{6,9}$"
"""The number of a personal account: its customer's own, so that people can say it on the telephone."""
OrderNumber = Annotated[str, Field(pattern=r"^[A-Z]{2,3}-\d{4}-\d{6,}$", examples=["KS-2026-000001"])]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_printable)]


class EventKind(StrEnum):
    """The kinds of event that the inbox takes."""

    ORDER = "order.created"
    PAYMENT = "payment.notification"
    RECEIPT = "bank.receipt"
    DECISION = "order.decision"
    SHOWN = "secret.shown"
    GO_ON = "order.go_on"
    TICKET = "ticket.created"
    TICKET_ACT = "ticket.act"
    LINES = "lines.stated"


class Form(BaseModel):
    """What a person or an outside system fills in: it does not change, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CustomerForm(Form):
    """Who orders. Companies pay by invoice, people and sole entrepreneurs online (QS-4.2.3)."""

    kind: Literal["person", "entrepreneur", "company"]
    name: Annotated[Line, Field(max_length=300, description="Full name, or the company's name")]
    email: EmailStr
    inn: Annotated[str, Field(pattern=r"^(\d{9,10}|\d{12})$", description="ИНН, or УНП of Belarus")] | None = None
    position: Annotated[Line, Field(max_length=200)] | None = None


class ComplexItem(Form):
    """KeepSecrets: a package (KS-4.1), how its access data goes out (KS-1.4), where its servers stand (KS-2.8).

    Packages of 50 and 100 may bring a domain of the second level (KS-4.3, `xn--` for what is not ASCII) and wish for
    other limits (KS-3.5): the largest e-mail in MB, the longest call in seconds (0: none).
    """

    agreement: Literal["KS"] = "KS"
    contacts: Annotated[int, Field(ge=1, le=10_000)]
    delivery: Literal["electronic", "envelope"] = "electronic"
    jurisdiction: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    domain: Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True), Field(max_length=253)] | None = None
    mail_mb: Annotated[int, Field(ge=1, le=100)] | None = None
    call_seconds: Annotated[int, Field(ge=0, le=86_400)] | None = None


class ProjectItem(Form):
    """QSockets: a project on a tariff for a period (QS-4.2.2); `months` is 0 for a free tariff.

    `renews` names an existing project whose access a further period prolongs or brings back (QS-4.3.1).
    """

    agreement: Literal["QS"] = "QS"
    tariff: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]
    months: Literal[0, 1, 3, 9, 12] = 0
    renews: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")] | None = None


class Applicant(Form):
    """Who stands for the customer before the CA, and where it resides (SSL-4.2). `country` is ISO 3166."""

    first_name: Annotated[Line, Field(max_length=100)]
    last_name: Annotated[Line, Field(max_length=100)]
    position: Annotated[Line, Field(max_length=100, examples=["Директор"])]
    phone: Annotated[str, Field(pattern=r"^\+\d{7,15}$", examples=["+375170000000"])]
    address: Annotated[Line, Field(max_length=200)]
    city: Annotated[Line, Field(max_length=100)]
    region: Annotated[Line, Field(max_length=100)]
    postcode: Annotated[str, Field(pattern=r"^[A-Za-z0-9 -]{2,12}$", examples=["220000"])]
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$", examples=["BY"])]


class CertificateItem(Form):
    """A certificate for a year (SSL-4.1): whose data goes to the CA, for which name, what it is paid in and how.

    `domain` is the leading name of the request `csr` (PEM), in DNS form; its key stays with the customer. `pay_from` is
    the personal account (лицевой счёт) or an invoice (SSL-7.3).
    """

    agreement: Literal["SSL"] = "SSL"
    product: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$", examples=["alphassl"])]
    residence: Annotated[Literal["resident", "non-resident"], Field(description="Of Belarus")]
    currency: Literal["BYN", "EUR", "USD", "RUB"]
    years: Literal[1] = 1
    domain: Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True), Field(max_length=253)]
    csr: Annotated[str, Field(max_length=16_384)]
    applicant: Applicant
    authority_stated: Annotated[Literal[True], Field(description="The customer administers the domain (SSL-4.1)")]
    pay_from: Literal["invoice", "account"] = "invoice"

    @model_validator(mode="after")
    def _can_be_done(self) -> CertificateItem:
        if self.residence == "resident" and self.currency != "BYN":
            raise ValueError("residents of Belarus pay in BYN (SSL-A1)")
        if why := why_refused(self.product, self.domain, self.csr):
            raise ValueError(why)
        return self


ITEMS: Mapping[str, type[ComplexItem | ProjectItem | CertificateItem]] = {
    "KS": ComplexItem,
    "QS": ProjectItem,
    "SSL": CertificateItem,
}
"""What can be ordered, by agreement."""


class OrderForm(Form):
    """An order as a shop sends it, or as an operator fills it in. `order` is the shop's own number.

    A company is known by its INN, unless it is foreign and orders a certificate.
    """

    order: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,100}$")]
    customer: CustomerForm
    item: Annotated[ComplexItem | ProjectItem | CertificateItem, Field(discriminator="agreement")]

    @model_validator(mode="after")
    def _companies_have_inn(self) -> OrderForm:
        foreign = isinstance(self.item, CertificateItem) and self.item.residence == "non-resident"
        if self.customer.kind == "company" and not self.customer.inn and not foreign:
            raise ValueError("a company is known by its INN")
        return self

    @model_validator(mode="after")
    def _organizations_are_examined(self) -> OrderForm:
        if isinstance(self.item, CertificateItem) and self.customer.kind == "person":
            product = PRODUCTS[self.item.product]
            if product.validation != "DV":
                raise ValueError(f"{product.title} is for organizations alone")
        return self


class BankReceipt(Form):
    """Money that arrived at the bank, for an invoice or for a personal account (лицевой счёт, SSL-7.2).

    `reference` is the bank's own number of the transfer. `payer` is who paid, by name or ИНН/УНП; it is empty where the
    payment came through ЕРИП, which names the account alone.
    """

    order: (
        Annotated[str, Field(pattern=r"^[A-Za-z0-9._:/-]{1,200}$", description="The order's number on the invoice")]
        | None
    ) = None
    account: Annotated[str, Field(pattern=ACCOUNT, examples=["LS-000001"])] | None = None
    payer: Annotated[Line, Field(max_length=300)] | None = None
    amount: Money
    reference: Annotated[Line, Field(max_length=64)]

    @model_validator(mode="after")
    def _names_one(self) -> BankReceipt:
        if (self.order is None) == (self.account is None):
            raise ValueError("a receipt is for an order or for an account")
        if self.amount.minor <= 0:
            raise ValueError("a receipt is of more than nothing")
        return self

    @property
    def event_id(self) -> str:
        """Under which id the inbox takes it: once by the bank's number, for whoever it is said to be for."""
        if self.account is None:
            return f"receipt:{self.reference}"
        said = sha256(f"{self.account} {self.payer or ''}".encode()).hexdigest()[:12]
        return f"receipt:{self.reference}:{said}"


class Action(StrEnum):
    """What an operator can decide about an order."""

    RESUME = "resume"
    CANCEL = "cancel"
    CONFIRM_HANDOVER = "confirm handover"
    SUSPEND = "suspend"
    SETTLE_SURPLUS = "settle surplus"
    SEND_AGAIN = "send again"
    TAKE_PAYMENT = "take payment"
    FULFIL = "fulfil obligation"
    DELETE = "delete complex"
    PROPOSE = "propose correction"
    DECLINE = "decline"


class OrderDecision(Form):
    """An operator's decision on an order: who, what, and why."""

    order: OrderNumber
    action: Action
    operator: Annotated[Line, Field(max_length=120)]
    note: Annotated[Line, Field(max_length=500)]
    email: EmailStr | None = Field(default=None, description="With `send again`: the customer's corrected address")
    payment: int | None = Field(default=None, description="With `take payment`: the ledger's number of the payment")
    obligation: Annotated[Line, Field(max_length=200)] | None = Field(
        default=None, description="With `fulfil obligation`: how its wording begins"
    )
    domain: Annotated[Line, Field(max_length=253)] | None = Field(
        default=None, description="With `delete complex`: its domain, typed once more"
    )
    ended_on: date | None = Field(default=None, description="With `delete complex`: the agreement's last day")
    refund: bool | None = Field(
        default=None, description="With `decline` of a paid certificate: whether its price returns to the account"
    )
    csr: Annotated[str, Field(max_length=16_384), AfterValidator(_request_alone)] | None = Field(
        default=None, description="With `resume` of a certificate: the customer's corrected request (PEM)"
    )


class YooKassaObject(BaseModel):
    """The part of a notification that is believed: the payment's id (a refund names it beside its own)."""

    model_config = ConfigDict(extra="ignore")

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]
    payment_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")] | None = None


class YooKassaNotification(BaseModel):
    """A notification of YooKassa. It carries no signature, so it is only a hint to fetch the payment."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["notification"]
    event: Annotated[str, Field(pattern=r"^[a-z_.]{1,48}$")]
    object: YooKassaObject
