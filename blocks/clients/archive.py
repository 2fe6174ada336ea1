"""The archive: documents by the sha256 of their bytes, in a store of objects."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Protocol

from blocks.clients.objects import Objects
from blocks.errors import NotFound, Refused


class Archive(Protocol):
    """Where documents and proofs are kept."""

    def put(self, content: bytes) -> str:
        """Keep the bytes; the answer is their sha256 in hex. The same bytes twice are kept once."""
        ...

    def get(self, sha256: str) -> bytes:
        """The bytes of that hash, checked. Raises NotFound, or Refused when what is stored was altered."""
        ...

    def put_file(self, source: Path) -> str:
        """As `put`, for a file of any size: its bytes go through in pieces. Nobody changes it meanwhile."""
        ...

    def destroy(self, sha256: str, *, now: datetime) -> None:
        """Remove the bytes of that hash, every version; nothing happens where there are none. Raises Refused."""
        ...

    def fetch(self, sha256: str, target: Path) -> None:
        """Write the bytes of that hash into a file, in pieces, checked. Raises as `get`, and then leaves no file."""
        ...


class HashedArchive:
    """Objects named by their hash, two letters a folder: `ab/abcdef...`."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def put(self, content: bytes) -> str:
        """See Archive.put. Durable when this returns."""
        sha256 = hashlib.sha256(content).hexdigest()
        if not self._objects.has(_name(sha256)):
            self._objects.put(_name(sha256), content)
        return sha256

    def get(self, sha256: str) -> bytes:
        """See Archive.get."""
        try:
            content = self._objects.get(_name(sha256))
        except NotFound:
            raise NotFound("document", sha256) from None
        if hashlib.sha256(content).hexdigest() != sha256:
            raise _altered(sha256)
        return content

    def put_file(self, source: Path) -> str:
        """See Archive.put_file. Durable when this returns."""
        sha256 = _hash_of(source)
        if not self._objects.has(_name(sha256)):
            self._objects.put_file(_name(sha256), source)
        return sha256

    def destroy(self, sha256: str, *, now: datetime) -> None:
        """See Archive.destroy. What is locked or held is refused."""
        name = _name(sha256)
        stayed = self._objects.destroy([one for one in self._objects.versions(name) if one.name == name], now=now)
        if stayed:
            raise Refused("archive", f"the document {sha256} was not destroyed: {stayed[name]}")

    def fetch(self, sha256: str, target: Path) -> None:
        """See Archive.fetch."""
        try:
            self._objects.fetch(_name(sha256), target)
        except NotFound:
            raise NotFound("document", sha256) from None
        if _hash_of(target) != sha256:
            target.unlink()
            raise _altered(sha256)


def _name(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _altered(sha256: str) -> Refused:
    return Refused("archive", f"the document {sha256} was altered")
