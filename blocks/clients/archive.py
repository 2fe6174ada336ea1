"""The archive: documents by the sha256 of their bytes. The embedded default is a directory."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path
from typing import Protocol

from blocks.errors import NotFound, Refused

_PIECE = 1 << 20


class Archive(Protocol):
    """Where documents and proofs are kept."""

    def put(self, content: bytes) -> str:
        """Keep the bytes; the answer is their sha256 in hex. The same bytes twice are kept once."""
        ...

    def get(self, sha256: str) -> bytes:
        """The bytes of that hash, checked. Raises NotFound, or Refused when what is stored was altered."""
        ...

    def put_file(self, source: Path) -> str:
        """As `put`, for a file of any size: its bytes go through in pieces, and the answer is what was kept."""
        ...

    def fetch(self, sha256: str, target: Path) -> None:
        """Write the bytes of that hash into a file, in pieces, checked. Raises as `get`, and then leaves no file."""
        ...


class DirectoryArchive:
    """Files named by their hash, two letters a folder; written whole or not at all."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, sha256: str) -> Path:
        """Where the bytes of that hash lie."""
        return self._root / sha256[:2] / sha256

    def put(self, content: bytes) -> str:
        """See Archive.put. On disk when this returns."""
        sha256 = hashlib.sha256(content).hexdigest()
        path = self.path(sha256)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{sha256[:8]}.{secrets.token_hex(4)}")
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        return sha256

    def get(self, sha256: str) -> bytes:
        """See Archive.get."""
        try:
            content = self.path(sha256).read_bytes()
        except FileNotFoundError:
            raise NotFound("document", sha256) from None
        if hashlib.sha256(content).hexdigest() != sha256:
            raise Refused("archive", f"the document {sha256} was altered")
        return content

    def put_file(self, source: Path) -> str:
        """See Archive.put_file. On disk when this returns."""
        self._root.mkdir(parents=True, exist_ok=True)
        draft = self._root / f".{secrets.token_hex(8)}"
        try:
            sha256 = _copy(source, draft)
            path = self.path(sha256)
            path.parent.mkdir(exist_ok=True)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        return sha256

    def fetch(self, sha256: str, target: Path) -> None:
        """See Archive.fetch."""
        try:
            copied = _copy(self.path(sha256), target)
        except FileNotFoundError:
            raise NotFound("document", sha256) from None
        if copied != sha256:
            target.unlink()
            raise Refused("archive", f"the document {sha256} was altered")


def _copy(source: Path, target: Path) -> str:
    """The sha256 of what was copied."""
    digest = hashlib.sha256()
    with source.open("rb") as stored, target.open("wb") as file:
        while piece := stored.read(_PIECE):
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()
