"""The workbooks of the revenue split: the data on invoices issued, and the statement of differences."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import pytest
from openpyxl import load_workbook

from blocks.terms.revenue import Cause, Way
from blocks.terms.revenue_views import DataLine, InvoiceData
from reports import reconciliation_book, revenue_data
from reports.reconciliation import statement_xlsx
from reports.revenue_data import data_xlsx
from reports.workbook import EXACT_BELOW
from tests.unit.revenue_documents import (
    compared,
    data_line,
    difference,
    differences,
    figures,
    invoice_data,
    statement,
    word,
)
from tests.unit.sheet_formulas import disagreements

FIRST = 5
HOSTILE = ("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\tx", "{=1}", "http://evil.example", "007", "*", ">0")


def made(lines: Sequence[DataLine]) -> bytes:
    return data_xlsx(invoice_data(lines), lines)


def opened(content: bytes, *, values: bool = False) -> Any:
    return load_workbook(io.BytesIO(content), data_only=values)


@pytest.mark.clause("OCP-P5.2")
def test_ocp_p5_2_the_data_on_invoices_hold_every_line_as_text_numbers_and_dates() -> None:
    lines = [data_line(number) for number in range(40)]
    page = opened(made(lines))["Счета"]
    for line, row in zip(lines, page.iter_rows(min_row=FIRST, max_row=FIRST + 39), strict=True):
        cells = [cell.value for cell in row]
        assert cells[:6] == [*line[:3], line.cart or None, line.service, line.tariff]
        assert cells[6:8] == [datetime(*line.begins_on.timetuple()[:3]), datetime(2026, 10, 31)]  # noqa: DTZ001
        assert cells[8:11] == [line.quantity_milli / 1_000, 1_490, line.net_minor / 100]
        assert cells[11:13] == [16, line.vat_minor / 100]
        assert {cell.data_type for cell in row[:6] if cell.value} == {"s"}
        assert [cell.data_type for cell in row[6:15]] == list("ddnnnnnns")
    assert page["A6"].value == "L-000001"
    assert page["G6"].number_format == "dd.mm.yyyy"
    assert page["K6"].number_format.startswith("#,##0.00")


@pytest.mark.parametrize(
    ("state", "corrects", "said", "income"),
    [
        ("issued", "", "выставлен", 1_490),
        ("paid", "", "оплачен", 1_490),
        ("paid", "L-1", "оплачен", 1_490),
        ("cancelled", "", "отменён", 0),
        ("refunded", "", "возвращён", 0),
        ("refunded", "L-1", "возвращён", -1_490),
        ("correction", "L-1", "корректировка", 1_490),
    ],
)
def test_a_line_says_its_state_and_what_it_adds_to_the_income(
    state: str, corrects: str, said: str, income: int
) -> None:
    page = opened(made([data_line(0, state=state, corrects=corrects)]))["Счета"]
    assert [page[f"{column}5"].value for column in "NOP"] == [income, said, corrects or None]


def test_the_sums_of_the_data_are_formulas_that_agree_with_the_lines() -> None:
    lines = [data_line(number) for number in range(60)]
    content = made(lines)
    found, wrong = disagreements(content)
    assert (found, wrong) == (15 * 4 + 4 + 3, [])
    book = opened(content)
    assert book["Счета"]["K2"].value == "=SUM($K$5:$K$64)"
    assert book["Сводка"]["G9"].value == "=SUMIFS('Счета'!$K$5:$K$64,'Счета'!$Q$5:$Q$64,$A9)"
    values = opened(content, values=True)
    assert values["Сводка"]["F7"].value == 60
    assert round(values["Сводка"]["G7"].value * 100) == sum(line.net_minor for line in lines)
    assert values["Счета"]["N2"].value == values["Сводка"]["I7"].value


def test_data_without_lines_sum_to_nothing() -> None:
    content = made([])
    assert disagreements(content)[1] == []
    assert opened(content, values=True)["Сводка"]["I7"].value == 0


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_the_data_becomes_a_formula_a_number_or_a_link(text: str) -> None:
    held = data_line(0, line=text, invoice=text, customer=text, cart=text, service=text, tariff=text, corrects=text)
    content = made([held, data_line(1)])
    book = opened(content)
    row, sums = book["Счета"][5], next(row for row in book["Сводка"].iter_rows(min_row=9) if row[1].value == text)
    cells = [row[column] for column in (0, 1, 2, 3, 4, 5, 15)] + [sums[column] for column in (1, 2, 3)]
    assert {(cell.data_type, cell.value, cell.hyperlink) for cell in cells} == {("s", text, None)}
    assert all(cell.quotePrefix == (text[0] in "=+-@\t") for cell in cells)
    assert disagreements(content)[1] == []


def test_the_data_are_set_up_for_reading_and_printing() -> None:
    book = opened(made([data_line(number) for number in range(3)]))
    page = book["Счета"]
    assert (page.freeze_panes, page.auto_filter.ref, page.print_title_rows) == ("B5", "A4:Q7", "$4:$4")
    assert page.print_area == "'Счета'!$A$1:$Q$7"
    assert page.column_dimensions["C"].width > 20
    for sheet in book:
        assert (sheet.page_setup.orientation, sheet.page_setup.paperSize) == ("landscape", 9)
        assert (sheet.page_setup.fitToWidth or 1, sheet.page_setup.fitToHeight) == (1, 0)
        assert sheet.oddFooter.right.text == "Лист &P из &N"


def test_the_data_repeat_to_the_byte_and_bear_their_own_date() -> None:
    lines = [data_line(number) for number in range(50)]
    first = made(lines)
    assert first == made(lines)
    assert opened(first).properties.created == datetime(2026, 11, 2)  # noqa: DTZ001 - as openpyxl reads it


@pytest.mark.parametrize("amount", [EXACT_BELOW, 2**53 + 1, -EXACT_BELOW - 10**6])
def test_an_amount_too_large_for_a_number_is_marked_text_and_its_sums_too(amount: int) -> None:
    lines = [data_line(0, net_minor=amount, state="correction", corrects="L-9"), data_line(1)]
    book = opened(made(lines))
    told = book["Счета"]["K5"]
    assert told.data_type == "s"
    sign, (whole, rest) = "−" if amount < 0 else "", divmod(abs(amount), 100)
    assert told.value.replace("\xa0", "") == f"{sign}{whole},{rest:02d}*"
    assert [book["Сводка"][f"{column}7"].data_type for column in "GHI"] == list("sns")
    assert "знаком *" in book["Сводка"]["A6"].value


def test_the_largest_amount_of_a_number_is_exact_to_the_tiyn() -> None:
    book = opened(made([data_line(0, net_minor=EXACT_BELOW - 1)]))
    assert book["Счета"]["K5"].value == 9_999_999_999_999.99
    assert not book["Сводка"]["A6"].value


def test_a_quantity_too_large_for_a_number_is_marked_text() -> None:
    page = opened(made([data_line(0, quantity_milli=2**53 + 1), data_line(1, quantity_milli=EXACT_BELOW - 1)]))["Счета"]
    assert page["I5"].value.replace("\xa0", "") == "9007199254740,993*"
    assert page["I6"].value == 999_999_999_999.999


def test_amounts_whose_sum_is_too_large_for_a_number_have_no_formula() -> None:
    half = EXACT_BELOW // 2
    lines = [data_line(0, net_minor=half), data_line(1, net_minor=half)]
    page = opened(made(lines))["Сводка"]
    assert page["G7"].value == "10 000 000 000 000,00*".replace(" ", "\xa0")
    assert page["G9"].value == half / 100


def test_large_lines_that_cancel_out_in_a_sum_are_refused() -> None:
    lines = [data_line(0, state="correction", net_minor=sign * EXACT_BELOW, corrects="L-9") for sign in (1, -1)]
    with pytest.raises(ValueError, match="cancel each other out"):
        made(lines)


@pytest.mark.parametrize(
    "changed",
    [
        {"net_minor": 1},
        {"vat_minor": 1},
        {"state": "cancelled"},
        {"service": "Другая"},
        {"tariff": "OTHER"},
        {"state": "refunded", "corrects": "L-1"},
    ],
)
def test_lines_that_are_not_those_of_the_sums_are_refused(changed: dict[str, Any]) -> None:
    lines = [data_line(0), data_line(2)]
    with pytest.raises(ValueError, match="sum"):
        data_xlsx(invoice_data(lines), [lines[0], lines[1]._replace(**changed)])


def test_a_line_too_many_or_too_few_is_refused() -> None:
    lines = [data_line(0), data_line(1)]
    for other in ([*lines, lines[0]], [*lines, data_line(0, service="Другая")], lines[:1]):
        with pytest.raises(ValueError, match="sum"):
            data_xlsx(invoice_data(lines), other)
    with pytest.raises(ValueError, match="number of lines"):
        data_xlsx(invoice_data(lines).model_copy(update={"lines": 3}), lines)


def test_more_lines_than_a_table_holds_leave_the_sums_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revenue_data, "MOST_ROWS", 2)
    lines = [data_line(number) for number in range(3)]

    unread = iter(lines)
    book = opened(data_xlsx(invoice_data(lines), unread))
    assert len(list(unread)) == 3
    assert book.sheetnames == ["Сводка"]
    assert "в отдельном файле" in book["Сводка"]["A6"].value
    assert book["Сводка"]["G7"].value == "=SUM($G$9:$G$11)"
    assert [book["Сводка"][f"F{row}"].value for row in (9, 10, 11)] == [1, 1, 1]
    assert opened(made(lines[:2])).sheetnames == ["Сводка", "Счета"]


def test_the_statement_lists_every_difference_with_what_both_sides_hold() -> None:
    page = opened(statement_xlsx(statement()))["Расхождения"]
    rows = [[cell.value for cell in row] for row in page.iter_rows(min_row=2)]
    assert [row[0] for row in rows] == [1, None, 2, 3, 4, 5, 6, 7, 8]
    assert rows[0][4:6] == ["строка повторяется"] * 2
    assert rows[1][6:13] == [None] * 6 + ["ТОО «Клиент»"]
    assert rows[1][18] == 1_490
    assert [rows[2][12], rows[2][17], rows[2][18]] == [None, None, -1_490]
    assert rows[3][2] == "=cmd|' /C calc'!A0"
    assert page["C5"].data_type == "s"
    assert rows[5][5] == "другая сумма, другой тариф, другой период"
    assert (rows[5][7], rows[5][13]) == ("TV-BASE", "TV-KINO")
    assert (rows[5][8].date(), rows[5][14].date()) == (date(2026, 10, 1), date(2026, 10, 16))
    assert (rows[5][11], rows[5][17], rows[5][18], rows[5][19]) == (1_490, 990, -500, "открыто")
    assert {cell.number_format for cell in (page["I2"], page["P2"])} == {"dd.mm.yyyy"}


def test_the_sums_of_the_statement_are_formulas_that_agree_and_give_the_equation() -> None:
    words = [word(Cause.DUPLICATE, Way.EXPLAINED), word(Cause.AMOUNT, Way.ACCEPTED)]
    content = statement_xlsx(statement(words=words, unsettled=5))
    found, wrong = disagreements(content)
    assert (found, wrong) == (7 * 4 + 3 + 1 + 3 * 2, [])
    page = opened(content, values=True)["Сводка"]
    told = {row[0].value: [cell.value for cell in row[1:]] for row in page.iter_rows(min_row=8) if row[0].value}
    assert told["совпало"] == [1_000, 1_490_000, 1_490_000, 0]
    assert told["другая сумма"] == [2, 2_980, 2_380, -600]
    assert told["Всего"] == [None, 1_500_430, 1_501_320, 890]
    assert told["Список Провайдера"][:2] == [1_007, 1_500_430]
    assert told["+ расхождения (Оператор минус Провайдер)"][:2] == [8, 890]
    assert told["= список Оператора"][:3] == [1_008, 1_501_320, "сходится"]
    assert told["Принято по данным Оператора"] == [2, None, None, -600]
    assert told["Объяснено: остаются данные Провайдера"] == [1, None, None, 1_490]
    assert told["Открыто"] == [5, None, None, 0]


def test_the_statement_names_who_settled_and_why_as_text() -> None:
    settled = word(Cause.AMOUNT, Way.ACCEPTED, "L-4", -10_000, who="=1", reason='=HYPERLINK("http://evil.example")')
    page = opened(statement_xlsx(statement(words=[settled], unsettled=7)))["Расхождения"]
    row = next(row for row in page.iter_rows(min_row=2) if row[1].value == "L-4")
    assert [cell.value for cell in row[19:]] == ["принято", settled.who, settled.reason]
    assert {cell.data_type for cell in row[19:]} == {"s"}


def test_the_statement_is_set_up_for_printing_and_repeats_to_the_byte() -> None:
    first = statement_xlsx(statement())
    assert first == statement_xlsx(statement())
    page = opened(first)["Расхождения"]
    assert (page.freeze_panes, page.auto_filter.ref, page.print_title_rows) == ("C2", "A1:V10", "$1:$1")
    assert (page.page_setup.paperSize, page.page_setup.orientation) == (8, "landscape")


def test_a_statement_of_equal_lists_has_no_rows() -> None:
    content = statement_xlsx(statement([]))
    assert disagreements(content)[1] == []
    assert opened(content)["Расхождения"].max_row == 1


def test_a_statement_with_an_amount_too_large_for_a_number_has_text_for_formulas() -> None:
    huge = difference("L-1", Cause.AMOUNT, ours=[figures()], theirs=[figures(income_minor=EXACT_BELOW)])
    book = opened(statement_xlsx(statement([huge])))
    assert book["Расхождения"]["R2"].value == "10 000 000 000 000,00*".replace(" ", "\xa0")
    assert "знаком *" in book["Сводка"]["A6"].value
    assert not any("SUM(" in str(cell.value) or "SUMIFS(" in str(cell.value) for row in book["Сводка"] for cell in row)


def test_amounts_whose_difference_is_too_large_for_a_number_have_no_formula() -> None:
    most = EXACT_BELOW - 1
    far = difference("L-1", Cause.AMOUNT, ours=[figures(income_minor=-most)], theirs=[figures(income_minor=most)])
    back = difference("L-2", Cause.AMOUNT, ours=[figures(income_minor=most)], theirs=[figures(income_minor=-most)])
    book = opened(statement_xlsx(statement([far, back])))
    assert book["Расхождения"]["S2"].data_type == "s"
    assert not any("SUM(" in str(cell.value) or "SUMIFS(" in str(cell.value) for row in book["Сводка"] for cell in row)


def test_a_statement_of_more_rows_than_a_worksheet_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation_book, "_MOST_ROWS", 9)
    assert statement_xlsx(statement())
    monkeypatch.setattr(reconciliation_book, "_MOST_ROWS", 8)
    with pytest.raises(ValueError, match="more rows"):
        statement_xlsx(statement())


def test_a_high_row_shows_all_of_a_long_reason() -> None:
    settled = word(Cause.AMOUNT, Way.ACCEPTED, "L-4", -10_000, reason="слово " * 40)
    page = opened(statement_xlsx(statement(words=[settled], unsettled=7)))["Расхождения"]
    assert page.row_dimensions[6].height >= 15 * (6 * 40 // 30)
    assert page.row_dimensions[9].height is None


@pytest.mark.parametrize("change", [{"ours_minor": 1}, {"theirs_minor": 1}, {"matched_minor": 1}, {"by_cause": ()}])
def test_a_statement_whose_differences_do_not_add_up_is_refused(change: dict[str, Any]) -> None:
    view = statement()
    broken = compared(differences()).model_copy(update=change)
    with pytest.raises(ValueError, match="do not add up"):
        statement_xlsx(view.model_copy(update={"result": broken}))


def test_a_statement_that_miscounts_what_is_open_is_refused() -> None:
    for unsettled in (5, 7):
        with pytest.raises(ValueError, match="open differences"):
            statement_xlsx(statement(words=[word(Cause.AMOUNT, Way.ACCEPTED)], unsettled=unsettled))


def test_data_of_a_month_name_their_sides_period_and_agreement() -> None:
    head: InvoiceData = invoice_data([data_line(0)])
    told = [row[0].value for row in opened(data_xlsx(head, [data_line(0)]))["Сводка"].iter_rows(max_row=5)]
    assert told[0] == "Данные по выставленным счетам № ОЦП-2026-0007"
    assert told[1:3] == ["Отчётный период: октябрь 2026\xa0г.", "Составлены: 02.11.2026"]
    assert head.agreement in told[3]
    assert all(party.name in told[4] for party in (head.provider, head.operator))
