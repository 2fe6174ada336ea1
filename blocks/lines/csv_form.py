"""How a text is written: its encoding, and whether its quotes, lines and rows are strict CSV."""

from __future__ import annotations

import codecs
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blocks.errors import Refused

BOM = codecs.BOM_UTF8
_PIECE = 4 * 1024 * 1024
_QUOTE, _LF, _CR = 0x22, 0x0A, 0x0D
_SURELY_UTF8 = 20
"""So many characters of several bytes and then a wrong byte: damaged UTF-8, not Windows-1251."""

Fault = tuple[int, str]
"""Where in the bytes, and why."""


class _Utf8:
    """Whether a text is UTF-8, piece by piece."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._several = 0
        self.holds = True

    def feed(self, piece: bytes, *, marked: bool, line: int) -> None:
        """Take the next piece, empty at the end. Raises Refused for UTF-8 that was damaged."""
        if not self.holds:
            return
        try:
            self._several += len(piece) - len(self._decoder.decode(piece, final=not piece))
        except UnicodeDecodeError as error:
            self.holds = False
            before = error.object[: error.start]
            self._several += len(before) - len(before.decode())
            if marked or self._several >= _SURELY_UTF8:
                at = line + before.count(b"\n")
                raise Refused("unreadable", f"line {at}: a byte that is not UTF-8 in a text that is") from None


def encoding_of(source: Path) -> str:
    """`utf-8` where the whole text is, else `cp1251`. Raises Refused for UTF-16, NUL bytes and damaged UTF-8."""
    utf8, line = _Utf8(), 1
    with source.open("rb") as file:
        start = file.read(4)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise Refused("unreadable", "the text is UTF-16: save it as UTF-8")
        piece = start
        while piece:
            if b"\0" in piece:
                at = line + piece.count(b"\n", 0, piece.index(b"\0"))
                raise Refused("unreadable", f"line {at}: a NUL byte; a list is text in UTF-8 or Windows-1251")
            utf8.feed(piece, marked=start.startswith(BOM), line=line)
            line += piece.count(b"\n")
            piece = file.read(_PIECE)
    utf8.feed(b"", marked=start.startswith(BOM), line=line)
    return "utf-8" if utf8.holds else "cp1251"


def strict(text: bytes, delimiter: str) -> Fault | None:
    """The first fault of whole rows, or None: quotes stand around whole cells, or doubled in them; no lone CR."""
    lone = text.count(b"\r") != text.count(b"\r\n")
    if b'"' not in text and not lone:
        return None
    data = np.frombuffer(b"\n" + text + b"\n", np.uint8)
    quote = data == _QUOTE
    parts = quote | (data == ord(delimiter)) | (data == _LF)
    before, after = parts[:-2][quote[1:-1]], (parts | (data == _CR))[2:][quote[1:-1]]
    if before[0::2].all() and after[1::2].all() and len(before) % 2 == 0 and not lone:
        return None
    return _first_fault(data[1:-1], np.flatnonzero(quote[1:-1]), before, after)


def _first_fault(
    data: NDArray[np.uint8], quotes: NDArray[np.intp], before: NDArray[np.bool_], after: NDArray[np.bool_]
) -> Fault | None:
    """The first of: a quote that opens inside a cell, text after one that closes, one left open, a lone CR."""
    found: list[Fault] = [
        *((int(at), "a quote inside a cell that does not begin with one") for at in quotes[0::2][~before[0::2]][:1]),
        *((int(at), "text after a closing quote") for at in quotes[1::2][~after[1::2]][:1]),
    ]
    if len(quotes) % 2:
        found.append((int(quotes[-1]), "a quote that is never closed"))
    returns = np.flatnonzero((data[:-1] == _CR) & (data[1:] != _LF))
    outside = returns[np.searchsorted(quotes, returns) % 2 == 0]
    found += [(int(at), "a carriage return that ends no line") for at in outside[:1]]
    return min(found, default=None)


def widths(text: bytes, delimiter: str) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where each row ends, and how many cells it has."""
    data = np.frombuffer(text, np.uint8)
    quotes = np.flatnonzero(data == _QUOTE)
    ends = _outside(data, _LF, quotes) + 1
    return ends, np.diff(np.searchsorted(_outside(data, ord(delimiter), quotes), ends), prepend=0) + 1


def _outside(data: NDArray[np.uint8], byte: int, quotes: NDArray[np.intp]) -> NDArray[np.intp]:
    found = np.flatnonzero(data == byte)
    return np.asarray(found[np.searchsorted(quotes, found) % 2 == 0])
