"""SIP messages (RFC 3261) as our agent uses them, digest by HA1 (RFC 2617), SDP with SRTP keys (RFC 4568)."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import secrets
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from blocks.errors import Refused

MOST_HEAD, MOST_BODY = 16_384, 65_536
"""The longest head and body that are read, in bytes."""

SUITE = "AES_256_CM_HMAC_SHA1_80"
"""The SRTP suite that we offer: AES with 256 bits (RFC 6188, KS-2.6)."""

_KEY_BYTES = 32 + 14  # the master key and its salt
_COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length"}
_PARAMETER = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,"]+))')
_CRYPTO = re.compile(r"^a=crypto:\d+ +(\S+) +inline:\S+", re.MULTILINE)


@dataclass(frozen=True)
class Message:
    """A request or an answer: its first line, its headers in order under lower-case long names, its body."""

    start: str
    headers: tuple[tuple[str, str], ...]
    body: str = ""

    @property
    def code(self) -> int:
        """The code of an answer, 0 for a request."""
        words = self.start.split()
        return int(words[1]) if words[0] == "SIP/2.0" else 0

    @property
    def method(self) -> str:
        """The method of a request, or that which is answered."""
        return self.header("cseq").split()[-1]

    @property
    def branch(self) -> str:
        """The branch of the topmost Via: which of our requests an answer is for."""
        found = re.search(r";\s*branch=([^;,\s]+)", self.header("via"))
        return found[1] if found else ""

    def header(self, name: str) -> str:
        """The first header of a name. Raises Refused where there is none."""
        for held, value in self.headers:
            if held == name:
                return value
        raise Refused("sip", f"a message without {name}")

    def all(self, name: str) -> list[str]:
        """Every header of a name, in order."""
        return [value for held, value in self.headers if held == name]


async def read_message(reader: asyncio.StreamReader) -> Message:
    """Read the next message; blank lines between messages (keep-alives) are skipped.

    Raises Refused where it is malformed or too long, asyncio.IncompleteReadError where the connection ends.
    """
    try:
        head = b""
        while not head.strip():
            head = await reader.readuntil(b"\r\n")
        if len(head) < 3 or not head.endswith(b"\r\n"):
            raise Refused("sip", "a malformed first line")
        head += await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise Refused("sip", "a head that is too long") from None
    message = parse_head(head)
    length = next(iter(message.all("content-length")), "0")
    if not length.isdecimal() or len(length) > 5 or int(length) > MOST_BODY:
        raise Refused("sip", "a body that is too long")
    body = await reader.readexactly(int(length))
    return Message(message.start, message.headers, body.decode(errors="replace"))


def parse_head(head: bytes) -> Message:
    """Parse a message's head, up to and with its blank line. Raises Refused where it is malformed."""
    text = re.sub(r"\r\n[ \t]+", " ", head.decode(errors="replace"))
    start, *lines = text.rstrip("\r\n").split("\r\n")
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise Refused("sip", "a header without a colon")
        key = name.strip().lower()
        headers.append((_COMPACT.get(key, key), value.strip()))
    message = Message(start, tuple(headers))
    if not re.fullmatch(r"SIP/2\.0 [1-6]\d\d( .*)?|[A-Z]{1,20} \S+ SIP/2\.0", start) or not message.header("cseq"):
        raise Refused("sip", "a malformed first line")
    return message


def compose(start: str, headers: Sequence[tuple[str, str]], body: str = "") -> bytes:
    """A message as it is sent, its length stated."""
    lines = [start, *(f"{name}: {value}" for name, value in headers), f"Content-Length: {len(body.encode())}", "", ""]
    return ("\r\n".join(lines) + body).encode()


def digest(challenge: str, number: str, ha1: str, method: str, uri: str) -> str:
    """The credentials that answer a challenge. Raises Refused where it asks for what HA1 (MD5) cannot answer."""
    asked = {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(challenge)}
    if asked.get("algorithm", "MD5").upper() != "MD5" or "auth" not in asked.get("qop", "").split(","):
        raise Refused("sip_digest", "the server asks for another digest than MD5 with qop=auth")
    if not {"realm", "nonce"} <= asked.keys():
        raise Refused("sip_digest", "the server's challenge has no realm or nonce")
    ours = secrets.token_hex(8)
    request = _md5(f"{method}:{uri}")
    response = _md5(f"{ha1}:{asked['nonce']}:00000001:{ours}:auth:{request}")
    return (
        f'Digest username="{number}", realm="{asked["realm"]}", nonce="{asked["nonce"]}", uri="{uri}",'
        f' response="{response}", algorithm=MD5, qop=auth, cnonce="{ours}", nc=00000001'
    )


def sdp(address: str) -> str:
    """A description of one stream of speech under SRTP with a new key. Nothing is ever sent: its port is discard."""
    kind = "IP6" if ":" in address else "IP4"
    key = b64encode(os.urandom(_KEY_BYTES)).decode()
    lines = ["v=0", f"o=- 1 1 IN {kind} {address}", "s=-", f"c=IN {kind} {address}", "t=0 0"]
    lines += ["m=audio 9 RTP/SAVP 0", "a=rtpmap:0 PCMU/8000", f"a=crypto:1 {SUITE} inline:{key}", ""]
    return "\r\n".join(lines)


def suites(description: str) -> list[str]:
    """The SRTP suites that a description names, in order."""
    return _CRYPTO.findall(description)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
