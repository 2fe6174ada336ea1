"""Legal holds on logs, and their release, as they look in the UI's forms."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field, model_validator

from blocks.terms.retention import LogClass
from tasks.order_forms import Form, Line

HoldNumber = Annotated[str, Field(pattern=r"^LH-\d{4}-\d{6,}$", examples=["LH-2026-000001"])]
Person = Annotated[Line, Field(max_length=200, description="Who decides it, by name")]
Why = Annotated[Line, Field(min_length=10, max_length=1000, description="The paper or the case that demands it")]


class HoldForm(Form):
    """A legal hold: nothing of its scope is destroyed while it stands. Days are those of the end of handling."""

    person: Person
    why: Why
    classes: Annotated[tuple[LogClass, ...], Field(max_length=len(LogClass), description="Empty: all")] = ()
    project: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9._:@-]{1,128}$", description="Empty: all")] = None
    day_from: date
    day_to: date
    until: Annotated[date | None, Field(description="Its last day (Moscow); empty: until it is released")] = None

    @model_validator(mode="after")
    def _days_rise(self) -> HoldForm:
        if self.day_from > self.day_to:
            raise ValueError("the first day is not after the last one")
        return self


class ReleaseForm(Form):
    """The release of a legal hold, by another person than the one who placed it."""

    hold: HoldNumber
    person: Person
    why: Why
