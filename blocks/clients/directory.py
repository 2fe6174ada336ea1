"""The directory: the accounts that ejabberd, Dovecot with Postfix, and Kamailio read from one database.

Tables are those the servers expect: ejabberd's `users` (new SQL schema), `mail_domain` and `mail_account`, Kamailio's
`domain` and `subscriber` (usrloc keys on domain; `active` is ours and is read through a view). ejabberd knows no
suspended account, so suspended rows wait in `users_suspended`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError

from blocks.clients.password_hashes import SCRAM_ITERATIONS, AccountHashes
from blocks.errors import Transient
from blocks.terms.base import Frozen

_METADATA = MetaData()

XMPP_USERS = Table(
    "users",
    _METADATA,
    Column("username", String(191), primary_key=True),
    Column("server_host", String(191), primary_key=True),
    Column("password", Text, nullable=False),
    Column("serverkey", String(128), nullable=False, server_default=""),
    Column("salt", String(128), nullable=False, server_default=""),
    Column("iterationcount", Integer, nullable=False, server_default="0"),
    Column("created_at", DateTime, nullable=False, server_default=func.current_timestamp()),
)
XMPP_SUSPENDED = XMPP_USERS.to_metadata(_METADATA, name="users_suspended")
MAIL_DOMAINS = Table(
    "mail_domain",
    _METADATA,
    Column("domain", String(254), primary_key=True),
    Column("active", Integer, nullable=False, server_default="1"),
)
MAIL_ACCOUNTS = Table(
    "mail_account",
    _METADATA,
    Column("email", String(254), primary_key=True),
    Column("domain", String(254), nullable=False),
    Column("local_part", String(64), nullable=False),
    Column("scram256", Text, nullable=False),
    Column("cram", Text),
    Column("quota_mb", Integer, nullable=False, server_default="1024"),
    Column("active", Integer, nullable=False, server_default="1"),
)
SIP_DOMAINS = Table(
    "domain",
    _METADATA,
    Column("id", Integer, primary_key=True),
    Column("domain", String(64), nullable=False, unique=True),
    Column("did", String(64)),
    Column("last_modified", DateTime, nullable=False, server_default=func.current_timestamp()),
)
SIP_SUBSCRIBERS = Table(
    "subscriber",
    _METADATA,
    Column("id", Integer, primary_key=True),
    Column("username", String(64), nullable=False),
    Column("domain", String(64), nullable=False),
    Column("password", String(64), nullable=False, server_default=""),
    Column("ha1", String(128), nullable=False),
    Column("ha1b", String(128), nullable=False, server_default=""),
    Column("active", Integer, nullable=False, server_default="1"),
)


class Kind(StrEnum):
    """A service and its tables."""

    XMPP = "xmpp"
    MAIL = "mail"
    SIP = "sip"


class Standing(Frozen):
    """The accounts of a domain in one service, by name: those that work and those that are suspended."""

    active: tuple[str, ...] = ()
    suspended: tuple[str, ...] = ()


class Directory:
    """Accounts by service and domain. Every call is one transaction and can be repeated. All raise Transient."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def prepare(self) -> None:
        """Create the tables that are missing."""
        with _typed("its tables"):
            _METADATA.create_all(self._engine)

    def provision(self, kind: Kind, domain: str, accounts: Sequence[AccountHashes]) -> None:
        """Make the accounts of a domain exactly these, all of them active."""
        with _typed(domain), self._engine.begin() as connection:
            _clear(connection, kind, domain)
            for table, row in _DOMAIN_ROWS[kind]:
                connection.execute(insert(table), row(domain))
            connection.execute(insert(_ACCOUNTS[kind]), [_ROWS[kind](account, domain) for account in accounts])

    def suspend(self, kind: Kind, domain: str) -> None:
        """Take the accounts of a domain out of use. Their hashes stay."""
        with _typed(domain), self._engine.begin() as connection:
            if kind is Kind.XMPP:
                _move(connection, domain, XMPP_USERS, XMPP_SUSPENDED)
            else:
                _set_active(connection, kind, domain, active=0)

    def resume(self, kind: Kind, domain: str) -> None:
        """Put suspended accounts of a domain back to use."""
        with _typed(domain), self._engine.begin() as connection:
            if kind is Kind.XMPP:
                _move(connection, domain, XMPP_SUSPENDED, XMPP_USERS)
            else:
                _set_active(connection, kind, domain, active=1)

    def remove(self, kind: Kind, domain: str) -> None:
        """Take a domain and all its accounts out."""
        with _typed(domain), self._engine.begin() as connection:
            _clear(connection, kind, domain)

    def standing(self, kind: Kind, domain: str) -> Standing:
        """The accounts of a domain: names for XMPP and mail, numbers for SIP, in order."""
        with _typed("a question"), self._engine.connect() as connection:
            if kind is Kind.XMPP:
                return Standing(
                    active=_names(connection, XMPP_USERS.c.username, XMPP_USERS.c.server_host == domain),
                    suspended=_names(connection, XMPP_SUSPENDED.c.username, XMPP_SUSPENDED.c.server_host == domain),
                )
            table, name = _ACCOUNTS[kind], _NAMES[kind]
            return Standing(
                active=_names(connection, name, table.c.domain == domain, table.c.active == 1),
                suspended=_names(connection, name, table.c.domain == domain, table.c.active == 0),
            )

    def domains(self, kind: Kind) -> list[str]:
        """Every domain that has accounts, suspended ones among them, in order."""
        tables = (XMPP_USERS, XMPP_SUSPENDED) if kind is Kind.XMPP else (_ACCOUNTS[kind],)
        with _typed("a question"), self._engine.connect() as connection:
            found = {name for table in tables for name in connection.scalars(select(_domain_of(table)).distinct())}
        return sorted(found)

    def verifiers(self, kind: Kind, domain: str) -> dict[str, str]:
        """What the server of a service holds of each active account of a domain, by name, as it stands in its table.

        For whoever stands in for the server; nobody else needs it.
        """
        table, name, secret = _VERIFIERS[kind]
        query = select(name, secret).where(_domain_of(table) == domain)
        if "active" in table.c:
            query = query.where(table.c.active == 1)
        with _typed("a question"), self._engine.connect() as connection:
            return dict(connection.execute(query).tuples().all())

    @contextmanager
    def transaction(self, what: str) -> Iterator[Connection]:
        """A transaction on the same database, for the tables that a server keeps there itself."""
        with _typed(what), self._engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def version(self) -> str:
        """The database server and its version."""
        with _typed("a question"), self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                return f"SQLite {connection.scalar(select(func.sqlite_version()))}"
            return str(connection.scalar(select(func.version())))

    def check(self) -> str:
        """How many accounts there are, for the doctor."""
        with _typed("a question"), self._engine.connect() as connection:
            count = connection.scalar(select(func.count()).select_from(MAIL_ACCOUNTS))
        return f"{count} mail accounts"


def table_names() -> list[str]:
    """The directory's own tables, in order."""
    return sorted(_METADATA.tables)


@contextmanager
def _typed(what: str) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise Transient(f"the directory did not take {what}: {type(error.orig).__name__}") from None


def _clear(connection: Connection, kind: Kind, domain: str) -> None:
    extra = (XMPP_SUSPENDED,) if kind is Kind.XMPP else ()
    for table in (_ACCOUNTS[kind], *extra, *(table for table, _ in _DOMAIN_ROWS[kind])):
        connection.execute(table.delete().where(_domain_of(table) == domain))


def _domain_of(table: Table) -> Column[str]:
    return table.c.server_host if "server_host" in table.c else table.c.domain


def _move(connection: Connection, domain: str, source: Table, target: Table) -> None:
    here = source.c.server_host == domain
    already = select(target.c.username).where(target.c.server_host == domain)
    moved = select(*source.c).where(here, source.c.username.not_in(already))
    connection.execute(insert(target).from_select([column.name for column in source.c], moved))
    connection.execute(source.delete().where(here))


def _set_active(connection: Connection, kind: Kind, domain: str, *, active: int) -> None:
    table = _ACCOUNTS[kind]
    connection.execute(update(table).where(table.c.domain == domain).values(active=active))


def _names(connection: Connection, name: Column[str], *where: ColumnElement[bool]) -> tuple[str, ...]:
    return tuple(connection.scalars(select(name).where(*where).order_by(name)))


def _xmpp(account: AccountHashes, domain: str) -> dict[str, object]:
    return {
        "username": account.name,
        "server_host": domain,
        "password": account.xmpp_verifier(account.scram_stored),
        "serverkey": account.scram_server,
        "salt": account.scram_salt,
        "iterationcount": SCRAM_ITERATIONS,
    }


def _mail(account: AccountHashes, domain: str) -> dict[str, object]:
    return {
        "email": account.address,
        "domain": domain,
        "local_part": account.name,
        "scram256": account.mail_verifier(account.scram_stored),
        "cram": account.cram_md5,
    }


def _sip(account: AccountHashes, domain: str) -> dict[str, object]:
    return {"username": account.number, "domain": domain, "ha1": account.ha1}


_ACCOUNTS = {Kind.XMPP: XMPP_USERS, Kind.MAIL: MAIL_ACCOUNTS, Kind.SIP: SIP_SUBSCRIBERS}
_NAMES: dict[Kind, Column[str]] = {
    Kind.MAIL: MAIL_ACCOUNTS.c.local_part,
    Kind.SIP: SIP_SUBSCRIBERS.c.username,
}
_VERIFIERS: dict[Kind, tuple[Table, Column[str], Column[str]]] = {
    Kind.XMPP: (XMPP_USERS, XMPP_USERS.c.username, XMPP_USERS.c.password),
    Kind.MAIL: (MAIL_ACCOUNTS, MAIL_ACCOUNTS.c.local_part, MAIL_ACCOUNTS.c.scram256),
    Kind.SIP: (SIP_SUBSCRIBERS, SIP_SUBSCRIBERS.c.username, SIP_SUBSCRIBERS.c.ha1),
}
_ROWS: dict[Kind, Callable[[AccountHashes, str], dict[str, object]]] = {
    Kind.XMPP: _xmpp,
    Kind.MAIL: _mail,
    Kind.SIP: _sip,
}
_DOMAIN_ROWS: dict[Kind, tuple[tuple[Table, Callable[[str], dict[str, object]]], ...]] = {
    Kind.XMPP: (),
    Kind.MAIL: ((MAIL_DOMAINS, lambda domain: {"domain": domain}),),
    Kind.SIP: ((SIP_DOMAINS, lambda domain: {"domain": domain, "did": domain}),),
}
