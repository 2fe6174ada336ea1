"""The main job without Prefect: steps put together from tasks and reports, and the loop that takes them.

Flows take the same steps as visible tasks. Whatever is killed in between goes on from what the ledger says.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from blocks.errors import NotFound, Refused, TermsViolated, Transient
from blocks.ledger import transaction
from blocks.office import Office
from reports.access_sheet import access_files
from reports.invoice import invoice_pdf
from reports.notices import compose
from tasks.access_data import generate_access_data
from tasks.accounts import shortfall
from tasks.activation import activate_complex, activate_project, begin, complete, extend_period
from tasks.billing import invoice_view, issue_invoice, request_payment
from tasks.complexes import converge
from tasks.fulfilment import Next, OrderView, next_step, view_of
from tasks.notices import DueNotice, due_notices, put_off, send_notice
from tasks.order_certificate import obtain_certificate
from tasks.order_state import WISH, find_order, hold
from tasks.proving import prepare_domain, provision_accounts, verify_accounts
from tasks.ssl_money import pay_from_account
from tasks.ssl_steps import ask_customer, close, hand_over, hold_for_ca, order_at_ca, tell_refusal

SEND_SECONDS = 120.0
Step = Callable[..., None]
log = logging.getLogger("dogovor.fulfilment")


def _invoice(office: Office, number: str, *, now: datetime) -> None:
    issue_invoice(office, number, invoice_pdf(invoice_view(office, number)), now=now)


def _access_data(office: Office, number: str, *, now: datetime) -> None:
    generate_access_data(office, number, access_files, now=now)


def _underpaid(office: Office, number: str, *, now: datetime) -> None:
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        missing = shortfall(session, order)
        if missing.minor <= 0:
            return  # the rest came in between
        why = f"{missing} is missing"
        hold(session, order, reason="underpaid", why=why, now=now, operator=office.settings.operator_email)


def _complete(office: Office, number: str, *, now: datetime) -> None:
    why, clause = _COMPLETION[view_of(office, number).agreement]
    complete(office, number, why=why, clause=clause, now=now)


_COMPLETION = {
    "KS": ("the access data was handed over", "KS-2.1"),
    "QS": ("token and URL were given", "QS-3.2.2"),
}

STEPS: Mapping[Next, Step] = {
    Next.REQUEST_PAYMENT: request_payment,
    Next.ISSUE_INVOICE: _invoice,
    Next.HOLD_UNDERPAID: _underpaid,
    Next.BEGIN: begin,
    Next.GENERATE_ACCESS_DATA: _access_data,
    Next.OBTAIN_CERTIFICATE: obtain_certificate,
    Next.PREPARE_DOMAIN: prepare_domain,
    Next.PROVISION_ACCOUNTS: provision_accounts,
    Next.VERIFY_ACCOUNTS: verify_accounts,
    Next.ACTIVATE_COMPLEX: activate_complex,
    Next.ACTIVATE_PROJECT: activate_project,
    Next.EXTEND_PERIOD: extend_period,
    Next.COMPLETE: _complete,
    Next.CONVERGE_COMPLEX: converge,
    Next.PAY_FROM_ACCOUNT: pay_from_account,
    Next.ORDER_AT_CA: order_at_ca,
    Next.ASK_CUSTOMER: ask_customer,
    Next.HOLD_FOR_CA: hold_for_ca,
    Next.HAND_OVER_CERTIFICATE: hand_over,
    Next.TELL_REFUSAL: tell_refusal,
    Next.CLOSE: close,
}
_TOLD_APART = frozenset({"certificate", "not_proven", "no_keys", "limits", "dedicated_server", "jurisdiction", WISH})
"""Reasons of a refusal that an order is held for by their own name."""


def take_step(office: Office, number: str, step: Next, *, now: datetime) -> None:
    """Take one step. What will never succeed holds the order for a person; Transient passes to whoever retries.

    So does any fault of servers that should follow a decision: it stands, and its order needs no other.
    """
    try:
        STEPS[step](office, number, now=now)
    except (Refused, TermsViolated, NotFound) as error:
        if step is Next.CONVERGE_COMPLEX:
            raise
        reason = error.reason if isinstance(error, Refused) and error.reason in _TOLD_APART else "step_failed"
        with transaction(office.sessions) as session:
            order = find_order(session, number, lock=True)
            why = f"{step.value}: {error}"
            hold(session, order, reason=reason, why=why, now=now, operator=office.settings.operator_email)


def upcoming(office: Office, number: str, last: Next | None) -> Next | None:
    """The next step of an order. Raises Refused when the last one left it where it was: a loop would not end."""
    step = next_step(view_of(office, number))
    if step is not None and step is last:
        raise Refused("stuck", f"{number} stays at {step.value}")
    return step


def send_due(office: Office, *, now: datetime, order: str | None = None, about: str | None = None) -> int:
    """Compose and send the notices that are due, of one order, about one number, or all; how many were tried.

    One that cannot be composed is put off and logged. Slow letters are dated by the time they really go; what is not
    sent within SEND_SECONDS is left to the next call.
    """
    tried, began = 0, time.monotonic()
    while time.monotonic() - began < SEND_SECONDS:
        due = due_notices(office, now=now, order=order, about=about)
        if not due:
            break
        tried += len(due)
        for notice in due:
            _send(office, notice, now=now + timedelta(seconds=time.monotonic() - began))
    return tried


def _send(office: Office, notice: DueNotice, *, now: datetime) -> None:
    try:
        composed = compose(notice.kind, notice.facts, has_secret=notice.secret_purpose is not None)
        send_notice(office, notice, subject=composed.subject, body=composed.body, now=now)
    except Transient:
        raise
    except Exception as error:
        log.exception("notice %s cannot be sent", notice.id)
        put_off(office, notice.id, why=f"{type(error).__name__}: {error}", now=now)


def advance(office: Office, number: str, *, now: datetime) -> OrderView:
    """Take an order as far as it goes, and send what it has to say. Raises Transient to be called again.

    A letter that is out may be what its last step waited for.
    """
    step: Next | None = None
    for _letters in ("of its work", "of its end"):
        while (step := upcoming(office, number, step)) is not None:
            take_step(office, number, step, now=now)
        send_due(office, now=now, order=number)
    return view_of(office, number)
