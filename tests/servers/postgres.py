"""A PostgreSQL server of the tests' own.

It trusts everyone on its port of 127.0.0.1 and gives up durability for speed (fsync is off): it
must never hold anything but test data. Each test process has its own, so parallel workers share
nothing; a new cluster costs about a second, too little to be worth a lock and a shared template.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from .processes import (
    NOBODY_ID,
    NotReadyError,
    RunningProcess,
    clean_environment,
    free_port,
    log_tail,
    running,
    server_directory,
    wait_until,
)
from .requirements import lacking, require

DEBIAN_ROOT = Path("/usr/lib/postgresql")
PREFERRED_MAJOR = "15"
READY_DEADLINE_S = 30.0
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
}


@dataclass(frozen=True)
class PostgresServer:
    """A server that answers; `ready_s` is what its start took."""

    host: str
    port: int
    ready_s: float

    def url(self, dbname: str) -> str:
        """Return SQLAlchemy's URL of the database, through psycopg 3."""
        return f"postgresql+psycopg://postgres@{self.host}:{self.port}/{dbname}"

    def dsn(self, dbname: str) -> str:
        """Return libpq's URL of the database."""
        return f"postgresql://postgres@{self.host}:{self.port}/{dbname}"

    def create_database(self, name: str, *, template: str = "template1") -> str:
        """Create the database, as a copy of `template` (to which nobody may be connected)."""
        self._execute(sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template)))
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop the database if it exists, and the connections to it."""
        self._execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(statement)


def find_binaries() -> Path:
    """Return the directory of Debian's server binaries: version 15 if there, else the newest.

    PATH is not consulted: `initdb` and `postgres` on it may be of different versions.
    """
    majors = {d.name for d in DEBIAN_ROOT.glob("*") if (d / "bin/initdb").exists()}
    if not majors:
        lacking("PostgreSQL is missing: run tests/servers/install.sh (Debian package postgresql)")
    newest = max(majors, key=lambda major: [int(part) for part in major.split(".")])
    major = PREFERRED_MAJOR if PREFERRED_MAJOR in majors else newest
    return DEBIAN_ROOT / major / "bin"


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run a new, empty cluster whose superuser is `postgres`; as root, run it as nobody."""
    started = time.monotonic()
    binaries = find_binaries()
    user_id = NOBODY_ID if os.geteuid() == 0 else None
    with server_directory("dg-pg-", user_id) as home:
        data = home / "data"
        _initdb(binaries, data, home, user_id)
        port = free_port()
        args = [str(binaries / "postgres"), "-D", str(data)]
        args += ["-h", "127.0.0.1", "-p", str(port), "-k", ""]
        for name, value in SETTINGS.items():
            args += ["-c", f"{name}={value}"]
        with running(
            args,
            log=home / "log",
            env=clean_environment(home),
            cwd=home,
            user_id=user_id,
            stop_signal=signal.SIGINT,  # "fast" shutdown; SIGTERM waits for clients to leave
        ) as process:
            _wait_ready(port, process)
            yield PostgresServer("127.0.0.1", port, time.monotonic() - started)


def _initdb(binaries: Path, data: Path, home: Path, user_id: int | None) -> None:
    log = home / "initdb.log"
    command = [require(str(binaries / "initdb"), "postgresql"), "--pgdata", str(data)]
    command += ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]
    command += ["--no-sync", "--no-instructions"]
    with log.open("wb") as output:
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=clean_environment(home),
            cwd=home,
            timeout=READY_DEADLINE_S * 2,
            check=False,
            user=user_id,
            group=user_id,
            extra_groups=None if user_id is None else [],
        )
    if result.returncode != 0:
        message = f"initdb failed, status {result.returncode}\n{log_tail(log)}"
        raise NotReadyError(message)


def _wait_ready(port: int, process: RunningProcess) -> None:
    def answers() -> bool:
        process.ensure_alive()
        dsn = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        try:
            psycopg.connect(dsn, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    wait_until(answers, READY_DEADLINE_S, "PostgreSQL answers")
