"""Mail to support, read from a Maildir. Whatever a stranger can put into a message ends as text or as "unreadable"."""

from __future__ import annotations

import codecs
import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import getaddresses
from functools import lru_cache
from html import unescape
from pathlib import Path
from stat import S_ISREG
from typing import cast

MAX_RAW = 16 * 1024 * 1024
"""An e-mail is at most 10 MB (KS-3.5), which its transfer encoding makes a third longer."""
MAX_TEXT = 256 * 1024
MAX_HEADER = 2000
MAX_ADDRESS_HEADERS = 10
MAX_LABEL, MAX_PARAMETERS = 300, 10
"""Of a header that describes content: the library parses it many times a part, and slowly."""
MAX_PARTS = 200
MAX_LINES, MAX_DELIMITERS, MAX_NESTED = 300_000, 200, 20
"""What a message of MAX_RAW needs at most; more is made to keep a parser busy."""
_NUMBER = re.compile(r"\bT-\d{4}-\d{6,12}\b", re.IGNORECASE)
_ID = re.compile(r"<([!-;=?-~]{1,500})>")
_BOUNDARY = re.compile(rb"boundary\s{0,8}[*=(]", re.IGNORECASE)
_WITHIN = re.compile(rb"message/", re.IGNORECASE)
_COMMENT = re.compile(r'\([^()"]*\)|"[^"]*"')
_NOT_CHARSETS = frozenset({"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"})


@dataclass(frozen=True)
class SupportMail:
    """A message as support needs it. `automatic`: a robot sent it, so nobody answers it.

    `recipients` begins with those that our own mail server wrote down; `answers` holds the local parts of the
    message ids it replies to; `attachments` are names only; `results` are its Authentication-Results, the topmost
    first, and none where it does not name one sender.
    """

    message_id: str
    sender: str
    recipients: tuple[str, ...]
    subject: str
    text: str
    numbers: tuple[str, ...]
    answers: tuple[str, ...]
    attachments: tuple[str, ...]
    automatic: bool
    results: tuple[str, ...] = ()


@dataclass(frozen=True)
class Arrived:
    """A file of the Maildir: its key, when our mail server wrote it, and the message (None: it does not read)."""

    key: str
    at: datetime
    mail: SupportMail | None


def clean(text: str) -> str:
    """Text that every database takes: no control characters but line breaks and tabs, no halves of characters."""
    text = text.encode("utf-8", "replace").decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    return "".join(char for char in text if char in "\n\t" or unicodedata.category(char) != "Cc")


def _line(value: object, limit: int) -> str:
    kept = "".join(char if char.isprintable() else " " for char in clean(str(value)))
    return " ".join(kept.split())[:limit]


_SILENT = frozenset({"script", "style", "head", "title", "template"})
_BREAKS = frozenset({"p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "blockquote", "table"})


def html_text(html: str) -> str:
    """The text of an HTML message, without its scripts and styles; broken HTML costs no more time than sound one."""
    first, *pieces = html.split("<")
    text, silent, comment = [first], "", False
    for piece in pieces:
        inside, closed, after = piece.partition("-->" if comment or piece.startswith("!--") else ">")
        comment = not closed and (comment or piece.startswith("!--"))
        name = inside.split(maxsplit=1)[0].strip("/").lower() if inside.split(maxsplit=1) else ""
        if silent:
            silent = "" if inside.startswith("/") and name == silent else silent
        elif name in _SILENT and not inside.startswith("/"):
            silent = name
        if not silent and closed:
            text.append(f"\n{after}" if name in _BREAKS else after)
    lines = [" ".join(line.split()) for line in unescape("".join(text)).splitlines()]
    return "\n".join(line for line, before in zip(lines, ["", *lines], strict=False) if line or before).strip()


_POLICY_OF_LIBRARY = EmailPolicy()


@lru_cache(maxsize=16)
def _parsed(name: str, value: str) -> object:
    return _POLICY_OF_LIBRARY.header_fetch_parse(name, value)


class _ShortHeaders(EmailPolicy):
    """The library's structured headers take time that grows with the square of their length, so they are cut.

    It parses one anew each time it is looked at, so the last ones are remembered.
    """

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        """A header's name and the beginning of its value."""
        name, value = super().header_source_parse(sourcelines)
        if name.lower() == "mime-version" or name.lower().startswith("content-"):
            return name, ";".join(value[:MAX_LABEL].split(";")[: MAX_PARAMETERS + 1])
        return name, value[:MAX_HEADER]

    def header_fetch_parse(self, name: str, value: str) -> object:  # type: ignore[override]
        """A header as the library understands it."""
        return _parsed(name, value)


_POLICY = _ShortHeaders()


def parse_mail(raw: bytes) -> SupportMail | None:
    """A message, or None: without a sender, too large, or so broken that the library gives up on it."""
    try:
        return None if _keeps_busy(raw) else _parse(raw)
    except Exception:  # noqa: BLE001 - the library has no end of errors for hostile headers
        return None


def _keeps_busy(raw: bytes) -> bool:
    return (
        len(raw) > MAX_RAW
        or raw.count(b"\n") > MAX_LINES
        or len(_WITHIN.findall(raw)) > MAX_NESTED
        or _too_many_parts(raw, len(_BOUNDARY.findall(raw)))
    )


def _too_many_parts(raw: bytes, boundaries: int) -> bool:
    return boundaries > MAX_NESTED or (boundaries > 0 and raw.count(b"\n--") > MAX_DELIMITERS)


def _parse(raw: bytes) -> SupportMail | None:
    message = cast("EmailMessage", message_from_bytes(raw, policy=_POLICY))
    sender = next(iter(_addresses(message, "from")), "")
    if not sender:
        return None
    found = _ID.search(str(message.get("Message-ID", "")))
    message_id = found[1] if found and len(found[1]) <= 180 else f"sha256:{hashlib.sha256(raw).hexdigest()}"
    subject = _line(message.get("Subject", ""), 300)
    replies = f"{message.get('In-Reply-To', '')} {message.get('References', '')}"
    text, attachments = _content(message)
    return SupportMail(
        message_id=message_id,
        sender=sender,
        recipients=_addresses(message, "delivered-to", "x-original-to", "to", "cc"),
        subject=subject,
        text=text,
        numbers=tuple(number.upper() for number in _NUMBER.findall(subject)),
        answers=tuple(reply.partition("@")[0] for reply in _ID.findall(replies)[-50:]),
        attachments=attachments,
        automatic=_automatic(message, sender),
        results=_results(message),
    )


def _addresses(message: EmailMessage, *names: str) -> tuple[str, ...]:
    raw = [(name, value) for wanted in names for name, value in message.raw_items() if name.lower() == wanted]
    headers = [str(_POLICY.header_fetch_parse(name, value)) for name, value in raw[:MAX_ADDRESS_HEADERS]]
    found = (_line(address, 254).lower() for _, address in getaddresses(headers))
    return tuple(dict.fromkeys(address for address in found if "@" in address))


def _results(message: EmailMessage) -> tuple[str, ...]:
    found = [(name.lower(), str(value)) for name, value in message.raw_items()]
    senders = [value for name, value in found if name == "from"]
    if len(senders) != 1 or len(_addresses(message, "from")) != 1:
        return ()
    results = [value for name, value in found if name == "authentication-results"]
    return tuple(_line(value, MAX_HEADER) for value in results[:MAX_ADDRESS_HEADERS])


def authenticated_domain(results: Sequence[str], authserv_id: str) -> str | None:
    """The domain whose sender our own mail server found genuine (DMARC, RFC 7489), or None.

    Only the topmost header that names our server counts: it is the one that it wrote itself.
    """
    for header in results:
        by, *found = _without_comments(header).split(";")
        if not authserv_id or by.split()[:1] != [authserv_id.lower()]:
            continue
        verdicts = [verdict.split() for verdict in found if re.match(r"\s*dmarc\s*=", verdict)]
        if len(verdicts) != 1 or verdicts[0][0] != "dmarc=pass":
            return None
        domains = [said.partition("=")[2] for said in verdicts[0] if said.startswith("header.from=")]
        return domains[0] if len(domains) == 1 else None
    return None


def _without_comments(header: str) -> str:
    """What a server itself says: comments and quoted words may hold what the sender wrote."""
    while (shorter := _COMMENT.sub(" ", header)) != header:
        header = shorter
    return header.lower()


def _automatic(message: EmailMessage, sender: str) -> bool:
    """RFC 3834 and the customs before it: a robot's mail says so, or bounces nowhere."""
    return (
        str(message.get("Auto-Submitted", "no")).partition(";")[0].strip().lower() != "no"
        or str(message.get("Precedence", "")).strip().lower() in ("bulk", "junk", "list", "auto_reply")
        or str(message.get("Return-Path", "")).replace(" ", "") == "<>"
        or any(message.get(name) is not None for name in ("X-Autoreply", "X-Autorespond", "List-Id"))
        or message.get_content_type() == "multipart/report"
        or sender.partition("@")[0] in ("mailer-daemon", "postmaster")
    )


def _content(message: EmailMessage) -> tuple[str, tuple[str, ...]]:
    """The first plain text, else the first HTML as text; and the names of what is attached."""
    plain, html, names = "", "", []
    for count, part in enumerate(message.walk()):
        if count >= MAX_PARTS:
            break
        if part.is_multipart():
            continue
        kind, name = part.get_content_type(), part.get_filename()
        if name or part.get_content_disposition() == "attachment":
            names.append(_line(name or kind, 120))
        elif kind == "text/plain" and not plain:
            plain = _text_of(part)
        elif kind == "text/html" and not html:
            html = html_text(_text_of(part))
    return clean(plain or html).strip(), tuple(names)


def _text_of(part: EmailMessage) -> str:
    """A part's text, at most MAX_TEXT bytes of it; an unknown charset is read as UTF-8 with marks for what is not."""
    payload = cast("bytes | None", part.get_payload(decode=True)) or b""
    try:
        charset = codecs.lookup(part.get_content_charset("utf-8")).name
        text = payload[:MAX_TEXT].decode("utf-8" if charset in _NOT_CHARSETS else charset, "replace")
    except (LookupError, ValueError):
        text = payload[:MAX_TEXT].decode("utf-8", "replace")
    return text.encode("utf-8", "replace")[:MAX_TEXT].decode("utf-8", "ignore")


class SupportMaildir:
    """The Maildir that receives what is sent to support. Messages are moved, never written anew."""

    def __init__(self, path: Path) -> None:
        self._new, self._cur = path / "new", path / "cur"

    def unread(self) -> Iterator[Arrived]:
        """Each new message, the oldest first. Mark it with `read` once it is on record."""
        found = [(_written(file), file) for file in self._new.iterdir()]
        for at, file in sorted((at, file) for at, file in found if at is not None):
            try:
                raw = _head(file)
            except FileNotFoundError:
                continue  # another reader was quicker
            yield Arrived(file.name, at, parse_mail(raw))

    def read(self, key: str, *, aside: bool = False) -> None:
        """Move a message out of `new`, as a mail reader does; one set aside for a person is flagged."""
        with suppress(FileNotFoundError):
            (self._new / key).rename(self._cur / f"{key}:2,{'FS' if aside else 'S'}")


def _written(file: Path) -> datetime | None:
    try:
        stat = file.stat()
    except FileNotFoundError:
        return None
    return datetime.fromtimestamp(stat.st_mtime, UTC) if S_ISREG(stat.st_mode) else None


def _head(file: Path) -> bytes:
    """A file as far as it is looked at: one byte over the limit says that it is too large."""
    with file.open("rb") as stream:
        return stream.read(MAX_RAW + 1)
