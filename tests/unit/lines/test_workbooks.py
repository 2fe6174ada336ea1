"""A workbook is opened only when it is safe to, and its cells are taken only when they are exact."""

from __future__ import annotations

import json
import re
import resource
import zipfile
import zlib
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter

from blocks.errors import Refused
from blocks.lines import sheet_cells, sheets, workbook_guard
from blocks.lines.sheet_cells import cell
from tests.unit.lines.lists import KEYS, RUSSIAN, faults, lines, read, row, some_rows, write_xlsx

SHEET = "xl/worksheets/sheet1.xml"


def write(path: Path, rows: list[list[Any]], **formats: str) -> Path:
    """A workbook of bare cells, with a number format for some columns."""
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        for at, values in enumerate(rows):
            for place, value in enumerate(values):
                form = formats.get(KEYS[place]) if at and place < len(KEYS) else None
                sheet.write(at, place, value, book.add_format({"num_format": form}) if form else None)
    return path


def repacked(source: Path, change: Callable[[str, bytes], bytes], *, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """The workbook with its members changed."""
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(source, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, change(name, content))
    return source


def refusal(source: Path) -> str:
    """Why a workbook is no list."""
    before = set(source.parent.iterdir())
    with pytest.raises(Refused) as refused:
        read(source)
    assert refused.value.reason == "unreadable"
    assert set(source.parent.iterdir()) == before
    return str(refused.value)


def test_a_zip_bomb_is_refused_before_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook_guard, "MAX_UNPACKED", 8 * 1024 * 1024)
    source = write_xlsx(tmp_path / "list", some_rows())
    repacked(source, lambda name, content: content + b" " * 9_000_000 if name == SHEET else content)
    assert source.stat().st_size < 100_000

    assert refusal(source) == "the workbook unpacks to more than 8 MB"


def test_a_zip_bomb_that_lies_about_its_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook_guard, "MAX_UNPACKED", 8 * 1024 * 1024)
    source = write_xlsx(tmp_path / "list", some_rows())
    repacked(source, lambda name, content: content + b" " * 5_000_000 if name == SHEET else content)
    with zipfile.ZipFile(source) as archive:
        size, crc = archive.getinfo(SHEET).file_size, archive.getinfo(SHEET).CRC
        lie = archive.read(SHEET)[:100]
    told = source.read_bytes().replace(size.to_bytes(4, "little"), (100).to_bytes(4, "little"))
    source.write_bytes(told.replace(crc.to_bytes(4, "little"), zlib.crc32(lie).to_bytes(4, "little")))
    with zipfile.ZipFile(source) as archive:
        assert archive.read(SHEET) == lie

    assert refusal(source) == f"{SHEET} is not as long as the workbook says"


@pytest.mark.parametrize("place", ["XFD1048576", "AA5", "Z1050000", "A9999999", "b99999999", "1050000"])
def test_a_cell_far_away_is_refused_before_room_is_made_for_all_between(tmp_path: Path, place: str) -> None:
    source = write_xlsx(tmp_path / "list", some_rows())
    kind = "row" if place.isdigit() else "c"
    far = f"<{kind} r = '{place}'/>".encode()
    repacked(source, lambda _, content: content.replace(b"</sheetData>", far + b"</sheetData>"))

    assert refusal(source) == "the sheet has cells beyond column Z or row 1048576"


@pytest.mark.parametrize("piece", [1, 7, 64])
def test_what_is_looked_for_in_a_sheet_is_found_across_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(workbook_guard, "_PIECE", piece)
    source = write(tmp_path / "list", [list(KEYS), list(row().values()), [*["x"] * 13, "=1/0"]])
    repacked(source, lambda _, content: content.replace(b'r="N3"', b'r="N3" t="e"').replace(b' t="e" t="e"', b' t="e"'))
    assert workbook_guard.look_through(source) == [(3, 13)]

    repacked(source, lambda _, content: content.replace(b'r="N3"', b'r="AB3"'))
    with pytest.raises(Refused, match="beyond column Z"):
        workbook_guard.look_through(source)


def test_a_workbook_that_takes_too_much_memory_ends_its_own_process_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_xlsx(tmp_path / "list", some_rows())
    monkeypatch.setattr(sheets, "_MODULE", "tests.unit.lines.greedy")

    assert refusal(source) == "the workbook is damaged, or needs more memory than a list of lines may"


def test_a_workbook_that_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "_SECONDS", 0.001)

    assert refusal(write_xlsx(tmp_path / "list", some_rows())) == "the workbook takes too long to read"


def test_a_workbook_cut_off_or_damaged_is_refused(tmp_path: Path) -> None:
    source = write_xlsx(tmp_path / "list", some_rows())
    whole = source.read_bytes()
    source.write_bytes(whole[: len(whole) // 2])
    assert refusal(source).startswith("the workbook is cut off or damaged")

    source.write_bytes(whole)
    repacked(source, lambda name, content: content[: len(content) // 2] if name == SHEET else content)
    assert refusal(source).startswith("the workbook is damaged")


def test_other_archives_and_workbooks_with_macros_or_passwords_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "list", "w") as archive:
        archive.writestr("readme.txt", "x")
    assert refusal(tmp_path / "list") == "a ZIP archive that is not an XLSX workbook"

    source = write_xlsx(tmp_path / "list", some_rows())
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr("xl/vbaProject.bin", "x")
    assert refusal(source) == "the workbook has macros: save it as XLSX"

    source = repacked(write_xlsx(tmp_path / "list", some_rows()), lambda _, content: content, method=zipfile.ZIP_LZMA)
    assert refusal(source) == "the workbook is packed in an unusual way"

    whole = bytearray(write_xlsx(source, some_rows()).read_bytes())
    whole[whole.index(b"PK\x01\x02") + 8] |= 1
    source.write_bytes(whole)
    assert refusal(source) == "the workbook is encrypted"


def test_a_member_that_stands_twice_is_refused(tmp_path: Path) -> None:
    source = write_xlsx(tmp_path / "list", some_rows())
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr(SHEET.upper(), "<x/>")

    assert refusal(source) == "the workbook has a member twice"


def test_very_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook_guard, "MAX_MEMBERS", 5)

    assert "members, at most 5" in refusal(write_xlsx(tmp_path / "list", some_rows()))


def test_one_sheet_holds_the_list_and_the_others_nothing(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(tmp_path / "list") as book:
        book.add_worksheet("Строки").write_row(0, 0, KEYS)
        book.add_worksheet("Итоги").write(3, 3, "x")
    assert refusal(tmp_path / "list").endswith("with data: Строки, Итоги")

    with xlsxwriter.Workbook(tmp_path / "list") as book:
        book.add_worksheet()
    assert refusal(tmp_path / "list").endswith("with data: none")


def test_error_values_are_faults_even_where_a_cell_may_be_empty(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(tmp_path / "list") as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, KEYS)
        for at in (1, 2, 3):
            sheet.write_row(at, 0, row(line=f"L-{at}").values())
        sheet.write_formula(2, KEYS.index("corrects"), "=NA()", None, "#N/A")
        sheet.write_formula(3, KEYS.index("line"), "=1/0", None, "#DIV/0!")
        sheet.write_formula(5, 20, "=1/0", None, "#DIV/0!")

    assert faults(tmp_path / "list") == [
        (3, "corrects", "an error value of a formula"),
        (4, "line", "an error value of a formula"),
        (6, "", "an error value of a formula"),
    ]


def test_an_error_value_without_a_place_is_not_taken_for_an_empty_cell(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(tmp_path / "list") as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, KEYS)
        sheet.write_row(1, 0, row(state="refunded").values())
        sheet.write_formula(1, KEYS.index("corrects"), "=NA()", None, "#N/A")
    repacked(tmp_path / "list", lambda _, content: re.sub(rb' r="[A-Z]+[0-9]+"', b"", content))

    assert refusal(tmp_path / "list") == "a cell with an error value does not say where it stands"


@pytest.mark.parametrize("piece", [61, 1024 * 1024])
def test_a_formula_that_was_never_calculated_is_not_taken_for_an_empty_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(workbook_guard, "_PIECE", piece)
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(KEYS)
    sheet.append(list(row(state="refunded", corrects='="L-0"').values()))
    book.save(tmp_path / "list")

    assert refusal(tmp_path / "list").startswith("a formula was never calculated")


def test_a_sheet_that_is_kept_where_none_is_looked_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook_guard, "_PIECE", 37)
    with zipfile.ZipFile(write_xlsx(tmp_path / "list", some_rows())) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "list", "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("worksheets/", "pages/"), content.replace(b"worksheets/", b"pages/"))

    assert refusal(tmp_path / "list") == "the workbook keeps a sheet where none is looked for"


def test_rows_are_numbered_as_excel_does_and_empty_ones_at_the_end_left_out(tmp_path: Path) -> None:
    rows = [list(KEYS), list(row().values()), [""], list(row(line="L-2", vat="1").values()), [" "] * 3]
    with xlsxwriter.Workbook(tmp_path / "list") as book:
        sheet = book.add_worksheet()
        for at, values in enumerate(rows):
            sheet.write_row(at, 0, values)
        sheet.write_formula(30, 3, '=""', None, "")
    repacked(tmp_path / "list", lambda _, content: content.replace(b'r="D31"', b'r="D31" t="str"'))

    assert faults(tmp_path / "list") == [
        (3, "", "the row is empty"),
        (4, "vat", "not the sum x rate: 24.00"),
        (5, "", "the row is empty"),
    ]


def test_the_heading_is_row_1_and_begins_in_column_a(tmp_path: Path) -> None:
    for first, why in (([[""], list(KEYS)], "row 1 is empty"), ([["", *KEYS]], "a column without a heading")):
        with pytest.raises(Refused, match=why) as refused:
            read(write(tmp_path / "list", [*first, ["", *row().values()]]))
        assert refused.value.reason == "headings"


def test_a_value_beside_the_headings_is_a_fault(tmp_path: Path) -> None:
    source = write(tmp_path / "list", [list(RUSSIAN), [*row().values(), "", "note"]])

    assert faults(source) == [(2, "", "a value in a column without a heading")]


def test_cells_of_the_wrong_kind_are_faults_of_their_own(tmp_path: Path) -> None:
    values: list[Any] = list(row().values())
    for key, value in {"line": 1.5, "customer": True, "from": 46296, "net": 1e13, "price": 12.345}.items():
        values[KEYS.index(key)] = value
    source = write(tmp_path / "list", [list(KEYS), values])

    assert faults(source) == [
        (2, "line", "a number with a fraction; write it as text"),
        (2, "customer", "a truth value"),
        (2, "from", "a number; format the cell as a date"),
        (2, "price", "more than 2 decimals: 12.345"),
        (2, "net", "too large for a number cell; write it as text"),
    ]


@pytest.mark.parametrize(
    ("key", "value", "text", "fault"),
    [
        ("line", 100045.0, "100045", ""),
        ("line", -0.0, "0", ""),
        ("line", date(2026, 10, 1), "", "a date; write it as text"),
        ("line", False, "", "a truth value"),
        ("net", 1490.0, "1490", ""),
        ("net", 0.07, "0.07", ""),
        ("net", 1e-05, "0.00001", ""),
        ("net", 0.1 + 0.2, "0.30000000000000004", ""),
        ("net", 9007199254740.5, "9007199254740.5", ""),
        ("net", 9007199254741.0, "", "too large for a number cell; write it as text"),
        ("net", -9007199254741.0, "", "too large for a number cell; write it as text"),
        ("net", date(2026, 10, 1), "", "a date; write it as text"),
        ("quantity", 0.001, "0.001", ""),
        ("from", date(2026, 10, 1), "2026-10-01", ""),
        ("from", datetime(2026, 10, 1, 5, tzinfo=UTC), "", "a time; only whole days count"),
        ("from", time(5), "", "a time; only whole days count"),
        ("from", timedelta(days=30), "", "a time; only whole days count"),
        ("from", "01.10.2026", "01.10.2026", ""),
    ],
)
def test_a_cell_becomes_the_text_that_a_person_typed(key: str, value: object, text: str, fault: str) -> None:
    assert cell(key, value) == (text, fault)


def test_the_process_of_a_sheet_has_bounds_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_to: list[tuple[int, tuple[int, int]]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda which, bounds: set_to.append((which, bounds)))
    monkeypatch.setattr("sys.argv", ["x", str(write_xlsx(tmp_path / "list", [])), str(tmp_path / "out")])
    sheet_cells.main()
    assert set_to == [(resource.RLIMIT_AS, (sheet_cells.MEMORY, sheet_cells.MEMORY))]
    assert capsys.readouterr().out == ""

    write(tmp_path / "list", [["line"]])
    sheet_cells.main()
    assert json.loads(capsys.readouterr().out)[0] == "headings"


def test_blank_columns_to_the_right_of_the_heading_are_left_out(tmp_path: Path) -> None:
    read(write(tmp_path / "list", [[*KEYS, "", ""], [*row().values(), ""]]))

    assert lines(tmp_path)[0]["line"] == "L-1"
