"""What an emergency replaced, or was taken back before it served, is revoked at its CA or known to be revoked by it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from blocks.errors import DogovorError
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
    """Revoke what is not to be trusted any more and has not ended; whether that was done for any now.

    One that cannot be revoked keeps no other from it. Raises as its CA does then.
    """
    with reading(office.sessions) as session:
        site = session.get_one(Site, site_id)
        found = [*_former(session, site), *_withdrawn(session, site)]
        known = [(row, why, issued_by(session, site, row)) for row, why in found if row.not_after > now]
    failed: DogovorError | None = None
    for row, why, authority in known:
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
    """The sites with a certificate that was taken back before it served and has yet to be revoked."""
    query = _taken_back().where(Certificate.not_after > now).with_only_columns(Certificate.site_id)
    return frozenset(session.scalars(query))


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
    query = _taken_back().where(Certificate.site_id == site.id)
    for row, said in session.execute(query).all():
        yield row, said.partition(":")[0]


def _taken_back() -> Select[tuple[Certificate, str]]:
    return (
        select(Certificate, CertificateEvent.why)
        .join(CertificateEvent, CertificateEvent.certificate_id == Certificate.id)
        .where(Certificate.state == CertificateState.RETIRED, Certificate.revoked_at.is_(None))
        .where(CertificateEvent.kind == WITHDRAWN, or_(*(CertificateEvent.why.startswith(each) for each in DISTRUSTED)))
        .order_by(Certificate.id)
    )
