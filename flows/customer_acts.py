"""Monthly acts from lines to letters, without Prefect: what the flow calls, and what tests kill."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from blocks.errors import Refused
from blocks.office import Office
from blocks.terms.deadlines import local_date
from blocks.terms.zones import MINSK
from flows.fulfilment import send_due
from flows.one_by_one import failures
from reports.monthly_act import monthly_act_pdf, monthly_invoice_pdf
from tasks.monthly_act_letters import ActFiles, act_view, send_act, unsent_acts
from tasks.monthly_acts import DueAct, due_acts, make_act


def acts_to_make(office: Office, *, now: datetime, month: str | None = None) -> list[DueAct]:
    """The acts that `make_acts` would make now: of every month whose last day has come in Minsk, or of one.

    Raises Refused for a month whose last day has not come.
    """
    return due_acts(office, day=local_date(now, MINSK), month=month)


def make_acts(office: Office, *, now: datetime, month: str | None = None) -> list[str]:
    """Make out the acts that are due, and send them and whatever a killed run left unsent; the numbers that were sent.

    Raises Refused when documents could not be made of some, after the others were sent.
    """
    for due in acts_to_make(office, now=now, month=month):
        make_act(office, due.of, now=now)
    return send_acts(office, now=now)


def send_acts(office: Office, *, now: datetime) -> list[str]:
    """Render, archive and send every act that has no letter yet. Raises as `make_acts`."""
    unsent = unsent_acts(office)
    failed = failures(unsent, partial(_send, office, now=now), what="no documents of act")
    if failed:
        raise Refused("documents", f"no documents of {', '.join(failed)}")
    return unsent


def _send(office: Office, number: str, *, now: datetime) -> None:
    view = act_view(office, number)
    send_act(office, number, ActFiles(act=monthly_act_pdf(view), invoice=monthly_invoice_pdf(view)), now=now)
    send_due(office, now=now, about=number)
