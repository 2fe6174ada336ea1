"""A small SIP user agent over TLS, to prove a contact's account with: it registers, calls, answers and hangs up.

It logs in by HA1. What it registers is an instance of its own (RFC 5626, RFC 5627), so that a call can be meant for it
alone: no phone of the contact rings, and no registration of theirs is replaced.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import ssl
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from blocks.clients.comms.sip_messages import MOST_HEAD, SUITE, Message, compose, digest, read_message, sdp, suites
from blocks.errors import Refused, Transient

ANSWER_S = 10.0
"""How long an answer, an ACK or a BYE is waited for, in seconds."""

_STAY_S = 60
_Headers = Sequence[tuple[str, str]]
_LOGIN = {401: ("Authorization", "www-authenticate"), 407: ("Proxy-Authorization", "proxy-authenticate")}


@dataclass(frozen=True)
class SipLine:
    """A server's TLS port, the domain whose certificate it must show, and the authorities that are trusted."""

    host: str
    port: int
    domain: str
    context: ssl.SSLContext


@dataclass(frozen=True)
class Call:
    """A call that we made and that was answered: where its requests go, and the suite that its media is under."""

    target: str
    routes: tuple[str, ...]
    peer: str
    call_id: str
    suite: str


@dataclass(frozen=True)
class _Request:
    """A request to be: what is asked of whom, in which call, headers beside the usual ones, the way it goes."""

    method: str
    uri: str
    to: str
    call_id: str
    extra: _Headers = ()
    body: str = ""
    routes: tuple[str, ...] = ()


@asynccontextmanager
async def agent(line: SipLine, number: str, ha1: str) -> AsyncIterator[SipAgent]:
    """Connect as the phone of a number. Raises Refused where the certificate is not the domain's, Transient."""
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection(
                line.host, line.port, ssl=line.context, server_hostname=line.domain, limit=MOST_HEAD
            )
    except ssl.SSLCertVerificationError as error:
        raise Refused("certificate", f"the certificate shown for {line.domain}: {error.verify_message}") from None
    except (OSError, TimeoutError) as error:
        raise Transient(f"no TLS connection to SIP at port {line.port}: {type(error).__name__}") from None
    made = SipAgent(reader, writer, line.domain, number, ha1)
    listening = asyncio.create_task(made.listen())
    try:
        yield made
    finally:
        listening.cancel()
        writer.close()
        with suppress(asyncio.CancelledError, OSError):
            await listening
        with suppress(OSError):
            await writer.wait_closed()


class SipAgent:
    """One phone on one connection. Its requests raise Refused with the code of a final no, Transient otherwise."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, domain: str, number: str, ha1: str
    ) -> None:
        self._reader, self._writer = reader, writer
        self._number, self._domain, self._ha1 = number, domain, ha1
        self._address, self._port = writer.get_extra_info("sockname")[:2]
        self._tag, self._cseq = secrets.token_hex(8), 0
        self._answers: dict[str, asyncio.Queue[Message | None]] = {}
        self._instance = uuid.uuid4()
        self.expected: set[str] = set()
        self.heard: asyncio.Queue[str] = asyncio.Queue()

    @property
    def secured(self) -> dict[str, str]:
        """Version of TLS, cipher and its bits, as facts of a proof."""
        name, version, bits = self._writer.get_extra_info("cipher")
        return {"tls": version, "cipher": name, "bits": str(bits)}

    @property
    def address_of_record(self) -> str:
        """The number as others call it."""
        return f"sip:{self._number}@{self._domain}"

    @property
    def own_address(self) -> str:
        """The address of this very instance (GRUU), once it is registered."""
        return f"{self.address_of_record};gr=urn:uuid:{self._instance}"

    async def register(self) -> None:
        """Log in: register this instance for a minute. Raises Refused where the server says no."""
        await self._registered(_STAY_S)

    async def unregister(self) -> None:
        """Take this instance's registration away, and no other."""
        await self._registered(0)

    async def call(self, target: str, call_id: str) -> Call:
        """Call an address with SRTP offered, and acknowledge the answer."""
        number = target.partition(";")[0]
        extra = [("Contact", self._contact), ("Content-Type", "application/sdp")]
        answer = await self._ask(_Request("INVITE", target, number, call_id, extra, sdp(self._address)))
        remote = re.search(r"<([^>]+)>", answer.header("contact"))
        agreed = suites(answer.body)
        if remote is None or agreed != [SUITE]:
            raise Refused("sip_call", "the call was not answered with the SRTP suite that we offered")
        routes = tuple(reversed([part.strip() for held in answer.all("record-route") for part in held.split(",")]))
        made = Call(remote[1], routes, answer.header("to"), call_id, agreed[0])
        heard = _Request("ACK", made.target, made.peer, call_id, routes=routes)
        self._send(f"ACK {made.target} SIP/2.0", self._head(heard, _branch()))
        return made

    async def hang_up(self, call: Call) -> None:
        """End a call that we made; its other side confirms."""
        await self._ask(_Request("BYE", call.target, call.peer, call.call_id, routes=call.routes))

    async def hears(self, method: str) -> None:
        """Wait for a request in an expected call. Raises Transient where another comes first, or none."""
        try:
            async with asyncio.timeout(ANSWER_S):
                heard = await self.heard.get()
        except TimeoutError:
            raise Transient(f"no {method} came within {ANSWER_S:g} s") from None
        if heard != method:
            raise Transient(f"{heard or 'the end of the connection'} came instead of {method}")

    async def listen(self) -> None:
        """Read what comes until the connection ends: answers go to who asked, requests are answered."""
        try:
            while True:
                message = await read_message(self._reader)
                if not message.code:
                    self._answer(message)
                elif waiting := self._answers.get(message.branch):
                    waiting.put_nowait(message)
        except (asyncio.IncompleteReadError, OSError, Refused):
            self._writer.close()
        finally:
            self.heard.put_nowait("")
            for waiting in self._answers.values():
                waiting.put_nowait(None)

    @property
    def _contact(self) -> str:
        host = f"[{self._address}]" if ":" in self._address else self._address
        return f'<sip:{self._number}@{host}:{self._port};transport=tls>;+sip.instance="<urn:uuid:{self._instance}>"'

    async def _registered(self, seconds: int) -> None:
        contact = f"{self._contact};expires={seconds}"
        extra = [("Contact", contact), ("Supported", "gruu"), ("Expires", str(seconds))]
        call_id = secrets.token_hex(16)
        await self._ask(_Request("REGISTER", f"sip:{self._domain}", self.address_of_record, call_id, extra))

    async def _ask(self, request: _Request) -> Message:
        answer = await self._transaction(request, ())
        if answer.code in {401, 407}:
            ours, theirs = _LOGIN[answer.code]
            login = digest(answer.header(theirs), self._number, self._ha1, request.method, request.uri)
            answer = await self._transaction(request, ((ours, login),))
        if answer.code >= 300:
            said = f"{request.method} {answer.code}"
            raise Transient(said) if answer.code // 100 == 5 or answer.code == 408 else Refused("sip", said)
        return answer

    async def _transaction(self, request: _Request, login: _Headers) -> Message:
        self._cseq += 1
        branch, answers = _branch(), asyncio.Queue[Message | None]()
        self._answers[branch] = answers
        head = self._head(request, branch)
        self._send(f"{request.method} {request.uri} SIP/2.0", [*head, *request.extra, *login], request.body)
        try:
            async with asyncio.timeout(ANSWER_S):
                while (answer := await answers.get()) is not None and answer.code < 200:
                    pass
        except TimeoutError:
            raise Transient(f"SIP did not answer {request.method} within {ANSWER_S:g} s") from None
        finally:
            del self._answers[branch]
        if answer is None:
            raise Transient(f"SIP closed the connection on {request.method}")
        if request.method == "INVITE" and answer.code >= 300:
            heard = _Request("ACK", request.uri, answer.header("to"), request.call_id)
            self._send(f"ACK {request.uri} SIP/2.0", self._head(heard, branch))
        return answer

    def _head(self, request: _Request, branch: str) -> list[tuple[str, str]]:
        host = f"[{self._address}]" if ":" in self._address else self._address
        return [
            ("Via", f"SIP/2.0/TLS {host}:{self._port};branch={branch};rport"),
            ("Max-Forwards", "70"),
            ("From", f"<{self.address_of_record}>;tag={self._tag}"),
            ("To", request.to if "<" in request.to else f"<{request.to}>"),
            ("Call-ID", request.call_id),
            ("CSeq", f"{self._cseq} {request.method}"),
            *(("Route", route) for route in request.routes),
        ]

    def _send(self, start: str, headers: _Headers, body: str = "") -> None:
        self._writer.write(compose(start, headers, body))

    def _answer(self, request: Message) -> None:
        method = request.start.split()[0]
        ours = request.header("call-id") in self.expected
        if ours and method in {"INVITE", "ACK", "BYE"}:
            self.heard.put_nowait(method)
        if method == "ACK":
            return
        if ours and method == "INVITE" and suites(request.body):
            described = [("Contact", self._contact), ("Content-Type", "application/sdp")]
            self._reply(request, "180 Ringing", [("Contact", self._contact)])
            self._reply(request, "200 OK", described, sdp(self._address))
        elif (ours and method == "BYE") or method == "OPTIONS":
            self._reply(request, "200 OK")
        else:
            self._reply(request, "480 Temporarily Unavailable" if method == "INVITE" else "481 Call Does Not Exist")

    def _reply(self, request: Message, status: str, extra: _Headers = (), body: str = "") -> None:
        copied = [(name, value) for name, value in request.headers if name in {"via", "from", "call-id", "cseq"}]
        copied += [("Record-Route", value) for value in request.all("record-route")]
        to = request.header("to")
        tagged = to if ";tag=" in to else f"{to};tag={self._tag}"
        self._send(f"SIP/2.0 {status}", [*copied, ("To", tagged), *extra], body)


def _branch() -> str:
    return f"z9hG4bK{secrets.token_hex(12)}"
