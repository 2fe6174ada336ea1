"""The act of destruction: what it prints, that its bytes repeat, that a thousand days fit."""

from __future__ import annotations

import hashlib
import io
import json
import re
from datetime import UTC, date, datetime, timedelta

import pytest
from pypdf import PdfReader

from blocks.terms.retention import LogClass, life
from blocks.terms.retention_views import Absence, DestroyedDay, DestroyedSegment, DestructionAct
from blocks.terms.revenue_views import Party
from reports.destruction import act_pdf, annex_json
from reports.notices import compose

NOW = datetime(2026, 11, 21, 21, 30, 5, tzinfo=UTC)


def day_view(day: date, **changes: object) -> DestroyedDay:
    lives = life([LogClass.PAYLOAD], day, today=day)
    begins = datetime(day.year, day.month, day.day, 6, tzinfo=UTC)
    values: dict[str, object] = {
        "classes": (LogClass.PAYLOAD,),
        "day": day,
        "zone": lives.zone,
        "clauses": lives.clauses,
        "kept_until": lives.kept_until,
        "keys_destroyed_at": NOW,
        "segments": 3,
        "records": 12345,
        "raw_bytes": 9876543,
        "size": 1234567,
        "first_at": begins,
        "last_at": begins + timedelta(hours=12),
        "held_segments": 0,
        "held_records": 0,
        "holds": (),
    }
    return DestroyedDay.model_validate(values | changes)


def view(days: int = 1, **changes: object) -> DestructionAct:
    rows = tuple(day_view(date(2023, 1, 1) + timedelta(days=number)) for number in range(days))
    segment = DestroyedSegment("logs/x.seg", "ab" * 32, "qs-payload", date(2023, 1, 1), 1, 2, 3, NOW, NOW)
    values: dict[str, object] = {
        "number": "LP-2026-000001",
        "provider": Party(name="ООО «Пример» #1", requisites="ИНН 7701234567", signatory="А. Примерова"),
        "executor": "автоматически, *по расписанию*",
        "planned_at": NOW,
        "keys_destroyed_at": NOW,
        "deleted_at": NOW,
        "days": rows,
        "segments": (segment,),
        "absence": Absence(checked_at=NOW, folders=days, listed=0, strays=0, sampled=1, keys=days, copies=1),
        "journal_head": "1" * 64,
        "segments_head": "2" * 64,
    }
    return DestructionAct.model_validate(values | changes)


def pages_of(pdf: bytes) -> list[str]:
    texts = (page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)
    return [re.sub(r"\s+", " ", text.replace("\u200b", "")) for text in texts]


@pytest.mark.clause("QS-3.5.3a")
def test_qs_3_5_3a_an_act_says_what_when_how_by_whom_and_what_was_looked_for() -> None:
    one = view()
    annex = annex_json(one)
    text = " ".join(pages_of(act_pdf(one, annex)))
    for part in (
        "Акт об уничтожении логов № LP-2026-000001",
        "22 ноября 2026 г.",
        "ООО «Пример» #1",
        "автоматически, *по расписанию*",
        "QS-3.5.3a",
        "AES-256-GCM",
        "22.11.2026 00:30:05 МСК",
        "содержание сообщений",
        "01.01.2023",
        "12 345",
        "9 876 543",
        "09:00–21:00",
        "найдено: 0",
    ):
        assert part in text, part
    for digest in (hashlib.sha256(annex).hexdigest(), "1" * 64, "2" * 64):
        assert digest in text.replace(" ", "")


def test_an_act_and_its_annex_repeat_to_the_byte() -> None:
    first, again = view(), view()
    assert annex_json(first) == annex_json(again)
    assert act_pdf(first, b"{}") == act_pdf(again, b"{}")
    assert act_pdf(first, b"{}") != act_pdf(first, b"[]")


def test_a_thousand_days_stand_in_one_act_each_once_and_are_added_up() -> None:
    one = view(1000)
    pages = pages_of(act_pdf(one, annex_json(one)))
    text = " ".join(pages)
    assert len(pages) > 20
    for number, day in enumerate(one.days, 1):
        assert f"{number} содержание" in text
        assert f"{day.day:%d.%m.%Y}" in text
    assert "12 345 000" in text
    assert all("Вид логов" in page for page in pages[:-1])


def test_what_is_held_back_is_told_with_its_hold_and_that_it_still_exists() -> None:
    held = day_view(date(2026, 5, 21), held_segments=1, held_records=2, holds=("LH-2026-000007",))
    text = " ".join(pages_of(_with(held)))
    assert "2 записи (LH-2026-000007)" in text
    assert "Удержанное не уничтожено" in text
    assert "Удержанное не уничтожено" not in " ".join(pages_of(act_pdf(view(), b"{}")))


def _with(day: DestroyedDay) -> bytes:
    return act_pdf(view().model_copy(update={"days": (day,)}), b"{}")


def test_a_key_without_segments_has_no_span() -> None:
    bare = day_view(date(2026, 5, 21), segments=0, records=0, raw_bytes=0, size=0, first_at=None, last_at=None)
    assert "21.05.2026" in " ".join(pages_of(_with(bare)))


def test_the_annex_holds_every_segment_with_its_hash_and_no_project() -> None:
    content = json.loads(annex_json(view()))
    assert content["segments"][0]["sha256"] == "ab" * 32
    assert "project" not in content["segments"][0]
    assert content["journal_head"] == "1" * 64


@pytest.mark.parametrize("until", ["", "2026-12-01"])
def test_notices_of_holds_and_incidents_say_what_they_must(until: str) -> None:
    scope = {"classes": "", "project": "shop", "day_from": "2026-05-01", "day_to": "2026-05-31", "until": until}
    facts = {"number": "LH-2026-000001", "person": "Анна", "why": "запрос суда", "segments": 2, "records": 3, "owed": 4}
    placed = compose("log_hold_placed", scope | facts, has_secret=False)
    assert "LH-2026-000001" in placed.subject
    assert "Классы: все. Проект: shop." in placed.body
    assert ("2026-12-01" in placed.body) is bool(until)
    released = compose("log_hold_released", scope | facts, has_secret=False)
    assert "истекли: 4" in released.body
    told = compose("log_purge_incident", {"number": "LP-1", "what": "1 versions remain"}, has_secret=False)
    assert "Акт не составлен" in told.body
