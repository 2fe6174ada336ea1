"""One invoice line, checked exactly: its values, or every reason why it is not taken.

This is what decides. `quick` does the same for many lines at once, and asks here for each line that it does not accept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from blocks.errors import NotFound
from blocks.lines import cells
from blocks.lines.cells import Bad
from blocks.lines.columns import HEADINGS
from blocks.terms.lines import net_of, vat_of
from blocks.terms.ocp_tariffs import TariffRow, TariffTable, vat_bp
from blocks.terms.revenue import LineState, Month, month_of
from blocks.terms.revenue_views import DataLine

Side = Literal["ours", "operator"]
Fault = tuple[str, str]
"""A column and a reason."""


class Checks:
    """The rules of a list: whose it is, of which month, under which tariffs."""

    def __init__(self, month: Month, tariffs: TariffTable, side: Side) -> None:
        self.month = month
        self.tariffs = {row.code: row for row in tariffs.tariff}
        self.side = side
        self._parsers: dict[str, Callable[[str], Any]] = {
            **{key: _worded(*bounds) for key, bounds in cells.TEXTS.items()},
            "service": _worded(*cells.SERVICE),
            "tariff": self.tariff,
            "from": cells.day,
            "to": cells.day,
            "quantity": cells.quantity,
            "price": cells.amount,
            "net": cells.amount,
            "vat_rate": cells.rate,
            "vat": cells.amount,
            "state": cells.state,
            "currency": cells.currency,
        }

    def tariff(self, text: str) -> TariffRow:
        """The tariff row of a code. Raises Bad."""
        code = cells.words(text, 1, 64)
        if code not in self.tariffs:
            raise Bad(f"unknown tariff: {code}")
        return self.tariffs[code]

    def line(self, texts: Mapping[str, str]) -> tuple[DataLine | None, list[Fault]]:
        """The line of a row of cells, or None and its faults in the order of the columns. A column left out is ''."""
        if not any(text.strip(cells.BLANKS) for text in texts.values()):
            return None, [("", "the row is empty")]
        values: dict[str, Any] = {}
        faults: list[Fault] = []
        for key in HEADINGS:
            try:
                values[key] = self._parsers[key](texts.get(key, ""))
            except Bad as bad:
                faults.append((key, str(bad)))
        faults += self._days(values) + self._state(values) + self._price(values) + _sums(values)
        if faults:
            order = list(HEADINGS)
            return None, sorted(faults, key=lambda fault: order.index(fault[0]))
        return _line(values), []

    def _days(self, values: Mapping[str, Any]) -> list[Fault]:
        begins_on, ends_on = values.get("from"), values.get("to")
        if begins_on is None or ends_on is None:
            return []
        if ends_on < begins_on:
            return [("to", "before the first day")]
        if month_of(begins_on) != month_of(ends_on):
            return [("to", "in another month than the first day")]
        if "corrects" not in values:
            return []
        if month_of(begins_on) > self.month or (not values["corrects"] and month_of(begins_on) != self.month):
            return [("from", f"wrong month: {month_of(begins_on)}, the list is of {self.month}")]
        return []

    @staticmethod
    def _state(values: Mapping[str, Any]) -> list[Fault]:
        state, corrects, quantity = values.get("state"), values.get("corrects"), values.get("quantity")
        faults = []
        if quantity == 0:
            faults.append(("quantity", "zero"))
        if quantity is not None and quantity < 0 and state not in {LineState.CORRECTION, None}:
            faults.append(("quantity", "negative; only a correction takes back"))
        if state is LineState.CORRECTION and corrects == "":
            faults.append(("corrects", "empty; a correction names the line that it corrects"))
        if corrects and state not in {LineState.CORRECTION, LineState.REFUNDED, None}:
            faults.append(("state", "only a refund or a correction names another line"))
        if corrects and corrects == values.get("line"):
            faults.append(("corrects", "the line itself"))
        return faults

    def _price(self, values: Mapping[str, Any]) -> list[Fault]:
        faults = []
        price = values.get("price")
        if price is not None and price < 0:
            faults.append(("price", "negative"))
        row, begins_on, ends_on = values.get("tariff"), values.get("from"), values.get("to")
        if row is None or begins_on is None:
            return faults
        try:
            held = row.between(begins_on, max(begins_on, ends_on or begins_on))
        except NotFound:
            return [*faults, ("tariff", f"no price yet on {begins_on}: {row.code}")]
        prices = [version.price for _, _, version in held]
        if self.side == "operator" or ends_on is None or price is None or price < 0 or None in prices:
            return faults
        if price not in {int(one * 100) for one in prices if one is not None}:
            stated = " or ".join(f"{one:.2f}" for one in prices)
            faults.append(("price", f"not the price of {row.code}: {stated}"))
        return faults


def _worded(fewest: int, most: int) -> Callable[[str], str]:
    return lambda text: cells.words(text, fewest, most)


def _sums(values: Mapping[str, Any]) -> list[Fault]:
    faults = []
    net = values.get("net")
    if net is not None and values.get("quantity") is not None and values.get("price", -1) >= 0:
        exact = net_of(values["quantity"], values["price"])
        if net != exact:
            faults.append(("net", f"not quantity x price: {_money(exact)}"))
    bp, begins_on = values.get("vat_rate"), values.get("from")
    if bp is None:
        return faults
    if begins_on is not None and bp not in {0, vat_bp(begins_on)}:
        faults.append(("vat_rate", f"neither 0 nor the rate of {begins_on}"))
    elif net is not None and values.get("vat") is not None and values["vat"] != vat_of(net, bp):
        faults.append(("vat", f"not the sum x rate: {_money(vat_of(net, bp))}"))
    return faults


def _money(minor: int) -> str:
    return f"{'-' if minor < 0 else ''}{abs(minor) // 100}.{abs(minor) % 100:02}"


def _line(values: Mapping[str, Any]) -> DataLine:
    return DataLine(
        line=values["line"],
        invoice=values["invoice"],
        customer=values["customer"],
        cart=values["cart"],
        service=values["service"],
        tariff=values["tariff"].code,
        begins_on=values["from"],
        ends_on=values["to"],
        quantity_milli=values["quantity"],
        price_minor=values["price"],
        net_minor=values["net"],
        vat_bp=values["vat_rate"],
        vat_minor=values["vat"],
        state=values["state"].value,
        corrects=values["corrects"],
    )
