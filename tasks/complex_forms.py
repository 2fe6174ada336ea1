"""What a person fills in about a complex: whether it works, goes, or what serves it."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from blocks.terms.base import Moment
from tasks.order_forms import Form, Line

ComplexNumber = Annotated[str, Field(pattern=r"^KS-\d{4}-\d{6,}$", examples=["KS-2026-000001"])]


class ComplexForm(Form):
    """Which complex, by its order; who decides, and why."""

    order: ComplexNumber
    operator: Annotated[Line, Field(max_length=120)]
    note: Annotated[Line, Field(max_length=500)]


class DeletionForm(ComplexForm):
    """A complex whose agreement is over: its domain typed once more, and the agreement's last day (Moscow)."""

    domain: Annotated[Line, Field(max_length=253)] = ""
    ended_on: date | None = None


class SoftwareForm(Form):
    """Who asked for the software that serves an order, and when; empty: now."""

    order: ComplexNumber
    asked_by: Annotated[Line, Field(max_length=200)]
    asked_at: Moment | None = None
