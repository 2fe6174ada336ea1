"""Rendered reports that belong to no order: into the archive, and on record once by key."""

from __future__ import annotations

from datetime import datetime

from blocks.ledger import transaction
from blocks.office import Office
from tasks.documents import file_document


def archive_report(
    office: Office, content: bytes, *, key: str, title: str, file_name: str, media_type: str, now: datetime
) -> str:
    """Archive a report; its sha256. The same key again keeps the first on record."""
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
