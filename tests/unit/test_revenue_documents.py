"""Acts, invoices, statements and pictures of the revenue split; monthly acts; sums in words."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from pypdf import PdfReader

from blocks.terms.revenue import Cause, Way
from blocks.terms.revenue_views import MonthShare, RevenuePicture, ServiceIncome
from reports import revenue_picture
from reports.act import act_pdf, reward_invoice_pdf, rounding_note
from reports.format import (
    count,
    days,
    in_words,
    long_day,
    minor,
    month_title,
    rate,
    rubles_in_words,
    signed,
    tenge_in_words,
    thousandths,
)
from reports.monthly_act import monthly_act_pdf, monthly_invoice_pdf
from reports.papers import runs, wrapping
from reports.reconciliation import MOST_SHOWN, statement_pdf
from reports.revenue_picture import picture_pdf, revenue_markdown
from tests.unit.revenue_documents import (
    DATED,
    MONTH,
    act,
    compared,
    customer_act,
    difference,
    differences,
    figures,
    picture,
    split_row,
    statement,
    word,
)


def pages_of(pdf: bytes) -> list[str]:
    texts = (page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)
    return [re.sub(r"\s+", " ", text.replace("\u200b", "")) for text in texts]


def text_of(pdf: bytes) -> str:
    return " ".join(pages_of(pdf))


@pytest.mark.parametrize(
    ("tiyn", "words"),
    [
        (0, "Ноль тенге 00 тиынов"),
        (1, "Ноль тенге 01 тиын"),
        (-1, "Минус ноль тенге 01 тиын"),
        (2, "Ноль тенге 02 тиына"),
        (5, "Ноль тенге 05 тиынов"),
        (11, "Ноль тенге 11 тиынов"),
        (21, "Ноль тенге 21 тиын"),
        (99, "Ноль тенге 99 тиынов"),
        (100, "Один тенге 00 тиынов"),
        (2_12, "Два тенге 12 тиынов"),
        (1_000_00, "Одна тысяча тенге 00 тиынов"),
        (2_000_22, "Две тысячи тенге 22 тиына"),
        (5_011_00, "Пять тысяч одиннадцать тенге 00 тиынов"),
        (21_001_00, "Двадцать одна тысяча один тенге 00 тиынов"),
        (123_456_05, "Сто двадцать три тысячи четыреста пятьдесят шесть тенге 05 тиынов"),
        (-40_014_90, "Минус сорок тысяч четырнадцать тенге 90 тиынов"),
        (1_000_000_00, "Один миллион тенге 00 тиынов"),
        (2_000_000_000_00, "Два миллиарда тенге 00 тиынов"),
        (900_000_090_009_99, "Девятьсот миллиардов девяносто тысяч девять тенге 99 тиынов"),
        (10**15 + 1, "Десять триллионов тенге 01 тиын"),
        (10**17 + 3_000_00, "Один квадриллион три тысячи тенге 00 тиынов"),
    ],
)
def test_a_sum_of_tenge_in_words_agrees_with_its_numbers(tiyn: int, words: str) -> None:
    assert tenge_in_words(tiyn) == words


@pytest.mark.parametrize(
    ("currency", "one", "two", "five"),
    [
        ("RUB", "Один рубль 01 копейка", "Два рубля 02 копейки", "Пять рублей 05 копеек"),
        (
            "BYN",
            "Один белорусский рубль 01 копейка",
            "Два белорусских рубля 02 копейки",
            "Пять белорусских рублей 05 копеек",
        ),
        ("EUR", "Один евро 01 цент", "Два евро 02 цента", "Пять евро 05 центов"),
        ("USD", "Один доллар США 01 цент", "Два доллара США 02 цента", "Пять долларов США 05 центов"),
    ],
)
def test_a_sum_in_words_agrees_in_every_currency(currency: str, one: str, two: str, five: str) -> None:
    assert [in_words(value, currency) for value in (1_01, 2_02, 5_05)] == [one, two, five]


def test_a_sum_in_a_currency_without_words_is_an_error() -> None:
    with pytest.raises(KeyError):
        in_words(1, "UAH")


def test_sums_of_roubles_stay_exact_to_the_kopeck() -> None:
    assert rubles_in_words(Decimal("999999999999999.99")).endswith("девять рублей 99 копеек")


def test_figures_look_as_a_reader_of_russian_expects() -> None:
    told = [minor(0), minor(5), minor(-123_450), minor(10**17), signed(1), signed(-1), signed(0), count(1_234_567)]
    assert [text.replace("\xa0", " ") for text in told] == [
        "0,00",
        "0,05",
        "−1 234,50",
        "1 000 000 000 000 000,00",
        "+0,01",
        "−0,01",
        "0,00",
        "1 234 567",
    ]
    told = [rate(2_000), rate(1_750), rate(1_705), rate(0), thousandths(1_000), thousandths(-1_050), thousandths(10**9)]
    assert [text.replace("\xa0", " ") for text in told] == [
        "20 %",
        "17,5 %",
        "17,05 %",
        "0 %",
        "1",
        "−1,05",
        "1 000 000",
    ]
    assert [month_title("2026-01"), month_title("2026-12")] == ["январь 2026\xa0г.", "декабрь 2026\xa0г."]
    assert long_day(date(2026, 5, 9)) == "9\xa0мая 2026\xa0г."
    assert days(date(2026, 2, 1), date(2026, 2, 28)) == "01.02.2026–28.02.2026"
    assert days(date(2026, 2, 1), date(2026, 2, 1)) == "01.02.2026"


def test_runs_of_numbers_are_drawn_together() -> None:
    assert runs([1, 3, 4, 6, 7, 8, 10]) == "1, 3, 4, 6–8, 10"


def test_a_word_too_long_for_a_column_may_break_and_no_other() -> None:
    assert wrapping("Телевидение, базовый пакет") == "Телевидение, базовый пакет"
    assert wrapping("x" * 50).replace("\u200b", "") == "x" * 50
    assert max(map(len, wrapping("x" * 500).split("\u200b"))) <= 23


@pytest.mark.clause("OCP-P5.4")
def test_ocp_p5_4_the_act_says_its_sides_rows_sums_and_words() -> None:
    pages = pages_of(act_pdf(act()))
    text = " ".join(pages)
    for part in (
        "Акт оказанных услуг № ОЦП-2026-0007",
        "от 2 ноября 2026 г.",
        "октябрь 2026 г. (01.10.2026–31.10.2026)",
        "ТОО «Пример Связь»",
        "БИН 000000000000",
        "АО «Оператор образцовой цифровой платформы»",
        "TV-BASE Телевидение, базовый пакет 01.10.2026–15.10.2026 123 456,78 20 % 24 691,36 98 765,42 19 753,08",
        "16.10.2026–31.10.2026 98 765,43 18 % 19 753,09 79 012,34 15 802,46",
        "Итого за октябрь 2026 г. 5 223 021,21 1 044 604,25 4 178 416,96 835 683,38",
        "Исправление за август 2026 г.",
        "Итого за август 2026 г. −2 480,00 −496,00 −1 984,00 −396,80",
        "Исправление за сентябрь 2026 г.",
        "Итого по акту 5 222 031,21 1 044 406,25 4 177 624,96 835 524,98",
        "округление: +0,01 на строках 2, 7; −0,01 на строке 4.",
        "Четыре миллиона сто семьдесят семь тысяч шестьсот двадцать четыре тенге 96 тиынов",
        "подпись: Директор А. Б. Примеров",
        "подпись: Управляющий директор В. Г. Образцова",
    ):
        assert part in text, part
    assert text.count("М.П.") == 2
    assert "Исправление за октябрь" not in text
    assert "ПРОЕКТ" not in text
    assert pages[0].endswith(f"лист 1 из {len(pages)}")


def test_an_act_of_one_month_has_one_sum() -> None:
    text = text_of(act_pdf(act((split_row(), split_row("TV-KINO")))))
    assert "Итого за" not in text
    assert text.count("Итого по акту") == 1
    assert "округл" not in text


def test_a_draft_act_is_told_to_be_one_and_has_no_number() -> None:
    text = text_of(act_pdf(act(draft=True, number="")))
    assert "ПРОЕКТ" in text
    assert "Акт оказанных услуг (проект)" in text
    assert "ОЦП-2026" not in text


def test_a_correction_act_says_why_and_which_month_it_corrects() -> None:
    rows = (split_row(income=-500),)
    text = text_of(act_pdf(act(rows, edition=2, reason="Возврат по письму № 118", number="ОЦП-2026-0009")))
    for part in (
        "Корректировочный акт № ОЦП-2026-0009",
        "к акту за октябрь 2026 г., исправление 2",
        "Возврат по письму № 118",
        "Исправление за октябрь 2026 г.",
        "−5,00 20 % −1,00 −4,00 −0,80",
        "Минус четыре тенге 00 тиынов",
    ):
        assert part in text, part


def test_an_act_without_rows_says_so_and_sums_to_nothing() -> None:
    text = text_of(act_pdf(act(())))
    assert "Строк, изменяющих доход, нет." in text
    assert "Итого по акту 0,00 0,00 0,00 0,00" in text


def test_a_long_act_repeats_its_headings_and_the_month_of_its_corrections() -> None:
    earlier: dict[str, Any] = {"month_of": "2026-09", "since": date(2026, 9, 1), "until": date(2026, 9, 30)}
    rows = [split_row(f"T-{number:03d}", 1_000_000 + number) for number in range(30)]
    rows += [split_row(f"T-{number:03d}", 5_000 + number, **earlier) for number in range(40)]
    pages = pages_of(act_pdf(act(tuple(rows))))
    listing = [page for page in pages if "T-0" in page]
    assert len(listing) >= 3
    assert all("Тарифная строка" in page for page in listing)
    assert "Исправление за сентябрь 2026 г." in listing[-1]
    assert all(f" {number} T-{number - 1:03d} " in " ".join(pages) for number in range(1, 31))
    assert " 70 T-039 " in " ".join(pages)


def test_the_rounding_note_names_each_shift_once() -> None:
    rows = [split_row(rounding_minor=shift) for shift in (0, 1, 1, 1, -2, 0, 1)]
    assert rounding_note(rows).endswith("округление: +0,01 на строках 2–4, 7; −0,02 на строке 5.")
    assert not rounding_note([split_row()])


def test_text_in_an_act_is_shown_and_not_run() -> None:
    hostile = "#import *и* $x$ <b> [link] \\ =1"
    text = text_of(act_pdf(act(titles={"TV-BASE": hostile}, agreement=hostile)))
    assert text.count(hostile) >= 3


@pytest.mark.clause("OCP-P5.4")
def test_ocp_p5_4_the_invoice_is_for_the_reward_in_tenge_without_vat() -> None:
    text = text_of(reward_invoice_pdf(act()))
    for part in (
        "Счёт на оплату № ОЦП-2026-0007",
        "к документу «Акт оказанных услуг № ОЦП-2026-0007»",
        "Вознаграждение Провайдера за октябрь 2026 г. 4 178 416,96",
        "Исправление вознаграждения Провайдера за август 2026 г. −1 984,00",
        "Всего к оплате: 4 177 624,96",
        "Без НДС",
        "3 рабочих дня",
        "Всего к оплате: Четыре миллиона сто семьдесят семь тысяч шестьсот двадцать четыре тенге 96 тиынов",
    ):
        assert part in text, part
    assert text.index("Получатель ТОО «Пример Связь»") < text.index("Плательщик АО «Оператор")


def test_a_negative_reward_makes_a_note_of_what_goes_back_to_the_operator() -> None:
    text = text_of(reward_invoice_pdf(act((split_row(income=-500),), edition=1)))
    for part in ("Корректировочный счёт № ОЦП-2026-0007", "Сумма к возврату Оператору: 4,00", "Четыре тенге 00 тиынов"):
        assert part in text, part
    assert text.index("Получатель АО «Оператор") < text.index("Плательщик ТОО «Пример Связь»")
    assert "Счёт на оплату" not in text
    assert "−" not in text


def test_the_invoice_of_a_correction_act_is_for_what_it_changes() -> None:
    text = text_of(reward_invoice_pdf(act((split_row(income=500),), edition=1, number="ОЦП-2026-0009")))
    assert "Счёт на оплату № ОЦП-2026-0009" in text
    assert "к документу «Корректировочный акт № ОЦП-2026-0009»" in text
    assert "1 Исправление вознаграждения Провайдера за октябрь 2026 г. 4,00" in text


def test_a_reward_of_nothing_asks_for_no_payment() -> None:
    text = text_of(reward_invoice_pdf(act(())))
    assert "платёж не требуется" in text
    assert "Ноль тенге 00 тиынов" in text
    assert "3 рабочих дня" not in text


def test_the_statement_shows_the_equation_the_causes_and_every_difference() -> None:
    words = [
        word(Cause.DUPLICATE, Way.EXPLAINED),
        word(Cause.AMOUNT, Way.EXPLAINED),
        word(Cause.AMOUNT, Way.ACCEPTED, "L-4", -10_000, who="Пётр", reason="Скидка"),
    ]
    text = text_of(statement_pdf(statement(words=words, unsettled=5)))
    for part in (
        "Акт сверки № ОЦП-2026-0007",
        "Список Провайдера 1 007 1 500 430,00 + расхождения (Оператор минус Провайдер) 8 +890,00",
        "8 +890,00 = список Оператора 1 008 1 501 320,00",
        "Принято по данным Оператора 1 −100,00",
        "Объяснено: остаются данные Провайдера 2 +990,00",
        "Открыто 5 0,00",
        "совпало 1 000 1 490 000,00 1 490 000,00 0,00",
        "другая сумма 2 2 980,00 2 380,00 −600,00",
        "Всего 1 500 430,00 1 501 320,00 +890,00",
        "1 L-1 счёт INV-000118 строка повторяется",
        "3 L-3 счёт =cmd|' /C calc'!",
        "4 L-4 счёт INV-000118 другая сумма 1 490,00, выставлен 1 390,00, выставлен −100,00 принято: Скидка (Пётр)",
        "другая сумма, другой тариф, другой период 1 490,00, выставлен, TV-BASE, 01.10.2026–31.10.2026",
        "−500,00 объяснено: Счёт отменён у Оператора 31.10, письмо № 118 (Анна)",
        "ИП Другой клиент 0,00 открыто",
        "ab" * 32,
    ):
        assert part in text, part
    assert text.count("М.П.") == 2


def test_a_word_holds_only_for_its_line_amount_and_reconciliation() -> None:
    words = [
        word(Cause.AMOUNT, Way.ACCEPTED, "L-4", -10_001),
        word(Cause.TARIFF, Way.ACCEPTED, "L-4", -10_000),
        word(Cause.PERIOD, Way.ACCEPTED, key="cd" * 32),
        word(Cause.CUSTOMER, Way.ACCEPTED),
        word(Cause.CUSTOMER, Way.EXPLAINED),
        word(Cause.TARIFF, Way.ACCEPTED, "L-6", 0, key="cd" * 32),
    ]
    text = text_of(statement_pdf(statement(words=words, unsettled=7)))
    assert "Открыто 7 +390,00" not in text
    assert "Открыто 7 +890,00" in text
    assert "ИП Другой клиент 0,00 объяснено" in text
    assert "TV-KINO 0,00 принято" not in text


def test_a_statement_of_many_differences_lists_the_first_and_counts_the_rest() -> None:
    def listed(number: int) -> str:
        found = [
            difference(f"LINE-{one:04d}", Cause.AMOUNT, ours=[figures()], theirs=[figures(income_minor=1)])
            for one in range(number)
        ]
        return text_of(statement_pdf(statement(found)))

    assert "и ещё" not in listed(MOST_SHOWN)
    text = listed(MOST_SHOWN + 1_022)
    assert "…и ещё 1 022 расхождения — в файле XLSX." in text
    assert "LINE-0299" in text
    assert "LINE-0300" not in text


def test_a_line_repeated_many_times_is_shown_in_short() -> None:
    often = difference("L-1", Cause.DUPLICATE, ours=[figures()], theirs=[figures()] * 1_000)
    text = text_of(statement_pdf(statement([often])))
    assert "и ещё 995" in text
    assert text.count("выставлен") == 6


def test_a_difference_higher_than_a_page_goes_on_over_the_next_one() -> None:
    held = [figures(customer=f"client-{number} {'абвгд' * 48}") for number in range(5)]
    last_row, signed_page = pages_of(
        statement_pdf(statement([difference("L-1", Cause.DUPLICATE, ours=held, theirs=held)]))
    )[-2:]
    assert "client-4" in last_row + signed_page
    assert "client-0" not in last_row + signed_page


def test_a_statement_of_equal_lists_says_that_they_are() -> None:
    text = text_of(statement_pdf(statement([])))
    assert "Расхождений нет: списки совпали построчно." in text


def test_a_statement_without_a_number_is_a_draft() -> None:
    text = text_of(statement_pdf(statement().model_copy(update={"number": ""})))
    assert "Акт сверки (проект)" in text
    assert "ПРОЕКТ" in text


def test_the_picture_is_one_page_with_values_shares_and_causes() -> None:
    pages = pages_of(picture_pdf(picture(reconciliation=compared(differences()))))
    assert len(pages) == 1
    for part in (
        "Доходы ОЦП: октябрь 2026 г.",
        "млн тенге",
        "ноя 25",
        "окт 26",
        "Телефония",
        "107,5",
        "23,3",
        "20,0 %",
        "81,9 %",
        "Совпало строк: 1 000; расхождений: 8.",
        "нет у Оператора 1 −1 490,00",
        "другая сумма 2 −600,00",
    ):
        assert part in pages[0], part


def test_the_picture_draws_small_services_as_one_and_the_last_twelve_months() -> None:
    text = text_of(picture_pdf(picture(12, 14)))
    assert "прочие" in text
    assert "Услуга 12" not in text
    assert "прочие" not in text_of(picture_pdf(picture(12, 8)))
    older = picture()
    extra = ServiceIncome(month="2025-10", service="Телевидение", income_minor=1)
    assert "окт 25" not in text_of(picture_pdf(older.model_copy(update={"services": (extra, *older.services)})))


def test_the_picture_shows_money_taken_back_and_months_without_shares() -> None:
    view = picture(2, 1)
    taken = ServiceIncome(month=view.month, service="Возвраты", income_minor=-200_000_000)
    lost = MonthShare(month=view.month, income_minor=-5, fee_minor=-1, reward_minor=-4)
    changes = {"services": (*view.services, taken), "shares": (view.shares[0], lost)}
    text = text_of(picture_pdf(view.model_copy(update=changes)))
    assert "−2,0" in text
    assert " — окт 26" in text


def test_income_is_drawn_up_from_zero_and_what_was_taken_back_down(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, Any] = {}
    monkeypatch.setattr(revenue_picture, "render_pdf", lambda _name, data, **_: drawn.update(data))
    incomes = {"А": 600, "Б": 200, "В": -200}
    services = tuple(
        ServiceIncome(month=MONTH, service=name, income_minor=value * 10**6) for name, value in incomes.items()
    )
    picture_pdf(picture(0, 0).model_copy(update={"services": services}))
    chart = drawn["income"]
    (bar,) = chart["bars"]
    places = {chart["names"][piece["colour"]]: (piece["y"], piece["height"]) for piece in bar["pieces"]}
    assert places == {"А": (0.2, 0.6), "Б": (0.0, 0.2), "В": (0.8, 0.2)}
    assert (chart["zero"], bar["top"], bar["total"]) == (0.8, 0.0, "6,0")
    assert [mark["label"] for mark in chart["marks"]] == ["−2", "0", "2", "4", "6", "8"]


@pytest.mark.parametrize(
    ("income", "unit", "total"),
    [
        (1, "тенге", "0,0"),
        (999_99, "тенге", "1 000,0"),
        (1_000_00, "тыс. тенге", "1,0"),
        (1_500_000_00, "млн тенге", "1,5"),
        (25 * 10**11, "млрд тенге", "25,0"),
        (10**15, "трлн тенге", "10,0"),
    ],
)
def test_the_picture_counts_in_the_unit_that_fits(income: int, unit: str, total: str) -> None:
    one = ServiceIncome(month=MONTH, service="Телевидение", income_minor=income)
    text = text_of(picture_pdf(picture(0, 0).model_copy(update={"services": (one,)}))).replace("\xa0", " ")
    assert f" {unit} " in text
    assert f" {total} " in text


def test_an_empty_picture_says_what_is_missing() -> None:
    view: RevenuePicture = picture(0, 0)
    text = text_of(picture_pdf(view))
    for part in ("Дохода за период нет.", "Раздела ещё не было.", "нет списка Оператора"):
        assert part in text, part
    assert "Расхождений нет" in text_of(picture_pdf(view.model_copy(update={"reconciliation": compared([])})))


def test_the_month_as_markdown_has_its_rows_differences_and_obstacles() -> None:
    view = act(titles={"TV-BASE": "a|b\n# <c>"})
    told = revenue_markdown(view, statement(), ["Открыто: 8", "![x](http://evil.example)"]).replace("\xa0", " ")
    for part in (
        "# Акт оказанных услуг № ОЦП-2026-0007: октябрь 2026 г.",
        "- Открыто: 8\n- !\\[x\\](http://evil.example)",
        "| октябрь 2026 г. | TV-BASE a\\|b # \\<c\\> | 01.10.2026–15.10.2026 | 123 456,78 | 20 % | 24 691,36 |",
        "| август 2026 г. | TV-KINO |",
        "| **Итого** |  |  | **5 222 031,21** |  | **1 044 406,25** | **4 177 624,96** | **835 524,98** |",
        "| другая сумма | 2 | 2 980,00 | 2 380,00 | −600,00 |",
        "Наши 1 500 430,00 + расхождения +890,00 = Оператора 1 501 320,00",
        "Открыто: 8 (+890,00).",
    ):
        assert part in told, part


def test_the_markdown_of_a_month_without_anything_says_so() -> None:
    told = revenue_markdown(act((), draft=True, number=""), None, [])
    assert "Строк, изменяющих доход, нет." in told
    assert "Списка Оператора нет." in told
    assert "мешает" not in told


@pytest.mark.clause("SSL-7.6")
def test_ssl_7_6_the_monthly_act_is_signed_by_the_provider_alone_and_names_why_there_is_no_vat() -> None:
    text = text_of(monthly_act_pdf(customer_act()))
    for part in (
        "Акт оказанных услуг № SSL-2026-0042",
        "от 31 октября 2026 г.",
        "Заказчик ООО «Заказчик» УНП 111111111",
        "1 Оформление сертификата SSL DV для домена shop0.example.net 03.10.2026 1 45,50 45,50",
        "Стоимость услуг: 91,00",
        "Девяносто один белорусский рубль 00 копеек",
        "Цена без НДС, бел. руб.",
        "Без НДС: Исполнитель — резидент Парка высоких технологий",
        "абзац третий пункта 27",
        "22.09.2005 № 12",
        "подписан Исполнителем единолично",
        "подпись: Директор А. Б. Примеров",
    ):
        assert part in text, part
    assert text.count("М.П.") == 1


@pytest.mark.clause("SSL-7.6")
def test_ssl_7_6_the_invoice_goes_with_its_act_in_the_currency_of_the_services() -> None:
    text = text_of(monthly_invoice_pdf(customer_act(3, currency="USD")))
    for part in (
        "Счёт-фактура № SSL-2026-0042",
        "К акту оказанных услуг № SSL-2026-0042 от 31 октября 2026 г.",
        "Всего: 136,50",
        "Сто тридцать шесть долларов США 50 центов",
        "долл. США",
        "Без НДС",
    ):
        assert part in text, part
    assert "единолично" not in text


def test_a_monthly_act_tells_the_price_of_a_unit_beside_what_the_service_cost() -> None:
    once = customer_act(1)
    thrice = once.lines[0].model_copy(update={"quantity_milli": 3_000, "net_minor": 13_650})
    text = text_of(monthly_act_pdf(once.model_copy(update={"lines": (thrice,)})))
    assert "03.10.2026 3 45,50 136,50 Стоимость услуг: 136,50" in text


def test_forty_services_of_a_monthly_act_repeat_the_headings_on_every_page() -> None:
    pages = pages_of(monthly_act_pdf(customer_act(40)))
    assert all("Когда оказана" in page for page in pages if "shop" in page)
    assert all(f"shop{number}.example.net" in " ".join(pages) for number in range(40))


@pytest.mark.parametrize(
    "made",
    [
        partial(act_pdf, act()),
        partial(reward_invoice_pdf, act()),
        partial(statement_pdf, statement()),
        partial(picture_pdf, picture(reconciliation=compared(differences()))),
        partial(monthly_act_pdf, customer_act(dated=DATED)),
        partial(monthly_invoice_pdf, customer_act(dated=DATED)),
    ],
    ids=lambda made: made.func.__name__,
)
def test_a_document_repeats_to_the_byte_and_bears_the_date_of_its_view(made: Callable[[], bytes]) -> None:
    first = made()
    assert first == made()
    told = PdfReader(io.BytesIO(first)).metadata
    assert told is not None
    assert told.creation_date is not None
    assert told.creation_date.replace(tzinfo=None) == datetime(2026, 11, 2)  # noqa: DTZ001 - the file says UTC
