"""What the ledger holds for whoever shows or orders certificates: keys of those in service, keys of accounts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from blocks.clients.ca.addresses import AuthorityAt
from blocks.clients.ca.pem import new_key
from blocks.clients.certificates import Bundle
from blocks.errors import Refused
from blocks.ledger import (
    CaAccount,
    Certificate,
    CertificateState,
    Service,
    Sessions,
    Site,
    one_at_a_time,
    reading,
    transaction,
)
from blocks.sealing import Sealer
from blocks.terms.certificates import KeyKind
from blocks.terms.ks_zone import KEYS_S


def key_purpose(intent: str) -> str:
    """Under which purpose the key of a CA order, and of the certificate it brought, is sealed."""
    return f"certificate key {intent}"


KEPT_IN_DNS = timedelta(seconds=2 * KEYS_S)
"""For so long after its end the key of a certificate is told of: whoever asked before may remember the old records."""
_LIVING = (
    CertificateState.ISSUED,
    CertificateState.PUBLISHED,
    CertificateState.ANNOUNCED,
    CertificateState.IN_SERVICE,
)


class IssuedCertificates:
    """See `Certificates`: what is in service for a domain, from the ledger. `clock` gives the moment."""

    def __init__(self, sessions: Sessions, sealer: Sealer, clock: Callable[[], datetime]) -> None:
        self._sessions = sessions
        self._sealer = sealer
        self._clock = clock

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

    def key_hashes(self, domain: str) -> tuple[str, ...]:
        """See Certificates.key_hashes."""
        with reading(self._sessions) as session:
            site = session.scalar(select(Site.id).where(Site.slug == domain, Site.retired_at.is_(None)))
            return keys_told(session, site, now=self._clock()) if site is not None else ()


def keys_told(session: Session, site_id: int, *, now: datetime) -> tuple[str, ...]:
    """The keys of a site that the DNS should tell of, the newest last: of all that live, and of what ended lately.

    A revoked certificate's key goes at once: nobody is to trust it any more.
    """
    lately = and_(Certificate.state == CertificateState.RETIRED, Certificate.retired_at > now - KEPT_IN_DNS)
    told = or_(Certificate.state.in_(_LIVING), lately)
    rows = session.scalars(
        select(Certificate.key_hash).where(Certificate.site_id == site_id, told).order_by(Certificate.id)
    )
    return tuple(dict.fromkeys(rows))


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


def serves_domain(sessions: Sessions, domain: str) -> bool:
    """Whether a domain is that of a customer's complex."""
    with reading(sessions) as session:
        query = select(Service.id).where(Service.agreement == "KS", Service.name == domain)
        return session.scalar(query) is not None
