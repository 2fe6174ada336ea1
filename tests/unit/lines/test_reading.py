"""A list of invoice lines is taken whole in any of its forms, or not at all."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from blocks.errors import Refused
from blocks.lines import csv_text, parquet_lists, writing
from blocks.lines.columns import SCHEMA
from blocks.lines.faults import BadList
from blocks.lines.parquet_lists import ParquetList
from blocks.lines.reading import read_list
from tests.unit.lines.lists import (
    KEYS,
    RUSSIAN,
    TARIFFS,
    faults,
    lines,
    read,
    row,
    some_rows,
    write_csv,
    write_parquet,
    write_xlsx,
)


def test_the_canonical_form_holds_what_the_list_says_in_whole_tiyn(tmp_path: Path) -> None:
    taken = read(write_csv(tmp_path / "list", some_rows()))

    assert taken.lines == 8
    assert lines(tmp_path)[0] == {
        "line": "L-1", "invoice": "INV-1", "customer": "Пётр «Ёж» ТОО", "cart": "c-1", "service": "Телевидение",
        "tariff": "TV", "begins_on": date(2026, 10, 1), "ends_on": date(2026, 10, 15), "quantity_milli": 1500,
        "price_minor": 10_000, "net_minor": 15_000, "vat_bp": 1600, "vat_minor": 2400, "state": "issued",
        "corrects": "",
    }  # fmt: skip
    assert [line["net_minor"] for line in lines(tmp_path)][5:] == [-15_000, 9_876_543, 99_999_899_999_999_000]
    assert pq.read_schema(tmp_path / "canonical.parquet").equals(SCHEMA)


def test_a_formula_in_a_name_is_ordinary_text(tmp_path: Path) -> None:
    read(write_csv(tmp_path / "list", some_rows()))

    assert lines(tmp_path)[2]["customer"] == '=cmd|"/c calc"!A1; ТОО, два'


def test_every_form_of_a_list_gives_the_same_bytes(tmp_path: Path) -> None:
    rows = some_rows()
    forms = [
        write_csv(tmp_path / "utf8", rows),
        write_csv(tmp_path / "bom", rows, encoding="utf-8-sig"),
        write_csv(tmp_path / "excel", rows, encoding="cp1251", delimiter=";", heads=RUSSIAN),
        write_parquet(tmp_path / "parquet", rows),
        write_xlsx(tmp_path / "xlsx", rows),
    ]

    taken = [read(form) for form in forms]
    again = read(Path(tmp_path, "canonical.parquet").rename(tmp_path / "ours"))

    assert {one.parquet_sha256 for one in taken} == {again.parquet_sha256} == {again.sha256}
    assert len({one.sha256 for one in taken}) == len(forms)


def test_how_a_file_is_cut_into_pieces_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "GROUP", 16)
    rows = [row(line=f"L-{number}", customer=f"Клиент; «{number % 7}»") for number in range(100)]
    text, parquet = write_csv(tmp_path / "csv", rows, delimiter=";"), write_parquet(tmp_path / "parquet", rows)
    whole = read(text)
    for size in (700, 997, 2048):
        monkeypatch.setattr(csv_text, "PIECE", size)
        assert read(text).parquet_sha256 == whole.parquet_sha256
    monkeypatch.setattr(parquet_lists, "_ROWS", 13)

    assert read(parquet).parquet_sha256 == whole.parquet_sha256
    assert pq.ParquetFile(tmp_path / "canonical.parquet").num_row_groups == 7


def test_in_what_portions_lines_are_written_changes_no_byte(tmp_path: Path) -> None:
    read(write_csv(tmp_path / "list", [row(line=f"L-{number}", cart=f"{number % 900}") for number in range(9000)]))
    whole = pq.read_table(tmp_path / "canonical.parquet")
    for portion in (10, 777, 3000):
        with writing.canonical_file(tmp_path / "again") as file:
            for start in range(0, 9000, portion):
                file.add(whole.slice(start, portion))
        assert (tmp_path / "again").read_bytes() == (tmp_path / "canonical.parquet").read_bytes()


def test_a_list_without_lines_is_a_list(tmp_path: Path) -> None:
    for source in (
        write_csv(tmp_path / "csv", []),
        write_xlsx(tmp_path / "xlsx", []),
        write_parquet(tmp_path / "pq", []),
    ):
        assert read(source).lines == 0
        assert pq.read_table(tmp_path / "canonical.parquet").equals(SCHEMA.empty_table())


def test_optional_columns_may_be_left_out(tmp_path: Path) -> None:
    full = read(write_csv(tmp_path / "full", [row(cart="")]))
    rows = [[one for key, one in row().items() if key not in {"cart", "corrects", "currency"}]]
    heads = [key for key in KEYS if key not in {"cart", "corrects", "currency"}]
    (tmp_path / "short").write_text("\n".join(",".join(one) for one in [heads, *rows]), "utf-8")

    assert read(tmp_path / "short").parquet_sha256 == full.parquet_sha256


def test_headings_stand_in_any_order_and_case(tmp_path: Path) -> None:
    heads = [" Счет", "СТРОКА", *(name.upper() for name in RUSSIAN[2:])]
    values = list(row().values())
    text = ";".join(heads) + "\n" + ";".join([values[1], values[0], *values[2:]])
    (tmp_path / "list").write_text(text, "utf-8")

    read(tmp_path / "list")

    assert lines(tmp_path)[0]["line"] == "L-1"


@pytest.mark.parametrize(
    ("heads", "named"),
    [
        (("line", "stuff", *KEYS[2:]), "unknown headings: 'stuff'"),
        (("line", "строка", *KEYS[2:]), "twice: line"),
        (KEYS[:-3], "missing headings: state"),
        (("", *KEYS[1:]), "without a heading"),
    ],
)
def test_wrong_headings_are_named(tmp_path: Path, heads: tuple[str, ...], named: str) -> None:
    (tmp_path / "list").write_text(",".join(heads), "utf-8")

    with pytest.raises(Refused, match=named) as refused:
        read(tmp_path / "list")
    assert refused.value.reason == "headings"


def test_every_fault_is_told_with_its_row_and_nothing_is_left(tmp_path: Path) -> None:
    rows = [row(), row(line="L-2", price="1.005", state="новый"), row(line="L-3", tariff="NO"), row(line="L-4")]

    assert faults(write_csv(tmp_path / "list", rows)) == [
        (3, "price", "more than 2 decimals: 1.005"),
        (3, "state", "unknown state: новый"),
        (4, "tariff", "unknown tariff: NO"),
    ]


def test_a_refused_list_does_not_touch_the_one_before(tmp_path: Path) -> None:
    read(write_csv(tmp_path / "list", [row()]))
    before = (tmp_path / "canonical.parquet").read_bytes()

    assert faults(write_csv(tmp_path / "list", [row(net="1.00")]))
    assert (tmp_path / "canonical.parquet").read_bytes() == before


def test_the_first_thousand_faults_are_told_and_all_are_counted(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "list", [row(line=f"L-{number}", vat="1.00") for number in range(1500)])

    with pytest.raises(BadList, match=r"^1500 faults.*row 2, vat") as bad:
        read(source)
    assert bad.value.count == 1500
    assert [one.row for one in bad.value.faults] == list(range(2, 1002))


def test_a_line_of_ours_stands_once_and_both_rows_are_named(tmp_path: Path) -> None:
    rows = [row(), row(line="L-2"), row(line=" L-1 "), row(line="L-3"), row(line="L-1")]
    source = write_csv(tmp_path / "list", rows)

    assert faults(source) == [(4, "line", "the same id as in row 2"), (6, "line", "the same id as in row 2")]
    assert read(source, side="operator").lines == 5


def test_repeated_lines_are_told_among_other_faults_in_the_order_of_the_file(tmp_path: Path) -> None:
    rows = [row(), row(line=""), row(), row(line=""), row(line="L-5", vat="9")]

    told = faults(write_csv(tmp_path / "list", rows))

    assert [(at, column) for at, column, _ in told] == [(3, "line"), (4, "line"), (5, "line"), (6, "vat")]


def test_more_than_a_thousand_repeated_lines_are_counted(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "list", [row(line=f"L-{number % 700}") for number in range(2200)])

    with pytest.raises(BadList) as bad:
        read(source)
    assert bad.value.count == 1500
    assert [one.row for one in bad.value.faults] == list(range(702, 1702))


def test_repeated_lines_and_other_faults_together_are_the_first_thousand(tmp_path: Path) -> None:
    rows = [row(line=f"L-{number % 900}", vat="1" if number < 900 else "24.00") for number in range(1100)]

    with pytest.raises(BadList) as bad:
        read(write_csv(tmp_path / "list", rows))
    assert bad.value.count == 1100
    assert [one.row for one in bad.value.faults] == list(range(2, 1002))


def test_progress_is_told_on_long_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blocks.lines.reading._TOLD", 40)
    monkeypatch.setattr(parquet_lists, "_ROWS", 30)
    source = write_parquet(tmp_path / "list", [row(line=f"L-{number}") for number in range(100)])
    told: list[str] = []

    read_list(
        source, tmp_path / "out", month="2026-10", tariffs=TARIFFS, side="ours", scratch=tmp_path, tell=told.append
    )

    assert told == ["60 rows read", "90 rows read"]


def test_a_truncated_parquet_file_is_refused(tmp_path: Path) -> None:
    whole = write_parquet(tmp_path / "list", some_rows()).read_bytes()
    for kept in (4, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut").write_bytes(whole[:kept])
        with pytest.raises(Refused, match="cut off or damaged") as refused:
            read(tmp_path / "cut")
        assert refused.value.reason == "unreadable"
    assert not (tmp_path / "canonical.parquet").exists()


def test_a_parquet_file_damaged_in_its_pages_is_refused(tmp_path: Path) -> None:
    whole = bytearray(write_parquet(tmp_path / "list", some_rows()).read_bytes())
    whole[4:200] = bytes(196)
    (tmp_path / "list").write_bytes(whole)

    with pytest.raises(Refused, match="cut off or damaged"):
        read(tmp_path / "list")


@pytest.mark.parametrize(
    ("key", "kind", "named"),
    [
        ("price", pa.float64(), "price: a float cannot hold money"),
        ("price", pa.decimal128(20, 3), "price: cannot be decimal"),
        ("from", pa.timestamp("us"), "from: cannot be timestamp"),
        ("line", pa.binary(), "line: cannot be binary"),
        ("net", pa.bool_(), "net: cannot be bool"),
    ],
)
def test_types_that_cannot_hold_a_column_exactly_are_refused(
    tmp_path: Path, key: str, kind: pa.DataType, named: str
) -> None:
    table = pq.read_table(write_parquet(tmp_path / "list", some_rows()))
    table = table.set_column(KEYS.index(key), key, pa.nulls(table.num_rows, kind))
    pq.write_table(table, tmp_path / "list")

    with pytest.raises(Refused, match=named):
        read(tmp_path / "list")


def test_other_exact_types_of_parquet_mean_the_same(tmp_path: Path) -> None:
    rows = some_rows()[:3]
    expected = read(write_parquet(tmp_path / "list", rows)).parquet_sha256
    table = pq.read_table(tmp_path / "list")
    for key, kind in {
        "customer": pa.large_string(), "cart": pa.string_view(), "vat_rate": pa.int8(), "net": pa.decimal256(40, 2),
        "from": pa.string(), "price": pa.string(), "service": pa.dictionary(pa.int32(), pa.string()),
    }.items():  # fmt: skip
        table = table.set_column(KEYS.index(key), key, table[key].cast(kind))
    empty = pa.array([None, "", None], pa.string())
    table = table.set_column(KEYS.index("corrects"), "corrects", empty).set_column(
        KEYS.index("currency"), "currency", pa.nulls(3)
    )
    pq.write_table(table, tmp_path / "list")

    assert read(tmp_path / "list").parquet_sha256 == expected


def test_a_null_stands_in_optional_columns_only(tmp_path: Path) -> None:
    table = pq.read_table(write_parquet(tmp_path / "list", some_rows()[:2]))
    for key in ("customer", "net", "from", "cart"):
        table = table.set_column(KEYS.index(key), key, pa.array([table[key][0].as_py(), None], table[key].type))
    pq.write_table(table, tmp_path / "list")

    assert faults(tmp_path / "list") == [(2, "customer", "null"), (2, "from", "null"), (2, "net", "null")]


@pytest.mark.parametrize("key", ["customer", "service", "tariff", "from", "quantity", "vat", "state", "currency"])
def test_a_huge_text_named_by_many_rows_is_refused_before_it_is_unfolded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    table = pq.read_table(write_parquet(tmp_path / "list", [row(line=f"L-{number}") for number in range(100)]))
    table = table.set_column(KEYS.index(key), key, pa.array(["x" * 70_000] * 100))
    pq.write_table(table, tmp_path / "list")
    monkeypatch.delattr(ParquetList, "_batch")

    with pytest.raises(Refused, match="a text of more than"):
        read(tmp_path / "list")
