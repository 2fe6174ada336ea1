"""The support desk: runs with a form, and mail to support. Everything goes through the inbox, like any webhook."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.runtime import flow_run

from flows import runtime
from flows.desk_inbox import put_and_wait
from flows.fulfilment import send_due
from reports.format import moscow
from reports.ticket import ticket_markdown
from tasks.order_forms import EventKind
from tasks.support_mail import take_mail
from tasks.ticket_forms import TicketAct, TicketForm
from tasks.ticket_views import open_tickets, ticket_view_data


@flow(name="submit-ticket", flow_run_name="ticket {form.ticket}", persist_result=False)
def submit_ticket(form: TicketForm) -> str:
    """Enter a ticket by hand, a telephone call for example. The same number of its own again changes nothing."""
    outcome = put_and_wait(runtime.office(), f"ticket:{form.ticket}", EventKind.TICKET, form)
    get_run_logger().info(outcome)
    return outcome


@flow(name="act-on-ticket", flow_run_name="{act.ticket}: {act.act}", persist_result=False)
def act_on_ticket(act: TicketAct) -> str:
    """React, ask, answer, escalate, resolve, join, take a step. Refused when the ticket's state does not allow it."""
    outcome = put_and_wait(runtime.office(), f"act:{flow_run.id}", EventKind.TICKET_ACT, act)
    get_run_logger().info(outcome)
    return outcome


@flow(name="read-support-mail", persist_result=False, timeout_seconds=240)
def read_support_mail(as_of: datetime | None = None) -> dict[str, int]:
    """Take in the mail to support, and show the tickets that are not over. `as_of` empty: now."""
    office, now = runtime.office(), as_of or runtime.now()
    taken = take_mail(office, now=now)
    if taken.aside:
        send_due(office, now=now)
    rows: list[dict[str, Any]] = [
        {
            "ticket": row.number,
            "agreement": row.agreement,
            "kind": row.kind,
            "state": "ESCALATED" if row.escalated else row.state,
            "due": moscow(row.next_due) if row.next_due else "",
            "overdue": "OVERDUE" if row.overdue else "",
        }
        for row in open_tickets(office, now)
    ]
    create_table_artifact(rows, key="open-tickets", description=f"Tickets that are not over, as of {moscow(now)}")
    get_run_logger().info("%s; %s tickets are not over", taken, len(rows))
    return vars(taken)


@flow(name="show-ticket", flow_run_name="{ticket}", persist_result=False)
def show_ticket(ticket: str) -> None:
    """Show a ticket with its clocks as they stand."""
    text = ticket_markdown(ticket_view_data(runtime.office(), ticket, runtime.now()))
    create_markdown_artifact(key=f"ticket-{ticket.lower()}", markdown=text, description=f"The story of {ticket}")
