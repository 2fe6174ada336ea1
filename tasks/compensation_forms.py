"""Compensations as people propose them and decide on them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from blocks.terms.money import Money
from tasks.order_forms import Form, OrderNumber
from tasks.outage_forms import Person, Text


class InterceptionClaim(Form):
    """A call intercepted on the line, and what of its proof there is (KS-3.10c)."""

    clause: Literal["KS-3.10c"] = "KS-3.10c"
    recording: bool
    addresses: bool
    ports: bool
    cipher: bool


class DamagesClaim(Form):
    """Damages that a user of QS asks for; they are capped (QS-6.2.3)."""

    clause: Literal["QS-6.2.3"] = "QS-6.2.3"
    claimed: Money


class NoAccessClaim(Form):
    """The paid period of QS, as the ledger has it, in which access was never given (QS-4.3.2)."""

    clause: Literal["QS-4.3.2"] = "QS-4.3.2"
    access_given_at_any_time: bool
    cause_is_ours: bool


Claim = Annotated[InterceptionClaim | DamagesClaim | NoAccessClaim, Field(discriminator="clause")]


class ProposalForm(Form):
    """A compensation that a person proposes for an order; another person decides on it."""

    order: OrderNumber
    operator: Person
    what: Text
    claim: Claim


class CompensationDecision(Form):
    """A second person's decision on a proposed compensation.

    Where the proposal has no amount, approving it with an `amount` proposes that amount; another person then decides.
    """

    compensation: Annotated[str, Field(pattern=r"^C-\d{4}-\d{6,}$", examples=["C-2026-000001"])]
    operator: Person
    approve: bool
    reason: Text
    amount: Money | None = None
