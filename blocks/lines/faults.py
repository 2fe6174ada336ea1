"""What is wrong with a list of lines, row by row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from blocks.errors import Refused

SHOWN = 1000
"""How many faults of a list are kept; the rest is counted."""


@dataclass(frozen=True, order=True)
class BadLine:
    """A fault: the row as a person sees it in the file, the column by its English heading ('' for the whole row).

    The heading is row 1; of Parquet it is the number of the record, from 1.
    """

    row: int
    column: str
    reason: str


class BadList(Refused):
    """Raised when lines of a list are wrong: nothing of it is taken.

    `faults` are the first SHOWN in the order of the file, `count` is how many there are in all.
    """

    def __init__(self, faults: tuple[BadLine, ...], count: int) -> None:
        first = faults[0]
        where = f"row {first.row}" + (f", {first.column}" if first.column else "")
        super().__init__("bad_list", f"{count} faults, nothing is taken; the first: {where}: {first.reason}")
        self.faults = faults
        self.count = count


class Faults:
    """Gathers the faults of a list."""

    def __init__(self) -> None:
        self.kept: list[BadLine] = []
        self.count = 0

    def add(self, found: Iterable[BadLine]) -> None:
        """Take faults that come in the order of the file after those already here."""
        for fault in found:
            self.count += 1
            if len(self.kept) < SHOWN:
                self.kept.append(fault)

    def merge(self, found: Iterable[BadLine], count: int) -> None:
        """Take the first SHOWN of another `count` faults from anywhere in the file."""
        self.kept = sorted([*self.kept, *found], key=lambda fault: fault.row)[:SHOWN]
        self.count += count

    def stop(self) -> None:
        """Raise BadList if there is any."""
        if self.count:
            raise BadList(tuple(self.kept), self.count)
