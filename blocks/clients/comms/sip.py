"""SIP of a complex: Kamailio reads the directory itself; we close what is open, set certificates, prove accounts."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from blocks.clients.certificates import Bundle
from blocks.clients.comms.addresses import SipAt
from blocks.clients.comms.protocol import Software
from blocks.clients.comms.sip_agent import SipAgent, SipLine, agent
from blocks.clients.comms.sip_rpc import SipRpc
from blocks.clients.comms.sip_tls import put_certificate, take_certificate
from blocks.clients.directory import Directory, Kind
from blocks.clients.password_hashes import AccountHashes
from blocks.errors import Refused, Transient
from blocks.terms.base import Verdict
from blocks.terms.ks_complex import Proof, ProofKind, SecurityFacts, Want, connection_is_secure

_AT_ONCE = 8
_CALL_S = 1.0


class SipService:
    """See `Service`. `host` is connected to; `ca_file` holds the authorities to trust in place of the system's."""

    def __init__(self, directory: Directory, at: SipAt, host: str, ca_file: Path | None) -> None:
        self._directory = directory
        self._at = at
        self._host = host
        self._ca_file = ca_file
        self._rpc = SipRpc(str(at.rpc_url))

    def install_certificate(self, domain: str, bundle: Bundle) -> None:
        """See Service.install_certificate. It is shown for the domain and the names directly below it."""
        put_certificate(self._at.certificates, self._at.tls_file, domain, bundle, self._reload)

    def remove_certificate(self, domain: str) -> None:
        """See Service.remove_certificate."""
        take_certificate(self._at.certificates, self._at.tls_file, domain, self._reload)

    def provision(self, domain: str, accounts: Sequence[AccountHashes]) -> None:
        """See Service.provision. Whoever is gone or has another password now is logged out; the others go on."""
        before = self._directory.verifiers(Kind.SIP, domain)
        self._directory.provision(Kind.SIP, domain, accounts)
        now = {account.number: account.ha1 for account in accounts}
        self._close(domain, {number for number, ha1 in before.items() if now.get(number) != ha1})

    def suspend(self, domain: str) -> None:
        """See Service.suspend. Registrations go, and both sides of a running call get a BYE.

        A call that rings meanwhile is ended by Kamailio as soon as it is answered.
        """
        self._directory.suspend(Kind.SIP, domain)
        self._close(domain, self._directory.standing(Kind.SIP, domain).suspended)

    def resume(self, domain: str) -> None:
        """See Service.resume. Phones register again by themselves."""
        self._directory.resume(Kind.SIP, domain)

    def delete(self, domain: str) -> None:
        """See Service.delete. First suspended, so that a delete cut short still knows whom to log out."""
        self.suspend(domain)
        self._directory.remove(Kind.SIP, domain)

    def verify(self, domain: str, accounts: Sequence[AccountHashes], wants: Collection[Want]) -> list[Proof]:
        """See Service.verify. A call goes to an instance of our own: no phone of a contact rings."""
        return asyncio.run(self._verify(domain, list(accounts), wants))

    def software(self) -> list[Software]:
        """See Service.software."""
        name, version, *_ = self._rpc.version().split()
        return [Software(role="SIP", name=name.capitalize(), version=version, learnt="asked by JSON-RPC")]

    def check(self) -> str:
        """See Service.check."""
        return f"{self._rpc.version().strip()}, {self._rpc.running()} calls"

    def _reload(self) -> None:
        try:
            self._rpc.call("tls.reload")
        except Refused as error:  # what it reads was checked before: the same list may well be read later
            raise Transient(str(error)) from None

    def _close(self, domain: str, numbers: Iterable[str]) -> None:
        closed = set(numbers)
        self._rpc.forget(domain, closed)
        for call in self._rpc.calls(domain, closed) if closed else []:
            self._rpc.end(call)

    async def _verify(self, domain: str, accounts: list[AccountHashes], wants: Collection[Want]) -> list[Proof]:
        line = SipLine(self._host, self._at.tls_port, domain, ssl.create_default_context(cafile=self._ca_file))
        places = {account.name: place for place, account in enumerate(accounts)}
        few = asyncio.Semaphore(_AT_ONCE)

        async def prove(want: Want) -> Proof:
            place = places.get(want.contact)
            if place is None:
                return Proof(contact=want.contact, kind=want.kind, ok=False, detail="there is no such account")
            account, peer = accounts[place], accounts[(place + 1) % len(accounts)]
            async with few:
                return await (_login(line, account) if want.kind is ProofKind.SIP else _call(line, account, peer))

        ours = [want for want in wants if want.kind in {ProofKind.SIP, ProofKind.SIP_CALL}]
        return list(await asyncio.gather(*(prove(want) for want in ours)))


async def _login(line: SipLine, account: AccountHashes) -> Proof:
    try:
        async with agent(line, account.number, account.ha1) as phone:
            await phone.register()
            await phone.unregister()
            return _proof(account, ProofKind.SIP, phone, f"registered as {account.number}")
    except Refused as error:
        return Proof(contact=account.name, kind=ProofKind.SIP, ok=False, detail=str(error)[:300])


async def _call(line: SipLine, account: AccountHashes, peer: AccountHashes) -> Proof:
    call_id = secrets.token_hex(16)
    try:
        async with (
            agent(line, account.number, account.ha1) as caller,
            agent(line, peer.number, peer.ha1) as callee,
        ):
            await callee.register()
            callee.expected.add(call_id)
            call = await caller.call(callee.own_address, call_id)
            await callee.hears("INVITE")
            await callee.hears("ACK")
            await asyncio.sleep(_CALL_S)
            await caller.hang_up(call)
            await callee.hears("BYE")
            await callee.unregister()
            detail = f"{account.number} called {peer.number} under SRTP, and hung up"
            proof = _proof(account, ProofKind.SIP_CALL, caller, detail)
            return proof.model_copy(update={"facts": {**proof.facts, "srtp": call.suite}})
    except Refused as error:
        return Proof(contact=account.name, kind=ProofKind.SIP_CALL, ok=False, detail=str(error)[:300])


def _proof(account: AccountHashes, kind: ProofKind, phone: SipAgent, detail: str) -> Proof:
    facts = phone.secured
    secure = connection_is_secure(SecurityFacts(version=facts["tls"], bits=int(facts["bits"])))
    ok = secure.verdict is Verdict.ALLOWED
    return Proof(contact=account.name, kind=kind, ok=ok, detail=detail if ok else secure.what, facts=facts)
