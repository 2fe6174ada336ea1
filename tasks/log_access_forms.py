"""Requests for access to logs and decisions on them, as they look in the UI's forms (QS-3.5.4)."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field, model_validator

from blocks.terms.retention import LogClass
from tasks.order_forms import Form, Line

GrantNumber = Annotated[str, Field(pattern=r"^LG-\d{4}-\d{6,}$", examples=["LG-2026-000001"])]
Person = Annotated[Line, Field(max_length=120)]
Text = Annotated[Line, Field(max_length=1000)]
Login = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._@-]{0,63}$", description="The account of the machine that will read")
]
Project = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:@-]{1,128}$", description="One project, as its records name it")]


class AccessForm(Form):
    """A request for access to logs: who needs what for what. Another person decides on it."""

    person: Annotated[Person, Field(description="Who needs the logs")]
    login: Login
    need: Annotated[
        Text, Field(description="What they are needed for, in a sentence: it stands in the journal for good")
    ]
    classes: Annotated[tuple[LogClass, ...], Field(min_length=1, max_length=len(LogClass))]
    project: Project
    day_from: Annotated[date, Field(description="The first day of the end of handling")]
    day_to: Annotated[date, Field(description="The last day of the end of handling, inclusive")]
    hours: Annotated[int, Field(ge=1, description="For how long, counted from the decision")] = 8

    @model_validator(mode="after")
    def _days_in_order(self) -> AccessForm:
        if self.day_to < self.day_from:
            raise ValueError("the last day is not before the first")
        return self


class AccessDecision(Form):
    """A second person's word on a request for access. Without `approve` it is declined."""

    grant: GrantNumber
    operator: Person
    approve: bool = False
    reason: Text


class RevokeForm(Form):
    """Take a grant back, or a request that nobody decided on; anyone may, by name and with a reason."""

    grant: GrantNumber
    operator: Person
    reason: Text
