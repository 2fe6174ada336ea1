"""`dogovor revenue`, run as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.lines.lists import row, write_csv
from tests.unit.test_cli import dogovor

_KINO = {"tariff": "TV-KINO", "price": "990.00", "quantity": "1", "net": "990.00", "vat": "158.40", "to": "2026-10-31"}


def list_of(path: Path, *names: str, **changes: str) -> str:
    return str(write_csv(path, [row(line=name, **(_KINO | changes)) for name in names]))


def revenue(home: Path, *arguments: str, month: str = "2026-10", out: str = "out", code: int = 0) -> str:
    return dogovor(home, "revenue", "--month", month, "--out", str(home / out), *arguments, code=code)


def test_every_bad_line_is_told_with_its_row_and_nothing_is_written(tmp_path: Path) -> None:
    lines = list_of(tmp_path / "ours.csv", "L-1", "L-2", net="NaN", quantity="-1")
    told = revenue(tmp_path, "--lines", lines, code=1)
    for number in (2, 3):
        assert f"ours.csv: row {number}, quantity: negative; only a correction takes back" in told
        assert f"ours.csv: row {number}, net: not a number: NaN" in told
    assert not (tmp_path / "out").exists()


def test_an_act_is_final_once_its_differences_are_settled(tmp_path: Path) -> None:
    lines = list_of(tmp_path / "ours.csv", "L-1", "L-2")
    theirs = list_of(tmp_path / "theirs.csv", "L-1")
    both = ("--lines", lines, "--operator", theirs)
    told = dogovor(
        tmp_path, "revenue", "--month", "2026-10", *both, "--out", str(tmp_path / "no"), "--number", "7", code=1
    )
    assert not (tmp_path / "no").exists()
    assert "Traceback" not in told


def test_a_day_that_is_none_is_refused_in_words(tmp_path: Path) -> None:
    lines = list_of(tmp_path / "ours.csv", "L-1")
    assert "no such day: 31.10.2026" in revenue(tmp_path, "--lines", lines, "--dated", "31.10.2026", code=1)


def test_a_month_is_not_counted_twice_by_what_came_earlier(tmp_path: Path) -> None:
    lines = list_of(tmp_path / "ours.csv", "L-1")
    revenue(tmp_path, "--lines", lines)
    made = str(tmp_path / "out" / "split.json")
    assert json.loads(Path(made).read_text())["share"]["fee_minor"] == 19_800
    assert "is not empty" in revenue(tmp_path, "--lines", lines, code=1)
    again = ("--lines", lines, "--earlier", made)
    assert "2026-10 is not before 2026-10" in revenue(tmp_path, *again, out="again", code=1)

    later = list_of(tmp_path / "later.csv", "L-2", from_="2026-11-01", to="2026-11-30")
    twice = ("--lines", later, "--earlier", made, "--earlier", made)
    assert "2026-10 is there twice" in revenue(tmp_path, *twice, month="2026-11", out="later", code=1)
    final = ("--lines", later, "--earlier", made, "--number", "2")
    assert "2026-10 is a draft" in revenue(tmp_path, *final, month="2026-11", out="later", code=1)
    revenue(tmp_path, "--lines", later, "--earlier", made, month="2026-11", out="later")
    found = json.loads((tmp_path / "later" / "split.json").read_text())
    assert [one["month"] for one in found["services"]] == ["2026-11"]
