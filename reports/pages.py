"""The customers' pages: HTML in Russian, escaped, without scripts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined

from reports.format import duration, moscow, span, wall

_LABELS = {
    "password": "Пароль",
    "token": "Токен доступа",
    "url": "Адрес для подключения",
}


@cache
def page_templates() -> Environment:
    """The pages' templates: strict and escaped."""
    environment = Environment(
        loader=PackageLoader("reports", "templates/pages"), undefined=StrictUndefined, autoescape=True
    )
    environment.filters.update(moscow=moscow, wall=wall, span=span, duration=duration)
    return environment


@cache
def style() -> str:
    """The pages' style sheet."""
    return files("reports").joinpath("templates", "pages", "style.css").read_text("utf-8")


def secret_page(state: str, order: str, *, shown_at: datetime | None, secret: Mapping[str, str] | None) -> str:
    """The one-time page in a state: unknown, preparing, ready, shown, or revealed with the secret itself."""
    rows = [(_LABELS[key], value) for key, value in (secret or {}).items()]
    return page_templates().get_template("secret.html").render(state=state, order=order, shown_at=shown_at, rows=rows)


def thanks_page() -> str:
    """A page that thanks a payer and says what comes next."""
    return page_templates().get_template("thanks.html").render()
