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


@contextmanager
def engine(scratch: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of its own to an empty database; what does not fit into memory lies in `scratch` until it ends."""
    with TemporaryDirectory(prefix="duckdb-", dir=scratch) as spill:
        config: dict[str, str | bool | int | float | list[str]] = {
            "threads": THREADS,
            "memory_limit": MEMORY,
            "temp_directory": spill,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
        with duckdb.connect(":memory:", config=config) as connection:
            yield connection
