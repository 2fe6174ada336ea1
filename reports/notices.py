"""Notices in Russian: a template a kind, its first line the subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from reports.format import duration, money, month_title, moscow, span, wall
from reports.words import EMERGENCIES, WINDOW_KINDS, said


@dataclass(frozen=True)
class Composed:
    """A notice ready to be sent. A link to a one-time page stands in the body as `[[secret-link]]`."""

    subject: str
    body: str


def _window_kind(kind: str) -> str:
    return said(WINDOW_KINDS, kind)


def _emergency(why: str) -> str:
    return said(EMERGENCIES, why)


def _day(text: str) -> str:
    return f"{date.fromisoformat(str(text)):%d.%m.%Y}"


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("reports", "templates/notices"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - plain text mail
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        moscow=moscow,
        money=money,
        wall=wall,
        span=span,
        duration=duration,
        day=_day,
        window_kind=_window_kind,
        emergency=_emergency,
        month_title=month_title,
    )
    return environment


def compose(kind: str, facts: Mapping[str, Any], *, has_secret: bool) -> Composed:
    """The text of a notice. Raises jinja2.UndefinedError for a missing fact, TemplateNotFound for an unknown kind."""
    text = _templates().get_template(f"{kind}.txt").render(**facts, has_secret=has_secret)
    subject, _, body = text.partition("\n")
    return Composed(subject.strip(), body.strip() + "\n")
