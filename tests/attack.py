"""An attack on destroyed logs: everything that lies on disk, the key-encryption key in hand, and time.

The attacker kept every sealed object from before the purge, reads every byte of every file after it, and takes each run
of bytes that could be a wrapped key for one. It knows our formats and no client of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from blocks.errors import Refused
from blocks.logs.segment import Label, partition_key, unseal

_NONCE, _WRAPPED = 12, 12 + 32 + 16


@dataclass(frozen=True)
class Stolen:
    """A sealed segment as it once lay in the archive, and where it belonged."""

    label: Label
    sealed: bytes


def every_byte(home: Path) -> dict[Path, bytes]:
    """Every file under a folder, those without a name of their own (journals, drafts, write-ahead logs) included."""
    found = {}
    for path in sorted(home.rglob("*")):
        if path.is_file() and not path.is_symlink():
            found[path] = path.read_bytes()
    return found


def in_clear(files: Mapping[Path, bytes], marks: Iterable[str]) -> list[str]:
    """Where a mark stands readable."""
    return [f"{mark} in {path}" for path, content in files.items() for mark in marks if mark.encode() in content]


def wrapped_keys(files: Mapping[Path, bytes], kek: bytes, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Every key that some run of bytes in some file holds under one of the names."""
    box = AESGCM(kek)
    suspects = [content for path, content in files.items() if b"period/" in content or "key" in path.name]
    for name in names:
        bound = name.encode()
        for content in suspects:
            for at in range(len(content) - _WRAPPED + 1):
                nonce = content[at : at + _NONCE]
                if nonce[:4] == b"\0\0\0\0":
                    continue
                try:
                    yield name, box.decrypt(nonce, content[at + _NONCE : at + _WRAPPED], bound)
                except InvalidTag:
                    continue


def opens(stolen: Iterable[Stolen], files: Mapping[Path, bytes], kek: bytes) -> list[bytes]:
    """What of the stolen segments can be read with all that lies around."""
    segments = list(stolen)
    names = {
        name
        for one in segments
        for name in (
            f"period/{one.label.classes}/{one.label.day}",
            f"held/{one.label.classes}/{one.label.day}/{one.label.project}",
        )
    }
    keys = list(wrapped_keys(files, kek, sorted(names)))
    read = []
    for one in segments:
        for name, key in keys:
            try:
                used = key if name.startswith("held/") else partition_key(key, one.label)
                read.append(unseal(one.sealed, one.label, used))
                break
            except Refused:
                continue
    return read
