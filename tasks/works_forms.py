"""Works, plans and decisions on windows, as they look in the UI's forms."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from blocks.catalogue import Name
from blocks.terms.base import Moment
from tasks.order_forms import Form, Line

WindowNumber = Annotated[str, Field(pattern=r"^M-\d{4}-\d{6,}$", examples=["M-2026-000001"])]


class WorkForm(Form):
    """A piece of work for the next window, by a runbook of the catalogue."""

    runbook: Name
    operator: Annotated[Line, Field(max_length=120)]
    title: Annotated[Line, Field(max_length=200, description="Empty: the runbook's own title")] | None = None


class PlanForm(Form):
    """A window asked for by a person. Services that no queued work names may be added: works done by hand."""

    kind: Literal["planned", "daily", "urgent", "emergency"] = "planned"
    starts_at: Moment
    minutes: Annotated[int, Field(ge=1, le=1440)]
    operator: Annotated[Line, Field(max_length=120)]
    what: Annotated[Line, Field(max_length=500, description="What is done, in Russian: it stands in the notices")]
    works: Annotated[tuple[str, ...], Field(description="Numbers of queued works, in their order")] = ()
    services: Annotated[tuple[Name, ...], Field(description="Further services that stop")] = ()
    discovered_at: Annotated[Moment | None, Field(description="An emergency: when it was discovered")] = None

    @model_validator(mode="after")
    def _stops_something(self) -> PlanForm:
        if not self.works and not self.services:
            raise ValueError("name works or services")
        if (self.kind == "emergency") != (self.discovered_at is not None):
            raise ValueError("an emergency, and only an emergency, was discovered at a moment")
        return self


class WindowAction(StrEnum):
    """What an operator can decide about a window."""

    CANCEL = "cancel"
    TOLD = "told otherwise"
    FINISH = "finish"


class WindowDecision(Form):
    """Cancel a planned window; record that somebody was told of it in another provable way than our letter; finish.

    `finish`: nothing more is begun in an open window, what runs is ended by its runbook, and the window closes. A
    window for works done by hand closes only so, or at its end.
    """

    window: WindowNumber
    action: WindowAction
    operator: Annotated[Line, Field(max_length=120)]
    note: Annotated[Line, Field(max_length=500, description="For us: why; with `told otherwise`, how and the proof")]
    public: Annotated[str, Field(max_length=300, description="For customers, in Russian: why, or what was done")] = ""
    recipient: Annotated[str, Field(max_length=254, description="With `told otherwise`: whose letter it replaces")] = ""
    told_at: Annotated[Moment | None, Field(description="With `told otherwise`: when; empty: now")] = None


class OperatorAnswer(Form):
    """The ОЦП Operator's answer on a window, as the person who records it had it."""

    window: WindowNumber
    agreed: bool
    who: Annotated[Line, Field(max_length=200, description="Who answered for the Operator")]
    proof: Annotated[Line, Field(max_length=500, description="The letter's number, or where the answer is kept")]
    answered_at: Annotated[Moment | None, Field(description="When the Operator answered; empty: now")] = None
    operator: Annotated[Line, Field(max_length=120, description="Who records it")]


class WorkAction(StrEnum):
    """What an operator can decide about a work."""

    CANCEL = "cancel"
    REQUEUE = "queue again"
    DONE = "done by hand"


class WorkDecision(Form):
    """Cancel a queued work; or settle one that was handed to a person or taken back."""

    work: Annotated[str, Field(pattern=r"^W-\d{4}-\d{6,}$", examples=["W-2026-000001"])]
    action: WorkAction
    operator: Annotated[Line, Field(max_length=120)]
    note: Annotated[Line, Field(max_length=500)]
