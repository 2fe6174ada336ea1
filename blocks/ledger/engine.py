"""Opening the ledger: SQLite (WAL, foreign keys, durable commits) or PostgreSQL, migrated to the newest schema."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from blocks.errors import Transient

Sessions = sessionmaker[Session]
_PRAGMAS = ("journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL", "secure_delete=ON", "recursive_triggers=ON")
_DEAD = re.compile(r"\D*[1-9]")
"""How the detail of VACUUM FULL's report begins, in any language, when dead rows were kept for older snapshots."""


def open_engine(url: str) -> Engine:
    """An engine for a ledger or directory URL.

    SQLite: write transactions begin IMMEDIATE, so that two writers queue instead of failing at commit; a commit is on
    disk when it returns (synchronous=FULL); deleted content is overwritten (secure_delete); REPLACE is a delete to the
    triggers that forbid one (recursive_triggers).
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(url, hide_parameters=True, pool_pre_ping=True, pool_size=8, max_overflow=8)
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": 30}, pool_size=8, max_overflow=8)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        reads = connection.get_execution_options().get("dogovor_reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def migrate(engine: Engine) -> None:
    """Bring the ledger's schema to the newest revision; several processes may call it at once."""
    config = Config()
    config.set_main_option("script_location", "blocks.ledger:migrations")
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL lock_timeout = '30s'")
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7046029254386353131)")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def transaction(sessions: Sessions) -> Iterator[Session]:
    """One transaction of the ledger: committed on leaving, rolled back on an error.

    Raises Transient when the database is locked, restarting or gone; constraint errors pass through.
    """
    with _typed_errors(), sessions.begin() as session:
        yield session


@contextmanager
def reading(sessions: Sessions) -> Iterator[Session]:
    """A consistent view of the ledger that waits for no writer and keeps none waiting. Raises Transient."""
    with _typed_errors(), sessions() as session:
        # SQLite's transactions see one moment by themselves, PostgreSQL's each statement another one.
        options = {"isolation_level": "REPEATABLE READ"} if session.get_bind().dialect.name == "postgresql" else {}
        session.connection(execution_options={"dogovor_reads": True, **options})
        yield session


def scrub(engine: Engine, tables: Sequence[str]) -> None:
    """Leave no bytes of rows that were changed or deleted in those tables in the database's own files.

    SQLite overwrites them itself; what is left is the write-ahead log, which is taken in and cut to nothing.
    PostgreSQL: a plain VACUUM leaves them in the holes of its pages, so the tables are written anew. Raises Transient
    when others keep the database busy for too long, or still read what a row was before.
    """
    if engine.dialect.name == "sqlite":
        _cut_log(engine)
        return
    with _typed_errors(), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SET lock_timeout = '30s'")
        preparer = connection.dialect.identifier_preparer
        told: list[str] = []
        raw: Any = connection.connection.driver_connection
        raw.add_notice_handler(lambda notice: told.append(notice.message_detail or ""))
        try:
            for table in tables:
                connection.exec_driver_sql(f"VACUUM (FULL, VERBOSE, ANALYZE) {preparer.quote(table)}")
        finally:
            connection.invalidate()  # not back to the pool, with its handler and its timeout
    if any(_DEAD.match(one) for one in told):
        raise Transient("others still read what was deleted: it was written anew with the rest")


def _cut_log(engine: Engine) -> None:
    raw = engine.raw_connection()
    try:
        [busy, *_] = raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        raw.close()
    if busy:
        raise Transient("the ledger is in use: its write-ahead log could not be cut")


def one_at_a_time(session: Session, what: str) -> None:
    """Let no two transactions decide on `what` at once, so that one of them finds what the other wrote.

    SQLite's write transactions already wait for one another.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:what, 0))"), {"what": what})


@contextmanager
def _typed_errors() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise Transient(f"the ledger did not answer: {type(error.orig).__name__}") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise Transient("the ledger's connection was lost") from error
        raise
