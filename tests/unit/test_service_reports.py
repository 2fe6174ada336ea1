"""What people read of maintenance, unavailability, availability and tickets."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from icalendar import Calendar
from jinja2 import UndefinedError
from openpyxl import load_workbook
from pydantic import ValidationError
from pypdf import PdfReader

from blocks.terms.service_views import AvailabilityReport, DayCell, JournalLine, StatusPage
from blocks.terms.watching import Kind
from reports.availability import availability_markdown, availability_pdf
from reports.format import duration, percent, plain, plural, span, wall
from reports.journal import journal_xlsx
from reports.notices import compose
from reports.pages import style
from reports.status import status_page, windows_calendar
from reports.ticket import ticket_markdown
from reports.window_report import window_markdown, window_pdf
from tests.servers.chromium import chromium_page
from tests.unit.service_views import (
    HOSTILE,
    NOW,
    availability,
    journal_line,
    status,
    ticket,
    window_report,
    windows,
)

START, END = "2026-11-21T06:00:00+00:00", "2026-11-21T08:00:00+00:00"
WORKS: dict[str, Any] = {
    "window": "MW-2026-0011",
    "agreement": "KS",
    "zone": "Europe/Moscow",
    "starts_at": START,
    "ends_at": END,
    "services": ["Комплекс связи", "Обмен данными"],
    "what": "Обновление ядра.",
}
OUTAGE: dict[str, Any] = {
    "number": "O-2026-0007",
    "agreement": "OCP",
    "zone": "Asia/Almaty",
    "began_at": START,
    "ended_at": END,
    "services": ["Витрина ОЦП"],
}


def without(facts: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if name not in names}


FACTS: dict[str, dict[str, Any]] = {
    "works_planned": {**WORKS, "kind": "planned"},
    "works_cancelled": {**without(WORKS, "what"), "why": "Обновление перенесено."},
    "works_done": {
        **without(WORKS, "what", "starts_at", "ends_at"),
        "opened_at": START,
        "closed_at": END,
        "result": "Всё сделано.",
    },
    "works_overdue": without(WORKS, "what", "starts_at", "agreement"),
    "work_handed": {**without(WORKS, "what", "starts_at", "agreement"), "work": "W-1", "why": "exit code 4"},
    "window_not_opened": {**without(WORKS, "what", "agreement"), "why": "не согласовано"},
    "works_agreement_asked": {**WORKS, "kind": "daily", "answer_by": "2026-11-19T06:00:00+00:00"},
    "works_urgent": WORKS,
    "emergency_told": {
        **without(OUTAGE, "began_at", "ended_at"),
        "discovered_at": START,
        "what": "Не отвечает основной узел.",
    },
    "outage_opened": without(OUTAGE, "ended_at"),
    "outage_closed": {**OUTAGE, "seconds": "7200.5", "cause": "Отказ диска."},
    "outage_report": {
        **OUTAGE,
        "seconds": 7200,
        "cause": "Отказ диска.",
        "measures": ["Заменён диск", "Восстановлена реплика"],
        "advice": ["Держать два запасных диска"],
    },
    "outage_logs": {**OUTAGE, "files": [{"name": "probe-1.log", "sha256": "ab" * 32}]},
    "ticket_received": {
        "number": "T-2026-000042",
        "received_at": START,
        "zone": "Europe/Kyiv",
        "minutes_needed": 120,
        "substance": "Не звонит {{ 7 * 7 }}",
    },
    "ticket_question": {"number": "T-2026-000042", "question": "С какого номера вы звоните?"},
    "ticket_resolved": {
        "number": "T-2026-000042",
        "outcome": "Номер заработал.",
        "resolved_at": END,
        "zone": "Europe/Kyiv",
    },
    "ticket_joined": {
        "number": "T-2026-000043",
        "duplicate_of": "T-2026-000042",
        "received_at": START,
        "zone": "Europe/Kyiv",
    },
    "ticket_reacted": {
        "number": "T-2026-000042",
        "minutes_needed": 30,
        "ends_at": END,
        "zone": "Europe/Kyiv",
        "text": "Смотрим журналы.",
    },
    "ticket_registered": {"number": "T-2026-000042", "subject": "Нет связи"},
    "ticket_step": {"number": "T-2026-000042", "step": "confirm the receipt", "text": "Запрос у нас."},
    "ticket_needs_work": {
        "number": "T-2026-000042",
        "agreement": "OT",
        "what": "ответ пользователя",
        "subject": "Нет звука",
        "who": "user@example.net",
        "text": "Перезвонили.",
    },
    "ticket_added": {
        "number": "T-2026-000042",
        "zone": "Europe/Moscow",
        "received_at": "2026-03-07T09:00:00+00:00",
        "ends_at": "2026-03-07T10:30:00+00:00",
    },
    "ticket_flood": {"number": "T-2026-000042", "sender": "robot@example.net", "letters": 20},
    "support_mail_aside": {
        "why": "не читается",
        "file": "new/1",
        "sender": "user@example.net",
        "subject": "Нет звука",
    },
    "ticket_incomplete": {"number": "T-2026-000042", "missing": ["substance", "time", "actions"]},
    "ticket_escalated": {
        "number": "T-2026-000042",
        "agreement": "OT",
        "priority": "1",
        "reason": "Стоит весь центр.",
        "who": "анна",
    },
    "outage_suspected": {"service": "Автодозвон", "name": "dialer", "tickets": ["T-2026-000042", "T-2026-000043"]},
    "compensation_proposed": {
        "number": "C-2026-0001",
        "agreement": "KS",
        "clause": "KS-3.10a",
        "amount": "9995.00 RUB",
        "why": "Два перерыва за месяц.",
        "proposed_by": "анна",
    },
    "compensation_decided": {
        "number": "C-2026-0001",
        "agreement": "KS",
        "clause": "KS-3.10a",
        "granted": True,
        "amount": "9995.00 RUB",
        "why": "Два перерыва за месяц.",
    },
    "log_access_asked": {
        "number": "LG-2026-000001",
        "person": "Анна Примерова",
        "need": "Разобрать жалобу клиента.",
        "classes": "qs-payload",
        "project": "shop",
        "day_from": "2026-11-20",
        "day_to": "2026-11-21",
        "hours": 8,
    },
    "log_file_refused": {"file": "a.jsonl", "why": "line 3 is no JSON"},
    "finding_opened": {"subject": "192.0.2.1:993", "kind": "expired", "clause": "KS-2.6", "detail": "it ended"},
    "finding_closed": {
        "subject": "example.test",
        "kind": "dnssec",
        "clause": "KS-3.2",
        "first_at": START,
        "closed_at": END,
        "watched": True,
    },
    "log_terms_contradict": {"classes": "qs-payload+ocp", "why": "QS-3.5.3a ends before OCP-P2.8b does"},
}
TOLD = {
    "works_planned": ("Плановые работы 21.11.2026 09:00–11:00 МСК (№ MW-2026-0011)", "Обновление ядра."),
    "works_cancelled": ("Работы 21.11.2026 09:00–11:00 МСК отменены (№ MW-2026-0011)", "Обновление перенесено."),
    "works_done": ("Работы завершены (№ MW-2026-0011)", "Всё сделано."),
    "works_overdue": ("[оператору] Окно работ № MW-2026-0011 не закрыто в срок", "21.11.2026 11:00 МСК"),
    "work_handed": ("[оператору] Работа W-1 передана вам: окно № MW-2026-0011", "exit code 4"),
    "window_not_opened": ("[оператору] Окно работ № MW-2026-0011 не открыто", "не согласовано"),
    "works_agreement_asked": (
        "Просим согласовать время работ № MW-2026-0011: 21.11.2026 09:00–11:00 МСК",
        "до 19.11.2026 09:00 МСК",
    ),
    "works_urgent": ("Срочные работы 21.11.2026 09:00–11:00 МСК (№ MW-2026-0011)", "отложить их нельзя"),
    "emergency_told": ("Авария № O-2026-0007: Витрина ОЦП", "21.11.2026 11:00 Астана"),
    "outage_opened": ("Сервис недоступен: Витрина ОЦП (№ O-2026-0007)", "21.11.2026 11:00 Астана"),
    "outage_closed": ("Сервис снова доступен: Витрина ОЦП (№ O-2026-0007)", "2\xa0ч 0,5\xa0с"),
    "outage_report": ("Отчёт о недоступности № O-2026-0007", "- Восстановлена реплика\n\nЧтобы это не повторилось"),
    "outage_logs": ("Файлы журналов о недоступности № O-2026-0007", "- probe-1.log: abab"),
    "ticket_received": ("Обращение T-2026-000042 получено", "не более 2\xa0ч."),
    "ticket_question": ("Обращение T-2026-000042: нужен ваш ответ", "С какого номера"),
    "ticket_resolved": ("Обращение T-2026-000042 решено", "21.11.2026 10:00 Киев"),
    "ticket_joined": ("Обращение T-2026-000043 присоединено к T-2026-000042", "ответим по T-2026-000042"),
    "ticket_reacted": ("Обращение T-2026-000042 в работе", "не более 30\xa0мин"),
    "ticket_registered": ("Обращение T-2026-000042 зарегистрировано", "«Нет связи»"),
    "ticket_step": ("Обращение T-2026-000042: ход рассмотрения", "Получение запроса подтверждено"),
    "ticket_needs_work": ("[оператору] Обращение T-2026-000042 (OT): ответ пользователя", "Перезвонили."),
    "ticket_added": ("Обращение T-2026-000042 дополнено", "время до 07.03.2026 13:30 МСК"),
    "ticket_flood": ("[оператору] Слишком много писем по обращениям: T-2026-000042", "20 писем"),
    "support_mail_aside": ("[оператору] Письмо в поддержку отложено", "Файл: new/1"),
    "ticket_incomplete": ("Обращение T-2026-000042: допишите, пожалуйста", "- что вы делали перед этим"),
    "ticket_escalated": ("[оператору] Обращение T-2026-000042 поднято: приоритет 1", "Стоит весь центр."),
    "outage_suspected": (
        "[оператору] Возможно, недоступен сервис: Автодозвон",
        "сервис dialer и номера этих обращений",
    ),
    "compensation_proposed": ("[оператору] Компенсация C-2026-0001: нужно решение второго человека", "не тот, кто"),
    "log_file_refused": ("[оператору] Файл логов не принят: a.jsonl", "line 3 is no JSON"),
    "finding_opened": ("[оператору] 192.0.2.1:993: сертификат вне срока действия", "Подробности: it ended"),
    "finding_closed": ("[оператору] example.test: больше нет нарушения «ошибка DNSSEC»", "закрыто 21.11.2026 "),
    "log_terms_contradict": (
        "[оператору] Сроки хранения логов противоречат друг другу: qs-payload+ocp",
        "QS-3.5.3a ends before OCP-P2.8b does",
    ),
    "compensation_decided": ("Решение о компенсации C-2026-0001", "9\xa0995,00\xa0руб."),
    "log_access_asked": (
        "[оператору] Запрос LG-2026-000001 на доступ к журналам: нужно решение второго человека",
        "дни с 20.11.2026 по 21.11.2026, на 8 ч.",
    ),
}


@pytest.mark.parametrize("kind", FACTS)
def test_a_notice_of_service_says_when_what_and_to_whom(kind: str) -> None:
    composed = compose(kind, FACTS[kind], has_secret=False)
    subject, part = TOLD[kind]
    assert composed.subject == subject
    assert part in composed.body
    assert "\n\n\n" not in composed.body
    assert "[[secret-link]]" not in composed.body


@pytest.mark.parametrize(("kind", "missing"), [(kind, name) for kind, facts in FACTS.items() for name in facts])
def test_a_notice_of_service_without_one_fact_is_an_error(kind: str, missing: str) -> None:
    with pytest.raises(UndefinedError):
        compose(kind, without(FACTS[kind], missing), has_secret=False)


def test_what_a_customer_wrote_is_quoted_not_run() -> None:
    assert "«Не звонит {{ 7 * 7 }}»" in compose("ticket_received", FACTS["ticket_received"], has_secret=False).body


def test_a_refused_compensation_names_no_sum() -> None:
    body = compose("compensation_decided", FACTS["compensation_decided"] | {"granted": False}, has_secret=False).body
    assert "не полагается" in body
    assert "руб" not in body


@pytest.mark.parametrize(
    ("missing", "asked", "unasked"),
    [("substance", "в чём дело", "когда это"), ("time", "часовой пояс", "в чём дело"), ("actions", "перед", "когда")],
)
def test_an_incomplete_ticket_is_asked_only_for_what_is_missing(missing: str, asked: str, unasked: str) -> None:
    body = compose("ticket_incomplete", {"number": "T-1", "missing": [missing]}, has_secret=False).body
    assert asked in body
    assert unasked not in body


def test_a_moment_is_told_on_the_clock_of_its_agreement() -> None:
    assert wall(NOW, "Europe/Moscow") == "21.11.2026 00:30 МСК"
    assert wall(NOW, "Asia/Almaty") == "21.11.2026 02:30 Астана"
    assert wall("2026-07-01T00:00:00+00:00", "Europe/Kyiv") == "01.07.2026 03:00 Киев"
    assert wall(NOW, "Europe/Warsaw") == "20.11.2026 22:30 Europe/Warsaw"


def test_an_hour_that_autumn_repeats_says_which_it_is() -> None:
    first, second = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert wall(first, "Europe/Kyiv") == "25.10.2026 03:30 Киев (до перевода часов)"
    assert wall(second, "Europe/Kyiv") == "25.10.2026 03:30 Киев (после перевода часов)"
    assert wall(second + timedelta(minutes=30), "Europe/Kyiv") == "25.10.2026 04:00 Киев"
    assert span(first, second, "Europe/Kyiv").count("перевода") == 2


def test_a_span_names_its_day_and_its_zone_once() -> None:
    assert span(START, END, "Asia/Almaty") == "21.11.2026 11:00–13:00 Астана"
    assert span(START, "2026-11-21T21:00:00+00:00", "Europe/Moscow") == "21.11.2026 09:00 — 22.11.2026 00:00 МСК"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 с"),
        (59, "59 с"),
        (60, "1 мин"),
        ("315.36", "5 мин 15,36 с"),
        (3_600, "1 ч"),
        (3_660, "1 ч 01 мин"),
        (7_200.5, "2 ч 0,5 с"),
        (Decimal("0.004"), "0 с"),
        (Decimal("-0.004"), "0 с"),
        (Decimal("59.999"), "1 мин"),
        (-61, "−1 мин 1 с"),
        (100 * 3_600, "100 ч"),
    ],
)
def test_a_duration_is_told_in_hours_minutes_seconds(seconds: Decimal | float | str, told: str) -> None:
    assert duration(seconds).replace("\xa0", " ") == told


@pytest.mark.parametrize(("number", "form"), [(1, "o"), (2, "f"), (4, "f"), (5, "m"), (11, "m"), (21, "o"), (114, "m")])
def test_a_noun_follows_its_number(number: int, form: str) -> None:
    assert plural(number, "o", "f", "m") == form


def test_shares_and_foreign_text() -> None:
    assert percent("99.99912") == "99,99912\xa0%"
    assert plain("![a](b)\n# `c` <d> \\") == r"!\[a\](b) # \`c\` \<d\> \\"


def test_the_status_page_says_all_in_three_sections() -> None:
    page = status_page(status())
    for part in ("Сейчас", "Предстоящие работы", "Журнал недоступности", "21.11.2026 09:00–11:00 МСК", "отменены"):
        assert part in page, part
    assert '<link rel="alternate" type="text/calendar" title="Календарь работ" href="/status.ics">' in page
    assert "1 сервис недоступен" in page
    assert "21.11.2026 11:00 — 22.11.2026 01:00 Астана" in page
    assert page.count("не засчитывается") == 1
    assert page == status_page(status())


def test_the_status_page_escapes_titles_and_loads_nothing_from_elsewhere() -> None:
    page = status_page(status())
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page
    assert " style=" not in page
    assert set(re.findall(r'(?:href|src)="([^"]*)"', page)) == {"/style.css", "/status.ics"}


def test_the_public_page_keeps_to_itself_who_decided_and_why() -> None:
    told = journal_line(decided_by="анна", reason="со слов заказчика", counted=False)
    page = status_page(status().model_copy(update={"journal": (told,)}))
    assert "анна" not in page
    assert "со слов" not in page


@pytest.mark.parametrize(
    ("states", "headline"),
    [
        (("up", "up"), "Все сервисы работают"),
        (("up", "unknown"), "О части сервисов нет данных"),
        (("unknown", "works"), "Идут работы"),
        (("works", "down", "down"), "2 сервиса недоступны"),
    ],
)
def test_the_headline_tells_the_worst(states: tuple[str, ...], headline: str) -> None:
    one = status().services[0]
    services = tuple(one.model_copy(update={"state": state}) for state in states)
    assert f">{headline}</p>" in status_page(status().model_copy(update={"services": services}))


def test_an_empty_status_page_says_that_it_is_empty() -> None:
    page = status_page(status(empty=True))
    for part in ("Пока нет данных", "Работы не запланированы", "Случаев недоступности не было"):
        assert part in page, part


@pytest.mark.parametrize("width", [320, 1_200])
def test_the_status_page_fits_a_phone_and_a_desk(width: int) -> None:
    word, view = "Ж" * 80, status()
    first = view.services[0].model_copy(update={"title": word})
    view = view.model_copy(
        update={"services": (first, *view.services[1:]), "journal": (journal_line(cause=word, service=word),)}
    )
    html = status_page(view).replace('<link rel="stylesheet" href="/style.css">', f"<style>{style()}</style>")
    with chromium_page() as page:
        page.set_viewport_size({"width": width, "height": 640})
        page.set_content(html)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("h1").inner_text() == "Состояние сервисов"
        assert page.locator(".services li").count() == 5


def events(view: StatusPage) -> dict[str, Any]:
    calendar = Calendar.from_ical(windows_calendar(view))
    return {str(event["uid"]): event for event in calendar.walk("VEVENT")}


def test_the_calendar_reads_back_with_every_window() -> None:
    found = events(status())
    assert set(found) == {f"MW-2026-{number}@dogovor" for number in ("0009", "0010", "0011", "0012")}
    planned, cancelled = found["MW-2026-0011@dogovor"], found["MW-2026-0010@dogovor"]
    assert planned.decoded("dtstart") == datetime.fromisoformat(START)
    assert planned.decoded("dtend") == datetime.fromisoformat(END)
    assert (str(planned["status"]), planned["sequence"], planned.decoded("dtstamp")) == ("CONFIRMED", 0, NOW)
    assert (str(cancelled["status"]), cancelled["sequence"]) == ("CANCELLED", 2)
    assert cancelled.decoded("dtstamp") == NOW - timedelta(days=1)
    assert str(planned["summary"]) == "Плановые работы: Комплекс связи, Обмен данными"
    assert str(cancelled["summary"]).startswith("Отменено: ")


def test_the_calendar_follows_the_standard_and_repeats_to_the_byte() -> None:
    content = windows_calendar(status())
    assert content == windows_calendar(status())
    assert content.startswith(b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:")
    assert all(len(line) <= 75 for line in content.split(b"\r\n"))
    assert b"METHOD:PUBLISH" in content


def test_a_changed_window_keeps_its_uid_and_hostile_text_adds_no_line() -> None:
    moved = windows()[0].model_copy(
        update={"revision": 3, "what": "x\r\nSTATUS:CANCELLED", "ends_at": NOW + timedelta(days=2)}
    )
    event = events(status().model_copy(update={"windows": (moved,)}))["MW-2026-0011@dogovor"]
    assert event["sequence"] == 3
    assert str(event["status"]) == "CONFIRMED"


def sheet(lines: Sequence[JournalLine], *, values: bool = False, zone: str = "Asia/Almaty") -> Any:
    content = journal_xlsx(lines, as_of=NOW, title="Журнал", zone=zone)
    return load_workbook(io.BytesIO(content), data_only=values).active


def test_the_journal_holds_dates_and_numbers_on_the_named_clock() -> None:
    page = sheet([journal_line(), journal_line(seconds=None)])
    header = [cell.value for cell in page[5]]
    assert header[4:8] == ["Начало (Астана)", "Окончание (Астана)", "Секунд", "Ч:мин:с"]
    row = page[6]
    assert row[4].value == datetime(2026, 11, 21, 2, 30)  # noqa: DTZ001 - a cell has no zone
    assert row[4].number_format == "dd.mm.yyyy hh:mm:ss"
    assert row[6].value == 2345.5
    assert row[7].value == timedelta(seconds=2345.5)
    assert row[7].number_format == "[h]:mm:ss"
    assert [cell.value for cell in page[7]][5:8] == ["продолжается", None, None]


def test_the_sums_of_the_journal_are_formulas_that_agree_with_its_lines() -> None:
    lines = [journal_line(seconds=Decimal(3_600)), journal_line(seconds=Decimal(1_800), counted=False)]
    formulas, values = sheet(lines), sheet(lines, values=True)
    places = ("B3", "F3", "J3")
    assert [formulas[place].value for place in places] == [
        "=COUNTA(A6:A7)",
        "=SUM(H6:H7)",
        '=SUMIFS(H6:H7,K6:K7,"да")',
    ]
    assert [values[place].value for place in places] == [2, timedelta(seconds=5_400), timedelta(seconds=3_600)]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "{="])
def test_no_text_of_the_journal_becomes_a_formula_or_a_link(start: str) -> None:
    text = f'{start}HYPERLINK("http://evil.example")'
    line = journal_line(text, service=text, group=text, cause=text, source=text, decided_by=text, reason=text)
    page = sheet([line])
    cells = [page[6][column] for column in (0, 1, 2, 8, 9, 11, 12)]
    assert {cell.data_type for cell in cells} == {"s"}
    assert {cell.value for cell in cells} == {text}
    assert all(cell.hyperlink is None for cell in cells)
    assert all(cell.quotePrefix == (start != "{=") for cell in cells)


def test_the_journal_is_set_up_for_reading_and_printing() -> None:
    page = sheet([journal_line()] * 3)
    assert page.freeze_panes == "B6"
    assert page.auto_filter.ref == "A5:N8"
    assert page.page_setup.orientation == "landscape"
    assert page.sheet_properties.pageSetUpPr.fitToPage
    assert page.page_setup.fitToHeight == 0  # as many sheets as it takes, each one page wide
    assert page.print_title_rows == "$5:$5"
    assert page.column_dimensions["I"].width > 30


def test_an_empty_journal_sums_to_nothing() -> None:
    assert [sheet([], values=True)[place].value for place in ("B3", "F3", "J3")] == [0, timedelta(0), timedelta(0)]


def test_the_journal_repeats_to_the_byte_and_is_dated_by_its_view() -> None:
    first, again = (journal_xlsx([journal_line()], as_of=NOW, title="Журнал") for _ in range(2))
    assert first == again
    assert load_workbook(io.BytesIO(first)).properties.created == NOW.replace(tzinfo=None)


def text_of(pdf: bytes) -> str:
    pages = [page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages]
    return re.sub(r"\s+", " ", " ".join(pages))


def test_the_availability_of_a_year_says_what_is_promised_and_what_is_left() -> None:
    pdf = availability_pdf(availability())
    assert pdf == availability_pdf(availability())
    text = text_of(pdf)
    for part in (
        "Доступность сервисов: 2026 год",
        "01.01.2026 00:00 — 01.01.2027 00:00 МСК",
        "5 мин 15,36 с",
        "нарушено",
        "под угрозой",
        "соблюдается",
        "99,99912 %",
        "22 случая",
        "янв 2026",
        "дек 2026",
        "Перерасход 2 мин 34,74 с",
        "плановые работы",
        "O-2026-0035",
        "продолжается",
        HOSTILE,
    ):
        assert part in text, part
    size = PdfReader(io.BytesIO(pdf)).pages[0].mediabox
    assert (round(size.width), round(size.height)) == (595, 842)


def with_day(**seconds: int) -> AvailabilityReport:
    """A report whose first service had one day."""
    report = availability()
    day = DayCell.model_validate(
        {"day": "2026-03-01", "down_seconds": 0, "planned_seconds": 0, "unknown_seconds": 0} | seconds
    )
    service = report.services[0].model_copy(update={"days": (day,)})
    return report.model_copy(update={"services": (service,), "outages": ()})


@pytest.mark.parametrize("bound", [1, 300, 1_800, 10_800])
def test_a_day_takes_a_darker_colour_at_its_bound_and_not_before(bound: int) -> None:
    before, at, after = (availability_pdf(with_day(down_seconds=bound + step)) for step in (-1, 0, 1))
    assert before != at
    assert at == after


def test_a_day_of_works_of_no_data_of_outage_and_of_nothing_look_different() -> None:
    days: list[dict[str, int]] = [
        {},
        {"planned_seconds": 60},
        {"unknown_seconds": 60},
        {"planned_seconds": 60, "unknown_seconds": 60},
        {"down_seconds": 60},
        {"down_seconds": 60, "planned_seconds": 60},
        {"down_seconds": 60, "unknown_seconds": 60},
        {"down_seconds": 60, "planned_seconds": 60, "unknown_seconds": 60},
    ]
    assert len({availability_pdf(with_day(**day)) for day in days}) == len(days)


def test_a_quarter_has_three_months_on_the_agreements_calendar() -> None:
    quarter = availability().model_copy(
        update={
            "starts_at": datetime(2026, 6, 30, 19, tzinfo=UTC),
            "ends_at": datetime(2026, 9, 30, 19, tzinfo=UTC),
            "zone": "Asia/Almaty",
        }
    )
    text = text_of(availability_pdf(quarter))
    assert "01.07.2026 00:00 — 01.10.2026 00:00 Астана" in text
    assert {month for month in ("июн", "июл", "авг", "сен", "окт") if f"{month} 2026" in text} == {"июл", "авг", "сен"}


def test_budget_that_is_left_is_not_told_as_overspent() -> None:
    report = availability()
    service = report.services[1]
    thrifty = service.model_copy(
        update={"burn": tuple((day, Decimal(20_000)) for day, _ in service.burn), "forecast_seconds": Decimal(9_900)}
    )
    text = text_of(availability_pdf(report.model_copy(update={"services": (thrifty,)})))
    assert "Осталось 5 ч 33 мин 20 с; при том же ходе к концу периода: осталось 5 ч 15 мин" in text
    assert "Перерасход" not in text


def test_a_ruinous_overspending_and_no_forecast_still_draw() -> None:
    report = availability()
    service = report.services[1]
    ruin = service.model_copy(
        update={"burn": tuple((day, Decimal(-(10**7))) for day, _ in service.burn), "forecast_seconds": None}
    )
    text = text_of(availability_pdf(report.model_copy(update={"services": (ruin,)})))
    assert "Перерасход 2777 ч 46 мин 40 с." in text
    assert "прогноз " not in text


def test_a_service_without_a_budget_has_no_picture_of_it() -> None:
    report = availability()
    only = report.model_copy(update={"services": (report.services[2],)})
    assert "Запас недоступности" not in text_of(availability_pdf(only))


def test_an_empty_availability_says_so_on_one_page() -> None:
    pdf = availability_pdf(availability(empty=True))
    assert len(PdfReader(io.BytesIO(pdf)).pages) == 1
    assert "За период случаев не было." in text_of(pdf)
    assert "Сервисов нет." in availability_markdown(availability(empty=True))


def test_availability_as_markdown_has_the_same_figures() -> None:
    told = availability_markdown(availability()).replace("\xa0", " ")
    assert "| OT-1 | Не более 8 часов за год | 8 ч | 6 ч 31 мин 45 с | 1 ч 28 мин 15 с |" in told
    assert "| Контакт-центр | 99,99912 % | 99,79 % | 99,41 % | 6 ч 31 мин 45,5 с | 22 |" in told
    assert "<script" not in told.replace("\\<", "")


@pytest.mark.parametrize("render", [window_markdown, lambda view: text_of(window_pdf(view))])
def test_a_window_report_says_who_was_told_when_and_what_was_done(render: Any) -> None:
    told = render(window_report()).replace("\xa0", " ")
    for part in (
        "№ MW-2026-0012",
        "22.11.2026 00:00–06:00 Астана",
        "22.11.2026 00:00–01:00 Астана",
        "выполнена",
        "21 мин",
        "(с опозданием)",
        "доставлено",
        "не отправлено",
        "Оператор, 20.11.2026 00:00 Астана: письмо № 118",
        "Завершены: сделано всё, кроме одного",
    ):
        assert part in told, part
    assert told.count("с опозданием") == 1


def test_a_notice_at_its_latest_moment_is_not_late() -> None:
    view = window_report()
    notices = [
        view.notices[0].model_copy(update={"sent_at": view.notices[0].latest + timedelta(seconds=s)}) for s in (0, 1)
    ]
    in_time, late = (window_markdown(view.model_copy(update={"notices": (notice,)})) for notice in notices)
    assert "с опозданием" not in in_time
    assert "с опозданием" in late


def test_a_window_report_repeats_to_the_byte_and_may_be_empty() -> None:
    assert window_pdf(window_report()) == window_pdf(window_report())
    text = text_of(window_pdf(window_report(empty=True)))
    assert "Уведомлений нет." in text
    assert "Согласование нет" in text
    assert "Событий нет." in window_markdown(window_report(empty=True))


def test_a_ticket_shows_every_stretch_of_its_clocks_and_why() -> None:
    told = ticket_markdown(ticket()).replace("\xa0", " ")
    for part in (
        "# T-2026-000042: открыто",
        "Срок: 23.11.2026 09:50 Киев. Состояние: открыто. Израсходовано 10 мин из 20 мин.",
        "| идёт | 20.11.2026 17:50–18:00 Киев | 10 мин | рабочее время |",
        "| стоит | 20.11.2026 18:00 — 23.11.2026 08:50 Киев | 62 ч 50 мин | выходные |",
        "| идёт | с 23.11.2026 08:50 Киев | продолжается | заказчик ответил |",
        "Срок: определяет человек. Состояние: сделано с опозданием",
        "| 20.11.2026 17:50 Киев | заказчик | Не \\| звонит |",
    ):
        assert part in told, part
    assert "Сроков нет." in ticket_markdown(ticket(empty=True))


def test_an_open_timer_past_its_due_time_is_told_as_breached() -> None:
    view = ticket()
    late = view.timers[0].model_copy(update={"breached": True})
    assert "**срок нарушен**" in ticket_markdown(view.model_copy(update={"timers": (late,)}))


def test_a_ticket_of_a_hostile_customer_makes_no_image_heading_or_tag() -> None:
    told = ticket_markdown(ticket())
    assert r"**!\[x\](http://evil.example/p.png) # \<b\>Не звонит\</b\>**" in told.splitlines()


def test_a_view_refuses_a_moment_without_a_zone_and_an_unknown_state() -> None:
    service = status().services[0]
    with pytest.raises(ValidationError):
        type(service).model_validate(service.model_dump() | {"state": "fine"})
    with pytest.raises(ValidationError):
        journal_line(began=datetime(2026, 1, 1))  # noqa: DTZ001 - just that is refused


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_of_finding_has_its_words(kind: Kind) -> None:
    opened = compose("finding_opened", {**FACTS["finding_opened"], "kind": kind.value}, has_secret=False)
    assert opened.subject != FACTS["finding_opened"]["subject"]
    gone = compose(
        "finding_closed", {**FACTS["finding_closed"], "kind": kind.value, "watched": False}, has_secret=False
    )
    assert "больше не следят" in gone.body
