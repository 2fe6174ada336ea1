"""What a person fills in about certificates: one is ordered, replaced at once, an order at a CA goes on or ends."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from blocks.clients.ca.addresses import DomainName, Name
from blocks.terms.certificate_notice import Emergency
from blocks.terms.certificates import KeyKind
from tasks.order_forms import Form, Line

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,180}$", examples=["mail.example.net"])]
Person = Annotated[Line, Field(max_length=120)]
Fingerprint = Annotated[
    str,
    Field(pattern=r"^\s*(([0-9A-Fa-f]{2}:?){32})?\s*$"),
    AfterValidator(lambda text: text.replace(":", "").strip().lower()),
]
Reason = Annotated[Line, Field(max_length=500)]


class IssueForm(Form):
    """One certificate for one or many names, the first leading; `slug` empty: the first name.

    Names, authority and key of a site that stands already are its own and are not said again.
    """

    names: tuple[DomainName, ...] = Field(default=(), max_length=100)
    authority: Name | None = None
    key: KeyKind = KeyKind.EC_P256
    slug: Slug | None = None
    operator: Person


class EmergencyForm(Form):
    """What is replaced at once, and why: an exception from KS-3.8 that goes on record. The site is typed twice.

    `fingerprint` (SHA-256) is that of a certificate which is yet to come, where it is that one; empty: what is shown.
    """

    slug: Slug
    slug_again: str
    fingerprint: Fingerprint = ""
    reason: Emergency
    operator: Person
    note: Reason


class CaOrderForm(Form):
    """An order at a CA, by its site; who decides, and why."""

    slug: Slug
    operator: Person
    note: Reason
