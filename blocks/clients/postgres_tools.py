"""PostgreSQL's own programs, `pg_dump` and `pg_restore`, and databases that live for one restore.

A password goes by the environment, never by the arguments. What the programs print is not kept: an error of a restore
may quote rows.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer

from psycopg.conninfo import make_conninfo
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from blocks.errors import Refused, Transient

_DEBIAN = Path("/usr/lib/postgresql")
_PIECE = 1 << 20
_LONGEST_S = 4 * 3600.0
"""After these seconds a program is ended: a dump of a ledger takes minutes."""


def find(program: str) -> str:
    """The program's path: the one on PATH, else Debian's newest. Raises Refused("pg_tools")."""
    if found := shutil.which(program):
        return found
    versions = [path for path in _DEBIAN.glob(f"*/bin/{program}") if path.parts[-3].isdigit()]
    if not versions:
        raise Refused("pg_tools", f"{program} is missing: install PostgreSQL's client programs (postgresql-client)")
    return str(max(versions, key=lambda path: int(path.parts[-3])))


def dump(url: URL, snapshot: str) -> Iterator[bytes]:
    """The pieces of a dump (custom format, uncompressed) of an exported snapshot. Raises Transient, Refused."""
    target, environment = _connection(url)
    options = ["--format=custom", "--compress=0", "--no-owner", "--no-privileges", "--no-password"]
    command = [find("pg_dump"), *options, "--lock-wait-timeout=60s", f"--snapshot={snapshot}", f"--dbname={target}"]
    with (
        subprocess.Popen(  # noqa: S603 - our own arguments
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        ) as process,
        _ended_in_time(process),
    ):
        while process.stdout is not None and (piece := process.stdout.read(_PIECE)):
            yield piece
        code = process.wait()
    if code != 0:
        raise Transient(f"pg_dump ended with {code}: see the server's log, and run dogovor doctor")


def restore(url: URL, pieces: Iterable[bytes]) -> None:
    """Restore a dump into a database in one transaction: all of it or nothing. Raises Refused("pg_restore").

    An error of `pieces` itself ends the restore and passes through.
    """
    target, environment = _connection(url)
    options = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", "--no-password"]
    with (
        subprocess.Popen(  # noqa: S603 - our own arguments
            [find("pg_restore"), *options, f"--dbname={target}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
        ) as process,
        _ended_in_time(process),
    ):
        _feed(process, pieces)
        code = process.wait()
    if code != 0:
        raise Refused("pg_restore", f"pg_restore ended with {code}: see the server's log, and run dogovor doctor")


def _feed(process: subprocess.Popen[bytes], pieces: Iterable[bytes]) -> None:
    if process.stdin is None:
        return
    try:
        for piece in pieces:
            process.stdin.write(piece)
    except BrokenPipeError:
        return  # its exit code tells
    except BaseException:
        process.kill()  # before its input ends, or it might take what it has for all there is
        raise
    finally:
        with suppress(BrokenPipeError):
            process.stdin.close()


@contextmanager
def _ended_in_time(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End the program after the longest time, and at once when the work with it fails: it must not go on alone."""
    timer = Timer(_LONGEST_S, process.kill)
    timer.start()
    try:
        yield
    except BaseException:
        process.kill()
        raise
    finally:
        timer.cancel()


def _connection(url: URL) -> tuple[str, dict[str, str]]:
    """The connection without its password, and the environment with it."""
    options = url.get_dialect()().create_connect_args(url)[1]
    password = options.pop("password", None)
    environment = {**os.environ, "LC_ALL": "C"}
    if password is not None:
        environment["PGPASSWORD"] = str(password)
    return make_conninfo("", **options), environment


@contextmanager
def scratch_database(engine: Engine) -> Iterator[URL]:
    """A new, empty database on the same server, dropped whatever happens. Raises Refused("createdb"), Transient.

    Those of the same ledger that a killed process left are dropped first, unless somebody is connected to them.
    """
    prefix = _prefix(engine.url)
    name = f"{prefix}{secrets.token_hex(4)}"
    with _administering(engine.url) as server:
        for left in server.scalars(
            text("SELECT datname FROM pg_database WHERE starts_with(datname, :prefix)"), {"prefix": prefix}
        ).all():
            _drop_if_left(server, left)
        server.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE template0')
    try:
        yield engine.url.set(database=name)
    finally:
        with _administering(engine.url) as server:
            server.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _prefix(url: URL) -> str:
    """The beginning of the names of this ledger's scratch databases."""
    return f"dogovor_restore_{hashlib.sha256((url.database or '').encode()).hexdigest()[:8]}_"


def _drop_if_left(server: Connection, name: str) -> None:
    try:
        server.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}"')
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != "55006":  # object_in_use: a restore that is still running
            raise


@contextmanager
def _administering(url: URL) -> Iterator[Connection]:
    engine = create_engine(url, hide_parameters=True, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    except OperationalError as error:
        raise Transient(f"the ledger's server did not answer: {type(error.orig).__name__}") from error
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == "42501":
            raise Refused("createdb", "the ledger's role may not create databases: ALTER ROLE ... CREATEDB") from None
        raise
    finally:
        engine.dispose()


def clear(connection: Connection) -> None:
    """Drop every table of the schema and the functions of its triggers, so that a dump can be restored into it."""
    listed = {
        "TABLE": "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = current_schema()",
        "FUNCTION": (
            "SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace "
            "AND p.prorettype = 'trigger'::regtype AND NOT EXISTS "
            "(SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"
        ),
    }
    for kind, query in listed.items():
        for name in connection.exec_driver_sql(query).scalars().all():
            connection.exec_driver_sql(f"DROP {kind} {name} CASCADE")


def check(connection: Connection) -> str:
    """Whether copies can be made and proven here. Raises Refused with what to mend."""
    server = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one()) // 10000
    for program in ("pg_dump", "pg_restore"):
        path = find(program)
        told = subprocess.run(  # noqa: S603 - found above
            [path, "--version"], capture_output=True, text=True, timeout=10, check=False
        ).stdout
        major = re.search(r"(\d+)", told)
        if major is None or int(major[1]) < server:
            raise Refused("pg_tools", f"{path} is older than the server ({server}): {told.strip() or 'no version'}")
    can = "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
    if not connection.exec_driver_sql(can).scalar_one():
        raise Refused("createdb", "the ledger's role may not create databases, so no copy can be proven by a restore")
    return f"pg_dump and pg_restore for PostgreSQL {server}, may create databases"
