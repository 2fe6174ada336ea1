"""Documents: bytes into the archive, their hash and place into the ledger, once by key."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.ledger import Document, Order, transaction
from blocks.office import Office

PDF = "application/pdf"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MAILED_BYTES = 20_000_000
"""What a letter carries at most; a document beyond it stands in the letter as a link."""


def carried_by_mail(sizes: Sequence[int]) -> list[bool]:
    """Which of a letter's documents it carries: each, in their order, that there is still room for."""
    room, carried = MAILED_BYTES, []
    for size in sizes:
        carried.append(size <= room)
        room -= size if size <= room else 0
    return carried


def file_document(
    session: Session,
    order: Order | None,
    *,
    key: str,
    title: str,
    file_name: str,
    media_type: str,
    sha256: str,
    size: int,
    now: datetime,
) -> str:
    """Record an archived document, of an order or of none. The key is returned; the same key again keeps the first."""
    if session.scalar(select(Document.id).where(Document.key == key)) is None:
        session.add(
            Document(
                key=key,
                order_id=order.id if order else None,
                title=title,
                file_name=file_name,
                media_type=media_type,
                size=size,
                sha256=sha256,
                created_at=now,
            )
        )
        session.flush()
    return key


def keep_document(
    office: Office, *, key: str, title: str, file_name: str, media_type: str, content: bytes, now: datetime
) -> str:
    """Archive a document that belongs to no order; its sha256. The same key again keeps the first on record."""
    sha256 = office.archive.put(content)
    with transaction(office.sessions) as session:
        file_document(
            session,
            None,
            key=key,
            title=title,
            file_name=file_name,
            media_type=media_type,
            sha256=sha256,
            size=len(content),
            now=now,
        )
    return sha256
