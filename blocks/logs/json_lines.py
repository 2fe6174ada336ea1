"""Log records as JSON Lines: plain, gzip or Zstandard, in blocks of whole lines, with bounds against bombs."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path

import zstandard

from blocks.errors import Refused
from blocks.logs.records import LINE_BYTES

_BLOCK = 1024 * 1024
_ZSTD_INPUT = 2048
"""So few bytes of Zstandard can be at most some 64 MiB of text."""
_ZSTD_WINDOW = 128 * 1024 * 1024
_AT_EASE = 64 * 1024 * 1024
_RATIO = 256
"""Beyond `_AT_EASE` bytes of text, a file that grows more than so many times is a bomb."""


def lines_in(content: bytes) -> list[bytes]:
    """The lines of a batch."""
    return content.split(b"\n")


def inflate(content: bytes, largest: int) -> bytes:
    """What a gzip body holds. Raises Refused: "unreadable", or "too_large" beyond `largest` bytes."""
    try:
        with gzip.GzipFile(fileobj=BytesIO(content)) as file:
            inflated = file.read(largest + 1)
    except (OSError, EOFError, zlib.error):
        raise Refused("unreadable", "the body is no gzip, or it is cut off") from None
    if len(inflated) > largest:
        raise Refused("too_large", f"the body holds more than {largest} bytes")
    return inflated


def read_lines(path: Path) -> Iterator[list[bytes]]:
    """The lines of a file (.jsonl, .jsonl.gz, .jsonl.zst) in blocks. Raises Refused for a damaged one or a bomb."""
    kind = path.suffix
    opened = _gzip(path) if kind == ".gz" else _zstd(path) if kind == ".zst" else _plain(path)
    carry = b""
    for block in _bounded(opened, path.stat().st_size):
        lines = (carry + block).split(b"\n")
        carry = lines.pop()
        if len(carry) > LINE_BYTES:
            lines.append(carry)
            yield lines
            return
        yield lines
    if carry:
        yield [carry]


def _bounded(blocks: Iterable[bytes], size: int) -> Iterator[bytes]:
    read = 0
    for block in blocks:
        read += len(block)
        if read > max(_AT_EASE, _RATIO * size):
            raise Refused("bomb", f"the file grows to more than {_RATIO} times its size")
        yield block


def _plain(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _gzip(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path) as file:
            while block := file.read(_BLOCK):
                yield block
    except (OSError, EOFError, zlib.error):
        raise Refused("unreadable", "the gzip file is cut off or damaged") from None


def _zstd(path: Path) -> Iterator[bytes]:
    """Frame by frame: the library's own stream reader ends a file that is cut off without a word."""
    factory = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    frame, fresh = factory.decompressobj(), True
    try:
        with path.open("rb") as file:
            while rest := file.read(_ZSTD_INPUT):
                while rest:
                    yield frame.decompress(rest)
                    rest, fresh = frame.unused_data, frame.eof
                    if fresh:
                        frame = factory.decompressobj()
    except zstandard.ZstdError:
        raise Refused("unreadable", "the Zstandard file is damaged") from None
    if not fresh:
        raise Refused("unreadable", "the Zstandard file is cut off")
