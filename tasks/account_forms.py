"""The end of an agreement, and the keeping of a registration, as they look in the UI's forms."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from blocks.terms.base import Moment
from tasks.order_forms import Form, Line

Customer = Annotated[Line, Field(max_length=254, description="The customer's e-mail, or the number of an order")]


class EndingForm(Form):
    """Who leaves, from when, and why. A deletion request gives up the rest of a paid period; a leaving user does not.

    `ends_on` is the last day of the agreement (Moscow); 14 days lie between the notice and it (QS-8.2).
    """

    customer: Customer
    who: Literal["user", "provider", "deletion request"]
    noticed_at: Moment
    ends_on: date
    reason: Annotated[Line, Field(max_length=500)]
    operator: Annotated[Line, Field(max_length=120)]


class KeepForm(Form):
    """A registration stays after all: who says so, and why."""

    customer: Customer
    reason: Annotated[Line, Field(max_length=500)]
    operator: Annotated[Line, Field(max_length=120)]
