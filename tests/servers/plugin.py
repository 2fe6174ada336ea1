"""The fixtures. Name this module in `pytest_plugins` of the top conftest."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import Page

from blocks.ledger import migrate, open_engine

from .acme2certifier import Acme2Certifier, acme2certifier_server
from .acme_dns import AcmeDns, acme_dns_servers
from .bind import BindServer, bind_server
from .certificates import Authority, new_authority
from .chromium import chromium_page
from .comms_dns import NameServers, name_servers
from .comms_mail import MailServers, mail_servers
from .comms_sip import SipGround, sip_ground
from .comms_whole import Whole, whole_complex
from .comms_xmpp import CommsXmpp, comms_xmpp_server
from .dovecot import DovecotServer, dovecot_server
from .ejabberd import EjabberdServer, ejabberd_server
from .kamailio import KamailioServer, kamailio_server
from .pebble import PebbleServer, pebble_server
from .postfix import PostfixServer, postfix_server
from .postgres import PostgresServer, postgres_server
from .seaweedfs import S3Server, seaweedfs_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Yield a PostgreSQL server, one for each test process."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """Yield the SQLAlchemy URL of an empty database of the test's own."""
    name = f"test_{uuid4().hex}"
    yield postgres.create_database(name)
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def migrated(postgres: PostgresServer) -> str:
    """Return the name of a database with the ledger's newest schema, to be copied."""
    name = f"migrated_{uuid4().hex}"
    engine = open_engine(postgres.create_database(name))
    migrate(engine)
    engine.dispose()
    return name


@pytest.fixture
def ledger_url(postgres: PostgresServer, migrated: str) -> Iterator[str]:
    """Yield the SQLAlchemy URL of a ledger of the test's own, empty and migrated."""
    name = f"test_{uuid4().hex}"
    yield postgres.create_database(name, template=migrated)
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def postfix_shared(authority: Authority) -> Iterator[PostfixServer]:
    """Yield a Postfix, one for each test process, with what earlier tests left in it."""
    with postfix_server(authority) as server:
        yield server


@pytest.fixture
def postfix(postfix_shared: PostfixServer) -> PostfixServer:
    """Return the shared Postfix, its mailboxes emptied."""
    postfix_shared.clear()
    return postfix_shared


@pytest.fixture(scope="session")
def authority() -> Iterator[Authority]:
    """Yield the authority whose certificates the servers show."""
    with new_authority() as made:
        yield made


@pytest.fixture(scope="session")
def bind() -> Iterator[BindServer]:
    """Yield a BIND, one for each test process."""
    with bind_server() as server:
        yield server


@pytest.fixture(scope="session")
def dns_servers() -> Iterator[NameServers]:
    """Yield our name servers and a resolver, one set for each test process."""
    with name_servers() as servers:
        yield servers


@pytest.fixture(scope="session")
def ejabberd(authority: Authority) -> Iterator[EjabberdServer]:
    """Yield an ejabberd, one for each test process."""
    with ejabberd_server(authority) as server:
        yield server


@pytest.fixture(scope="session")
def comms_xmpp(postgres: PostgresServer) -> Iterator[CommsXmpp]:
    """Yield the ejabberd of a complex, one for each test process; it runs whenever no test has it."""
    with comms_xmpp_server(postgres) as server:
        yield server


@pytest.fixture(scope="session")
def dovecot(authority: Authority) -> Iterator[DovecotServer]:
    """Yield a Dovecot, one for each test process."""
    with dovecot_server(authority) as server:
        yield server


@pytest.fixture(scope="session")
def kamailio(authority: Authority) -> Iterator[KamailioServer]:
    """Yield a Kamailio, one for each test process."""
    with kamailio_server(authority) as server:
        yield server


@pytest.fixture(scope="session")
def sip(postgres: PostgresServer) -> Iterator[SipGround]:
    """Yield the Kamailio of a complex, one for each test process."""
    with sip_ground(postgres) as made:
        yield made


@pytest.fixture(scope="session")
def comms_mail(postgres: PostgresServer) -> Iterator[MailServers]:
    """Yield the mail servers of a complex, one set for each test process; they need root."""
    with mail_servers(postgres) as servers:
        yield servers


@pytest.fixture(scope="session")
def whole() -> Iterator[Whole]:
    """Yield a whole complex, one for each test process."""
    with whole_complex() as made:
        yield made


@pytest.fixture
def page() -> Iterator[Page]:
    """Yield an empty page in a Chromium of the test's own."""
    with chromium_page() as opened:
        yield opened


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """Yield an S3 server, one for each test process."""
    with seaweedfs_server() as server:
        yield server


@pytest.fixture
def s3_bucket(s3: S3Server) -> str:
    """Return the name of an empty bucket of the test's own, with versions and object lock."""
    return s3.create_bucket()


@pytest.fixture
def s3_lockless_bucket(s3: S3Server) -> str:
    """Return the name of an empty bucket of the test's own, with versions and without object lock."""
    return s3.create_bucket(lock=False)


@pytest.fixture(scope="session")
def acme_dns() -> Iterator[AcmeDns]:
    """Yield name servers for proofs of domains, one set for each test process."""
    with acme_dns_servers() as servers:
        yield servers


@pytest.fixture(scope="session")
def pebble(authority: Authority, acme_dns: AcmeDns) -> Iterator[PebbleServer]:
    """Yield an ACME CA, one for each test process, with the accounts and orders of earlier tests in it."""
    with pebble_server(authority, acme_dns) as server:
        yield server


@pytest.fixture(scope="session")
def acme2certifier(authority: Authority, acme_dns: AcmeDns) -> Iterator[Acme2Certifier]:
    """Yield the ACME CA that has ARI, one for each test process."""
    with acme2certifier_server(authority, acme_dns) as server:
        yield server
