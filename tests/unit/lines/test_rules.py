"""What a line must be, each rule at its bound; and that many lines at once are judged as one by one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.lines import quick
from blocks.lines.cells import words
from blocks.lines.checks import Checks, Side
from blocks.lines.headings import Batch
from blocks.lines.quick import Quick
from blocks.terms.ocp_tariffs import TariffTable
from tests.unit.lines.lists import KEYS, TARIFFS, Row, row, some_rows

Check = Callable[[list[Row]], tuple[pa.Table, list[tuple[int, str, str]]]]


def check(rows: list[Row], side: Side = "ours") -> tuple[pa.Table, list[tuple[int, str, str]]]:
    """The table of these rows, numbered from 2, and their faults."""
    columns = {key: pa.array([one[key] for one in rows], pa.string()) for key in KEYS}
    checks = Checks("2026-10", TARIFFS, side)
    table, found = Quick(checks, TARIFFS).check(Batch(np.arange(2, 2 + len(rows)), columns))
    return table, [(one.row, one.column, one.reason) for one in found]


def refused(one: Row, side: Side = "ours") -> str:
    """Why a row is refused, as `column: reason` of all its faults; '' where it is taken."""
    return "; ".join(f"{column}: {reason}" for _, column, reason in check([one], side)[1])


@pytest.mark.clause("OCP-P5.1")
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"from_": "2026-10-01", "to": "2026-10-01"}, ""),
        ({"from_": "2026-09-30", "to": "2026-09-30"}, "from: wrong month: 2026-09, the list is of 2026-10"),
        (
            {"from_": "2026-11-01", "to": "2026-11-01", "price": "120.05", "net": "180.08", "vat": "28.81"},
            "from: wrong month: 2026-11, the list is of 2026-10",
        ),
        ({"to": "2026-11-01"}, "to: in another month than the first day"),
        ({"from_": "2026-10-02", "to": "2026-10-01"}, "to: before the first day"),
        (
            {"state": "refunded", "from_": "2026-09-01", "to": "2026-09-30"},
            "from: wrong month: 2026-09, the list is of 2026-10",
        ),
        ({"state": "refunded", "from_": "2026-09-01", "to": "2026-09-30", "corrects": "L-0"}, ""),
        ({"state": "refunded", "corrects": "L-0"}, ""),
        (
            {
                "state": "refunded",
                "from_": "2026-11-01",
                "to": "2026-11-30",
                "corrects": "L-0",
                "price": "120.05",
                "net": "180.08",
                "vat": "28.81",
            },
            "from: wrong month: 2026-11, the list is of 2026-10",
        ),
    ],
)
def test_ocp_p5_1_a_line_lies_in_the_month_unless_it_corrects_an_earlier_one(changes: dict[str, str], why: str) -> None:
    assert refused(row(**changes)) == why


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"state": "paid", "corrects": "L-0"}, "state: only a refund or a correction names another line"),
        ({"state": "correction"}, "corrects: empty; a correction names the line that it corrects"),
        ({"state": "correction", "corrects": "L-0"}, ""),
        ({"state": "correction", "corrects": " L-1"}, "corrects: the line itself"),
        ({"state": "Корректировка", "corrects": "L-0"}, ""),
        ({"state": "Возвращён "}, ""),
        ({"state": "done"}, "state: unknown state: done"),
        ({"state": ""}, "state: empty"),
    ],
)
def test_a_state_fits_what_the_line_corrects(changes: dict[str, str], why: str) -> None:
    assert refused(row(**changes)) == why


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"quantity": "0.001", "net": "0.10", "vat": "0.02"}, ""),
        ({"quantity": "0.0001"}, "quantity: more than 3 decimals: 0.0001"),
        ({"quantity": "0", "net": "0", "vat": "0"}, "quantity: zero"),
        ({"quantity": "-1.5", "net": "-150", "vat": "-24"}, "quantity: negative; only a correction takes back"),
        ({"quantity": "-1.5", "net": "-150", "vat": "-24", "state": "correction", "corrects": "L-0"}, ""),
        ({"quantity": "0", "net": "0", "vat": "0", "state": "correction", "corrects": "L-0"}, "quantity: zero"),
        ({"price": "-100", "net": "-150", "vat": "-24"}, "price: negative"),
    ],
)
def test_a_quantity_is_positive_but_in_a_correction(changes: dict[str, str], why: str) -> None:
    assert refused(row(**changes)) == why


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "nan",
        "inf",
        "-inf",
        "1e5",
        "1E5",
        "0x10",
        "+1",
        "1_000",
        ".5",
        "5.",
        "١٢",
        "--1",
        "1.000.000",
        "10 00",
        "1  000",
        "1,000.00",
        "1 0000",
        "12 345 67",
        "- 5",
        "½",
    ],
)
def test_what_only_looks_like_a_number_is_none(text: str) -> None:
    for key in ("quantity", "price", "net", "vat", "vat_rate"):
        assert f"{key}: not a number: {text}" in refused(row(**{key: text}))


@pytest.mark.parametrize("text", ["1500", "1 500,00", "1\u00a0500.0", " 1\u202f500 ", "00000000000000001500"])
def test_a_number_is_written_in_several_ways(text: str) -> None:
    table, faults = check([row(quantity="15", net=text, vat="240,0", price="100")])

    assert not faults
    assert table["net_minor"].to_pylist() == [150_000]


def test_amounts_are_below_ten_to_the_fifteenth() -> None:
    most = row(
        tariff="SETUP", quantity="1", price="999999999999999.99", net="999999999999999.99", vat_rate="0", vat="0"
    )

    assert check([most])[0]["net_minor"].to_pylist() == [10**17 - 1]
    told = refused(most | {"price": "1000000000000000", "net": "1 000 000 000 000 000.00"})
    assert told == "price: not below 10^15: 1000000000000000; net: not below 10^15: 1 000 000 000 000 000.00"
    assert "quantity: not below 10^15" in refused(most | {"quantity": "1000000000000000"})


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"quantity": "999999999999999", "price": "999999999999999.99", "net": "0.01"},
         "net: not quantity x price: 999999999999998990000000000000.01"),
        ({"quantity": "1048.576", "price": "87960930222.08", "net": "0"},
         "net: not quantity x price: 92233720368547.76"),
        ({"quantity": "8796093022.208", "price": "10485.76", "net": "0"},
         "net: not quantity x price: 92233720368547.76"),
        ({"quantity": "1", "price": "1", "net": "92233720368548.76"}, "net: not quantity x price: 1.00"),
        ({"quantity": "1", "price": "1", "net": "1", "vat_rate": "16", "vat": "9223372036854.94"},
         "vat: not the sum x rate: 0.16"),
    ],
)  # fmt: skip
def test_sums_that_would_fit_if_64_bits_wrapped_are_refused(changes: dict[str, str], why: str) -> None:
    assert refused(row(tariff="SETUP", **({"vat_rate": "0", "vat": "0"} | changes))).startswith(why)


@pytest.mark.clause("OCP-P4")
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"tariff": "NO"}, "tariff: unknown tariff: NO"),
        ({"tariff": ""}, "tariff: empty"),
        (
            {
                "state": "refunded",
                "corrects": "L-0",
                "from_": "2025-03-10",
                "to": "2025-03-31",
                "vat_rate": "12",
                "vat": "18",
            },
            "",
        ),
        (
            {
                "state": "refunded",
                "corrects": "L-0",
                "from_": "2025-03-09",
                "to": "2025-03-31",
                "vat_rate": "12",
                "vat": "18",
            },
            "tariff: no price yet on 2025-03-09: TV",
        ),
        ({"price": "120.05", "net": "180.08", "vat": "28.81"}, "price: not the price of TV: 100.00"),
        ({"to": "2026-10-16"}, ""),
        ({"to": "2026-10-16", "price": "120.05", "net": "180.08", "vat": "28.81"}, ""),
        ({"from_": "2026-10-16", "to": "2026-10-16"}, "price: not the price of TV: 120.05"),
        ({"tariff": "SETUP", "price": "7", "net": "10.5", "vat": "1.68"}, ""),
    ],
)
def test_ocp_p4_our_price_is_that_of_the_tariff_on_the_days_of_the_line(changes: dict[str, str], why: str) -> None:
    assert refused(row(**changes)) == why


def test_the_operators_price_is_left_to_the_reconciliation() -> None:
    assert refused(row(price="7", net="10.50", vat="1.68"), "operator") == ""
    assert refused(row(tariff="NO"), "operator") == "tariff: unknown tariff: NO"


@pytest.mark.parametrize(
    ("quantity", "net", "why"),
    [
        ("0.00005", "0.01", "quantity: more than 3 decimals: 0.00005"),
        ("0.004", "0.00", "net: not quantity x price: 0.01"),
        ("0.005", "0.01", ""),
        ("0.014", "0.01", ""),
        ("0.015", "0.02", ""),
        ("0.015", "0.01", "net: not quantity x price: 0.02"),
        ("0.015", "-0.02", "net: not quantity x price: 0.02"),
    ],
)
def test_the_sum_is_quantity_by_price_rounded_half_up(quantity: str, net: str, why: str) -> None:
    price = "1.25" if quantity == "0.004" else "1.00"
    one = row(tariff="SETUP", price=price, quantity=quantity, net=net, vat_rate="0", vat="0")

    assert refused(one) == why


def test_halves_of_a_correction_are_rounded_away_from_zero() -> None:
    taken_back = row(
        tariff="SETUP", price="1.00", quantity="-0.015", state="correction", corrects="L-0", vat_rate="0", vat="0"
    )

    assert refused(taken_back | {"net": "-0.02"}) == ""
    assert refused(taken_back | {"net": "-0.01"}) == "net: not quantity x price: -0.02"
    assert refused(taken_back | {"quantity": "-0.004", "net": "-0.00"}) == ""


@pytest.mark.clause("OCP-P4")
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"vat_rate": "16%"}, ""),
        ({"vat_rate": "0", "vat": "0"}, ""),
        ({"vat_rate": "0"}, "vat: not the sum x rate: 0.00"),
        ({"vat_rate": "12", "vat": "18"}, "vat_rate: neither 0 nor the rate of 2026-10-01"),
        ({"vat": "24.01"}, "vat: not the sum x rate: 24.00"),
        ({"vat": "-24"}, "vat: not the sum x rate: 24.00"),
        ({"vat_rate": "100.01"}, "vat_rate: not a rate: 100.01"),
        (
            {
                "state": "refunded",
                "corrects": "L-0",
                "from_": "2025-12-31",
                "to": "2025-12-31",
                "vat_rate": "12",
                "vat": "18",
            },
            "",
        ),
        (
            {
                "state": "refunded",
                "corrects": "L-0",
                "from_": "2026-01-01",
                "to": "2026-01-01",
                "vat_rate": "12",
                "vat": "18",
            },
            "vat_rate: neither 0 nor the rate of 2026-01-01",
        ),
    ],
)
def test_ocp_p4_vat_is_that_of_the_first_day_or_none(changes: dict[str, str], why: str) -> None:
    assert refused(row(**changes)) == why


@pytest.mark.parametrize(("net", "vat"), [("0.03", "0.00"), ("0.04", "0.01"), ("0.09", "0.01"), ("0.10", "0.02")])
def test_vat_is_rounded_to_the_nearest_tiyn(net: str, vat: str) -> None:
    one = row(tariff="SETUP", price=net, quantity="1", net=net, vat=vat)

    assert refused(one) == ""
    assert refused(one | {"vat": "0.03"}) == f"vat: not the sum x rate: {vat}"


@pytest.mark.parametrize(
    "text",
    [
        "2026-10-1",
        "1.10.2026",
        "2026-02-30",
        "31.09.2026",
        "2026/10/01",
        "20261001",
        "46296",
        "",
        "2026-10-01T00:00",
        "0000-01-01",
        "01.10.26",
        "２026-10-01",
    ],
)
def test_a_day_is_written_in_two_ways_only(text: str) -> None:
    assert refused(row(from_=text)).startswith("from: ")


@pytest.mark.parametrize(
    ("key", "most"),
    [("line", 64), ("invoice", 64), ("customer", 254), ("cart", 64), ("service", 200), ("corrects", 64)],
)
def test_texts_have_a_length_after_trimming(key: str, most: int) -> None:
    one = row(state="refunded", corrects="L-0")
    assert refused(one | {key: f" \u00a0{'ё' * most}\t"}) == ""
    assert refused(one | {key: "ё" * (most + 1)}) == f"{key}: {most + 1} characters, at most {most}"
    expected = "" if key in {"cart", "corrects"} else f"{key}: empty"
    assert refused(one | {key: " \u00a0 "}) == expected


@pytest.mark.parametrize("char", ["\x00", "\t", "\n", "\x7f", "\x85", "\u200b", "\u202e", "\u2028", "\ufeff", "\ue000"])
def test_control_and_invisible_characters_are_refused(char: str) -> None:
    for key in ("line", "customer", "service", "cart"):
        assert f"{key}: a control or invisible character (U+{ord(char):04X})" in refused(row(**{key: f"a{char}b"}))


def test_names_of_any_script_are_taken() -> None:
    for name in ("Қазақтелеком Әліп", "Žižek – «Ł»", "株式会社", "a\u00a0b", "№ 1 “x”"):
        assert check([row(customer=name)])[0]["customer"].to_pylist() == [name]


def test_the_currency_is_tenge_or_unsaid() -> None:
    assert refused(row(currency="")) == refused(row(currency="kzt ")) == ""
    assert refused(row(currency="RUB")) == "currency: other currency: RUB"


def test_a_row_may_have_many_faults_in_the_order_of_the_columns() -> None:
    assert refused(row(line="", to="x", quantity="-1", net="1e5", currency="USD")).split("; ") == [
        "line: empty",
        "to: not a day: x",
        "quantity: negative",
        "only a correction takes back",
        "net: not a number: 1e5",
        "currency: other currency: USD",
    ]


def test_without_any_tariff_every_line_is_refused() -> None:
    columns = {key: pa.array([text]) for key, text in row().items()}
    none = TariffTable(tariff=())

    _, found = Quick(Checks("2026-10", none, "ours"), none).check(Batch(np.array([2]), columns))

    assert [(one.column, one.reason) for one in found] == [("tariff", "unknown tariff: TV")]


def test_the_quick_way_takes_ordinary_lines_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Checks, "line", lambda *_: pytest.fail("an ordinary line was checked by itself"))

    assert check(some_rows()[:7])[0].num_rows == 7


def test_characters_that_the_quick_way_takes_are_taken_one_by_one() -> None:
    every = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    quickly = pa.compute.match_substring_regex(pa.array(every), f"^{quick.PLAIN}$").to_pylist()
    taken = [char for char, good in zip(every, quickly, strict=True) if good]

    assert len(taken) > 700
    assert all(words(f"a{char}b", 1, 9) for char in taken)


def _decimal(text: str, places: int) -> Decimal | None:
    """An independent reading of plain decimal text."""
    try:
        value = Decimal(text.replace(",", "."))
    except InvalidOperation:
        return None
    plain = all(char in "0123456789.,-" for char in text)
    exact = value.is_finite() and int(value.as_tuple().exponent) >= -places
    return value if plain and exact and abs(value) < 10**15 else None


def _holds(one: Row, side: Side) -> bool:
    """An independent verdict, for the rows that `_rows` makes."""
    quantity, price = _decimal(one["quantity"], 3), _decimal(one["price"], 2)
    net, vat, rate = _decimal(one["net"], 2), _decimal(one["vat"], 2), _decimal(one["vat_rate"], 2)
    try:
        begins, ends = date.fromisoformat(one["from"]), date.fromisoformat(one["to"])
    except ValueError:
        return False
    if (
        quantity is None
        or price is None
        or net is None
        or vat is None
        or rate is None
        or one["tariff"] not in {"TV", "SETUP"}
    ):
        return False
    tiyn = Decimal("0.01")
    signed = one["state"] == "correction"
    prices = {Decimal(100)} if begins < date(2026, 10, 16) else set()
    prices |= {Decimal("120.05")} if ends >= date(2026, 10, 16) else set()
    month = (begins.year, begins.month)
    return (
        begins <= ends
        and month == (ends.year, ends.month)
        and (month <= (2026, 10) if one["corrects"] else month == (2026, 10))
        and (one["state"] in {"refunded", "correction"} if one["corrects"] else not signed)
        and one["corrects"] != one["line"]
        and one["line"].isascii()
        and bool(one["line"])
        and (quantity != 0 if signed else quantity > 0)
        and price >= 0
        and begins >= (date(2025, 3, 10) if one["tariff"] == "TV" else date(2024, 1, 1))
        and (side == "operator" or one["tariff"] == "SETUP" or price in prices)
        and net == (quantity * price).quantize(tiyn, ROUND_HALF_UP)
        and rate in {0, 12 if begins.year < 2026 else 16}
        and vat == (net * rate / 100).quantize(tiyn, ROUND_HALF_UP)
    )


_DAYS = st.sampled_from(
    [
        "2026-10-01",
        "2026-10-15",
        "2026-10-16",
        "2026-10-31",
        "2026-09-30",
        "2026-11-01",
        "2025-12-31",
        "2025-03-09",
        "2025-03-10",
        "2026-10-32",
        "x",
    ]
)
_AMOUNTS = st.one_of(
    st.sampled_from(
        ["0", "0.00", "-0.00", "1e2", "NaN", "99999999999999.99", "21474836.47", "21474836.48", "100.00", "120.05"]
    ),
    st.decimals(-1000, 1000, places=2).map(str),
    st.decimals(-(10**16), 10**16, places=2).map(lambda value: f"{value:f}"),
    st.decimals(-10, 10, places=3).map(str),
)


@st.composite
def _rows(draw: st.DrawFn) -> Row:
    """A row whose sums fit, mostly, and of which up to three cells are then changed."""
    days = sorted((draw(_DAYS), draw(_DAYS)))
    price = draw(st.one_of(st.sampled_from(["100.00", "120.05"]), st.decimals(0, 10**12, places=2).map(str)))
    quantity = draw(st.one_of(st.decimals(-10, 10, places=3), st.decimals(1, 10**4, places=0), st.just(Decimal(1))))
    tiyn = Decimal("0.01")
    net = (quantity * Decimal(price)).quantize(tiyn, ROUND_HALF_UP)
    rate = draw(st.sampled_from(["16", "12", "0"]))
    one = row(
        line=draw(st.sampled_from(["L-1", "L-2", "\u200b"])),
        from_=days[0],
        to=days[1],
        price=price,
        quantity=str(quantity),
        net=str(net),
        vat=str((net * int(rate) / 100).quantize(tiyn, ROUND_HALF_UP)),
        vat_rate=rate,
        tariff=draw(st.sampled_from(["TV", "SETUP", "NO"])),
        corrects=draw(st.sampled_from(["", "", "L-1"])),
        state=draw(st.sampled_from(["issued", "paid", "cancelled", "refunded", "correction"])),
    )
    for key in draw(
        st.lists(st.sampled_from(["quantity", "price", "net", "vat", "vat_rate", "from", "to"]), max_size=2)
    ):
        one[key] = draw(_DAYS if key in {"from", "to"} else _AMOUNTS)
    return one


@given(st.lists(_rows(), min_size=1, max_size=8), st.sampled_from(["ours", "operator"]))
def test_lines_together_are_judged_as_an_independent_reading_judges_each(rows: list[Row], side: Side) -> None:
    _, faults = check(rows, side)

    assert {at for at, _, _ in faults} == {at for at, one in enumerate(rows, 2) if not _holds(one, side)}


@given(st.lists(_rows(), min_size=1, max_size=8), st.sampled_from(["ours", "operator"]))
def test_what_is_taken_quickly_is_what_one_by_one_gives(rows: list[Row], side: Side) -> None:
    checks = Checks("2026-10", TARIFFS, side)
    columns = {key: pa.array([one[key] for one in rows], pa.string()) for key in KEYS}

    taken, good = Quick(checks, TARIFFS).accept(columns, len(rows))

    for at, one in enumerate(rows):
        if good[at]:
            line, _ = checks.line(one)
            assert line is not None
            quickly = {name: taken[name][at] for name in line._fields}
            assert {k: v.as_py() if isinstance(v, pa.Scalar) else v for k, v in quickly.items()} == line._asdict()
