"""What an emergency replaced is revoked at its CA, or known to be revoked by it."""

from __future__ import annotations

from datetime import datetime

from blocks.ledger import Certificate, CertificateState, Site, reading, transaction
from blocks.office import Office
from blocks.terms.certificate_notice import Emergency
from tasks.ca_orders import note
from tasks.sites import in_service, issued_by

KEY_COMPROMISE = 1
DISTRUSTED = frozenset({Emergency.KEY_COMPROMISE.value, Emergency.REVOKED_BY_CA.value})
"""What was replaced for one of these is not shown again."""


def revoke_former(office: Office, site_id: int, *, now: datetime) -> bool:
    """Revoke what was replaced because its key is known to others; whether that was done now. Raises as the CA does."""
    with reading(office.sessions) as session:
        site = session.get_one(Site, site_id)
        current = in_service(session, site)
        if current is None or current.emergency not in DISTRUSTED or current.replaces_id is None:
            return False
        former = session.get_one(Certificate, current.replaces_id)
        authority = issued_by(session, site, former)
    if former.revoked_at is not None or former.state is not CertificateState.RETIRED:
        return False
    if current.emergency == Emergency.KEY_COMPROMISE.value:
        office.ca(authority).revoke(former.chain, KEY_COMPROMISE)
    with transaction(office.sessions) as session:
        row = session.get_one(Certificate, former.id)
        row.state, row.revoked_at, row.sealed_key = CertificateState.REVOKED, now, None
        note(session, session.get_one(Site, site_id), "revoked", str(current.emergency), now=now, certificate=row)
    return True
