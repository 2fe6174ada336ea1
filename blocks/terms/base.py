"""Clause, Deadline, Decision, and the register of rules.

A rule is a pure function from a frozen facts model to a Decision. It reads no clock and does no I/O; every moment it
needs is among its facts. Where an agreement is silent the decision says that a person must decide, never zero.
"""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from blocks.errors import NotFound
from blocks.terms.money import Money


def _in_our_time(moment: datetime) -> datetime:
    if not 1990 <= moment.year <= 2200:
        raise ValueError("a moment lies in the years 1990 to 2200")
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_in_our_time)]
"""An instant: zone-aware on input, UTC inside, in the years that agreements can mean."""


class Frozen(BaseModel):
    """Base of every value in the terms: immutable, and unknown fields are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Kept(StrEnum):
    """How a clause is kept: by the software alone, by the software and a person, or by people."""

    AUTOMATIC = "automatic"
    ASSISTED = "assisted"
    MANUAL = "manual"


class Clause(Frozen):
    """One row of the register: where it stands in its agreement, and how it is kept."""

    id: str
    agreement: str
    source: str
    line: str
    kept: Kept
    planned: bool


class Deadline(Frozen):
    """When something is due. `due` is UTC and inclusive: done at exactly that instant is in time.

    A day counts to its end, so "by the 9th" is 00:00 of the 10th in `zone`. `provisional` says that a year
    without a decreed calendar was crossed: recompute when the decree is there.
    """

    due: Moment
    zone: str
    provisional: bool = False

    @property
    def local(self) -> datetime:
        """The same instant on the wall clock of the agreement."""
        return self.due.astimezone(ZoneInfo(self.zone))


class Verdict(StrEnum):
    """What a rule says."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    DUE = "due"
    OWED = "owed"
    ACTION = "action"
    PERSON = "a person must decide"


class Decision(Frozen):
    """A rule's answer: what, when or how much, and under which clause.

    `values` holds further named results as text or whole numbers; money appears only as `amount` or as decimal text.
    """

    clause: str
    verdict: Verdict
    what: str
    deadline: Deadline | None = None
    amount: Money | None = None
    values: Mapping[str, str | int | bool] = Field(default_factory=dict)

    @property
    def allowed(self) -> bool:
        """Whether the rule lets the thing happen."""
        return self.verdict is not Verdict.REFUSED and self.verdict is not Verdict.PERSON


F = TypeVar("F", bound=Frozen)


@dataclass(frozen=True)
class Rule:
    """A rule under its clause id. `reading` is how we read the clause: the docstring of the function."""

    clause: str
    facts: type[Frozen]
    decide: Callable[[Any], Decision]

    @property
    def reading(self) -> str:
        """The rule's docstring, on one line a paragraph."""
        return inspect.cleandoc(self.decide.__doc__ or "")


_RULES: dict[str, Rule] = {}


def rule(clause: str, facts: type[F]) -> Callable[[Callable[[F], Decision]], Callable[[F], Decision]]:
    """Register a function as the rule of `clause`, asked with the model `facts`."""

    def register(function: Callable[[F], Decision]) -> Callable[[F], Decision]:
        if clause in _RULES:
            raise ValueError(f"{clause} has two rules")
        if not function.__doc__:
            raise ValueError(f"the rule of {clause} does not say how it reads the clause")
        _RULES[clause] = Rule(clause, facts, function)
        return function

    return register


def rules() -> Mapping[str, Rule]:
    """Every registered rule by clause id."""
    return MappingProxyType(_RULES)


@cache
def clauses() -> Mapping[str, Clause]:
    """The register of all clauses by id, in the order of `clauses.toml`."""
    rows = tomllib.loads(files("blocks.terms").joinpath("clauses.toml").read_text("utf-8"))["clause"]
    return MappingProxyType({row["id"]: Clause(**row) for row in rows})


def clause(clause_id: str) -> Clause:
    """The clause of that id. Raises NotFound."""
    try:
        return clauses()[clause_id]
    except KeyError:
        raise NotFound("clause", clause_id) from None


class Answer(Frozen):
    """What `ask` returns: the decision with the clause's source and our reading of it."""

    decision: Decision
    source: str
    line: str
    reading: str


def ask(clause_id: str, facts: Mapping[str, Any] | str) -> Answer:
    """Put facts (a mapping or JSON text) to the rule of a clause.

    Raises NotFound for a clause without a rule, pydantic.ValidationError for facts that do not fit its model.
    """
    register = clause(clause_id)
    if clause_id not in _RULES:
        raise NotFound("rule for clause", clause_id)
    found = _RULES[clause_id]
    model = (
        found.facts.model_validate_json(facts) if isinstance(facts, str) else found.facts.model_validate(dict(facts))
    )
    return Answer(decision=found.decide(model), source=register.source, line=register.line, reading=found.reading)
