"""The revenue of the ОЦП: a month split, reconciled, made out, signed in the UI, paid, closed; or reopened."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import Literal

from prefect import flow, get_run_logger
from prefect.artifacts import acreate_markdown_artifact, acreate_progress_artifact, aupdate_progress_artifact
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from pydantic import AwareDatetime

from blocks.errors import Refused, Transient
from blocks.terms.deadlines import local_date, months_later
from blocks.terms.revenue import Month, month_of
from blocks.terms.zones import ASTANA
from flows import revenue_month, runtime
from flows.finishing import done
from flows.fulfilment import send_due
from flows.starting import ask
from tasks import revenue_acts
from tasks.revenue_desk import act_line, latest_ref, missed_months, splittable, unsigned
from tasks.revenue_forms import ActRef, ListForm, PayoutForm, ReopenForm, SettleForm, SignatureForm
from tasks.revenue_letters import send_again
from tasks.revenue_lists import take_list
from tasks.revenue_settling import settle_differences as settle

SIGNING_DAYS = 60
_SIDES: tuple[Literal["us", "operator"], ...] = ("us", "operator")


async def _progress(ref: str) -> revenue_month.Tell:
    """A bar in the UI that work in another thread moves."""
    logger, loop = get_run_logger(), asyncio.get_running_loop()
    bar = await acreate_progress_artifact(progress=0, key=f"{_key(ref)}-progress", description=ref)

    def tell(what: str, percent: int) -> None:
        logger.info("%s: %s", ref, what)
        moved = aupdate_progress_artifact(bar, progress=percent, description=f"{ref}: {what}")
        asyncio.run_coroutine_threadsafe(moved, loop).result()

    return tell


def _key(ref: str) -> str:
    return f"revenue-{ref.replace('/', '-')}"


async def _split(ref: str, now: datetime, *, dry_run: bool) -> revenue_month.Outcome:
    """Take a month as far as it goes, show it, and ask for the signatures it waits for."""
    tell = await _progress(ref)
    outcome = await asyncio.to_thread(revenue_month.split, runtime.office(), ref, now=now, dry_run=dry_run, tell=tell)
    await acreate_markdown_artifact(key=_key(ref), markdown=outcome.markdown, description=f"ОЦП, {ref}")
    if outcome.made and not dry_run:
        await _ask_signatures(ref)
    return outcome


async def _ask_signatures(ref: str) -> None:
    for side in unsigned(runtime.office(), ref):
        await ask("sign-act", {"act": ref, "side": side}, title=f"signature of {side} on {ref}")


@flow(name="ocp-revenue-split", persist_result=False, timeout_seconds=4 * 3600)
async def ocp_revenue_split(
    month: Month | None = None, dry_run: bool = True, as_of: AwareDatetime | None = None
) -> str:
    """Split a month (the last one unless named): data to the Operator, reconciliation, act, invoice, signatures.

    By hand it is a dry run unless told otherwise: everything is computed and shown, nothing is made out or sent.
    """
    now = runtime.at(as_of)
    named = month or month_of(months_later(local_date(now, ASTANA), -1))
    office = runtime.office()
    if dry_run:
        revenue_acts.refuse_early(named, now=now)
    else:
        await asyncio.to_thread(revenue_acts.open_month, office, named, now=now)
    ref = await asyncio.to_thread(latest_ref, office, named)
    outcome = await _split(ref, now, dry_run=dry_run)
    get_run_logger().info("%s: %s", ref, "; ".join(outcome.obstacles) or ("made out" if outcome.made else "a dry run"))
    return outcome.markdown


@flow(name="follow-revenue", persist_result=False, timeout_seconds=4 * 3600)
async def follow_revenue(as_of: AwareDatetime | None = None) -> list[str]:
    """Go on with every act that is not closed: new lists, missing documents and signatures, what is late.

    A month that nobody opened is opened; a letter that was lost goes out again. What fails keeps nothing else back:
    the run fails at its end.
    """
    office, now = runtime.office(), runtime.at(as_of)
    for month in await asyncio.to_thread(missed_months, office, now=now):
        await asyncio.to_thread(revenue_acts.open_month, office, month, now=now)
    finished = await _holds("documents", asyncio.to_thread(revenue_month.finish, office, now=now))
    waiting = await asyncio.to_thread(splittable, office)
    failed = [ref for ref in waiting if not await _holds(ref, _split(ref, now, dry_run=False))]
    for ref in await asyncio.to_thread(revenue_acts.open_refs, office):
        await _ask_signatures(ref)
    again = await asyncio.to_thread(send_again, office, now=now)
    chased = await asyncio.to_thread(revenue_acts.chase, office, now=now)
    await asyncio.to_thread(send_due, office, now=now)
    get_run_logger().info("chased: %s; sent again: %s", ", ".join(chased) or "none", ", ".join(again) or "none")
    if failed or not finished:
        raise Refused("acts", f"could not go on with {', '.join(failed) or 'the documents'}")
    return chased


async def _holds(what: str, work: Awaitable[object]) -> bool:
    """Whether work went through; what may work later is raised, anything else is logged."""
    try:
        await work
    except Transient:
        raise
    except Exception:  # noqa: BLE001 - whatever it is, the other acts go on, and the run fails at its end
        get_run_logger().exception("%s: could not go on", what)
        return False
    return True


@flow(name="load-lines", flow_run_name="{form.side}: {form.file} for {form.act}", persist_result=False)
def load_lines(form: ListForm) -> str:
    """Take a list of invoice lines from the folder of lists: ours, or the Operator's. The month's act is opened."""
    office, now, logger = runtime.office(), runtime.now(), get_run_logger()
    taken = take_list(office, form, now=now, tell=logger.info)
    told = f"{form.file}: {taken.lines} lines" + ("" if taken.new else ", the same as before: nothing changes")
    logger.info(told)
    return told


@flow(name="settle-differences", flow_run_name="{form.act}: {form.cause} {form.way}", persist_result=False)
def settle_differences(form: SettleForm) -> str:
    """Explain differences with the Operator's list (our figure stands), or accept the Operator's figure."""
    count = settle(runtime.office(), form, now=runtime.now())
    return done(f"{form.act}: {count} differences {form.way.value}")


class Signature(RunInput):
    """A signature on an act, as the person who records it saw it."""

    operator: str
    who: str
    proof: str
    signed: bool = False
    signed_at: AwareDatetime | None = None


@flow(name="sign-act", flow_run_name="signature of {side} on {act}", persist_result=False)
def sign_act(act: ActRef, side: Literal["us", "operator"], as_of: AwareDatetime | None = None) -> str:
    """Wait for a side's signature on an act and its invoice (OCP-P5.3): who signed, when, and where the proof is."""
    asked = Signature.with_initial_data(description=act_line(runtime.office(), act))
    timeout = int(timedelta(days=SIGNING_DAYS).total_seconds())
    answer = suspend_flow_run(wait_for_input=asked, key="signature", timeout=timeout)
    if not answer.signed:
        return "not signed"
    form = SignatureForm(
        act=act, side=side, who=answer.who, proof=answer.proof, signed_at=answer.signed_at, operator=answer.operator
    )
    state = revenue_acts.sign(runtime.office(), form, now=runtime.at(as_of))
    return done(f"{act} is {state.value}")


@flow(name="record-payout", flow_run_name="{form.reference} for {form.act}", persist_result=False)
def record_payout(form: PayoutForm) -> str:
    """Record money that the Operator paid for an act; the last of it closes the month."""
    state = revenue_acts.record_payout(runtime.office(), form, now=runtime.now())
    return done(f"{form.act} is {state.value}")


@flow(name="correct-revenue", flow_run_name="{form.month}: {form.reason}", persist_result=False)
def correct_revenue(form: ReopenForm) -> str:
    """Reopen a month that was made out: its corrected lists lead to a correction act; the signed one stands."""
    return done(revenue_acts.reopen(runtime.office(), form, now=runtime.now()))
