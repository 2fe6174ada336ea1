"""Prefect's own run history in SQLite: what its vacuum deleted leaves no bytes behind."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import make_url

from blocks.errors import Transient

_BUSY_SECONDS = 30


def history_file(url: str | None) -> Path | None:
    """The SQLite file of a Prefect database URL; None for a server's database or one in memory."""
    parsed = make_url(url) if url else None
    if parsed is None or parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        return None
    return Path(str(parsed.database))


def scrub_history(path: Path) -> int:
    """Write the file anew without free pages, and cut its write-ahead log to nothing; its size in bytes after it.

    Prefect's server may run: its writers wait meanwhile. Raises Transient when they keep the file for too long.
    """
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=_BUSY_SECONDS)) as database:
            database.isolation_level = None
            database.execute("VACUUM")
            [busy, *_] = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError as error:
        raise Transient(f"Prefect's database did not answer: {error}") from error
    if busy:
        raise Transient("Prefect's database is in use: its write-ahead log could not be cut")
    return path.stat().st_size
