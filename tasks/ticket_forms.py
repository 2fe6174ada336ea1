"""Tickets and what people do with them, as they look on the wire, in the UI's forms and in mail to support."""

from __future__ import annotations

import unicodedata
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, EmailStr, Field, StringConstraints, model_validator

from blocks.catalogue import Name
from blocks.terms.ocp_tickets import IncidentStep
from blocks.terms.ticket_timers import TicketKind
from tasks.order_forms import Form, Line

MAX_TEXT = 256 * 1024
"""Characters of a text that a person wrote; a webhook's whole body has no more bytes than that."""


def _readable(value: str) -> str:
    if any(unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\r\t" for char in value):
        raise ValueError("only readable characters and line breaks")
    return value


Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_TEXT), AfterValidator(_readable)]
TicketNumber = Annotated[str, Field(pattern=r"^T-\d{4}-\d{6,}$", examples=["T-2026-000017"])]
ExternalId = Annotated[str, Field(pattern=r"^[!-~]{1,190}$")]
TicketAgreement = Literal["KS", "OCP", "QS", "OT", "SSL"]
Language = Literal["ru", "uk", "en"]


class TicketForm(Form):
    """A request of a user. KS-3.11 wants substance, time and the actions before; what lacks is asked for, not refused.

    `ticket` is the sender's own number; `occurred` is a moment or the user's own words.
    """

    ticket: ExternalId
    agreement: TicketAgreement
    kind: TicketKind = TicketKind.TECHNICAL
    priority: Literal[1, 2, 3] | None = Field(default=None, description="OCP only; none: a person sets it")
    sender: EmailStr
    language: Language = "ru"
    service: Name | None = None
    subject: Annotated[Line, Field(max_length=300)]
    substance: Text = ""
    occurred: Text = ""
    actions: Annotated[Text, Field(description="What the user did before")] = ""
    repeat_of: TicketNumber | None = None
    sender_proven: bool = Field(
        default=True, description="False: nothing shows that its sender wrote it, so it joins no other ticket"
    )

    @model_validator(mode="after")
    def _fits_its_agreement(self) -> TicketForm:
        if self.agreement != "OCP" and (self.priority is not None or self.kind is TicketKind.INCIDENT):
            raise ValueError("priorities and incident requests are of OCP alone")
        return self

    @property
    def content(self) -> str:
        """All that the user says, as one text."""
        parts = (("", self.substance), ("Time: ", self.occurred), ("Before: ", self.actions))
        return "\n\n".join(f"{label}{text}" for label, text in parts if text)


class Act(StrEnum):
    """What can be done with a ticket. Its user may only answer and escalate."""

    REACTED = "reacted"
    ASKED = "asked"
    ANSWERED = "answered"
    ESCALATED = "escalated"
    RESOLVED = "resolved"
    GLOBAL_FAILURE = "global failure"
    JOIN = "join"
    STEP = "step"


USER_ACTS = frozenset({Act.ANSWERED, Act.ESCALATED})


class TicketAct(Form):
    """Something done with a ticket: by whom, and in which words.

    A source names the ticket by our number or by its own id.
    """

    ticket: ExternalId
    act: Act
    who: Annotated[Line, Field(max_length=254)]
    text: Text = ""
    other: TicketNumber | None = Field(default=None, description="With `join`: the ticket that stays")
    step: IncidentStep | None = Field(default=None, description="With `step`: which of the six (OCP-P3.4)")
    minutes_needed: Annotated[int, Field(ge=1, le=525_600)] | None = Field(
        default=None, description="With `reacted`: how long it will take, told to the user (KS-1.3)"
    )

    @model_validator(mode="after")
    def _is_whole(self) -> TicketAct:
        if (self.act is Act.JOIN) != (self.other is not None) or (self.act is Act.STEP) != (self.step is not None):
            raise ValueError("`join` names another ticket, `step` one of the six steps, and nothing else does")
        if self.minutes_needed is not None and self.act is not Act.REACTED:
            raise ValueError("the time needed is told with `reacted`")
        return self
