"""The directory: the accounts that ejabberd, Dovecot with Postfix, and Kamailio read from one database.

Tables are those the servers expect: ejabberd's `users` (new SQL schema), `mail_domain` and `mail_account`, Kamailio's
`domain` and `subscriber` (usrloc keys on domain; `active` is ours and is read through a view).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import (
    Column,
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
)
from sqlalchemy.exc import DBAPIError

from blocks.clients.password_hashes import SCRAM_ITERATIONS, AccountHashes
from blocks.errors import Transient

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


class Directory:
    """Accounts by domain. Every call is one transaction and can be repeated."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def prepare(self) -> None:
        """Create the tables that are missing. Raises Transient."""
        with _typed("its tables"):
            _METADATA.create_all(self._engine)

    def provision(self, domain: str, accounts: Sequence[AccountHashes]) -> None:
        """Make the accounts of a domain exactly these. Raises Transient when the database does not answer."""
        with _typed(domain), self._engine.begin() as connection:
            _clear(connection, domain)
            connection.execute(insert(MAIL_DOMAINS), [{"domain": domain}])
            connection.execute(insert(SIP_DOMAINS), [{"domain": domain, "did": domain}])
            connection.execute(insert(XMPP_USERS), [_xmpp(account, domain) for account in accounts])
            connection.execute(insert(MAIL_ACCOUNTS), [_mail(account, domain) for account in accounts])
            connection.execute(insert(SIP_SUBSCRIBERS), [_sip(account, domain) for account in accounts])

    def remove(self, domain: str) -> None:
        """Take a domain and all its accounts out. Raises Transient."""
        with _typed(domain), self._engine.begin() as connection:
            _clear(connection, domain)

    def accounts(self, domain: str) -> list[str]:
        """The mail addresses of a domain, in order."""
        with self._engine.connect() as connection:
            found = (
                select(MAIL_ACCOUNTS.c.email).where(MAIL_ACCOUNTS.c.domain == domain).order_by(MAIL_ACCOUNTS.c.email)
            )
            return list(connection.scalars(found))

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def check(self) -> str:
        """How many accounts there are, for the doctor. Raises Transient."""
        with _typed("a question"), self._engine.connect() as connection:
            count = connection.scalar(select(func.count()).select_from(MAIL_ACCOUNTS))
        return f"{count} mail accounts"


@contextmanager
def _typed(what: str) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise Transient(f"the directory did not take {what}: {type(error.orig).__name__}") from None


def _clear(connection: Connection, domain: str) -> None:
    for table, column in (
        (XMPP_USERS, XMPP_USERS.c.server_host),
        (MAIL_ACCOUNTS, MAIL_ACCOUNTS.c.domain),
        (MAIL_DOMAINS, MAIL_DOMAINS.c.domain),
        (SIP_SUBSCRIBERS, SIP_SUBSCRIBERS.c.domain),
        (SIP_DOMAINS, SIP_DOMAINS.c.domain),
    ):
        connection.execute(table.delete().where(column == domain))


def _xmpp(account: AccountHashes, domain: str) -> dict[str, object]:
    return {
        "username": account.name,
        "server_host": domain,
        "password": f"sha256:{account.scram_stored}",
        "serverkey": account.scram_server,
        "salt": account.scram_salt,
        "iterationcount": SCRAM_ITERATIONS,
    }


def _mail(account: AccountHashes, domain: str) -> dict[str, object]:
    scram = f"{SCRAM_ITERATIONS},{account.scram_salt},{account.scram_stored},{account.scram_server}"
    return {
        "email": account.address,
        "domain": domain,
        "local_part": account.name,
        "scram256": f"{{SCRAM-SHA-256}}{scram}",
        "cram": account.cram_md5,
    }


def _sip(account: AccountHashes, domain: str) -> dict[str, object]:
    return {"username": account.number, "domain": domain, "ha1": account.ha1}
