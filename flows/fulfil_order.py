"""One order, one visible run: its steps as tasks, its notices, its story as an artifact."""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import partial
from typing import Any

from prefect import Task, flow, task
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TagsContext

from blocks.errors import Transient
from flows import runtime
from flows.fulfilment import advance, send_due, take_step, upcoming
from flows.handover import ask_handover
from reports.proofs import proof_rows, proof_summary
from reports.story import order_story
from tasks.decisions import awaiting_handover
from tasks.fulfilment import Next, view_of
from tasks.stories import proofs_of, story_of

UNTAGGED = partial(TagsContext, current_tags=set())
"""Tasks would inherit the run's tags, and every tag of a task is a concurrency slot to ask the server for."""


STEP_SECONDS, RUN_SECONDS = 600, 900
"""A hundred contacts are proven within a minute or two. Prefect gives up waiting for a thread without ending it, so a
step's limit is far off, and the run's below the lease of its order: nobody else begins while a slow one may go on."""


async def only_transient(_task: Task[Any, Any], _run: TaskRun, state: State[Any]) -> bool:
    """Retry only what is typed as transient, and not at once what says how long it wants: its event comes back then."""
    error = await state.aresult(raise_on_failure=False)
    return isinstance(error, Transient) and error.retry_after is None


@task(
    task_run_name="{step}",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=2,
    retry_delay_seconds=[1, 5],
    retry_condition_fn=only_transient,
    timeout_seconds=STEP_SECONDS,
)
async def order_step(order: str, step: Next, as_of: datetime) -> None:
    """A step of an order. Idempotent: the ledger knows what is done."""
    await asyncio.to_thread(take_step, runtime.office(), order, step, now=as_of)


@flow(name="fulfil-order", flow_run_name="{order}", persist_result=False, timeout_seconds=RUN_SECONDS)
async def fulfil_order(order: str, as_of: datetime) -> str:
    """Take an order as far as it goes: until it is done, or waits for money, for its customer or for a person."""
    office, step = runtime.office(), None
    for _letters in ("of its work", "of its end"):
        with UNTAGGED():
            while (step := await asyncio.to_thread(upcoming, office, order, step)) is not None:
                await order_step(order, step, as_of)
        await asyncio.to_thread(send_due, office, now=as_of, order=order)
    for waiting, refusals in (await asyncio.to_thread(awaiting_handover, office.sessions, order)).items():
        await ask_handover(waiting, refusals)
    story = await asyncio.to_thread(story_of, office.sessions, order)
    await acreate_markdown_artifact(
        key=f"order-{order.lower()}", markdown=order_story(story), description=f"The story of {order}"
    )
    if proofs := await asyncio.to_thread(proofs_of, office.sessions, order):
        told = f"{order}: {proof_summary(proofs)}"
        await acreate_table_artifact(proof_rows(proofs), key=f"proofs-{order.lower()}", description=told)
    return story.state


@task(task_run_name="{order}", cache_policy=NO_CACHE, persist_result=False, timeout_seconds=STEP_SECONDS)
async def order_in_backlog(order: str, as_of: datetime) -> str:
    """One order of a backlog, all its steps in one task; its failure is its own and comes back as text."""
    try:
        view = await asyncio.to_thread(advance, runtime.office(), order, now=as_of)
    except Exception as error:  # noqa: BLE001 - one bad order must not fail the others of its batch
        return f"not now: {type(error).__name__}: {error}"
    return view.state.value


@flow(
    name="fulfil-backlog", flow_run_name="backlog of {count} orders", persist_result=False, timeout_seconds=RUN_SECONDS
)
async def fulfil_backlog(orders: list[str], count: int, as_of: datetime, concurrency: int) -> dict[str, str]:
    """Many orders in one run: what each came to, and a table of it. No process and no run an order under load."""
    gate = asyncio.Semaphore(concurrency)

    async def one(order: str) -> str:
        async with gate:
            with UNTAGGED():
                return await order_in_backlog(order, as_of)

    outcomes = dict(zip(orders, await asyncio.gather(*map(one, orders)), strict=True))
    table: list[dict[str, Any]] = [{"order": order, "outcome": outcome} for order, outcome in outcomes.items()]
    await acreate_table_artifact(table, key="backlog", description=f"{count} orders of a backlog")
    return outcomes


def labels_of(order: str) -> list[str]:
    """The tags of an order's run: its agreement and its customer."""
    view = view_of(runtime.office(), order)
    return ["order", f"agreement:{view.agreement}", f"customer:{view.customer_id}"]
