"""What makes an invoice line good, and its exact sums: one readable statement of the rules that lists are checked by.

Amounts are whole minor units without VAT, quantities thousandths, rates basis points. Nothing is a binary float.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from fractions import Fraction

from blocks.errors import NotFound
from blocks.terms.base import Frozen
from blocks.terms.deadlines import months_later
from blocks.terms.money import LIMIT, half_up
from blocks.terms.ocp_tariffs import TariffTable, vat_bp
from blocks.terms.revenue import LineState, first_day, month_of

SSL_CURRENCIES = ("BYN", "EUR", "USD", "RUB")
"""What certificates are sold for (SSL-A1)."""

_TEXTS = {
    "line": (1, 64),
    "invoice": (1, 64),
    "customer": (1, 254),
    "cart": (0, 64),
    "service": (1, 200),
    "tariff": (1, 64),
    "corrects": (0, 64),
}
"""The fewest and the most characters of each."""
_NO_BREAK = {0xA0: " ", 0x202F: " "}
_CORRECTING = (LineState.REFUNDED, LineState.CORRECTION)


class LineFacts(Frozen):
    """An invoice line as its rules see it. Days are included at both ends; `corrects` names an earlier line or is ''.

    A `correction` is signed by its quantity; every other state has a positive one.
    """

    line: str
    invoice: str
    customer: str
    cart: str = ""
    service: str
    tariff: str
    begins_on: date
    ends_on: date
    quantity_milli: int
    price_minor: int
    currency: str = "KZT"
    vat_bp: int
    state: LineState
    corrects: str = ""

    @property
    def net_minor(self) -> int:
        """What the line costs without VAT."""
        return net_of(self.quantity_milli, self.price_minor)

    @property
    def vat_minor(self) -> int:
        """The VAT beside it."""
        return vat_of(self.net_minor, self.vat_bp)


def net_of(quantity_milli: int, price_minor: int) -> int:
    """Quantity times price in minor units, rounded half up (away from zero) once."""
    return half_up(Fraction(quantity_milli * price_minor, 1000))


def vat_of(net_minor: int, vat_bp: int) -> int:
    """The VAT of a sum in minor units, rounded half up (away from zero) once."""
    return half_up(Fraction(net_minor * vat_bp, 10_000))


def reporting_month(line: LineFacts, stated_on: date, made_out: Collection[str]) -> str:
    """The month in which a line is reported: that of its span.

    A line that corrects another is reported in the month in which it was stated, never before the month of its own
    span, and in the next month that is not made out yet when that one is.
    """
    own = month_of(line.ends_on)
    if not line.corrects:
        return own
    month = max(own, month_of(stated_on))
    while month in made_out:
        month = month_of(months_later(first_day(month), 1))
    return month


def check_line(line: LineFacts) -> tuple[str, ...]:
    """The faults that need no tariff table to see, in words; none for a good line."""
    return (*_text_faults(line), *_span_faults(line), *_state_faults(line), *_amount_faults(line))


def readable(text: str) -> bool:
    """Whether a text stands on one line and shows every character; a no-break space counts as one."""
    return text.translate(_NO_BREAK).isprintable()


def _text_faults(line: LineFacts) -> list[str]:
    faults = []
    for name, (least, most) in _TEXTS.items():
        value: str = getattr(line, name)
        if not least <= len(value) <= most:
            faults.append(f"{name} has {least} to {most} characters")
        if value != value.strip() or not readable(value):
            faults.append(f"{name} has only printable characters, and no spaces around them")
    return faults


def _span_faults(line: LineFacts) -> list[str]:
    if line.begins_on > line.ends_on:
        return ["the period ends before it begins"]
    if month_of(line.begins_on) != month_of(line.ends_on):
        return ["the period lies in two calendar months"]
    if not 2000 <= line.ends_on.year <= 2099:
        return ["the period lies in the years 2000 to 2099"]
    return []


def _state_faults(line: LineFacts) -> list[str]:
    faults = []
    if line.corrects and line.state not in _CORRECTING:
        faults.append(f"a line that is {line.state.value} corrects no other")
    if line.state is LineState.CORRECTION and not line.corrects:
        faults.append("a correction names the line that it corrects")
    if line.corrects and line.corrects == line.line:
        faults.append("a line does not correct itself")
    if line.state is LineState.CORRECTION:
        if line.quantity_milli == 0:
            faults.append("the quantity of a correction is not zero")
    elif line.quantity_milli <= 0:
        faults.append("the quantity is above zero")
    return faults


def _amount_faults(line: LineFacts) -> list[str]:
    faults = []
    if line.price_minor < 0:
        faults.append("the price is not negative")
    if line.vat_bp < 0:
        faults.append("the VAT rate is not negative")
    if abs(line.quantity_milli) >= LIMIT * 1000:
        faults.append("the quantity is below 10^15")
    if max(abs(line.price_minor), abs(line.net_minor), abs(line.vat_minor)) >= LIMIT * 100:
        faults.append("the price and the sums are below 10^15")
    return faults


def check_ocp_line(line: LineFacts, tariffs: TariffTable) -> tuple[str, ...]:
    """`check_line`, and what Appendix 4 says: tenge, a tariff row with a price of the day, Kazakhstan's VAT or none."""
    faults = [*check_line(line), *_tariff_faults(line, tariffs)]
    if line.currency != "KZT":
        faults.append(f"other currency: {line.currency}")
    if line.vat_bp != 0 and line.vat_bp != vat_bp(line.begins_on):
        faults.append(f"the VAT rate of {line.begins_on} is another")
    return tuple(faults)


def _tariff_faults(line: LineFacts, tariffs: TariffTable) -> list[str]:
    try:
        row = tariffs.row(line.tariff)
    except NotFound:
        return [f"unknown tariff {line.tariff}"]
    try:
        versions = row.between(line.begins_on, max(line.begins_on, line.ends_on))
    except NotFound:
        return [f"tariff {line.tariff} has no price yet on {line.begins_on}"]
    prices = {version.price for *_, version in versions}
    if None not in prices and line.price_minor not in {int(price * 100) for price in prices if price is not None}:
        return [f"the price is not that of tariff {line.tariff}"]
    return []


def check_ssl_line(line: LineFacts) -> tuple[str, ...]:
    """`check_line`, and what the certificates' agreement says: one of its currencies, no VAT (SSL-7.6)."""
    faults = [*check_line(line)]
    if line.currency not in SSL_CURRENCIES:
        faults.append(f"other currency: {line.currency}")
    if line.vat_bp != 0:
        faults.append("certificates are sold without VAT")
    return tuple(faults)
