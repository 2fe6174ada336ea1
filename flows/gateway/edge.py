"""The gateway's edge: who is calling, how much and how often; headers on every answer; one log line a request."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address

from fastapi import Request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blocks.errors import DogovorError, Refused
from blocks.ledger import Sessions
from blocks.settings import Network
from flows import runtime
from tasks.inbox import count_refusals

log = logging.getLogger("dogovor.gateway")

MAX_BODY = 256 * 1024
BODY_SECONDS = 10.0
SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}


class TooLarge(Refused):
    """Raised when a body is longer than its route takes."""


class TooSlow(Refused):
    """Raised when a body did not arrive within BODY_SECONDS."""


class TooMany(Refused):
    """Raised when one address asks more often than it may."""


async def read_body(request: Request, largest: int = MAX_BODY) -> bytes:
    """The body, of at most `largest` bytes and within BODY_SECONDS. Raises TooLarge, TooSlow."""
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > largest:
        raise TooLarge("too_large", f"a body is at most {largest} bytes")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > largest:
                    raise TooLarge("too_large", f"a body is at most {largest} bytes")
    except TimeoutError:
        raise TooSlow("too_slow", f"a body arrives within {BODY_SECONDS:.0f} seconds") from None
    return bytes(body)


def address_of(request: Request) -> str:
    """The caller's address, as the trusted proxies tell it."""
    return request.client.host if request.client else ""


def is_within(address: str, networks: tuple[Network, ...]) -> bool:
    """Whether an address lies in one of the networks; text that is no address does not."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)


class Throttle:
    """A limit of requests a minute for each address."""

    def __init__(self, a_minute: int) -> None:
        self._item = RateLimitItemPerMinute(a_minute)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def check(self, address: str) -> None:
        """Count a request. Raises TooMany."""
        if not self._limiter.hit(self._item, address):
            raise TooMany("too_many", "too many requests from this address")


class Refusals:
    """Counts of refused requests, written to the ledger every second and at the end."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._counts: Counter[tuple[str, str]] = Counter()

    def count(self, source: str, reason: str) -> None:
        """One more."""
        self._counts[source, reason] += 1

    async def flush(self) -> None:
        """Write what has been counted; what cannot be written now is kept."""
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            await asyncio.to_thread(count_refusals, self._sessions, counts, now=runtime.now())
        except DogovorError as error:
            self._counts.update(counts)
            log.warning("refusals are not written yet: %s", error)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Flush every second while the gateway runs."""

        async def every_second() -> None:
            while True:
                await asyncio.sleep(1)
                await self.flush()

        flusher = asyncio.create_task(every_second())
        try:
            yield
        finally:
            flusher.cancel()
            await self.flush()


class Edge:
    """ASGI middleware: security headers on every answer, and a log line with the route, never the path."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        extra = {"strict-transport-security": "max-age=31536000"} if https else {}
        self._headers = [(name.encode(), value.encode()) for name, value in (SECURITY_HEADERS | extra).items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                said = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(each for each in self._headers if each[0] not in said)]
            await send(message)

        try:
            await self._app(scope, receive, with_headers)
        finally:
            route = getattr(scope.get("route"), "path", "(no route)")
            log.info("%s %s %s %.1f ms", scope["method"], route, status, (time.perf_counter() - began) * 1000)
