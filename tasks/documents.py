"""Documents: bytes into the archive, their hash and place into the ledger, once by key."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.ledger import Document, Order, transaction
from blocks.office import Office


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
