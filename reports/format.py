"""How moments and money look to a Russian reader."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from num2words import num2words

_SIGNS = {"RUB": "руб.", "KZT": "тенге", "BYN": "бел. руб.", "EUR": "евро", "USD": "долл. США", "UAH": "грн"}
_MONEY = re.compile(r"(-?\d+\.\d{2}) (RUB|KZT|BYN|EUR|USD|UAH)")


def moscow(moment: datetime | str) -> str:
    """A moment on the Moscow wall clock: 22.11.2026 05:30 МСК."""
    at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return f"{at.astimezone(ZoneInfo('Europe/Moscow')):%d.%m.%Y %H:%M} МСК"


def amount(value: Decimal) -> str:
    """Digits in groups of three and a decimal comma: 1 234 567,80 (with no-break spaces)."""
    return f"{value:,.2f}".replace(",", "\N{NO-BREAK SPACE}").replace(".", ",")


def money(text: str) -> str:
    """Every `9990.00 RUB` in a text as 9 990,00 руб."""
    return _MONEY.sub(lambda found: f"{amount(Decimal(found[1]))}\N{NO-BREAK SPACE}{_SIGNS[found[2]]}", text)


def rubles_in_words(value: Decimal) -> str:
    """A sum of roubles in words with kopecks in digits, as invoices print it."""
    whole = int(value)
    kopecks = int((value - whole) * 100)
    words = str(num2words(whole, lang="ru"))
    last_two, last = whole % 100, whole % 10
    unit = "рублей" if 11 <= last_two <= 14 else {1: "рубль", 2: "рубля", 3: "рубля", 4: "рубля"}.get(last, "рублей")
    kopeck = (
        "копеек"
        if 11 <= kopecks <= 14
        else {1: "копейка", 2: "копейки", 3: "копейки", 4: "копейки"}.get(kopecks % 10, "копеек")
    )
    return f"{words[:1].upper()}{words[1:]} {unit} {kopecks:02d} {kopeck}"
