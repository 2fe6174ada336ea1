"""Objects in a directory: locks in files, folders, drafts, kills, several at once."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import pytest

from blocks.clients.objects import LOCKED, Version
from blocks.clients.objects_directory import DirectoryObjects
from blocks.errors import NotFound, Refused, Transient
from tests.killing import SPAWN

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def names(store: DirectoryObjects) -> list[str]:
    return sorted(version.name for version in store.versions(""))


def test_a_locked_name_takes_no_other_bytes_and_its_lock_only_grows(tmp_path: Path) -> None:
    store = DirectoryObjects(tmp_path)
    day, later = NOW + timedelta(days=1), NOW + timedelta(days=2)
    store.put("a", b"1", keep_until=later)
    with pytest.raises(Refused, match="locked"):
        store.put("a", b"2", keep_until=later)
    store.put("a", b"1", keep_until=day)
    store.put("a", b"1")
    assert store.get("a") == b"1"
    assert store.destroy(store.versions(""), now=day) == {"a": LOCKED}
    assert store.destroy(store.versions(""), now=later) == {}


def test_the_lock_of_an_object_that_is_no_more_binds_no_later_one(tmp_path: Path) -> None:
    store = DirectoryObjects(tmp_path)
    store.put("a/b", b"1", keep_until=NOW + timedelta(days=1))
    (tmp_path / "a" / "b").unlink()  # a kill after the lock was written, before the object was
    store.put("a/b", b"2")
    assert store.destroy(store.versions(""), now=NOW) == {}


def test_empty_folders_go_with_their_last_object(tmp_path: Path) -> None:
    store = DirectoryObjects(tmp_path / "objects")
    for name in ("QS/day/1", "QS/day/2", "KS/day/1"):
        store.put(name, b"1", keep_until=NOW)
    store.destroy(store.versions("QS/"), now=NOW)
    assert not (tmp_path / "objects" / "QS").exists()
    assert not (tmp_path / "objects" / ".until" / "QS").exists()
    assert names(store) == ["KS/day/1"]


def test_an_object_does_not_stand_where_a_folder_is(tmp_path: Path) -> None:
    store = DirectoryObjects(tmp_path)
    store.put("a/b", b"1")
    for name in ("a", "a/b/c"):
        with pytest.raises(Refused):
            store.put(name, b"2")
    assert store.get("a/b") == b"1"
    with pytest.raises(NotFound):
        store.hold([Version("a", "")], on=True)


def test_a_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for root in (tmp_path / "file", Path("/proc/dogovor")):
        with pytest.raises(Refused):
            DirectoryObjects(root).check()


def put_and_be_killed(root: Path) -> None:
    """Be killed when the half of an object is on disk."""

    def copy(_: object, file: BinaryIO, __: int) -> None:
        file.write(b"half")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    shutil.copyfileobj = copy  # type: ignore[assignment]
    DirectoryObjects(root).put_file("a/b", Path(__file__))


def test_a_kill_in_the_middle_of_a_put_leaves_no_half_object_and_its_draft_is_swept(tmp_path: Path) -> None:
    process = SPAWN.Process(target=put_and_be_killed, args=(tmp_path,))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    process.close()
    [draft] = (tmp_path / ".drafts").iterdir()
    assert draft.read_bytes() == b"half"
    store = DirectoryObjects(tmp_path)
    assert store.versions("") == []
    assert not store.has("a/b")
    store.put("a/b", b"whole")
    assert list((tmp_path / ".drafts").iterdir()) == []
    assert store.get("a/b") == b"whole"


def test_the_draft_of_somebody_who_is_still_writing_is_not_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy(_: object, file: BinaryIO, __: int) -> None:
        DirectoryObjects(tmp_path).put("other", b"2")
        file.write(b"1")

    monkeypatch.setattr(shutil, "copyfileobj", copy)
    DirectoryObjects(tmp_path).put_file("a", Path(__file__))
    assert names(DirectoryObjects(tmp_path)) == ["a", "other"]


def test_a_draft_that_was_swept_before_it_was_locked_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock, drafts = fcntl.flock, tmp_path / ".drafts"
    swept: list[Path] = []

    def lock(file: BinaryIO, how: int) -> None:
        flock(file, how)
        if not swept:
            swept.extend(drafts.iterdir())
            swept[0].unlink()

    store = DirectoryObjects(tmp_path)
    monkeypatch.setattr(fcntl, "flock", lock)
    store.put("a", b"1")
    assert len(swept) == 1
    assert store.get("a") == b"1"


def test_what_is_put_or_destroyed_is_on_disk_when_the_call_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, synced = os.fsync, []

    def sync(handle: int) -> None:
        fsync(handle)
        place = Path(f"/proc/self/fd/{handle}").readlink()
        held = sorted(path.name for path in place.iterdir()) if place.is_dir() else place.read_bytes()
        synced.append((place.relative_to(tmp_path).parts[0] if place != tmp_path else "", held))

    store = DirectoryObjects(tmp_path)
    store.put("other", b"0")
    monkeypatch.setattr(os, "fsync", sync)
    store.put("a/b", b"1", keep_until=NOW)
    assert [entry for entry in synced if entry[0] in ("a", ".drafts")][-3:] == [
        (".drafts", b"1"),
        (".drafts", NOW.isoformat().encode()),
        ("a", ["b"]),
    ]
    assert ("", [".drafts", ".guard", "a", "other"]) in synced
    assert synced.index((".until", ["b"])) < synced.index(("a", ["b"]))
    synced.clear()
    store.destroy([Version("a/b", "")], now=NOW)
    assert synced == [("a", [])]


def test_several_may_put_and_destroy_in_one_folder_at_once(tmp_path: Path) -> None:
    def work(number: int) -> dict[str, str]:
        store, name = DirectoryObjects(tmp_path), f"day/{number}"
        store.put(name, b"1", keep_until=NOW)
        assert store.get(name) == b"1"
        return store.destroy([Version(name, "")], now=NOW)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(200))) == [{}] * 200
    assert not (tmp_path / "day").exists()


def test_a_fetch_that_fails_midway_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def copy(_: object, file: BinaryIO, __: int) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "no room")

    store, target = DirectoryObjects(tmp_path / "objects"), tmp_path / "target"
    store.put("a", b"whole")
    monkeypatch.setattr(shutil, "copyfileobj", copy)
    with pytest.raises(OSError, match="no room"):
        store.fetch("a", target)
    assert not target.exists()


def test_a_store_without_room_is_transient_and_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no room")

    store = DirectoryObjects(tmp_path)
    assert store.check()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Transient):
        store.put("a", b"1")
    with pytest.raises(Transient):
        store.check()
    assert store.versions("") == []
    assert list((tmp_path / ".drafts").iterdir()) == []
