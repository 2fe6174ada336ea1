"""Registrations in tests: made with marks in every place, ended, purged, and searched for to the last byte."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import inspect, select, text

from blocks.ledger import (
    AccountEnding,
    Compensation,
    CompensationState,
    Customer,
    Notice,
    Obligation,
    Order,
    Payment,
    Service,
    open_engine,
    reading,
    transaction,
)
from blocks.office import Office
from tasks.account_endings import end_agreement
from tasks.account_forms import EndingForm
from tasks.documents import PDF, file_document
from tasks.notices import queue_operator_notice
from tasks.order_state import mark_done, note
from tests.conftest import PaymentSandbox
from tests.tickets import act, put_ticket
from tests.work import MINUTE, NOW, drain, ordered, payment_of, put_payment, qs

NAME, EMAIL = "Аристарх Незабвенный", "aristarkh.mark@example.test"
MARKED = {"kind": "person", "name": NAME, "email": EMAIL}
MARKS = [EMAIL.encode(), NAME.encode(), NAME.encode("unicode_escape"), NAME.split()[1].encode()]
END = datetime(2026, 12, 5, 21, 0, tzinfo=UTC)
"""The end of 5 December in Moscow."""


def free_account(office: Office, at: datetime = NOW, who: dict[str, Any] | None = None, order: str = "A-1") -> str:
    """A registration with a free project; the number of its order. Its one-time page stays unopened."""
    return ordered(office, order, qs("free", 0), who or MARKED, at)


def paid_account(office: Office, sandbox: PaymentSandbox, at: datetime = NOW, order: str = "P-1") -> str:
    """A registration with a project that is paid for three months."""
    number = ordered(office, order, qs("start", 3), MARKED, at)
    payment = payment_of(office, number)
    sandbox.pay(payment)
    put_payment(office, payment, at=at + MINUTE)
    drain(office, at + MINUTE)
    return number


def talkative(office: Office, at: datetime = NOW) -> str:
    """A settled ticket of the registration, full of its name; its number."""
    form: dict[str, Any] = {"agreement": "QS", "sender": EMAIL, "service": None, "subject": f"Пишет {NAME}"}
    number = put_ticket(office, at, substance=f"Я {NAME}, пишите на {EMAIL}", **form)
    act(office, number, "resolved", at + MINUTE, text=f"Уважаемый {NAME}, сделано")
    return number


def marked_by_hand(office: Office, at: datetime = NOW) -> str:
    """Marks where people and mail servers put them beside a first order; the sha256 of its access sheet."""
    sheet = office.archive.put(f"Доступ: {NAME}".encode())
    with transaction(office.sessions) as session:
        order = session.scalars(select(Order).order_by(Order.id)).first() or Order()
        note(session, order, kind="notice.undelivered", why=f"550 no mailbox {EMAIL}", now=at)
        note(session, order, kind="obligation.fulfilled", why=f"говорил с {NAME}", who="О. Петрова", now=at)
        mark_done(session, order, "decision:77", result=f"{NAME} согласен", now=at)
        payment = session.scalars(select(Payment)).first() or Payment()
        payment.order_ref = f"за {NAME}"
        service = session.scalars(select(Service)).first() or Service()
        service.product = {**service.product, "customer": NAME}
        row = session.scalars(select(Obligation).where(Obligation.subject == order.number)).first() or Obligation()
        row.evidence = f"О. Петрова: {NAME}"
        facts = {"why": f"550 {EMAIL}"}
        queue_operator_notice(
            session,
            kind="notice_undelivered",
            key="notice_undelivered:1",
            operator="op@example.net",
            facts=facts,
            now=at,
        )
        session.add(
            Compensation(
                number="C-1",
                key="C-1",
                clause="QS-6.2.3",
                order_id=order.id,
                outages="",
                what=f"{NAME} просит",
                amount_minor=None,
                currency="RUB",
                state=CompensationState.DECLINED,
                proposed_by="О. Петрова",
                proposed_at=at,
                reason=f"отказано {NAME}",
            )
        )
        file_document(
            session,
            order,
            key=f"access-data:{order.number}",
            title=f"Доступ {NAME}",
            file_name="access.pdf",
            media_type=PDF,
            sha256=sheet,
            size=10,
            now=at,
        )
    return sheet


def ending_form(**changes: Any) -> EndingForm:
    return EndingForm.model_validate(
        {
            "customer": EMAIL,
            "who": "user",
            "noticed_at": NOW,
            "ends_on": "2026-12-05",
            "reason": f"так решил {NAME}",
            "operator": "О. Петрова",
            **changes,
        }
    )


def leave(office: Office, at: datetime = NOW, **changes: Any) -> str:
    return end_agreement(office, ending_form(**changes), now=at)


def customer(office: Office) -> Customer:
    with reading(office.sessions) as session:
        return session.scalars(select(Customer).order_by(Customer.id)).first() or Customer()


def endings(office: Office) -> list[AccountEnding]:
    with reading(office.sessions) as session:
        return list(session.scalars(select(AccountEnding).order_by(AccountEnding.id)))


def states(office: Office) -> list[tuple[str, str | None]]:
    with reading(office.sessions) as session:
        rows = session.scalars(select(Service).order_by(Service.id))
        return [(row.state.value, row.suspended_for) for row in rows]


def owed(office: Office, clause: str) -> list[Obligation]:
    with reading(office.sessions) as session:
        return list(session.scalars(select(Obligation).where(Obligation.clause == clause).order_by(Obligation.id)))


def letters(office: Office, kind: str) -> list[Notice]:
    with reading(office.sessions) as session:
        return list(session.scalars(select(Notice).where(Notice.kind == kind).order_by(Notice.id)))


def payments(office: Office) -> list[Payment]:
    with reading(office.sessions) as session:
        return list(session.scalars(select(Payment).order_by(Payment.id)))


def rows_with_marks(office: Office) -> set[str]:
    """The tables and columns in which a mark can be read by asking the database."""
    found = set()
    with office.engine.connect() as connection:
        for table in inspect(office.engine).get_table_names():
            for row in connection.execute(text(f'SELECT * FROM "{table}"')).mappings():  # noqa: S608
                for column, value in row.items():
                    told = (
                        value
                        if isinstance(value, bytes)
                        else json.dumps(value, default=str, ensure_ascii=False).encode()
                        if isinstance(value, dict | list)
                        else str(value).encode()
                    )
                    if any(mark in told for mark in MARKS):
                        found.add(f"{table}.{column}")
    return found


def bytes_with_marks(office: Office) -> dict[str, int]:
    """How often each mark lies in the files of an SQLite ledger, its write-ahead log, and the letters' directory."""
    files = [*office.settings.home.glob("ledger.sqlite3*"), *office.settings.outbox.glob("*")]
    counts: dict[str, int] = {}
    for path in files:
        content = path.read_bytes()
        for mark in MARKS:
            if mark in content:
                counts[path.name] = counts.get(path.name, 0) + content.count(mark)
    return counts


def heap_with_marks(office: Office) -> dict[str, int]:
    """How often a mark lies in the files of a PostgreSQL ledger's tables, read from disk by the server itself."""
    counts: dict[str, int] = {}
    engine = open_engine(office.settings.ledger)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CHECKPOINT")
        paths = connection.exec_driver_sql(
            "SELECT relname, pg_relation_filepath(oid) FROM pg_class WHERE relkind IN ('r', 'i', 't')"
        ).all()
        for name, path in paths:
            content = (
                connection.exec_driver_sql("SELECT pg_read_binary_file(%s::text)", (path,)).scalar() if path else b""
            )
            for mark in MARKS:
                if content and mark in bytes(content):
                    counts[name] = counts.get(name, 0) + bytes(content).count(mark)
    engine.dispose()
    return counts
