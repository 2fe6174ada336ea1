"""What the ledger holds for whoever shows or orders certificates: keys of those in service, keys of accounts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select

from blocks.clients.ca.addresses import AuthorityAt
from blocks.clients.ca.pem import new_key
from blocks.clients.certificates import Bundle
from blocks.errors import Refused
from blocks.ledger import CaAccount, Certificate, CertificateState, Sessions, Site, one_at_a_time, reading, transaction
from blocks.sealing import Sealer
from blocks.terms.certificates import KeyKind


def key_purpose(intent: str) -> str:
    """Under which purpose the key of a CA order, and of the certificate it brought, is sealed."""
    return f"certificate key {intent}"


class IssuedCertificates:
    """See `Certificates`: what is in service for a domain, from the ledger."""

    def __init__(self, sessions: Sessions, sealer: Sealer) -> None:
        self._sessions = sessions
        self._sealer = sealer

    def of(self, domain: str) -> Bundle:
        """See Certificates.of."""
        with reading(self._sessions) as session:
            found = session.scalar(
                select(Certificate)
                .join(Site, Site.id == Certificate.site_id)
                .where(Site.slug == domain, Site.retired_at.is_(None), Certificate.state == CertificateState.IN_SERVICE)
            )
            if found is None or found.sealed_key is None:
                raise Refused("certificate", f"no certificate of {domain} is in service")
            key = self._sealer.open(found.sealed_key, key_purpose(found.fingerprint))
            return Bundle(chain=found.chain, key=key.decode())


def ca_account_key(sessions: Sessions, sealer: Sealer, at: AuthorityAt, clock: Callable[[], datetime]) -> str:
    """The PEM of our account's key at a CA, made and written down when first asked for; the first writer wins."""
    purpose = f"ca account {at.name}"
    with reading(sessions) as session:
        held = session.get(CaAccount, at.name)
    if held is None:
        with transaction(sessions) as session:
            one_at_a_time(session, purpose)
            held = session.get(CaAccount, at.name)
            if held is None:
                sealed = sealer.seal(new_key(KeyKind.EC_P256).encode(), purpose)
                held = CaAccount(authority=at.name, directory=str(at.url), sealed_key=sealed, created_at=clock())
                session.add(held)
    return sealer.open(held.sealed_key, purpose).decode()
