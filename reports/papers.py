"""What the documents that two sides sign have in common."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby

from blocks.terms.revenue_views import Party

_LONG_WORD = re.compile(r"\S{20}(?=\S{4})")

DRAFT = " (проект)"
"""What the title of a document without a number says."""


def side(role: str, party: Party) -> dict[str, str]:
    """A side of an agreement as templates print it."""
    return {"role": role, "name": party.name, "requisites": party.requisites, "signatory": party.signatory}


def titled(kind: str, number: str, *, draft: bool) -> str:
    """The title of a document: with its number, or told to be a draft."""
    return kind + (DRAFT if draft else f" № {number}")


def wrapping(text: str) -> str:
    """A text whose words may break anywhere when they are too long for a column."""
    return _LONG_WORD.sub("\\g<0>\N{ZERO WIDTH SPACE}", text)


def runs(numbers: Iterable[int]) -> str:
    """Rising numbers with their runs drawn together: 1, 3–5, 9."""
    parts = []
    for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        held = [number for _, number in run]
        parts.append(str(held[0]) if len(held) == 1 else f"{held[0]}{'–' if len(held) > 2 else ', '}{held[-1]}")
    return ", ".join(parts)
