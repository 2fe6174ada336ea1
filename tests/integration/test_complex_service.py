"""Complexes in use: suspended, let in again, deleted for good; servers follow what was decided, whenever they can."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import pytest
from pydantic import ValidationError
from pypdf import PdfReader
from sqlalchemy import select

from blocks.errors import NotFound, Refused, Transient
from blocks.ledger import Document, InboxEvent, Service, ServiceState, reading, transaction
from blocks.office import Office
from blocks.settings import Settings
from blocks.terms.complex_views import SoftwareLine, SoftwareStatement
from flows import dispatcher, runtime
from flows.fulfilment import advance, send_due
from reports.complexes import complex_markdown
from reports.software import software_pdf
from tasks.complex_end import deletion_refused
from tasks.complex_forms import SoftwareForm
from tasks.complex_software import ask_software, collect_software, state_software
from tasks.complexes import complex_now, take_up_diverging
from tasks.doctor import Finding, examine
from tasks.inbox import claim
from tasks.order_forms import EventKind, OrderDecision
from tasks.order_state import drop_leases, take_leases
from tests.complexes import Servers, given
from tests.conftest import close_office
from tests.integration.test_complex_orders import paid
from tests.work import (
    COMPANY,
    DAY,
    MINUTE,
    NOW,
    decide,
    drain,
    kinds,
    ks,
    open_obligations,
    ordered,
    put,
    put_receipt,
    qs,
    service_of,
    state,
    story,
)

LATER = NOW + DAY


def delete(office: Office, number: str, at_minute: int = 0, **typed: object) -> str:
    """An operator's decision to delete, drained; what became of it."""
    at = LATER + 2 * MINUTE + at_minute * MINUTE
    values = {"order": number, "action": "delete complex", "operator": "О. Петрова", "note": "ended", **typed}
    payload = OrderDecision.model_validate(values).model_dump(mode="json")
    event_id = f"delete:{at.isoformat()}"
    put(office, EventKind.DECISION, payload, event_id, "operator", at)
    drain(office, at)
    return state(office, number)


def test_a_suspended_complex_is_closed_on_its_servers_and_opened_again_when_resumed(office: Office) -> None:
    servers = Servers()
    given(office, servers)
    number = paid(office)
    domain = service_of(office, number).name
    assert "suspended" in decide(office, number, "suspend", LATER, "password shared")
    assert servers.suspended == {domain}
    assert (state(office, number), service_of(office, number).served_state) == ("held:suspended", "suspended")
    assert complex_now(office, number).suspended_since == LATER
    assert "service_suspended" in kinds(office, number)
    assert decide(office, number, "suspend", LATER + MINUTE).startswith("refused")
    assert "resumed" in decide(office, number, "resume", LATER + 2 * MINUTE)
    assert servers.suspended == set()
    assert (state(office, number), service_of(office, number).served_state) == ("inProgress", "active")
    assert "service_resumed" in kinds(office, number)
    assert complex_now(office, number).suspended_since is None
    assert servers.calls[-2:] == ["suspend", "resume"]
    assert [line.what for line in story(office, number).lines if line.what.startswith("complex.")] == [
        "complex.suspended",
        "complex.resumed",
    ]


def test_servers_that_were_down_when_a_complex_was_suspended_follow_when_they_are_back(office: Office) -> None:
    servers = Servers()
    given(office, servers)
    number = paid(office)
    servers.down = 1
    decide(office, number, "suspend", LATER)
    assert servers.suspended == set()
    assert service_of(office, number).served_state == "changing"
    assert state(office, number) == "held:suspended", "the decision stands"
    drain(office, LATER + MINUTE)
    assert service_of(office, number).served_state == "suspended"
    assert take_up_diverging(office, now=LATER + DAY) == []


def test_what_was_cut_short_is_taken_up_by_the_keeper_unless_somebody_is_at_it(office: Office) -> None:
    servers = Servers()
    given(office, servers)
    number = paid(office)
    with transaction(office.sessions) as session:
        service = session.scalars(select(Service)).one()
        service.state, service.served_state = ServiceState.SUSPENDED, "changing"
    take_leases(office.sessions, [number], owner="another", now=LATER)
    assert take_up_diverging(office, now=LATER) == []
    assert take_up_diverging(office, now=LATER + timedelta(minutes=21)) == [number]
    assert take_up_diverging(office, now=LATER + timedelta(minutes=21)) == [number], "once in the inbox"
    drain(office, LATER + timedelta(minutes=21))
    assert servers.calls.count("suspend") == 1
    assert service_of(office, number).served_state == "suspended"


def test_a_decision_that_changes_while_the_servers_are_at_work_is_followed_to_its_end(office: Office) -> None:
    class Interrupted(Servers):
        def suspend(self, domain: str) -> None:
            super().suspend(domain)
            with transaction(office.sessions) as session:
                session.scalars(select(Service)).one().state = ServiceState.ACTIVE

    servers = Interrupted()
    given(office, servers)
    number = paid(office)
    decide(office, number, "suspend", LATER)
    assert servers.calls[-2:] == ["suspend", "resume"]
    assert servers.suspended == set()
    assert service_of(office, number).served_state == "active"


def test_a_complex_is_deleted_only_suspended_with_its_domain_typed_and_its_agreement_over(office: Office) -> None:
    servers = Servers()
    given(office, servers)
    number = paid(office)
    domain = service_of(office, number).name
    ended = NOW.date()
    assert delete(office, number, domain=domain, ended_on=ended) == "inProgress", "not suspended"
    decide(office, number, "suspend", LATER + 3 * MINUTE)
    assert delete(office, number, 2, domain="k000009.example.net", ended_on=ended) == "held:suspended"
    assert delete(office, number, 3, domain=domain) == "held:suspended", "no last day"
    assert delete(office, number, 4, domain=domain, ended_on=LATER.date()) == "held:suspended", "the day is not over"
    assert servers.accounts != {}
    assert delete(office, number, 5, domain=domain, ended_on=ended) == "cancelled", "never handed over"
    assert (servers.accounts, servers.prepared) == ({}, set())
    service = service_of(office, number)
    assert (service.state.value, service.served_state) == ("terminated", "deleted")
    assert "complex_deleted" in kinds(office, number)
    assert open_obligations(office) == []
    drain(office, LATER + DAY)
    assert servers.calls.count("delete") == 1


def test_a_complex_in_use_that_is_terminated_otherwise_is_not_deleted(sqlite_office: Office) -> None:
    """Mail is destroyed by a person's word alone."""
    servers = Servers()
    given(sqlite_office, servers)
    number = paid(sqlite_office)
    with transaction(sqlite_office.sessions) as session:
        session.scalars(select(Service)).one().state = ServiceState.TERMINATED
    assert take_up_diverging(sqlite_office, now=LATER) == []
    advance(sqlite_office, number, now=LATER)
    assert servers.accounts != {}


def test_a_project_has_no_servers_of_ours_to_follow(sqlite_office: Office) -> None:
    servers = Servers()
    given(sqlite_office, servers)
    number = ordered(sqlite_office, "Q-1", qs("free", 0))
    decide(sqlite_office, number, "suspend", LATER)
    assert state(sqlite_office, number) == "held:suspended"
    assert take_up_diverging(sqlite_office, now=LATER) == []
    assert servers.calls == []
    with pytest.raises(NotFound):
        complex_now(sqlite_office, number)


def test_what_would_go_is_told_before_it_goes() -> None:
    text = complex_markdown("k000001.example.net", "suspended", 6, NOW, dry_run=True)
    for part in ("dry run", "k000001.example.net", "6 contacts", "since 20.11.2026 12:00 МСК", "mailboxes"):
        assert part in text
    assert "dry run" not in complex_markdown("k000001.example.net", "active", 6, None, dry_run=False)


def stated(office: Office, number: str, at_minute: int = 0) -> str:
    form = SoftwareForm(order=number, asked_by="Анна Примерова")
    now = LATER + at_minute * MINUTE
    if not ask_software(office, form, now=now):
        return "today already"
    statement = collect_software(office, form, now=now)
    key = state_software(office, statement, software_pdf(statement), now=now)
    send_due(office, now=now)
    return key


@pytest.mark.clause("KS-2.9")
def test_ks_2_9_a_customer_who_asks_is_told_the_software_that_serves_it_once_a_day(office: Office) -> None:
    servers = Servers()
    given(office, servers)
    number = paid(office)
    assert stated(office, number) == f"software:{number}:2026-11-21"
    with reading(office.sessions) as session:
        sha256 = session.scalars(select(Document.sha256).where(Document.key.like("software:%"))).one()
    pages = PdfReader(io.BytesIO(office.archive.get(sha256))).pages
    text = " ".join(page.extract_text() for page in pages)
    for part in (number, service_of(office, number).name, "ejabberd", "23.01", "Анна Примерова", "XMPP"):
        assert part in text, part
    [owed] = [line for line in story(office, number).owed if line.clause == "KS-2.9"]
    assert owed.state == "fulfilled"
    assert "notice" in owed.evidence, "the letter is what fulfils it"
    assert kinds(office, number).count("software_statement") == 1
    assert stated(office, number, 5) == "today already"
    assert stated(office, number, 24 * 60) == f"software:{number}:2026-11-22"
    assert kinds(office, number).count("software_statement") == 2


@pytest.mark.clause("KS-2.9")
def test_ks_2_9_a_complex_that_does_not_answer_leaves_the_statement_owed(office: Office) -> None:
    servers = Servers()
    given(office, servers)
    number = paid(office)
    servers.down = 1
    with pytest.raises(Transient):
        stated(office, number)
    assert "KS-2.9 state the software and its versions" in open_obligations(office)
    assert stated(office, number, 1).startswith("software:")
    assert not any(owed.startswith("KS-2.9") for owed in open_obligations(office))


@pytest.mark.clause("KS-2.9")
def test_ks_2_9_nothing_is_stated_of_what_is_not_served_or_not_yet_asked(sqlite_office: Office) -> None:
    given(sqlite_office, Servers())
    number = paid(sqlite_office)
    with pytest.raises(Refused, match="not come yet"):
        ask_software(sqlite_office, SoftwareForm(order=number, asked_by="Анна", asked_at=LATER + MINUTE), now=LATER)
    with transaction(sqlite_office.sessions) as session:
        session.scalars(select(Service)).one().state = ServiceState.TERMINATED
    with pytest.raises(Refused, match="terminated"):
        ask_software(sqlite_office, SoftwareForm(order=number, asked_by="Анна"), now=LATER)
    with pytest.raises(ValidationError):
        SoftwareForm(order="QS-2026-000001", asked_by="Анна")


def test_the_doctor_looks_at_every_complex_and_production_refuses_the_sandbox(
    sqlite_office: Office, settings_for: Callable[..., Settings]
) -> None:
    found = {finding.part: finding for finding in examine(sqlite_office, now=NOW)}
    assert found["complex sandbox"].well
    servers = Servers()
    servers.down = 1
    given(sqlite_office, servers)
    found = {finding.part: finding for finding in examine(sqlite_office, now=NOW)}
    assert (found["complex memory"].well, found["complex memory"].seen) == (
        False,
        "Transient: the servers do not answer",
    )
    production = {"environment": "production"}
    assert not _with(sqlite_office, settings_for, production)["complex sandbox"].well
    lost = {"complexes_file": sqlite_office.settings.home / "none.toml"}
    assert not _with(sqlite_office, settings_for, lost)["complexes"].well


def _with(office: Office, settings_for: Callable[..., Settings], changes: Mapping[str, object]) -> dict[str, Finding]:
    """What the doctor finds in an office with other settings on the same ledger."""
    other = Office(settings_for().model_copy(update=changes), office.engine, office.sessions)
    found = {finding.part: finding for finding in examine(other, now=NOW)}
    close_office(other)
    return found


def test_a_complex_that_is_down_is_put_into_the_inbox_once_at_a_time(office: Office) -> None:
    servers = Servers()
    given(office, servers)
    number = paid(office)
    servers.down = 99
    decide(office, number, "suspend", LATER)
    for minute in range(5, 60, 5):
        take_up_diverging(office, now=LATER + minute * MINUTE)
    with reading(office.sessions) as session:
        waiting = session.scalars(select(InboxEvent).where(InboxEvent.source == "keeper")).all()
    assert len(waiting) == 1
    servers.down = 0
    drain(office, LATER + DAY)
    assert service_of(office, number).served_state == "suspended"


def test_a_deletion_forgets_no_money_that_is_owed(office: Office) -> None:
    given(office, Servers())
    number = paid(office)
    domain = service_of(office, number).name
    put_receipt(office, number, "100.00", "B-more", LATER)
    drain(office, LATER)
    owed = [line for line in open_obligations(office) if "surplus" in line]
    assert owed
    decide(office, number, "suspend", LATER + MINUTE)
    assert delete(office, number, 5, domain=domain, ended_on=NOW.date()) == "cancelled"
    assert open_obligations(office) == owed


def test_an_order_without_a_complex_yet_has_nothing_to_delete(sqlite_office: Office) -> None:
    given(sqlite_office, Servers())
    number = ordered(sqlite_office, "A-1", ks(), COMPANY)
    told = decide(sqlite_office, number, "delete complex", LATER)
    assert told == f"refused: {number} has no communications complex"


def test_a_dry_run_tells_why_nothing_would_be_deleted(sqlite_office: Office) -> None:
    given(sqlite_office, Servers())
    number = paid(sqlite_office)
    domain = service_of(sqlite_office, number).name
    form = {"order": number, "action": "delete complex", "operator": "О. Петрова", "note": "ended"}
    typed = OrderDecision.model_validate({**form, "domain": domain, "ended_on": NOW.date()})
    assert deletion_refused(sqlite_office, typed, now=LATER) == f"{domain} is active: suspend it first"
    decide(sqlite_office, number, "suspend", LATER)
    wrong = OrderDecision.model_validate({**form, "domain": "k000009.example.net", "ended_on": NOW.date()})
    refused = deletion_refused(sqlite_office, wrong, now=LATER)
    assert refused == f"{number} serves {domain}, not k000009.example.net"
    assert refused in complex_markdown(domain, "suspended", 2, LATER, dry_run=True, refused=refused)
    assert deletion_refused(sqlite_office, typed, now=LATER) == ""


@pytest.mark.parametrize(("error", "free"), [(TimeoutError(), False), (Transient("no"), True)])
def test_nobody_goes_near_an_order_whose_run_was_given_up_until_its_lease_ends(
    office: Office, monkeypatch: pytest.MonkeyPatch, error: Exception, *, free: bool
) -> None:
    """Its thread may be at the servers still."""
    given(office, Servers())
    number = paid(office)

    async def failing(_order: str, _as_of: datetime) -> str:
        raise error

    async def answers() -> bool:
        return True

    monkeypatch.setattr(dispatcher, "fulfil_order", failing)
    monkeypatch.setattr(dispatcher, "labels_of", lambda _order: [])
    monkeypatch.setattr(dispatcher, "_prefect_answers", answers)
    now = runtime.now()
    put(office, EventKind.GO_ON, {"order": number}, "again", "keeper", now)
    [event] = claim(office.sessions, owner="d", now=now, limit=1)
    desk = dispatcher.Dispatcher(office, "d")
    asyncio.run(desk._one(event))  # noqa: SLF001 - the whole loop asks Prefect
    for owner in (f"d:{event.id}", "another"):
        assert bool(take_leases(office.sessions, [number], owner=owner, now=now + MINUTE)) is free
        drop_leases(office.sessions, [number], owner=owner)
    assert take_leases(office.sessions, [number], owner="another", now=now + DAY) == {number}


def test_the_statement_names_what_servers_do_in_the_customer_s_language() -> None:
    """As the services of a real complex state it."""
    stated = [
        SoftwareLine(role="SIP", name="Kamailio", version="5.6.3", learnt="asked by JSON-RPC"),
        SoftwareLine(role="primary name server", name="BIND", version="", learnt="rndc status"),
    ]
    view = SoftwareStatement(
        number="KS-2026-000001",
        domain="k000001.example.net",
        provider="ООО «Связь»",
        asked_by="Анна",
        asked_at=NOW,
        stated_at=NOW,
        lines=tuple(stated),
    )
    text = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(software_pdf(view))).pages)
    for part in ("Звонки", "запрос JSON-RPC", "Имена", "не сообщается"):
        assert part in text, part
    assert "asked" not in text
