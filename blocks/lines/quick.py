"""Many lines at once: columns of text to canonical columns, accepting only what is surely right.

Each different cell of a column that repeats itself is read once, by the same exact parser as everywhere; what relates
columns is compared in 64-bit integers, within bounds where nothing can overflow. A line that is not accepted here goes
to `Checks.line`, which alone refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from blocks.lines import cells
from blocks.lines.cells import Bad
from blocks.lines.checks import Checks
from blocks.lines.columns import HEADINGS, SCHEMA
from blocks.lines.faults import BadLine
from blocks.lines.headings import Batch
from blocks.terms.ocp_tariffs import TariffRow, TariffTable, vat_bp
from blocks.terms.revenue import LineState, first_day
from blocks.terms.revenue_views import DataLine

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
_EPOCH = date(1970, 1, 1).toordinal()
_STATES = list(LineState)
_ORDER = {column: at for at, column in enumerate(["", *HEADINGS])}
PLAIN = "[\\x{20}-\\x{7e}\\x{ab}\\x{bb}\\x{c0}-\\x{24f}\\x{400}-\\x{4ff}\\x{2013}\\x{2014}\\x{2018}-\\x{201e}\\x{2116}]"
_SMALL, _SUM, _VAT = 2**31, 2**51, 2**48


def _days(text: str) -> int:
    return cells.day(text).toordinal() - _EPOCH


def _state(text: str) -> int:
    return _STATES.index(cells.state(text))


_REPEATING: dict[str, Callable[[str], int]] = {
    "from": _days,
    "to": _days,
    "quantity": cells.quantity,
    "price": cells.amount,
    "net": cells.amount,
    "vat_rate": cells.rate,
    "vat": cells.amount,
    "state": _state,
    "currency": lambda text: len(cells.currency(text)),
    "service": lambda text: len(cells.words(text, *cells.SERVICE)),
}


class _Coded:
    """A column by its different cells: what each parsed to (0 where it did not), and which parsed."""

    def __init__(self, array: pa.Array, parse: Callable[[str], int]) -> None:
        encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
        self.codes: NDArray[np.int32] = encoded.indices.to_numpy()
        self.cells = encoded.dictionary.to_pylist()
        parsed = [_parsed(parse, text) for text in self.cells]
        self._values = np.array([value or 0 for value in parsed], dtype=np.int64)
        self._good = np.array([value is not None for value in parsed], dtype=np.bool_)

    @property
    def values(self) -> Ints:
        """The value in each row."""
        return self._values.take(self.codes)

    @property
    def good(self) -> Bools:
        """Whether the cell of each row parsed."""
        return self._good.take(self.codes)

    def of(self, of_value: Callable[[int], int]) -> Ints:
        """A function of the value in each row, computed once for each different cell."""
        return np.array([of_value(int(value)) for value in self._values], dtype=np.int64).take(self.codes)


def _parsed(parse: Callable[[str], int], text: str) -> int | None:
    try:
        return parse(text)
    except Bad:
        return None


class _Prices:
    """The tariff table as arrays: of each row its first day and, by version, the days it holds and its price."""

    def __init__(self, tariffs: TariffTable) -> None:
        self.codes = {row.code: index for index, row in enumerate(tariffs.tariff)}
        deep = max((len(row.version) for row in tariffs.tariff), default=1)
        shape = (max(len(tariffs.tariff), 1), deep)
        self.since = np.full(shape, np.iinfo(np.int64).max)
        self.until = np.full(shape, np.iinfo(np.int64).min)
        self.price = np.full(shape, -1, dtype=np.int64)
        for index, row in enumerate(tariffs.tariff):
            self._fill(index, row)

    def _fill(self, index: int, row: TariffRow) -> None:
        for place, held in enumerate(row.version):
            last = place + 1 == len(row.version)
            self.since[index, place] = held.since.toordinal() - _EPOCH
            self.until[index, place] = (date.max if last else row.version[place + 1].since).toordinal() - _EPOCH - 1
            if held.price is not None:
                self.price[index, place] = int(held.price * 100)

    def known(self, rows: Ints, begins: Ints) -> Bools:
        """Whether each tariff holds on the first day."""
        return np.asarray(self.since[rows, 0] <= begins)

    def agree(self, rows: Ints, begins: Ints, ends: Ints, price: Ints) -> Bools:
        """Whether each price is that of a version that holds in the span, or one of them has none."""
        agreed = np.zeros(len(rows), dtype=np.bool_)
        for place in range(self.since.shape[1]):
            held = (self.since[rows, place] <= ends) & (self.until[rows, place] >= begins)
            stated = self.price[rows, place]
            agreed |= held & ((stated == price) | (stated < 0))
        return agreed


class Quick:
    """Checks whole batches; slow only on lines that it cannot accept by itself."""

    def __init__(self, checks: Checks, tariffs: TariffTable) -> None:
        self._checks = checks
        self._prices = _Prices(tariffs)
        first = first_day(checks.month)
        self._month = 12 * first.year + first.month

    def check(self, batch: Batch) -> tuple[pa.Table, list[BadLine]]:
        """A table of SCHEMA with the rows of the batch, and the faults in order; with a fault the table is void."""
        columns, good = self.accept(batch.columns, len(batch.rows))
        found = [BadLine(row, column, reason) for (row, column), reason in batch.faults.items()]
        table = pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)
        doubtful = np.flatnonzero(~good)
        if doubtful.size:
            lines, more = self._exactly(batch, doubtful)
            found += more
            if not found:
                table = _patched(table, ~good, lines)
        return table, sorted(found, key=lambda fault: (fault.row, _ORDER[fault.column]))

    def _exactly(self, batch: Batch, doubtful: NDArray[np.intp]) -> tuple[list[Any], list[BadLine]]:
        texts = {key: array.take(pa.array(doubtful)).to_pylist() for key, array in batch.columns.items()}
        lines, found = [], []
        for at, place in enumerate(doubtful):
            row = int(batch.rows[place])
            line, faults = self._checks.line({key: column[at] for key, column in texts.items()})
            lines.append(line)
            found += [BadLine(row, column, reason) for column, reason in faults if (row, column) not in batch.faults]
        return lines, found

    def accept(self, texts: Mapping[str, pa.Array], count: int) -> tuple[dict[str, Any], Bools]:
        """Columns of SCHEMA for `count` rows of text, and for which rows they hold."""
        present = {key: texts[key] if key in texts else pa.array([""] * count, pa.string()) for key in HEADINGS}
        coded = {key: _Coded(present[key], parse) for key, parse in _REPEATING.items()}
        tariff = _Coded(present["tariff"], lambda text: self._prices.codes[self._checks.tariff(text).code])
        columns, good = self._words(present)
        for one in (*coded.values(), tariff):
            good &= one.good
        columns |= self._numbers(coded)
        columns["tariff"] = _trimmed(tariff)
        columns["service"] = _trimmed(coded["service"])
        columns["state"] = pa.array(_STATES, pa.string()).take(pa.array(columns["state"]))
        good &= self._related(coded, tariff.values, columns)
        return columns, good

    def _words(self, present: Mapping[str, pa.Array]) -> tuple[dict[str, Any], Bools]:
        """The columns of free text, trimmed, and the rows where all of them are surely good."""
        columns: dict[str, Any] = {}
        good = np.ones(len(present["line"]), dtype=np.bool_)
        for key, (fewest, most) in cells.TEXTS.items():
            array = present[key]
            array = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
            columns[key] = array = pc.ascii_trim(array, characters=" \t")
            length = pc.utf8_length(array).to_numpy()
            good &= (length >= fewest) & (length <= most)
            if not pc.all(pc.ascii_is_printable(array), min_count=0).as_py():
                good &= pc.match_substring_regex(array, f"^{PLAIN}*$").to_numpy(zero_copy_only=False)
        return columns, good

    @staticmethod
    def _numbers(coded: Mapping[str, _Coded]) -> dict[str, Any]:
        return {
            "begins_on": pa.array(coded["from"].values.astype(np.int32), pa.date32()),
            "ends_on": pa.array(coded["to"].values.astype(np.int32), pa.date32()),
            "quantity_milli": coded["quantity"].values,
            "price_minor": coded["price"].values,
            "net_minor": coded["net"].values,
            "vat_bp": coded["vat_rate"].values,
            "vat_minor": coded["vat"].values,
            "state": coded["state"].values,
        }

    def _related(self, coded: Mapping[str, _Coded], tariff: Ints, columns: Mapping[str, Any]) -> Bools:
        """Whether the values of each row fit each other, the month and the tariffs."""
        begins, ends, price = coded["from"].values, coded["to"].values, columns["price_minor"]
        month = coded["from"].of(_month_number)
        state, quantity = coded["state"].values, columns["quantity_milli"]
        correction, refunded = state == _STATES.index(LineState.CORRECTION), state == _STATES.index(LineState.REFUNDED)
        refers = pc.greater(pc.binary_length(columns["corrects"]), 0).to_numpy(zero_copy_only=False)
        itself = pc.equal(columns["corrects"], columns["line"]).to_numpy(zero_copy_only=False)
        good = (begins <= ends) & (month == coded["to"].of(_month_number)) & ~itself
        good &= np.where(refers, (month <= self._month) & (correction | refunded), (month == self._month) & ~correction)
        good &= np.where(correction, quantity != 0, quantity > 0)
        good &= _sums_agree(quantity, price, columns["net_minor"], columns["vat_bp"], columns["vat_minor"])
        good &= (columns["vat_bp"] == 0) | (columns["vat_bp"] == coded["from"].of(_vat_bp))
        good &= self._prices.known(tariff, begins)
        if self._checks.side == "ours":
            good &= self._prices.agree(tariff, begins, ends, price)
        return np.asarray(good)


def _month_number(days: int) -> int:
    day = date.fromordinal(days + _EPOCH)
    return 12 * day.year + day.month


def _vat_bp(days: int) -> int:
    return vat_bp(date.fromordinal(days + _EPOCH))


def _sums_agree(quantity: Ints, price: Ints, net: Ints, vat_bp: Ints, vat: Ints) -> Bools:
    """Whether both sums are rounded half up, where all are so small that 64 bits hold every product."""
    size, net_size, vat_size = np.abs(quantity), np.abs(net), np.abs(vat)
    small = (price >= 0) & (price < _SMALL) & (size < _SMALL) & (net_size < _SUM) & (vat_size < _VAT)
    over = 2 * size * price + 1000 - 2000 * net_size
    vat_over = 2 * net_size * vat_bp + 10_000 - 20_000 * vat_size
    signs = ((net == 0) | ((net > 0) == (quantity > 0))) & ((vat == 0) | ((vat > 0) == (net > 0)))
    return np.asarray(small & signs & (over >= 0) & (over < 2000) & (vat_over >= 0) & (vat_over < 20_000))


def _trimmed(coded: _Coded) -> pa.Array:
    return pa.array([text.strip(cells.BLANKS) for text in coded.cells], pa.string()).take(pa.array(coded.codes))


def _patched(table: pa.Table, mask: Bools, lines: Sequence[DataLine]) -> pa.Table:
    """The table with the masked rows replaced."""
    arrays = [
        pc.replace_with_mask(
            table[at].combine_chunks(), pa.array(mask), pa.array([line[at] for line in lines], kind.type)
        )
        for at, kind in enumerate(SCHEMA)
    ]
    return pa.table(arrays, schema=SCHEMA)
