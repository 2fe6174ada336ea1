"""DuckDB as the lines are counted with: in memory up to a bound, beyond it on disk, and never on the network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

THREADS = 2
MEMORY = "384MB"
"""What DuckDB may hold. Ordinary lists need a third of it; the rest is for names of 250 characters in each line."""


def connect(spill: Path, *, threads: int = THREADS, memory: str = MEMORY) -> duckdb.DuckDBPyConnection:
    """A connection of its own to an empty database, to be closed; what does not fit into memory lies in `spill`."""
    return duckdb.connect(
        ":memory:",
        config={
            "threads": threads,
            "memory_limit": memory,
            "temp_directory": str(spill),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )


@contextmanager
def engine(scratch: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection whose spilled data lies in a folder of its own in `scratch`; both end with the block."""
    with TemporaryDirectory(prefix="duckdb-", dir=scratch) as spill, connect(Path(spill)) as connection:
        yield connection
