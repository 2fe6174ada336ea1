"""Lists of invoice lines: into the archive and the ledger whole or not at all, and put together."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from blocks.clients.archive import HashedArchive
from blocks.clients.objects_directory import DirectoryObjects
from blocks.errors import NotFound, Refused
from blocks.ledger import Act, ActEvent, LineFile, Obligation
from blocks.lines.totals import data_lines
from blocks.office import Office
from tasks.revenue_acts import open_month, reopen
from tasks.revenue_forms import ListForm, ReopenForm
from tasks.revenue_lists import operator_list, our_list, take_list
from tests.revenue_work import (
    BASE,
    CLOUD,
    DAY,
    DEARER,
    KINO,
    MONDAY,
    MONTH,
    OURS,
    PERSON,
    THEIRS,
    all_of,
    made,
    put_list,
    record,
    take,
)


def lines_of(office: Office, scratch: Path, ref: str = MONTH) -> list[str]:
    return [line.line for line in data_lines(our_list(office, ref, scratch), scratch=scratch)]


@pytest.fixture
def opened(office: Office) -> Office:
    """An office whose October is open."""
    open_month(office, MONTH, now=MONDAY)
    return office


def test_the_archive_keeps_a_file_and_gives_it_back_in_pieces(tmp_path: Path) -> None:
    archive = HashedArchive(DirectoryObjects(tmp_path / "archive"))
    source, target = tmp_path / "source", tmp_path / "target"
    content = bytes(range(256)) * 10_000
    source.write_bytes(content)
    sha256 = archive.put_file(source)
    assert sha256 == archive.put(content) == archive.put_file(source)
    assert archive.get(sha256) == content
    archive.fetch(sha256, target)
    assert target.read_bytes() == content
    assert [path.name for path in (tmp_path / "archive").glob("[!.]*/*")] == [sha256]


def test_a_file_that_was_altered_in_the_archive_is_not_given_out(tmp_path: Path) -> None:
    archive, target = HashedArchive(DirectoryObjects(tmp_path)), tmp_path / "target"
    sha256 = archive.put(b"lines")
    (tmp_path / sha256[:2] / sha256).write_bytes(b"lies")
    with pytest.raises(Refused, match="altered"):
        archive.fetch(sha256, target)
    assert not target.exists()
    with pytest.raises(NotFound):
        archive.fetch("0" * 64, target)
    assert not target.exists()


def test_a_list_is_taken_once_and_kept_as_it_came_and_in_its_canonical_form(opened: Office) -> None:
    first, again = take(opened, OURS), take(opened, OURS)
    assert (first.lines, first.new) == (3, True)
    assert (again.lines, again.new) == (3, False)
    [row] = all_of(opened, LineFile)
    assert opened.archive.get(row.sha256) == (opened.settings.lists / row.name).read_bytes()
    assert opened.archive.get(row.parquet_sha256)[:4] == b"PAR1"
    assert (row.side, row.lines, row.who) == ("ours", 3, PERSON)
    assert len(all_of(opened, ActEvent)) == 2


def test_the_latest_list_of_a_side_holds_also_when_it_is_an_old_one_given_again(opened: Office, tmp_path: Path) -> None:
    for lines in (OURS, BASE, OURS):
        assert take(opened, lines).new
    assert lines_of(opened, tmp_path) == ["L1", "L2", "L3"]


def test_the_same_file_may_be_the_list_of_both_sides(opened: Office, tmp_path: Path) -> None:
    assert take(opened, OURS).new
    assert take(opened, OURS, side="operator").new
    theirs = operator_list(opened, MONTH, tmp_path)
    assert theirs is not None
    assert len(list(data_lines(theirs, scratch=tmp_path))) == 3


def test_a_list_with_a_fault_leaves_nothing_on_record(opened: Office) -> None:
    with pytest.raises(Refused):
        take(opened, BASE + KINO.replace("TV-KINO", "TV-NONE"))
    assert all_of(opened, LineFile) == []
    assert not opened.settings.archive.exists()


@pytest.mark.parametrize("name", ["../ledger.sqlite3", "/etc/passwd", "a/b.csv", "..", ".hidden", "a\\b", "a\nb", ""])
def test_a_list_is_named_without_a_way_to_elsewhere(name: str) -> None:
    with pytest.raises(ValidationError):
        ListForm.model_validate({"act": MONTH, "side": "ours", "file": name, "operator": PERSON})


def test_a_list_that_is_not_in_the_folder_of_lists_is_not_found(opened: Office, tmp_path: Path) -> None:
    put_list(opened, "ours.csv", OURS)
    outside = tmp_path / "elsewhere.csv"
    outside.write_text("secret", "utf-8")
    (opened.settings.lists / "link.csv").symlink_to(outside)
    (opened.settings.lists / "folder.csv").mkdir()
    for name in ("none.csv", "link.csv", "folder.csv"):
        with pytest.raises(NotFound):
            take_list(opened, ListForm(act=MONTH, side="ours", file=name, operator=PERSON), now=MONDAY)


def test_a_list_for_an_act_that_is_made_out_is_refused(office: Office) -> None:
    made(office)
    with pytest.raises(Refused, match="reopen the month") as refused:
        take(office, OURS + DEARER.replace("L2", "L9"))
    assert refused.value.reason == "made"
    with pytest.raises(NotFound):
        take(office, OURS, ref=f"{MONTH}/1")


def test_a_good_list_opens_its_month_and_a_mistyped_month_opens_nothing(sqlite_office: Office) -> None:
    with pytest.raises(Refused):
        take(sqlite_office, OURS, ref="2025-10")
    with pytest.raises(Refused, match="not over"):
        take(sqlite_office, OURS, ref="2027-10")
    assert (all_of(sqlite_office, Act), all_of(sqlite_office, Obligation)) == ([], [])
    assert take(sqlite_office, OURS).new
    assert [act.month for act in all_of(sqlite_office, Act)] == [MONTH]
    assert [owed.clause for owed in all_of(sqlite_office, Obligation)] == ["OCP-P5.2"]


def test_our_list_is_the_latest_file_with_the_ledgers_own_lines(opened: Office, tmp_path: Path) -> None:
    assert lines_of(opened, tmp_path) == []
    record(opened, [CLOUD])
    assert lines_of(opened, tmp_path) == ["L3"]
    take(opened, BASE + KINO)
    assert lines_of(opened, tmp_path) == ["L1", "L2", "L3"]
    assert operator_list(opened, MONTH, tmp_path) is None


def test_a_line_both_in_the_file_and_in_the_ledger_is_refused(opened: Office, tmp_path: Path) -> None:
    record(opened, [CLOUD])
    take(opened, OURS)
    with pytest.raises(Refused) as refused:
        our_list(opened, MONTH, tmp_path)
    assert refused.value.reason == "same_line"


def test_a_correction_stands_on_the_lists_of_before_until_it_is_given_its_own(office: Office, tmp_path: Path) -> None:
    made(office)
    ref = reopen(office, ReopenForm(month=MONTH, reason="забыта строка", operator=PERSON), now=MONDAY + DAY)
    record(office, [KINO.replace("L2", "L8")])
    assert lines_of(office, tmp_path, ref) == ["L1", "L2", "L8", "L3"]
    assert lines_of(office, tmp_path) == ["L1", "L2", "L3"]  # what was made out stays what it was
    take(office, BASE, ref=ref)
    take(office, THEIRS, side="operator", ref=ref)
    assert lines_of(office, tmp_path, ref) == ["L1", "L8"]
    assert operator_list(office, MONTH, tmp_path) is None
    assert operator_list(office, ref, tmp_path) is not None
