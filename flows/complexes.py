"""Complexes of customers: suspended, let in again, deleted for good, kept as decided; the software that serves them.

The servers are brought to what was decided by the run of the complex' order, which the dispatcher starts at once.
"""

from __future__ import annotations

import time
from datetime import datetime

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run

from blocks.errors import Refused
from flows import runtime
from flows.desk_inbox import put_and_wait
from flows.finishing import done
from reports.complexes import complex_markdown
from reports.software import software_pdf
from tasks.complex_end import deletion_refused
from tasks.complex_forms import ComplexForm, DeletionForm, SoftwareForm
from tasks.complex_software import ask_software, collect_software, state_software
from tasks.complexes import ComplexNow, complex_now, take_up_diverging
from tasks.order_forms import Action, EventKind, OrderDecision

FOLLOW_SECONDS = 120.0


@flow(name="suspend-complex", flow_run_name="suspend {form.order}", persist_result=False)
def suspend_complex(form: ComplexForm) -> str:
    """Close every door of a complex and its live sessions; what is stored stays, and the customer is told."""
    return _decide(form, Action.SUSPEND, "active", "suspended")


@flow(name="resume-complex", flow_run_name="resume {form.order}", persist_result=False)
def resume_complex(form: ComplexForm) -> str:
    """Open a suspended complex again, with the passwords of before; the customer is told."""
    return _decide(form, Action.RESUME, "suspended", "active")


@flow(name="delete-complex", flow_run_name="delete {form.order}", persist_result=False)
def delete_complex(form: DeletionForm, dry_run: bool = True) -> str:
    """Delete a suspended complex whose agreement is over, with every mailbox and file on its servers.

    It only shows what would go, until `dry_run` is switched off.
    """
    office = runtime.office()
    before = complex_now(office, form.order)
    decision = _decision(form, Action.DELETE, domain=form.domain, ended_on=form.ended_on)
    refused = deletion_refused(office, decision, now=runtime.now())
    text = complex_markdown(
        before.domain, before.state, before.contacts, before.suspended_since, dry_run=dry_run, refused=refused
    )
    create_markdown_artifact(key=f"complex-{form.order.lower()}", markdown=text, description=f"{before.domain} goes")
    if dry_run:
        told = f"would not go: {refused}" if refused else "would go"
        return f"a dry run: {before.domain} with {before.contacts} contacts {told}"
    return _carry_out(decision, "deleted")


@flow(name="keep-complexes", persist_result=False, timeout_seconds=240)
def keep_complexes(as_of: datetime | None = None) -> list[str]:
    """Have every complex whose servers stand otherwise than decided brought there; the answer names their orders."""
    numbers = take_up_diverging(runtime.office(), now=runtime.at(as_of))
    get_run_logger().info("%s", ", ".join(numbers) or "all servers stand as decided")
    return numbers


@flow(name="software-statement", flow_run_name="software of {form.order}", persist_result=False)
def software_statement(form: SoftwareForm) -> str:
    """State the software that serves a customer and its versions (KS-2.9), as a document that is mailed to it."""
    office, now = runtime.office(), runtime.now()
    if not ask_software(office, form, now=now):
        return done(f"{form.order}: stated today already")
    statement = collect_software(office, form, now=now)
    return done(f"{state_software(office, statement, software_pdf(statement), now=now)} is on its way")


def _decide(form: ComplexForm, action: Action, before: str, after: str) -> str:
    now = complex_now(runtime.office(), form.order)
    if now.state != before:
        raise Refused("state", f"{now.domain} is {now.state}, not {before}")
    return _carry_out(_decision(form, action), after)


def _decision(form: ComplexForm, action: Action, **more: object) -> OrderDecision:
    values = {"order": form.order, "action": action, "operator": form.operator, "note": form.note, **more}
    return OrderDecision.model_validate({name: value for name, value in values.items() if value})


def _carry_out(decision: OrderDecision, after: str) -> str:
    """Put the decision into the inbox, and wait for the servers to follow it."""
    told = put_and_wait(runtime.office(), f"decision:{flow_run.id}", EventKind.DECISION, decision)
    seen = _followed(decision.order, after)
    if seen.served != after:
        return f"{told}; the servers have not followed yet: keep-complexes sees to it"
    get_run_logger().info(told)
    return f"{told}; the servers follow"


def _followed(number: str, after: str) -> ComplexNow:
    until = time.monotonic() + FOLLOW_SECONDS
    while (seen := complex_now(runtime.office(), number)).served != after and time.monotonic() < until:
        time.sleep(0.2)
    return seen
