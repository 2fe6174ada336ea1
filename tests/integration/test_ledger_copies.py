"""The daily copy as a whole: proven, owed, ended in time, killed, restored, and cleared again of what was destroyed."""

from __future__ import annotations

import logging
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from blocks.clients import ledger_copy
from blocks.errors import NotFound, Refused, Transient
from blocks.ledger import (
    AccountEnding,
    Customer,
    InboxEvent,
    InboxState,
    LedgerCopy,
    LogJournal,
    LogPeriod,
    Notice,
    NoticeState,
    Obligation,
    ObligationState,
    migrate,
    reading,
    transaction,
)
from blocks.office import Office
from flows import ledger_copies as nightly
from flows import runtime
from reports.ledger_copies import copies_markdown, restore_markdown
from reports.notices import compose
from tasks import ledger_restore
from tasks.doctor import examine
from tasks.erased import erased_email
from tasks.inbox import put_event, ready
from tasks.ledger_copies import back_up, check, key_of, made_at_of, new_name, object_of, scratch_of
from tasks.ledger_expiry import copies, expire
from tasks.ledger_restore import bare_office, preview, restore
from tasks.notices import due_notices, queue
from tasks.order_forms import EventKind
from tests import copies_job
from tests.full_ledger import MARKER, fill
from tests.killing import lives
from tests.servers.postgres import PostgresServer

NOW = datetime.fromisoformat("2026-11-22T04:30:00.5+03:00")
DAY = timedelta(days=1)
INSTANT = timedelta(microseconds=1)


def rows(office: Office, table: type[Any]) -> list[Any]:
    with reading(office.sessions) as session:
        return list(session.scalars(select(table).order_by(table.id)))


def owed(office: Office) -> list[tuple[str, ObligationState]]:
    return [(row.what, row.state) for row in rows(office, Obligation)]


def journal(office: Office) -> list[tuple[str, str]]:
    return [(row.kind, row.about) for row in rows(office, LogJournal)]


def add_customer(office: Office, email: str = "anna@example.test", *, at: datetime = NOW) -> int:
    with transaction(office.sessions) as session:
        row = Customer(agreement="KS", kind="person", name=MARKER, email=email, created_at=at)
        session.add(row)
        session.flush()
        return row.id


@pytest.mark.clause("OT-10")
def test_ot_10_a_copy_that_was_restored_and_compared_meets_the_day_and_owes_the_next(office: Office) -> None:
    first = back_up(office, who="test", now=NOW)
    assert owed(office) == [("a copy of the day 2026-11-23", ObligationState.OPEN)]  # the first day owes nothing yet
    back_up(office, who="test", now=NOW + timedelta(hours=3))
    assert owed(office) == [("a copy of the day 2026-11-23", ObligationState.OPEN)]
    assert rows(office, Obligation)[0].opened_at == NOW  # neither met nor begun anew by a second copy of the day
    second = back_up(office, who="test", now=NOW + DAY)
    assert owed(office) == [
        ("a copy of the day 2026-11-23", ObligationState.FULFILLED),
        ("a copy of the day 2026-11-24", ObligationState.OPEN),
    ]
    met = rows(office, Obligation)[0]
    assert met.fulfilled_at == NOW + DAY
    assert second.name in met.evidence
    copy = rows(office, LedgerCopy)[0]
    assert (copy.name, copy.verified_at, copy.expires_at) == (first.name, NOW, NOW.replace(microsecond=0) + 6 * DAY)
    assert journal(office)[0] == ("copied", first.name)
    assert check(office)


@pytest.mark.clause("OT-10")
def test_ot_10_a_copy_that_differs_when_restored_is_an_incident_and_meets_nothing(
    sqlite_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(sqlite_office, who="test", now=NOW)
    plain = ledger_copy._dump  # noqa: SLF001

    def other(connection: Any, folder: Path) -> Any:
        add_customer(sqlite_office)
        connection.rollback()  # the dump sees another moment than the counting did
        return plain(connection, folder)

    monkeypatch.setattr(ledger_copy, "_dump", other)
    with pytest.raises(Refused, match="customers"):
        back_up(sqlite_office, who="test", now=NOW + DAY)
    assert owed(sqlite_office) == [("a copy of the day 2026-11-23", ObligationState.OPEN)]
    assert rows(sqlite_office, LedgerCopy)[1].verified_at is None
    assert journal(sqlite_office)[-1][0] == "incident"
    notice = rows(sqlite_office, Notice)[-1]
    assert notice.kind == "ledger_copy_failed"
    assert "customers" in compose(notice.kind, notice.facts, has_secret=False).body
    assert MARKER not in str(notice.facts)


def test_a_copy_that_the_store_lost_or_altered_is_an_incident(
    sqlite_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = sqlite_office.objects.fetch

    def altered(name: str, target: Path) -> None:
        fetch(name, target)
        target.write_bytes(target.read_bytes()[:-1] + b"!")

    monkeypatch.setattr(sqlite_office.objects, "fetch", altered)
    with pytest.raises(Refused, match="does not open"):
        back_up(sqlite_office, who="test", now=NOW)

    def lost(name: str, target: Path) -> None:
        raise NotFound("object", f"{name} for {target.name}")

    monkeypatch.setattr(sqlite_office.objects, "fetch", lost)
    with pytest.raises(NotFound):
        back_up(sqlite_office, who="test", now=NOW)
    assert [row.verified_at for row in rows(sqlite_office, LedgerCopy)] == [None, None]
    assert [kind for kind, _ in journal(sqlite_office)] == ["incident", "incident"]


@pytest.mark.parametrize("where", ["erased", "record", "compared"])
def test_a_run_killed_anywhere_leaves_nothing_behind_once_the_next_one_ran(office: Office, where: str) -> None:
    sqlite = office.engine.dialect.name == "sqlite"
    if where == "erased" and not sqlite:
        where = "record"  # a dump of PostgreSQL is never on disk
    add_customer(office)
    assert not lives(copies_job.job, office.settings, NOW, where)
    killed = office.keys.names("backup/")[0].removeprefix("backup/")
    if sqlite and where != "record":
        assert any(b"SQLite" in path.read_bytes() for path in scratch_of(office).iterdir())
    done = back_up(office, who="test", now=NOW + DAY)
    assert [path.name for path in scratch_of(office).iterdir()] == ["lock"]
    if not sqlite:
        with office.engine.connect() as connection:
            assert not connection.scalars(text("SELECT 1 FROM pg_database WHERE datname LIKE 'dogovor_restore%'")).all()
    assert [row.name for row in rows(office, LedgerCopy) if row.verified_at] == [done.name]
    assert expire(office, now=NOW + 6 * DAY).gone == [killed]
    assert [line.name for line in copies(office)] == [done.name]


def test_a_copy_ends_at_its_moment_and_not_before_key_and_object_and_all(sqlite_office: Office) -> None:
    name = back_up(sqlite_office, who="test", now=NOW).name
    ends = NOW.replace(microsecond=0) + 6 * DAY
    assert expire(sqlite_office, now=ends - INSTANT).gone == []
    assert expire(sqlite_office, now=NOW - 400 * DAY).gone == []  # a clock set back
    assert sqlite_office.keys.names("backup/") == [key_of(name)]
    assert expire(sqlite_office, now=ends).gone == [name]
    assert sqlite_office.keys.names("backup/") == []
    assert sqlite_office.keys.tombstones() == {key_of(name): ends}
    assert sqlite_office.objects.versions("ledger/") == []
    assert rows(sqlite_office, LedgerCopy)[0].gone_at == ends
    assert expire(sqlite_office, now=ends + INSTANT).gone == []
    with pytest.raises(Refused, match="its time was over"):
        preview(sqlite_office, name)
    with pytest.raises(NotFound):
        preview(sqlite_office, new_name(NOW))


def test_what_cannot_be_destroyed_is_told_and_tried_again(
    sqlite_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = back_up(sqlite_office, who="test", now=NOW).name
    ends, destroy = NOW + 6 * DAY, sqlite_office.objects.destroy
    monkeypatch.setattr(sqlite_office.objects, "destroy", lambda *_, **__: {object_of(name): "locked"})
    assert expire(sqlite_office, now=ends).left == {name: "locked"}
    monkeypatch.setattr(sqlite_office.objects, "destroy", lambda *_, **__: {})
    assert "still there" in expire(sqlite_office, now=ends).left[name]

    def silent(*_: Any, **__: Any) -> dict[str, str]:
        raise Transient("no answer")

    monkeypatch.setattr(sqlite_office.objects, "destroy", silent)
    assert expire(sqlite_office, now=ends).left == {name: "no answer"}
    assert sqlite_office.keys.names("backup/") == []  # the moment that counts has passed
    assert rows(sqlite_office, LedgerCopy)[0].gone_at is None
    assert len([row for row in rows(sqlite_office, Notice) if row.kind == "ledger_copy_failed"]) == 3
    with pytest.raises(Refused, match="its time was over"):
        preview(sqlite_office, name)
    monkeypatch.setattr(sqlite_office.objects, "destroy", destroy)
    assert expire(sqlite_office, now=ends + DAY).gone == [name]


def end_agreement(office: Office, customer_id: int, ended: datetime, deleted: datetime | None = None) -> None:
    with transaction(office.sessions) as session:
        told = {"clause": "QS-8.3", "why": "notice", "who": "test", "opened_at": ended}
        session.add(AccountEnding(customer_id=customer_id, ended_at=ended, deleted_at=deleted, **told))


def test_the_keys_of_old_copies_are_destroyed_in_time_while_the_store_of_objects_is_away(
    sqlite_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = back_up(sqlite_office, who="test", now=NOW).name

    def away(_prefix: str) -> None:
        raise Transient("no answer")

    with monkeypatch.context() as patched:
        patched.setattr(sqlite_office.objects, "versions", away)
        for early in (NOW, NOW.replace(microsecond=0) + 6 * DAY - INSTANT):
            with pytest.raises(Transient):
                expire(sqlite_office, now=early)
        assert sqlite_office.keys.names("backup/") == [key_of(name)]
        with pytest.raises(Transient):
            expire(sqlite_office, now=NOW.replace(microsecond=0) + 6 * DAY)
        assert sqlite_office.keys.names("backup/") == []
        assert rows(sqlite_office, LedgerCopy)[0].gone_at is None
    assert expire(sqlite_office, now=NOW + 7 * DAY).gone == [name]


def test_the_nightly_run_ends_old_copies_even_when_the_new_one_fails(
    sqlite_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(runtime, "office", lambda: sqlite_office)
    monkeypatch.setattr(nightly, "create_markdown_artifact", lambda **told: shown.append(told["markdown"]))
    monkeypatch.setattr(nightly, "get_run_logger", lambda: logging.getLogger("test"))
    run = nightly.backup_ledger.fn
    first = run(as_of=NOW)
    assert f"| {first} |" in shown[-1]

    def full(*_: Any, **__: Any) -> str:
        raise Transient("no room")

    with monkeypatch.context() as patched:
        patched.setattr(sqlite_office.objects, "put_file", full)
        with pytest.raises(Transient, match="no room"):
            run(as_of=NOW + 6 * DAY)
    assert rows(sqlite_office, LedgerCopy)[0].gone_at == NOW + 6 * DAY
    assert first not in shown[-1]
    monkeypatch.setattr(sqlite_office.objects, "destroy", lambda *_, **__: {"x": "locked"})
    with pytest.raises(Refused, match="still in the store"):
        run(as_of=NOW + 13 * DAY)


def test_the_doctor_says_whether_copies_can_be_made(office: Office) -> None:
    found = {finding.part: finding for finding in examine(office, now=NOW)}
    assert found["copies of the ledger"].well
    assert (found["log archive"].well, found["data keys"].well) == (True, True)
    office.settings.key_store.write_bytes(b"no database" * 1000)
    damaged = [finding.part for finding in examine(office, now=NOW) if not finding.well]
    assert damaged == ["data keys"]
    told = "SQLite" if office.engine.dialect.name == "sqlite" else "may create databases"
    assert told in found["copies of the ledger"].seen


@pytest.mark.clause("QS-8.3")
def test_qs_8_3_a_copy_taken_between_the_end_and_the_destruction_ends_before_the_deadline(
    sqlite_office: Office,
) -> None:
    one, other = add_customer(sqlite_office), add_customer(sqlite_office, "other@example.test")
    end_agreement(sqlite_office, other, NOW - 6 * DAY, deleted=NOW - 5 * DAY)  # not in the copy any more
    name = back_up(sqlite_office, who="test", now=NOW).name
    assert [line.expires_at for line in copies(sqlite_office)] == [NOW.replace(microsecond=0) + 6 * DAY]
    end_agreement(sqlite_office, one, NOW - 4 * DAY, deleted=NOW + DAY)
    ends = datetime.fromisoformat("2026-11-25T00:00:00+03:00")  # ended on the 18th: gone by the end of the 25th
    assert expire(sqlite_office, now=ends - INSTANT).gone == []
    assert expire(sqlite_office, now=ends).gone == [name]


def test_what_no_ledger_knows_ends_by_the_moment_in_its_name_and_strangers_stay(sqlite_office: Office) -> None:
    made = NOW.replace(microsecond=0)
    lost, keyless = new_name(made), new_name(made)
    for name in (lost, keyless, "README", "20261399T000000Z-00000000"):
        sqlite_office.objects.put(object_of(name), b"sealed")
    sqlite_office.keys.make(key_of(lost), now=NOW)
    assert made_at_of(lost) == made
    assert {line.name: line.opens for line in copies(sqlite_office)} == {lost: True, keyless: False}
    assert expire(sqlite_office, now=made + 6 * DAY - INSTANT).gone == []
    assert set(expire(sqlite_office, now=made + 6 * DAY).gone) == {lost, keyless}
    left = {version.name for version in sqlite_office.objects.versions("ledger/")}
    assert left == {object_of("README"), object_of("20261399T000000Z-00000000")}


@pytest.fixture
def target(office: Office, request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """An office on an empty database of the same kind, which shares the stores of keys and objects."""
    if office.engine.dialect.name == "sqlite":
        made = bare_office(office.settings, f"sqlite:///{tmp_path / 'new' / 'ledger.sqlite3'}")
        yield made
        made.engine.dispose()
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    made = bare_office(office.settings, server.create_database("restored"))
    yield made
    made.engine.dispose()
    server.drop_database("restored")


def test_a_restored_ledger_is_as_it_was_and_is_cleared_again_of_what_was_destroyed(
    office: Office, target: Office
) -> None:
    fill(office)
    kept = add_customer(office, "kept@example.test", at=NOW - 9 * DAY)
    gone = add_customer(office, "gone@example.test", at=NOW - 9 * DAY)
    renumbered = add_customer(office, "later@example.test", at=NOW)
    doomed, living = date(2026, 5, 20), date(2026, 5, 21)
    with transaction(office.sessions) as session:
        session.add_all(LogPeriod(classes="qs-payload", day=day, made_at=NOW - 99 * DAY) for day in (doomed, living))
    for day in (doomed, living, date(2026, 11, 22)):
        office.keys.make(f"period/qs-payload/{day}", now=NOW - 99 * DAY)
    name = back_up(office, who="test", now=NOW).name

    destroyed_at = NOW + timedelta(hours=2)
    office.keys.destroy([f"period/qs-payload/{doomed}"], now=destroyed_at)
    office.keys.bury(f"customer/{gone}", now=destroyed_at)
    office.keys.bury(f"customer/{kept}", now=NOW - 2 * DAY)  # of before the copy: another one had this number
    office.keys.bury(f"customer/{renumbered}", now=NOW - timedelta(hours=1))
    office.keys.bury("customer/777", now=destroyed_at)  # who came after the copy
    office.objects.put("logs/qs-payload/2026-11-22/p-1.seg", b"sealed since")
    add_customer(office, "lost@example.test")
    newer = back_up(office, who="test", now=NOW + DAY).name

    told = preview(target, name)
    assert (told.done, told.customers) == (False, (gone, renumbered, 777))
    view = restore(target, name, who="test", now=NOW + 2 * DAY)
    assert (view.done, view.customers, view.periods) == (True, (gone,), (f"qs-payload {doomed}",))
    assert (view.found, view.unknown_segments) == (("qs-payload 2026-11-22",), 1)
    assert (view.newest, view.behind["customers"], view.behind["log_journal"]) == (newer, 1, 1)
    assert view.counts["customers"] == 4

    names = {row.id: row.email for row in rows(target, Customer)}
    assert {row_id for row_id, called in names.items() if called == erased_email(row_id)} == {gone}
    periods = {row.day: row.destroyed_at for row in rows(target, LogPeriod) if row.classes == "qs-payload"}
    assert periods == {doomed: destroyed_at, living: None, date(2026, 11, 22): None}
    assert journal(target)[-1] == ("restored", name)
    assert rows(target, LogJournal)[0].chain == rows(office, LogJournal)[0].chain
    assert MARKER not in restore_markdown(view)
    assert f"| {name} |" in copies_markdown(copies(target))


def test_what_a_copy_had_still_to_send_and_to_do_waits_for_a_person(office: Office, target: Office) -> None:
    operator = office.settings.operator_email
    with transaction(office.sessions) as session:
        for number, recipient in enumerate(("queued@example.test", "sending@example.test", operator)):
            facts = {"name": "", "why": ""}
            kind = "ledger_copy_failed"
            queue(session, key=f"k{number}", kind=kind, agreement="", facts=facts, recipient=recipient, now=NOW)
        session.flush()
        sending = session.scalars(select(Notice).where(Notice.recipient == "sending@example.test")).one()
        sending.state, sending.attempts = NoticeState.SENDING, 1
        for name in ("new", "claimed"):
            put_event(session, source="shop", event_id=name, kind=EventKind.ORDER, payload={"order": name}, now=NOW)
    with transaction(office.sessions) as session:
        event = session.scalars(select(InboxEvent).where(InboxEvent.event_id == "claimed")).one()
        event.state, event.lease_owner, event.lease_until = InboxState.CLAIMED, "d", NOW
    name = back_up(office, who="test", now=NOW).name
    view = restore(target, name, who="test", now=NOW + DAY)
    assert (view.letters, view.events) == (2, 2)
    due = due_notices(target, now=NOW + 9 * DAY)
    waiting = {row.id: row.recipient for row in rows(target, Notice) if row.state is NoticeState.FAILED}
    assert set(waiting.values()) == {"queued@example.test", "sending@example.test"}
    assert [one.facts for one in due if one.id not in waiting]
    assert not [one for one in due if one.id in waiting]
    assert ready(target.sessions, now=NOW + 9 * DAY) == 0
    assert {row.state for row in rows(target, InboxEvent)} == {InboxState.PARKED}
    assert "2 letters and 2 events" in restore_markdown(view)


def test_a_tombstone_of_a_destruction_that_was_never_done_erases_nobody_who_came_back(
    office: Office, target: Office
) -> None:
    customers = [add_customer(office, f"{one}@example.test", at=NOW - 9 * DAY) for one in ("back", "gone later")]
    for one in customers:
        office.keys.bury(f"customer/{one}", now=NOW - timedelta(hours=3))
        with transaction(office.sessions) as session:
            ended = {"opened_at": NOW - 2 * DAY, "ended_at": NOW - DAY, "resumed_at": NOW - timedelta(hours=2)}
            session.add(AccountEnding(customer_id=one, clause="QS-8.3", why="", who="", **ended))
    name = back_up(office, who="test", now=NOW).name
    office.keys.bury(f"customer/{customers[1]}", now=NOW + DAY)
    assert restore(target, name, who="test", now=NOW + 2 * DAY).customers == (customers[1],)


def test_a_restore_killed_before_it_destroyed_again_goes_on_when_run_again(
    office: Office, target: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = add_customer(office)
    name = back_up(office, who="test", now=NOW).name
    office.keys.bury(f"customer/{gone}", now=NOW + DAY)

    def killed(_session: Session, _customer_id: int, _now: datetime) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ledger_restore, "erase", killed)
    with pytest.raises(KeyboardInterrupt):
        restore(target, name, who="test", now=NOW + DAY)
    monkeypatch.undo()
    assert rows(target, Customer)[0].name == MARKER
    assert restore(target, name, who="test", now=NOW + DAY).customers == (gone,)
    assert rows(target, Customer)[0].name == ""
    with pytest.raises(Refused, match="holds rows already"):
        restore(target, name, who="test", now=NOW + DAY)


def test_a_restore_goes_into_the_migrated_and_empty_ledger_of_a_new_installation(
    office: Office, target: Office
) -> None:
    add_customer(office)
    name = back_up(office, who="test", now=NOW).name
    migrate(target.engine)
    assert restore(target, name, who="test", now=NOW).newest is None
    assert [row.name for row in rows(target, Customer)] == [MARKER]
    add_customer(target, "new@example.test")  # numbers go on after those of the copy
    assert len(rows(target, Customer)) == 2


def test_a_restore_does_not_go_into_a_ledger_that_holds_anything(office: Office, target: Office) -> None:
    name = back_up(office, who="test", now=NOW).name
    migrate(target.engine)
    add_customer(target)
    with pytest.raises(Refused, match="holds rows already: customers"):
        preview(target, name)
    with pytest.raises(Refused, match="holds rows already: customers"):
        restore(target, name, who="test", now=NOW)
    assert len(rows(target, Customer)) == 1


def test_the_url_of_nothing_is_refused_without_being_repeated(sqlite_office: Office) -> None:
    with pytest.raises(Refused) as refused:
        bare_office(sqlite_office.settings, "secret-url")
    assert "secret-url" not in str(refused.value)


def test_a_copy_of_the_other_kind_of_database_is_refused(sqlite_office: Office, ledger_url: str) -> None:
    name = back_up(sqlite_office, who="test", now=NOW).name
    other = bare_office(sqlite_office.settings, ledger_url)
    with pytest.raises(Refused, match="into sqlite"):
        preview(other, name)
    other.engine.dispose()
