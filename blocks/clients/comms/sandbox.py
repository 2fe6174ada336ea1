"""A complex without servers, for the embedded default: accounts stand in the directory, and nobody can log in to it.

Its proofs say what can be known so: that the directory holds exactly what each server would verify a password by.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Collection, Sequence

from blocks.clients.certificates import Bundle, Certificates
from blocks.clients.comms.complex import directory_software
from blocks.clients.comms.protocol import Software
from blocks.clients.directory import Directory, Kind
from blocks.clients.password_hashes import AccountHashes
from blocks.terms.ks_complex import Proof, ProofKind, Want

_SERVICE = {
    ProofKind.XMPP: Kind.XMPP,
    ProofKind.XMPP_MESSAGE: Kind.XMPP,
    ProofKind.XMPP_UPLOAD: Kind.XMPP,
    ProofKind.IMAP: Kind.MAIL,
    ProofKind.SUBMISSION: Kind.MAIL,
    ProofKind.MAIL: Kind.MAIL,
    ProofKind.SIP: Kind.SIP,
    ProofKind.SIP_CALL: Kind.SIP,
}


class SandboxComplex:
    """See `Complex`."""

    name = "sandbox"
    host = "localhost"

    def __init__(self, directory: Directory, certificates: Certificates) -> None:
        self._directory = directory
        self._certificates = certificates

    def publish_names(self, domain: str) -> None:
        """See Complex.publish_names. There are no name servers."""

    def prepare(self, domain: str) -> None:
        """See that there is a certificate; there are no servers to show it."""
        self._certificates.of(domain)

    def install_certificate(self, domain: str, bundle: Bundle) -> None:
        """There are no servers to show it."""

    def provision(self, domain: str, accounts: Sequence[AccountHashes]) -> None:
        """See Complex.provision."""
        for kind in Kind:
            self._directory.provision(kind, domain, accounts)

    def verify(self, domain: str, accounts: Sequence[AccountHashes], wants: Collection[Want]) -> list[Proof]:
        """Compare what the directory holds with what the contact's own key makes of it."""
        held = {kind: self._directory.verifiers(kind, domain) for kind in Kind}
        by_name = {account.name: account for account in accounts}
        return [self._proof(want, by_name, held) for want in wants]

    def _proof(self, want: Want, accounts: dict[str, AccountHashes], held: dict[Kind, dict[str, str]]) -> Proof:
        if not want.contact:
            return Proof(contact="", kind=want.kind, ok=True, detail="sandbox: there is no server to ask")
        kind, account = _SERVICE[want.kind], accounts.get(want.contact)
        name = want.contact if account is None or kind is not Kind.SIP else account.number
        ok = account is not None and held[kind].get(name) == _expected(kind, account)
        detail = (
            "sandbox: the directory holds the account" if ok else "sandbox: the directory does not hold the account"
        )
        return Proof(contact=want.contact, kind=want.kind, ok=ok, detail=detail)

    def suspend(self, domain: str) -> None:
        """See Complex.suspend."""
        for kind in Kind:
            self._directory.suspend(kind, domain)

    def resume(self, domain: str) -> None:
        """See Complex.resume."""
        for kind in Kind:
            self._directory.resume(kind, domain)

    def delete(self, domain: str) -> None:
        """See Complex.delete."""
        for kind in Kind:
            self._directory.remove(kind, domain)

    def software(self) -> list[Software]:
        """The directory's database: nothing else runs."""
        return [directory_software(self._directory)]

    def check(self) -> str:
        """See Complex.check."""
        return f"sandbox: {self._directory.check()}"


def _expected(kind: Kind, account: AccountHashes) -> str:
    if kind is Kind.SIP:
        return account.ha1
    stored = b64encode(hashlib.sha256(b64decode(account.scram_client)).digest()).decode()
    return account.xmpp_verifier(stored) if kind is Kind.XMPP else account.mail_verifier(stored)
