"""Two lists of invoice lines of a month, ours and the Operator's, with differences of every cause in known numbers.

Every field of a line is drawn from its number, so that lists of any length are written piece by piece, always alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from blocks.errors import NotFound
from blocks.lines.columns import SCHEMA
from blocks.lines.writing import GROUP, canonical_file
from blocks.terms.deadlines import months_later
from blocks.terms.ocp_tariffs import VAT_BP, TariffTable, sandbox_tariffs
from blocks.terms.revenue import Cause, LineState, first_day, last_day, month_of

Form = Literal["parquet", "csv", "canonical"]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Fields = dict[str, Ints]

STATES = tuple(LineState)
CAUSES = tuple(Cause)
EXTERNAL = pa.schema(
    [
        *((name, pa.string()) for name in ("line", "invoice", "customer", "cart", "service", "tariff")),
        *((name, pa.date32()) for name in ("from", "to")),
        ("quantity", pa.decimal128(18, 3)),
        *((name, pa.decimal128(18, 2)) for name in ("price", "net", "vat_rate", "vat")),
        *((name, pa.string()) for name in ("state", "corrects", "currency")),
    ]
)
"""What a partner's Parquet looks like."""

_BACK = 3
"""How many months corrections and refunds reach back."""

_GOLDEN, _FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


class Sample(NamedTuple):
    """The two files, and how many differences of each cause stand between them."""

    ours: Path
    theirs: Path
    planted: dict[Cause, int]


def write_sample(
    folder: Path,
    lines: int,
    *,
    month: str,
    seed: int = 1,
    form: Form = "parquet",
    differences: Mapping[Cause, int] | None = None,
) -> Sample:
    """Writes `ours` with that many lines in their order, and `theirs` shuffled; one difference in 2000 by default.

    `parquet` and `csv` are files as a partner sends them; `canonical` is what the intake makes of them. The same
    arguments write the same bytes. Of the lines that differ in their amount about a fifth have another customer too.
    Raises ValueError for more differences than a third of the lines, or where no tariff holds in the month.
    """
    if differences is None:
        differences = dict.fromkeys(CAUSES, max(1, lines // (2000 * len(CAUSES))))
    planted = {cause: differences[cause] for cause in CAUSES if differences.get(cause)}
    if sum(planted.values()) * 3 > lines:
        raise ValueError("a third of the lines may differ at most")
    book = _Book(lines, month, seed)
    chance = np.random.default_rng(seed)
    fates = _fates(book, lines, planted, chance)
    order = np.flatnonzero(fates != _fate(Cause.MISSING_AT_THEM))
    order = np.concatenate([order, np.flatnonzero(fates == _fate(Cause.DUPLICATE))])
    chance.shuffle(order)
    name = {"parquet": "{}.parquet", "csv": "{}.csv", "canonical": "{}.canonical.parquet"}[form]
    ours, theirs = (folder / name.format(side) for side in ("ours", "theirs"))
    with _writer(ours, form) as write:
        for numbers in _pieces(np.arange(lines)):
            write(book, book.fields(numbers))
    with _writer(theirs, form) as write:
        for numbers in _pieces(order):
            write(book, book.differing(numbers, fates[numbers]))
    return Sample(ours, theirs, planted)


def _pieces(numbers: Ints) -> Iterator[Ints]:
    return (numbers[at : at + GROUP] for at in range(0, len(numbers), GROUP))


def _fate(cause: Cause) -> int:
    return CAUSES.index(cause) + 1


def _fates(book: _Book, lines: int, planted: Mapping[Cause, int], chance: np.random.Generator) -> Any:
    """By line number: 0, or one more than the place of its cause. Lines past ours are the Operator's alone."""
    fates = np.zeros(lines + planted.get(Cause.MISSING_AT_US, 0), np.int8)
    fates[lines:] = _fate(Cause.MISSING_AT_US)
    left = chance.permutation(lines)
    for cause, count in planted.items():
        if cause is Cause.AMOUNT:
            head = left[: 4 * count + 100]
            counted = book.counts(book.fields(head))
            chosen = head[counted][:count]
            left = np.concatenate([head[counted][count:], head[~counted], left[len(head) :]])
        elif cause is Cause.MISSING_AT_US:
            continue
        else:
            chosen, left = left[:count], left[count:]
        if len(chosen) < count:
            raise ValueError(f"too few lines for {count} differences in {cause}")
        fates[chosen] = _fate(cause)
    return fates


class _Offer(NamedTuple):
    """What may be invoiced: a tariff row in a span of days. `price` is 0 where it is by agreement."""

    tariff: int
    other: int
    begins: int
    ends: int
    price: int
    vat: int


def _offers(tariffs: TariffTable, month: str) -> list[_Offer]:
    """The whole month five times as often as each of its halves."""
    first, last = first_day(month), last_day(month)
    middle = first + timedelta(days=15)
    found = []
    for begins, ends in [(first, last)] * 5 + [(first, middle - timedelta(days=1)), (middle, last)]:
        valid = [(at, price) for at, price in enumerate(_prices(tariffs, begins)) if price is not None]
        for place, (at, price) in enumerate(valid):
            other = valid[(place + 1) % len(valid)][0]
            found.append(_Offer(at, other, _day(begins), _day(ends), price, VAT_BP.on(begins)))
    return found


def _prices(tariffs: TariffTable, day: date) -> Iterator[int | None]:
    """The price of each tariff on a day in tiyn, 0 by agreement, None where the tariff does not hold yet."""
    for row in tariffs.tariff:
        try:
            price = row.between(day, day)[0][2].price
        except NotFound:
            yield None
        else:
            yield 0 if price is None else int(price * 100)


def _day(day: date) -> int:
    return day.toordinal() - date(1970, 1, 1).toordinal()


class _Book:
    """Lines by number. Amounts are tiyn, days count from 1970; strings are held as numbers or places in lists."""

    def __init__(self, lines: int, month: str, seed: int) -> None:
        tariffs = sandbox_tariffs()
        self.customers = max(2, lines // 20)
        self.seed = np.uint64(seed)
        self.months = [month_of(months_later(first_day(month), -back)) for back in range(_BACK + 1)]
        self.tariffs = pa.array([row.code for row in tariffs.tariff])
        self.services = pa.array([row.title.split(",", maxsplit=1)[0] for row in tariffs.tariff])
        offers = [_offers(tariffs, each) for each in self.months]
        if not offers[0]:
            raise ValueError(f"no tariff holds in {month}")
        self._starts = np.cumsum([0, *map(len, offers)])[:-1]
        self._sizes = np.array([len(each) for each in offers])
        self._offers = np.array([offer for each in offers for offer in each], np.int64).T

    def draw(self, numbers: Ints, what: int, below: int) -> Ints:
        """Random whole numbers from 0, by the line's number and by what is drawn (SplitMix64)."""
        with np.errstate(over="ignore"):
            bits = (numbers.astype(np.uint64) + np.uint64(what << 40) + (self.seed << np.uint64(48))) * _GOLDEN
            bits = (bits ^ (bits >> np.uint64(30))) * _FIRST
            bits = (bits ^ (bits >> np.uint64(27))) * _SECOND
            return ((bits ^ (bits >> np.uint64(31))) % np.uint64(below)).astype(np.int64)

    def fields(self, numbers: Ints) -> Fields:
        """The lines of those numbers as our list has them."""
        what = np.searchsorted([700, 920, 960, 980, 990], self.draw(numbers, 0, 1000), side="right")
        state = np.array([1, 0, 3, 2, 2, 4])[what]
        back = np.where(what >= 4, 1 + self.draw(numbers, 1, _BACK), 0)
        back = np.where(self._sizes[back] > 0, back, 0)
        offer = self._starts[back] + self.draw(numbers, 2, 2**40) % self._sizes[back]
        tariff, other, begins, ends, price, vat_bp = self._offers[:, offer]
        invoice = numbers // 3
        return _priced(
            {
                "number": numbers,
                "invoice": invoice,
                "customer": self.draw(invoice, 3, self.customers),
                "cart": self.draw(invoice, 4, 3 * self.customers),
                "tariff": tariff,
                "other": other,
                "begins_on": begins,
                "ends_on": ends,
                "quantity_milli": self._quantity(numbers) * np.where((state == 4) & (numbers % 3 > 0), -1, 1),
                "price_minor": np.where(price > 0, price, 50_000 + self.draw(numbers, 5, 5_000_000)),
                "vat_bp": np.where(self.draw(numbers, 6, 50) > 0, vat_bp, 0),
                "state": state,
                "back": np.where(what >= 4, np.maximum(back, 1), 0),
                "corrects": self.draw(numbers, 7, 10**9),
            }
        )

    def _quantity(self, numbers: Ints) -> Ints:
        kind = self.draw(numbers, 8, 100)
        return np.where(kind < 75, 1000, np.where(kind < 97, 1000 * (kind % 10 + 1), 250 * (kind % 7 + 1)))

    def counts(self, lines: Fields) -> Any:
        """Which lines add to the income."""
        state = lines["state"]
        return (state != 3) & ((state != 2) | (lines["back"] > 0))

    def differing(self, numbers: Ints, fates: Any) -> Fields:
        """The lines of those numbers as the Operator has them."""
        lines = self.fields(numbers)
        state, amount = lines["state"], fates == _fate(Cause.AMOUNT)
        cancelled = amount & (state < 2) & (numbers % 2 == 0)
        lines["price_minor"] = lines["price_minor"] + np.where(amount & ~cancelled, 100, 0)
        paid = (state == 0) & (self.draw(numbers, 9, 20) == 0)
        lines["state"] = np.where(cancelled, 3, np.where(paid, 1, state))
        lines["tariff"] = np.where(fates == _fate(Cause.TARIFF), lines["other"], lines["tariff"])
        lines["ends_on"] = lines["ends_on"] - (fates == _fate(Cause.PERIOD))
        moved = (fates == _fate(Cause.CUSTOMER)) | (amount & (numbers % 5 == 0))
        lines["customer"] = np.where(moved, (lines["customer"] + 1) % self.customers, lines["customer"])
        return _priced(lines)


def _priced(lines: Fields) -> Fields:
    """With the sum and its VAT, each rounded half away from zero."""
    lines["net_minor"] = _half_up(lines["quantity_milli"] * lines["price_minor"], 1000)
    lines["vat_minor"] = _half_up(lines["net_minor"] * lines["vat_bp"], 10_000)
    return lines


def _half_up(exact: Ints, by: int) -> Ints:
    rounded: Ints = np.sign(exact) * ((2 * np.abs(exact) + by) // (2 * by))
    return rounded


@contextmanager
def _writer(path: Path, form: Form) -> Iterator[Callable[[_Book, Fields], None]]:
    if form == "canonical":
        with canonical_file(path) as canonical:
            yield lambda book, lines: canonical.add(pa.table(_canonical(book, lines), schema=SCHEMA))
        return
    inner = pq.ParquetWriter(path, EXTERNAL) if form == "parquet" else pa_csv.CSVWriter(path, EXTERNAL)
    with inner:
        yield lambda book, lines: inner.write(pa.record_batch(_external(book, lines), schema=EXTERNAL))


def _numbered(prefix: str, numbers: Any, width: int, suffix: str = "") -> Any:
    digits = pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), width, padding="0")
    return pc.binary_join_element_wise(prefix, digits, suffix, "")


def _texts(book: _Book, lines: Fields) -> dict[str, Any]:
    month, back = book.months[0].replace("-", ""), lines["back"]
    corrects = pa.array(np.full(len(back), ""), pa.string())
    for place, earlier in enumerate(book.months[1:], 1):
        earlier_line = _numbered(f"L{earlier.replace('-', '')}-", lines["corrects"], 9)
        corrects = pc.if_else(pa.array(back == place), earlier_line, corrects)
    cart = _numbered("C", lines["cart"], 7)
    return {
        "line": _numbered(f"L{month}-", lines["number"], 9),
        "invoice": _numbered(f"I{month}-", lines["invoice"], 8),
        "customer": _numbered("u", lines["customer"], 7, "@example.kz"),
        "cart": pc.if_else(pa.array(lines["cart"] >= book.customers), cart, ""),
        "service": book.services.take(pa.array(lines["tariff"])),
        "tariff": book.tariffs.take(pa.array(lines["tariff"])),
        "state": pa.array([state.value for state in STATES]).take(pa.array(lines["state"])),
        "corrects": corrects,
    }


def _canonical(book: _Book, lines: Fields) -> list[Any]:
    texts = _texts(book, lines)
    return [texts[field.name] if field.name in texts else _whole(lines[field.name], field.type) for field in SCHEMA]


def _whole(values: Ints, kind: Any) -> Any:
    return pa.array(values.astype(np.int32)).cast(kind) if pa.types.is_date(kind) else pa.array(values, kind)


def _decimal(values: Ints, scale: int) -> Any:
    """Decimals from whole numbers of their last place: the low and the high half of 128 bits."""
    halves = np.stack([values, values >> 63], axis=1)
    return pa.Array.from_buffers(pa.decimal128(18, scale), len(values), [None, pa.py_buffer(halves.tobytes())])


def _external(book: _Book, lines: Fields) -> list[Any]:
    texts = _texts(book, lines)
    columns = {
        **texts,
        "from": _whole(lines["begins_on"], pa.date32()),
        "to": _whole(lines["ends_on"], pa.date32()),
        "quantity": _decimal(lines["quantity_milli"], 3),
        "price": _decimal(lines["price_minor"], 2),
        "net": _decimal(lines["net_minor"], 2),
        "vat_rate": _decimal(lines["vat_bp"], 2),
        "vat": _decimal(lines["vat_minor"], 2),
        "currency": pa.array(np.full(len(lines["number"]), "KZT"), pa.string()),
    }
    return [columns[name] for name in EXTERNAL.names]
