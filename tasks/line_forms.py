"""Invoice lines as a source states them on the wire."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from blocks.terms.base import Moment
from blocks.terms.lines import LineFacts, readable
from blocks.terms.money import Money
from blocks.terms.revenue import LineState
from tasks.order_forms import Form

MOST_LINES = 500
"""Lines in one event; its body has no more bytes than any other webhook's."""


def _written_day(value: Any) -> Any:
    """A day is written out: a bare number would be read as seconds since 1970."""
    if isinstance(value, (int, float)):
        raise ValueError("a day is written as 2026-10-31")  # noqa: TRY004 - pydantic collects ValueError
    return value


def _readable(value: str) -> str:
    if not readable(value):
        raise ValueError("only printable characters, on one line")
    return value


Day = Annotated[date, BeforeValidator(_written_day)]
Words = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_readable)]
Id = Annotated[Words, Field(min_length=1, max_length=64)]
OptionalId = Annotated[Words, Field(max_length=64)]
Agreement = Literal["OCP", "SSL"]


class LineForm(Form):
    """A line of an invoice, as it stands at `stated_at`: the latest statement of a line holds.

    Days are included at both ends. `price` is of one piece without VAT; sums are computed here. `customer` is the end
    user's id at the ОЦП, or the e-mail of a certificate's customer.
    """

    line: Id
    invoice: Id
    customer: Annotated[Words, Field(min_length=1, max_length=254)]
    cart: OptionalId = ""
    service: Annotated[Words, Field(min_length=1, max_length=200)]
    tariff: Id
    begins_on: Day
    ends_on: Day
    quantity: Annotated[str, Field(pattern=r"^-?[0-9]{1,15}(\.[0-9]{1,3})?$", examples=["1", "0.500"])]
    price: Money
    vat_percent: Annotated[str, Field(pattern=r"^[0-9]{1,2}(\.[0-9]{1,2})?$", examples=["16", "0"])]
    state: LineState
    corrects: Annotated[OptionalId, Field(description="An earlier line, of `refunded` and `correction` only")] = ""
    stated_at: Moment

    def facts(self, agreement: Agreement) -> LineFacts:
        """The line as the rules see it. The e-mail of a certificate's customer is in lower case, as in the ledger."""
        return LineFacts(
            line=self.line,
            invoice=self.invoice,
            customer=self.customer.lower() if agreement == "SSL" else self.customer,
            cart=self.cart,
            service=self.service,
            tariff=self.tariff,
            begins_on=self.begins_on,
            ends_on=self.ends_on,
            quantity_milli=int(Decimal(self.quantity) * 1000),
            price_minor=self.price.minor,
            currency=self.price.currency,
            vat_bp=int(Decimal(self.vat_percent) * 100),
            state=self.state,
            corrects=self.corrects,
        )


class LinesForm(Form):
    """Lines of one agreement: taken all together or not at all."""

    agreement: Agreement
    lines: Annotated[tuple[LineForm, ...], Field(min_length=1, max_length=MOST_LINES)]
