"""The end of registrations without Prefect: what the flow calls, and what tests kill."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from blocks.ledger import reading
from blocks.office import Office
from blocks.terms.qs_idle import IdleStep
from flows.fulfilment import send_due
from reports.account_destruction import destruction_act
from tasks.account_destruction import Doomed, conclude, doomed, empty, end_projects, scrub_ledger
from tasks.account_idle import Turn, idle_turns, take_turn


@dataclass(frozen=True)
class Plan:
    """What is due at registrations: steps of idleness short of deletion, and deletions."""

    turns: list[Turn]
    doomed: list[Doomed]


@dataclass(frozen=True)
class Purged:
    """How many steps were taken, by step; the deleted customers, and those that wait for a person."""

    steps: dict[str, int]
    ended_projects: int
    deleted: list[int]
    waiting: list[int]


def plan_accounts(office: Office, *, now: datetime) -> Plan:
    """What a purge would do now; nothing is changed."""
    with reading(office.sessions) as session:
        turns = [turn for turn in idle_turns(session, now=now) if turn.step is not IdleStep.DELETE]
        return Plan(turns, doomed(session, now=now))


def purge_accounts(office: Office, *, now: datetime) -> Purged:
    """Take what is due: steps of idleness, ends of access, deletions with their acts, and the letters of it all.

    Killed anywhere and run again it goes on. Raises Transient when a database is kept busy: the acts then wait.
    """
    plan = plan_accounts(office, now=now)
    steps: dict[str, int] = {}
    for turn in plan.turns:
        taken = take_turn(office, turn.customer, now=now)
        if taken is not IdleStep.NONE:
            steps[taken.value] = steps.get(taken.value, 0) + 1
    ended = end_projects(office, now=now)
    gone = {one.customer: empty(office, one, now=now) for one in plan.doomed}
    deleted = [customer for customer, erased in gone.items() if erased]
    if deleted:
        scrub_ledger(office)
    for customer in deleted:
        conclude(office, customer, destruction_act, now=now)
    send_due(office, now=now)
    return Purged(steps, ended, deleted, [customer for customer, erased in gone.items() if not erased])
