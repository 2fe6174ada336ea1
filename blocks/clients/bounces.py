"""Mail back: delivery reports (RFC 3464) read from a Maildir, each moved aside once it is on record."""

from __future__ import annotations

import mailbox
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from email.policy import default as default_policy
from pathlib import Path
from typing import cast

_FINAL = frozenset({"delivered", "failed"})


@dataclass(frozen=True)
class DeliveryReport:
    """What became of a letter. `envelope_id` is ours, from ENVID or from the Message-ID of the returned headers."""

    envelope_id: str
    delivered: bool
    diagnostic: str


def parse_report(raw: bytes) -> DeliveryReport | None:
    """The report in a message, or None: not a report, not final (delayed, relayed), or not about a letter of ours."""
    message = message_from_bytes(raw, policy=default_policy)
    envelope_id, action, diagnostic, returned_id = "", "", "", ""
    for part in message.walk():
        kind = part.get_content_type()
        if kind == "message/delivery-status":
            for group in cast("list[Message]", part.get_payload()):
                envelope_id = str(group.get("Original-Envelope-Id", envelope_id)).strip()
                action = str(group.get("Action", action)).strip().lower()
                status = " ".join(str(group.get(name, "")) for name in ("Status", "Diagnostic-Code")).strip()
                diagnostic = " ".join(status.split()) or diagnostic
        elif kind in ("message/rfc822", "text/rfc822-headers", "message/rfc822-headers"):
            returned_id = returned_id or _message_id(part)
    envelope_id = envelope_id or returned_id
    if not envelope_id or action not in _FINAL:
        return None
    return DeliveryReport(envelope_id, action == "delivered", diagnostic[:500])


def _message_id(part: Message) -> str:
    payload = part.get_payload()
    headers = payload[0] if isinstance(payload, list) and payload else message_from_bytes(str(payload).encode())
    return str(cast("Message", headers).get("Message-ID", "")).strip().strip("<>").partition("@")[0]


class BounceMaildir:
    """The Maildir that receives what is sent to the bounce address."""

    def __init__(self, path: Path) -> None:
        self._box = mailbox.Maildir(path, create=False)

    def unread(self) -> Iterator[tuple[str, DeliveryReport | None]]:
        """Each new message's key with its report (None: nothing of ours). Mark it with `read` once it is on record."""
        self._box._refresh()  # type: ignore[attr-defined]  # noqa: SLF001 - the library caches by directory mtime
        for key in list(self._box.keys()):
            found = self._box.get_message(key)
            if found.get_subdir() == "new":
                yield key, parse_report(self._box.get_bytes(key))

    def read(self, key: str) -> None:
        """Move a message out of `new`, as a mail reader does."""
        found = self._box.get_message(key)
        found.set_subdir("cur")
        found.add_flag("S")
        self._box[key] = found
