"""The key store: data keys by name, wrapped by a key-encryption key, in a file of its own beside no other data.

It is apart from the ledger so that no backup of the ledger holds a key. Destroying a key is one committed transaction
that leaves neither the row nor its bytes in the file, and a tombstone: a name once destroyed never gets a key again.

Names used: `period/CLASSES/DAY` (log periods), `held/CLASSES/DAY/PROJECT` (partitions under a legal hold, their own
key), `spool/...` (records on their way), `backup/...` (copies of the ledger). Tombstones also name what else was
destroyed (`customer/...`), so that a restored ledger can be cleared of it again.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from blocks.durable import erase, locked, sync
from blocks.errors import NotFound, Refused, Transient

_NONCE = 12
_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (name TEXT PRIMARY KEY, wrapped BLOB NOT NULL, made_at TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tombstones (name TEXT PRIMARY KEY, at TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS place (identity TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_IDENTITY = "identity"
"""The file by which the directory of copies is known: one that is not mounted looks as if nothing lay in it."""


class KeyWrapper(Protocol):
    """A key-encryption key (KEK), as a key management service offers one."""

    def wrap(self, key: bytes, name: str) -> bytes:
        """The data key encrypted and bound to its name."""
        ...

    def unwrap(self, wrapped: bytes, name: str) -> bytes:
        """The data key. Raises Refused for another KEK or another name."""
        ...


class LocalKek:
    """A key-encryption key in a file of this machine: 32 bytes in hex, readable by its owner alone."""

    def __init__(self, key: bytes) -> None:
        self._box = AESGCM(key)

    def wrap(self, key: bytes, name: str) -> bytes:
        """See KeyWrapper.wrap."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._box.encrypt(nonce, key, name.encode())

    def unwrap(self, wrapped: bytes, name: str) -> bytes:
        """See KeyWrapper.unwrap."""
        try:
            return self._box.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], name.encode())
        except InvalidTag:
            raise Refused("kek", f"the key {name} does not open under this key-encryption key") from None


class KeyStore:
    """The data keys of an installation. `copies` is where its one living copy is kept, best on another disk."""

    def __init__(self, path: Path, kek: KeyWrapper, copies: Path) -> None:
        self._path, self._kek, self._copies = path, kek, copies

    def make(self, name: str, *, now: datetime) -> bytes:
        """The key of that name, made when there is none. Raises Refused("destroyed") when it was destroyed."""
        with self._writing() as database:
            found = database.execute("SELECT wrapped FROM keys WHERE name = ?", (name,)).fetchone()
            if found:
                return self._kek.unwrap(found[0], name)
            key = secrets.token_bytes(32)
            self._add(database, name, key, now)
            return key

    def put(self, name: str, key: bytes, *, now: datetime) -> None:
        """Keep a key that was made elsewhere; one that is there stays. Raises Refused("destroyed")."""
        with self._writing() as database:
            if not database.execute("SELECT 1 FROM keys WHERE name = ?", (name,)).fetchone():
                self._add(database, name, key, now)

    def get(self, name: str) -> bytes:
        """The key of that name. Raises NotFound."""
        with self._open() as database:
            found = database.execute("SELECT wrapped FROM keys WHERE name = ?", (name,)).fetchone()
        if not found:
            raise NotFound("key", name)
        return self._kek.unwrap(found[0], name)

    def names(self, prefix: str = "") -> list[str]:
        """The names of the living keys that begin so, in order."""
        with self._open() as database:
            rows = database.execute("SELECT name FROM keys WHERE substr(name, 1, ?) = ?", (len(prefix), prefix))
            return sorted(name for (name,) in rows)

    def destroy(self, names: Sequence[str], *, now: datetime) -> None:
        """Destroy keys beyond recovery from this file, all or none; a name without a key only gets its tombstone.

        When it returns, their wrapped bytes are nowhere in the file. `renew_copy` must follow: until then the copy
        still holds them. Raises Refused when bytes remain, Transient when the file is in use for too long.
        """
        marks = ",".join("?" * len(names))
        with self._open() as database:
            rows = database.execute(f"SELECT wrapped FROM keys WHERE name IN ({marks})", list(names))  # noqa: S608
            doomed = [wrapped for (wrapped,) in rows]
        with self._writing() as database:
            database.executemany("DELETE FROM keys WHERE name = ?", [(name,) for name in names])
            database.executemany(
                "INSERT OR IGNORE INTO tombstones VALUES (?, ?)", [(name, _text(now)) for name in names]
            )
        with self._open() as database:
            database.execute("VACUUM")
        self._prove(doomed)

    def bury(self, name: str, *, now: datetime) -> None:
        """Note that something else was destroyed, so that a restored ledger can be cleared of it again.

        Again, the later moment holds: what was noted and not done, and is done now, may be in copies made in between.
        """
        later = "ON CONFLICT (name) DO UPDATE SET at = max(at, excluded.at)"
        with self._writing() as database:
            database.execute(f"INSERT INTO tombstones VALUES (?, ?) {later}", (name, _text(now)))  # noqa: S608

    def tombstones(self, prefix: str = "") -> dict[str, datetime]:
        """What was destroyed and when, by name, of the names that begin so."""
        with self._open() as database:
            rows = database.execute(
                "SELECT name, at FROM tombstones WHERE substr(name, 1, ?) = ?", (len(prefix), prefix)
            )
            return {name: datetime.fromisoformat(at) for name, at in rows}

    def renew_copy(self, *, now: datetime) -> Path:
        """Write a copy of the living keys, then destroy the copies of before: what they held beyond it is gone.

        Copies hold wrapped keys, which open only with the key-encryption key. Raises Transient, also where the
        directory is not the one that earlier copies lie in.
        """
        with self._at_copies():
            return self._copy(now)

    def _copy(self, now: datetime) -> Path:
        fresh = self._copies / f"keys-{now.astimezone(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}.sqlite3"
        draft = fresh.with_name(f".{fresh.name}")
        with self._open() as database:
            database.execute("VACUUM INTO ?", (str(draft),))
        with closing(sqlite3.connect(draft, isolation_level=None)) as database:
            database.execute("DELETE FROM place")  # a store that is restored elsewhere has its copies elsewhere
        draft.chmod(0o600)
        sync(draft)
        draft.replace(fresh)
        sync(self._copies)
        for old in [*self._copies.glob("keys-*.sqlite3"), *self._copies.glob(".keys-*")]:
            if old != fresh:
                erase(old)
        sync(self._copies)
        return fresh

    def copied_names(self) -> tuple[int, set[str]]:
        """How many copies there are, and the names of the keys in any of them. Raises Transient as `renew_copy`."""
        names: set[str] = set()
        with self._at_copies():
            copies = sorted(self._copies.glob("keys-*.sqlite3"))
            for copy in copies:
                names.update(KeyStore(copy, self._kek, self._copies).names())
        return len(copies), names

    @contextmanager
    def _at_copies(self) -> Iterator[None]:
        """The directory of the copies, for one process at a time."""
        try:
            with self._open() as database:
                known = database.execute("SELECT identity FROM place").fetchone()
            if known is None:
                self._copies.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Of two that renew the copy at once, the later one's keys stay: the earlier does not destroy its copy.
            with locked(self._copies / "lock"):
                self._recognise(known[0] if known else None)
                yield
        except (OSError, sqlite3.DatabaseError) as error:
            raise Transient(f"the directory of key copies did not answer: {type(error).__name__}") from error

    def _recognise(self, known: str | None) -> None:
        """Raise Transient where the directory is not the one that is known; the first one becomes so."""
        file = self._copies / _IDENTITY
        found = file.read_text() if file.exists() else ""
        if known is None:
            if not found:
                found = secrets.token_hex(16)
                file.write_text(found)
                sync(file)
                sync(self._copies)
            with self._writing() as database:
                database.execute("INSERT OR IGNORE INTO place VALUES (?)", (found,))
        elif found != known:
            raise Transient(
                f"{self._copies} is not where the key copies were: {_IDENTITY} in it does not say {known}. "
                "Copies that lie elsewhere keep destroyed keys; where they are lost for good, write it there"
            )

    def check(self) -> str:
        """How many keys there are; each opens. Raises Refused, Transient."""
        with self._open() as database:
            rows = database.execute("SELECT name, wrapped FROM keys").fetchall()
        for name, wrapped in rows:
            self._kek.unwrap(wrapped, name)
        return f"{len(rows)} keys"

    def _add(self, database: sqlite3.Connection, name: str, key: bytes, now: datetime) -> None:
        if database.execute("SELECT 1 FROM tombstones WHERE name = ?", (name,)).fetchone():
            raise Refused("destroyed", f"the key {name} was destroyed")
        database.execute("INSERT INTO keys VALUES (?, ?, ?)", (name, self._kek.wrap(key, name), _text(now)))

    def _prove(self, doomed: Sequence[bytes]) -> None:
        """Read the file back: no destroyed key's bytes are in it."""
        content = b"".join(
            path.read_bytes()
            for path in (self._path, self._path.with_name(f"{self._path.name}-journal"))
            if path.exists()
        )
        if left := sum(wrapped in content for wrapped in doomed):
            raise Refused("key_remains", f"{left} destroyed keys are still in the key store's file")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        new = not self._path.exists()
        if new:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch(mode=0o600)
        # A rollback journal that is truncated at each commit: a write-ahead log would keep the pages of before.
        try:
            with closing(sqlite3.connect(self._path, timeout=30, isolation_level=None)) as database:
                for pragma in ("journal_mode=TRUNCATE", "secure_delete=ON", "synchronous=EXTRA", "temp_store=MEMORY"):
                    database.execute(f"PRAGMA {pragma}")
                database.executescript(_SCHEMA)
                yield database
        except sqlite3.OperationalError as error:
            raise Transient(f"the key store did not answer: {error}") from error
        except sqlite3.DatabaseError as error:
            raise Refused("key_store", f"the key store's file is damaged: {error}") from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")


def _text(now: datetime) -> str:
    return now.astimezone(UTC).isoformat()
