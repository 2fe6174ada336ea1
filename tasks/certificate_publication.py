"""Published and announced (KS-3.8): a certificate counts as published when its page and its chain were fetched back.

A swap is announced by a letter to everybody who uses the site; it is announced when every letter counts as given. A
letter that bounced has not been given: its obligation stays open, and it is written again. A swap that is moved is
announced anew, and its month counts anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.clients.ca.pem import facts_of
from blocks.clients.public_pages import fetch
from blocks.errors import Refused, Transient
from blocks.ledger import (
    Certificate,
    CertificateState,
    Customer,
    Notice,
    NoticeState,
    Obligation,
    ObligationState,
    Site,
    one_at_a_time,
    reading,
    transaction,
)
from blocks.office import Office
from blocks.terms.base import Deadline
from blocks.terms.certificate_plan import told_by
from blocks.terms.zones import ZONES
from tasks import audience
from tasks.ca_orders import note
from tasks.certificate_pages import page_path, pem_path
from tasks.erased import is_erased
from tasks.notices import given, queue
from tasks.obligations import open_obligation
from tasks.sites import promise_subject

CLAUSE = "KS-3.8"
COMING, EMERGENCY = "certificate_coming", "certificate_emergency"
TELL = "tell of the swap "
LETTERS, AGAIN_AFTER = 3, timedelta(days=1)
"""So many letters at most to an address that does not take them, and how long one waits for the next."""
_OVER = (CertificateState.RETIRED, CertificateState.REVOKED)
_LOST = (NoticeState.BOUNCED, NoticeState.FAILED)


def publish(office: Office, certificate_id: int, *, now: datetime) -> bool:
    """Fetch the page and the chain of a certificate from the public address and record that they stand there.

    True where that was recorded now, False where it had been before. Raises Transient where the page cannot be reached
    or shows something else, Refused for a certificate that is over.
    """
    with reading(office.sessions) as session:
        row = session.get_one(Certificate, certificate_id)
        slug = session.get_one(Site, row.site_id).slug
    if row.published_at is not None:
        return False
    if row.state in _OVER:
        raise Refused("state", f"{row.fingerprint} of {slug} is {row.state.value}: there is nothing to publish")
    _seen(office, slug, row)
    with transaction(office.sessions) as session:
        row = session.get_one(Certificate, certificate_id, with_for_update=True)
        if row.published_at is not None:
            return False
        row.published_at = now
        if row.state is CertificateState.ISSUED:
            row.state = CertificateState.PUBLISHED
        site = session.get_one(Site, row.site_id)
        why = f"fetched back from {office.settings.link(page_path(slug))}"
        note(session, site, "published", why, now=now, clause=CLAUSE, certificate=row)
    return True


def _seen(office: Office, slug: str, row: Certificate) -> None:
    """Whether anybody finds on the page what the ledger holds. Raises Transient."""
    chain = fetch(office.settings.link(pem_path(slug, row.fingerprint)))
    try:
        shown = facts_of(chain).fingerprint
    except Refused:
        raise Transient(f"the chain of {slug} that is published cannot be read as a certificate") from None
    if shown != row.fingerprint:
        raise Transient(f"the chain of {slug} that is published begins with {shown}, not with {row.fingerprint}")
    if chain.split() != row.chain.split():
        raise Transient(f"the chain of {slug} that is published is not the one that the CA gave")
    page = fetch(office.settings.link(page_path(slug)))
    if row.fingerprint not in page or row.key_hash not in page:
        raise Transient(f"the page of {slug} does not show {row.fingerprint} and its key")


@dataclass(frozen=True)
class _Swap:
    """A swap that is announced, in one transaction."""

    office: Office
    session: Session
    site: Site
    row: Certificate
    now: datetime

    @property
    def kind(self) -> str:
        """The letter that tells of it."""
        return EMERGENCY if self.row.emergency else COMING

    def note(self, kind: str, why: str) -> None:
        """Write down what happened."""
        note(self.session, self.site, kind, why, now=self.now, clause=CLAUSE, certificate=self.row)

    def unsay(self) -> None:
        """It is not announced after all."""
        self.row.announced_at = None
        if self.row.state is CertificateState.ANNOUNCED:
            self.row.state = CertificateState.PUBLISHED

    def letters(self) -> list[Notice]:
        """What was written about the swap as it stands now."""
        rows = self.session.scalars(
            select(Notice).where(Notice.about == _about(self.row), Notice.kind == self.kind).order_by(Notice.id)
        )
        return [each for each in rows if self.row.emergency or each.facts["swap_at"] == _iso(self.row.swap_at)]


def announce(office: Office, certificate_id: int, *, now: datetime) -> bool:
    """Have everybody who uses the site told of a certificate's swap, once; whether all of them have been.

    To be called again until it is so, and daily until the swap: letters that bounced are written again, a swap that was
    moved is told anew, who became a customer meanwhile is told too. An emergency has a letter of its own and no term.
    Raises Refused for a planned swap that is not published or has no window yet.
    """
    with transaction(office.sessions) as session:
        one_at_a_time(session, f"certificate {certificate_id}")
        row = session.get_one(Certificate, certificate_id, with_for_update=True)
        swap = _Swap(office, session, session.get_one(Site, row.site_id), row, now)
        planned = not row.emergency
        if row.state in _OVER or (planned and row.state is CertificateState.IN_SERVICE):
            return row.announced_at is not None
        if planned and (row.published_at is None or row.swap_at is None):
            raise Refused("unpublished", f"{row.fingerprint} is not published yet, or its swap is not set")
        letters, told = swap.letters(), _audience(swap)
        moved = _moved(swap, letters)
        _lift_others(swap, told)
        for recipient in told:
            mine = [letter for letter in letters if letter.recipient == recipient]
            if not mine or _again(mine, now):
                _tell(swap, recipient, len(mine), moved=moved)
        session.flush()
        return _settle(swap, told)


def _audience(swap: _Swap) -> list[str]:
    """A customer's own domain is that customer's affair; what all customers use is told to all of them."""
    if swap.site.customer_id is None:
        return audience.customers(swap.session, swap.office.settings, swap.site.agreement)
    email = swap.session.get_one(Customer, swap.site.customer_id).email
    return [] if is_erased(email) else [email]


def _moved(swap: _Swap, letters: Sequence[Notice]) -> bool:
    """Whether something else was told before; then nobody knows yet what holds now."""
    if letters:
        return any(letter.facts["moved"] for letter in letters)
    if swap.session.scalar(select(Notice.id).where(Notice.about == _about(swap.row)).limit(1)) is None:
        return not swap.row.emergency and _in_place_of_another(swap)
    swap.unsay()
    if not swap.row.emergency:
        swap.note("swap_moved", f"the swap is on {_iso(swap.row.swap_at)} now: told anew, and the month counts anew")
    return True


def _in_place_of_another(swap: _Swap) -> bool:
    """Whether customers were told of one that made way before it served, and of none since."""
    of_site = swap.session.scalars(select(Certificate).where(Certificate.site_id == swap.site.id)).all()
    made_way = [each for each in of_site if each.state in _OVER and each.in_service_at is None]
    letters = select(Notice).where(Notice.about.in_([_about(each) for each in of_site]), Notice.kind == COMING)
    told = swap.session.scalars(letters).all()
    ends = [
        each.retired_at
        for each in made_way
        if each.retired_at is not None and any(letter.about == _about(each) for letter in told)
    ]
    return bool(ends) and all(letter.created_at < max(ends) for letter in told)


def _again(mine: Sequence[Notice], now: datetime) -> bool:
    """Whether none of the letters to an address arrived, and it is time for one more."""
    lost = all(letter.state in _LOST for letter in mine)
    return lost and len(mine) < LETTERS and (mine[-1].settled_at or mine[-1].created_at) + AGAIN_AFTER <= now


def _tell(swap: _Swap, recipient: str, before: int, *, moved: bool) -> None:
    """A letter, the first one to that address or one more. Who comes when all have been told is owed no month."""
    row, obligation = swap.row, None
    if not row.emergency and swap.site.agreement == "KS" and row.announced_at is None:
        zone = ZONES[swap.site.agreement]
        deadline = Deadline(due=told_by(_swap_of(row), zone), zone=zone)
        obligation = open_obligation(
            swap.session,
            clause=CLAUSE,
            subject=promise_subject(swap.site, swap.row),
            what=_wording(row, recipient),
            deadline=deadline,
            now=swap.now,
        )
    digest = sha256(recipient.encode()).hexdigest()[:32]
    queue(
        swap.session,
        key=f"{_about(row)}:{swap.kind}:{_iso(row.swap_at)}:{digest}:{before}",
        kind=swap.kind,
        agreement=swap.site.agreement,
        recipient=recipient,
        facts=_facts(swap, moved=moved),
        now=swap.now,
        about=_about(row),
        obligation=obligation,
    )


def _lift_others(swap: _Swap, told: Sequence[str]) -> None:
    """Nothing is owed any more for what was given up, nor to who uses the site no longer."""
    owed = {_wording(swap.row, recipient) for recipient in told} if not swap.row.emergency else set()
    open_ones = select(Obligation).where(
        Obligation.subject == promise_subject(swap.site, swap.row),
        Obligation.clause == CLAUSE,
        Obligation.state == ObligationState.OPEN,
        Obligation.what.startswith(TELL),
    )
    for each in swap.session.scalars(open_ones):
        if each.what not in owed:
            each.state, each.fulfilled_at = ObligationState.LIFTED, swap.now
            each.evidence = "this swap is off, or the customer uses the site no longer"


def _settle(swap: _Swap, told: Sequence[str]) -> bool:
    """Record that all have been told, or that it turned out otherwise. Who came later does not change the moment."""
    row = swap.row
    first = [each for each in swap.letters() if row.announced_at is None or each.created_at <= row.announced_at]
    owed = {each.recipient for each in first} & set(told)
    sent = {each.recipient: each.sent_at or swap.now for each in first if given(each)}
    if owed - set(sent):
        if row.announced_at is not None:
            swap.unsay()
            swap.note("not_announced", "a letter came back")
        return False
    if row.announced_at is None:
        row.announced_at = max((sent[each] for each in owed), default=swap.now)
        row.state = CertificateState.ANNOUNCED if row.state is CertificateState.PUBLISHED else row.state
        swap.note("announced", f"{len(owed)} told of the swap" if owed else "nobody uses this site yet")
    return True


def _facts(swap: _Swap, *, moved: bool) -> dict[str, Any]:
    row, site, link = swap.row, swap.site, swap.office.settings.link
    before = swap.session.get(Certificate, row.replaces_id) if row.replaces_id is not None else None
    return {
        "agreement": site.agreement,
        "number": site.slug,
        "names": list(facts_of(row.chain).names),
        "zone": ZONES[site.agreement],
        "swap_at": _iso(row.swap_at),
        "swap_until": _iso(row.swap_until),
        "fingerprint": row.fingerprint,
        "key_hash": row.key_hash,
        "old_fingerprint": before.fingerprint if before is not None else "",
        "page": link(page_path(site.slug)),
        "pem": link(pem_path(site.slug, row.fingerprint)),
        "moved": moved,
        "why": row.emergency or "",
    }


def _about(row: Certificate) -> str:
    return f"certificate-{row.id}"


def _wording(row: Certificate, recipient: str) -> str:
    return f"{TELL}on {_swap_of(row):%Y-%m-%d %H:%M} UTC: {recipient}"[:200]


def _swap_of(row: Certificate) -> datetime:
    if row.swap_at is None:
        raise Refused("unpublished", f"the swap to {row.fingerprint} is not set")
    return row.swap_at


def _iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment is not None else ""
