"""The heading of a list, and what a reader hands to the checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from blocks.errors import Refused
from blocks.lines.columns import HEADINGS

OPTIONAL = frozenset({"cart", "corrects", "currency"})


@dataclass(frozen=True)
class Batch:
    """Rows of a list as text: by English heading an Arrow array of strings, plain or dictionary-encoded, no nulls.

    `rows` numbers them as a person sees them. `faults` are what the reader found, by row and column: they stand
    instead of what the checks say of that cell, and may name rows that are not in the columns.
    """

    rows: NDArray[np.int64]
    columns: Mapping[str, pa.Array]
    faults: Mapping[tuple[int, str], str] = field(default_factory=dict)


def plain(text: str) -> str:
    """A word of a heading or a state as it is compared: one space between words, small letters, е for ё."""
    return " ".join(text.split()).casefold().replace("ё", "е")


_NAMES = {plain(name): key for key, names in HEADINGS.items() for name in names}


def english(headings: Sequence[str]) -> list[str]:
    """The English names of a file's headings, in its order. Raises Refused, naming what is unknown, double, missing."""
    if not headings:
        raise Refused("headings", "row 1 is empty, and the headings stand there")
    if not all(plain(heading) for heading in headings):
        raise Refused("headings", "a column without a heading")
    unknown = [heading for heading in headings if plain(heading) not in _NAMES]
    if unknown:
        named = ", ".join(repr(" ".join(heading.split())[:60]) for heading in unknown[:20])
        raise Refused("headings", f"unknown headings: {named}")
    keys = [_NAMES[plain(heading)] for heading in headings]
    check_keys(keys)
    return keys


def check_keys(keys: Sequence[str]) -> None:
    """Raise Refused unless each needed column is there and none is twice."""
    doubled = [key for key in HEADINGS if keys.count(key) > 1]
    if doubled:
        raise Refused("headings", f"headings that stand twice: {', '.join(doubled)}")
    missing = [key for key in HEADINGS if key not in OPTIONAL and key not in keys]
    if missing:
        raise Refused("headings", f"missing headings: {', '.join(missing)}")
