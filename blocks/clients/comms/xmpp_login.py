"""Logins to XMPP that prove accounts, by the keys of the password instead of the password."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree as ET

import httpx
from slixmpp import ClientXMPP
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.util.sasl.client import SASLMutualAuthFailed

from blocks.clients.comms.addresses import XmppAt
from blocks.clients.comms.scram import MECHANISM, ScramClient
from blocks.clients.password_hashes import AccountHashes
from blocks.errors import Refused, Transient
from blocks.terms.ks_complex import Proof, ProofKind, Want

AT_ONCE, ANSWER_S = 6, 30.0
_KINDS = (ProofKind.XMPP, ProofKind.XMPP_MESSAGE, ProofKind.XMPP_UPLOAD)
_UPLOAD, _UPLOAD_BYTES = "urn:xmpp:http:upload:0", 1024
_HINTS, _CARBONS = "urn:xmpp:hints", "urn:xmpp:carbons:2"


def proofs(
    at: XmppAt,
    domain: str,
    accounts: Sequence[AccountHashes],
    wants: Collection[Want],
    *,
    host: str,
    ca_file: Path | None,
) -> list[Proof]:
    """A proof for each want of XMPP, in their order; blocks. Raises Transient where the server takes no connection.

    The server is looked for at `host`, and must show a certificate of `domain` that `ca_file`, or without one the
    system's authorities, vouch for. Contacts are logged in without presence: nobody sees them come, and what waits for
    them goes on waiting.
    """
    ours = [want for want in wants if want.kind in _KINDS]
    if not ours:
        return []
    context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return asyncio.run(_Round(at, host, context, domain).run(accounts, ours))


class _Round:
    """One verification: everybody logs in, writes to the next, and leaves."""

    def __init__(self, at: XmppAt, host: str, context: ssl.SSLContext, domain: str) -> None:
        self._at, self._host, self._context, self._domain = at, host, context, domain
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def run(self, accounts: Sequence[AccountHashes], wants: Sequence[Want]) -> list[Proof]:
        wanted = {want.contact for want in wants}
        chosen = [account for account in accounts if account.name in wanted]
        others = [account for account in accounts if account.name not in wanted]
        if len(chosen) == 1 and Want(chosen[0].name, ProofKind.XMPP_MESSAGE) in wants:
            chosen += others[:1]
        sessions = {account.name: _Session(self._domain, account, self._context) for account in chosen}
        try:
            opened = await asyncio.gather(*(self._open(session) for session in sessions.values()))
            faults = dict(zip(sessions, opened, strict=True))
            return list(await asyncio.gather(*(self._prove(want, sessions, faults) for want in wants)))
        finally:
            await asyncio.gather(*(session.leave() for session in sessions.values()))

    async def _open(self, session: _Session) -> str:
        async with self._turn:
            return await session.enter(self._host, self._at.port)

    async def _prove(self, want: Want, sessions: Mapping[str, _Session], faults: Mapping[str, str]) -> Proof:
        if want.contact not in sessions:
            return Proof(contact=want.contact, kind=want.kind, ok=False, detail="there is no such account")
        session, fault = sessions[want.contact], faults[want.contact]
        facts = session.facts
        if not fault and want.kind is ProofKind.XMPP_MESSAGE:
            present = [name for name in sessions if not faults[name]]
            peer = sessions[present[(present.index(want.contact) + 1) % len(present)]]
            fault = await session.write_to(peer)
            facts = {**facts, "peer": peer.boundjid.user}
        elif not fault and want.kind is ProofKind.XMPP_UPLOAD:
            fault = await self._upload(session)
        return Proof(contact=want.contact, kind=want.kind, ok=not fault, detail=fault or _SEEN[want.kind], facts=facts)

    async def _upload(self, session: _Session) -> str:
        content = secrets.token_bytes(_UPLOAD_BYTES)
        try:
            put, headers, get = await session.slot(len(content))
            async with httpx.AsyncClient(verify=self._context, timeout=ANSWER_S, trust_env=False) as http:
                sent = await self._request(http, "PUT", put, headers=headers, content=content)
                if sent.status_code != httpx.codes.CREATED:
                    return f"upload was answered {sent.status_code}"
                read = await self._request(http, "GET", get)
        except (IqError, IqTimeout) as error:
            return f"no slot to upload to: {type(error).__name__}"
        except httpx.HTTPError as error:
            return f"upload failed: {type(error).__name__}"
        return "" if read.content == content else "what was uploaded reads otherwise"

    async def _request(self, http: httpx.AsyncClient, method: str, url: str, **more: Any) -> httpx.Response:
        # The customer's name, asked at the server's own address: names may not resolve yet.
        named = httpx.URL(url)
        headers = {**more.pop("headers", {}), "Host": named.netloc.decode()}
        return await http.request(
            method,
            named.copy_with(host=self._host),
            headers=headers,
            extensions={"sni_hostname": named.host},
            **more,
        )


_SEEN = {
    ProofKind.XMPP: "logged in",
    ProofKind.XMPP_MESSAGE: "a message arrived",
    ProofKind.XMPP_UPLOAD: "a file was uploaded and read back",
}


class _Session(ClientXMPP):
    """One login. `facts` say what its connection was agreed on."""

    def __init__(self, domain: str, account: AccountHashes, context: ssl.SSLContext) -> None:
        jid = f"{account.name}@{domain}/{secrets.token_urlsafe(12)}"
        super().__init__(jid, "", sasl_mech=MECHANISM, ssl_context=context)
        self.enable_direct_tls, self.enable_plaintext = False, False
        self.facts: dict[str, str] = {}
        self._keys_of = account
        self._came: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._awaited: dict[str, asyncio.Future[str]] = {}
        # slixmpp keeps its mechanisms in one registry for the whole process; ours is for this session alone.
        self._mechanisms = cast("Any", self.plugin["feature_mechanisms"])
        self._mechanisms._send_auth = self._authenticate  # noqa: SLF001
        self._tried = False
        self._on("session_start", self._started)
        self._on("failed_auth", lambda stanza: self._settle(f"login refused: {stanza['condition']}"))
        self._on("connection_failed", lambda _error: self._lost("no connection"))
        self._on("disconnected", self._disconnected)
        self._on("message", self._received)

    def _on(self, event: str, handler: Callable[[Any], None]) -> None:
        self.add_event_handler(event, handler)

    async def enter(self, host: str, port: int) -> str:
        """Log in: nothing, or what went wrong. Raises Transient where nobody listens."""
        self.connect(host, port)
        try:
            return await asyncio.wait_for(self._came, ANSWER_S)
        except TimeoutError:
            return f"no answer within {ANSWER_S:.0f} s"

    async def write_to(self, peer: _Session) -> str:
        """Send a message and await it at the other side: nothing, or what went wrong."""
        body = secrets.token_urlsafe(24)
        arrived = peer.expect(body)
        message = self.make_message(mto=peer.boundjid, mbody=body, mtype="chat")
        for tag in (f"{{{_HINTS}}}no-store", f"{{{_HINTS}}}no-copy", f"{{{_CARBONS}}}private"):
            message.append(ET.Element(tag))
        message.send()
        try:
            sender = await asyncio.wait_for(arrived, ANSWER_S)
        except TimeoutError:
            return f"a message to {peer.boundjid.user} did not arrive within {ANSWER_S:.0f} s"
        return "" if sender == self.boundjid.full else "a message arrived from somebody else"

    def expect(self, body: str) -> asyncio.Future[str]:
        """Who sends a message of that text, once it is here."""
        return self._awaited.setdefault(body, asyncio.get_running_loop().create_future())

    async def slot(self, size: int) -> tuple[str, dict[str, str], str]:
        """A place to upload to (XEP-0363): where to put, with which headers, and where to get it from then."""
        query = self.make_iq_get(ito=f"upload.{self.boundjid.domain}")
        query.append(ET.Element(f"{{{_UPLOAD}}}request", {"filename": "probe.bin", "size": str(size)}))
        send: Any = query.send
        answer = (await send(timeout=ANSWER_S)).xml
        put, get = (answer.find(f".//{{{_UPLOAD}}}{name}") for name in ("put", "get"))
        if put is None or get is None:
            raise httpx.InvalidURL("no slot")
        headers = {str(header.get("name")): header.text or "" for header in put}
        return put.get("url", ""), headers, get.get("url", "")

    async def leave(self) -> None:
        """Log out."""
        self.cancel_connection_attempt()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.disconnect(wait=2), ANSWER_S)

    def _authenticate(self) -> bool:
        if self._tried:
            return False
        self._tried = True
        account = self._keys_of
        self._mechanisms.mech = _Keys(ScramClient(account.name, account.scram_client, account.scram_server))
        offered = MECHANISM in self._mechanisms.mech_list
        if not offered:
            self._settle(f"{MECHANISM} is not offered")
            return False
        auth = self._mechanisms.stanza.Auth(self)
        auth["mechanism"] = MECHANISM
        auth["value"] = self._mechanisms.mech.process()
        auth.send()
        return True

    def _started(self, _event: object) -> None:
        tls = self.transport.get_extra_info("ssl_object") if self.transport else None
        if tls is None:
            self._settle("the connection is not enciphered")
            return
        cipher, _, bits = tls.cipher()
        self.facts = {"tls": tls.version(), "cipher": cipher, "bits": str(bits), "mechanism": MECHANISM}
        self._settle("")

    def _settle(self, fault: str) -> None:
        if not self._came.done():
            self._came.set_result(fault)

    def _disconnected(self, reason: object) -> None:
        untrusted = isinstance(reason, ssl.SSLCertVerificationError)
        self._settle("its certificate is not to be trusted" if untrusted else "the server closed the connection")

    def _lost(self, what: str) -> None:
        if not self._came.done():
            self._came.set_exception(Transient(f"XMPP: {what}"))

    def _received(self, message: Any) -> None:
        awaited = self._awaited.pop(message["body"], None)
        if awaited is not None and not awaited.done():
            awaited.set_result(message["from"].full)


class _Keys:
    """What slixmpp calls a mechanism: takes what the server says, gives the answer."""

    name = MECHANISM

    def __init__(self, scram: ScramClient) -> None:
        self._scram = scram
        self._step = 0

    def process(self, said: bytes = b"") -> bytes:
        """The next message. Raises SASLMutualAuthFailed where the server is not who it should be."""
        self._step += 1
        try:
            if self._step == 1:
                return self._scram.first().encode()
            if self._step == 2:
                return self._scram.final(said.decode()).encode()
            self._scram.check(said.decode())
        except (Refused, UnicodeDecodeError):
            raise SASLMutualAuthFailed from None
        return b""
