"""Line ids that stand twice, found by their hashes: eight bytes a line in memory, once the whole list is read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from blocks.lines.cells import BLANKS
from blocks.lines.engine import connect
from blocks.lines.faults import SHOWN, BadLine
from blocks.lines.headings import Batch

Hashes = NDArray[np.uint64]


class Repeats:
    """The hashes of a list's ids, kept in a file in the order of the list."""

    def __init__(self, scratch: Path) -> None:
        self._file = scratch.joinpath("hashes").open("w+b")
        self._duckdb = connect(scratch, threads=1, memory="64MB")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._duckdb.close()
        self._file.close()

    def add(self, batch: Batch) -> None:
        """Take the ids of the next rows."""
        self._hashes(_ids(batch)).tofile(self._file)

    def faults(self, again: Iterable[Batch]) -> tuple[list[BadLine], int]:
        """The first SHOWN lines whose id stands earlier too, from the same list read again, and how many there are."""
        wanted, count = self._doubtful()
        if not count:
            return [], 0
        found: list[BadLine] = []
        first: dict[str, int] = {}
        for batch in again:
            ids = _ids(batch)
            for at in np.flatnonzero(np.isin(self._hashes(ids), wanted)):
                text, row = ids[int(at)].as_py(), int(batch.rows[at])
                if text and first.setdefault(text, row) != row:
                    found.append(BadLine(row, "line", f"the same id as in row {first[text]}"))
            if len(found) >= SHOWN:
                return found[:SHOWN], count
        return found, len(found)

    def _doubtful(self) -> tuple[Hashes, int]:
        """The hashes of the first SHOWN rows whose hash stands earlier too, and how many such rows there are."""
        self._file.seek(0)
        hashes = np.fromfile(self._file, np.uint64)
        hashes.sort()
        if not (hashes[1:] == hashes[:-1]).any():
            return hashes[:0], 0
        self._file.seek(0)
        hashes = np.fromfile(self._file, np.uint64)
        order = np.argsort(hashes, kind="stable")
        later = order[1:][hashes[order[1:]] == hashes[order[:-1]]]
        later.sort()
        return np.unique(hashes[later[:SHOWN]]), len(later)

    def _hashes(self, ids: pa.Array) -> Hashes:
        relation = self._duckdb.from_arrow(pa.table({"id": ids}))
        hashes = relation.project("hash(id) AS hashed").to_arrow_table()["hashed"]
        return np.asarray(hashes.to_numpy(), np.uint64)


def _ids(batch: Batch) -> pa.Array:
    ids = batch.columns["line"]
    return pc.utf8_trim(ids.dictionary_decode() if pa.types.is_dictionary(ids.type) else ids, characters=BLANKS)
