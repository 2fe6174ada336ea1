"""A certificate that was issued and must not go into service is taken back: its key is known, or its CA revokes it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.errors import Refused
from blocks.ledger import Certificate, CertificateState, one_at_a_time, transaction
from blocks.office import Office
from blocks.terms.certificate_notice import Emergency
from tasks.ca_orders import note, open_order
from tasks.certificate_revocation import WITHDRAWN
from tasks.certificate_state import SiteNow
from tasks.sites import coming, find_site, lift_promises


def meant(seen: SiteNow, fingerprint: str) -> Certificate:
    """The certificate of a site that a fingerprint means, in service or coming; without one what is in service.

    Raises Refused where it is neither.
    """
    if not fingerprint:
        if seen.current is None:
            raise Refused("state", f"nothing of {seen.site.slug} is in service")
        return seen.current
    there = (seen.current, *seen.coming)
    found = next((row for row in there if row is not None and row.fingerprint == fingerprint), None)
    if found is None:
        raise Refused("fingerprint", f"{fingerprint} of {seen.site.slug} is neither in service nor to come")
    return found


def withdraw(
    office: Office, slug: str, fingerprint: str, why: Emergency, *, who: str, note_text: str, now: datetime
) -> None:
    """Take a coming certificate back: it never serves, its key goes, nobody is owed a notice of it any more.

    What was to follow it follows the one before. The turns of its site revoke it where its key is known, and order
    another when one is due and somebody here shows it. Raises NotFound, Refused where no such certificate is to come.
    """
    with transaction(office.sessions) as session:
        site = find_site(session, slug)
        one_at_a_time(session, f"site {slug}")
        row = next((each for each in coming(session, site) if each.fingerprint == fingerprint), None)
        if row is None:
            raise Refused("fingerprint", f"{fingerprint} of {slug} is not to come")
        _close_chain(session, row)
        row.state, row.retired_at, row.sealed_key = CertificateState.RETIRED, now, None
        lift_promises(session, site, row, now=now)
        note(session, site, WITHDRAWN, f"{why.value}: {note_text}", now=now, who=who, clause="KS-3.8", certificate=row)


def _close_chain(session: Session, row: Certificate) -> None:
    order = open_order(session, row.site_id, locked=True)
    before = session.get(Certificate, row.replaces_id) if row.replaces_id is not None else None
    for following in session.scalars(select(Certificate).where(Certificate.replaces_id == row.id)):
        following.replaces_id = row.replaces_id
    if order is not None and order.replaces == row.fingerprint:
        order.replaces = before.fingerprint if before is not None else None
