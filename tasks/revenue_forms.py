"""Lists, words on differences, signatures and payouts of the revenue split, as they look in the UI's forms."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator

from blocks.terms.base import Moment
from blocks.terms.money import Money
from blocks.terms.revenue import Cause, Month, Way
from tasks.order_forms import Form, Line

ActRef = Annotated[str, Field(pattern=r"^20\d{2}-(0[1-9]|1[0-2])(/[1-9]\d{0,2})?$", examples=["2026-10", "2026-10/1"])]
"""An act by its month, and by its edition where it corrects one: "2026-10", then "2026-10/1"."""
Side = Literal["ours", "operator"]
Person = Annotated[Line, Field(max_length=120, description="Who records it")]


class ListForm(Form):
    """A list of invoice lines that lies in the folder of lists: ours, or the Operator's."""

    act: ActRef
    side: Side
    file: Annotated[
        str, Field(pattern=r"^[^./\\\x00-\x1f][^/\\\x00-\x1f]{0,199}$", description="Its name in the folder of lists")
    ]
    operator: Person


class SettleForm(Form):
    """A person's word on open differences of one cause: on the lines named, or, when none is, on all of the cause.

    `no_list`: the month is made out without the Operator's list. `corrections`: the doubtful corrections of our list
    are right as they stand.
    """

    act: ActRef
    cause: Cause | Literal["no_list", "corrections"]
    lines: Annotated[tuple[str, ...], Field(max_length=1000, description="Empty: all open ones of the cause")] = ()
    way: Way
    operator: Person
    reason: Annotated[Line, Field(max_length=500)]

    @model_validator(mode="after")
    def _a_list_is_explained_as_a_whole(self) -> SettleForm:
        if not isinstance(self.cause, Cause) and (self.lines or self.way is not Way.EXPLAINED):
            raise ValueError("a list is explained as a whole: no lines are named, and there is nothing to accept")
        return self


class SignatureForm(Form):
    """One side signed the act and its invoice."""

    act: ActRef
    side: Literal["us", "operator"]
    who: Annotated[Line, Field(max_length=200, description="Who signed")]
    proof: Annotated[Line, Field(max_length=500, description="Where the signed copy is kept")]
    signed_at: Annotated[Moment | None, Field(description="When it was signed; empty: now")] = None
    operator: Person


class PayoutForm(Form):
    """Money that the Operator paid for an act. `reference` is the bank's own number of the transfer."""

    act: ActRef
    reference: Annotated[Line, Field(max_length=120)]
    paid_on: date
    amount: Money
    operator: Person


class ReopenForm(Form):
    """Reopen a month whose act is made out: a correction act follows. The reason stands in it, in Russian."""

    month: Month
    reason: Annotated[Line, Field(max_length=500)]
    operator: Person
