"""Kamailio of a complex: its configuration, its tables, how it is started and where it then stands."""

from __future__ import annotations

import re
from importlib import resources

from pydantic import HttpUrl
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import DBAPIError

from blocks.clients.comms.addresses import SipAt
from blocks.clients.comms.plan import DatabaseAt, Plan, Program, fill
from blocks.clients.comms.sip_tls import DEFAULT, tls_config
from blocks.errors import Refused, Transient

FAILURES, SOURCE_FAILURES = 10, 100
"""Wrong passwords in a minute after which an address waits: for one number, and for all numbers it has never had."""

_MODULES = (
    *("tls", "jsonrpcs", "kex", "corex", "tm", "tmx", "sl", "rr", "pv", "maxfwd", "usrloc", "registrar", "textops"),
    *("textopsx", "siputils", "sanity", "nathelper", "sdpops", "xhttp", "db_postgres", "auth", "auth_db", "dialog"),
    *("ipops", "pike", "htable"),
)
_PLAIN = re.compile(r"[A-Za-z0-9._~-]+")
_PREPARE_LOCK = 0x51B0
_TABLES = resources.files("blocks.clients.comms").joinpath("templates/kamailio.sql").read_text()


def files(plan: Plan) -> dict[str, str]:
    """The files of Kamailio. Certificates of domains that stand there from before stay listed.

    Raises Refused where the database's password has characters that Kamailio cannot read in an address.
    """
    place = plan.home / "sip" / "tls"
    kamailio = fill(
        "kamailio.cfg",
        plan,
        modules=_MODULES,
        tls_file=place / "tls.cfg",
        database_url=_database_url(plan.database),
        failures=FAILURES,
        source_failures=SOURCE_FAILURES,
    )
    return {
        "sip/kamailio.cfg": kamailio,
        f"sip/tls/{DEFAULT}": plan.chain.read_text().rstrip() + "\n" + plan.key.read_text(),
        "sip/tls/tls.cfg": tls_config(place),
    }


def programs(plan: Plan) -> tuple[Program, ...]:
    """Kamailio in the foreground, its children below it."""
    home = plan.home / "sip"
    shared, private = ("256", "8") if plan.small else ("1024", "16")
    command = ("kamailio", "-f", str(home / "kamailio.cfg"), "-DD", "-E", "-m", shared, "-M", private)
    return (
        Program(
            name="kamailio",
            command=(*command, "-P", str(home / "run" / "pid"), "-Y", str(home / "run")),
            ports=(plan.ports.sips, plan.ports.sip_rpc),
            user="kamailio",
            owns=("sip/run",),
            reads=("openssl.cnf", *files(plan)),
            shares=("sip/tls",),
        ),
    )


def at(plan: Plan) -> SipAt:
    """Where it stands once it runs."""
    place = plan.home / "sip" / "tls"
    return SipAt(
        tls_port=plan.ports.sips,
        rpc_url=HttpUrl(f"http://{plan.management}:{plan.ports.sip_rpc}/RPC"),
        tls_file=place / "tls.cfg",
        certificates=place,
    )


def prepare_database(engine: Engine) -> None:
    """Create what Kamailio needs beside the directory's own tables, where it is missing. Raises Transient."""
    try:
        with engine.begin() as connection:
            connection.execute(select(func.pg_advisory_xact_lock(_PREPARE_LOCK)))
            connection.exec_driver_sql(_TABLES)
    except DBAPIError as error:
        raise Transient(f"the directory did not take Kamailio's tables: {type(error.orig).__name__}") from None


def _database_url(database: DatabaseAt) -> str:
    parts = (database.user, database.password, database.database)
    if not all(_PLAIN.fullmatch(part) for part in parts):
        raise Refused("database", "Kamailio reads only letters, digits and ._~- in a database's address")
    host = f"[{database.host}]" if ":" in database.host else database.host
    return f"postgres://{database.user}:{database.password}@{host}:{database.port}/{database.database}"
