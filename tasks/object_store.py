"""The object store is the one of before: one that is not mounted, or another bucket, looks as if nothing lay in it."""

from __future__ import annotations

from sqlalchemy import select

from blocks.errors import NotFound, Transient
from blocks.ledger import LedgerCopy, LogSegment, reading
from blocks.office import Office

WITNESS = "witness/objects"
"""The object by which the store is known. It is put before the first segment and the first copy, and stays."""


def recognise(office: Office) -> None:
    """Raise Transient unless the object store is the one in which the ledger's segments and copies lie.

    A ledger without any makes the store its own. To be asked before something is put, and before and after absence is
    looked for.
    """
    wanted = office.sealer.page_token("object store").encode()
    try:
        if office.objects.get(WITNESS) == wanted:
            return
    except NotFound:
        pass
    with reading(office.sessions) as session:
        used = session.scalar(select(LogSegment.id).limit(1)) or session.scalar(select(LedgerCopy.id).limit(1))
    if used:
        raise Transient(
            f"the object store is not the one of before: {WITNESS} in it does not say {wanted.decode()}. "
            "Is it mounted, is it the right bucket? Where the old one is lost for good, put that there"
        )
    office.objects.put(WITNESS, wanted)
