"""The operator's desk: runs with a form. Everything that changes an order goes through the inbox, like any webhook."""

from __future__ import annotations

from datetime import timedelta

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from prefect.runtime import flow_run

import blocks.terms  # noqa: F401 - registers the rules
from blocks.terms.base import ask
from flows import runtime
from flows.desk_inbox import put_and_wait
from reports.answer import answer_text
from reports.proofs import proof_rows, proof_summary
from reports.story import order_story
from tasks.decisions import not_handed_over
from tasks.inbox import unpark
from tasks.order_forms import Action, BankReceipt, EventKind, OrderDecision, OrderForm
from tasks.stories import proofs_of, story_of


@flow(name="submit-order", flow_run_name="order {form.order}", persist_result=False)
def submit_order(form: OrderForm) -> str:
    """Enter an order by hand. The same order number again changes nothing."""
    outcome = put_and_wait(runtime.office(), f"order:{form.order}", EventKind.ORDER, form)
    get_run_logger().info(outcome)
    return outcome


@flow(name="record-receipt", flow_run_name="receipt {receipt.reference}", persist_result=False)
def record_receipt(receipt: BankReceipt) -> str:
    """Record money that arrived at the bank. The bank's reference makes it count once."""
    outcome = put_and_wait(runtime.office(), receipt.event_id, EventKind.RECEIPT, receipt)
    get_run_logger().info(outcome)
    return outcome


@flow(name="decide-order", flow_run_name="{decision.order}: {decision.action}", persist_result=False)
def decide_order(decision: OrderDecision) -> str:
    """Decide on an order: resume, cancel, suspend, settle a surplus ... Refused when its state does not allow it."""
    outcome = put_and_wait(runtime.office(), f"decision:{flow_run.id}", EventKind.DECISION, decision)
    get_run_logger().info(outcome)
    return outcome


class EnvelopeHandover(RunInput):
    """A person's word that the sealed envelope was handed over."""

    operator: str
    handed_over: bool = False
    note: str = ""


@flow(name="confirm-envelope", flow_run_name="envelope of {order}", persist_result=False)
def confirm_envelope(order: str) -> str:
    """Wait for a person to confirm that the envelope was handed over (KS-1.4, KS-2.1); a name is required."""
    text = f"Has the sealed envelope of **{order}** been handed over? Say who handed it over and to whom."
    asked = EnvelopeHandover.with_initial_data(description=text)
    answer = suspend_flow_run(wait_for_input=asked, key="handover", timeout=int(timedelta(days=365).total_seconds()))
    if not answer.handed_over:
        why = answer.note or "no reason given"
        not_handed_over(runtime.office(), order, operator=answer.operator, why=why, now=runtime.now())
        return f"{answer.operator}: not handed over: {why}; asked again within the hour"
    note = answer.note or "handed over"
    decision = OrderDecision(order=order, action=Action.CONFIRM_HANDOVER, operator=answer.operator, note=note)
    return put_and_wait(runtime.office(), f"envelope:{flow_run.id}", EventKind.DECISION, decision)


@flow(name="show-order", flow_run_name="{order}", persist_result=False)
def show_order(order: str) -> None:
    """Show an order's story as it stands."""
    sessions = runtime.office().sessions
    text = order_story(story_of(sessions, order))
    create_markdown_artifact(key=f"order-{order.lower()}", markdown=text, description=f"The story of {order}")
    if proofs := proofs_of(sessions, order):
        told = f"{order}: {proof_summary(proofs)}"
        create_table_artifact(proof_rows(proofs), key=f"proofs-{order.lower()}", description=told)


@flow(name="ask-terms", flow_run_name="{clause}", persist_result=False)
def ask_terms(clause: str, facts: dict[str, object]) -> str:
    """Ask a clause's rule: what it decides on these facts, and how we read it."""
    text = answer_text(ask(clause, facts))
    create_markdown_artifact(key=f"clause-{clause.lower().replace('.', '-')}", markdown=text, description=clause)
    return text


@flow(name="retry-parked", persist_result=False)
def retry_parked() -> int:
    """Let every parked event be tried again, once its cause is mended."""
    count = unpark(runtime.office().sessions, now=runtime.now())
    get_run_logger().info("%s events go back to work", count)
    return count
