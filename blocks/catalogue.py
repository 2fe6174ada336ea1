"""The operator's catalogue: services that are watched, the vantage points they are watched from, the runbooks of works.

A TOML file; the ledger keeps only names from it. Commands stand here and nowhere else: no form and no webhook can name
a program to run.
"""

from __future__ import annotations

import tomllib
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from blocks.clients.probes import ProbeTarget
from blocks.errors import NotFound
from blocks.terms.base import Frozen

NAME = r"[a-z0-9][a-z0-9-]{0,62}"
Name = Annotated[str, StringConstraints(pattern=f"^{NAME}$")]
Agreement = Literal["KS", "OCP", "QS", "OT"]
Argv = Annotated[tuple[str, ...], Field(min_length=1)]


class WatchedService(Frozen):
    """A service or a piece of shared infrastructure, and every agreement that stands on it.

    `group` is Oki-Toki's function group (OT-2); `indicator` is what an ОЦП service shows of a quarter (OCP-P3.3).
    """

    name: Name
    title: str
    agreements: frozenset[Agreement]
    group: Literal["", "Автодозвон", "ОВВ"] = ""
    indicator: Literal["", "power", "climate", "ip"] = ""
    probe: tuple[ProbeTarget, ...] = ()


class Vantage(Frozen):
    """A point to look from: an uplink with a local address of its own (empty: whatever the host takes)."""

    name: Name
    source: str = ""


class Runbook(Frozen):
    """A work as commands that may be repeated: `apply` does it, `check` proves it, `undo` takes it back."""

    name: Name
    title: str
    services: tuple[Name, ...]
    minutes: Annotated[int, Field(ge=1, le=600)]
    check_minutes: Annotated[int, Field(ge=1, le=60)] = 2
    undo_minutes: Annotated[int, Field(ge=0, le=600)]
    apply: Argv
    check: Argv
    undo: Argv

    @property
    def room(self) -> timedelta:
        """What must be left of a window to begin: the time to do it, to prove it, and to take it back."""
        return timedelta(minutes=self.minutes + self.check_minutes + self.undo_minutes)


class Catalogue(Frozen):
    """All of it. `needed` vantage points must agree before an outage opens; an interval is in seconds."""

    service: tuple[WatchedService, ...] = ()
    vantage: tuple[Vantage, ...] = ()
    runbook: tuple[Runbook, ...] = ()
    interval_seconds: Annotated[int, Field(ge=1, le=3600)] = 60
    timeout_seconds: Annotated[int, Field(ge=1, le=60)] = 10
    needed: Annotated[int, Field(ge=1)] = 2

    @model_validator(mode="after")
    def _holds_together(self) -> Catalogue:
        for rows in (self.service, self.vantage, self.runbook):
            names = [row.name for row in rows]
            if len(set(names)) != len(names):
                raise ValueError("a name stands once in its list")
        unknown = {name for book in self.runbook for name in book.services} - {row.name for row in self.service}
        if unknown:
            raise ValueError(f"runbooks name services that are not here: {', '.join(sorted(unknown))}")
        if any(row.probe for row in self.service) and self.needed > len(self.vantage):
            raise ValueError("probes need as many vantage points as must agree")
        if self.timeout_seconds >= self.interval_seconds:
            raise ValueError("a probe ends before the next one begins")
        return self

    @cached_property
    def services(self) -> dict[str, WatchedService]:
        """The services by name."""
        return {row.name: row for row in self.service}

    def title_of(self, name: str) -> str:
        """A service's title; its name where the catalogue has it no more."""
        return self.services[name].title if name in self.services else name

    def runbook_of(self, name: str) -> Runbook:
        """The runbook of that name. Raises NotFound."""
        for row in self.runbook:
            if row.name == name:
                return row
        raise NotFound("runbook", name)

    def agreements_of(self, names: frozenset[str]) -> frozenset[Agreement]:
        """Every agreement that stands on these services. Raises NotFound for a service that is not here."""
        found: set[Agreement] = set()
        for name in names:
            if name not in self.services:
                raise NotFound("service", name)
            found |= self.services[name].agreements
        return frozenset(found)


def read_catalogue(text: str) -> Catalogue:
    """A catalogue from TOML. Raises pydantic.ValidationError, tomllib.TOMLDecodeError."""
    return Catalogue.model_validate(tomllib.loads(text))
