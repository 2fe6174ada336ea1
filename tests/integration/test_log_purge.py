"""The purge of logs: keys first, then objects, then the proof; no act where something is left."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pypdf import PdfReader
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from blocks.clients.objects import Version
from blocks.errors import NotFound, Refused, Transient
from blocks.ledger import (
    Document,
    LogJournal,
    LogPeriod,
    LogPurge,
    LogSegment,
    Notice,
    Obligation,
    ObligationState,
    PurgeState,
    transaction,
)
from blocks.office import Office
from blocks.terms.retention import LogClass
from flows import destruction
from tasks import log_packing, log_purge
from tasks.log_clock import doubt_of_clock
from tasks.log_forms import HoldForm, ReleaseForm
from tasks.log_holds import place, release
from tasks.log_journal import add_segment
from tasks.log_plan import plan
from tasks.log_purge import PurgeIncident
from tests.killing import lives
from tests.log_work import record, seal_all, take
from tests.purge_job import fills_up
from tests.purge_work import DAY, DUE, ENDED, HOUR, MARK, SEALED, every, opened, purge, sealed

INSTANT = timedelta(microseconds=1)


def held(office: Office, now: datetime, **changes: Any) -> str:
    scope = {"person": "Анна", "why": "запрос суда 12/26", "day_from": ENDED, "day_to": ENDED} | changes
    return place(office, HoldForm.model_validate(scope), now=now).number


def kinds(office: Office) -> list[str]:
    return [line.kind for line in every(office, LogJournal)]


def documents(office: Office, number: str) -> tuple[str, dict[str, Any]]:
    """The text of an act, and its annex."""
    found = {row.key: row for row in every(office, Document)}
    pages = PdfReader(io.BytesIO(office.archive.get(found[f"{number}:act"].sha256))).pages
    text = " ".join(" ".join(page.extract_text().split()) for page in pages).replace("\u200b", "")
    annex = office.archive.get(found[f"{number}:annex"].sha256)
    assert found[f"{number}:annex"].sha256 in text.replace(" ", "")
    return text, json.loads(annex)


@pytest.mark.clause("QS-3.5.3a")
def test_qs_3_5_3a_logs_are_whole_to_the_last_lawful_instant_and_gone_at_the_first_purge_after(office: Office) -> None:
    names = [sealed(office, project) for project in ("a", "b")]
    later = sealed(office, "a", day=ENDED + DAY)
    assert purge(office, DUE - INSTANT).proven == []
    assert MARK in opened(office, names[0])
    done = purge(office, DUE)
    [number] = done.proven
    assert done.keys == 1
    for name in names:
        with pytest.raises(NotFound):
            office.objects.get(name)
    with pytest.raises(NotFound):
        office.keys.get("period/qs-payload/2026-05-21")
    with pytest.raises(Refused, match="was destroyed"):
        office.keys.make("period/qs-payload/2026-05-21", now=DUE)
    assert MARK in opened(office, later)
    assert office.objects.versions("logs/qs-payload/2026-05-21/") == []
    [owed, other] = every(office, Obligation)
    assert (owed.state, owed.evidence) == (ObligationState.FULFILLED, f"{number}:act")
    assert other.state is ObligationState.OPEN
    printed, annex = documents(office, number)
    for part in (number, "QS-3.5.3a", "22.11.2026 00:00:00 МСК", "21.05.2026", "Ночной прогон", "найдено: 0"):
        assert part in printed, part
    assert {one["name"] for one in annex["segments"]} == set(names)
    assert "project" not in json.dumps(annex["segments"])
    assert kinds(office) == ["purge.idle", "purge.planned", "purged", "proven"]


@pytest.mark.clause("QS-3.5.3b", "OCP-P2.8b")
def test_qs_3_5_3b_each_class_goes_on_its_own_day(office: Office) -> None:
    sealed(office, "a")
    metadata = sealed(office, "a", classes=(LogClass.METADATA,))
    both = sealed(office, "a", classes=(LogClass.PAYLOAD, LogClass.PLATFORM))
    purge(office, DUE)
    assert MARK in opened(office, metadata)
    assert MARK in opened(office, both)
    end = datetime(2027, 5, 22, 19, tzinfo=DUE.tzinfo)  # a day of Moscow ends in Astana on the next one
    purge(office, end - INSTANT, after_pause=True)
    assert MARK in opened(office, both)
    purge(office, end)
    with pytest.raises(NotFound):
        office.objects.get(both)
    assert MARK in opened(office, metadata)


def test_a_dry_run_changes_nothing_and_tells_what_a_purge_would_do(office: Office) -> None:
    name = sealed(office, "a")
    held(office, SEALED + HOUR, project="b")
    sealed(office, "b")
    before = kinds(office)
    told = destruction.dry_run(office, now=DUE)
    assert "1 class-days, 1 segments, 1 records" in told
    assert "LH-2026-000001" in told
    assert kinds(office) == before
    assert MARK in opened(office, name)
    assert "Nothing is due" in destruction.dry_run(office, now=DUE - INSTANT)


def test_a_purge_with_nothing_due_makes_no_act(office: Office) -> None:
    assert purge(office, DUE).proven == []
    assert every(office, LogPurge) == []
    assert every(office, Document) == []


def test_a_held_project_stays_readable_when_the_key_of_its_day_dies_and_goes_after_the_release(office: Office) -> None:
    gone, kept = sealed(office, "a"), sealed(office, "b")
    hold = held(office, SEALED + HOUR, project="b")
    [first] = purge(office, DUE).proven
    with pytest.raises(NotFound):
        office.objects.get(gone)
    assert MARK in opened(office, kept)
    printed, annex = documents(office, first)
    assert hold in printed
    assert annex["days"][0]["held_records"] == 1
    assert [one["name"] for one in annex["segments"]] == [gone]
    assert purge(office, DUE + DAY).proven == []
    form = ReleaseForm(hold=hold, person="Борис", why="дело закрыто судом")
    assert release(office, form, now=DUE + DAY + HOUR) == 1
    owed = next(row for row in every(office, Obligation) if row.state is ObligationState.OPEN)
    assert owed.due_at == DUE + 2 * DAY + HOUR
    [second] = purge(office, DUE + 2 * DAY).proven
    with pytest.raises(NotFound):
        office.objects.get(kept)
    with pytest.raises(NotFound):
        office.keys.get("held/qs-payload/2026-05-21/b")
    assert documents(office, second)[1]["keys_destroyed_at"].startswith("2026-11-23T21:00")
    assert {row.state for row in every(office, Obligation)} == {ObligationState.FULFILLED}


def test_a_day_that_is_wholly_held_keeps_its_key_and_is_not_owed_meanwhile(office: Office) -> None:
    kept = sealed(office, "a")
    held(office, SEALED + HOUR, until=date(2026, 11, 23))
    assert purge(office, DUE).proven == []
    assert MARK in opened(office, kept)
    assert every(office, Obligation)[0].state is ObligationState.LIFTED
    assert purge(office, DUE + 2 * DAY - INSTANT).proven == []
    assert len(purge(office, DUE + 2 * DAY).proven) == 1
    assert kinds(office).count("hold.released") == 1
    purge(office, DUE + 3 * DAY)
    assert kinds(office).count("hold.released") == 1
    assert every(office, Obligation)[0].state is ObligationState.FULFILLED


def test_a_hold_placed_between_the_plan_and_the_keys_saves_what_it_reaches(office: Office) -> None:
    gone, kept = sealed(office, "a"), sealed(office, "b")
    number = log_purge.begin(office, now=DUE, executor="x")
    assert number
    assert held(office, DUE, project="b")
    purge(office, DUE + HOUR)
    assert MARK in opened(office, kept)
    with pytest.raises(NotFound):
        office.objects.get(gone)


def test_a_purge_whose_every_day_came_under_a_hold_ends_without_an_act(office: Office) -> None:
    kept = sealed(office, "a")
    log_purge.begin(office, now=DUE, executor="x")
    held(office, DUE)
    assert purge(office, DUE + HOUR).proven == []
    assert MARK in opened(office, kept)
    assert every(office, LogSegment)[0].purge_id is None
    assert every(office, LogPurge)[0].act_key is None
    assert log_purge.unfinished(office) == []


def test_a_hold_released_between_the_plan_and_the_keys_keeps_nothing_back(office: Office) -> None:
    names = [sealed(office, project) for project in ("a", "b")]
    hold = held(office, SEALED + HOUR, project="b")
    log_purge.begin(office, now=DUE, executor="x")
    release(office, ReleaseForm(hold=hold, person="Борис", why="дело закрыто судом"), now=DUE)
    assert len(purge(office, DUE + HOUR).proven) == 1
    for name in names:
        with pytest.raises(NotFound):
            office.objects.get(name)


@pytest.mark.clause("QS-3.5.3a")
def test_qs_3_5_3a_a_key_kept_apart_by_a_killed_purge_dies_with_its_period_when_the_hold_is_over(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed(office, "a")
    sealed(office, "b")
    hold = held(office, SEALED + HOUR, project="b")
    with monkeypatch.context() as patch:
        patch.setattr(office.keys, "destroy", _down)
        with pytest.raises(Transient):
            purge(office, DUE)
    assert office.keys.names("held/") == ["held/qs-payload/2026-05-21/b"]
    release(office, ReleaseForm(hold=hold, person="Борис", why="дело закрыто судом"), now=DUE)
    [number] = purge(office, DUE + HOUR).proven
    assert office.keys.names() == []
    assert office.keys.copied_names() == (1, set())
    assert documents(office, number)[1]["absence"]["keys"] == 2


def test_a_key_of_a_partition_that_nothing_holds_stands_against_the_proof(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed(office, "a")
    renew = office.keys.renew_copy

    def comes_back(*, now: datetime) -> Any:
        if "period/qs-payload/2026-05-21" not in office.keys.names():
            office.keys.put("held/qs-payload/2026-05-21/a", bytes(32), now=now)
        return renew(now=now)

    monkeypatch.setattr(office.keys, "renew_copy", comes_back)
    with pytest.raises(PurgeIncident, match="still in the key store"):
        purge(office, DUE)


def test_a_hold_stands_though_the_clock_of_who_placed_it_is_ahead_of_the_purge(office: Office) -> None:
    kept = sealed(office, "a")
    held(office, DUE + timedelta(seconds=2))
    assert purge(office, DUE).proven == []
    assert MARK in opened(office, kept)


def _down(*_arguments: Any, **_named: Any) -> None:
    raise Transient("the key store did not answer")


def test_what_a_killed_packing_left_goes_too_its_objects_and_its_bare_key(office: Office) -> None:
    sealed(office, "a")
    office.objects.put("logs/qs-payload/2026-05-21/p9-0000.seg", b"left by a killed packing")
    office.keys.make("period/qs-payload/2026-05-20", now=SEALED)
    office.objects.put("logs/qs-payload/2026-05-20/p9-0000.seg", b"left by a killed packing")
    [number] = purge(office, DUE).proven
    assert office.objects.versions("logs/") == []
    assert office.keys.names() == []
    printed, annex = documents(office, number)
    assert annex["absence"]["strays"] == 2
    assert [(day["day"], day["segments"]) for day in annex["days"]] == [("2026-05-20", 0), ("2026-05-21", 1)]
    assert "20.05.2026" in printed


@pytest.mark.clause("QS-3.5.3a")
def test_qs_3_5_3a_a_purge_waits_for_a_packing_that_found_the_key_alive_and_takes_what_it_enters(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The packing is inside its last transaction when the purge comes."""
    ended = datetime(2026, 5, 21, 9, tzinfo=UTC)
    take(office, [record(ended_at=ended, **{"class": "qs-payload"})], now=DUE - DAY)
    with ThreadPoolExecutor(1) as pool:
        purges: list[Future[destruction.Outcome]] = []
        alive: list[list[str]] = []

        def enters(session: Any, row: LogSegment) -> None:
            purges.append(pool.submit(purge, office, DUE))
            wait(purges, timeout=1)
            alive.append(office.keys.names("period/"))
            add_segment(session, row)

        monkeypatch.setattr(log_packing, "add_segment", enters)
        seal_all(office, now=DUE - INSTANT)
        [number] = purges[0].result(60).proven
    assert alive == [["period/qs-payload/2026-05-21"]]
    assert documents(office, number)[1]["days"][0]["records"] == 1
    assert [row.gone_at for row in every(office, LogSegment)] == [DUE]
    assert office.objects.versions("logs/") == []


def test_what_a_killed_packing_put_after_the_proof_goes_when_it_goes_on(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = datetime(2026, 5, 21, 9, tzinfo=UTC)
    take(office, [record(ended_at=ended, **{"class": "qs-payload"})], now=DUE - DAY)
    with monkeypatch.context() as patch:
        patch.setattr(log_packing, "add_segment", _down)
        with pytest.raises(Transient):
            seal_all(office, now=DUE - INSTANT)
    [late] = office.objects.versions("logs/")
    content = office.objects.get(late.name)
    assert len(purge(office, DUE).proven) == 1
    assert office.objects.versions("logs/") == []
    office.objects.put(late.name, content)
    assert seal_all(office, now=DUE + HOUR).dropped == 1
    assert office.objects.versions("logs/") == []


@pytest.mark.clause("QS-3.5.3a")
def test_qs_3_5_3a_a_key_is_dead_only_when_its_copy_is(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed(office, "a")
    office.keys.renew_copy(now=SEALED)
    with monkeypatch.context() as patch:
        renew, calls = office.keys.renew_copy, []

        def fails_after_the_keys(*, now: datetime) -> Any:
            calls.append(now)
            return renew(now=now) if len(calls) == 1 else _down()

        patch.setattr(office.keys, "renew_copy", fails_after_the_keys)
        with pytest.raises(Transient):
            purge(office, DUE)
    assert office.keys.copied_names() == (1, {"period/qs-payload/2026-05-21"})
    [number] = purge(office, DUE + HOUR).proven
    assert every(office, LogPeriod)[0].destroyed_at == every(office, LogPurge)[0].keys_destroyed_at == DUE + HOUR
    assert (
        documents(office, number)[1]["days"][0]["keys_destroyed_at"]
        == documents(office, number)[1]["keys_destroyed_at"]
    )


@pytest.mark.clause("QS-3.5.3a")
@pytest.mark.parametrize("empty", [False, True])
def test_qs_3_5_3a_a_store_that_is_not_mounted_proves_nothing_and_takes_nothing(
    sqlite_office: Office, empty: bool
) -> None:
    office = sqlite_office
    sealed(office, "a")
    objects, away = office.settings.home / "objects", office.settings.home / "away"
    objects.rename(away)
    if empty:
        objects.mkdir()
    with pytest.raises(Transient, match="mounted"):
        purge(office, DUE)
    assert every(office, Document) == []
    assert every(office, LogSegment)[0].gone_at is None
    take(office, [record(ended_at=DUE)], now=DUE + HOUR)
    with pytest.raises(Transient, match="mounted"):
        seal_all(office, now=DUE + HOUR)
    shutil.rmtree(objects, ignore_errors=True)
    away.rename(objects)
    assert seal_all(office, now=DUE + HOUR).records == 1
    assert len(purge(office, DUE + HOUR).proven) == 1
    assert [one.name for one in office.objects.versions("logs/qs-payload/")] == []


def test_a_segment_recorded_after_its_key_died_goes_with_the_next_purge(office: Office) -> None:
    sealed(office, "a")
    purge(office, DUE)
    name = "logs/qs-payload/2026-05-21/p2-late-0000.seg"
    office.objects.put(name, b"unreadable")
    row = every(office, LogSegment)[0]
    late = {key: getattr(row, key) for key in ("period_id", "records", "raw_bytes", "size", "sha256", "version")}
    late |= {"first_at": row.first_at, "last_at": row.last_at, "russian": False, "pack": "p2", "sealed_at": DUE}
    with transaction(office.sessions) as session:
        add_segment(session, LogSegment(name=name, project="late", **late))
    assert len(purge(office, DUE + DAY).proven) == 1
    with pytest.raises(NotFound):
        office.objects.get(name)


def test_a_clock_set_back_destroys_nothing(office: Office) -> None:
    sealed(office, "a", day=date(2026, 5, 19))
    purge(office, DUE)
    name = sealed(office, "a", day=date(2026, 5, 20))
    with pytest.raises(Refused) as refused:
        purge(office, DUE - 6 * timedelta(minutes=1))
    assert refused.value.reason == "clock"
    assert MARK in opened(office, name)
    purge(office, DUE - 5 * timedelta(minutes=1))


def test_a_clock_that_jumped_ahead_destroys_nothing_until_a_person_says_so(office: Office) -> None:
    purge(office, DUE)
    name = sealed(office, "a", day=ENDED + 2 * DAY)
    with pytest.raises(Refused) as refused:
        purge(office, DUE + 3 * DAY + INSTANT)
    assert refused.value.reason == "pause"
    assert "would be refused" in destruction.dry_run(office, now=DUE + 3 * DAY + INSTANT)
    assert MARK in opened(office, name)
    assert kinds(office) == ["purge.idle"]
    assert len(purge(office, DUE + 3 * DAY).proven) == 1


def test_the_very_first_purge_does_not_believe_a_clock_far_ahead_of_the_intake(office: Office) -> None:
    take(office, [record(ended_at=SEALED)], now=SEALED)
    name = sealed(office, "a")
    allowed = SEALED + 3 * DAY
    for now, doubted in ((allowed, False), (allowed + INSTANT, True), (DUE + 99 * DAY, True)):
        doubt = doubt_of_clock(office, now=now)
        assert (doubt.reason if doubt else None) == ("pause" if doubted else None)
    with pytest.raises(Refused, match="last entry of the journal"):
        destruction.purge(office, clock=lambda: DUE, executor="x", after_pause=False, tell=lambda _what, _percent: None)
    assert MARK in opened(office, name)


def test_after_a_pause_a_person_lets_the_purge_go_on(office: Office) -> None:
    purge(office, DUE)
    sealed(office, "a", day=ENDED + 2 * DAY)
    assert len(purge(office, DUE + 30 * DAY, after_pause=True).proven) == 1


class Stubborn:
    """An object store of which some names cannot be destroyed, or which fails."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.denied: set[str] = set()
        self.silent: set[str] = set()
        self.down = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def destroy(self, versions: list[Version], *, now: datetime) -> dict[str, str]:
        if self.down:
            raise Transient("SlowDown")
        chosen = [one for one in versions if one.name not in self.denied | self.silent]
        told: dict[str, str] = self.inner.destroy(chosen, now=now)
        return told | {one.name: "denied" for one in versions if one.name in self.denied}


@pytest.fixture
def stubborn(office: Office) -> Stubborn:
    store = Stubborn(office.objects)
    office.__dict__["objects"] = store
    return store


@pytest.mark.clause("QS-3.5.3a")
def test_qs_3_5_3a_where_some_objects_are_denied_it_is_an_incident_and_no_act(
    office: Office, stubborn: Stubborn
) -> None:
    first, second = sealed(office, "a"), sealed(office, "b")
    stubborn.denied = {second}
    with pytest.raises(PurgeIncident, match=r"1 versions remain.*denied"):
        purge(office, DUE)
    assert every(office, Document) == []
    assert every(office, Obligation)[0].state is ObligationState.OPEN
    row = every(office, LogPurge)[0]
    assert (row.state, row.proven_at) == (PurgeState.KEYS_DESTROYED, None)
    assert second in row.incident
    assert {one.gone_at for one in every(office, LogSegment)} == {None}
    with pytest.raises(NotFound):
        office.objects.get(first)
    with pytest.raises(PurgeIncident):
        purge(office, DUE + DAY)
    assert [one.kind for one in every(office, Notice)] == ["log_purge_incident"]
    assert kinds(office).count("incident") == 1
    stubborn.denied = set()
    [number] = purge(office, DUE + 2 * DAY).proven
    printed, annex = documents(office, number)
    assert annex["keys_destroyed_at"] == "2026-11-21T21:00:00Z"
    assert "24.11.2026 00:00:00 МСК" in printed
    assert every(office, LogPurge)[0].incident is None


def test_an_object_that_stays_keeps_no_later_day_from_being_destroyed_in_time(
    office: Office, stubborn: Stubborn
) -> None:
    stuck, next_day = sealed(office, "a"), sealed(office, "a", day=ENDED + DAY)
    stubborn.denied = {stuck}
    with pytest.raises(PurgeIncident):
        purge(office, DUE)
    with pytest.raises(PurgeIncident):
        purge(office, DUE + DAY)
    with pytest.raises(NotFound):
        office.objects.get(next_day)
    assert [row.state for row in every(office, LogPurge)] == [PurgeState.KEYS_DESTROYED, PurgeState.PROVEN]


def test_a_store_that_says_destroyed_and_did_not_is_found_out(office: Office, stubborn: Stubborn) -> None:
    stubborn.silent = {sealed(office, "a")}
    with pytest.raises(PurgeIncident, match=r"listed again.*still answer"):
        purge(office, DUE)
    assert every(office, Document) == []


def test_a_store_that_lists_nothing_and_still_answers_is_found_out(office: Office, stubborn: Stubborn) -> None:
    stubborn.silent = {sealed(office, "a")}
    stubborn.versions = lambda _prefix: []  # type: ignore[attr-defined]
    with pytest.raises(PurgeIncident, match="asked for by name still answer"):
        purge(office, DUE)


def test_a_key_that_came_back_in_a_copy_is_found_out(
    office: Office, stubborn: Stubborn, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed(office, "a")
    old = office.keys.renew_copy(now=SEALED).read_bytes()
    stubborn.down = True
    with pytest.raises(Transient):
        purge(office, DUE)
    stubborn.down = False
    (office.settings.key_copies / "keys-restored.sqlite3").write_bytes(old)
    with pytest.raises(PurgeIncident, match="in its copies"):
        purge(office, DUE + HOUR)
    assert every(office, Document) == []


@pytest.mark.clause("QS-3.5.3a")
def test_qs_3_5_3a_the_keys_die_in_time_though_the_archive_does_not_answer(office: Office, stubborn: Stubborn) -> None:
    name = sealed(office, "a")
    stubborn.down = True
    with pytest.raises(Transient, match="SlowDown"):
        purge(office, DUE)
    assert office.objects.get(name)
    with pytest.raises(NotFound):
        opened(office, name)
    assert every(office, LogPeriod)[0].destroyed_at == DUE
    stubborn.down = False
    assert len(purge(office, DUE + HOUR).proven) == 1


@pytest.mark.clause("QS-3.5.3a")
def test_qs_3_5_3a_two_purges_at_once_make_one_act_of_each_segment(office: Office) -> None:
    for number in range(12):
        sealed(office, f"p{number}")
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: purge(office, DUE), range(3)))
    assert sum(len(one.proven) for one in done) == 1
    assert len(every(office, LogPurge)) == 1
    assert len(every(office, Document)) == 2
    assert {row.gone_at for row in every(office, LogSegment)} == {DUE}
    assert kinds(office).count("proven") == kinds(office).count("purged") == 1


@pytest.mark.parametrize("room", [4096, 1 << 16, 1 << 18])
def test_a_full_disk_fails_the_run_and_no_act_says_otherwise(sqlite_office: Office, room: int) -> None:
    for number in range(40):
        sealed(sqlite_office, f"p{number}", number=number)
    sqlite_office.engine.dispose()
    lived = lives(fills_up, sqlite_office.settings, DUE, room)
    assert {row.gone_at is not None for row in every(sqlite_office, LogSegment)} == {lived}
    assert len(every(sqlite_office, Document)) == 2 * lived
    assert not lived or room > 4096
    assert len(purge(sqlite_office, DUE + HOUR).proven) == (not lived)
    assert sqlite_office.objects.versions("logs/") == []


def test_the_plan_tells_until_when_the_archive_may_refuse(office: Office) -> None:
    sealed(office, "a")
    [day] = plan(office, now=DUE).days
    assert day.locked_until is None
    assert day.fate.life.clauses == ("QS-3.5.3a",)


def test_the_key_store_holds_no_bytes_of_the_key_nor_does_its_copy(office: Office) -> None:
    sealed(office, "a")
    office.keys.renew_copy(now=SEALED)
    with sqlite3.connect(office.settings.key_store) as database:
        [(wrapped,)] = database.execute("SELECT wrapped FROM keys").fetchall()
    database.close()

    def remains() -> int:
        files = [office.settings.key_store, *office.settings.key_copies.iterdir()]
        return sum(wrapped in file.read_bytes() for file in files)

    assert remains() == 2
    purge(office, DUE)
    assert remains() == 0


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ("UPDATE log_purges SET executor = 'another'", "a proven destruction stands"),
        ("DELETE FROM log_purges", "a destruction is not deleted"),
        ("UPDATE log_periods SET destroyed_at = NULL", "a destroyed period stays so"),
        ("UPDATE log_segments SET gone_at = NULL", "a segment stands"),
    ],
)
def test_the_ledger_lets_nobody_take_a_proven_destruction_back(office: Office, change: str, refused: str) -> None:
    sealed(office, "a")
    purge(office, DUE)
    with pytest.raises(DBAPIError, match=refused), transaction(office.sessions) as session:
        session.execute(text(change))
