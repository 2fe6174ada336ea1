"""Lists of invoice lines, ours and the Operator's, read whole and strictly into canonical Parquet, or not at all.

The form is told from the content: Parquet, a workbook, or else CSV. Every line is checked before a file appears.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from blocks.errors import Refused
from blocks.lines.checks import Checks, Side
from blocks.lines.csv_text import open_csv
from blocks.lines.faults import BadLine, BadList, Faults
from blocks.lines.headings import Batch
from blocks.lines.parquet_lists import open_parquet
from blocks.lines.quick import Quick
from blocks.lines.repeats import Repeats
from blocks.lines.sheets import open_workbook
from blocks.lines.writing import CanonicalFile, canonical_file, sha256_of
from blocks.terms.ocp_tariffs import TariffTable
from blocks.terms.revenue import Month

__all__ = ["BadLine", "BadList", "ReadList", "read_list"]
_TOLD = 1_000_000


@dataclass(frozen=True)
class ReadList:
    """A list that was taken: how many lines, the digest of the file as it came, and of its canonical form."""

    lines: int
    sha256: str
    parquet_sha256: str


class _Source(Protocol):
    def batches(self) -> Iterator[Batch]: ...


def _silent(_: str) -> None:
    """Tell nobody."""


def read_list(
    source: Path,
    target: Path,
    *,
    month: Month,
    tariffs: TariffTable,
    side: Side,
    scratch: Path,
    tell: Callable[[str], None] = _silent,
) -> ReadList:
    """Check every line of `source` and write `target`, a file of SCHEMA in the order of the list, without nulls.

    The same lines give the same bytes, whatever form they came in. `scratch` is a directory for what does not fit into
    memory; `tell` hears how many rows are read. Raises BadList with every fault, Refused for what is no list
    (`unreadable`, `headings`, `columns`); then `target` is not touched.
    """
    digest = sha256_of(source)
    quick = Quick(Checks(month, tariffs, side), tariffs)
    with tempfile.TemporaryDirectory(prefix="list-", dir=scratch) as folder, canonical_file(target) as canonical:
        opened = _open(source, Path(folder))
        with Repeats(Path(folder)) as repeats:
            lines = _take(opened, quick, canonical, repeats if side == "ours" else None, tell)
    return ReadList(lines, digest, sha256_of(target))


def _open(source: Path, scratch: Path) -> _Source:
    with source.open("rb") as file:
        start = file.read(8)
    if start.startswith(b"PAR1"):
        return open_parquet(source)
    if start.startswith(b"PK"):
        return open_workbook(source, scratch)
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        raise Refused("unreadable", "an old or a protected workbook: save it as XLSX without a password")
    return open_csv(source)


def _take(
    opened: _Source, quick: Quick, canonical: CanonicalFile, repeats: Repeats | None, tell: Callable[[str], None]
) -> int:
    """Check all batches and hand good lines on; the number of lines. Raises BadList."""
    faults, lines = Faults(), 0
    for batch in opened.batches():
        table, found = quick.check(batch)
        faults.add(found)
        if not faults.count:
            canonical.add(table)
        if repeats:
            repeats.add(batch)
        if lines // _TOLD < (lines + len(batch.rows)) // _TOLD:
            tell(f"{lines + len(batch.rows)} rows read")
        lines += len(batch.rows)
    if repeats:
        faults.merge(*repeats.faults(opened.batches()))
    faults.stop()
    return lines
