"""Values with dates: what held on a day is a look-up, never a special case. Old values are never overwritten."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Generic, TypeVar

from blocks.errors import NotFound

T = TypeVar("T")


class Timeline(Generic[T]):
    """Values in order of the day from which each holds."""

    def __init__(self, name: str, entries: Sequence[tuple[date, T]]) -> None:
        days = [since for since, _ in entries]
        if not days or any(later <= earlier for earlier, later in pairwise(days)):
            raise ValueError(f"{name}: dates rise strictly and there is at least one")
        self.name = name
        self._days = days
        self._values = [value for _, value in entries]

    def on(self, day: date) -> T:
        """The value that holds on `day` (its first day included). Raises NotFound before the first."""
        index = bisect_right(self._days, day)
        if index == 0:
            raise NotFound(self.name, day.isoformat())
        return self._values[index - 1]

    @property
    def entries(self) -> list[tuple[date, T]]:
        """Every value with its first day."""
        return list(zip(self._days, self._values, strict=True))
