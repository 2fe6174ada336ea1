"""The statement of software (KS-2.9): asked for, collected from what runs, filed, mailed.

One statement a day and order: asked again on the same Moscow day, the first one stands and was sent already.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.errors import Refused, TermsViolated
from blocks.ledger import Customer, Document, Obligation, Order, ServiceState, transaction
from blocks.office import Office
from blocks.terms.complex_views import SoftwareLine, SoftwareStatement
from blocks.terms.deadlines import local_date
from blocks.terms.ks import ZONE
from blocks.terms.ks_complex import StatementFacts, software_statement
from tasks.complex_forms import SoftwareForm
from tasks.complexes import complex_now, complex_of, service_of
from tasks.documents import PDF, file_document
from tasks.notices import queue_notice
from tasks.obligations import open_obligation
from tasks.order_state import find_order, note

WHAT = "state the software and its versions"


def ask_software(office: Office, form: SoftwareForm, *, now: datetime) -> bool:
    """Put a request on record, with its obligation; False where today's statement stands already.

    Raises NotFound, and Refused for a complex that is not served or a request from the future.
    """
    asked_at = form.asked_at or now
    if asked_at > now:
        raise Refused("asked_at", "the request has not come yet")
    complex_now(office, form.order)
    with transaction(office.sessions) as session:
        order = find_order(session, form.order, lock=True)
        service = service_of(session, order)
        if service.state not in (ServiceState.ACTIVE, ServiceState.SUSPENDED):
            raise Refused("state", f"{service.name} is {service.state.value}")
        if _statement(session, order, now) is not None:
            return False
        owed = _owed(session, order, asked_at, now)
        note(session, order, kind="software.asked", why=f"asked by {form.asked_by}", now=now, clause=owed.clause)
        return True


def collect_software(office: Office, form: SoftwareForm, *, now: datetime) -> SoftwareStatement:
    """Ask everything that serves the complex. Raises Transient when a part of it does not answer."""
    software = complex_of(office, form.order).software()
    return SoftwareStatement(
        number=form.order,
        domain=complex_now(office, form.order).domain,
        provider=office.settings.provider_name,
        asked_by=form.asked_by,
        asked_at=form.asked_at or now,
        stated_at=now,
        lines=tuple(
            SoftwareLine(role=part.role, name=part.name, version=part.version, learnt=part.learnt) for part in software
        ),
    )


def state_software(office: Office, statement: SoftwareStatement, content: bytes, *, now: datetime) -> str:
    """File the statement and queue its letter; the obligation is fulfilled when the letter is given."""
    sha256 = office.archive.put(content)
    with transaction(office.sessions) as session:
        order = find_order(session, statement.number, lock=True)
        if (stated := _statement(session, order, now)) is not None:
            return stated
        key = file_document(
            session,
            order,
            key=_key(order, now),
            title="Справка о программном обеспечении",
            file_name=f"software-{order.number}-{local_date(now, ZONE)}.pdf",
            media_type=PDF,
            sha256=sha256,
            size=len(content),
            now=now,
        )
        customer = session.get_one(Customer, order.customer_id)
        owed = _owed(session, order, statement.asked_at, now)
        queue_notice(
            session,
            order,
            kind="software_statement",
            recipient=customer.email,
            facts={"name": customer.name, "domain": statement.domain},
            now=now,
            about=str(local_date(now, ZONE)),
            obligation=owed,
            documents=[key],
        )
        why = f"{len(statement.lines)} programs stated"
        note(session, order, kind="software.stated", why=why, now=now, clause=owed.clause)
        return key


def _owed(session: Session, order: Order, asked_at: datetime, now: datetime) -> Obligation:
    """The open obligation of a request; one that is open already stays as it is."""
    decision = software_statement(StatementFacts(asked_at=asked_at))
    if decision.deadline is None:
        raise TermsViolated(decision.clause, "a request without a term")
    clause, deadline = decision.clause, decision.deadline
    return open_obligation(session, clause=clause, subject=order.number, what=WHAT, deadline=deadline, now=now)


def _statement(session: Session, order: Order, now: datetime) -> str | None:
    return session.scalar(select(Document.key).where(Document.key == _key(order, now)))


def _key(order: Order, now: datetime) -> str:
    return f"software:{order.number}:{local_date(now, ZONE)}"
