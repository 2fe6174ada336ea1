"""What the servers of a complex are started from in tests: a plan with free ports, a database and certificates."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy.engine import make_url

from blocks.clients.certificates import LocalAuthority
from blocks.clients.comms.plan import DatabaseAt, Plan, Ports
from blocks.clients.directory import Directory
from blocks.ledger import open_engine

from .postgres import PostgresServer
from .processes import free_port, server_directory


@dataclass(frozen=True)
class Ground:
    """A plan to be launched, the directory its servers read, and the authority of its certificates."""

    plan: Plan
    directory: Directory
    directory_url: str
    authority: LocalAuthority


@contextmanager
def ground(postgres: PostgresServer) -> Iterator[Ground]:
    """Yield the ground of a complex; nothing runs on it yet, its directory has no tables yet."""
    database = f"comms_{uuid4().hex}"
    url = make_url(postgres.create_database(database))
    directory = Directory(open_engine(url.render_as_string(hide_password=False)))
    try:
        with server_directory("dg-comms-") as home:
            authority = LocalAuthority(home / "ca", lambda: datetime.now(UTC))
            place = home / "ca" / "host.test"
            authority.of("host.test")
            plan = Plan(
                home=home,
                host="host.test",
                ports=Ports(**{name: free_port() for name in Ports.model_fields}),
                database=DatabaseAt(
                    host=postgres.host, port=postgres.port, database=database, user="postgres", password="unused"
                ),
                doveadm_key=secrets.token_hex(16),
                chain=place / "fullchain.pem",
                key=place / "privkey.pem",
                ca_file=authority.ca_file,
            )
            yield Ground(plan, directory, url.render_as_string(hide_password=False), authority)
    finally:
        directory.close()
        postgres.drop_database(database)
