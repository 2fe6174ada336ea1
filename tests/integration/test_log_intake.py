"""Log records from a batch to sealed segments, on both databases."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from blocks.errors import NotFound, Refused, Transient
from blocks.ledger import LogBatch, LogJournal, LogPeriod, LogSegment, Notice, Obligation, transaction
from blocks.logs.segment import Label, seal
from blocks.logs.spool import Spool
from blocks.office import Office, open_office
from blocks.settings import Settings
from tasks import log_intake, log_packing
from tasks.log_clock import IDLE
from tasks.log_files import take_drops
from tasks.log_intake import Taken
from tasks.log_journal import note_log
from tasks.log_periods import key_of
from tests.conftest import close_office
from tests.log_work import DAY, HOUR, NOW, batch, lines_of, opened, record, rows, seal_all, silent, states, take

MARKER = b"MARKER-of-content"


def test_a_batch_is_spooled_then_sealed_and_comes_back_byte_for_byte(office: Office) -> None:
    lines = [record(n, ended_at=NOW - n % 5 * DAY, project=f"p-{n % 3}", text="привет\u2028") for n in range(60)]
    assert take(office, lines) == Taken(60, 0)
    assert states(office) == ["spooled"]
    sealed = seal_all(office)
    assert (sealed.batches, sealed.segments, sealed.records, sealed.dropped, sealed.missing) == (1, 15, 60, 0, ())
    assert lines_of(office) == Counter(lines)
    assert states(office) == ["sealed"]
    assert {row.day for row in rows(office, LogPeriod)} == {date(2026, 11, 22) - n * DAY for n in range(5)}
    assert [row.kind for row in rows(office, LogJournal)] == ["taken", "sealed"]
    assert not Spool(office.settings.home / "spool").names()
    assert seal_all(office).batches == 0


def test_segments_of_one_pack_share_partitions_of_many_batches(office: Office) -> None:
    for n in range(4):
        take(office, [record(n), record(n, project="p-2")], f"evt-{n}")
    assert (seal_all(office).segments, len(rows(office, LogSegment))) == (2, 2)
    take(office, [record(9)], "late")
    seal_all(office)
    names = [row.name for row in rows(office, LogSegment)]
    assert len(set(names)) == 3
    assert all(name.startswith("logs/qs-metadata/2026-11-22/") and "p-" not in name for name in names)
    assert len(rows(office, LogPeriod)) == 1


def test_the_same_batch_twice_is_a_duplicate_and_another_content_is_refused(office: Office) -> None:
    assert take(office, [record(1)]) == Taken(1, 0)
    assert take(office, [record(1)]) == Taken(1, 0, duplicate=True)
    with pytest.raises(Refused) as caught:
        take(office, [record(2)])
    assert caught.value.reason == "other_content"
    seal_all(office)
    assert take(office, [record(1)]) == Taken(1, 0, duplicate=True)
    assert lines_of(office) == Counter([record(1)])


def test_of_two_at_once_under_one_id_one_is_stored(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    take(office, [record(1)])
    with monkeypatch.context() as patch:
        patch.setattr(log_intake, "known_batch", lambda *_: None)
        with pytest.raises(Transient):
            take(office, [record(1)])
    spool = Spool(office.settings.home / "spool")
    assert len(spool.names()) == 2
    seal_all(office)
    assert lines_of(office) == Counter([record(1)])
    assert not spool.names()


def test_a_bad_line_refuses_the_whole_batch(office: Office) -> None:
    with pytest.raises(Refused, match="line 2 is no JSON"):
        take(office, [record(1), MARKER, record(2)])
    assert not rows(office, LogBatch)
    assert not list((office.settings.home / "spool").glob("*.batch"))
    assert take(office, [record(1)]) == Taken(1, 0)


@pytest.mark.clause("QS-3.8.3")
def test_qs_3_8_3_personal_data_of_russian_citizens_go_only_into_an_archive_declared_in_russia(
    office: Office, settings_for: Callable[..., Settings], tmp_path: Path
) -> None:
    lines = [record(1), record(2, residency="RU")]
    with pytest.raises(Refused, match=r"QS-3\.8\.3") as caught:
        take(office, lines)
    assert caught.value.reason == "residency"
    assert not rows(office, LogBatch)
    assert not list((office.settings.home / "spool").glob("*.batch"))
    for country, stored in (("KZ", False), ("RU", True)):
        declared = open_office(settings_for(archive_country=country, home=tmp_path / country))
        if stored:
            take(declared, lines)
            seal_all(declared)
            assert [row.russian for row in rows(declared, LogSegment)] == [True]
        else:
            with pytest.raises(Refused, match="KZ"):
                take(declared, lines)
        close_office(declared)


def purged_at(office: Office, now: datetime) -> None:
    """A purge looked and found nothing: the clock of that moment is right."""
    with transaction(office.sessions) as session:
        note_log(session, kind=IDLE, about="logs", who="test", now=now)


@pytest.mark.clause("QS-3.5.3a")
def test_qs_3_5_3a_what_seems_too_late_is_kept_while_the_clock_is_in_doubt(office: Office) -> None:
    take(office, [young := record(1, **{"class": "qs-payload"})])
    ahead = NOW + 200 * DAY
    with pytest.raises(Transient, match="a person says whether the clock is right"):
        seal_all(office, ahead)
    with pytest.raises(Transient, match="seem to come after their term"):
        take(office, [record(2, **{"class": "qs-payload"})], "evt-2", ahead)
    office.settings.log_drops.mkdir(parents=True, exist_ok=True)
    dropped = office.settings.log_drops / "a.jsonl"
    dropped.write_bytes(batch([third := record(3, **{"class": "qs-payload"})]))
    with pytest.raises(Transient):
        take_drops(office, now=ahead, tell=silent)
    assert dropped.exists()
    seal_all(office)
    take_drops(office, now=NOW, tell=silent)
    assert lines_of(office) == Counter([young, third])


@pytest.mark.clause("QS-3.5.3a")
def test_qs_3_5_3a_records_whose_life_is_over_are_counted_and_never_stored(office: Office) -> None:
    old = record(1, ended_at=NOW - 200 * DAY, **{"class": "qs-payload"})
    purged_at(office, NOW)
    assert take(office, [old, record(2)]) == Taken(1, 1)
    assert take(office, [old], "only-late") == Taken(0, 1)
    assert states(office) == ["spooled", "sealed"]
    seal_all(office)
    assert lines_of(office) == Counter([record(2)])


@pytest.mark.clause("QS-3.5.3a")
def test_qs_3_5_3a_the_first_segment_opens_the_obligation_to_destroy_its_period(office: Office) -> None:
    take(office, [record(1, **{"class": "qs-payload"}), record(2, **{"class": "audit"})])
    seal_all(office)
    take(office, [record(3, **{"class": "qs-payload"})], "late")
    seal_all(office, NOW + HOUR)
    owed = rows(office, Obligation)
    assert [(row.clause, row.subject, row.what) for row in owed] == [
        ("QS-3.5.3a", "logs qs-payload 2026-11-22", "destroy beyond recovery")
    ]
    # Kept to the end of 22 May in Moscow; warned of 12 hours later, due 24 hours later.
    assert owed[0].due_at.isoformat() == "2027-05-23T21:00:00+00:00"
    assert owed[0].warn_at == owed[0].due_at - 12 * HOUR


def test_classes_whose_terms_contradict_each_other_are_told_once(office: Office) -> None:
    both = {"class": ["qs-payload", "qs-metadata"]}
    take(office, [record(1, **both), record(2, ended_at=NOW - 3 * DAY, **both)])
    seal_all(office)
    assert [row.facts["classes"] for row in rows(office, Notice)] == ["qs-payload+qs-metadata"]
    assert [row.kind for row in rows(office, LogJournal)].count("incident") == 1
    assert [row.clause for row in rows(office, Obligation)] == ["QS-3.5.3a", "QS-3.5.3a"]


def destroy(office: Office, classes: str, day: date, *, tell: bool = True) -> None:
    """Destroy a period as a purge does."""
    name = key_of(classes, day)
    office.keys.make(name, now=NOW)
    office.keys.destroy([name], now=NOW)
    if tell:
        with transaction(office.sessions) as session:
            session.add(LogPeriod(classes=classes, day=day, made_at=NOW, destroyed_at=NOW))


@pytest.mark.parametrize("tell", [True, False])
def test_records_of_a_destroyed_period_are_dropped_and_counted(office: Office, tell: bool) -> None:
    take(office, [record(1), record(2, ended_at=NOW - 3 * DAY)])
    destroy(office, "qs-metadata", date(2026, 11, 22), tell=tell)
    sealed = seal_all(office)
    assert (sealed.records, sealed.dropped) == (1, 1)
    row = rows(office, LogBatch)[0]
    assert (row.records, row.dropped) == (1, 1)
    assert lines_of(office) == Counter([record(2, ended_at=NOW - 3 * DAY)])


def test_a_period_destroyed_while_its_records_are_being_packed_gets_no_segment(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(office, [record(1), record(2, ended_at=NOW - 3 * DAY)])

    def purged_meanwhile(content: bytes, label: Label, key: bytes) -> bytes:
        name = key_of(label.classes, label.day)
        if label.day == date(2026, 11, 22):
            office.keys.destroy([name], now=NOW)
        return seal(content, label, key)

    monkeypatch.setattr("tasks.log_packing.seal", purged_meanwhile)
    sealed = seal_all(office)
    assert (sealed.records, sealed.dropped, sealed.segments) == (1, 1, 1)
    assert lines_of(office) == Counter([record(2, ended_at=NOW - 3 * DAY)])


def test_what_waits_past_its_life_is_dropped_when_it_is_packed(office: Office) -> None:
    take(office, [record(1, **{"class": "qs-payload"})])
    purged_at(office, NOW + 200 * DAY)
    assert (seal_all(office, NOW + 200 * DAY).dropped, states(office)) == (1, ["sealed"])
    assert not rows(office, LogPeriod)
    assert not office.keys.names("period/")


def test_a_period_key_is_in_the_copy_before_an_object_lies_under_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(office, [record(1)])
    put, seen = office.objects.put, []

    def look(name: str, *arguments: object, **named: object) -> str:
        copies = [path.read_bytes() for path in office.settings.key_copies.glob("keys-*.sqlite3")]
        if name.startswith("logs/"):
            seen.append([b"period/qs-metadata/2026-11-22" in copy for copy in copies])
        return put(name, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(office.objects, "put", look)
    seal_all(office)
    assert seen == [[True]]


def test_an_hours_key_goes_when_its_files_are_gone_and_the_hour_has_rested(office: Office) -> None:
    take(office, [record(1)], "one", NOW)
    take(office, [record(2)], "two", NOW + HOUR)
    assert office.keys.names("spool/") == ["spool/2026-11-22T09", "spool/2026-11-22T10"]
    seal_all(office, NOW + HOUR)
    assert office.keys.names("spool/") == ["spool/2026-11-22T09", "spool/2026-11-22T10"]
    seal_all(office, NOW + 3 * HOUR)
    assert office.keys.names("spool/") == ["spool/2026-11-22T10"]
    copy = next(office.settings.key_copies.glob("keys-*.sqlite3")).read_bytes()
    assert b"spool/2026-11-22T10" in copy
    with pytest.raises(NotFound):
        office.keys.get("spool/2026-11-22T09")
    with pytest.raises(Transient, match="clock went back"):
        take(office, [record(3)], "three", NOW)


def test_the_key_of_an_hour_stays_while_a_file_of_it_is_missing(office: Office) -> None:
    take(office, [record(1)])
    spool = office.settings.home / "spool"
    file = next(spool.glob("*.batch"))
    away = file.rename(spool / "elsewhere")
    sealed = seal_all(office, NOW + 5 * HOUR)
    assert (sealed.batches, sealed.missing, states(office)) == (0, (file.name,), ["spooled"])
    away.rename(file)
    assert seal_all(office, NOW + 5 * HOUR).missing == ()
    assert lines_of(office) == Counter([record(1)])


def test_two_packings_never_run_at_once(office: Office) -> None:
    take(office, [record(1)])
    with Spool(office.settings.home / "spool").packing(), pytest.raises(Transient, match="another packing"):
        seal_all(office)
    assert seal_all(office).batches == 1


def test_a_batch_larger_than_a_segment_is_cut_at_line_ends(
    sqlite_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blocks.logs.gathering.RAW_BYTES", 2000)
    lines = [record(n, text="x" * (n * 37 % 900)) for n in range(80)]
    take(sqlite_office, lines[:50], "one")
    take(sqlite_office, lines[50:], "two")
    seal_all(sqlite_office)
    assert lines_of(sqlite_office) == Counter(lines)
    assert max(row.raw_bytes for row in rows(sqlite_office, LogSegment)) <= 2000


def test_little_memory_makes_more_segments_and_loses_nothing(
    sqlite_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_packing, "BUFFER", 3000)
    lines = [record(n, project=f"p-{n % 7}") for n in range(300)]
    for start in range(0, 300, 20):
        take(sqlite_office, lines[start : start + 20], f"evt-{start}")
    seal_all(sqlite_office)
    assert lines_of(sqlite_office) == Counter(lines)
    assert len(rows(sqlite_office, LogSegment)) > 7


def test_attack_no_content_lies_in_clear_anywhere(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    text = MARKER.decode()
    take(office, [record(n, text=text) for n in range(3)])

    def found() -> list[str]:
        files = [path for path in office.settings.home.rglob("*") if path.is_file()]
        assert len(files) > 3
        return [path.name for path in files if MARKER in path.read_bytes()]

    assert not found()
    with pytest.raises(Refused) as caught:
        take(office, [record(1, project=text, **{"class": text}), MARKER], "bad")
    seal_all(office)
    assert not found()
    assert text not in caplog.text + str(caught.value)
    assert text not in repr([vars(row) for table in (LogBatch, LogJournal, LogSegment) for row in rows(office, table)])
    assert sum(line.count(MARKER) for line in lines_of(office).elements()) == 3


def test_the_places_of_many_records_are_as_told(sqlite_office: Office) -> None:
    # 23:30 in Moscow is 01:30 of the next day in Astana.
    late = NOW.replace(hour=20, minute=30) - DAY
    lines = [record(n, ended_at=late, **{"class": name}) for n, name in enumerate(["qs-payload", "ocp", "audit"])]
    take(sqlite_office, lines)
    seal_all(sqlite_office)
    assert set(opened(sqlite_office)) == {
        ("qs-payload", "2026-11-21", "p-1", lines[0]),
        ("ocp", "2026-11-22", "p-1", lines[1]),
        ("audit", "2026-11-21", "p-1", lines[2]),
    }


def test_an_altered_spool_file_is_not_sealed(sqlite_office: Office) -> None:
    take(sqlite_office, [record(1)])
    file = next((sqlite_office.settings.home / "spool").glob("*.batch"))
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(Refused, match="does not open"):
        seal_all(sqlite_office)
    assert not rows(sqlite_office, LogSegment)
    file.write_bytes(content)
    seal_all(sqlite_office, NOW + timedelta(minutes=10))
    assert lines_of(sqlite_office) == Counter([record(1)])


def test_a_full_disk_is_told_to_the_sender_as_later(sqlite_office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    take(sqlite_office, [record(1)], "one")
    with monkeypatch.context() as patch:
        patch.setattr("blocks.logs.spool.os.fsync", full)
        with pytest.raises(Transient, match="No space left"):
            take(sqlite_office, [record(2)], "two")
    assert len([one for one in (sqlite_office.settings.home / "spool").iterdir() if one.suffix == ".batch"]) == 1
    assert take(sqlite_office, [record(2)], "two") == Taken(1, 0)
