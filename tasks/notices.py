"""Notices: queued in the transaction of what they tell, composed, sent, and followed to their delivery or bounce.

A letter can be accepted by a mail server whose answer we never saw. So a notice is marked `sending` first. Found in
that state later, it is sent again (same Message-ID) only when no delivery report has come for it within `DOUBT`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from blocks.clients.bounces import DeliveryReport
from blocks.clients.mail import Letter, Receipt
from blocks.errors import OutcomeUnknown, Refused, Transient
from blocks.ledger import (
    Document,
    Notice,
    NoticeState,
    Obligation,
    ObligationState,
    Order,
    OrderEvent,
    SealedSecret,
    reading,
    transaction,
)
from blocks.office import Office
from blocks.terms.ks import NoticeFacts, notice_counts
from blocks.terms.qs_ending import ReceivedFacts, notice_received
from tasks.documents import carried_by_mail
from tasks.downloads import document_link, link_mark
from tasks.erased import is_erased

DOUBT = timedelta(minutes=10)
MAX_ATTEMPTS = 110
"""An hour of quick tries, then one an hour for about four days."""
MAX_DOUBTS = 3
"""So often at most does a letter go out whose acceptance nobody confirms; then a person looks."""
_UNDELIVERED = {"KS": "KS-1.5", "QS": "QS-12.4"}
"""Which clause says what a letter is worth that did not arrive, by agreement; the others are silent."""
SECRET_LINK = "[[secret-link]]"  # noqa: S105 - the placeholder, not the secret


def queue(
    session: Session,
    *,
    key: str,
    kind: str,
    agreement: str,
    recipient: str,
    facts: Mapping[str, Any],
    now: datetime,
    about: str | None = None,
    order_id: int | None = None,
    obligation: Obligation | None = None,
    documents: Sequence[str] = (),
    secret_purpose: str | None = None,
    not_before: datetime | None = None,
) -> None:
    """Queue a notice, once by key. `facts` are the template's, without secrets; `about` is the number it tells of."""
    if session.scalar(select(Notice.id).where(Notice.key == key)) is not None:
        return
    session.add(
        Notice(
            key=key,
            kind=kind,
            agreement=agreement,
            about=about,
            order_id=order_id,
            obligation_id=obligation.id if obligation else None,
            recipient=recipient,
            facts=dict(facts),
            documents=list(documents),
            secret_purpose=secret_purpose,
            state=NoticeState.QUEUED,
            created_at=now,
            next_try_at=not_before or now,
            attempts=0,
        )
    )


def queue_notice(
    session: Session,
    order: Order,
    *,
    kind: str,
    recipient: str,
    facts: Mapping[str, Any],
    now: datetime,
    about: str = "",
    obligation: Obligation | None = None,
    documents: Sequence[str] = (),
    secret_purpose: str | None = None,
) -> None:
    """Queue a notice about an order, once by (order, kind, about)."""
    queue(
        session,
        key=f"{order.number}:{kind}:{about}",
        kind=kind,
        agreement=order.agreement,
        recipient=recipient,
        facts={"number": order.number, **facts},
        now=now,
        order_id=order.id,
        obligation=obligation,
        documents=documents,
        secret_purpose=secret_purpose,
    )


def queue_operator_notice(
    session: Session, *, kind: str, key: str, operator: str, facts: Mapping[str, Any], now: datetime
) -> None:
    """Queue a notice to our own operator, once by key."""
    queue(session, key=key, kind=kind, agreement="", recipient=operator, facts=facts, now=now)


@dataclass(frozen=True)
class DueNotice:
    """A notice to be composed and sent."""

    id: int
    kind: str
    facts: Mapping[str, Any]
    secret_purpose: str | None


def due_notices(
    office: Office, *, now: datetime, order: str | None = None, about: str | None = None, limit: int = 100
) -> list[DueNotice]:
    """Notices to send now: queued ones, and those left in the middle of sending for longer than DOUBT.

    Those of one order, those about one number (a ticket, a window), or all.
    """
    ready = or_(
        and_(Notice.state == NoticeState.QUEUED, Notice.next_try_at <= now),
        and_(Notice.state == NoticeState.SENDING, Notice.next_try_at <= now - DOUBT),
    )
    query = select(Notice).where(ready).order_by(Notice.id).limit(limit)
    if order is not None:
        query = query.join(Order).where(Order.number == order)
    if about is not None:
        query = query.where(Notice.about == about)
    with reading(office.sessions) as session:
        return [DueNotice(row.id, row.kind, row.facts, row.secret_purpose) for row in session.scalars(query)]


def envelope_of(office: Office, notice_id: int) -> str:
    """The envelope id of a letter, its Message-ID's local part: nobody else can make it up."""
    return f"{notice_id}-{office.sealer.page_token(f'envelope:{notice_id}')[:22]}"


def notice_of(office: Office, envelope_id: str) -> int | None:
    """The notice that went out under an envelope id; None for one that we never gave."""
    number = envelope_id.partition("-")[0]
    if not (number.isascii() and number.isdigit() and len(number) <= 9):
        return None
    return int(number) if envelope_of(office, int(number)) == envelope_id else None


def send_notice(office: Office, notice: DueNotice, *, subject: str, body: str, now: datetime) -> NoticeState:
    """Store the composed text, send the letter, record what is known of it. Errors end in the notice's state."""
    envelope_id = envelope_of(office, notice.id)
    with transaction(office.sessions) as session:
        row = session.get_one(Notice, notice.id, with_for_update=True)
        fresh = row.state is NoticeState.QUEUED and row.next_try_at <= now
        doubtful = row.state is NoticeState.SENDING and row.next_try_at <= now - DOUBT
        if not (fresh or doubtful):
            return row.state
        row.subject, row.body = row.subject or subject, row.body or body
        row.state, row.next_try_at, row.attempts = NoticeState.SENDING, now, row.attempts + 1
        letter = _letter(office, session, row, envelope_id)
    try:
        receipt = office.mail.send(letter)
    except OutcomeUnknown as error:
        return _settle(office, notice.id, NoticeState.SENDING, str(error), now)
    except Transient as error:
        return _settle(office, notice.id, NoticeState.QUEUED, str(error), now)
    except Refused as error:
        return _settle(office, notice.id, NoticeState.BOUNCED, str(error), now)
    state = NoticeState.DELIVERED if receipt is Receipt.DELIVERED else NoticeState.SENT
    return _settle(office, notice.id, state, None, now)


def _letter(office: Office, session: Session, row: Notice, envelope_id: str) -> Letter:
    message = EmailMessage()
    message["From"] = office.settings.mail_from
    message["To"] = row.recipient
    message["Subject"] = row.subject
    message["Date"] = format_datetime(row.created_at)
    message["Message-ID"] = f"<{envelope_id}@{office.settings.mail_from.partition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    text = row.body or ""
    if row.secret_purpose:
        text = text.replace(
            SECRET_LINK, office.settings.link(f"/secrets/{office.sealer.page_token(row.secret_purpose)}")
        )
    documents = [session.scalars(select(Document).where(Document.key == key)).one() for key in row.documents]
    for document in documents:
        text = text.replace(link_mark(document.key), document_link(office, document))
    message.set_content(text)
    for document, carried in zip(documents, carried_by_mail([one.size for one in documents]), strict=True):
        if not carried:
            continue
        main, _, sub = document.media_type.partition("/")
        content = office.archive.get(document.sha256)
        message.add_attachment(content, maintype=main, subtype=sub, filename=document.file_name)
    return Letter(envelope_id, row.recipient, message)


def _settle(office: Office, notice_id: int, state: NoticeState, diagnostic: str | None, now: datetime) -> NoticeState:
    with transaction(office.sessions) as session:
        row = session.get_one(Notice, notice_id, with_for_update=True)
        if row.state is not NoticeState.SENDING:
            return row.state  # a delivery report was quicker
        limit = {NoticeState.QUEUED: MAX_ATTEMPTS, NoticeState.SENDING: MAX_DOUBTS}.get(state)
        if limit is not None and row.attempts >= limit:
            state = NoticeState.FAILED
        row.state, row.diagnostic = state, diagnostic
        if state is NoticeState.QUEUED:
            row.next_try_at = now + timedelta(seconds=min(5 * 2 ** min(row.attempts, 10), 3600))
        elif state is not NoticeState.SENDING:
            row.sent_at = row.sent_at or now
        _record(office, session, row, now)
        return state


def _record(office: Office, session: Session, row: Notice, now: datetime) -> None:
    """What a settled notice means: its obligation is fulfilled or open again, and a failure is told to people."""
    if row.state in (NoticeState.DELIVERED, NoticeState.BOUNCED, NoticeState.FAILED):
        row.settled_at = now
    obligation = session.get(Obligation, row.obligation_id) if row.obligation_id else None
    if obligation is not None:
        if given(row):
            if obligation.state is ObligationState.OPEN:
                obligation.state, obligation.fulfilled_at = ObligationState.FULFILLED, row.sent_at or now
                obligation.evidence = f"notice {row.id} {row.state.value} {(row.sent_at or now).isoformat()}"
        elif obligation.state is ObligationState.FULFILLED and not _given_otherwise(session, row):
            obligation.state, obligation.fulfilled_at, obligation.evidence = ObligationState.OPEN, None, None
    if row.state in (NoticeState.BOUNCED, NoticeState.FAILED):
        if row.kind == "access_data":
            _close_page(session, row)
        if row.order_id is not None:
            session.add(
                OrderEvent(
                    order_id=row.order_id,
                    at=now,
                    kind="notice.undelivered",
                    who="dogovor",
                    why=f"{row.kind}: {row.diagnostic or 'no reason given'}"[:1000],
                    clause=_UNDELIVERED.get(row.agreement),
                )
            )
        if row.recipient != office.settings.operator_email:
            queue_operator_notice(
                session,
                kind="notice_undelivered",
                key=f"notice_undelivered:{row.id}",
                operator=office.settings.operator_email,
                facts={"notice": row.kind, "about": row.facts.get("number", ""), "why": row.diagnostic or ""},
                now=now,
            )


def _given_otherwise(session: Session, row: Notice) -> bool:
    """Whether another letter of the same obligation counts: one that bounces late takes nothing back from it."""
    others = select(Notice).where(Notice.obligation_id == row.obligation_id, Notice.id != row.id)
    return any(given(other) for other in session.scalars(others))


def _close_page(session: Session, row: Notice) -> None:
    """The file did not arrive: its password is not shown, or both would be lost; "send again" opens the page."""
    page = session.scalar(select(SealedSecret).where(SealedSecret.order_id == row.order_id))
    if page is not None and page.revealed_at is None:
        page.ready_at = None


def put_off(office: Office, notice_id: int, *, why: str, now: datetime) -> None:
    """A notice that cannot even be composed waits and is tried again, so that it does not keep the others back."""
    with transaction(office.sessions) as session:
        row = session.get_one(Notice, notice_id, with_for_update=True)
        if row.state not in (NoticeState.QUEUED, NoticeState.SENDING):
            return  # settled, or its recipient deleted, in between
        row.attempts, row.diagnostic = row.attempts + 1, why[:1000]
        row.state = NoticeState.FAILED if row.attempts >= MAX_ATTEMPTS else NoticeState.QUEUED
        row.next_try_at = now + timedelta(hours=1)


def given(row: Notice) -> bool:
    """Whether a notice counts: proven delivery (KS-1.5, OCP-9.2), else sending without a bounce (QS-12.4)."""
    bounced = row.state in (NoticeState.BOUNCED, NoticeState.FAILED)
    if row.agreement in ("KS", "OCP"):
        proven = row.state is NoticeState.DELIVERED
        return notice_counts(NoticeFacts(channel="email", delivery_proven=proven, bounced=bounced)).allowed
    if row.sent_at is None:
        return False
    return notice_received(ReceivedFacts(channel="email", sent_at=row.sent_at, bounced=bounced)).allowed


def read_reports(office: Office, *, now: datetime) -> int:
    """Take in the delivery reports that have come; a report is set aside only when it is on record."""
    if office.bounces is None:
        return 0
    count = 0
    for key, report in office.bounces.unread():
        if report is not None and _take_report(office, report, now):
            count += 1
        office.bounces.read(key)
    return count


def _take_report(office: Office, report: DeliveryReport, now: datetime) -> bool:
    number = notice_of(office, report.envelope_id)
    if number is None:
        return False
    with transaction(office.sessions) as session:
        row = session.get(Notice, number, with_for_update=True)
        if row is None or row.state in (NoticeState.BOUNCED, NoticeState.FAILED):
            return False
        if is_erased(row.recipient):
            return False  # its reason would name the address again
        row.state = NoticeState.DELIVERED if report.delivered else NoticeState.BOUNCED
        row.diagnostic = report.diagnostic
        row.sent_at = row.sent_at or now
        _record(office, session, row, now)
    return True
