"""What people say of outages: that one began or ended, what they decide on it, what they report to the Operator."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, HttpUrl, model_validator

from blocks.catalogue import Name
from blocks.terms.base import Moment
from tasks.order_forms import Form, Line
from tasks.ticket_forms import TicketNumber

Number = Annotated[str, Field(pattern=r"^O-\d{4}-\d{6,}$", examples=["O-2026-000001"])]
Person = Annotated[Line, Field(max_length=120)]
Text = Annotated[Line, Field(max_length=1000)]


class OutageForm(Form):
    """An outage that a person or users' tickets make known. An ОЦП service needs what OCP-P3.2.10 names.

    `by_logs`: the logs show its beginning at `began_at`. Without `began_at` it is the arrival of the first ticket.
    """

    service: Name
    operator: Person
    what: Text
    began_at: Moment | None = None
    by_logs: bool = False
    tickets: tuple[TicketNumber, ...] = ()
    confirmed: Literal["logs", "mass ticket"] | None = Field(default=None, description="What bears the tickets out")

    @model_validator(mode="after")
    def _begins(self) -> OutageForm:
        if self.began_at is None and (self.by_logs or not self.tickets):
            raise ValueError("an outage begins at a moment, or with the tickets about it")
        return self


class OutageEnding(Form):
    """A person's word that a service is there again: by the logs of recovery, or because it can be reached."""

    outage: Number
    operator: Person
    ended_at: Moment
    note: Text


class OutageDecisionForm(Form):
    """A person's decision on an outage: what is filled in is decided, each with the same reason.

    `counted` is KS-3.9: "no" names what of the customer's caused it. `cause` stays with us and the partners;
    `public_cause` is what anybody may read on the status page.
    """

    outage: Number
    operator: Person
    reason: Text
    counted: Literal["yes", "no"] | None = None
    excluded_for: Literal["own internet access", "closed ports", "applications"] | None = None
    cause: Text | None = None
    public_cause: Text | None = None
    began_at: Moment | None = None
    ended_at: Moment | None = None

    @model_validator(mode="after")
    def _decides(self) -> OutageDecisionForm:
        if not (self.counted or self.cause or self.public_cause or self.began_at or self.ended_at):
            raise ValueError("a decision decides something")
        if (self.counted == "no") != (self.excluded_for is not None):
            raise ValueError("an outage that is not counted, and only such a one, names what excludes it")
        return self


class OutageReportForm(Form):
    """The detailed report on an emergency (OCP-P3.2.7c), with advice, and where the knowledge base was updated."""

    outage: Number
    operator: Person
    cause: Text
    measures: Annotated[tuple[Text, ...], Field(min_length=1)]
    advice: Annotated[tuple[Text, ...], Field(min_length=1)]
    knowledge_base: HttpUrl
