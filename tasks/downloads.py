"""Links under which archived documents can be downloaded: unguessable, and never stored."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from blocks.errors import NotFound
from blocks.ledger import Document, reading
from blocks.office import Office


@dataclass(frozen=True)
class Download:
    """A document as it goes over the wire."""

    content: bytes
    media_type: str
    file_name: str


def link_mark(key: str) -> str:
    """What stands in a notice's body for the link to a document that it carries."""
    return f"[[document-link:{key}]]"


def document_token(office: Office, document: Document) -> str:
    """The token of a document's link: its row, and 256 bits that nobody else can make up."""
    return f"{document.id}-{office.sealer.page_token(f'document:{document.key}')}"


def document_link(office: Office, document: Document) -> str:
    """The public URL of a document."""
    return office.settings.link(f"/documents/{document_token(office, document)}")


def download(office: Office, token: str) -> Download:
    """The document of a link. Raises NotFound for a link that we never gave, Refused for a file that was altered."""
    number = token.partition("-")[0]
    if not (number.isascii() and number.isdigit() and len(number) <= 9 and token.isascii()):
        raise NotFound("document of this link", "")
    with reading(office.sessions) as session:
        document = session.get(Document, int(number))
    if document is None or not hmac.compare_digest(document_token(office, document), token):
        raise NotFound("document of this link", "")
    return Download(office.archive.get(document.sha256), document.media_type, document.file_name)
