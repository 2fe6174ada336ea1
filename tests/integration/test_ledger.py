"""The ledger's own promises, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, select, text
from sqlalchemy.exc import DBAPIError, StatementError

from blocks.ledger import Base, Customer, migrate, reading, transaction
from blocks.office import Office
from tests.work import NOW, ordered, qs


def test_migrations_lead_to_exactly_the_models(office: Office) -> None:
    with office.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_an_upgrade_takes_the_complexes_of_the_release_before_as_let_in(tmp_path: Path) -> None:
    """No server was ever told of a suspension; accounts were written without anybody logging in."""
    engine = create_engine(f"sqlite:///{tmp_path / 'old.sqlite3'}")
    config = Config()
    config.set_main_option("script_location", "blocks.ledger:migrations")
    rows = [
        (1, "KS", "ACTIVE", "2026-01-01"),
        (2, "KS", "SUSPENDED", "2026-01-01"),
        (3, "KS", "RESERVED", None),
        (4, "KS", "RESERVED", None),
        (5, "KS", "TERMINATED", None),
        (6, "QS", "SUSPENDED", "2026-01-01"),
    ]
    insert = (
        "INSERT INTO services (order_id, customer_id, agreement, name, product, state, active_from)"
        " VALUES (:id, 1, :of, :name, '{}', :state, :since)"
    )
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        for number, of, state, since in rows:
            values = {"id": number, "of": of, "name": f"s{number}", "state": state, "since": since}
            connection.execute(text(insert), values)
        connection.execute(text("INSERT INTO steps VALUES (3, 'provision_accounts', '2026-01-01', '')"))
    migrate(engine)
    with engine.connect() as connection:
        served = connection.execute(text("SELECT order_id, served_state FROM services")).tuples().all()
    assert dict(served) == {1: "active", 2: "active", 3: "changing", 4: None, 5: None, 6: None}
    engine.dispose()


def test_many_processes_may_migrate_at_once(office: Office) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: migrate(office.engine), range(4))) == [None] * 4


def test_a_reader_sees_one_moment_however_long_it_reads(office: Office) -> None:
    with reading(office.sessions) as session:
        before = session.scalars(select(Customer.id)).all()
        ordered(office, "L-1", qs("free", 0))
        assert session.scalars(select(Customer.id)).all() == before == []
    with reading(office.sessions) as session:
        assert session.scalars(select(Customer.id)).all() == [1]


@pytest.mark.parametrize("table", ["order_events", "account_entries"])
@pytest.mark.parametrize("change", ["UPDATE {} SET clause = 'KS-9'", "DELETE FROM {}"])
def test_the_journals_cannot_be_altered(office: Office, table: str, change: str) -> None:
    ordered(office, "L-1", qs("free", 0))
    with pytest.raises(DBAPIError, match="append-only"), transaction(office.sessions) as session:
        session.execute(text(change.format(table)))


def test_a_moment_without_a_zone_is_refused(office: Office) -> None:
    naive = datetime(2026, 11, 20, 9, 0)  # noqa: DTZ001 - that is the point
    with pytest.raises(StatementError, match="has a zone"), transaction(office.sessions) as session:
        session.add(Customer(agreement="KS", kind="person", name="x", email="x@example.test", created_at=naive))


def test_moments_come_back_in_utc(office: Office) -> None:
    ordered(office, "L-1", qs("free", 0))
    with reading(office.sessions) as session:
        created = session.scalars(select(Customer.created_at)).one()
    assert created == NOW
    assert created.utcoffset() is not None


def test_an_error_shows_no_parameters(office: Office) -> None:
    ordered(office, "L-1", qs("free", 0))
    with pytest.raises(DBAPIError) as caught, transaction(office.sessions) as session:
        session.add(
            Customer(agreement="QS", kind="person", name="secret-name", email="customer@example.test", created_at=NOW)
        )
    assert "secret-name" not in str(caught.value)
