"""Probe of a SIP server by OPTIONS (RFC 3261, section 11), over TLS, TCP or UDP.

Any final answer from 200 to 499 but 408 means up: who says that the user is unknown, forbidden or to be authenticated
has read the request and decided on it, which is what a phone needs. 408 says that the server itself waited in vain for
what stands behind it; 5xx says that it cannot serve; 6xx refuses everywhere. The voice itself (RTP, UDP 10000 to 20000)
cannot be probed without a call, so it is not.
"""

from __future__ import annotations

import asyncio
import re
import socket
from secrets import token_hex

from blocks.clients.probe_link import Link
from blocks.clients.probe_target import Down

FIRST_RESEND_S = 0.5  # T1 and T2 of RFC 3261
LONGEST_RESEND_S = 4.0
ENOUGH_BYTES = 65_536
STATUS_LINE = re.compile(r"SIP/2\.0 ([1-6]\d\d)(?: (.*))?")
COMPACT_NAMES = {"i": "call-id", "l": "content-length"}


async def probe_sip(link: Link) -> str:
    """Ask for OPTIONS of the domain and judge the final answer."""
    if link.target.transport == "udp":
        code, reason = await _over_udp(link)
    else:
        code, reason = await _over_stream(link)
    if code == 408 or code >= 500:
        raise Down(f"SIP {code} {reason}")
    return f"SIP {code} {reason}" + (f", {link.security}" if link.target.transport == "tls" else "")


class _Options:
    """One OPTIONS request, and whether an answer is meant for it."""

    def __init__(self, link: Link, local: tuple[str, int]) -> None:
        address, port = local
        self._domain = link.target.domain.encode("idna").decode()
        if ":" in self._domain:
            self._domain = f"[{self._domain}]"
        self._transport = link.target.transport
        self._sent_by = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        self._call_id = token_hex(16)

    @property
    def text(self) -> str:
        lines = (
            f"OPTIONS sip:{self._domain} SIP/2.0",
            f"Via: SIP/2.0/{self._transport.upper()} {self._sent_by};branch=z9hG4bK{token_hex(8)};rport",
            "Max-Forwards: 70",
            f"From: <sip:{self._domain}>;tag={token_hex(8)}",
            f"To: <sip:{self._domain}>",
            f"Call-ID: {self._call_id}",
            "CSeq: 1 OPTIONS",
            f"Contact: <sip:{self._sent_by};transport={self._transport}>",
            "Accept: application/sdp",
            "Content-Length: 0",
        )
        return "\r\n".join(lines) + "\r\n\r\n"

    def answered_by(self, head: list[str]) -> tuple[int, str] | None:
        """Code and reason of a final answer to this request; None for any other answer. Raises Down for garbage."""
        status = STATUS_LINE.fullmatch(head[0])
        if status is None:
            raise Down(f"instead of a SIP answer: {head[0]}")
        fields = _fields(head)
        ours = fields.get("call-id") == self._call_id and fields.get("cseq", "").split() == ["1", "OPTIONS"]
        code = int(status[1])
        return (code, status[2] or "") if ours and code >= 200 else None


def _fields(head: list[str]) -> dict[str, str]:
    pairs = (line.partition(":") for line in head[1:])
    named = ((name.strip().lower(), value.strip()) for name, _, value in pairs)
    return {COMPACT_NAMES.get(name, name): value for name, value in named}


async def _over_stream(link: Link) -> tuple[int, str]:
    await link.connect()
    if link.target.transport == "tls":
        await link.secure()
    options = _Options(link, link.local)
    await link.say(options.text, "the answer to OPTIONS")
    read = 0
    while read < ENOUGH_BYTES:
        head = await _head(link)
        if (answer := options.answered_by(head)) is not None:
            return answer
        length = _fields(head).get("content-length", "0")
        if not re.fullmatch(r"\d{1,5}", length):
            raise Down(f"a SIP answer of length {length}")
        left = int(length)
        while left > 0:
            left -= len(await link.chunk(left))
        read += sum(map(len, head)) + int(length)
    raise Down("much SIP, but no answer to OPTIONS")


async def _head(link: Link) -> list[str]:
    """The lines before the empty one; empty lines before them keep a connection alive. Raises Down."""
    head: list[str] = []
    size = 0
    while line := await link.line():
        size += len(line)
        if size > ENOUGH_BYTES:
            raise Down("a SIP answer without an end")
        if not head and STATUS_LINE.fullmatch(line) is None:
            raise Down(f"instead of a SIP answer: {line}")
        head.append(line)
    return head or await _head(link)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.received: asyncio.Queue[bytes | Exception] = asyncio.Queue()

    def datagram_received(self, data: bytes, _: object) -> None:
        self.received.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        self.received.put_nowait(exc)


async def _over_udp(link: Link) -> tuple[int, str]:
    address, *_ = await link.addresses(socket.SOCK_DGRAM)
    transport, datagrams = await asyncio.get_running_loop().create_datagram_endpoint(
        _Datagrams,
        remote_addr=(address, link.target.port),
        local_addr=(link.source, 0) if link.source else None,
    )
    try:
        host, port, *_ = transport.get_extra_info("sockname")
        options = _Options(link, (host, port))
        link.awaited = "the answer to OPTIONS"
        text, wait_s = options.text.encode(), FIRST_RESEND_S
        while True:
            transport.sendto(text)
            try:
                async with asyncio.timeout(wait_s):
                    return await _first_answer(datagrams, options)
            except TimeoutError:
                wait_s = min(wait_s * 2, LONGEST_RESEND_S)
    finally:
        transport.abort()


async def _first_answer(datagrams: _Datagrams, options: _Options) -> tuple[int, str]:
    while True:
        received = await datagrams.received.get()
        if isinstance(received, Exception):
            raise received
        head = received.decode(errors="replace").partition("\r\n\r\n")[0].split("\r\n")
        if (answer := options.answered_by(head)) is not None:
            return answer
