"""A PostgreSQL cluster of the complex's own, for a developer's machine: the directory and what servers store."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import URL, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from blocks.clients.comms.plan import DatabaseAt, Plan, Program
from blocks.errors import Refused, Transient

USER, ROLE, DATABASE = "postgres", "dogovor", "directory"
_ROOT = Path("/usr/lib/postgresql")
_INIT_SECONDS, _START_SECONDS, _POLL_SECONDS = 120, 60.0, 0.05
_SETTINGS = {"max_connections": "400", "shared_buffers": "64MB", "listen_addresses": "127.0.0.1"}


def database_url(at: DatabaseAt, database: str = "") -> str:
    """SQLAlchemy's URL of a database, password included."""
    url = URL.create("postgresql+psycopg", at.user, at.password, at.host, at.port, database or at.database)
    return url.render_as_string(hide_password=False)


def make_cluster(home: Path, password: str) -> None:
    """Create the cluster in `home/postgres/data` with its role and that password; one that is there stays.

    Raises Refused where PostgreSQL is not installed, Transient with initdb's words where it fails.
    """
    place = home / "postgres"
    if (place / "data").exists():
        return
    place.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(place / "new", ignore_errors=True)
    given = place / "password"
    given.touch(mode=0o600)
    given.write_text(password)
    command = [str(_binary("initdb")), "--pgdata", str(place / "new"), "--username", ROLE, "--pwfile", str(given)]
    command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"]
    try:
        _initialised(command, place, (place, given))
    finally:
        given.unlink()
    (place / "new").rename(place / "data")


def _initialised(command: Sequence[str], place: Path, given: Sequence[Path]) -> None:
    user = USER if os.geteuid() == 0 else None
    if user is not None:
        for path in given:
            shutil.chown(path, user, user)
    done = subprocess.run(  # noqa: S603 - our own database
        command,
        cwd=place,
        env={"PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "UTC"},
        capture_output=True,
        text=True,
        timeout=_INIT_SECONDS,
        check=False,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )
    if done.returncode:
        raise Transient(f"initdb failed: {done.stderr[-500:]}")


def cluster_program(plan: Plan) -> Program:
    """The server of that cluster."""
    command = [str(_binary("postgres")), "-D", str(plan.home / "postgres" / "data"), "-p", str(plan.database.port)]
    command += ["-k", ""]
    for name, value in _SETTINGS.items():
        command += ["-c", f"{name}={value}"]
    return Program("postgres", tuple(command), (plan.database.port,), user=USER, owns=("postgres",), stop=signal.SIGINT)


def make_database(at: DatabaseAt) -> None:
    """Create the directory's database once the cluster answers; one that is there stays. Raises Transient."""
    engine = create_engine(database_url(at, "postgres"), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            with engine.connect() as connection:
                found = connection.scalar(
                    text("select 1 from pg_database where datname = :name"), {"name": at.database}
                )
                if not found:
                    connection.execute(text(f'create database "{at.database}"'))
                return
        except OperationalError as error:  # it takes connections before it has recovered
            if time.monotonic() > end:
                raise Transient(f"the cluster does not answer: {type(error.orig).__name__}") from None
            time.sleep(_POLL_SECONDS)


def _binary(name: str) -> Path:
    found = sorted(_ROOT.glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    if not found:
        raise Refused("not_installed", f"PostgreSQL's {name} is not installed: see tests/servers/install.sh")
    return found[-1]
