"""What client protocols say before TLS and right after it: how STARTTLS is asked for, and where logins are offered."""

from __future__ import annotations

import re
import socket
import ssl
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

_MOST = 1 << 16


class Speech(StrEnum):
    """The protocol of a port, as far as a scan speaks it."""

    XMPP = "xmpp"
    XMPP_SERVER = "xmpp-server"
    IMAP = "imap"
    SMTP = "smtp"
    NONE = "none"


class Fault(Exception):  # noqa: N818 - what a scan finds, to be told as it stands
    """Raised where a port does not do as it should; the text says what it did."""


class _Words(NamedTuple):
    greeting: str
    ask: str
    told: str
    offers_tls: str
    offers_login: str
    start: str
    started: str


_XMPP_OPEN = (
    "<?xml version='1.0'?><stream:stream to='{name}' xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
)
_XMPP = _Words(
    "",
    _XMPP_OPEN,
    r"</stream:features>|<stream:features\s*/>|</stream:error>|</stream:stream>",
    r"<starttls\b",
    r"<mechanism>",
    "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    r"<proceed\b[^>]*>",
)
_WORDS = {
    Speech.XMPP: _XMPP,
    Speech.XMPP_SERVER: _XMPP._replace(ask=_XMPP_OPEN.replace("jabber:client", "jabber:server")),
    Speech.IMAP: _Words(
        r"^\* .*\r\n",
        "a CAPABILITY\r\n",
        r"^a (OK|NO|BAD)\b.*\r\n",
        r"\bSTARTTLS\b",
        r"\bAUTH=|\A(?!(?s:.*)\bLOGINDISABLED\b)",
        "b STARTTLS\r\n",
        r"^b OK\b.*\r\n",
    ),
    Speech.SMTP: _Words(
        r"^220 .*\r\n",
        "EHLO scan.invalid\r\n",
        r"^\d{3} .*\r\n",
        r"^250[ -]STARTTLS\r\n",
        r"^250[ -]AUTH\b",
        "STARTTLS\r\n",
        r"^220 .*\r\n",
    ),
}


@dataclass
class Line:
    """A connection with a moment (monotonic seconds) by which everything on it must have been said."""

    socket: socket.socket
    end: float
    rest: bytes = b""

    def read(self, most: int) -> bytes:
        """What comes next, `most` bytes at most. Raises TimeoutError, OSError."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.socket.settimeout(left)
        return self.socket.recv(most)

    def say(self, text: bytes) -> None:
        """Send it all. Raises TimeoutError, OSError."""
        self.socket.settimeout(max(self.end - time.monotonic(), 0.001))
        self.socket.sendall(text)

    def hear(self, pattern: str) -> str:
        """All that comes up to the end of what matches the pattern. Raises Fault where it does not come."""
        wanted = re.compile(pattern.encode(), re.MULTILINE)
        while not (found := wanted.search(self.rest)):
            part = self.read(4096)
            if not part or len(self.rest) > _MOST:
                raise Fault("it ends the connection instead of an answer" if not part else "its answer has no end")
            self.rest += part
        text, self.rest = self.rest[: found.end()], self.rest[found.end() :]
        return text.decode(errors="replace")

    def secured(self, context: ssl.SSLContext, name: str) -> ssl.SSLSocket:
        """The same connection under TLS. Raises ssl.SSLError, OSError."""
        self.socket.settimeout(max(self.end - time.monotonic(), 0.001))
        return context.wrap_socket(self.socket, server_hostname=name)


def start_tls(line: Line, speech: Speech, name: str) -> bool:
    """Ask for TLS on a line in clear; tells whether a login was offered before. Raises Fault where none begins."""
    words = _WORDS[speech]
    told = _told(line, words, name)
    if not re.search(words.offers_tls, told, re.MULTILINE):
        raise Fault("it offers no STARTTLS")
    line.say(words.start.encode())
    line.hear(words.started)
    if line.rest:
        raise Fault("it goes on in clear after STARTTLS")
    return re.search(words.offers_login, told, re.MULTILINE) is not None


def login_offered(line: Line, speech: Speech, name: str, *, greeted: bool) -> bool:
    """Whether a login is offered on a line under TLS; `greeted`: STARTTLS came before, so no greeting comes now."""
    words = _WORDS[speech]
    told = _told(line, words._replace(greeting="") if greeted else words, name)
    return re.search(words.offers_login, told, re.MULTILINE) is not None


def _told(line: Line, words: _Words, name: str) -> str:
    if words.greeting:
        line.hear(words.greeting)
    line.say(words.ask.format(name=name).encode())
    return line.hear(words.told)
