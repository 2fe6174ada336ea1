"""Killed with SIGKILL at every commit of the main job, before it and after it, and run again: the same end, once.

N rises until a process lives to the end, so every boundary between two transactions is met, with the outside effects
(a payment made, accounts written, a letter sent) in between.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from blocks.clients.directory import MAIL_ACCOUNTS, SIP_SUBSCRIBERS, XMPP_USERS, Kind
from blocks.ledger import (
    AccountEntry,
    AccountProof,
    Document,
    Notice,
    Obligation,
    OrderEvent,
    Payment,
    Service,
    Step,
    open_engine,
    reading,
)
from blocks.office import Office, open_office
from blocks.settings import Settings
from tasks.order_forms import EventKind
from tests.conftest import PaymentSandbox, close_office
from tests.kill_job import job, the_number
from tests.killing import lives
from tests.servers.postgres import PostgresServer
from tests.work import COMPANY, MINUTE, NOW, ks, payment_of, put, put_order, put_payment, put_receipt, qs, story

Stages = list[tuple[Callable[[Office], None], str, int]]
"""What happens outside, what is then done in the process that may be killed, and at which minute."""


def in_process(settings: Settings, work: str, minute: int, kill_at: int | None, moment: str) -> bool:
    """Do the work in a process of its own; whether it lived to the end."""
    return lives(job, settings, work, NOW + minute * MINUTE, kill_at, moment)


def fingerprint(office: Office) -> dict[str, Any]:
    """What must be the same at the end, whatever happened on the way."""
    told = story(office, the_number(office))
    with reading(office.sessions) as session:
        counts = {
            table.__tablename__: session.scalar(select(func.count()).select_from(table))
            for table in (AccountEntry, AccountProof, Document, Notice, Obligation, Payment, Service, Step)
        }
        charges = session.scalars(select(AccountEntry.amount_minor).order_by(AccountEntry.key)).all()
        changes = session.execute(select(OrderEvent.from_state, OrderEvent.to_state).order_by(OrderEvent.id)).all()
    return {
        "counts": counts,
        "charges": list(charges),
        "changes": [tuple(change) for change in changes if change[1]],
        "notices": [(line.kind, line.state) for line in told.notices],
        "owed": [(line.clause, line.what, line.state) for line in told.owed],
        "state": (told.state, told.service_state),
        "accounts": accounts(office),
        "served": [row.served_state for row in services(office)],
        "letters": len(list(office.settings.outbox.glob("*.eml"))),
    }


def services(office: Office) -> Sequence[Service]:
    with reading(office.sessions) as session:
        return session.scalars(select(Service).order_by(Service.id)).all()


def accounts(office: Office) -> list[int]:
    office.directory.check()
    engine = open_engine(office.settings.directory)
    with engine.connect() as connection:
        found = [
            connection.scalar(select(func.count()).select_from(table)) or 0
            for table in (XMPP_USERS, MAIL_ACCOUNTS, SIP_SUBSCRIBERS)
        ]
    engine.dispose()
    return found


def run_stages(settings: Settings, stages: Stages, kill_at: int | None, moment: str) -> tuple[dict[str, Any], bool]:
    """Each stage in a process that may be killed; where it was, again in one that is not."""
    lived = True
    for outside, work, minute in stages:
        office = open_office(settings)
        outside(office)
        close_office(office)
        if not in_process(settings, work, minute, kill_at, moment):
            lived = False
            in_process(settings, work, minute, None, moment)
    office = open_office(settings)
    found = fingerprint(office)
    close_office(office)
    return found, lived


def everything_killed(make: Callable[..., Settings], home: Path, url: Callable[[], str], stages: Stages) -> int:
    """Run once unharmed, then killed at each commit before and after; how many kills there were."""
    whole, _ = run_stages(make(home=home / "whole", ledger_url=url()), stages, 10_000, "before")
    kills = 0
    for moment in ("before", "after"):
        for kill_at in range(1, 90):
            settings = make(home=home / f"{moment}-{kill_at}", ledger_url=url())
            found, lived = run_stages(settings, stages, kill_at, moment)
            assert found == whole, f"killed {moment} commit {kill_at}"
            if lived:
                break
            kills += 1
        else:
            pytest.fail("the job never got through")
    return kills


def nothing(_office: Office) -> None:
    """Nothing happens outside."""


def ks_stages(sandbox: PaymentSandbox) -> Stages:
    def pay(office: Office) -> None:
        payment = payment_of(office, the_number(office))
        sandbox.pay(payment)
        put_payment(office, payment, at=NOW + MINUTE)

    return [(lambda office: put_order(office, "A-1", ks(2)), "drain", 0), (pay, "drain", 1), (nothing, "press", 10)]


@pytest.mark.clause("KS-2.1", "KS-2.2")
def test_ks_2_1_killed_at_every_commit_an_order_ends_the_same_with_one_of_everything(
    settings_for: Callable[..., Settings], sandbox: PaymentSandbox, tmp_path: Path
) -> None:
    assert everything_killed(settings_for, tmp_path, str, ks_stages(sandbox)) > 20


def test_killed_at_every_commit_on_postgresql(
    settings_for: Callable[..., Settings], sandbox: PaymentSandbox, tmp_path: Path, postgres: PostgresServer
) -> None:
    def database() -> str:
        return postgres.create_database(f"kill_{uuid4().hex}")

    assert everything_killed(settings_for, tmp_path, database, ks_stages(sandbox)) > 20


@pytest.mark.clause("QS-3.2.2")
def test_qs_3_2_2_killed_at_every_commit_a_companys_project_is_activated_once(
    settings_for: Callable[..., Settings], tmp_path: Path
) -> None:
    def bank(office: Office) -> None:
        put_receipt(office, the_number(office), "2790.00", "B-1", NOW + MINUTE)

    stages: Stages = [
        (lambda office: put_order(office, "Q-1", qs("start", 3), COMPANY), "drain", 0),
        (bank, "drain", 1),
        (nothing, "press", 10),
    ]
    assert everything_killed(settings_for, tmp_path, str, stages) > 15


def decision(action: str, at_minute: int, **more: str) -> Callable[[Office], None]:
    """Put an operator's decision on the only order into the inbox."""

    def put_in(office: Office) -> None:
        payload = {
            "order": the_number(office),
            "action": action,
            "operator": "О. Петрова",
            "note": "so decided",
            **more,
        }
        at = NOW + at_minute * MINUTE
        put(office, EventKind.DECISION, payload, f"{action}:{at_minute}", "operator", at)

    return put_in


TOMORROW = 26 * 60


@pytest.mark.parametrize(
    ("before", "action", "more", "served", "standing"),
    [
        ((), "suspend", {}, "suspended", ((), ("c001", "c002"))),
        (("suspend",), "resume", {}, "active", (("c001", "c002"), ())),
        (
            ("suspend",),
            "delete complex",
            {"domain": "k000001.example.net", "ended_on": NOW.date().isoformat()},
            "deleted",
            ((), ()),
        ),
    ],
)
def test_killed_at_every_commit_the_servers_follow_what_was_decided(
    settings_for: Callable[..., Settings],
    sandbox: PaymentSandbox,
    tmp_path: Path,
    *,
    before: tuple[str, ...],
    action: str,
    more: dict[str, str],
    served: str,
    standing: tuple[tuple[str, ...], tuple[str, ...]],
) -> None:
    first = settings_for(home=tmp_path / "first")
    run_stages(first, [*ks_stages(sandbox), *((decision(done, 20), "drain", 20) for done in before)], 10_000, "before")
    kills = 0
    for moment in ("before", "after"):
        for kill_at in range(1, 90):
            home = tmp_path / f"{moment}-{kill_at}"
            shutil.copytree(first.home, home)
            settings = settings_for(home=home)
            _, lived = run_stages(settings, [(decision(action, TOMORROW, **more), "drain", TOMORROW)], kill_at, moment)
            office = open_office(settings)
            domain = services(office)[0].name
            stands = [office.directory.standing(kind, domain) for kind in (Kind.XMPP, Kind.MAIL)]
            assert services(office)[0].served_state == served, f"killed {moment} commit {kill_at}"
            assert [(one.active, one.suspended) for one in stands] == [standing] * 2, f"killed {moment} {kill_at}"
            close_office(office)
            if lived:
                break
            kills += 1
    assert kills > 10
