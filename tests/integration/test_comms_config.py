"""Configurations for real hosts: complete, closed to others, with roles that can do what they must and no more."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy.engine import make_url

from blocks.clients.certificates import LocalAuthority
from blocks.clients.comms.addresses import read_complexes
from blocks.clients.comms.whole import prepare_directory
from blocks.ledger import open_engine
from tests.servers.postgres import PostgresServer
from tests.servers.requirements import SEARCH_PATH
from tests.unit.test_cli import dogovor

HOST = "mail.example.net"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    config(tmp_path)
    return tmp_path / "out"


def config(folder: Path, *more: str, code: int = 0, database: str = "db.example.net:5432/directory") -> str:
    authority = LocalAuthority(folder / "ca", lambda: datetime.now(UTC))
    authority.of(HOST)
    shown = folder / "ca" / HOST
    arguments = ["comms", "config", "--out", str(folder / "out"), "--host", HOST, "--address", "192.0.2.1"]
    arguments += ["--database", database, "--chain", str(shown / "fullchain.pem"), "--key", str(shown / "privkey.pem")]
    arguments += ["--management", "192.0.2.1", "--managers", "192.0.2.9/32", "--mail-mb", "25", "--call-seconds", "0"]
    return dogovor(folder / "home", *arguments, *more, code=code)


def test_everything_is_written_for_one_pair_of_eyes_and_nothing_points_here(written: Path) -> None:
    files = [path for path in written.rglob("*") if path.is_file()]
    assert len(files) > 30
    assert not [path for path in files if path.stat().st_mode & 0o077]
    assert not [path for path in files if str(written) in path.read_text()]


def test_what_is_printed_and_the_note_hold_no_secret(tmp_path: Path) -> None:
    said = config(tmp_path) + (tmp_path / "out" / "README").read_text()
    key = re.search(r'": "([0-9a-f]{48})"', (tmp_path / "out" / "worker.env").read_text())
    assert key
    passwords = re.findall(r"[0-9a-f]{48}", (tmp_path / "out" / "files" / "sip" / "kamailio.cfg").read_text())
    assert passwords
    assert not [secret for secret in (key[1], *passwords) if secret in said]
    sql = (tmp_path / "out" / "grants.sql").read_text()
    assert not [secret for secret in passwords if secret in sql]


def test_what_stands_there_is_not_overwritten_unless_forced(tmp_path: Path) -> None:
    config(tmp_path)
    before = (tmp_path / "out" / "worker.env").read_text()
    assert "--force" in config(tmp_path, code=1)
    assert (tmp_path / "out" / "worker.env").read_text() == before
    config(tmp_path, "--force")
    assert (tmp_path / "out" / "worker.env").read_text() != before


def test_a_database_that_is_named_with_a_password_is_refused(tmp_path: Path) -> None:
    said = config(tmp_path, code=1, database="postgresql://me:secret@db/directory")
    assert "HOST:PORT/DATABASE" in said
    assert "secret" not in said


@pytest.mark.clause("KS-3.5")
def test_ks_3_5_the_limits_reach_the_servers_and_the_file_of_complexes(written: Path) -> None:
    [at] = read_complexes((written / "complexes.toml").read_text()).complexes
    assert (at.mail_bytes, at.call_seconds) == (25 * 2**20, 0)
    assert f"message_size_limit={25 * 2**20}\n" in (written / "files" / "mail" / "postfix" / "master.cf").read_text()


def test_units_run_every_server_under_the_settings_of_tls(written: Path) -> None:
    units = {path.stem: path.read_text() for path in (written / "systemd").iterdir()}
    assert {"dogovor-ejabberd", "dogovor-postfix", "dogovor-dovecot", "dogovor-kamailio", "dogovor-opendkim"} == set(
        units
    )
    for text in units.values():
        assert "Environment=OPENSSL_CONF=/var/lib/dogovor-comms/openssl.cnf" in text
    assert "User=kamailio" in units["dogovor-kamailio"]
    assert "User=" not in units["dogovor-postfix"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_reads_the_units(written: Path) -> None:
    for unit in (written / "systemd").iterdir():
        done = subprocess.run(["systemd-analyze", "verify", unit], check=False, capture_output=True, text=True)
        assert "Unknown" not in done.stderr


@pytest.fixture
def directory(postgres: PostgresServer, written: Path) -> Iterator[dict[str, str]]:
    """A database to which grants.sql was put twice; the addresses of the roles' connections by role."""
    name = f"grants_{uuid4().hex}"
    url = postgres.create_database(name)
    engine = open_engine(url)
    prepare_directory(engine)
    engine.dispose()
    sql = (written / "grants.sql").read_text()
    with psycopg.connect(postgres.dsn(name), autocommit=True) as connection:
        connection.execute(sql)
        connection.execute(sql)
    roles = ("dogovor_xmpp", "dogovor_mail", "dogovor_sip")
    yield {role: make_url(url).set(username=role, drivername="postgresql").render_as_string() for role in roles}
    postgres.drop_database(name)
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        for role in roles:
            connection.execute(f"drop role {role}")


ALLOWED = [
    ("dogovor_mail", "select email, scram256 from mail_account join mail_domain using (domain)"),
    ("dogovor_sip", "select ha1 from subscriber_active"),
    ("dogovor_sip", "select domain, did from domain"),
    ("dogovor_sip", "delete from dialog"),
    ("dogovor_xmpp", "select password, serverkey from users"),
    ("dogovor_xmpp", "delete from archive"),
]
FORBIDDEN = [
    ("dogovor_mail", "select ha1 from subscriber"),
    ("dogovor_mail", "select password from users"),
    ("dogovor_mail", "update mail_account set active = 1"),
    ("dogovor_sip", "select scram256 from mail_account"),
    ("dogovor_sip", "update subscriber set active = 1"),
    ("dogovor_sip", "delete from archive"),
    ("dogovor_xmpp", "select ha1 from subscriber"),
    ("dogovor_xmpp", "select scram256 from mail_account"),
    ("dogovor_xmpp", "select password from users_suspended"),
    ("dogovor_xmpp", "update users set password = ''"),
    ("dogovor_xmpp", "create table more (id int)"),
]


def test_each_server_has_what_it_needs_of_the_directory_and_no_more(directory: dict[str, str]) -> None:
    for role, statement in ALLOWED:
        with psycopg.connect(directory[role]) as connection:
            connection.execute(statement)
    for role, statement in FORBIDDEN:
        with psycopg.connect(directory[role]) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


def test_postfix_reads_what_is_written_for_it(written: Path) -> None:
    postconf = shutil.which("postconf", path=SEARCH_PATH)
    if postconf is None:
        pytest.skip("postconf is missing")
    place = written / "files" / "mail" / "postfix"
    done = subprocess.run([postconf, "-c", str(place), "-n"], check=True, capture_output=True, text=True)
    assert "warning" not in done.stderr
