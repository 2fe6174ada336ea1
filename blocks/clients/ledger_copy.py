"""Encrypted copies of a ledger: taken from one snapshot, proven by a restore beside it, restored.

A copy is a sealed file (see `frames`) of a header and the compressed dump: the SQLite file, or what `pg_dump` wrote.
The header is authenticated with the rest, so it says what a whole copy holds when no ledger is left to tell.
"""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import zstandard
from pydantic import ValidationError
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from blocks.clients import postgres_tools
from blocks.clients.frames import FrameReader, FrameWriter
from blocks.clients.ledger_tally import Tally, holding_rows, tally
from blocks.clients.scratch import private_file
from blocks.durable import erase
from blocks.errors import Refused, Transient
from blocks.terms.base import Frozen, Moment

_PIECE = 1 << 20
_LEVEL = 3
_LARGEST_HEADER = 1 << 20
Heads = Callable[[Connection], Mapping[str, str]]


class Header(Frozen):
    """What a copy says of itself. `heads` are the last links of the hash chains that it holds."""

    name: str
    made_at: Moment
    dialect: str
    revision: str
    counts: Mapping[str, int]
    digest: str
    heads: Mapping[str, str]

    @property
    def rows(self) -> int:
        """All rows of all tables."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class Taken:
    """A sealed copy in a file: its header, its size in bytes, its sha256 in hex."""

    header: Header
    path: Path
    size: int
    sha256: str


def take(engine: Engine, *, name: str, made_at: Moment, key: bytes, heads: Heads, folder: Path) -> Taken:
    """Copy a ledger as it is at one moment into a sealed file in a scratch folder, keeping no writer waiting.

    The figures in the header are of that very moment. For SQLite the plain copy lies in the folder meanwhile; a dump of
    PostgreSQL never touches the disk. Raises Transient, Refused.
    """
    path = private_file(folder / "copy.sealed")
    with _snapshot(engine) as connection, path.open("r+b") as target:
        counted = tally(connection)
        header = Header(
            name=name,
            made_at=made_at,
            dialect=engine.dialect.name,
            revision=counted.revision,
            counts=counted.counts,
            digest=counted.digest,
            heads=heads(connection),
        )
        writer = FrameWriter(target, key, name)
        text = header.model_dump_json().encode()
        writer.write(len(text).to_bytes(4, "big") + text)
        packer = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
        for piece in _dump(connection, folder):
            writer.write(packer.compress(piece))
        writer.write(packer.flush())
        writer.finish()
    return Taken(header, path, writer.size, writer.sha256)


def read_through(path: Path, key: bytes, name: str) -> Header:
    """The header of a copy, all of which was opened. Raises Refused("sealed_file") unless it is whole and unaltered."""
    with opened(path, key, name) as (header, pieces):
        for _ in pieces:
            pass
    return header


@contextmanager
def opened(path: Path, key: bytes, name: str) -> Iterator[tuple[Header, Iterator[bytes]]]:
    """The header and the pieces of the dump; the copy is known to be whole when the last piece was taken."""
    with path.open("rb") as source, io.BufferedReader(FrameReader(source, key, name), _PIECE) as reader:
        length = int.from_bytes(reader.read(4), "big")
        if not 0 < length <= _LARGEST_HEADER:
            raise Refused("sealed_file", f"{name} is no copy of a ledger")
        try:
            header = Header.model_validate_json(reader.read(length))
        except ValidationError:
            raise Refused("sealed_file", f"{name} is a copy of a form that is not known here") from None
        yield header, _unpacked(reader, name)


def _unpacked(reader: BinaryIO, name: str) -> Iterator[bytes]:
    try:
        yield from zstandard.ZstdDecompressor().read_to_iter(reader, write_size=_PIECE)
    except zstandard.ZstdError:
        raise Refused("sealed_file", f"{name} does not unpack") from None
    if reader.read(1):
        raise Refused("sealed_file", f"{name} holds more than a dump")


def rehearse(engine: Engine, path: Path, *, key: bytes, name: str, folder: Path) -> Tally:
    """Restore a copy beside the ledger, tell what it holds, and remove it again. Raises Refused, Transient."""
    with opened(path, key, name) as (header, pieces):
        if header.dialect == "sqlite":
            with _sqlite_file(pieces, folder) as file:
                return _tally_of(engine.url.set(database=str(file)))
        with postgres_tools.scratch_database(engine) as url:
            postgres_tools.restore(url, pieces)
            return _tally_of(url)


def restore(engine: Engine, path: Path, *, key: bytes, name: str, folder: Path) -> Header:
    """Restore a copy into a database that holds no rows, and compare what it holds then.

    A target that holds exactly this copy already is left as it is, so that a restore that was killed can go on.
    Raises Refused: "not_empty", "dialect", "sealed_file", or "copy_differs" when the result is not what was copied.
    """
    header = read_through(path, key, name)
    if holds_already(engine, header):
        return header
    with opened(path, key, name) as (_, pieces):
        if header.dialect == "sqlite":
            with _sqlite_file(pieces, folder) as file:
                _into_sqlite(file, engine)
        else:
            with _connected(engine) as connection, connection.begin():
                postgres_tools.clear(connection)
            postgres_tools.restore(engine.url, pieces)
    with _connected(engine) as connection:
        compare(header, tally(connection))
    return header


def holds_already(engine: Engine, header: Header) -> bool:
    """Whether a database holds exactly what the copy holds; else it holds no rows and can take it.

    Raises Refused("not_empty"), and Refused("dialect") for a copy of the other kind of database.
    """
    if header.dialect != engine.dialect.name:
        raise Refused("dialect", f"a copy of {header.dialect} is restored into {header.dialect}")
    if header.dialect == "sqlite" and not Path(engine.url.database or "").exists():
        return False
    with _connected(engine) as connection:
        full = holding_rows(connection)
        if full and tally(connection).digest != header.digest:
            raise Refused("not_empty", f"the ledger to restore into holds rows already: {', '.join(full)}")
    return bool(full)


def compare(header: Header, found: Tally) -> None:
    """Raise Refused("copy_differs") unless a restored copy holds what the ledger held when it was taken."""
    if (found.digest, found.counts, found.revision) == (header.digest, header.counts, header.revision):
        return
    tables = sorted(header.counts.keys() | found.counts.keys())
    other = [table for table in tables if header.counts.get(table) != found.counts.get(table)]
    what = f"other numbers of rows in {', '.join(other)}" if other else "as many rows, but other ones"
    raise Refused("copy_differs", f"{header.name}, when restored, holds {what}")


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection that sees one moment of the ledger and keeps no writer waiting."""
    options: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    if engine.dialect.name == "sqlite":
        options = {"dogovor_reads": True}
    with _connected(engine) as connection:
        yield connection.execution_options(**options)


@contextmanager
def _connected(engine: Engine) -> Iterator[Connection]:
    try:
        with engine.connect() as connection:
            yield connection
    except OperationalError as error:
        raise Transient(f"the database did not answer: {type(error.orig).__name__}") from error


def _dump(connection: Connection, folder: Path) -> Iterator[bytes]:
    if connection.dialect.name == "postgresql":
        snapshot = str(connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one())
        yield from postgres_tools.dump(connection.engine.url, snapshot)
        return
    plain = private_file(folder / "plain.sqlite3")
    try:
        # Within the transaction of this connection: the file holds the moment that was counted.
        _backup(cast("sqlite3.Connection", connection.connection.dbapi_connection), plain)
        with plain.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece
    finally:
        erase(plain)


def _backup(source: sqlite3.Connection, target: Path) -> None:
    made = sqlite3.connect(target)
    try:
        made.execute("PRAGMA synchronous=OFF")
        source.backup(made)
        made.execute("PRAGMA journal_mode=DELETE")  # else it is opened with a write-ahead log beside it
    finally:
        made.close()


@contextmanager
def _sqlite_file(pieces: Iterator[bytes], folder: Path) -> Iterator[Path]:
    """The database of a copy as a file in the scratch folder, checked, overwritten afterwards."""
    path = private_file(folder / "restored.sqlite3")
    try:
        with path.open("r+b") as file:
            for piece in pieces:
                file.write(piece)
        database = sqlite3.connect(path)
        try:
            state = database.execute("PRAGMA integrity_check").fetchone()[0]
        except sqlite3.DatabaseError:
            state = "no database"
        finally:
            database.close()
        if state != "ok":
            raise Refused("copy_differs", "the restored file is not a sound SQLite database")
        yield path
    finally:
        erase(path)


def _into_sqlite(file: Path, engine: Engine) -> None:
    source = sqlite3.connect(file)
    try:
        with _connected(engine) as connection:
            source.backup(cast("sqlite3.Connection", connection.connection.dbapi_connection))
    finally:
        source.close()
    engine.dispose()


def _tally_of(url: URL) -> Tally:
    engine = create_engine(url, hide_parameters=True, poolclass=NullPool)
    try:
        with _connected(engine) as connection:
            return tally(connection)
    finally:
        engine.dispose()
