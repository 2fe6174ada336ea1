"""Objects: bytes under names, in a store that can be told to keep or to destroy them.

What the sealed logs and the archive stand on. Two stores: `objects_directory` and `objects_s3`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from blocks.errors import Refused

LOCKED = "locked"
"""Why an object is not destroyed: its time has not come, or it is held."""

LONGEST_NAME = 900
"""Characters; S3 takes 1024 bytes, its prefix included."""

_LONGEST_PART = 255  # what file systems take
_NAME = re.compile(r"[A-Za-z0-9._+=/-]*")


@dataclass(frozen=True)
class Version:
    """One stored version of an object or, in S3, a delete marker.

    `version` is S3's VersionId, and "" where the store keeps one version only.
    """

    name: str
    version: str
    marker: bool = False


class Objects(Protocol):
    """Bytes under names. What a name means never changes, so the same name put twice holds the same bytes.

    Names are relative, their parts are parted by "/" and none begins with a dot, their characters are
    [A-Za-z0-9._+=/-], at most LONGEST_NAME of them; Refused("name") otherwise. Every method may raise Transient when
    the store does not answer or has no room, and Refused when it says no.
    """

    def put(self, name: str, content: bytes, *, keep_until: datetime | None = None) -> str:
        """Keep the bytes; the answer is the version's id. Durable when it returns.

        Until `keep_until` (aware) `destroy` is refused, where the store can hold to it (see `check`).
        """
        ...

    def put_file(self, name: str, source: Path, *, keep_until: datetime | None = None) -> str:
        """As `put`, for a file of any size that nobody changes meanwhile."""
        ...

    def has(self, name: str) -> bool:
        """Whether there is an object of that name."""
        ...

    def get(self, name: str) -> bytes:
        """The newest bytes of that name. Raises NotFound."""
        ...

    def fetch(self, name: str, target: Path) -> None:
        """Write the newest bytes of that name into a file, in pieces. Raises as `get`, and then leaves no file."""
        ...

    def versions(self, prefix: str) -> list[Version]:
        """Every version and delete marker of every object whose name begins so, in no set order."""
        ...

    def destroy(self, versions: Sequence[Version], *, now: datetime) -> dict[str, str]:
        """Destroy those versions and markers for good; the answer is what stayed: name -> why, in a word or two.

        What is not there counts as destroyed. A lock or a hold is never got around: the reason is then LOCKED. `now`
        (aware) is the moment against which a directory judges locks; S3 judges by its own clock. After Transient some
        may be gone already: the same call again does the rest.
        """
        ...

    def hold(self, versions: Sequence[Version], *, on: bool) -> None:
        """Put versions on legal hold, or let go of them: while held they are not destroyed. Delete markers are skipped.

        Raises NotFound for one that is not there; others may be held by then.
        """
        ...

    def check(self) -> str:
        """One line about the store, for a person. Raises Refused or Transient when it is of no use."""
        ...


def checked_name(name: str) -> str:
    """The name itself. Raises Refused("name") for one that no store takes."""
    parts = name.split("/")
    if not name or "" in parts:
        raise Refused("name", f"not the name of an object: {name!r}")
    return checked_prefix(name)


def checked_prefix(prefix: str) -> str:
    """The prefix itself, which may end anywhere. Raises Refused("name") when no name begins so."""
    *folders, last = prefix.split("/")
    if (
        not _NAME.fullmatch(prefix)
        or "" in folders
        or any(part.startswith(".") or len(part) > _LONGEST_PART for part in (*folders, last))
        or len(prefix) > LONGEST_NAME
    ):
        raise Refused("name", f"not the name of an object: {prefix!r}")
    return prefix
