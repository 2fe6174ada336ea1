"""Invoice lines in tests: stated through the inbox, and what is then on record."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy import func, select

from blocks.ledger import Act, ActState, Customer, InboxEvent, InvoiceLine, MonthlyAct, reading, transaction
from blocks.office import Office
from tasks.order_forms import EventKind
from tests.work import NOW, drain, put

CUSTOMER = "client@example.test"
_SERIAL = count(1)


def ocp_line(line: str = "L-1", **changes: Any) -> dict[str, Any]:
    """A line of November 2026, stated at NOW."""
    return {
        "line": line,
        "invoice": "I-1",
        "customer": "user-17",
        "cart": "",
        "service": "Телевидение",
        "tariff": "TV-KINO",
        "begins_on": "2026-11-01",
        "ends_on": "2026-11-30",
        "quantity": "1",
        "price": {"amount": "990.00", "currency": "KZT"},
        "vat_percent": "16",
        "state": "issued",
        "corrects": "",
        "stated_at": NOW.isoformat(),
        **changes,
    }


def ssl_line(line: str = "S-1", amount: str = "120.00", currency: str = "BYN", **changes: Any) -> dict[str, Any]:
    ssl = {
        "customer": CUSTOMER,
        "service": "SSL-сертификат на один год",
        "tariff": "DV-1",
        "price": {"amount": amount, "currency": currency},
        "vat_percent": "0",
        "begins_on": "2026-11-20",
        "ends_on": "2026-11-20",
    }
    return ocp_line(line, **(ssl | changes))


def state_lines(
    office: Office, *lines: dict[str, Any], agreement: str = "OCP", source: str = "shop", at: datetime = NOW
) -> str:
    """Lines through the inbox; what became of their event."""
    event_id = f"lines-{next(_SERIAL)}"
    put(office, EventKind.LINES, {"agreement": agreement, "lines": list(lines)}, event_id, source, at)
    drain(office, at)
    with reading(office.sessions) as session:
        return session.scalars(select(InboxEvent.outcome).where(InboxEvent.event_id == event_id)).one() or ""


def ssl_customer(office: Office, email: str = CUSTOMER, name: str = "ООО «Клиент»") -> int:
    with transaction(office.sessions) as session:
        customer = Customer(agreement="SSL", kind="company", name=name, email=email, inn="7701234567", created_at=NOW)
        session.add(customer)
        session.flush()
        return customer.id


def add_act(office: Office, month: str, state: ActState, edition: int = 0) -> None:
    """An act of the ОЦП in a state."""
    with transaction(office.sessions) as session:
        session.add(Act(month=month, edition=edition, reason="", state=state, opened_at=NOW))


def recorded(office: Office) -> int:
    with reading(office.sessions) as session:
        return session.scalar(select(func.count()).select_from(InvoiceLine)) or 0


def monthly_acts(office: Office) -> list[tuple[int, int, str, int, int]]:
    """Year, number, month, edition and sum of each customer's act."""
    with reading(office.sessions) as session:
        rows = session.scalars(select(MonthlyAct).order_by(MonthlyAct.year, MonthlyAct.number))
        return [(row.year, row.number, row.month, row.edition, row.total_minor) for row in rows]
