"""The system of record: the only place with state.

Invariants: UTC in the database, money as integer minor units and a currency, states as named values. Journals
(`order_events`, `account_entries`, `window_events`, `approvals`, `outage_decisions`, `ticket_events`, and
what an act of the revenue split stands on) are append-only: the database itself refuses an update or a delete of them.
"""

from blocks.ledger.base import Base
from blocks.ledger.engine import Sessions, migrate, one_at_a_time, open_engine, reading, transaction
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
from blocks.ledger.revenue import (
    Act,
    ActEvent,
    ActRow,
    ActTotal,
    DifferenceSettlement,
    InvoiceLine,
    LineFile,
    MonthlyAct,
    MonthlyActLine,
    Payout,
)
from blocks.ledger.support import Compensation, Ticket, TicketEvent
from blocks.ledger.types import (
    ActState,
    CompensationState,
    InboxState,
    NoticeState,
    ObligationState,
    OrderState,
    PaymentState,
    ProbeState,
    ServiceState,
    TicketState,
    WindowState,
    WorkState,
)
from blocks.ledger.works import Approval, Outage, OutageDecision, ProbeSpan, Window, WindowEvent, Work

__all__ = [
    "AccountEntry",
    "Act",
    "ActEvent",
    "ActRow",
    "ActState",
    "ActTotal",
    "Approval",
    "Base",
    "Compensation",
    "CompensationState",
    "Customer",
    "DifferenceSettlement",
    "Document",
    "InboxEvent",
    "InboxState",
    "InvoiceLine",
    "LineFile",
    "MonthlyAct",
    "MonthlyActLine",
    "Notice",
    "NoticeState",
    "Obligation",
    "ObligationState",
    "Order",
    "OrderEvent",
    "OrderState",
    "Outage",
    "OutageDecision",
    "Payment",
    "PaymentState",
    "Payout",
    "ProbeSpan",
    "ProbeState",
    "Refusal",
    "SealedAccounts",
    "SealedSecret",
    "Service",
    "ServiceState",
    "Sessions",
    "Step",
    "Ticket",
    "TicketEvent",
    "TicketState",
    "Window",
    "WindowEvent",
    "WindowState",
    "Work",
    "WorkState",
    "migrate",
    "one_at_a_time",
    "open_engine",
    "reading",
    "transaction",
]
