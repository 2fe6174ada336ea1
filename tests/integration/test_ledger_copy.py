"""Copies of the ledger: of one moment, sealed, opened only whole, restored as they were. On both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import zstandard
from sqlalchemy import Connection, func, select, text

from blocks.clients import ledger_copy, postgres_tools
from blocks.clients.frames import FrameWriter
from blocks.clients.ledger_copy import Header, Taken
from blocks.clients.ledger_tally import holding_rows, tally
from blocks.clients.scratch import scratch
from blocks.errors import Refused
from blocks.ledger import Base, Customer, Refusal, open_engine, transaction
from blocks.office import Office, open_office
from blocks.settings import Settings
from tests.conftest import close_office
from tests.full_ledger import AT, MARKER, fill

KEY = bytes(range(32))


def heads(_connection: Connection) -> Mapping[str, str]:
    return {"journal": "0" * 64}


def take(office: Office, folder: Path, *, name: str = "one") -> Taken:
    return ledger_copy.take(office.engine, name=name, made_at=AT, key=KEY, heads=heads, folder=folder)


def add_customer(office: Office, email: str) -> None:
    with transaction(office.sessions) as session:
        session.add(Customer(agreement="KS", kind="person", name="Анна", email=email, created_at=AT))


@pytest.fixture
def pg_office(settings_for: Callable[..., Settings], ledger_url: str) -> Iterator[Office]:
    opened = open_office(settings_for(ledger_url=ledger_url))
    yield opened
    close_office(opened)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "scratch"
    made.mkdir()
    return made


def test_every_row_of_every_table_comes_back(office: Office, folder: Path) -> None:
    fill(office)
    taken = take(office, folder)
    assert set(taken.header.counts) == {*Base.metadata.tables, "alembic_version"}
    assert set(taken.header.counts.values()) == {1}
    found = ledger_copy.rehearse(office.engine, taken.path, key=KEY, name="one", folder=folder)
    ledger_copy.compare(taken.header, found)
    with office.engine.connect() as connection:
        assert tally(connection) == found


def test_nothing_plain_is_left_and_nothing_of_the_ledger_is_in_the_copy(office: Office, folder: Path) -> None:
    fill(office)
    taken = take(office, folder)
    ledger_copy.rehearse(office.engine, taken.path, key=KEY, name="one", folder=folder)
    assert [path.name for path in folder.iterdir()] == ["copy.sealed"]
    content = taken.path.read_bytes()
    assert len(content) == taken.size
    plain = (MARKER.encode(), MARKER[:6].encode(), b"marker", b"SQLite", b"PGDMP", b"customers", KEY)
    assert [word for word in plain if word in content] == []


def test_a_copy_is_its_owners_alone(office: Office, folder: Path) -> None:
    assert take(office, folder).path.stat().st_mode & 0o777 == 0o600


def test_a_write_during_the_copy_is_not_half_in_it(
    office: Office, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_customer(office, "before@example.test")
    plain = ledger_copy._dump  # noqa: SLF001 - between the counting and the dump

    def written_meanwhile(connection: Connection, within: Path) -> Any:
        writer = threading.Thread(target=add_customer, args=(office, "during@example.test"))
        writer.start()
        writer.join(20)
        assert not writer.is_alive()
        return plain(connection, within)

    monkeypatch.setattr(ledger_copy, "_dump", written_meanwhile)
    taken = take(office, folder)
    found = ledger_copy.rehearse(office.engine, taken.path, key=KEY, name="one", folder=folder)
    ledger_copy.compare(taken.header, found)
    assert found.counts["customers"] == 1
    with office.sessions() as session:
        assert session.scalar(select(func.count()).select_from(Customer)) == 2


def test_the_digest_sees_a_changed_value_and_not_the_order_of_writing(office: Office) -> None:
    def digest() -> str:
        with office.engine.connect() as connection:
            return tally(connection).digest

    def refusals(*reasons: str) -> str:
        with transaction(office.sessions) as session:
            session.execute(text("DELETE FROM refusals"))
            session.flush()
            for reason in reasons:
                session.add(Refusal(day=AT.date(), source="shop", reason=reason, count=1))
                session.flush()
        return digest()

    empty = digest()
    assert refusals("ё", "a", "B", "я") == refusals("я", "B", "a", "ё") != empty
    assert refusals("ё", "a", "B", "ю") != refusals("ё", "a", "B", "я")
    assert refusals() == empty


def test_both_databases_have_one_digest_of_the_same_rows(
    settings_for: Callable[..., Settings], ledger_url: str, sqlite_office: Office
) -> None:
    other = Office(sqlite_office.settings, open_engine(ledger_url), sqlite_office.sessions)
    with transaction(sqlite_office.sessions) as session:
        for reason in ("ё", "a", "B", "_", "я"):
            session.add(Refusal(day=AT.date(), source="shop", reason=reason, count=1))
    fill(sqlite_office)
    with sqlite_office.engine.connect() as source, other.engine.begin() as target:
        for table in Base.metadata.sorted_tables:
            for row in source.execute(select(table)).mappings():
                target.execute(table.insert().values(**row))
        assert tally(source) == tally(target)
    other.engine.dispose()


def test_holding_rows_names_the_tables_that_do(office: Office) -> None:
    with office.engine.connect() as connection:
        assert holding_rows(connection) == []
    add_customer(office, "a@example.test")
    with office.engine.connect() as connection:
        assert holding_rows(connection) == ["customers"]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def altered(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("tamper", [cut, altered])
def test_a_copy_that_was_cut_off_or_altered_is_neither_opened_nor_restored(
    office: Office, folder: Path, tamper: Callable[[Path], None]
) -> None:
    fill(office)
    taken = take(office, folder)
    tamper(taken.path)
    with pytest.raises(Refused, match="does not open"):
        ledger_copy.read_through(taken.path, KEY, "one")
    with pytest.raises(Refused, match="does not open"):
        ledger_copy.rehearse(office.engine, taken.path, key=KEY, name="one", folder=folder)
    assert [path.name for path in folder.iterdir()] == ["copy.sealed"]
    assert scratch_databases(office) == []


def scratch_databases(office: Office) -> list[str]:
    if office.engine.dialect.name == "sqlite":
        return []
    with office.engine.connect() as connection:
        query = text("SELECT datname FROM pg_database WHERE datname LIKE 'dogovor_restore_%'")
        return list(connection.scalars(query))


def test_another_key_and_another_name_do_not_open_it(office: Office, folder: Path) -> None:
    taken = take(office, folder)
    for key, name in ((bytes(32), "one"), (KEY, "two")):
        with pytest.raises(Refused, match="does not open"):
            ledger_copy.read_through(taken.path, key, name)


def resealed(folder: Path, header: bytes, dump: bytes) -> Path:
    path = folder / "resealed"
    with path.open("wb") as target:
        writer = FrameWriter(target, KEY, "one")
        writer.write(len(header).to_bytes(4, "big") + header)
        writer.write(dump)
        writer.finish()
    return path


def test_a_sealed_file_that_is_no_copy_of_a_ledger_is_refused(sqlite_office: Office, folder: Path) -> None:
    header = take(sqlite_office, folder).header.model_dump_json().encode()
    packed = zstandard.ZstdCompressor().compress(b"dump")
    for wrong in (
        resealed(folder, b"", b""),
        resealed(folder, b"{}", packed),
        resealed(folder, header, b"no zstd"),
        resealed(folder, header, packed + bytes(1 << 20)),
    ):
        with pytest.raises(Refused) as refused:
            ledger_copy.read_through(wrong, KEY, "one")
        assert refused.value.reason == "sealed_file"
    whole = resealed(folder, header, packed)
    assert ledger_copy.read_through(whole, KEY, "one").name == "one"
    with pytest.raises(Refused) as refused:
        ledger_copy.rehearse(sqlite_office.engine, whole, key=KEY, name="one", folder=folder)
    assert refused.value.reason == "copy_differs"


@pytest.mark.parametrize(
    "change",
    [{"digest": "0" * 64}, {"counts": {"customers": 7}}, {"revision": "0001"}],
    ids=lambda made: next(iter(made)),
)
def test_a_restored_copy_that_differs_is_told(sqlite_office: Office, folder: Path, change: dict[str, Any]) -> None:
    taken = take(sqlite_office, folder)
    found = ledger_copy.rehearse(sqlite_office.engine, taken.path, key=KEY, name="one", folder=folder)
    ledger_copy.compare(taken.header, found)
    with pytest.raises(Refused) as refused:
        ledger_copy.compare(Header(**{**taken.header.model_dump(), **change}), found)
    assert refused.value.reason == "copy_differs"


def test_a_copy_is_restored_into_an_empty_ledger_alone(office: Office, folder: Path) -> None:
    add_customer(office, "a@example.test")
    taken = take(office, folder)
    with scratch(folder / "in"):
        ledger_copy.restore(office.engine, taken.path, key=KEY, name="one", folder=folder / "in")  # it is this copy
    add_customer(office, "b@example.test")
    with pytest.raises(Refused, match="customers") as refused:
        ledger_copy.restore(office.engine, taken.path, key=KEY, name="one", folder=folder)
    assert refused.value.reason == "not_empty"


def test_what_a_killed_restore_left_on_the_server_is_dropped_and_what_is_in_use_is_not(
    pg_office: Office, folder: Path
) -> None:
    prefix = postgres_tools._prefix(pg_office.engine.url)  # noqa: SLF001
    with pg_office.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for end in ("left", "used"):
            connection.exec_driver_sql(f'CREATE DATABASE "{prefix}{end}"')
    used = open_engine(pg_office.engine.url.set(database=f"{prefix}used").render_as_string(hide_password=False))
    with used.connect():
        taken = take(pg_office, folder)
        ledger_copy.rehearse(pg_office.engine, taken.path, key=KEY, name="one", folder=folder)
        assert scratch_databases(pg_office) == [f"{prefix}used"]
    used.dispose()
    with postgres_tools.scratch_database(pg_office.engine):
        assert f"{prefix}used" not in scratch_databases(pg_office)
    assert scratch_databases(pg_office) == []


def test_a_role_that_may_not_create_databases_is_told_and_so_is_the_doctor(pg_office: Office) -> None:
    with pg_office.engine.begin() as connection:
        connection.exec_driver_sql("CREATE ROLE plain LOGIN")
    plain = open_engine(pg_office.engine.url.set(username="plain").render_as_string(hide_password=False))
    try:
        with plain.connect() as connection, pytest.raises(Refused, match="may not create databases"):
            postgres_tools.check(connection)
        with pytest.raises(Refused, match="CREATEDB"), postgres_tools.scratch_database(plain):
            pass
    finally:
        plain.dispose()
        with pg_office.engine.begin() as connection:
            connection.exec_driver_sql("DROP ROLE plain")
        pg_office.engine.dispose()


def test_the_password_goes_by_the_environment(pg_office: Office) -> None:
    url = pg_office.engine.url.set(password="p'w d")
    argument, environment = postgres_tools._connection(url)  # noqa: SLF001
    assert "p'w d" not in argument
    assert environment["PGPASSWORD"] == "p'w d"
    assert f"dbname={url.database}" in argument


def test_a_missing_program_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgres_tools, "_DEBIAN", tmp_path)
    with pytest.raises(Refused, match="postgresql-client"):
        postgres_tools.find("pg_dump")
    for major in ("9", "15"):
        (tmp_path / major / "bin").mkdir(parents=True)
        (tmp_path / major / "bin" / "pg_dump").touch()
    assert postgres_tools.find("pg_dump") == str(tmp_path / "15" / "bin" / "pg_dump")
