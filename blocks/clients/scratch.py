"""A folder for what may not stay: one process at a time uses it, and nothing in it outlives its use."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from blocks.durable import erase
from blocks.errors import Transient

_LOCK = "lock"


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """The folder, empty, for this process alone; what lies in it is overwritten and removed before and after.

    So what a killed process left is gone when the next one begins. Raises Transient when another one is using it.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    with (folder / _LOCK).open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Transient(f"another copy or restore is at work in {folder}") from None
        sweep(folder)
        try:
            yield folder
        finally:
            sweep(folder)


def sweep(folder: Path) -> None:
    """Overwrite and remove every file of the folder but its lock."""
    for path in folder.iterdir():
        if path.name != _LOCK:
            erase(path)


def private_file(path: Path) -> Path:
    """Make an empty file that its owner alone reads."""
    path.touch(mode=0o600, exist_ok=False)
    return path
