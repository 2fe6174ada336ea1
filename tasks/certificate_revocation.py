"""What an emergency replaced, or was taken back before it served, is revoked at its CA or known to be revoked by it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from blocks.errors import DogovorError
from blocks.ledger import Certificate, CertificateEvent, CertificateState, Site, reading, transaction
from blocks.office import Office
from blocks.terms.certificate_notice import Emergency
from tasks.ca_orders import note
from tasks.certificate_state import EMERGENCY
from tasks.sites import issued_by

KEY_COMPROMISE = 1
DISTRUSTED = frozenset({Emergency.KEY_COMPROMISE.value, Emergency.REVOKED_BY_CA.value})
"""What was replaced for one of these is not shown again."""


WITHDRAWN = "withdrawn"
"""What happened to a certificate that was taken back before it served."""


def revoke_known(office: Office, site_id: int, *, now: datetime) -> bool:
    """Revoke what is not to be trusted any more and has not ended; whether that was done for any now.

    One that cannot be revoked keeps no other from it. Raises as its CA does then.
    """
    with reading(office.sessions) as session:
        site = session.get_one(Site, site_id)
        found = session.execute(_distrusted(now).where(Certificate.site_id == site_id)).all()
        known = {row.id: (row, said.partition(":")[0], issued_by(session, site, row)) for row, said in found}
    failed: DogovorError | None = None
    for row, why, authority in known.values():
        try:
            if why == Emergency.KEY_COMPROMISE.value:
                office.ca(authority).revoke(row.chain, KEY_COMPROMISE)
        except DogovorError as error:
            failed = failed or error
            continue
        with transaction(office.sessions) as session:
            held = session.get_one(Certificate, row.id)
            held.state, held.revoked_at, held.sealed_key = CertificateState.REVOKED, now, None
            note(session, session.get_one(Site, site_id), "revoked", why, now=now, certificate=held)
    if failed is not None:
        raise failed
    return bool(known)


def sites_to_revoke_at(session: Session, *, now: datetime) -> frozenset[int]:
    """The sites with a certificate that is not to be trusted any more and has yet to be revoked."""
    return frozenset(session.scalars(_distrusted(now).with_only_columns(Certificate.site_id)))


def _distrusted(now: datetime) -> Select[tuple[Certificate, str]]:
    """What serves no more and was replaced in an emergency, or taken back before it served, each with its reason."""
    return (
        select(Certificate, CertificateEvent.why)
        .join(CertificateEvent, CertificateEvent.certificate_id == Certificate.id)
        .where(Certificate.state == CertificateState.RETIRED, Certificate.revoked_at.is_(None))
        .where(Certificate.not_after > now, CertificateEvent.kind.in_((WITHDRAWN, EMERGENCY)))
        .where(or_(*(CertificateEvent.why.startswith(each) for each in DISTRUSTED)))
        .order_by(Certificate.id)
    )
