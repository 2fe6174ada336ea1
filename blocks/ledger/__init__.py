"""The system of record: the only place with state.

Invariants: UTC in the database, money as integer minor units and a currency, states as named values; `order_events`
and `account_entries` are append-only, and the database itself refuses an update or a delete of them.
"""

from blocks.ledger.base import Base
from blocks.ledger.engine import Sessions, migrate, open_engine, reading, transaction
from blocks.ledger.office import Document, InboxEvent, Notice, Obligation, Refusal
from blocks.ledger.orders import (
    AccountEntry,
    Customer,
    Order,
    OrderEvent,
    Payment,
    SealedAccounts,
    SealedSecret,
    Service,
    Step,
)
from blocks.ledger.types import (
    InboxState,
    NoticeState,
    ObligationState,
    OrderState,
    PaymentState,
    ServiceState,
)

__all__ = [
    "AccountEntry",
    "Base",
    "Customer",
    "Document",
    "InboxEvent",
    "InboxState",
    "Notice",
    "NoticeState",
    "Obligation",
    "ObligationState",
    "Order",
    "OrderEvent",
    "OrderState",
    "Payment",
    "PaymentState",
    "Refusal",
    "SealedAccounts",
    "SealedSecret",
    "Service",
    "ServiceState",
    "Sessions",
    "Step",
    "migrate",
    "open_engine",
    "reading",
    "transaction",
]
