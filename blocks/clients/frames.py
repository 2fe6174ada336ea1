"""Sealed files of any size in little memory: AES-256-GCM in frames of 1 MiB.

The STREAM construction: the nonce of a frame is 7 random bytes of the file, the frame's number, and whether it is the
last. So frames that were altered, left out, put in another order or taken from another file do not open, and neither
does a file that was cut off.
"""

from __future__ import annotations

import hashlib
import io
import os
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from blocks.errors import Refused

MAGIC = b"DGVFRM1\n"
FRAME = 1 << 20
TAG = 16
_PREFIX = 7


def _nonce(prefix: bytes, number: int, *, last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + bytes([last])


class FrameWriter:
    """Seals what is written to it into `target`. `label` is bound to every frame; a key seals one file only.

    After `finish`, `size` and `sha256` tell what lies in `target`.
    """

    def __init__(self, target: BinaryIO, key: bytes, label: str) -> None:
        self._target, self._box, self._label = target, AESGCM(key), label.encode()
        self._prefix, self._number, self._waiting = os.urandom(_PREFIX), 0, bytearray()
        self._hash, self.size = hashlib.sha256(), 0
        self._put(MAGIC + self._prefix)

    def write(self, piece: bytes) -> None:
        """Seal more bytes."""
        self._waiting += piece
        while len(self._waiting) > FRAME:
            self._seal(bytes(self._waiting[:FRAME]), last=False)
            del self._waiting[:FRAME]

    def finish(self) -> None:
        """Write the last frame; without it the file does not open."""
        self._seal(bytes(self._waiting), last=True)
        self._waiting.clear()

    @property
    def sha256(self) -> str:
        """The SHA-256 of what was written, in hex."""
        return self._hash.hexdigest()

    def _seal(self, content: bytes, *, last: bool) -> None:
        self._put(self._box.encrypt(_nonce(self._prefix, self._number, last=last), content, self._label))
        self._number += 1

    def _put(self, sealed: bytes) -> None:
        self._target.write(sealed)
        self._hash.update(sealed)
        self.size += len(sealed)


class FrameReader(io.RawIOBase):
    """Reads what a FrameWriter sealed. Its end is reached only when the last frame has opened.

    Reading raises Refused("sealed_file") for another key or label, and for a file that was altered or cut off.
    """

    def __init__(self, source: BinaryIO, key: bytes, label: str) -> None:
        super().__init__()
        self._source, self._box, self._label = source, AESGCM(key), label
        head = source.read(len(MAGIC) + _PREFIX)
        if head[: len(MAGIC)] != MAGIC:
            raise Refused("sealed_file", f"{label} is no sealed file")
        self._prefix, self._number = head[len(MAGIC) :], 0
        self._ahead, self._left, self._ended = source.read(FRAME + TAG), memoryview(b""), False

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # what BufferedReader gives
        """See io.RawIOBase."""
        if not self._left and not self._ended:
            self._left = memoryview(self._next())
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def _next(self) -> bytes:
        frame, self._ahead = self._ahead, self._source.read(FRAME + TAG)
        self._ended = not self._ahead
        try:
            content = self._box.decrypt(
                _nonce(self._prefix, self._number, last=self._ended), frame, self._label.encode()
            )
        except (InvalidTag, ValueError):
            raise Refused("sealed_file", f"{self._label} does not open: another key, altered, or cut off") from None
        self._number += 1
        return content
