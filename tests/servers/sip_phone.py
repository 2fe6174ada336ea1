"""A customer's phone in tests: it knows its password, speaks SIP over TLS by hand, and shares no code with ours."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
import ssl
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

AES_256, GCM_256, AES_128 = "AES_256_CM_HMAC_SHA1_80", "AEAD_AES_256_GCM", "AES_CM_128_HMAC_SHA1_80"
_KEY_BYTES = {AES_256: 46, GCM_256: 44, AES_128: 30}
Header = tuple[str, str]


def offer(*suites: str, profile: str = "RTP/SAVP", extra: str = "", port: int = 40_000) -> str:
    """Return SDP that offers speech under these suites, in order."""
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0", f"m=audio {port} {profile} 0"]
    for tag, suite in enumerate(suites, 1):
        key = base64.b64encode(os.urandom(_KEY_BYTES[suite])).decode()
        lines.append(f"a=crypto:{tag} {suite} inline:{key}{extra}")
    return "\r\n".join([*lines, ""])


@dataclass(frozen=True)
class Said:
    """A message that came."""

    start: str
    headers: list[Header]
    body: str
    at: float = field(default_factory=time.monotonic)

    @property
    def code(self) -> int:
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0") else 0

    @property
    def method(self) -> str:
        return self["CSeq"].split()[1]

    def __getitem__(self, name: str) -> str:
        return next(value for held, value in self.headers if held.lower() == name.lower())

    def all(self, name: str) -> list[str]:
        return [value for held, value in self.headers if held.lower() == name.lower()]


@dataclass
class Dialog:
    """One side of a call."""

    call_id: str
    local: str
    remote: str
    target: str
    routes: list[str]


class Phone:
    """A phone of `number` in `domain`, on one TLS connection from the address `source`."""

    def __init__(
        self, port: int, ca_file: str, domain: str, number: str, password: str, *, source: str = "127.0.0.1"
    ) -> None:
        self.domain, self.number, self._password = domain, number, password
        plain = socket.create_connection(("127.0.0.1", port), 10, (source, 0))
        context = ssl.create_default_context(cafile=ca_file)
        self.socket = context.wrap_socket(plain, server_hostname=domain)
        self.address, self.port = self.socket.getsockname()
        self.instance, self._tag, self._cseq = uuid.uuid4(), uuid.uuid4().hex, 0
        self._buffer, self._kept = b"", deque[Said]()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.socket.close()

    @property
    def contact(self) -> str:
        return f"<sip:{self.number}@{self.address}:{self.port};transport=tls>"

    def own(self, number: str | None = None) -> str:
        return f"sip:{number or self.number}@{self.domain}"

    def send(self, start: str, headers: list[Header], body: str = "") -> None:
        lines = [start, *(f"{name}: {value}" for name, value in headers), f"Content-Length: {len(body)}", "", ""]
        self.socket.sendall("\r\n".join(lines).encode() + body.encode())

    def receive(self, timeout: float = 10) -> Said:
        """Return the next message. Raises TimeoutError."""
        self.socket.settimeout(timeout)
        while b"\r\n\r\n" not in self._buffer.lstrip(b"\r\n"):
            self._more()
        head, _, rest = self._buffer.lstrip(b"\r\n").partition(b"\r\n\r\n")
        start, *lines = head.decode().split("\r\n")
        headers = [(name.strip(), value.strip()) for name, value in (line.split(":", 1) for line in lines)]
        length = int(next(value for name, value in headers if name.lower() == "content-length"))
        self._buffer = rest
        while len(self._buffer) < length:
            self._more()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Said(start, headers, body.decode())

    def wait(self, method: str, timeout: float = 10) -> Said:
        """Return the next request of a method; others stay."""
        for said in self._kept:
            if not said.code and said.method == method:
                self._kept.remove(said)
                return said
        while (said := self.receive(timeout)).code or said.method != method:
            self._kept.append(said)
        return said

    def ask(
        self,
        method: str,
        uri: str,
        *,
        to: str = "",
        sender: str = "",
        call_id: str = "",
        extra: tuple[Header, ...] = (),
        body: str = "",
        login: bool = True,
    ) -> Said:
        """Return the final answer, after one login where it is asked for."""
        call_id = call_id or uuid.uuid4().hex
        head = [("From", f"<{sender or self.own()}>;tag={self._tag}"), ("To", f"<{to or uri}>"), ("Call-ID", call_id)]
        said = self._once(method, uri, [*head, *extra], body)
        if said.code in {401, 407} and login:
            ours, theirs = ("", "WWW") if said.code == 401 else ("Proxy-", "Proxy")
            answer = self._digest(said[f"{theirs}-Authenticate"], method, uri)
            said = self._once(method, uri, [*head, *extra, (f"{ours}Authorization", answer)], body)
        return said

    def register(self, expires: int = 300, **named: str) -> Said:
        contact = f'{self.contact};+sip.instance="<urn:uuid:{self.instance}>";expires={expires}'
        return self.ask("REGISTER", f"sip:{self.domain}", to=self.own(), extra=(("Contact", contact),), **named)  # type: ignore[arg-type]

    def flood(self, count: int) -> None:
        """Ask that often. Raises TimeoutError once no answer comes."""
        for _ in range(count):
            head = [("From", f"<{self.own()}>;tag=1"), ("To", f"<{self.own()}>"), ("Call-ID", uuid.uuid4().hex)]
            self._begin("OPTIONS", f"sip:{self.domain}", head, "")
            self.receive(1)

    def start_call(self, uri: str, body: str, call_id: str = "") -> Said:
        """Invite, and return the first answer that is no challenge and not 100."""
        extra = (
            (("Contact", self.contact), ("Content-Type", "application/sdp")) if body else (("Contact", self.contact),)
        )
        return self.ask("INVITE", uri, extra=extra, body=body, call_id=call_id)

    def call(self, other: Phone, body: str = "", answer: str = "") -> Dialog:
        """Call another phone of the tests, which takes the call."""
        self._invite(other, body or offer(AES_256))
        other.take(answer or offer(AES_256))
        return self.answered(other)

    def answered(self, other: Phone) -> Dialog:
        """Acknowledge the answer to the last call."""
        said = self._final("INVITE")
        assert said.code == 200, said.start
        self.last_answer = said.body
        dialog = self.acknowledge(said)
        other.wait("ACK")
        return dialog

    def acknowledge(self, said: Said) -> Dialog:
        """Acknowledge an answer to a call of ours."""
        local = f"<{self.own()}>;tag={self._tag}"
        dialog = Dialog(said["Call-ID"], local, said["To"], *_way(said, backwards=True))
        self.within(dialog, "ACK")
        return dialog

    def ring(self, other: Phone) -> Said:
        """Call another phone of the tests, which only rings; return the INVITE that it got."""
        self._invite(other, offer(AES_256))
        asked = other.wait("INVITE")
        other.reply(asked, "180 Ringing")
        while self.receive().code != 180:
            pass
        return asked

    def _invite(self, other: Phone, body: str) -> None:
        uri, call_id = other.own(), uuid.uuid4().hex
        contact = (("Contact", self.contact), ("Content-Type", "application/sdp"))
        head = [("From", f"<{self.own()}>;tag={self._tag}"), ("To", f"<{uri}>"), ("Call-ID", call_id), *contact]
        challenge = self._once("INVITE", uri, head, body)
        login = ("Proxy-Authorization", self._digest(challenge["Proxy-Authenticate"], "INVITE", uri))
        self._begin("INVITE", uri, [*head, login], body)

    def take(self, body: str) -> Dialog:
        """Answer the next call."""
        asked = self.wait("INVITE")
        self.last_offer = asked.body
        self.reply(asked, "180 Ringing")
        return self.answer(asked, body)

    def answer(self, asked: Said, body: str) -> Dialog:
        """Take a call."""
        self.reply(asked, "200 OK", body)
        self.taken = Dialog(
            asked["Call-ID"], f"{asked['To']};tag={self._tag}", asked["From"], *_way(asked, backwards=False)
        )
        return self.taken

    def reply(self, asked: Said, status: str, body: str = "") -> None:
        headers = [("Via", value) for value in asked.all("Via")]
        headers += [("Record-Route", value) for value in asked.all("Record-Route")]
        headers += [(name, asked[name]) for name in ("From", "Call-ID", "CSeq")]
        to = asked["To"]
        headers += [("To", to if ";tag=" in to else f"{to};tag={self._tag}"), ("Contact", self.contact)]
        self.send(f"SIP/2.0 {status}", [*headers, *([("Content-Type", "application/sdp")] if body else [])], body)

    def within(self, dialog: Dialog, method: str, body: str = "") -> Said | None:
        """Send a request in a call; return the final answer, None for ACK."""
        head = [("From", dialog.local), ("To", dialog.remote), ("Call-ID", dialog.call_id), ("Contact", self.contact)]
        head += [("Route", route) for route in dialog.routes]
        head += [("Content-Type", "application/sdp")] if body else []
        if method == "ACK":
            self._begin("ACK", dialog.target, head, body, same=True)
            return None
        self._begin(method, dialog.target, head, body)
        return self._final(method)

    def ask_within(self, dialog: Dialog, method: str, body: str = "") -> None:
        """Send a request in a call without waiting."""
        head = [("From", dialog.local), ("To", dialog.remote), ("Call-ID", dialog.call_id), ("Contact", self.contact)]
        head += [("Route", route) for route in dialog.routes]
        self._begin(method, dialog.target, [*head, *([("Content-Type", "application/sdp")] if body else [])], body)

    def final(self, method: str) -> Said:
        return self._final(method)

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        self._buffer += data

    def _begin(self, method: str, uri: str, headers: list[Header], body: str, *, same: bool = False) -> None:
        self._cseq += 0 if same else 1
        via = f"SIP/2.0/TLS {self.address}:{self.port};branch=z9hG4bK{uuid.uuid4().hex};rport"
        first = [("Via", via), ("Max-Forwards", "70"), ("CSeq", f"{self._cseq} {method}")]
        self.send(f"{method} {uri} SIP/2.0", [*first, *headers], body)
        self._last = (uri, via, headers)

    def _once(self, method: str, uri: str, headers: list[Header], body: str) -> Said:
        self._begin(method, uri, headers, body)
        return self._final(method)

    def _final(self, method: str) -> Said:
        while (
            (said := self.receive()).code < 200 or said.method != method or int(said["CSeq"].split()[0]) != self._cseq
        ):
            if not said.code:
                self._kept.append(said)
        if method == "INVITE" and said.code >= 300:
            uri, via, headers = self._last
            head = [(name, said["To"] if name == "To" else value) for name, value in headers if name in _OF_ACK]
            cseq = [("Via", via), ("Max-Forwards", "70"), ("CSeq", f"{self._cseq} ACK")]
            self.send(f"ACK {uri} SIP/2.0", [*cseq, *head])
        return said

    def _digest(self, challenge: str, method: str, uri: str) -> str:
        realm, nonce = (re.findall(rf'{name}="([^"]*)"', challenge)[0] for name in ("realm", "nonce"))
        mine = uuid.uuid4().hex
        ha1, ha2 = _md5(f"{self.number}:{realm}:{self._password}"), _md5(f"{method}:{uri}")
        response = _md5(f"{ha1}:{nonce}:00000001:{mine}:auth:{ha2}")
        return (
            f'Digest username="{self.number}",realm="{realm}",nonce="{nonce}",uri="{uri}",response="{response}",'
            f'algorithm=MD5,qop=auth,nc=00000001,cnonce="{mine}"'
        )


_OF_ACK = {"From", "To", "Call-ID", "Route"}


def _way(said: Said, *, backwards: bool) -> tuple[str, list[str]]:
    found = re.search(r"<([^>]+)>", said["Contact"])
    assert found
    routes = said.all("Record-Route")
    return found[1], routes[::-1] if backwards else routes


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
