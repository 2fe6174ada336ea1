"""Gathering: lines are collected by partition into pieces of one segment's size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from blocks.logs.records import Partition
from blocks.logs.segment import RAW_BYTES


@dataclass(slots=True)
class Piece:
    """Lines of one partition, of at most RAW_BYTES. `first` and `last` are ends of handling in POSIX seconds."""

    partition: Partition
    lines: list[bytes] = field(default_factory=list)
    size: int = 0
    records: int = 0
    first: float = float("inf")
    last: float = float("-inf")
    russian: bool = False

    @property
    def content(self) -> bytes:
        """The lines, each with its line feed."""
        return b"".join(self.lines)

    @property
    def first_at(self) -> datetime:
        """When the first of its records ended."""
        return datetime.fromtimestamp(self.first, UTC)

    @property
    def last_at(self) -> datetime:
        """When the last of its records ended."""
        return datetime.fromtimestamp(self.last, UTC)


class Gathering:
    """Pieces that are still being filled. `size` is the bytes that they hold together."""

    def __init__(self) -> None:
        self._open: dict[Partition, Piece] = {}
        self.size = 0

    def add_line(self, partition: Partition, at: float, russian: bool, line: bytes) -> Piece | None:
        """Take in a record (without its line feed); the piece that it did not fit into any more, if it was full."""
        length = len(line) + 1
        piece = self._open.get(partition)
        full = None
        if piece is None or piece.size + length > RAW_BYTES:
            full, piece = self._change(partition)
        piece.lines.append(line + b"\n")
        piece.size += length
        piece.records += 1
        self.size += length
        if at < piece.first:  # noqa: PLR1730 - once a record: a call costs as much as all the rest
            piece.first = at
        if at > piece.last:  # noqa: PLR1730 - as above
            piece.last = at
        if russian:
            piece.russian = True
        return full

    def add(self, part: Piece) -> Piece | None:
        """Take in lines that were gathered before; the piece that they did not fit into any more, if it was full."""
        piece = self._open.get(part.partition)
        full = None
        if piece is None or piece.size + part.size > RAW_BYTES:
            full, piece = self._change(part.partition)
        piece.lines += part.lines
        piece.size += part.size
        piece.records += part.records
        self.size += part.size
        piece.first, piece.last = min(piece.first, part.first), max(piece.last, part.last)
        piece.russian = piece.russian or part.russian
        return full

    def _change(self, partition: Partition) -> tuple[Piece | None, Piece]:
        full = self._open.pop(partition, None)
        if full is not None:
            self.size -= full.size
        fresh = self._open[partition] = Piece(partition)
        return full, fresh

    def take_out(self, down_to: int = 0) -> Iterator[Piece]:
        """Take the largest pieces out until at most `down_to` bytes are held."""
        for piece in sorted(self._open.values(), key=lambda one: -one.size):
            if self.size <= down_to:
                return
            del self._open[piece.partition]
            self.size -= piece.size
            yield piece
