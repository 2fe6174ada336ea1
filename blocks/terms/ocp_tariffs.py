"""The tariff rows of the ОЦП (OCP-P4), each with its dated versions, and Kazakhstan's VAT by date."""

from __future__ import annotations

import tomllib
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from blocks.errors import NotFound
from blocks.terms.base import Frozen
from blocks.terms.money import Amount
from blocks.terms.tariffs import Timeline

VAT_BP: Timeline[int] = Timeline("VAT of Kazakhstan", [(date(2009, 1, 1), 1200), (date(2026, 1, 1), 1600)])
"""Basis points. The Tax Codes of Kazakhstan: 12 % from 2009, 16 % from 2026-01-01. A line may also be exempt (0)."""


def vat_bp(day: date) -> int:
    """Kazakhstan's VAT on a day in basis points; before the first known rate only 0 is right."""
    try:
        return VAT_BP.on(day)
    except NotFound:
        return 0


FEE_BP = 2000
"""The Operator's subscription fee where a row names none: 20 % (OCP-P4)."""


class TariffVersion(Frozen):
    """A tariff row from its first day on: the price of a unit without VAT, and the Operator's fee in basis points.

    A row without a price is charged by agreement.
    """

    since: date
    price: Annotated[Amount, Field(ge=0)] | None = None
    fee_bp: Annotated[int, Field(ge=0, le=10_000)] = FEE_BP


class TariffRow(Frozen):
    """A row of Appendix 4."""

    code: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    title: Annotated[str, Field(min_length=1, max_length=200)]
    version: Annotated[tuple[TariffVersion, ...], BeforeValidator(tuple), Field(min_length=1)]

    @model_validator(mode="after")
    def _dates_rise(self) -> TariffRow:
        Timeline(self.code, [(held.since, held) for held in self.version])
        return self

    def between(self, begins_on: date, ends_on: date) -> list[tuple[date, date, TariffVersion]]:
        """The versions that hold in a span of days, each with its first and last day in it. Raises NotFound."""
        starts = [begins_on, *(held.since for held in self.version if begins_on < held.since <= ends_on)]
        ends = [*(date.fromordinal(start.toordinal() - 1) for start in starts[1:]), ends_on]
        timeline = Timeline(self.code, [(held.since, held) for held in self.version])
        return [(start, end, timeline.on(start)) for start, end in zip(starts, ends, strict=True)]


class TariffTable(Frozen):
    """Appendix 4 as published: `sandbox` marks the example, which production refuses."""

    sandbox: bool = False
    tariff: Annotated[tuple[TariffRow, ...], BeforeValidator(tuple)]

    @model_validator(mode="after")
    def _codes_differ(self) -> TariffTable:
        if len({row.code for row in self.tariff}) != len(self.tariff):
            raise ValueError("a tariff code stands once")
        return self

    def row(self, code: str) -> TariffRow:
        """The row of a code. Raises NotFound."""
        for row in self.tariff:
            if row.code == code:
                return row
        raise NotFound("ОЦП tariff", code)


def read_tariffs(text: str) -> TariffTable:
    """The table from TOML (`[[tariff]]` with `[[tariff.version]]`). Raises pydantic.ValidationError."""
    return TariffTable.model_validate(tomllib.loads(text))


@cache
def sandbox_tariffs() -> TariffTable:
    """The example table shipped for the embedded default and the demo."""
    return read_tariffs(files("blocks.terms").joinpath("data", "ocp_tariffs.toml").read_text("utf-8"))
