"""CSV is read strictly: what a lenient reader would guess about is refused with its row."""

from __future__ import annotations

import codecs
import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.errors import Refused
from blocks.lines import csv_text
from blocks.lines.csv_form import strict, widths
from tests.unit.lines.lists import KEYS, faults, lines, read, row, some_rows, write_csv

HEAD = ",".join(KEYS).encode() + b"\n"


def raw(**changes: str) -> bytes:
    """A good row as bytes; no cell is quoted."""
    return ",".join(row(**changes).values()).encode() + b"\n"


def refusal(source: Path) -> str:
    """Why a file is no list."""
    with pytest.raises(Refused) as refused:
        read(source)
    assert refused.value.reason == "unreadable"
    return str(refused.value)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ('a"b', "a quote inside a cell that does not begin with one"),
        ('"a"b', "text after a closing quote"),
        ('"a" ', "text after a closing quote"),
        (' "a"', "a quote inside a cell that does not begin with one"),
        ('"a', "a quote that is never closed"),
        ("a\rb", "a carriage return that ends no line"),
        ('"a""', "a quote that is never closed"),
    ],
)
def test_loose_quotes_and_carriage_returns_are_refused_with_their_row(tmp_path: Path, cell: str, reason: str) -> None:
    (tmp_path / "list").write_bytes(HEAD + raw() + raw(line="L-2", customer='"x\n"",y"', cart=cell) + raw(line="L-3"))

    told = faults(tmp_path / "list")

    assert told == [(3, "", reason)]


def test_a_quote_left_open_in_the_middle_is_told_where_it_opens(tmp_path: Path) -> None:
    rows = [raw(line=f'"L-{number}"') for number in range(20)]
    rows[7] = raw(line='"L-7')
    rows[3] = raw(line="L-3", vat="1")
    (tmp_path / "list").write_bytes(HEAD + b"".join(rows))

    assert faults(tmp_path / "list") == [(5, "vat", "not the sum x rate: 24.00"), (9, "", "text after a closing quote")]


@pytest.mark.parametrize("size", [csv_text.PIECE, 400, 250])
def test_uneven_rows_are_told_and_the_others_checked_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(csv_text, "PIECE", size)
    body = raw() + b"L-2,INV-2\n" + raw(line="L-3", vat="1") + b"\n" + raw(line="L-5")[:-1] + b",\n" + raw(line="L-6")
    (tmp_path / "list").write_bytes(HEAD + body)

    assert faults(tmp_path / "list") == [
        (3, "", "2 cells, and the heading has 16"),
        (4, "vat", "not the sum x rate: 24.00"),
        (5, "", "the row is empty"),
        (6, "", "17 cells, and the heading has 16"),
    ]


def test_an_empty_row_is_told_unless_only_empty_ones_follow(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(HEAD + raw() + b"\n" + raw(line="L-2") + b"\r\n\n\r\n")

    assert faults(tmp_path / "list") == [(3, "", "the row is empty")]

    (tmp_path / "list").write_bytes(HEAD + raw() + raw(line="L-2") + b"\r\n\n\r\n")
    assert read(tmp_path / "list").lines == 2


def test_empty_rows_at_the_end_are_left_out_wherever_a_piece_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "list").write_bytes(HEAD + raw() + raw(line="L-2") + b"\n\r\n\n\n")
    for size in range(2 * len(raw()) - 2, 2 * len(raw()) + 12):
        monkeypatch.setattr(csv_text, "PIECE", size)
        assert read(tmp_path / "list").lines == 2


def test_endless_empty_rows_are_told_instead_of_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "list").write_bytes(HEAD + raw() + b"\n" * 4000)
    monkeypatch.setattr(csv_text, "PIECE", 1000)
    source = csv_text.open_csv(tmp_path / "list")
    assert len(list(source.batches())) < 10


def test_a_row_longer_than_a_piece_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_text, "PIECE", 400)
    (tmp_path / "list").write_bytes(HEAD + raw() + raw(line="L-2", price="0" * 300 + "100.00") + raw(line="L-3"))

    assert faults(tmp_path / "list") == [(3, "", "the row does not end within 4 MB")]


def test_a_line_break_in_quotes_belongs_to_the_row(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(HEAD + raw(customer='"a\r\n,b"') + raw(line="L-2", vat="x"))

    assert faults(tmp_path / "list") == [
        (2, "customer", "a control or invisible character (U+000D)"),
        (3, "vat", "not a number: x"),
    ]


def test_a_piece_never_ends_inside_quotes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [raw(line=f"L-{number}", customer='"a\n\n""b"') for number in range(9)]
    (tmp_path / "list").write_bytes(HEAD + b"".join(rows))
    for size in range(2 * len(rows[0]), 3 * len(rows[0]), 3):
        monkeypatch.setattr(csv_text, "PIECE", size)
        assert [(at, column) for at, column, _ in faults(tmp_path / "list")] == [
            (at, "customer") for at in range(2, 11)
        ]


def test_quoted_cells_keep_what_stands_in_them(tmp_path: Path) -> None:
    read(write_csv(tmp_path / "list", [row(customer='ТОО "Ёж", филиал; "2"')]))

    assert lines(tmp_path)[0]["customer"] == 'ТОО "Ёж", филиал; "2"'


def test_a_mark_of_byte_order_inside_the_list_is_no_mark(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(HEAD + b"\xef\xbb\xbf" + raw())

    assert faults(tmp_path / "list") == [(2, "line", "a control or invisible character (U+FEFF)")]


def test_windows_1251_is_told_from_the_whole_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blocks.lines.csv_form._PIECE", 512)
    rows = [row(line=f"L-{number}", customer="ascii", service="tv") for number in range(20)]
    read(write_csv(tmp_path / "list", [*rows, row(line="L-x", customer="Её")], encoding="cp1251"))

    assert lines(tmp_path)[-1]["customer"] == "Её"


def test_damaged_utf8_is_not_taken_for_windows_1251(tmp_path: Path) -> None:
    body = HEAD + b"".join(raw(line=f"L-{number}") for number in range(20))
    (tmp_path / "list").write_bytes(body + raw(line="L-x").replace("Ё".encode(), b"\xd0"))
    assert refusal(tmp_path / "list") == "line 22: a byte that is not UTF-8 in a text that is"

    (tmp_path / "list").write_bytes(codecs.BOM_UTF8 + HEAD + raw(customer="A", service="A") + b"\xff\n")
    assert refusal(tmp_path / "list") == "line 3: a byte that is not UTF-8 in a text that is"

    (tmp_path / "list").write_bytes(body + "Ё".encode()[:1])
    assert refusal(tmp_path / "list") == "line 22: a byte that is not UTF-8 in a text that is"


def test_a_byte_of_no_encoding_is_told_with_its_row(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(HEAD + raw(customer="x", service="y") + b"\xcf\xf0\x98")

    assert faults(tmp_path / "list") == [(3, "", "a byte that is neither UTF-8 nor Windows-1251")]

    (tmp_path / "list").write_bytes(HEAD + raw(customer="x", service="y", vat="1") + b"\xcf\xf0\x98")
    assert [at for at, _, _ in faults(tmp_path / "list")] == [2, 3]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "the file is empty"),
        ((HEAD + raw()).decode().encode("utf-16"), "the text is UTF-16: save it as UTF-8"),
        ((HEAD + raw()).decode().encode("utf-16-le"), "line 1: a NUL byte"),
        (HEAD + raw() + raw(cart="a\0b"), "line 3: a NUL byte"),
        (b'"line,invoice\n', "row 1: a quote that is never closed"),
        (b"x" * 70_000, "row 1: not a heading"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old or a protected workbook"),
    ],
)
def test_what_is_no_list_is_refused_in_words(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "list").write_bytes(content)

    assert refusal(tmp_path / "list").startswith(why)


@given(st.text(alphabet='a,;"\n\r', max_size=14))
def test_strict_is_exactly_the_grammar_of_csv(text: str) -> None:
    """An independent reading of the grammar, character by character."""
    text += "\n"
    place, width, counted = 0, 1, []
    good = True
    while good and place < len(text):
        if text[place] == '"':
            place += 1
            while place < len(text) and (text[place] != '"' or text[place + 1 : place + 2] == '"'):
                place += 2 if text[place] == '"' else 1
            good = place < len(text)
            place += 1
        else:
            while place < len(text) and text[place] not in ',\n"' and text[place : place + 2] != "\r\n":
                good = good and text[place] != "\r"
                place += 1
        end = text[place : place + 2]
        if end[:1] == ",":
            width += 1
            place += 1
        elif end[:1] == "\n" or end == "\r\n":
            counted.append(width)
            width, place = 1, place + 1 + (end == "\r\n")
        else:
            good = False

    assert (strict(text.encode(), ",") is None) is good
    if good:
        assert widths(text.encode(), ",")[1].tolist() == counted


@given(st.lists(st.lists(st.text(alphabet='aя,"\n ', max_size=4), min_size=16, max_size=16), min_size=1, max_size=4))
def test_cells_come_out_as_they_were_written(rows: list[list[str]]) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    held = csv_text.CsvList(Path(), "utf-8", 0, ",", KEYS)

    batch = held.parsed(out.getvalue().encode(), 2)

    columns = [column.to_pylist() for column in batch.columns.values()]
    assert [list(one) for one in zip(*columns, strict=True)] == rows


def test_decimal_commas_thousands_and_russian_days_mean_the_same(tmp_path: Path) -> None:
    rows = [{**one, "net": f"{float(one['net']):,.2f}".replace(",", "\u00a0")} for one in some_rows()[:7]]
    expected = read(write_csv(tmp_path / "plain", some_rows()[:7])).parquet_sha256

    assert rows[6]["net"] == "98\u00a0765.43"
    assert read(write_csv(tmp_path / "list", rows, delimiter=";")).parquet_sha256 == expected
