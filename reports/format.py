"""How moments, durations, shares and money look to a Russian reader."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from num2words import num2words

from blocks.terms.zones import ASTANA, KYIV, MINSK, MOSCOW

_SIGNS = {"RUB": "руб.", "KZT": "тенге", "BYN": "бел. руб.", "EUR": "евро", "USD": "долл. США", "UAH": "грн"}
_MONEY = re.compile(r"(-?\d+\.\d{2}) (RUB|KZT|BYN|EUR|USD|UAH)")
_ZONES = {MOSCOW: "МСК", ASTANA: "Астана", KYIV: "Киев", MINSK: "Минск"}
_MARKS = re.compile(r"([\\`*_\[\]<>])")
_NBSP = "\N{NO-BREAK SPACE}"


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


def rubles_in_words(value: Decimal) -> str:
    """A sum of roubles in words with kopecks in digits, as invoices print it."""
    whole = int(value)
    kopecks = int((value - whole) * 100)
    words = str(num2words(whole, lang="ru"))
    unit = plural(whole, "рубль", "рубля", "рублей")
    return f"{words[:1].upper()}{words[1:]} {unit} {kopecks:02d} {plural(kopecks, 'копейка', 'копейки', 'копеек')}"
