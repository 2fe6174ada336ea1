"""The dispatcher: one long-lived process that takes events from the inbox and calls flows in-process.

A few events: one run each, at once. A backlog: batches of many orders a run. Prefect down: events stay in the inbox,
uncounted, until it answers again. Several dispatchers may run, each with a name of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import httpx
from prefect import tags
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import StateType
from prefect.states import Crashed

from blocks.errors import DogovorError, NotFound, Refused, TermsViolated, Transient, Waiting
from blocks.ledger import transaction
from blocks.office import Office
from flows import runtime
from flows.fulfil_order import fulfil_backlog, fulfil_order, labels_of
from flows.fulfilment import send_due
from tasks.events import apply_event
from tasks.inbox import Event, claim, finish, finish_all, park, postpone, put_back, ready, take_back
from tasks.money import Recorded
from tasks.notices import queue_operator_notice
from tasks.order_forms import EventKind
from tasks.order_state import drop_leases, leave_leases, take_leases
from tasks.support_mail import take_mail
from tasks.ticket_acts import OPERATOR

log = logging.getLogger("dogovor.dispatcher")

BUSY = timedelta(seconds=1)
IDLE_SECONDS = 0.1
MAIL_SECONDS = 5.0


class Dispatcher:
    """Takes events under `name`; at most `slots` runs at once; over `backlog_at` waiting events, batches of `batch`."""

    def __init__(self, office: Office, name: str, *, slots: int = 4, backlog_at: int = 12, batch: int = 50) -> None:
        self._office, self._name = office, name[:40]
        self._slots, self._backlog_at, self._batch = slots, backlog_at, batch
        self._running: set[asyncio.Task[None]] = set()
        self._prefect_down = False
        self._tag = f"dispatcher:{name}"

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop, then let the runs under way end."""
        freed = await asyncio.to_thread(take_back, self._office.sessions, owner=self._name, now=runtime.now())
        if freed:
            log.info("took back %s events of a killed predecessor", freed)
        await self._sweep()
        mail = asyncio.create_task(self._take_mail())
        while not stop.is_set():
            worked = await self._round()
            if not worked:
                await asyncio.sleep(IDLE_SECONDS)
        mail.cancel()
        if self._running:
            await asyncio.wait(self._running)

    async def _take_mail(self) -> None:
        """Mail to support becomes events within seconds: KS-3.4 gives five minutes for an answer."""
        while self._office.support_mail is not None:
            try:
                await asyncio.to_thread(take_mail, self._office, now=runtime.now())
            except Exception:
                log.exception("mail to support waits")
            await asyncio.sleep(MAIL_SECONDS)

    async def _sweep(self) -> None:
        """Runs that a killed predecessor of this name left Running become Crashed; the ledger is untouched."""
        left = FlowRunFilter(
            tags=FlowRunFilterTags(all_=[self._tag]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING])),
        )
        try:
            async with get_client() as client:
                for found in await client.read_flow_runs(flow_run_filter=left):
                    await client.set_flow_run_state(found.id, Crashed(message=f"{self._name} was started again"))
        except httpx.HTTPError as error:
            log.warning("Prefect does not answer, its runs are not swept: %s", type(error).__name__)

    async def _round(self) -> bool:
        """One look at the inbox; False when there was nothing to do."""
        if self._prefect_down:
            await asyncio.sleep(1)
            self._prefect_down = not await _prefect_answers()
            return True
        try:
            waiting = await asyncio.to_thread(ready, self._office.sessions, now=runtime.now())
            if waiting > self._backlog_at:
                await self._drain_batch()
                return True
            free = self._slots - len(self._running)
            if not waiting or not free:
                return False
            for event in await self._claim(free):
                run = asyncio.create_task(self._one(event))
                self._running.add(run)
                run.add_done_callback(self._ended)
        except Transient as error:
            log.warning("the ledger is away: %s", error)
            await asyncio.sleep(1)
        return True

    def _ended(self, run: asyncio.Task[None]) -> None:
        """A run whose end could not even be recorded is logged; its event comes back when its lease ends."""
        self._running.discard(run)
        if not run.cancelled() and (error := run.exception()) is not None:
            log.error("an event was left claimed: %s", error)

    async def _claim(self, limit: int) -> list[Event]:
        return await asyncio.to_thread(claim, self._office.sessions, owner=self._name, now=runtime.now(), limit=limit)

    async def _one(self, event: Event) -> None:
        """One event: into the ledger, then its order as far as it goes, as a run of its own."""
        recorded = await self._apply(event)
        if recorded is None:
            return
        order, owner = recorded.order, f"{self._name}:{event.id}"
        if order is None:
            await self._finish(event, recorded.outcome)
            await self._tell(recorded)
            return
        sessions = self._office.sessions
        if not await asyncio.to_thread(take_leases, sessions, [order], owner=owner, now=runtime.now()):
            await asyncio.to_thread(postpone, sessions, event, owner=self._name, now=runtime.now(), wait=BUSY)
            return
        release: Callable[..., None] = drop_leases
        try:
            with tags(self._tag, *await asyncio.to_thread(labels_of, order)):
                state = await fulfil_order(order, runtime.now())
        except Exception as error:  # noqa: BLE001 - whatever a run dies of, its event must go back
            release = _after(error)
            await self._failed([event], error)
        else:
            await self._finish(event, f"{recorded.outcome}; {state}")
        finally:
            await asyncio.to_thread(release, sessions, [order], owner=owner)

    async def _drain_batch(self) -> None:
        """Many events: each into the ledger, then all their orders in one run."""
        if self._running:
            await asyncio.wait(self._running)
        by_order: dict[str, list[tuple[Event, Recorded]]] = {}
        for event in await self._claim(self._batch):
            recorded = await self._apply(event)
            if recorded is not None and recorded.order is None:
                await self._finish(event, recorded.outcome)
                await self._tell(recorded)
            elif recorded is not None and recorded.order is not None:
                by_order.setdefault(recorded.order, []).append((event, recorded))
        owner = f"{self._name}:batch"
        leased = await self._lease(by_order, owner)
        if not leased:
            return
        release: Callable[..., None] = drop_leases
        try:
            with tags(self._tag, "order", "backlog"):
                outcomes = await fulfil_backlog(leased, len(leased), runtime.now(), self._slots)
        except Exception as error:  # noqa: BLE001 - whatever a run dies of, its events must go back
            release = _after(error)
            await self._failed([event for order in leased for event, _ in by_order[order]], error)
        else:
            await self._settle(by_order, outcomes)
        finally:
            await asyncio.to_thread(release, self._office.sessions, leased, owner=owner)

    async def _lease(self, by_order: Mapping[str, Sequence[tuple[Event, Recorded]]], owner: str) -> list[str]:
        """The orders of a batch that nobody else is at; the events of the others go back."""
        sessions, now = self._office.sessions, runtime.now()
        leased = await asyncio.to_thread(take_leases, sessions, by_order.keys(), owner=owner, now=now)
        for order in by_order.keys() - leased:
            for event, _ in by_order[order]:
                await asyncio.to_thread(postpone, sessions, event, owner=self._name, now=now, wait=BUSY)
        return [order for order in by_order if order in leased]

    async def _settle(
        self, by_order: Mapping[str, Sequence[tuple[Event, Recorded]]], outcomes: Mapping[str, str]
    ) -> None:
        done: dict[Event, str] = {}
        for order, outcome in outcomes.items():
            if outcome.startswith("not now"):
                await self._failed([event for event, _ in by_order[order]], Transient(outcome))
            else:
                done |= {event: f"{recorded.outcome}; {outcome}" for event, recorded in by_order[order]}
        await asyncio.to_thread(finish_all, self._office.sessions, done, owner=self._name, now=runtime.now())

    async def _apply(self, event: Event) -> Recorded | None:
        """An event into the ledger; None when it has gone back or aside."""
        try:
            return await asyncio.to_thread(apply_event, self._office, event, now=runtime.now())
        except (Refused, NotFound, TermsViolated) as error:
            await self._set_aside(event, error)
        except Exception as error:  # noqa: BLE001 - a fault in one event must not stop the others
            await self._failed([event], error)
        return None

    async def _tell(self, recorded: Recorded) -> None:
        """What an event without an order has to say goes out at once; what cannot is taken up by the watch."""
        if recorded.about is None:
            return
        try:
            await asyncio.to_thread(send_due, self._office, now=runtime.now(), about=recorded.about)
        except Transient as error:
            log.warning("letters about %s wait: %s", recorded.about, error)

    async def _set_aside(self, event: Event, error: DogovorError) -> None:
        """What will never do: a decision of the desk is answered with its refusal, anything else is parked."""
        if event.kind == EventKind.DECISION or (event.kind == EventKind.TICKET_ACT and event.source == OPERATOR):
            await self._finish(event, f"refused: {error}")
            return
        await asyncio.to_thread(park, self._office.sessions, event, owner=self._name, why=str(error), now=runtime.now())
        await asyncio.to_thread(self._tell_parked, event, str(error))

    async def _failed(self, events: Sequence[Event], error: Exception) -> None:
        """Events go back: uncounted where Prefect failed or others are waited for, else with a growing wait."""
        sessions, now = self._office.sessions, runtime.now()
        # A run called while Prefect is away fails with whatever its client was doing: the server itself is asked.
        self._prefect_down = not isinstance(error, Transient) and not await _prefect_answers()
        wait = error.retry_after if isinstance(error, Transient) else None
        if self._prefect_down:
            log.warning("Prefect does not answer: %s events wait", len(events))
        elif not isinstance(error, Transient):
            log.error("%s of %s events: %s", type(error).__name__, len(events), error, exc_info=error)
        for event in events:
            if self._prefect_down or isinstance(error, Waiting):
                pause = wait or BUSY
                await asyncio.to_thread(postpone, sessions, event, owner=self._name, now=now, wait=pause)
                continue
            why = f"{type(error).__name__}: {error}"
            if await asyncio.to_thread(put_back, sessions, event, owner=self._name, why=why, now=now, wait=wait):
                await asyncio.to_thread(self._tell_parked, event, why)

    def _tell_parked(self, event: Event, why: str) -> None:
        facts = {
            "source": event.source,
            "event_id": event.event_id,
            "kind": event.kind,
            "attempts": event.attempts,
            "why": why[:500],
        }
        operator, now = self._office.settings.operator_email, runtime.now()
        with transaction(self._office.sessions) as session:
            key = f"event_parked:{event.id}:{event.attempts}"
            queue_operator_notice(session, kind="event_parked", key=key, operator=operator, facts=facts, now=now)

    async def _finish(self, event: Event, outcome: str) -> None:
        await asyncio.to_thread(
            finish, self._office.sessions, event, owner=self._name, outcome=outcome, now=runtime.now()
        )


def _after(error: Exception) -> Callable[..., None]:
    """What becomes of the leases of a run that failed. The threads of one that timed out may still be at work."""
    return leave_leases if isinstance(error, TimeoutError) else drop_leases


async def _prefect_answers() -> bool:
    async with get_client() as client:
        return await client.api_healthcheck() is None
