"""What an emergency replaced, or was taken back before it served, is revoked at its CA or known to be revoked by it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.ledger import Certificate, CertificateEvent, CertificateState, Site, reading, transaction
from blocks.office import Office
from blocks.terms.certificate_notice import Emergency
from tasks.ca_orders import note
from tasks.sites import in_service, issued_by

KEY_COMPROMISE = 1
DISTRUSTED = frozenset({Emergency.KEY_COMPROMISE.value, Emergency.REVOKED_BY_CA.value})
"""What was replaced for one of these is not shown again."""


WITHDRAWN = "withdrawn"
"""What happened to a certificate that was taken back before it served."""


def revoke_known(office: Office, site_id: int, *, now: datetime) -> bool:
    """Revoke what is not to be trusted any more; whether that was done for any now. Raises as the CA does."""
    with reading(office.sessions) as session:
        site = session.get_one(Site, site_id)
        found = [*_former(session, site), *_withdrawn(session, site)]
        known = [(row, why, issued_by(session, site, row)) for row, why in found]
    for row, why, authority in known:
        if why == Emergency.KEY_COMPROMISE.value:
            office.ca(authority).revoke(row.chain, KEY_COMPROMISE)
        with transaction(office.sessions) as session:
            held = session.get_one(Certificate, row.id)
            held.state, held.revoked_at, held.sealed_key = CertificateState.REVOKED, now, None
            note(session, session.get_one(Site, site_id), "revoked", why, now=now, certificate=held)
    return bool(known)


def _former(session: Session, site: Site) -> Iterator[tuple[Certificate, str]]:
    """What was replaced in an emergency, with its reason."""
    current = in_service(session, site)
    if current is None or current.emergency not in DISTRUSTED or current.replaces_id is None:
        return
    former = session.get_one(Certificate, current.replaces_id)
    if former.revoked_at is None and former.state is CertificateState.RETIRED:
        yield former, str(current.emergency)


def _withdrawn(session: Session, site: Site) -> Iterator[tuple[Certificate, str]]:
    """What was taken back before it served, with its reason."""
    query = (
        select(Certificate, CertificateEvent.why)
        .join(CertificateEvent, CertificateEvent.certificate_id == Certificate.id)
        .where(Certificate.site_id == site.id, Certificate.state == CertificateState.RETIRED)
        .where(CertificateEvent.kind == WITHDRAWN, Certificate.revoked_at.is_(None))
    )
    for row, said in session.execute(query).all():
        if (why := said.partition(":")[0]) in DISTRUSTED:
            yield row, why
