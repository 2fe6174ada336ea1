"""How moments, durations, shares and money look to a Russian reader."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from num2words import num2words

from blocks.terms.zones import ASTANA, KYIV, MINSK, MOSCOW

_SIGNS = {"RUB": "руб.", "KZT": "тенге", "BYN": "бел. руб.", "EUR": "евро", "USD": "долл. США", "UAH": "грн"}
_MONEY = re.compile(r"(-?\d+\.\d{2}) (RUB|KZT|BYN|EUR|USD|UAH)")
_ZONES = {MOSCOW: "МСК", ASTANA: "Астана", KYIV: "Киев", MINSK: "Минск"}
_MARKS = re.compile(r"([\\`*_\[\]<>])")
_NBSP = "\N{NO-BREAK SPACE}"
_MONTHS = (
    ("январь", "января"),
    ("февраль", "февраля"),
    ("март", "марта"),
    ("апрель", "апреля"),
    ("май", "мая"),
    ("июнь", "июня"),
    ("июль", "июля"),
    ("август", "августа"),
    ("сентябрь", "сентября"),
    ("октябрь", "октября"),
    ("ноябрь", "ноября"),
    ("декабрь", "декабря"),
)
MONTHS_SHORT = ("янв", "фев", "мар", "апр", "май", "июн", "июл", "авг", "сен", "окт", "ноя", "дек")
_UNITS = {
    "KZT": (("тенге", "тенге", "тенге"), ("тиын", "тиына", "тиынов")),
    "RUB": (("рубль", "рубля", "рублей"), ("копейка", "копейки", "копеек")),
    "BYN": (("белорусский рубль", "белорусских рубля", "белорусских рублей"), ("копейка", "копейки", "копеек")),
    "EUR": (("евро", "евро", "евро"), ("цент", "цента", "центов")),
    "USD": (("доллар США", "доллара США", "долларов США"), ("цент", "цента", "центов")),
}
"""The forms of a currency's whole and hundredth unit that go with 1, 2 and 5."""


def zone_label(zone: str) -> str:
    """How a zone is called beside a time: МСК, Астана, Киев, Минск; any other by its IANA name."""
    return _ZONES.get(zone, zone)


def wall(moment: datetime | str, zone: str) -> str:
    """A moment on the wall clock of a zone: 22.11.2026 07:30 Астана. An hour that autumn repeats says which it is."""
    at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    local = at.astimezone(ZoneInfo(zone))
    repeated = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    which = f" ({'после' if local.fold else 'до'} перевода часов)" if repeated else ""
    return f"{local:%d.%m.%Y %H:%M} {zone_label(zone)}{which}"


def moscow(moment: datetime | str) -> str:
    """A moment on the Moscow wall clock: 22.11.2026 05:30 МСК."""
    return wall(moment, MOSCOW)


def span(start: datetime | str, end: datetime | str, zone: str) -> str:
    """Two moments on one wall clock, the day once where it is the same: 21.11.2026 09:00–11:00 МСК."""
    first, last = wall(start, zone), wall(end, zone)
    if first[16:] != last[16:]:
        return f"{first} — {last}"
    if first[:10] == last[:10]:
        return f"{first[:16]}–{last[11:]}"
    return f"{first[:16]} — {last}"


def duration(seconds: Decimal | float | str) -> str:
    """Seconds as 1 ч 05 мин 20 с; hundredths are kept, a minus is told."""
    value = Decimal(str(seconds)).quantize(Decimal("0.01"))
    whole_minutes, rest = divmod(abs(value), 60)
    hours, minutes = divmod(int(whole_minutes), 60)
    parts = [f"{hours}{_NBSP}ч"] if hours else []
    parts += [f"{minutes:{'02' if hours else ''}d}{_NBSP}мин"] if minutes else []
    if rest or not parts:
        whole = str(int(rest)) if rest == int(rest) else f"{rest.normalize():f}".replace(".", ",")
        parts.append(f"{whole}{_NBSP}с")
    return ("−" if value < 0 else "") + " ".join(parts)


def percent(share: str) -> str:
    """Decimal text as 99,9991 %."""
    return f"{share.replace('.', ',')}{_NBSP}%"


def plural(number: int, one: str, few: str, many: str) -> str:
    """The form of a noun that goes with a number: 1 случай, 2 случая, 5 случаев."""
    if 11 <= number % 100 <= 14:
        return many
    return {1: one, 2: few, 3: few, 4: few}.get(number % 10, many)


def plain(text: str) -> str:
    """Somebody else's text for Markdown: on one line, its marks escaped, so that it makes no link, image or heading."""
    return _MARKS.sub(r"\\\1", " ".join(text.split()))


def amount(value: Decimal) -> str:
    """Digits in groups of three and a decimal comma: 1 234 567,80 (with no-break spaces)."""
    return f"{value:,.2f}".replace(",", _NBSP).replace(".", ",")


def money(text: str) -> str:
    """Every `9990.00 RUB` in a text as 9 990,00 руб."""
    return _MONEY.sub(lambda found: f"{amount(Decimal(found[1]))}{_NBSP}{_SIGNS[found[2]]}", str(text))


def in_words(value_minor: int, currency: str) -> str:
    """Whole minor units in words, their hundredths in digits: Минус сто два тенге 05 тиынов. Raises KeyError."""
    whole, rest = divmod(abs(value_minor), 100)
    units, parts = _UNITS[currency]
    words = f"{'минус ' if value_minor < 0 else ''}{num2words(whole, lang='ru')}"
    return f"{words[:1].upper()}{words[1:]} {plural(whole, *units)} {rest:02d} {plural(rest, *parts)}"


def tenge_in_words(value_minor: int) -> str:
    """A sum in tiyn, as acts of the ОЦП print it."""
    return in_words(value_minor, "KZT")


def rubles_in_words(value: Decimal) -> str:
    """A sum of roubles in words with kopecks in digits, as invoices print it."""
    return in_words(int(value * 100), "RUB")


def minor(value_minor: int) -> str:
    """Whole minor units as digits: 1 234,50; a minus is told."""
    return ("−" if value_minor < 0 else "") + amount(Decimal(abs(value_minor)).scaleb(-2))


def signed(value_minor: int) -> str:
    """A change in whole minor units: +0,01, −0,01, 0,00."""
    return ("+" if value_minor > 0 else "") + minor(value_minor)


def sign_of(currency: str) -> str:
    """How a currency is called beside digits: бел. руб. Raises KeyError."""
    return _SIGNS[currency]


def rate(basis_points: int) -> str:
    """Basis points as 20 % or 17,25 %."""
    return percent(thousandths(basis_points * 10))


def count(number: int) -> str:
    """A whole number in groups of three: 10 000 000."""
    return f"{number:,}".replace(",", _NBSP)


def thousandths(value_milli: int) -> str:
    """A quantity in thousandths as 2 or 1,5."""
    whole, rest = divmod(abs(value_milli), 1000)
    told = count(whole) + (f",{rest:03d}".rstrip("0") if rest else "")
    return ("−" if value_milli < 0 else "") + told


def month_title(month: str) -> str:
    """A reporting month: октябрь 2026 г."""
    return f"{_MONTHS[int(month[5:]) - 1][0]} {month[:4]}{_NBSP}г."


def long_day(day: date) -> str:
    """A day as documents are dated: 2 ноября 2026 г."""
    return f"{day.day}{_NBSP}{_MONTHS[day.month - 1][1]} {day.year}{_NBSP}г."


def days(begins_on: date, ends_on: date) -> str:
    """A span of days, both included: 01.10.2026–15.10.2026, or the one day."""
    return f"{begins_on:%d.%m.%Y}" + (f"–{ends_on:%d.%m.%Y}" if ends_on != begins_on else "")


def midnight(day: date) -> datetime:
    """The moment that a file of a dated document bears: nothing reads a clock."""
    return datetime.combine(day, time(), UTC)
