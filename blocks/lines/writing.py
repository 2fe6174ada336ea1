"""The canonical Parquet file of a list: the same bytes for the same lines, however they came."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from blocks.lines.columns import SCHEMA

GROUP = 262_144
"""Lines in a row group."""
_REPEATING = [name for name in SCHEMA.names if name not in {"line", "invoice", "customer", "cart", "corrects"}]


class CanonicalFile:
    """Lines on their way into a canonical file, in whole row groups."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = writer
        self._waiting: list[pa.Table] = []
        self._count = 0

    def add(self, lines: pa.Table) -> None:
        """Take a table of SCHEMA."""
        self._waiting.append(lines)
        self._count += lines.num_rows
        while self._count >= GROUP:
            self._write(GROUP)

    def finish(self) -> None:
        """Write what is left."""
        if self._count:
            self._write(self._count)

    def _write(self, lines: int) -> None:
        table = pa.concat_tables(self._waiting)
        self._waiting, self._count = [table.slice(lines)], self._count - lines
        self._writer.write_table(table.slice(0, lines), row_group_size=lines)


@contextmanager
def canonical_file(target: Path) -> Iterator[CanonicalFile]:
    """A file that appears as `target` when the block ends well, and not at all otherwise."""
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as folder:
        part = Path(folder, "part")
        with pq.ParquetWriter(part, SCHEMA, compression="zstd", use_dictionary=_REPEATING) as writer:
            file = CanonicalFile(writer)
            yield file
            file.finish()
        part.replace(target)


def sha256_of(path: Path) -> str:
    """The sha256 of a file in hexadecimal, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
