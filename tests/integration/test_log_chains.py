"""The journal and the chain of segments: what was done to them by hand shows, and where first."""

# ruff: noqa: S608 - tampering by hand is SQL of our own names

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from blocks.ledger import Base, LedgerCopy, LogJournal, reading, transaction
from blocks.office import Office, open_office
from blocks.settings import Settings
from tasks import log_chains
from tasks.documents import keep_document
from tasks.log_access import revoke_access
from tasks.log_access_forms import RevokeForm
from tasks.log_chains import verify_archive, verify_chains
from tasks.log_journal import BEGINNING, journal_content, journal_head, link, note_log, segments_head
from tests.conftest import close_office
from tests.log_access_work import destroy_period, granted, seal_lines
from tests.log_access_work import given as read_under
from tests.work import NOW

LENGTH = 6
TRIGGERS = {
    "log_journal": ("log_journal_no_update", "log_journal_no_delete", "log_journal_append_only"),
    "log_segments": ("log_segments_stand", "log_segments_stay"),
}
ALTERED: dict[str, tuple[tuple[str, str], ...]] = {
    "log_journal": (
        ("kind", "'granted'"),
        ("about", "'LG-2026-000009'"),
        ("who", "'nobody'"),
        ("at", "'2020-01-01 00:00:00.000000'"),
        ("facts", """'{"n": 99}'"""),
        ("chain", f"'{'ab' * 32}'"),
    ),
    "log_segments": (
        ("name", "'logs/other.seg'"),
        ("project", "'bank'"),
        ("records", "records + 1"),
        ("raw_bytes", "raw_bytes + 1"),
        ("size", "size + 1"),
        ("sha256", f"'{'ab' * 32}'"),
        ("version", "'another'"),
        ("first_at", "'2020-01-01 00:00:00.000000'"),
        ("last_at", "'2020-01-01 00:00:00.000000'"),
        ("russian", "NOT russian"),
        ("pack", "'another'"),
        ("sealed_at", "'2020-01-01 00:00:00.000000'"),
        ("chain", f"'{'ab' * 32}'"),
    ),
}


def run(office: Office, *statements: str) -> None:
    """SQL by hand, on a database whose triggers were taken off."""
    with transaction(office.sessions) as session:
        for one in statements:
            session.execute(text(one))


def without_triggers(office: Office) -> None:
    for table, names in TRIGGERS.items():
        for name in names:
            on_table = f" ON {table}" if office.engine.dialect.name == "postgresql" else ""
            run(office, f"DROP TRIGGER IF EXISTS {name}{on_table}")


def tell_heads(office: Office, key: str = "act of LP-2026-000001") -> None:
    """An act whose annex carries both heads as they are now."""
    with reading(office.sessions) as session:
        heads = {"journal_head": journal_head(session), "segments_head": segments_head(session)}
    content = json.dumps(heads | {"number": "LP-2026-000001"}).encode()
    keep_document(
        office,
        key=key,
        title="Приложение к акту",
        file_name="act.json",
        media_type="application/json",
        content=content,
        now=NOW,
    )


def fill(office: Office) -> None:
    """LENGTH lines of the journal, as many segments, and an act that tells their heads."""
    for number in range(LENGTH):
        seal_lines(office, f"pack-{number:04}", lines=[f'{{"n":{number}}}\n'.encode()])
        with transaction(office.sessions) as session:
            note_log(session, kind="sealed", about=f"pack-{number}", who="dogovor", facts={"n": number}, now=NOW)
    tell_heads(office)


def faults(office: Office) -> tuple[str, ...]:
    return verify_chains(office).faults


@pytest.mark.clause("QS-3.5.4")
def test_qs_3_5_4_whole_chains_verify_with_their_heads(office: Office) -> None:
    empty = verify_chains(office)
    assert (empty.journal.rows, empty.segments.rows, empty.journal.head, empty.faults) == (0, 0, BEGINNING, ())
    fill(office)
    read_under(office, granted(office))
    found = verify_chains(office)
    assert found.faults == ()
    assert (found.journal.rows, found.segments.rows, found.heads) == (LENGTH + 2 + LENGTH, LENGTH, 2)
    with reading(office.sessions) as session:
        assert found.journal.head == journal_head(session)
        assert found.segments.head == segments_head(session)


@pytest.mark.parametrize("table", TRIGGERS)
def test_the_database_itself_refuses_to_alter_or_delete_either_chain(office: Office, table: str) -> None:
    fill(office)
    for column, value in ALTERED[table]:
        with pytest.raises(DBAPIError, match=r"append-only|stands"):
            run(office, f"UPDATE {table} SET {column} = {value} WHERE id = 1")
    with pytest.raises(DBAPIError, match=r"append-only|not deleted"):
        run(office, f"DELETE FROM {table} WHERE id = {LENGTH}")
    assert faults(office) == ()


@pytest.mark.parametrize("table", ["log_journal", "log_segments", "log_periods", "log_purges"])
def test_postgresql_refuses_to_empty_a_table_at_a_stroke(
    settings_for: Callable[..., Settings], ledger_url: str, table: str
) -> None:
    opened = open_office(settings_for(ledger_url=ledger_url))
    fill(opened)
    with pytest.raises(DBAPIError, match=r"append-only|not deleted"):
        run(opened, f"TRUNCATE {table} CASCADE")
    close_office(opened)


@pytest.mark.parametrize("table", TRIGGERS)
def test_sqlite_refuses_to_replace_a_row_of_either_chain(sqlite_office: Office, table: str) -> None:
    fill(sqlite_office)
    with pytest.raises(DBAPIError, match=r"append-only|not deleted"):
        run(sqlite_office, f"INSERT OR REPLACE INTO {table} SELECT * FROM {table} WHERE id = 2")
    assert faults(sqlite_office) == ()


@pytest.mark.clause("QS-3.5.4")
@pytest.mark.parametrize("table", TRIGGERS)
def test_qs_3_5_4_every_column_that_is_altered_shows_and_where(office: Office, table: str) -> None:
    fill(office)
    without_triggers(office)
    name = table.removeprefix("log_")
    for column, value in ALTERED[table]:
        for row in (1, 3, LENGTH):
            with transaction(office.sessions) as session:
                before = session.execute(text(f"SELECT {column} FROM {table} WHERE id = {row}")).scalar_one()
            run(office, f"UPDATE {table} SET {column} = {value} WHERE id = {row}")
            told = faults(office)
            assert told[0].startswith(f"{name}: row {row} was altered"), (column, row, told)
            back = Base.metadata.tables[table].c[column]
            with transaction(office.sessions) as session:
                typed = json.dumps(before) if isinstance(before, dict) else before
                session.execute(text(f"UPDATE {table} SET {back.name} = :it WHERE id = {row}"), {"it": typed})
            assert faults(office) == ()


def copied(table: str, row: int, target: int) -> str:
    """A statement that puts a row in as a copy of another one, under a link of its own."""
    columns = [column.name for column in Base.metadata.tables[table].c]
    changed = {"id": str(target), "chain": f"'{'cd' * 32}'", "name": "'logs/put-in.seg'"}
    values = ", ".join(changed.get(column, column) for column in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table} WHERE id = {row}"


def statements(table: str, kind: str, row: int, other: int) -> list[str]:
    """What a tamperer runs. `other` is another row than `row`."""
    if kind == "delete":
        return [f"DELETE FROM {table} WHERE id = {row}"]
    if kind == "cut off":
        return [f"DELETE FROM {table} WHERE id >= {row}"]
    if kind == "empty":
        return [f"DELETE FROM {table}"]
    if kind == "add":
        return [copied(table, row, LENGTH + 1)]
    if kind == "put in":
        return [f"UPDATE {table} SET id = id + 1000 WHERE id >= {row}", copied(table, row + 1000, row)]
    moves = [(row, -1), (other, row), (-1, other)]
    return [f"UPDATE {table} SET id = {target} WHERE id = {source}" for source, target in moves]


KINDS = ("delete", "cut off", "empty", "add", "put in", "swap")


def broken(told: tuple[str, ...], table: str, kind: str, row: int) -> None:
    """Verification names the chain, and the first row from which it does not hold."""
    name = table.removeprefix("log_")
    assert told, kind
    assert all(one.startswith(f"{name}: ") for one in told), told
    cut = kind in {"cut off", "empty"} or (kind == "delete" and row == LENGTH)
    if cut:
        assert "of act of LP-2026-000001 is not in it" in told[0]
    else:
        assert "was altered, or what stood before it was" in told[0]


@pytest.mark.clause("QS-3.5.4")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("table", TRIGGERS)
def test_qs_3_5_4_rows_taken_out_put_in_moved_or_cut_off_show(office: Office, table: str, kind: str) -> None:
    fill(office)
    without_triggers(office)
    run(office, *statements(table, kind, 3, 5))
    broken(faults(office), table, kind, 3)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, sqlite_ledger: Path) -> Iterator[Callable[[], Office]]:
    """An office with full chains and no triggers; each call puts its ledger back as it was."""
    home = tmp_path_factory.mktemp("chains")
    ledger, kept = home / "ledger.sqlite3", home / "kept.sqlite3"
    ledger.write_bytes(sqlite_ledger.read_bytes())
    opened = open_office(Settings.model_validate({"home": home}))
    fill(opened)
    without_triggers(opened)
    opened.engine.dispose()
    kept.write_bytes(ledger.read_bytes())

    def anew() -> Office:
        opened.engine.dispose()
        ledger.write_bytes(kept.read_bytes())
        return opened

    assert faults(anew()) == ()
    yield anew
    close_office(opened)


ROWS = st.integers(1, LENGTH)


@pytest.mark.clause("QS-3.5.4")
@settings(max_examples=150, deadline=None)
@given(table=st.sampled_from(sorted(TRIGGERS)), kind=st.sampled_from(KINDS), row=ROWS, other=ROWS)
def test_qs_3_5_4_whatever_is_tampered_with_shows(
    scene: Callable[[], Office], table: str, kind: str, row: int, other: int
) -> None:
    office = scene()
    run(office, *statements(table, kind, row, other if other != row else row % LENGTH + 1))
    broken(faults(office), table, kind, row)


@pytest.mark.clause("QS-3.5.4")
@settings(max_examples=30, deadline=None)
@given(row=ROWS)
def test_qs_3_5_4_a_chain_written_anew_from_some_row_on_shows_by_the_head_of_an_act(
    scene: Callable[[], Office], row: int
) -> None:
    office = scene()
    run(office, f"UPDATE log_journal SET who = 'nobody' WHERE id = {row}")
    with transaction(office.sessions) as session:
        before = BEGINNING
        for line in session.scalars(select(LogJournal).order_by(LogJournal.id)):
            before = line.chain = link(before, journal_content(line))
    (told,) = faults(office)
    assert told.startswith("journal: the head ")
    assert "of act of LP-2026-000001 is not in it: it was cut off at its end, or written anew" in told


def copy_ledger(office: Office) -> None:
    """A proven copy of the ledger, with its line."""
    with transaction(office.sessions) as session:
        heads = {"journal": journal_head(session), "segments": segments_head(session)}
        note_log(session, kind="copied", about="one", who="dogovor", facts=heads | {"rows": 9}, now=NOW)
        copy = LedgerCopy(name="one", made_at=NOW, revision="0004", counts={}, digest="", size=1, sha256="", version="")
        copy.verified_at = copy.expires_at = NOW
        session.add(copy)


def test_a_copy_of_the_ledger_shows_that_its_own_line_was_cut_off(office: Office) -> None:
    copy_ledger(office)
    assert faults(office) == ()
    without_triggers(office)
    run(office, "DELETE FROM log_journal")
    assert faults(office) == ("copy one: it was proven, and the journal does not say so",)


def test_a_proven_destruction_whose_line_was_cut_off_shows(office: Office) -> None:
    seal_lines(office)
    purge = destroy_period(office)
    run(office, "UPDATE log_purges SET state = 'proven'")
    assert faults(office) == (f"{purge}: it was proven, and the journal does not say so",)
    with transaction(office.sessions) as session:
        note_log(session, kind="purged", about=purge, who="dogovor", now=NOW)
    assert faults(office) == ()


def test_a_copys_line_in_the_journal_holds_the_segments_chain_fast(office: Office) -> None:
    seal_lines(office)
    copy_ledger(office)
    assert verify_chains(office).heads == 2
    without_triggers(office)
    run(office, "DELETE FROM log_segments")
    (told,) = faults(office)
    assert told.startswith("segments: the head ")
    assert "of journal line 1 is not in it" in told


def test_an_act_whose_annex_was_altered_is_told(office: Office) -> None:
    fill(office)
    for path in (office.settings.home / "archive").rglob("*"):
        if path.is_file():
            path.write_bytes(b"{}")
    (told,) = faults(office)
    assert told.startswith("document act of LP-2026-000001: ")
    assert "altered" in told


def test_a_row_that_cannot_be_read_at_all_is_told_with_where_it_stands(sqlite_office: Office) -> None:
    fill(sqlite_office)
    without_triggers(sqlite_office)
    run(sqlite_office, "UPDATE log_journal SET facts = '{' WHERE id = 3")
    assert any("can't be read at all" in one for one in faults(sqlite_office))


GRANT_CHANGES = (
    ("valid_until = '2027-01-01 00:00:00.000000'", "it is not as the journal tells it"),
    ("project = 'bank'", "it is not as the journal tells it"),
    ("day_from = '2020-01-01'", "it is not as the journal tells it"),
    ("classes = 'qs-payload+ocp'", "it is not as the journal tells it"),
    ("login = 'boris'", "it is not as the journal tells it"),
    ("need = 'что-то другое'", "it is not as the journal tells it"),
    ("decided_by = 'Кто-то'", "it is not as the journal tells it"),
    ("decided_at = '2020-01-01 00:00:00.000000'", "it is not as the journal tells it"),
    ("state = 'revoked'", "it is revoked, and the journal does not say so"),
    ("state = 'declined'", "it is declined, and the journal does not say so"),
    ("number = 'LG-2026-000009'", "it is granted, and the journal does not say so"),
)


@pytest.mark.clause("QS-3.5.4")
@pytest.mark.parametrize(("change", "told"), GRANT_CHANGES)
def test_qs_3_5_4_a_grant_altered_behind_the_journals_back_shows(office: Office, change: str, told: str) -> None:
    granted(office)
    assert faults(office) == ()
    run(office, f"UPDATE log_grants SET {change}")
    assert told in faults(office)[0]


def test_a_grant_without_a_journal_and_a_journal_without_its_grant_show(office: Office) -> None:
    first, second = granted(office), granted(office)
    revoke_access(office, RevokeForm(grant=second, operator="Б. Третий", reason="x"), now=NOW)
    assert faults(office) == ()
    run(office, f"UPDATE log_grants SET state = 'granted' WHERE number = '{second}'")
    assert faults(office) == (f"{second}: it is granted, and the journal does not say so",)
    run(office, f"DELETE FROM log_grants WHERE number = '{first}'")
    assert f"{first}: the journal tells of it, and it is not there" in faults(office)
    without_triggers(office)
    run(office, "DELETE FROM log_journal")
    assert any(second in one for one in faults(office))


@pytest.mark.clause("QS-3.5.4")
def test_qs_3_5_4_many_at_once_write_one_chain(office: Office) -> None:
    def write(number: int) -> None:
        for turn in range(5):
            with transaction(office.sessions) as session:
                note_log(session, kind="read", about=f"LG-{number}", who="x", facts={"turn": turn}, now=NOW)
            seal_lines(office, f"pack-{number}-{turn}")

    seal_lines(office)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))
    found = verify_chains(office)
    assert found.faults == ()
    assert (found.journal.rows, found.segments.rows) == (30, 31)


def told_of_archive(office: Office) -> tuple[list[str], list[tuple[int, int]]]:
    seen: list[tuple[int, int]] = []
    return verify_archive(office, lambda *progress: seen.append(progress)), seen


def test_every_living_segment_is_fetched_and_hashed(office: Office) -> None:
    names = [seal_lines(office, f"pack-{number}") for number in range(3)]
    assert told_of_archive(office) == ([], [(3, 3)])
    objects = office.settings.home / "objects"
    sealed = (objects / names[0]).read_bytes()
    (objects / names[0]).write_bytes(sealed[:-1])
    (objects / names[2]).unlink()
    wrong, _ = told_of_archive(office)
    assert wrong == [
        f"{names[0]}: altered in the archive, its sha256 is another one",
        f"{names[2]}: not in the archive",
    ]


def test_segments_beyond_a_page_are_looked_at_too(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_chains, "_PAGE", 2)
    names = [seal_lines(office, f"pack-{number}") for number in range(5)]
    assert told_of_archive(office) == ([], [(2, 5), (4, 5), (5, 5)])
    (office.settings.home / "objects" / names[4]).unlink()
    assert told_of_archive(office)[0] == [f"{names[4]}: not in the archive"]


def test_destroyed_segments_are_not_looked_for_and_held_ones_are(office: Office) -> None:
    shop = seal_lines(office)
    bank = seal_lines(office, "other", project="bank")
    destroy_period(office, held="shop")
    objects = office.settings.home / "objects"
    (objects / bank).unlink()
    assert told_of_archive(office)[0] == []
    (objects / shop).unlink()
    assert told_of_archive(office)[0] == [f"{shop}: not in the archive"]


def test_what_was_proven_gone_is_not_looked_for(office: Office) -> None:
    name = seal_lines(office)
    run(office, "UPDATE log_segments SET gone_at = '2026-11-20 09:00:00.000000'")
    (office.settings.home / "objects" / name).unlink()
    assert told_of_archive(office) == ([], [])
