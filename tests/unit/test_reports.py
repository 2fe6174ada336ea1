"""What people read."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from pypdf import PdfReader

import reports
from blocks.terms.money import Money
from blocks.terms.views import AccessSheet, Credential, Invoice, OrderStory, StoryLine
from reports.access_sheet import access_files
from reports.format import money, moscow, rubles_in_words
from reports.invoice import invoice_pdf
from reports.notices import compose
from reports.pages import secret_page
from reports.story import order_story

NOW = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)
TEMPLATES = sorted(path.stem for path in (Path(reports.__file__).parent / "templates" / "notices").glob("*.txt"))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0.00", "Ноль рублей 00 копеек"),
        ("1.01", "Один рубль 01 копейка"),
        ("2.22", "Два рубля 22 копейки"),
        ("11.11", "Одиннадцать рублей 11 копеек"),
        ("1000.50", "Одна тысяча рублей 50 копеек"),
        ("29989.00", "Двадцать девять тысяч девятьсот восемьдесят девять рублей 00 копеек"),
        ("121.05", "Сто двадцать один рубль 05 копеек"),
    ],
)
def test_sums_in_words(value: str, words: str) -> None:
    assert rubles_in_words(Decimal(value)) == words


def test_moments_are_told_in_moscow_time_and_money_with_its_sign() -> None:
    assert moscow(NOW) == "21.11.2026 00:30 МСК"
    assert money("1234567.80 RUB is missing") == "1\xa0234\xa0567,80\xa0руб. is missing"


@pytest.mark.parametrize("kind", TEMPLATES)
def test_a_notice_without_its_facts_is_an_error_not_a_gap(kind: str) -> None:
    with pytest.raises(UndefinedError):
        compose(kind, {}, has_secret=False)


def invoice() -> Invoice:
    lines = (("Подключение", Money.of("9999", "RUB")), ("Год", Money.of("19990", "RUB")))
    return Invoice(
        "KS-2026-000001",
        NOW,
        NOW,
        "ООО «Пример»",
        "Банк",
        "ООО «#import» *и* $x$",
        "7701234567",
        lines,
        Money.of(29989, "RUB"),
    )


def test_an_invoice_says_what_it_must_and_repeats_to_the_byte() -> None:
    first, again = invoice_pdf(invoice()), invoice_pdf(invoice())
    assert first == again
    text = PdfReader(io.BytesIO(first)).pages[0].extract_text().replace("\xa0", " ")
    for part in ("KS-2026-000001", "29 989,00", "Двадцать девять тысяч", "ООО «#import» *и* $x$", "21.11.2026"):
        assert part in text, part


def test_an_invoice_whose_lines_do_not_sum_up_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="do not sum"):
        Invoice("1", NOW, NOW, "", "", "", "", (("x", Money.of(1, "RUB")),), Money.of(2, "RUB"))


def test_a_sheet_of_a_hundred_contacts_has_them_all() -> None:
    credentials = tuple(Credential(f"c{n:03d}@k1.example.net", str(1000 + n), f"pass-{n:03d}") for n in range(1, 101))
    sheet = AccessSheet("KS-2026-000001", "k1.example.net", "Анна", NOW, credentials)
    files = access_files(sheet)
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(files["access-KS-2026-000001.pdf"])).pages)
    assert all(credential.password in text for credential in credentials)
    table = files["access-KS-2026-000001.csv"].decode("utf-8-sig").splitlines()
    assert len(table) == 101
    assert "pass-001" not in repr(sheet) + repr(credentials[0])


def test_a_page_escapes_what_it_shows() -> None:
    page = secret_page("revealed", "KS-1", shown_at=None, secret={"password": "<script>"})
    assert "&lt;script&gt;" in page
    assert "<script" not in page


def test_a_story_keeps_its_tables_whole() -> None:
    line = StoryLine(NOW, "state", "a|b", "why\nnot", "KS-1.3")
    told = order_story(
        OrderStory(
            "KS-1",
            "held",
            "underpaid",
            "an***@x",
            "i",
            Money.of(1, "RUB"),
            Money.of(0, "RUB"),
            "",
            "",
            None,
            (line,),
            (),
            (),
            (),
        )
    )
    assert "a\\|b" in told
    assert "why not" in told
    assert told.startswith("# KS-1: held (underpaid)")
