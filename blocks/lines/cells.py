"""One cell of a list, from text to an exact value. Every reason is for a person, and starts where the cell stands."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache

from blocks.lines.columns import STATES
from blocks.lines.headings import plain
from blocks.terms.revenue import LineState

BLANKS = " \t\u00a0\u202f"
"""What is trimmed from a cell, and what may stand between thousands: spaces, breaking and not."""
TEXTS = {"line": (1, 64), "invoice": (1, 64), "customer": (1, 254), "cart": (0, 64), "corrects": (0, 64)}
"""The columns of free text, which seldom repeat: fewest and most characters."""
SERVICE = (1, 200)

_REMEMBERED = 8192
_NUMBER = re.compile(r"(-?)([0-9]+|[0-9]{1,3}(?:[ \u00a0\u202f][0-9]{3})+)(?:[.,]([0-9]+))?")
_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})|([0-9]{2})\.([0-9]{2})\.([0-9]{4})")
_STATES = {plain(name): LineState(state) for state, names in STATES.items() for name in names}


class Bad(ValueError):  # noqa: N818
    """Raised when a cell is wrong; the text is the reason."""


def _shown(text: str) -> str:
    kept = "".join(char if char.isprintable() else "\u00b7" for char in text)
    return f"{kept[:40]}…" if len(kept) > 40 else kept


def words(text: str, fewest: int, most: int) -> str:
    """Trimmed text of so many printable characters; a no-break space counts as one. Raises Bad."""
    text = text.strip(BLANKS)
    if not text and fewest:
        raise Bad("empty")
    if len(text) > most:
        raise Bad(f"{len(text)} characters, at most {most}")
    for char in text:
        if not char.isprintable() and char not in BLANKS[2:]:
            raise Bad(f"a control or invisible character (U+{ord(char):04X})")
    return text


@lru_cache(_REMEMBERED)
def _scaled(text: str, places: int) -> int:
    text = text.strip(BLANKS)
    if not text:
        raise Bad("empty")
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise Bad(f"not a number: {_shown(text)}")
    sign, whole, fraction = found[1], re.sub(r"[^0-9]", "", found[2]).lstrip("0"), found[3] or ""
    if len(fraction) > places:
        raise Bad(f"more than {places} decimals: {_shown(text)}")
    if len(whole) > 15:
        raise Bad(f"not below 10^15: {_shown(text)}")
    value = int(whole + fraction.ljust(places, "0"))
    return -value if sign else value


def amount(text: str) -> int:
    """A sum in tiyn. Raises Bad."""
    return _scaled(text, 2)


def quantity(text: str) -> int:
    """A quantity in thousandths. Raises Bad."""
    return _scaled(text, 3)


def rate(text: str) -> int:
    """A rate in per cent, as basis points; a percent sign may follow. Raises Bad."""
    value = _scaled(text.strip(BLANKS).removesuffix("%"), 2)
    if not 0 <= value <= 10_000:
        raise Bad(f"not a rate: {_shown(text)}")
    return value


@lru_cache(_REMEMBERED)
def day(text: str) -> date:
    """A day as 2026-10-01 or 01.10.2026. Raises Bad."""
    text = text.strip(BLANKS)
    if not text:
        raise Bad("empty")
    found = _DAY.fullmatch(text)
    if found is None:
        raise Bad(f"not a day: {_shown(text)}")
    year, month, number = (found[1], found[2], found[3]) if found[1] else (found[6], found[5], found[4])
    try:
        return date(int(year), int(month), int(number))
    except ValueError:
        raise Bad(f"no such day: {_shown(text)}") from None


def state(text: str) -> LineState:
    """A state in English or Russian. Raises Bad."""
    if not plain(text):
        raise Bad("empty")
    try:
        return _STATES[plain(text)]
    except KeyError:
        raise Bad(f"unknown state: {_shown(text)}") from None


def currency(text: str) -> str:
    """Tenge, or nothing. Raises Bad."""
    text = text.strip(BLANKS)
    if text.upper() not in {"", "KZT"}:
        raise Bad(f"other currency: {_shown(text)}")
    return text.upper()
