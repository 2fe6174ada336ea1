"""Destruction proven by attack: what was readable with all that lies around before a purge is not readable after it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from blocks.ledger import LogPeriod, LogSegment
from blocks.logs.segment import Label
from blocks.office import Office, open_office
from blocks.settings import Settings
from flows import destruction
from tasks.ledger_copies import back_up
from tasks.log_files import take_drops
from tasks.log_forms import HoldForm
from tasks.log_holds import place
from tests.attack import Stolen, every_byte, in_clear, opens
from tests.conftest import close_office
from tests.log_work import DAY, NOW, batch, record, rows, seal_all, silent, take
from tests.servers.seaweedfs import ACCESS_KEY, SECRET_KEY, S3Server

DOOMED, HELD, YOUNG, DROPPED = "doomed-7f3a", "held-51cc", "young-e8d0", "dropped-90ab"
MARKS = (DOOMED, HELD, YOUNG, DROPPED)
LATER = datetime(2027, 5, 22, 0, 30, tzinfo=UTC)
"""03:30 in Moscow of the day after the sixth month's."""


@pytest.fixture(params=["directory", "s3"])
def stored(request: pytest.FixtureRequest, settings_for: Callable[..., Settings]) -> Iterator[Office]:
    """An office whose archive is a directory, or a bucket with versions."""
    changes: dict[str, object] = {"archive_country": "RU"}
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("s3")
        changes |= {"s3_bucket": request.getfixturevalue("s3_lockless_bucket"), "s3_endpoint": server.endpoint}
        changes |= {"s3_access_key": ACCESS_KEY, "s3_secret_key": SECRET_KEY}
    opened = open_office(settings_for(**changes))
    yield opened
    close_office(opened)


def payload(mark: str, project: str, at: datetime) -> list[bytes]:
    fields = {"class": "qs-payload", "project": project, "residency": "RU"}
    return [record(n, ended_at=at, text=f"{mark} said {n}", **fields) for n in range(40)]


def stolen(office: Office) -> list[Stolen]:
    """Every segment as it lies in the archive now."""
    periods = {row.id: row for row in rows(office, LogPeriod)}
    return [
        Stolen(
            Label(row.name, periods[row.period_id].classes, periods[row.period_id].day, row.project),
            office.objects.get(row.name),
        )
        for row in rows(office, LogSegment)
    ]


def marks_in(read: list[bytes]) -> set[str]:
    return {mark for mark in MARKS for content in read if mark.encode() in content}


@pytest.mark.clause("QS-3.5.3a")
def test_qs_3_5_3a_after_a_purge_nothing_that_lies_around_opens_what_was_destroyed(stored: Office) -> None:
    last_lawful = datetime(2026, 11, 21, 20, 59, 59, tzinfo=UTC)
    take(stored, payload(DOOMED, "shop", last_lawful), "evt-1")
    take(stored, payload(HELD, "court", last_lawful), "evt-2")
    take(stored, payload(YOUNG, "shop", last_lawful + timedelta(seconds=1)), "evt-3")
    stored.settings.log_drops.mkdir(parents=True)
    (stored.settings.log_drops / "drop.jsonl").write_bytes(batch(payload(DROPPED, "shop", last_lawful - DAY)))
    seal_all(stored)
    take_drops(stored, now=NOW, tell=silent)
    back_up(stored, who="test", now=NOW)
    form = HoldForm(
        person="Анна", why="запрос суда 12/26", project="court", day_from=(NOW - DAY).date(), day_to=NOW.date()
    )
    place(stored, form, now=NOW)
    home, kek, replica = stored.settings.home, stored.settings.kek, stolen(stored)
    before = every_byte(home)
    assert in_clear(before, MARKS) == [], "sealed from the first moment on"
    assert marks_in(opens(replica, before, kek)) == set(MARKS), "whoever has the keys reads"
    listed = {one.name for one in stored.objects.versions("logs/")}

    clock = iter([LATER + timedelta(seconds=n) for n in range(1000)])
    destruction.purge(stored, clock=clock.__next__, executor="test", after_pause=True, tell=lambda _what, _done: None)

    after = every_byte(home)
    assert in_clear(after, MARKS) == []
    assert marks_in(opens(replica, after, kek)) == {HELD, YOUNG}, "a replica kept from before opens no more"
    left = {one.name for one in stored.objects.versions("logs/")}
    assert left < listed
    assert {row.name for row in rows(stored, LogSegment) if row.gone_at is None} == left
    assert len(left) == 2


def test_the_attack_finds_a_key_wherever_its_bytes_lie(stored: Office, tmp_path: Path) -> None:
    take(stored, payload(DOOMED, "shop", NOW))
    seal_all(stored)
    replica, kek = stolen(stored), stored.settings.kek
    hidden = tmp_path / "swap-with-a-key"
    hidden.write_bytes(b"\xffnoise" * 99 + stored.settings.key_store.read_bytes() + b"noise" * 99)
    assert marks_in(opens(replica, {hidden: hidden.read_bytes()}, kek)) == {DOOMED}
    assert opens(replica, {hidden: re.sub(rb"[^\0]", b"x", hidden.read_bytes())}, kek) == []
