"""One probe's way to its target: a TCP connection that may turn to TLS.

Invariants: a certificate is checked as a customer's client would, against the authorities and the domain; what is read
is bounded; nothing here keeps time: the caller cancels, and `close` leaves no socket behind.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from concurrent.futures import Future
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from threading import Thread

from blocks.clients.probe_target import Down, ProbeTarget
from blocks.errors import Refused


class Link:
    """A connection to be. `awaited` names what the target owes us now, for the detail of a time-out."""

    def __init__(self, target: ProbeTarget, source: str, timeout_s: float) -> None:
        self.target = target
        self.source = source
        self.awaited = "an address"
        self._timeout_s = timeout_s
        self._trusted = trusted(target.ca_file)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def addresses(self, kind: socket.SocketKind) -> list[str]:
        """The addresses of the host, of the source's family where there is one. Raises OSError."""
        family = socket.AF_UNSPEC
        if self.source:
            family = socket.AF_INET6 if ":" in self.source else socket.AF_INET
        return await _look_up(self.target.host, family, kind)

    async def connect(self) -> None:
        """Connect to the first address that takes us; each gets an equal share of the time. Raises OSError."""
        addresses = await self.addresses(socket.SOCK_STREAM)
        self.awaited = "a connection"
        share_s = self._timeout_s / len(addresses)
        for address in addresses[:-1]:
            with suppress(OSError):  # TimeoutError is one
                async with asyncio.timeout(share_s):
                    return await self._connect_to(address)
        return await self._connect_to(addresses[-1])

    async def _connect_to(self, address: str) -> None:
        local = (self.source, 0) if self.source else None
        self._streams = await asyncio.open_connection(address, self.target.port, local_addr=local)

    async def secure(self) -> None:
        """Turn to TLS. Raises ssl.SSLError where the certificate or the handshake is bad, OSError."""
        self.awaited = "the TLS handshake"
        _, writer = self._opened
        await writer.start_tls(self._trusted, server_hostname=self.target.domain)

    @property
    def security(self) -> str:
        """The TLS version, and when the certificate ends."""
        wrapped: ssl.SSLObject = self._opened[1].get_extra_info("ssl_object")
        ends = (wrapped.getpeercert() or {}).get("notAfter", "")
        return f"{wrapped.version()}, certificate until {ends}"

    @property
    def local(self) -> tuple[str, int]:
        """Our own address and port."""
        address, port, *_ = self._opened[1].get_extra_info("sockname")
        return address, port

    async def say(self, text: str, then: str) -> None:
        """Send a text and name what is awaited for it."""
        _, writer = self._opened
        writer.write(text.encode())
        self.awaited = then
        await writer.drain()

    def leave(self, text: str) -> None:
        """Send a last text. What becomes of it no longer matters."""
        _, writer = self._opened
        writer.write(text.encode())

    async def line(self) -> str:
        """The next line. Raises Down when the target hangs up or the line has no end."""
        reader, _ = self._opened
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            raise Down(f"instead of {self.awaited}: a line without an end") from None
        except asyncio.IncompleteReadError as error:
            raise Down(f"hung up instead of {self.awaited}: {error.partial[:100].decode(errors='replace')}") from None
        return line.decode(errors="replace").rstrip("\r\n")

    async def chunk(self, size: int = 4096) -> bytes:
        """Some of the bytes that come next. Raises Down when the target hangs up."""
        reader, _ = self._opened
        if not (chunk := await reader.read(size)):
            raise Down(f"hung up instead of {self.awaited}")
        return chunk

    def close(self) -> None:
        """Say goodbye to TLS and drop the connection, without waiting for the other side."""
        if self._streams is not None:
            _, writer = self._streams
            writer.close()
            writer.transport.abort()

    @property
    def _opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            raise RuntimeError("the link is not connected")
        return self._streams


async def _look_up(host: str, family: int, kind: socket.SocketKind) -> list[str]:
    """The system's answer, in a thread that nobody waits for: getaddrinfo cannot be cancelled.

    The loop's own pool would let one hanging name hold up the others, and the end of the program.
    """
    found: Future[list[str]] = Future()
    found.set_running_or_notify_cancel()

    def look_up() -> None:
        try:
            found.set_result([str(address[0]) for *_, address in socket.getaddrinfo(host, None, family, kind)])
        except OSError as error:
            found.set_exception(error)

    Thread(target=look_up, daemon=True).start()
    return await asyncio.wrap_future(found)


def trusted(ca_file: Path | None) -> ssl.SSLContext:
    """The authorities to trust. Raises Refused when the file cannot be used, which is no target's fault."""
    if ca_file is None:
        return _authorities(None, 0)
    try:
        return _authorities(ca_file, ca_file.stat().st_mtime_ns)
    except OSError as error:  # ssl.SSLError is one
        raise Refused("ca_file", f"{ca_file} holds no authorities to trust: {error.strerror or error}") from None


@lru_cache(maxsize=16)
def _authorities(ca_file: Path | None, _changed_at: int) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)


def check_source(source: str) -> None:
    """See that `source` is an address of this machine. Raises Refused: else every target would look down."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM) as test:
            test.bind((source, 0))
    except OSError as error:
        raise Refused("source", f"{source} is no address of this machine: {error.strerror}") from None
