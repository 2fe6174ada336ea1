"""The key store: keys are wrapped, destroyed beyond recovery, and never made again."""

from __future__ import annotations

import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from blocks.clients.keys import KeyStore, LocalKek
from blocks.errors import NotFound, Refused, Transient

NOW = datetime(2026, 11, 22, 0, 30, tzinfo=UTC)
KEK = bytes(range(32))


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "keys.sqlite3", LocalKek(KEK), tmp_path / "copies")


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def wrapped(folder: Path, name: str) -> bytes:
    with sqlite3.connect(folder / "keys.sqlite3") as database:
        (found,) = database.execute("SELECT wrapped FROM keys WHERE name = ?", (name,)).fetchone()
    database.close()
    return bytes(found)


def test_a_key_is_made_once_and_found_again(store: KeyStore, tmp_path: Path) -> None:
    key = store.make("period/ocp/2026-11-22", now=NOW)
    assert len(key) == 32
    assert store.make("period/ocp/2026-11-22", now=NOW) == store.get("period/ocp/2026-11-22") == key
    assert KeyStore(tmp_path / "keys.sqlite3", LocalKek(KEK), tmp_path / "copies").get("period/ocp/2026-11-22") == key
    assert store.make("period/ocp/2026-11-23", now=NOW) != key


def test_no_key_stands_unwrapped_in_the_file_and_only_its_owner_reads_it(store: KeyStore, tmp_path: Path) -> None:
    key = store.make("spool/1", now=NOW)
    assert key not in everything(tmp_path)
    assert stat.S_IMODE((tmp_path / "keys.sqlite3").stat().st_mode) == 0o600
    copy = store.renew_copy(now=NOW)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_a_destroyed_key_is_nowhere_in_the_file_and_was_there_before(store: KeyStore, tmp_path: Path) -> None:
    names = [f"period/qs-payload/{n}" for n in range(300)]
    for name in names:
        store.make(name, now=NOW)
    doomed = {name: wrapped(tmp_path, name) for name in names[100:110]}
    content = everything(tmp_path)
    assert all(found in content for found in doomed.values())
    store.destroy(list(doomed), now=NOW)
    content = everything(tmp_path)
    assert not any(found in content for found in doomed.values())
    assert store.names("period/") == sorted(set(names) - set(doomed))
    for name in doomed:
        with pytest.raises(NotFound):
            store.get(name)
    assert store.check() == "290 keys"


def test_a_destroyed_name_never_gets_a_key_again(store: KeyStore) -> None:
    store.make("period/ocp/1", now=NOW)
    store.destroy(["period/ocp/1", "period/ocp/never-made"], now=NOW)
    for name in ("period/ocp/1", "period/ocp/never-made"):
        with pytest.raises(Refused, match="was destroyed"):
            store.make(name, now=NOW)
        with pytest.raises(Refused, match="was destroyed"):
            store.put(name, bytes(32), now=NOW)
    store.destroy(["period/ocp/1"], now=NOW + timedelta(days=1))
    assert store.tombstones("period/") == {"period/ocp/1": NOW, "period/ocp/never-made": NOW}


def test_a_renewed_copy_holds_the_living_keys_and_the_old_ones_are_gone(store: KeyStore, tmp_path: Path) -> None:
    kept, lost = store.make("held/a", now=NOW), store.make("period/b", now=NOW)
    first = store.renew_copy(now=NOW)
    doomed = wrapped(tmp_path, "period/b")
    assert doomed in first.read_bytes()
    store.destroy(["period/b"], now=NOW)
    second = store.renew_copy(now=NOW)
    assert not first.exists()
    assert doomed not in everything(tmp_path)
    restored = KeyStore(second, LocalKek(KEK), tmp_path / "elsewhere")
    assert restored.get("held/a") == kept
    assert lost != kept
    with pytest.raises(Refused):
        restored.make("period/b", now=NOW)


def test_another_kek_or_another_name_opens_nothing(store: KeyStore, tmp_path: Path) -> None:
    store.make("period/a", now=NOW)
    with pytest.raises(Refused, match="key-encryption key"):
        KeyStore(tmp_path / "keys.sqlite3", LocalKek(bytes(32)), tmp_path / "copies").get("period/a")
    with sqlite3.connect(tmp_path / "keys.sqlite3") as database:
        database.execute("UPDATE keys SET name = 'period/b'")
    database.close()
    with pytest.raises(Refused):
        store.get("period/b")
    with pytest.raises(Refused):
        store.check()


def test_a_key_made_elsewhere_is_kept_as_it_is_and_only_once(store: KeyStore) -> None:
    store.put("held/x", KEK, now=NOW)
    store.put("held/x", bytes(32), now=NOW)
    assert store.get("held/x") == KEK


def test_what_else_was_destroyed_has_its_tombstone_of_the_latest_time(store: KeyStore) -> None:
    for moment in (NOW, NOW + timedelta(days=1), NOW - timedelta(days=1)):
        store.bury("customer/17", now=moment)
    assert store.tombstones("customer/") == {"customer/17": NOW + timedelta(days=1)}


def test_several_makers_of_one_key_get_the_same(store: KeyStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: store.make("period/one", now=NOW), range(32)))
    assert len(keys) == 1


def test_a_store_that_cannot_be_opened_is_transient(tmp_path: Path) -> None:
    (tmp_path / "keys.sqlite3").mkdir()
    with pytest.raises(Transient):
        KeyStore(tmp_path / "keys.sqlite3", LocalKek(KEK), tmp_path / "copies").names()


def test_a_directory_of_copies_that_is_not_mounted_is_not_taken_for_an_empty_one(
    store: KeyStore, tmp_path: Path
) -> None:
    store.make("period/a", now=NOW)
    store.renew_copy(now=NOW)
    (tmp_path / "copies").rename(tmp_path / "away")
    for empty in (False, True):
        if empty:
            (tmp_path / "copies").mkdir()
        with pytest.raises(Transient, match="copies"):
            store.renew_copy(now=NOW)
        with pytest.raises(Transient, match="copies"):
            store.copied_names()
    for left in (tmp_path / "copies").iterdir():
        left.unlink()
    (tmp_path / "copies").rmdir()
    (tmp_path / "away").rename(tmp_path / "copies")
    assert store.copied_names() == (1, {"period/a"})


def test_a_store_that_is_restored_from_a_copy_has_its_copies_elsewhere(store: KeyStore, tmp_path: Path) -> None:
    store.make("period/a", now=NOW)
    store.renew_copy(now=NOW)
    second = store.renew_copy(now=NOW)
    restored = KeyStore(second, LocalKek(KEK), tmp_path / "elsewhere")
    restored.renew_copy(now=NOW)
    assert restored.copied_names() == (1, {"period/a"})


def test_a_copy_that_was_cut_off_by_a_kill_is_no_copy_and_goes(store: KeyStore, tmp_path: Path) -> None:
    store.make("period/a", now=NOW)
    store.renew_copy(now=NOW)
    cut = tmp_path / "copies" / ".keys-20261122T003000-00000000.sqlite3"
    cut.write_bytes(b"SQLite form")
    assert store.copied_names() == (1, {"period/a"})
    store.renew_copy(now=NOW)
    assert not cut.exists()


def test_a_directory_of_copies_that_cannot_be_made_is_transient(tmp_path: Path) -> None:
    (tmp_path / "copies").write_text("a file")
    store = KeyStore(tmp_path / "keys.sqlite3", LocalKek(KEK), tmp_path / "copies")
    with pytest.raises(Transient, match="copies"):
        store.renew_copy(now=NOW)
