"""Dropped files of log records, in a directory and under a prefix of the bucket."""

from __future__ import annotations

import gzip
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from blocks.errors import Refused
from blocks.ledger import LogBatch, LogSegment, Notice
from blocks.logs.segment import seal
from blocks.office import Office, open_office
from blocks.settings import Settings
from tasks import log_files, log_packing
from tasks.log_files import Dropped, take_drops, take_file, take_objects
from tasks.log_packing import Pack, Packed
from tests.conftest import close_office
from tests.log_work import DAY, NOW, batch, lines_of, record, rows, seal_all, silent, states

LINES = [record(n, project=f"p-{n % 3}", ended_at=NOW - n % 4 * DAY) for n in range(50)]


def drop(office: Office, name: str, content: bytes) -> Path:
    office.settings.log_drops.mkdir(parents=True, exist_ok=True)
    path = office.settings.log_drops / name
    path.write_bytes(content)
    return path


def drops(office: Office) -> Dropped:
    return take_drops(office, now=NOW, tell=silent)


SQUEEZED: dict[str, Callable[[bytes], bytes]] = {
    ".jsonl": bytes,
    ".jsonl.gz": gzip.compress,
    ".jsonl.zst": zstandard.compress,
}


@pytest.mark.parametrize("ending", SQUEEZED)
def test_a_dropped_file_is_sealed_and_erased(office: Office, ending: str) -> None:
    path = drop(office, f"a{ending}", SQUEEZED[ending](batch(LINES)))
    assert drops(office) == Dropped(1, 50, 0, (), ())
    assert lines_of(office) == Counter(LINES)
    assert not path.exists()
    assert states(office) == ["sealed"]
    assert seal_all(office).batches == 0


def test_the_same_file_again_is_only_erased(sqlite_office: Office) -> None:
    drop(sqlite_office, "a.jsonl", batch(LINES))
    drops(sqlite_office)
    path = drop(sqlite_office, "b.jsonl", batch(LINES))
    assert drops(sqlite_office) == Dropped(1, 0, 0, (), ())
    assert not path.exists()
    assert lines_of(sqlite_office) == Counter(LINES)


def test_unfinished_foreign_and_linked_files_are_left_alone(sqlite_office: Office, tmp_path: Path) -> None:
    names = [".a.jsonl", "a.jsonl.part", "a.txt", "a.json"]
    for name in names:
        drop(sqlite_office, name, batch(LINES))
    target = tmp_path / "elsewhere.jsonl"
    target.write_bytes(batch(LINES))
    (sqlite_office.settings.log_drops / "link.jsonl").symlink_to(target)
    (sqlite_office.settings.log_drops / "folder.jsonl").mkdir()
    assert drops(sqlite_office) == Dropped(0, 0, 0, (), ())
    assert {path.name for path in sqlite_office.settings.log_drops.iterdir()} == {*names, "link.jsonl", "folder.jsonl"}
    assert target.read_bytes() == batch(LINES)


def test_a_refused_file_stays_whole_is_told_once_and_keeps_no_other_back(office: Office) -> None:
    bad = batch([*LINES, b"MARKER", record(1)])
    path = drop(office, "a.jsonl", bad)
    drop(office, "b.jsonl", batch(LINES))
    told = drops(office)
    assert (told.files, told.refused) == (1, ("a.jsonl: line 51 is no JSON",))
    assert path.read_bytes() == bad
    assert drops(office).refused == told.refused
    assert [(row.kind, row.facts["file"]) for row in rows(office, Notice)] == [("log_file_refused", "a.jsonl")]
    assert states(office) == ["refused", "sealed"]
    assert lines_of(office) == Counter(LINES)
    path.write_bytes(batch(LINES[:3]))
    assert drops(office).records == 3


@pytest.mark.clause("QS-3.8.3")
def test_qs_3_8_3_a_file_with_data_of_russian_citizens_waits_for_an_archive_in_russia(
    sqlite_office: Office, settings_for: Callable[..., Settings]
) -> None:
    drop(sqlite_office, "a.jsonl", batch([record(1, residency="RU")]))
    assert "QS-3.8.3" in drops(sqlite_office).refused[0]
    assert not rows(sqlite_office, LogSegment)
    declared = open_office(settings_for(archive_country="RU"))
    assert drops(declared) == Dropped(1, 1, 0, (), ())
    close_office(declared)


@pytest.mark.clause("QS-3.5.3a")
def test_qs_3_5_3a_a_file_of_records_past_their_life_is_erased_and_nothing_of_it_stored(sqlite_office: Office) -> None:
    path = drop(sqlite_office, "a.jsonl", batch([record(1, ended_at=NOW - 200 * DAY, **{"class": "qs-payload"})]))
    assert drops(sqlite_office) == Dropped(1, 0, 1, (), ())
    assert not path.exists()
    assert not rows(sqlite_office, LogSegment)


def test_a_file_that_changes_while_it_is_packed_is_not_taken(
    sqlite_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop(sqlite_office, "a.jsonl", batch(LINES))

    def written_to(*arguments: object) -> bytes:
        path.write_bytes(batch(LINES[:10]))
        return seal(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("tasks.log_packing.seal", written_to)
    monkeypatch.setattr(log_packing, "BUFFER", 1000)
    assert "still being written" in drops(sqlite_office).refused[0]
    assert not rows(sqlite_office, LogSegment)
    assert path.exists()
    monkeypatch.undo()
    assert drops(sqlite_office).records == 10
    path.write_bytes(batch(LINES))
    assert drops(sqlite_office).records == 50
    assert lines_of(sqlite_office) == Counter(LINES) + Counter(LINES[:10])


def test_a_file_is_packed_with_little_memory(sqlite_office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_packing, "BUFFER", 4000)
    drop(sqlite_office, "a.jsonl", batch(LINES))
    drops(sqlite_office)
    assert lines_of(sqlite_office) == Counter(LINES)
    assert len(rows(sqlite_office, LogSegment)) > 12


@pytest.mark.parametrize("text_moments", [True, False])
@pytest.mark.parametrize("lists", [True, False])
def test_a_parquet_file_is_taken_as_its_rows_say(sqlite_office: Office, text_moments: bool, lists: bool) -> None:
    moments = [NOW - n * DAY for n in range(3)]
    classes: list[object] = [["ocp"], ["qs-payload", "ocp"], ["ocp"]] if lists else ["ocp", "audit", "ocp"]
    table = pa.table(
        {
            "class": classes,
            "project": pa.array(["p-1", "p-2", "p-1"]).dictionary_encode(),
            "ended_at": [str(m) for m in moments] if text_moments else pa.array(moments, pa.timestamp("ns", "UTC")),
            "residency": ["none", "KZ", "none"],
            "body": ['{"a":\n1.50}', "12345678901234567890123", None],
        }
    )
    sqlite_office.settings.log_drops.mkdir(parents=True)
    pq.write_table(table, sqlite_office.settings.log_drops / "a.parquet")
    assert drops(sqlite_office) == Dropped(1, 3, 0, (), ())
    lines = list(lines_of(sqlite_office))
    assert sum(b'"body":{"a": 1.50}' in line for line in lines) == 1
    assert sum(b'"body":12345678901234567890123' in line for line in lines) == 1
    assert Counter(orjson.loads(line)["project"] for line in lines) == {"p-1": 2, "p-2": 1}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"body": ['1,"project":"p-9"']}, "line 1 is no JSON"),
        ({"project": [None]}, "project"),
        ({"ended_at": pa.array([NOW.replace(tzinfo=None)])}, "ended_at: cannot be timestamp"),
        ({"residency": [1]}, "residency: cannot be int64"),
        ({"body": ['"' + "x" * 1024 * 1024 + '"']}, "longer than 1 MiB"),
        ({"body": None}, "body is missing"),
    ],
)
def test_a_parquet_file_of_another_shape_is_refused(
    sqlite_office: Office, changes: dict[str, object], reason: str
) -> None:
    columns = {"class": ["ocp"], "project": ["p"], "ended_at": [str(NOW)], "residency": ["none"], "body": ["{}"]}
    made = {name: column for name, column in (columns | changes).items() if column is not None}
    sqlite_office.settings.log_drops.mkdir(parents=True)
    pq.write_table(pa.table(made), sqlite_office.settings.log_drops / "a.parquet")
    assert reason in drops(sqlite_office).refused[0]


DAMAGED = {
    "cut.jsonl.gz": gzip.compress(batch(LINES))[:-9],
    "cut.jsonl.zst": zstandard.compress(batch(LINES))[:-5],
    "none.jsonl.zst": b"no frame",
    "none.jsonl.gz": b"no gzip",
    "none.parquet": b"PAR1 no",
    "two.jsonl.zst": zstandard.compress(batch(LINES)) + zstandard.compress(batch(LINES))[:-5],
    "bomb.jsonl.zst": zstandard.compress(b"\n" * 70_000_000),
    "bomb.jsonl.gz": gzip.compress(b"\n" * 70_000_000),
    "long.jsonl.gz": gzip.compress(record(1) + b"\n" + b" " * 30_000_000 + b"\n" + record(2)),
    "empty.jsonl": b"",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_a_bomb_and_an_empty_one_are_refused_and_stay(sqlite_office: Office, name: str) -> None:
    path = drop(sqlite_office, name, DAMAGED[name])
    with pytest.raises(Refused) as caught:
        take_file(sqlite_office, path, now=NOW, tell=silent)
    assert caught.value.reason in {"unreadable", "bomb", "records", "empty"}
    assert path.read_bytes() == DAMAGED[name]
    assert not rows(sqlite_office, LogSegment)


def test_zstandard_in_several_frames_is_read_to_its_end(sqlite_office: Office) -> None:
    frames = b"".join(zstandard.compress(batch([line])) for line in LINES)
    drop(sqlite_office, "a.jsonl.zst", frames)
    assert drops(sqlite_office).records == 50


def test_a_file_that_cannot_be_erased_is_told_and_not_taken_twice(
    sqlite_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    drop(sqlite_office, "a.jsonl", batch(LINES))
    with monkeypatch.context() as patch:
        patch.setattr(log_files, "erase", denied)
        assert drops(sqlite_office).stayed == ("a.jsonl: Permission denied",)
        assert drops(sqlite_office).stayed == ("a.jsonl: Permission denied",)
    assert drops(sqlite_office) == Dropped(1, 0, 0, (), ())
    assert lines_of(sqlite_office) == Counter(LINES)


def test_a_file_that_is_written_on_after_it_was_packed_is_not_erased(
    sqlite_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sqlite_office.settings.log_drops / "a.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(record(1) + b"\n")
    finish = Pack.finish

    def written_on(pack: Pack) -> Packed:
        packed = finish(pack)
        path.write_bytes(record(2) + b"\n" + record(3) + b"\n")
        return packed

    with monkeypatch.context() as patch:
        patch.setattr(Pack, "finish", written_on)
        [why] = take_drops(sqlite_office, now=NOW, tell=silent).refused
    assert "changed" in why
    assert take_drops(sqlite_office, now=NOW, tell=silent).records == 2
    assert lines_of(sqlite_office) == Counter([record(1), record(2), record(3)])


def test_an_erased_file_is_overwritten_first(sqlite_office: Office) -> None:
    path = drop(sqlite_office, "a.jsonl", batch(LINES))
    with path.open("rb") as kept:
        drops(sqlite_office)
        assert not any(kept.read())
        assert os.fstat(kept.fileno()).st_nlink == 0


def test_files_under_the_prefix_of_the_bucket_are_taken_and_destroyed(
    settings_for: Callable[..., Settings],
) -> None:
    office = open_office(settings_for(log_s3_prefix="in/"))
    office.objects.put("in/a.jsonl.gz", gzip.compress(batch(LINES)))
    office.objects.put("in/b.jsonl", batch([b"MARKER"]))
    office.objects.put("in/c.txt", b"x")
    told = take_objects(office, now=NOW, tell=silent)
    assert (told.files, told.records, told.refused) == (1, 50, ("in/b.jsonl: line 1 is no JSON",))
    assert {one.name for one in office.objects.versions("in/")} == {"in/b.jsonl", "in/c.txt"}
    assert lines_of(office) == Counter(LINES)
    assert [row.facts["file"] for row in rows(office, Notice)] == ["in/b.jsonl"]
    assert not list((office.settings.home / "spool").glob("scratch*"))
    assert {row.source for row in rows(office, LogBatch)} == {"drop"}
    close_office(office)


@pytest.mark.parametrize("prefix", ["logs/", "ledger/in/"])
def test_files_are_not_taken_from_among_our_own_objects(settings_for: Callable[..., Settings], prefix: str) -> None:
    office = open_office(settings_for(log_s3_prefix=prefix))
    with pytest.raises(Refused, match="our own objects"):
        take_objects(office, now=NOW, tell=silent)
    close_office(office)


def test_without_a_prefix_nothing_is_looked_for(sqlite_office: Office) -> None:
    assert take_objects(sqlite_office, now=NOW, tell=silent) == Dropped(0, 0, 0, (), ())
