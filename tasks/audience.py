"""Who is told under an agreement: its customers in the ledger, its distribution lists, and the ОЦП Operator."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.ledger import Customer, Service, ServiceState
from blocks.settings import Settings


def customers(session: Session, settings: Settings, agreement: str) -> list[str]:
    """The addresses of everybody served under an agreement, each once, in order."""
    served = (
        select(Customer.email)
        .join(Service, Service.customer_id == Customer.id)
        .where(Service.agreement == agreement, Service.state.in_([ServiceState.ACTIVE, ServiceState.SUSPENDED]))
    )
    listed = settings.end_users.get(agreement, ())  # type: ignore[call-overload]
    return sorted({*session.scalars(served), *(address.lower() for address in listed)})


def partner(settings: Settings, agreement: str) -> list[str]:
    """The other party that is told beside the end users: only ОЦП has one."""
    return [settings.ocp_operator_email] if agreement == "OCP" else []
