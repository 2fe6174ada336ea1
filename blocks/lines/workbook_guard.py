"""Whether a workbook can be opened at all: what it unpacks to is counted by unpacking it, never believed."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from blocks.errors import Refused
from blocks.lines.faults import SHOWN

MAX_MEMBERS = 1000
MAX_UNPACKED = 1024 * 1024 * 1024
"""Bytes of all members together: a list that fills a sheet needs about 800 MB."""
_PIECE = 1024 * 1024
_KEPT = 4096
_FAR = re.compile(rb"""\br\s*=\s*["'](?:[A-Za-z]{2,}[0-9]|[A-Za-z]?(?!10[0-4][0-9]{4}["'])[0-9]{7,})""")
"""A cell beyond column Z or a row beyond what a sheet has: whoever opens the sheet makes room for all in between."""
_CELL = re.compile(rb"<(?:[A-Za-z0-9]+:)?c\b[^<>]*>")
_ERROR = re.compile(rb"""\bt\s*=\s*["']e["']""")
_UNCOUNTED = re.compile(
    rb"<(?:\w+:)?c\b(?![^<>]*\bt\s*=)[^<>]*>\s*<(?:\w+:)?f\b(?:[^<>]*/>|[^<>]*>[^<>]*</(?:\w+:)?f>)\s*"
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
"""A formula without a value of any type: whoever wrote the workbook never calculated it."""
_CELLS = re.compile(rb"<(?:[A-Za-z0-9]+:)?sheetData\b")
_PLACE = re.compile(rb"""\br\s*=\s*["']([A-Za-z])([0-9]{1,7})["']""")

Place = tuple[int, int]
"""A row from 1 and a column from 0."""


def look_through(source: Path) -> list[Place]:
    """The first SHOWN cells that hold an error value. Raises Refused for a workbook that is not to be opened."""
    errors: list[Place] = []
    try:
        with ZipFile(source) as archive, source.open("rb") as file:
            unpacked = 0
            for member in _members(archive):
                part = _Sheet() if "worksheets/" in member.filename.lower() else _Other()
                for piece in _unpacked(file, member):
                    unpacked += len(piece)
                    if unpacked > MAX_UNPACKED:
                        raise Refused("unreadable", f"the workbook unpacks to more than {MAX_UNPACKED >> 20} MB")
                    part.feed(piece)
                errors += part.errors
    except (BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise Refused("unreadable", f"the workbook is cut off or damaged: {str(error)[:200]}") from None
    return errors[:SHOWN]


def _members(archive: ZipFile) -> list[ZipInfo]:
    """The members, none of which is of a kind that a list has no use for."""
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise Refused("unreadable", f"the workbook has {len(members)} members, at most {MAX_MEMBERS}")
    names = {member.filename.lower() for member in members}
    if "xl/workbook.xml" not in names:
        raise Refused("unreadable", "a ZIP archive that is not an XLSX workbook")
    if len(names) != len(members):
        raise Refused("unreadable", "the workbook has a member twice")
    if any(name.endswith("vbaproject.bin") for name in names):
        raise Refused("unreadable", "the workbook has macros: save it as XLSX")
    if any(member.flag_bits & 0x1 for member in members):
        raise Refused("unreadable", "the workbook is encrypted")
    if any(member.compress_type not in {ZIP_STORED, ZIP_DEFLATED} for member in members):
        raise Refused("unreadable", "the workbook is packed in an unusual way")
    return members


def _unpacked(file: BinaryIO, member: ZipInfo) -> Iterator[bytes]:
    """What a member really holds, to the end of its packed bytes. Raises EOFError, zlib.error, Refused."""
    file.seek(member.header_offset)
    head = file.read(30)
    if len(head) < 30 or head[:4] != b"PK\x03\x04":
        raise EOFError(f"{member.filename} has no head")
    file.seek(int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little"), 1)
    left, size = member.compress_size, 0
    inflate = zlib.decompressobj(-zlib.MAX_WBITS) if member.compress_type == ZIP_DEFLATED else None
    while left:
        packed = file.read(min(_PIECE, left))
        if not packed:
            raise EOFError(f"{member.filename} is cut off")
        left -= len(packed)
        while packed:
            piece = inflate.decompress(packed, _PIECE) if inflate else packed
            packed = inflate.unconsumed_tail if inflate else b""
            size += len(piece)
            yield piece
    while inflate and not inflate.eof and (piece := inflate.decompress(b"", _PIECE)):
        size += len(piece)
        yield piece
    if size != member.file_size or (inflate and not inflate.eof):
        raise Refused("unreadable", f"{member.filename} is not as long as the workbook says")


class _Other:
    """Any other member, passing by."""

    def __init__(self) -> None:
        self.errors: list[Place] = []
        self._tail = b""

    def feed(self, piece: bytes) -> None:
        """Look at the next piece. Raises Refused for a sheet, which nobody would look for here."""
        text = self._tail + piece
        if _CELLS.search(text):
            raise Refused("unreadable", "the workbook keeps a sheet where none is looked for")
        self._tail = text[-_KEPT:]


class _Sheet:
    """The XML of a sheet, passing by."""

    def __init__(self) -> None:
        self.errors: list[Place] = []
        self._tail = self._last = b""

    def feed(self, piece: bytes) -> None:
        """Look at the next piece. Raises Refused for cells out of reach, or of a value that nobody knows."""
        self._last += piece
        if (b"<f" in self._last or b":f" in self._last) and _UNCOUNTED.search(self._last):
            raise Refused(
                "unreadable", "a formula was never calculated: open the workbook in a spreadsheet and save it"
            )
        self._last = self._last[-_KEPT:]
        text = self._tail + piece
        if _FAR.search(text):
            raise Refused("unreadable", "the sheet has cells beyond column Z or row 1048576")
        cut = text.rfind(b">") + 1
        for cell in _CELL.finditer(text, 0, cut) if len(self.errors) < SHOWN and _ERROR.search(text) else ():
            if not _ERROR.search(cell[0]):
                continue
            place = _PLACE.search(cell[0])
            if place is None:
                raise Refused("unreadable", "a cell with an error value does not say where it stands")
            self.errors.append((int(place[2]), (place[1][0] & 0xDF) - ord("A")))
        self._tail = text[cut:][-_KEPT:]
