"""What the tests of probes share: targets, and services that behave badly on purpose."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from blocks.clients.probes import ProbeTarget, Seen, probe
from tests.servers.certificates import Authority, Certificate

DOMAIN = "example.test"
ENOUGH_S = 10.0
SHORT_S = 0.6
STREAM_TARGETS = [
    ("xmpp", "tcp"),
    ("xmpp", "tls"),
    ("imap", "tcp"),
    ("imap", "tls"),
    ("submission", "tcp"),
    ("submission", "tls"),
    ("sip", "tcp"),
    ("sip", "tls"),
    ("tls", "tls"),
    ("dns", "tcp"),
]
XMPP_OPEN = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
XMPP_STARTTLS = "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>"
XMPP_PROCEED = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
STARTTLS_SCRIPTS: dict[str, tuple[str, ...]] = {
    "imap": ("* OK hello\r\n", "* CAPABILITY IMAP4rev1 STARTTLS\r\na1 OK done\r\n", "a2 OK begin\r\n"),
    "submission": ("220 hello\r\n", "250-hello\r\n250 STARTTLS\r\n", "220 begin\r\n"),
    "xmpp": (XMPP_OPEN + XMPP_STARTTLS, XMPP_PROCEED),
}
Peer = tuple[str, int]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def inet_sockets() -> set[str]:
    """The sockets of this process that lead to somewhere else, by their inodes."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            name = str(entry.readlink())
            if name.startswith("socket:"):
                with socket.socket(fileno=os.dup(int(entry.name))) as copy:
                    if copy.family != socket.AF_UNIX:
                        found.add(name)
        except FileNotFoundError:
            continue  # the listing's own
    return found


@contextmanager
def leaving_nothing(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No socket stays open, nothing is collected with a warning, asyncio has nothing to complain of."""
    before = inet_sockets()
    gc.freeze()  # what was there before needs no search
    yield
    until = time.monotonic() + 5
    while gc.collect() >= 0 and not inet_sockets() <= before and time.monotonic() < until:
        time.sleep(0.05)  # a server of the test's own may still be closing its side
    gc.unfreeze()
    assert inet_sockets() <= before
    complaints = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.WARNING]
    assert complaints == []


def target(kind: str, port: int, **more: Any) -> ProbeTarget:
    return ProbeTarget.model_validate({"kind": kind, "host": "127.0.0.1", "port": port, "name": DOMAIN, **more})


def look(wanted: ProbeTarget, *, timeout_s: float = ENOUGH_S, source: str = "") -> Seen:
    return asyncio.run(probe(wanted, timeout_s=timeout_s, source=source))


def server_context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    return context


def bad_targets(port: int, authority: Authority) -> list[ProbeTarget]:
    return [target(kind, port, transport=how, ca_file=authority.ca_file) for kind, how in STREAM_TARGETS]


@asynccontextmanager
async def serving(
    handler: Handler, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[int]:
    """Serve TCP, or TLS, for as long as the context lasts; the port."""
    done: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        done.add(task)
        try:
            await handler(reader, writer)
        except OSError:
            pass  # the probe has left
        finally:
            writer.close()
            writer.transport.abort()

    server = await asyncio.start_server(handle, host, 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]
        server.close()
        if done:
            await asyncio.wait(done, timeout=2)


def saying(*texts: str | bytes, then: str = "silent", greets: bool = True) -> Handler:
    """Say the texts one by one, each but the greeting after hearing something; `then` be silent, or hang up."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for turn, text in enumerate(texts):
            if turn > 0 or not greets:
                await reader.read(65_536)
            writer.write(text.encode() if isinstance(text, str) else text)
            await writer.drain()
        if then == "silent":
            await reader.read(-1)
        else:
            writer.close()
            await writer.wait_closed()

    return handle


class Datagrams(asyncio.DatagramProtocol):
    """A UDP service: what it was sent and by whom, and what it answers."""

    def __init__(self, answer: Callable[[bytes], Sequence[bytes]]) -> None:
        self.heard: list[tuple[bytes, Peer]] = []
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, peer: Peer) -> None:
        self.heard.append((data, peer))
        for answer in self._answer(data):
            self._transport.sendto(answer, peer)


@asynccontextmanager
async def serving_udp(answer: Callable[[bytes], Sequence[bytes]]) -> AsyncIterator[tuple[int, Datagrams]]:
    """Serve UDP for as long as the context lasts; the port and the service."""
    loop = asyncio.get_running_loop()
    transport, service = await loop.create_datagram_endpoint(lambda: Datagrams(answer), ("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1], service
    finally:
        transport.close()


async def see_udp(kind: str, answer: Callable[[bytes], list[bytes]], **how: Any) -> tuple[Seen, Datagrams]:
    async with serving_udp(answer) as (port, service):
        return await probe(target(kind, port, transport="udp"), **{"timeout_s": 3.0, **how}), service


def sip_answer(request: bytes, status: str = "200 OK") -> bytes:
    lines = request.decode().split("\r\n")
    kept = [line for line in lines if line.startswith(("Via:", "From:", "To:", "Call-ID:", "CSeq:"))]
    return "\r\n".join([f"SIP/2.0 {status}", *kept, "Content-Length: 0", "", ""]).encode()
