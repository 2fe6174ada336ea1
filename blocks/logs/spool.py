"""The spool: batches on their way to segments, sealed under a key of the hour, durable before anybody is answered.

A file is the length of its head (4 bytes), its head sealed, its body sealed. The head lists the pieces of the body, so
that a packing learns where a batch belongs without opening its records. Writers share the spool's lock, the clearing
has it alone: no file appears under a key that is being destroyed.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import orjson

from blocks.durable import erase, locked, sync
from blocks.errors import NotFound, Transient
from blocks.logs.gathering import Piece
from blocks.logs.records import Partition
from blocks.logs.segment import Label, seal, unseal

_SUFFIX = ".batch"
_LENGTH = 4


def hour_of(now: datetime) -> str:
    """The hour whose key seals what comes now."""
    return f"{now.astimezone(UTC):%Y-%m-%dT%H}"


def key_name(hour: str) -> str:
    """The name of an hour's key in the key store."""
    return f"spool/{hour}"


def hour_in(name: str) -> str:
    """The hour under whose key a file is sealed, from its name."""
    return name.split(".", 1)[0]


class Spool:
    """Sealed batches in a directory that its owner alone may read."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True, mode=0o700)

    def write(self, pieces: Sequence[Piece], hour: str, key: bytes) -> str:
        """Keep pieces of a batch; the answer is the file's name. On disk when it returns. Raises Transient."""
        name = f"{hour}.{secrets.token_hex(16)}{_SUFFIX}"
        head = seal(orjson.dumps([_told(piece) for piece in pieces]), _label(name, "head"), key)
        body = seal(b"".join(piece.content for piece in pieces), _label(name, "body"), key)
        draft = self._root / f".{name}"
        try:
            with draft.open("xb") as file:
                file.write(len(head).to_bytes(_LENGTH, "big") + head)
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._root / name)
            sync(self._root)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise Transient(f"the spool takes nothing: {error.strerror}") from error
        return name

    def head(self, name: str, key: bytes) -> list[Piece]:
        """The pieces of a batch without their lines. Raises NotFound, Refused where it was altered."""
        with self._open(name) as file:
            length = int.from_bytes(os.read(file, _LENGTH), "big")
            sealed = os.read(file, length)
        return [_piece(told) for told in orjson.loads(unseal(sealed, _label(name, "head"), key))]

    def pieces(self, name: str, key: bytes) -> Iterator[Piece]:
        """The pieces of a batch. Raises as `head`."""
        pieces, begin = self.head(name, key), 0
        content = (self._root / name).read_bytes()
        start = _LENGTH + int.from_bytes(content[:_LENGTH], "big")
        body = unseal(content[start:], _label(name, "body"), key)
        for piece in pieces:
            piece.lines = [body[begin : begin + piece.size]]
            begin += piece.size
            yield piece

    def names(self) -> set[str]:
        """The batches that are here."""
        return {path.name for path in self._root.glob(f"*{_SUFFIX}") if not path.name.startswith(".")}

    def remove(self, names: set[str]) -> None:
        """Remove batches, and what a killed writer left half written. Only under `alone`."""
        for path in self._root.glob(f".*{_SUFFIX}"):
            path.unlink()
        for name in names:
            (self._root / name).unlink(missing_ok=True)
        sync(self._root)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A writer, from taking the hour's key until its batch is in the ledger; many may at once."""
        with self._through_the_gate(fcntl.LOCK_SH):
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """The clearing, while no writer is at work."""
        with self._through_the_gate(fcntl.LOCK_EX):
            yield

    @contextmanager
    def _through_the_gate(self, kind: int) -> Iterator[None]:
        """The spool's lock, asked for one after another: else writers that keep coming would keep the clearing out."""
        with ExitStack() as held:
            with locked(self._root / "gate.lock", fcntl.LOCK_EX):
                held.enter_context(locked(self._root / "spool.lock", kind))
            yield

    @contextmanager
    def packing(self) -> Iterator[None]:
        """The one packing that may run at a time. Raises Transient when another one does."""
        with ExitStack() as held:
            try:
                held.enter_context(locked(self._root / "packing.lock", fcntl.LOCK_EX | fcntl.LOCK_NB))
            except BlockingIOError:
                raise Transient("another packing is at work") from None
            yield

    @contextmanager
    def scratch(self, ending: str) -> Iterator[Path]:
        """A private file for what is fetched from elsewhere, erased at the end; those that a kill left go first."""
        for left in self._root.glob("scratch.*"):
            erase(left)
        path = self._root / f"scratch.{secrets.token_hex(8)}{ending}"
        path.touch(mode=0o600)
        try:
            yield path
        finally:
            if path.exists():
                erase(path)

    @contextmanager
    def _open(self, name: str) -> Iterator[int]:
        try:
            descriptor = os.open(self._root / name, os.O_RDONLY)
        except FileNotFoundError:
            raise NotFound("batch", name) from None
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _label(name: str, part: str) -> Label:
    return Label(name, "spool", date.fromisoformat(hour_in(name)[:10]), part)


def _told(piece: Piece) -> list[object]:
    return [*piece.partition, piece.size, piece.records, piece.first, piece.last, piece.russian]


def _piece(told: list[object]) -> Piece:
    classes, day, project, size, records, first, last, russian = told
    return Piece(
        Partition(str(classes), date.fromisoformat(str(day)), str(project)),
        size=int(str(size)),
        records=int(str(records)),
        first=float(str(first)),
        last=float(str(last)),
        russian=bool(russian),
    )
