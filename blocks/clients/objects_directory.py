"""Objects in a directory: the store that needs nothing."""

from __future__ import annotations

import errno
import fcntl
import filecmp
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from blocks.clients.objects import LOCKED, Version, checked_name, checked_prefix
from blocks.durable import sync
from blocks.errors import NotFound, Refused, Transient

# A file stands where a folder is asked for, or a folder where a file is: no such object either.
_ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_LATER = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ESTALE}


class DirectoryObjects:
    """Files in a directory: one version of each name. Beside them hidden folders: drafts, locks, holds.

    An object is written whole or not at all. It is destroyed by unlinking it; its bytes are not overwritten, since what
    must not be read again is stored encrypted. A name that is locked or held takes no other bytes. Several processes
    may use one directory.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, name: str, content: bytes, *, keep_until: datetime | None = None) -> str:
        """See Objects.put. Raises Refused("locked") for other bytes under a name that is locked."""
        self._put(name, lambda file: file.write(content), keep_until)
        return ""

    def put_file(self, name: str, source: Path, *, keep_until: datetime | None = None) -> str:
        """See Objects.put_file. Raises as `put`."""
        with source.open("rb") as read:
            self._put(name, lambda file: shutil.copyfileobj(read, file, 1 << 20), keep_until)
        return ""

    def has(self, name: str) -> bool:
        """See Objects.has."""
        with _disk(name):
            return self._path(name).is_file()

    def get(self, name: str) -> bytes:
        """See Objects.get."""
        with _disk(name):
            return self._path(name).read_bytes()

    def fetch(self, name: str, target: Path) -> None:
        """See Objects.fetch."""
        with _disk(name):
            stored = self._path(name).open("rb")
        try:
            with stored, target.open("wb") as file:
                shutil.copyfileobj(stored, file, 1 << 20)
        except BaseException:
            target.unlink(missing_ok=True)
            raise

    def versions(self, prefix: str) -> list[Version]:
        """See Objects.versions."""
        folder = self._root / checked_prefix(prefix).rpartition("/")[0]
        found = []
        with _disk(prefix):
            for place, folders, files in os.walk(folder, onerror=_unless_absent):
                folders[:] = [name for name in folders if not name.startswith(".")]
                within = Path(place).relative_to(self._root)
                found += [(within / name).as_posix() for name in files if not name.startswith(".")]
        return [Version(name, "") for name in sorted(found) if name.startswith(prefix)]

    def destroy(self, versions: Sequence[Version], *, now: datetime) -> dict[str, str]:
        """See Objects.destroy. A directory keeps one version, so the name alone counts."""
        paths = {version.name: self._path(version.name) for version in versions}
        stayed, folders = {}, set()
        with _disk("to destroy"), self._guarded():
            for name, path in paths.items():
                if self._is_locked(name, now):
                    stayed[name] = LOCKED
                    continue
                if _unlinked(path):
                    folders.add(path.parent)
                if _unlinked(self._until(name)):
                    self._drop_empty(self._until(name).parent)
            for folder in folders:
                sync(folder)
            for folder in folders:
                self._drop_empty(folder)
        return stayed

    def hold(self, versions: Sequence[Version], *, on: bool) -> None:
        """See Objects.hold."""
        for version in versions:
            path, mark = self._path(version.name), self._held(version.name)
            with _disk(version.name), self._guarded():
                if not path.is_file():
                    raise NotFound("object", version.name)
                if on:
                    self._write(mark, b"")
                elif _unlinked(mark):
                    sync(mark.parent)
                    self._drop_empty(mark.parent)

    def check(self) -> str:
        """See Objects.check."""
        with _disk(str(self._root)):
            with self._draft() as (file, _):
                file.write(b"seen")
                file.flush()
                os.fsync(file.fileno())
            free = shutil.disk_usage(self._root).free
        return f"directory {self._root}, {free / 2**30:.1f} GiB free"

    def _put(self, name: str, write: Callable[[BinaryIO], object], keep_until: datetime | None) -> None:
        path = self._path(name)
        with _disk(name), self._draft() as (file, draft):
            write(file)
            file.flush()
            os.fsync(file.fileno())
            with self._guarded():
                if path.is_dir():
                    raise Refused("name", f"{name} is the beginning of other names")
                _make_folder(path.parent)
                locked = path.is_file() and (self._until(name).exists() or self._held(name).exists())
                if locked and not filecmp.cmp(draft, path, shallow=False):
                    raise Refused(LOCKED, f"the object {name} is locked and holds other bytes")
                # The lock comes first: a kill between the two leaves no object without it.
                self._lock(name, [moment for moment in (keep_until, locked and self._kept_until(name)) if moment])
                draft.replace(path)
                sync(path.parent)

    def _lock(self, name: str, moments: Sequence[datetime]) -> None:
        """Until the latest of those moments; the lock of an object that is no more is taken away."""
        if moments:
            self._write(self._until(name), max(moments).astimezone(UTC).isoformat().encode())
        else:
            _unlinked(self._until(name))

    def _kept_until(self, name: str) -> datetime | None:
        try:
            return datetime.fromisoformat(self._until(name).read_text())
        except _ABSENT:
            return None

    def _is_locked(self, name: str, now: datetime) -> bool:
        until = self._kept_until(name)
        return self._held(name).exists() or (until is not None and until > now)

    def _path(self, name: str) -> Path:
        return self._root / checked_name(name)

    def _until(self, name: str) -> Path:
        return self._root / ".until" / name

    def _held(self, name: str) -> Path:
        return self._root / ".held" / name

    def _write(self, path: Path, content: bytes) -> None:
        _make_folder(path.parent)
        with self._draft() as (file, draft):
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            draft.replace(path)
        sync(path.parent)

    @contextmanager
    def _draft(self) -> Iterator[tuple[BinaryIO, Path]]:
        """A new file that is locked while it is open, and gone afterwards unless it was moved."""
        swept = True
        while swept:
            path = self._drafts / secrets.token_hex(8)
            with path.open("wb") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                # Another process may have swept it out before the lock was on.
                swept = os.fstat(file.fileno()).st_nlink == 0
                if not swept:
                    try:
                        yield file, path
                    finally:
                        path.unlink(missing_ok=True)

    @cached_property
    def _drafts(self) -> Path:
        """Where drafts are written; the first use sweeps out what processes that were killed have left."""
        folder = self._root / ".drafts"
        try:
            _make_folder(folder)
        except _ABSENT:
            raise Refused("directory", f"{folder} cannot be made") from None
        for left in folder.iterdir():
            with suppress(FileNotFoundError, BlockingIOError), left.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()
        return folder

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """One process and thread at a time: what is seen of locks, holds and folders stays so until the end."""
        with (self._drafts.parent / ".guard").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _drop_empty(self, folder: Path) -> None:
        with suppress(OSError):
            while folder != self._root:
                folder.rmdir()
                folder = folder.parent


def _make_folder(path: Path) -> None:
    """Make a folder and those above it, each on disk when this returns."""
    if not path.is_dir():
        _make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync(path.parent)


def _unlinked(path: Path) -> bool:
    """Remove a file; whether there was one."""
    try:
        path.unlink()
    except _ABSENT:
        return False
    return True


def _unless_absent(error: OSError) -> None:
    if not isinstance(error, _ABSENT):
        raise error


@contextmanager
def _disk(name: str) -> Iterator[None]:
    """Tell in our errors what the file system said."""
    try:
        yield
    except _ABSENT:
        raise NotFound("object", name) from None
    except OSError as error:
        said = f"{name}: {os.strerror(error.errno or 0)}"
        if error.errno in _LATER:
            raise Transient(said) from None
        raise Refused("directory", said) from None
