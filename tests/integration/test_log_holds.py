"""Legal holds: placed and released by two persons, in the journal, told to the operator and to the archive."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from blocks.clients.objects import Version
from blocks.errors import NotFound, Refused, Transient
from blocks.ledger import LogHold, LogJournal, LogSegment, Notice
from blocks.office import Office, open_office
from blocks.settings import Settings
from tasks.log_forms import HoldForm, ReleaseForm
from tasks.log_holds import place, release, sync_locks
from tasks.log_purge import PurgeIncident
from tests.conftest import close_office
from tests.purge_work import DAY, DUE, ENDED, HOUR, MARK, SEALED, every, opened, purge, sealed
from tests.servers.seaweedfs import S3Server

WHY = "запрос суда 12/26"


def form(**changes: Any) -> HoldForm:
    scope = {"person": "Анна Примерова", "why": WHY, "day_from": ENDED, "day_to": ENDED} | changes
    return HoldForm.model_validate(scope)


def releasing(hold: str, person: str = "Борис") -> ReleaseForm:
    return ReleaseForm(hold=hold, person=person, why="дело закрыто судом")


@pytest.mark.parametrize(
    "changes",
    [
        {"person": "  "},
        {"why": "   short   "},
        {"why": "two\nlines of a reason"},
        {"day_from": ENDED + DAY},
        {"project": "a/b"},
        {"project": ""},
        {"classes": ("qs-other",)},
        {"another": 1},
    ],
)
def test_a_hold_without_a_person_a_reason_or_a_true_scope_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        form(**changes)


def test_the_strings_of_a_form_are_stripped() -> None:
    assert form(person="  Анна ", why=f" {WHY} ").model_dump(include={"person", "why"}) == {
        "person": "Анна",
        "why": WHY,
    }


def test_a_hold_is_numbered_journalled_and_told(office: Office) -> None:
    sealed(office, "a")
    sealed(office, "b")
    placed = place(office, form(project="a"), now=SEALED + HOUR)
    assert (placed.number[:8], placed.segments, placed.records, placed.locked) == ("LH-2026-", 1, 1, True)
    line = every(office, LogJournal)[-1]
    assert (line.kind, line.about, line.who, line.facts["why"]) == ("hold.placed", placed.number, "Анна Примерова", WHY)
    assert [one.kind for one in every(office, Notice)] == ["log_hold_placed"]
    assert [row.locked for row in every(office, LogSegment)] == [True, False]
    assert release(office, releasing(placed.number), now=SEALED + 2 * HOUR) == 0
    assert [row.locked for row in every(office, LogSegment)] == [False, False]
    assert every(office, LogJournal)[-1].kind == "hold.released"
    assert every(office, LogHold)[0].released_by == "Борис"


@pytest.mark.parametrize("person", ["Анна Примерова", "анна  ПРИМЕРОВА"])
def test_whoever_placed_a_hold_does_not_release_it(office: Office, person: str) -> None:
    hold = place(office, form(), now=SEALED).number
    with pytest.raises(Refused) as refused:
        release(office, releasing(hold, person), now=SEALED + HOUR)
    assert refused.value.reason == "same_person"


def test_a_hold_is_released_once_and_only_where_there_is_one(sqlite_office: Office) -> None:
    hold = place(sqlite_office, form(), now=SEALED).number
    release(sqlite_office, releasing(hold), now=SEALED + HOUR)
    with pytest.raises(Refused, match="does not stand"):
        release(sqlite_office, releasing(hold), now=SEALED + 2 * HOUR)
    with pytest.raises(NotFound):
        release(sqlite_office, releasing("LH-2026-000099"), now=SEALED)


def test_a_hold_that_would_be_over_already_is_refused(sqlite_office: Office) -> None:
    with pytest.raises(Refused) as refused:
        place(sqlite_office, form(until=ENDED), now=SEALED)
    assert refused.value.reason == "past"


def test_what_was_destroyed_before_is_not_counted_as_held(sqlite_office: Office) -> None:
    sealed(sqlite_office, "a")
    purge(sqlite_office, DUE)
    assert place(sqlite_office, form(), now=DUE + HOUR).segments == 0


def test_a_hold_stands_though_the_archive_does_not_answer_and_the_next_purge_locks(
    sqlite_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = sealed(sqlite_office, "a")

    def down(_versions: Sequence[Version], *, on: bool) -> None:
        raise Transient(f"no answer, {on}")

    with monkeypatch.context() as patched:
        patched.setattr(sqlite_office.objects, "hold", down)
        assert not place(sqlite_office, form(), now=SEALED + HOUR).locked
    purge(sqlite_office, DUE)
    assert every(sqlite_office, LogSegment)[0].locked
    assert MARK in opened(sqlite_office, kept)


def test_one_object_that_the_archive_lost_keeps_no_other_from_being_held(sqlite_office: Office) -> None:
    lost, kept = sealed(sqlite_office, "a"), sealed(sqlite_office, "b")
    sqlite_office.objects.destroy([Version(lost, "")], now=SEALED)
    assert place(sqlite_office, form(), now=SEALED + HOUR).locked
    assert sqlite_office.objects.destroy([Version(kept, "")], now=DUE) == {kept: "locked"}


@pytest.fixture
def on_s3(settings_for: Callable[..., Settings], s3: S3Server, s3_bucket: str) -> Iterator[Office]:
    """An office whose segments lie in a bucket with versions and object lock."""
    office = open_office(
        settings_for(
            s3_endpoint=s3.endpoint, s3_bucket=s3_bucket, s3_access_key="AKIATEST", s3_secret_key="secretsecret"
        )
    )
    yield office
    close_office(office)


def test_in_s3_a_hold_locks_new_segments_at_the_next_purge_and_lets_go_after_the_release(on_s3: Office) -> None:
    first = sealed(on_s3, "kept")
    hold = place(on_s3, form(project="kept"), now=SEALED + HOUR).number
    late, gone = sealed(on_s3, "kept", pack="p2"), sealed(on_s3, "a")
    on_s3.objects.put(gone, b"written twice")
    purge(on_s3, DUE)
    assert {one.name for one in on_s3.objects.versions("logs/")} == {first, late}
    held = on_s3.objects.versions("logs/")
    assert on_s3.objects.destroy(held, now=DUE) == {first: "locked", late: "locked"}
    release(on_s3, releasing(hold), now=DUE + HOUR)
    assert sync_locks(on_s3, now=DUE + HOUR) == (0, 0)
    assert len(purge(on_s3, DUE + DAY).proven) == 1
    assert on_s3.objects.versions("logs/") == []


@pytest.mark.clause("QS-3.5.3a")
def test_qs_3_5_3a_in_s3_versions_markers_and_strays_go_and_a_lock_is_an_incident(on_s3: Office) -> None:
    name = sealed(on_s3, "a")
    raw: Any = on_s3.objects
    raw._client.delete_object(Bucket=raw._bucket, Key=raw._prefix + name)  # noqa: SLF001 - what a stranger does
    on_s3.objects.put("logs/qs-payload/2026-05-21/stray.seg", b"left behind")
    locked = sealed(on_s3, "b", day=ENDED + DAY)
    [version] = [one for one in on_s3.objects.versions(locked) if not one.marker]
    assert len(purge(on_s3, DUE).proven) == 1
    assert {one.name for one in on_s3.objects.versions("logs/")} == {locked}
    on_s3.objects.hold([version], on=True)  # a lock that our ledger knows nothing of
    with pytest.raises(PurgeIncident, match="locked"):
        purge(on_s3, DUE + DAY)
    on_s3.objects.hold([version], on=False)
    assert len(purge(on_s3, DUE + DAY + timedelta(hours=1)).proven) == 1
    assert on_s3.objects.versions("logs/") == []
