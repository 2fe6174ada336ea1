"""A monthly act on paper (SSL-7.6): its view, its documents in the archive, its letter with links for download."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.errors import NotFound
from blocks.ledger import Customer, InvoiceLine, MonthlyAct, MonthlyActLine, Notice, reading, transaction
from blocks.office import Office
from blocks.terms.money import Money
from blocks.terms.revenue_views import CustomerAct, ServiceLine
from tasks.documents import PDF, file_document
from tasks.monthly_acts import AGREEMENT, act_number, owed_act, place_of, sign_of
from tasks.notices import queue

KIND = "monthly_act"
_NUMBER = re.compile(r"([A-Z]{2,3})-A-([0-9]{4})-([0-9]{6,9})")


@dataclass(frozen=True)
class ActFiles:
    """An act and its invoice as PDF."""

    act: bytes
    invoice: bytes


def unsent_acts(office: Office) -> list[str]:
    """The numbers of acts that were made out and have no letter yet, in their order."""
    with reading(office.sessions) as session:
        acts = session.execute(
            select(MonthlyAct.agreement, MonthlyAct.year, MonthlyAct.number)
            .where(MonthlyAct.agreement == AGREEMENT)
            .order_by(MonthlyAct.year, MonthlyAct.number)
        ).all()
        sent = set(session.scalars(select(Notice.about).where(Notice.kind == KIND)))
    return [number for number in (act_number(*act) for act in acts) if number not in sent]


def _act(session: Session, number: str) -> MonthlyAct:
    parts = _NUMBER.fullmatch(number)
    if parts is not None:
        agreement, year, serial = parts[1], int(parts[2]), int(parts[3])
        query = select(MonthlyAct).where(MonthlyAct.agreement == agreement)
        found = session.scalar(query.where(MonthlyAct.year == year, MonthlyAct.number == serial))
        if found is not None:
            return found
    raise NotFound("monthly act", number)


def act_view(office: Office, number: str) -> CustomerAct:
    """An act as its documents tell it, from the lines that stand in it: the same at any later time.

    A refund's quantity and sum are negative. Raises NotFound.
    """
    with reading(office.sessions) as session:
        act = _act(session, number)
        customer = session.get_one(Customer, act.customer_id)
        rows = session.scalars(
            select(InvoiceLine)
            .join(MonthlyActLine, MonthlyActLine.line_id == InvoiceLine.id)
            .where(MonthlyActLine.act_id == act.id)
        ).all()
        settings = office.settings
        return CustomerAct(
            number=number,
            month=act.month,
            dated=act.dated,
            agreement=settings.ssl_agreement,
            provider=settings.provider,
            customer=customer.name,
            customer_details=_details(customer),
            currency=cast("Literal['BYN', 'EUR', 'USD', 'RUB']", act.currency),
            lines=tuple(_service(row) for row in sorted(rows, key=place_of)),
        )


def _details(customer: Customer) -> str:
    return f"ИНН/УНП {customer.inn}, {customer.email}" if customer.inn else customer.email


def _service(row: InvoiceLine) -> ServiceLine:
    sign = sign_of(row)
    return ServiceLine(
        what=row.service,
        begins_on=row.begins_on,
        ends_on=row.ends_on,
        quantity_milli=sign * row.quantity_milli,
        price_minor=row.price_minor,
        net_minor=sign * row.net_minor,
    )


def send_act(office: Office, number: str, files: ActFiles, *, now: datetime) -> None:
    """Archive an act with its invoice and queue their one letter, which fulfils SSL-7.6 when it counts as given."""
    kept = {name: (content, office.archive.put(content)) for name, content in vars(files).items()}
    with transaction(office.sessions) as session:
        act = _act(session, number)
        customer = session.get_one(Customer, act.customer_id)
        keys = {
            name: file_document(
                session,
                None,
                key=f"monthly-{name}:{number}",
                title=f"{_TITLES[name]} {number}",
                file_name=f"{name}-{number}.pdf",
                media_type=PDF,
                sha256=sha256,
                size=len(content),
                now=now,
            )
            for name, (content, sha256) in kept.items()
        }
        queue(
            session,
            key=f"{KIND}:{number}",
            kind=KIND,
            agreement=AGREEMENT,
            recipient=customer.email,
            facts={
                "number": number,
                "name": customer.name,
                "month": act.month,
                "edition": act.edition,
                "total": str(Money.from_minor(act.total_minor, act.currency)),
                "documents": keys,
            },
            now=now,
            about=number,
            obligation=owed_act(session, act),
            documents=list(keys.values()),
        )


_TITLES = {"act": "Акт оказанных услуг", "invoice": "Счёт-фактура"}
