"""Sealed segments: log records of one partition, compressed and encrypted under a key of that partition.

A partition is (classes, day, project). Its key is derived from the period key of (classes, day), so that destroying one
period key makes a day of a class unreadable, however many projects and segments it has. Layout of a segment: magic,
12 bytes of nonce, AES-256-GCM ciphertext of zstd-compressed JSON Lines. Its label is authenticated with it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from blocks.errors import Refused
from blocks.terms.retention import LogClass

MAGIC = b"DGVSEG1\n"
RAW_BYTES = 8 * 1024 * 1024
"""Records are packed into segments of about so many bytes before compression."""
_NONCE = 12
_LEVEL = 1
_LARGEST = 256 * 1024 * 1024


def classes_text(classes: tuple[LogClass, ...]) -> str:
    """How classes are written in names and in the ledger: `qs-metadata+ocp`."""
    return "+".join(classes)


def classes_of(text: str) -> tuple[LogClass, ...]:
    """The classes that a text names. Raises ValueError."""
    return tuple(LogClass(part) for part in text.split("+"))


def period_name(classes: str, day: date) -> str:
    """The name of a period: of its key (`period/...`), and the folder of its segments (`logs/...`)."""
    return f"{classes}/{day.isoformat()}"


@dataclass(frozen=True)
class Label:
    """Where a segment belongs; `name` is its name in the archive. None of it is secret."""

    name: str
    classes: str
    day: date
    project: str

    def authenticated(self) -> bytes:
        """What is bound to the ciphertext."""
        return f"{self.name}\n{self.classes}\n{self.day.isoformat()}\n{self.project}".encode()


def partition_key(period_key: bytes, label: Label) -> bytes:
    """The 32-byte key of a partition."""
    info = f"dogovor partition v1\n{label.classes}\n{label.day.isoformat()}\n{label.project}"
    return HKDF(SHA256(), 32, salt=None, info=info.encode()).derive(period_key)


def seal(content: bytes, label: Label, key: bytes) -> bytes:
    """Compress and encrypt JSON Lines under a partition's key."""
    nonce = os.urandom(_NONCE)
    packed = zstandard.ZstdCompressor(level=_LEVEL).compress(content)
    return b"".join((MAGIC, nonce, AESGCM(key).encrypt(nonce, packed, label.authenticated())))


def unseal(sealed: bytes, label: Label, key: bytes) -> bytes:
    """The JSON Lines of a segment. Raises Refused for another key, another label or altered bytes."""
    start = len(MAGIC)
    if sealed[:start] != MAGIC:
        raise Refused("segment", f"{label.name} is no segment")
    nonce, box = sealed[start : start + _NONCE], sealed[start + _NONCE :]
    try:
        packed = AESGCM(key).decrypt(nonce, box, label.authenticated())
    except (InvalidTag, ValueError):
        raise Refused("segment", f"{label.name} does not open: another key, or altered") from None
    return zstandard.ZstdDecompressor().decompress(packed, max_output_size=_LARGEST)
