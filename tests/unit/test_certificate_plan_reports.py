"""The plan of a domain's certificates as a table and as a picture."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from pypdf import PdfReader

from blocks.terms.certificate_facts import KS_SHORT, PlanFacts, RenewalWindow
from blocks.terms.certificate_plan import plan_replacement
from blocks.terms.certificate_year import YearPlan, year_plan
from blocks.terms.intervals import Interval
from reports import certificate_plan
from reports.certificate_plan import picture, picture_pdf, plan_table

BEGINS = datetime(2026, 11, 22, 21, tzinfo=UTC)
DAY = timedelta(days=1)


def view(days: int, domain: str = "k000001.example.net") -> YearPlan:
    first, ends = Interval(start=BEGINS, end=BEGINS + days * DAY), BEGINS + 365 * DAY
    return YearPlan(
        domain=domain,
        begins_at=BEGINS,
        ends_at=ends,
        first=first,
        replacements=year_plan(first, lambda _: days * DAY, ends),
        least_days=40,
    )


def text_of(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Callable[[YearPlan], dict[str, Any]]:
    data: dict[str, Any] = {}
    monkeypatch.setattr(certificate_plan, "render_pdf", lambda _name, held, **_: data.update(held) or b"")

    def draw(plan: YearPlan) -> dict[str, Any]:
        picture_pdf(plan)
        return data

    return draw


def test_the_table_tells_each_replacement_on_moscows_clock() -> None:
    told = plan_table(view(90))
    assert "Первый действует до 21.02.2027 00:00 МСК (90 дней). 7 замен; обещание соблюдено в каждой." in told
    second = next(line for line in told.splitlines() if line.startswith("| 2 |"))
    assert second == (
        "| 2 | 03.01.2027 09:00 МСК | 06.01.2027 09:00 МСК | 06.02.2027 09:00–11:00 МСК | 14.02.2027 11:00 МСК | "
        "03.04.2027 09:00 МСК | соблюдено |"
    )
    assert "перекрываются" not in told
    assert "случаев: 23" in plan_table(view(47))


def test_a_broken_promise_is_told_in_its_row_and_above() -> None:
    told = plan_table(view(6))
    assert "**нарушено: меньше месяца**" in told
    assert "**нарушено: меньше месяца, вне окна**" in told
    assert "не меньше 40 дней" in told


def test_an_emergency_is_told_and_counts_as_no_broken_promise(drawn: Callable[[YearPlan], dict[str, Any]]) -> None:
    ari = RenewalWindow(start=BEGINS, end=BEGINS + DAY)
    facts = PlanFacts(not_before=BEGINS, not_after=BEGINS + 90 * DAY, now=BEGINS + 2 * DAY, ari=ari)
    urgent = view(90).model_copy(update={"replacements": (plan_replacement(facts, KS_SHORT),)})
    assert "срочная замена" in plan_table(urgent)
    assert "1 замена; обещание соблюдено" in plan_table(urgent)
    assert not drawn(urgent)["charts"][0]["rows"][1]["kept"]


def test_a_plan_without_replacements_says_so() -> None:
    assert "Замен за это время нет." in plan_table(view(500))
    assert "|" not in plan_table(view(500))
    assert "Замен за это время нет." in text_of(picture_pdf(view(500)))


def test_each_certificate_of_the_picture_serves_until_the_next_one_does(
    drawn: Callable[[YearPlan], dict[str, Any]],
) -> None:
    (chart,) = drawn(view(47))["charts"]
    rows = chart["rows"]
    assert [row["number"] for row in rows] == [str(number) for number in range(1, 26)]
    for earlier, later in pairwise(rows):
        assert earlier["serves"]["x"] + earlier["serves"]["width"] == pytest.approx(later["serves"]["x"], abs=2e-4)
        assert later["told"]["x"] + later["told"]["width"] == pytest.approx(later["swap"], abs=2e-4)
        assert later["swap"] == later["serves"]["x"]
        assert 28 / 365 < later["told"]["width"] < 34 / 365
    assert rows[0]["told"] is None
    assert rows[0]["swap"] is None
    assert rows[-1]["serves"]["x"] + rows[-1]["serves"]["width"] == pytest.approx(1)
    assert [tick["label"] for tick in chart["ticks"]] == [
        *("дек 26", "янв 27", "фев 27", "мар 27", "апр 27", "май 27"),
        *("июн 27", "июл 27", "авг 27", "сен 27", "окт 27", "ноя 27"),
    ]


def test_many_certificates_take_several_pages_each_with_its_own_time(
    drawn: Callable[[YearPlan], dict[str, Any]],
) -> None:
    charts = drawn(view(6))["charts"]
    assert [len(chart["rows"]) for chart in charts] == [28, 28, 28, 20]
    assert charts[1]["rows"][0]["number"] == "29"
    assert charts[1]["rows"][0]["valid"]["x"] == 0
    assert charts[3]["rows"][-1]["swap"] < 1
    assert not any(row["kept"] for chart in charts for row in chart["rows"][1:])


@pytest.mark.parametrize(("days", "pages"), [(6, 4), (47, 1), (500, 1)])
def test_the_picture_is_a_pdf_with_the_same_bytes_each_time(days: int, pages: int) -> None:
    made = picture_pdf(view(days))
    assert made == picture_pdf(view(days))
    assert len(PdfReader(io.BytesIO(made)).pages) == pages


def test_a_drawing_is_one_page_however_long() -> None:
    assert picture(view(6), "png").startswith(b"\x89PNG")
    assert picture(view(47), "svg").startswith(b"<svg")


def test_a_domains_name_is_text_and_no_markup() -> None:
    hostile = "#import <b>*k*</b>" + "x" * 200
    assert "\\<b\\>\\*k\\*" in plan_table(view(90, hostile))
    assert "#import <b>*k*</b>" in text_of(picture_pdf(view(90, hostile))).replace("\n", " ")
