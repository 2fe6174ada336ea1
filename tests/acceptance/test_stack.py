"""The main job on a running installation, seen by its users."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from playwright.sync_api import Page
from sqlalchemy import func, select

from blocks.ledger import (
    InboxEvent,
    InboxState,
    Notice,
    Order,
    OrderState,
    Outage,
    Service,
    ServiceState,
    Ticket,
    Window,
    Work,
    WorkState,
    reading,
)
from flows.cli import demo_play
from flows.cli.bench_play import active, fill
from flows.cli.demo_play import COMPANY, PERSON, Demo
from flows.cli.demo_stack import DemoStack
from tasks.stories import order_numbers, story_of
from tests.acceptance.prefect_api import api, resume, run_deployment, suspended, wait_run
from tests.conftest import eventually
from tests.servers.chromium import chromium_page

TICKET = {
    "ticket": "desk-t-1",
    "agreement": "KS",
    "kind": "technical",
    "sender": "customer@example.net",
    "subject": "Нет звука",
    "substance": "Собеседник не слышит",
    "occurred": "сегодня в десять",
    "actions": "Перезапустил приложение",
}
OUTAGE = {
    "service": "messages",
    "operator": "О. Петрова",
    "what": "Нет связи с узлом",
    "began_at": datetime.now(UTC).isoformat(),
    "by_logs": True,
}
pytestmark = [pytest.mark.xdist_group("stack"), pytest.mark.timeout(2400)]


def place(demo: Demo, order: str, item: dict[str, Any], customer: dict[str, Any] = PERSON) -> str:
    """Post a signed order; our number."""
    demo_play.ORDERS[order] = {"customer": customer, "item": item}
    assert demo.post_order(order) == 202
    return demo.number(order)


def test_every_deployment_is_there_and_scheduled_runs_appear(stack: DemoStack) -> None:
    deployments = {row["name"]: row for row in api(stack, "/deployments/filter", {})}
    assert len(deployments) == 64
    zones = {schedule["schedule"]["timezone"] for row in deployments.values() for schedule in row["schedules"]}
    assert zones == {"Europe/Moscow", "Asia/Almaty", "Europe/Minsk"}
    form = deployments["submit-order"]["parameter_openapi_schema"]
    assert "OrderForm" in json.dumps(form)

    def scheduled() -> bool:
        runs = api(stack, "/flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}})
        return len({run["deployment_id"] for run in runs}) >= 4

    eventually(scheduled, within_s=60)
    automations = {row["name"] for row in api(stack, "/automations/filter", {})}
    assert automations == {"dogovor: a run without heartbeat", "dogovor: a run ended badly"}
    blocks = api(stack, "/block_documents/filter", {"include_secrets": False})
    assert {row["block_type"]["slug"] for row in blocks} == {"dogovor-mail", "dogovor-payments"}
    assert stack.env["DOGOVOR_YOOKASSA_SECRET"] not in json.dumps(blocks)


def test_an_operator_enters_and_decides_orders_from_forms(stack: DemoStack, demo: Demo) -> None:
    form = {"order": "desk-1", "customer": PERSON, "item": {"agreement": "KS", "contacts": 7, "delivery": "electronic"}}
    run = run_deployment(stack, "submit-order", {"form": form})
    assert wait_run(stack, run, "Completed") == "Completed"
    number = demo.wait("the order", lambda: order_numbers(demo.sessions).get("operator/desk-1"))
    decision = {"order": number, "action": "cancel", "operator": "О. Петрова", "note": "нет такого пакета"}
    assert wait_run(stack, run_deployment(stack, "decide-order", {"decision": decision}), "Completed") == "Completed"
    told = story_of(demo.sessions, number)
    assert told.state == "cancelled"
    assert told.lines[-1].who == "О. Петрова"
    again = run_deployment(stack, "decide-order", {"decision": {**decision, "action": "resume"}})
    assert wait_run(stack, again, "Completed") == "Failed", "a refusal is shown as one"


@pytest.mark.clause("KS-1.4", "KS-2.1")
def test_ks_1_4_an_envelope_is_confirmed_by_a_named_person_in_a_suspended_run(stack: DemoStack, demo: Demo) -> None:
    number = place(demo, "env-1", {"agreement": "KS", "contacts": 2, "delivery": "envelope"})
    demo.pay_online("env-1")
    eventually(lambda: len(suspended(stack, f"envelope of {number}")) == 1, within_s=90)
    run = suspended(stack, f"envelope of {number}")[0]["id"]
    assert resume(stack, run, {"handed_over": True}) == "REJECT", "nobody is named"
    answer = {"operator": "О. Петрова", "handed_over": True, "note": "лично"}
    eventually(lambda: resume(stack, run, answer) == "ACCEPT")
    demo.wait_state("env-1", "completed")
    assert any(line.who == "О. Петрова" for line in demo.story("env-1").lines)


@pytest.mark.clause("KS-1.4")
def test_ks_1_4_a_customer_sees_the_password_once_in_a_browser(demo: Demo, tmp_path: Path) -> None:
    place(demo, "page-1", {"agreement": "KS", "contacts": 2})
    letter = demo.letter("page-1", "/secrets/")
    link = next(word for word in letter.split() if "/secrets/" in word)
    with chromium_page() as page:
        page.goto(link)
        assert page.get_by_role("heading", name="Готовим данные доступа").is_visible()
        demo.pay_online("page-1")
        page.goto(link)
        page.screenshot(path=tmp_path / "ready.png")
        page.get_by_role("button", name="Показать один раз").click()
        password = page.locator("code").inner_text()
        assert len(password) == 20
        page.screenshot(path=tmp_path / "revealed.png")
        page.goto(link)
        assert page.get_by_role("heading", name="Уже показано").is_visible()
        assert password not in page.content()
    demo.wait_state("page-1", "completed")


def test_every_watch_and_every_form_runs_to_its_end(stack: DemoStack, demo: Demo) -> None:
    number = place(demo, "watched-1", {"agreement": "KS", "contacts": 12}, COMPANY)
    receipt = {"order": number, "amount": {"amount": "49989.00", "currency": "RUB"}, "reference": "BANK-W"}
    facts = {"contacts": 6, "ordered_on": "2026-11-22"}
    parameters: dict[str, dict[str, Any]] = {
        "watch-obligations": {},
        "follow-notices": {},
        "keep-orders": {},
        "check-connections": {},
        "retry-parked": {},
        "show-order": {"order": number},
        "ask-terms": {"clause": "KS-4.1", "facts": facts},
        "record-receipt": {"receipt": receipt},
        "report-bad-run": {"failed_run": "a-run", "what": "keep-orders: Failed"},
        "watch-service": {},
        "probe-services": {"hours": 0.004},
        "read-support-mail": {},
        "submit-ticket": {"form": TICKET},
        "open-outage": {"form": OUTAGE},
        "availability-report": {"agreement": "KS", "kind": "year", "year": datetime.now(UTC).year},
    }
    runs = {name: run_deployment(stack, name, values) for name, values in parameters.items()}
    ends = {name: wait_run(stack, run, "Completed") for name, run in runs.items()}
    for name in [name for name, end in ends.items() if end == "Cancelled"]:  # its schedule ran it at the same time
        ends[name] = wait_run(stack, run_deployment(stack, name, parameters[name]), "Completed")
    assert set(ends.values()) == {"Completed"}, ends
    demo.wait_active("watched-1")
    keys = {row["key"] for row in api(stack, "/artifacts/latest/filter", {})}
    assert {"open-obligations", "connections", "clause-ks-4-1", f"order-{number.lower()}", "open-tickets"} <= keys
    with reading(demo.sessions) as session:
        ticket, outage = session.scalars(select(Ticket)).one(), session.scalars(select(Outage)).one()
    shown = run_deployment(stack, "show-ticket", {"ticket": ticket.number})
    assert wait_run(stack, shown, "Completed") == "Completed"
    ended = datetime.now(UTC).isoformat()
    ending = {"outage": outage.number, "operator": "О. Петрова", "ended_at": ended, "note": "узел заменён"}
    closed = run_deployment(stack, "close-outage", {"form": ending})
    assert wait_run(stack, closed, "Completed") == "Completed"


def test_no_secret_reaches_prefect_or_a_log(stack: DemoStack, demo: Demo) -> None:
    place(demo, "leak-1", {"agreement": "QS", "tariff": "start", "months": 1})
    link = next(word for word in demo.letter("leak-1", "/secrets/").split() if "/secrets/" in word)
    demo.pay_online("leak-1")
    shown = httpx.post(link, trust_env=False).text
    secrets = [part.split("</code>")[0] for part in shown.split("<code>")[1:]]
    assert len(secrets) >= 2
    hidden = [secret for secret in secrets if not secret.startswith("wss:")]
    hidden += [link.rpartition("/")[2], stack.env["DOGOVOR_YOOKASSA_SECRET"], COMPANY["email"]]
    for path in [*(stack.home / "logs").iterdir(), *(stack.home / "prefect").glob("prefect.db*")]:
        content = path.read_bytes()
        assert not any(secret.encode() in content for secret in hidden), path.name


def test_a_thousand_orders_survive_prefect_and_the_dispatcher_being_killed(stack: DemoStack, demo: Demo) -> None:
    count, repeated = 1000, 100
    before = active(demo.sessions)
    dispatcher, prefect = stack.children["dispatcher"], stack.children["prefect"]
    assert dispatcher.process is not None
    assert prefect.process is not None
    fill(stack, demo.sessions, "many", count, shuffled=True)
    eventually(lambda: active(demo.sessions) >= before + 50, within_s=180)
    dispatcher.process.kill()
    dispatcher.process.wait()
    dispatcher.start()
    eventually(lambda: active(demo.sessions) >= before + 150, within_s=180)
    prefect.process.kill()
    prefect.process.wait()
    for n in range(repeated):
        demo_play.ORDERS[f"many-{n}"] = demo_play_item(n)
        assert demo.post_order(f"many-{n}", event_id=f"again-{n}") == 202, "the gateway needs no Prefect"
    time.sleep(5)
    prefect.start()
    stack.wait_for(prefect, f"{stack.prefect_url}/health")
    eventually(lambda: active(demo.sessions) >= before + count, within_s=1500)
    eventually(lambda: unfinished(demo) == 0, within_s=300)
    with reading(demo.sessions) as session:
        orders = session.scalar(select(func.count()).select_from(Order).where(Order.external_id.like("many-%")))
        services = session.scalar(
            select(func.count())
            .select_from(Service)
            .join(Order, Order.id == Service.order_id)
            .where(Order.external_id.like("many-%"), Service.state == ServiceState.ACTIVE)
        )
        held = session.scalar(
            select(func.count())
            .select_from(Order)
            .where(Order.external_id.like("many-%"), Order.state == OrderState.HELD)
        )
    assert (orders, services, held) == (count, count, 0)
    assert active(demo.sessions) == before + count
    letters = letters_by_order(stack.home / "outbox")
    assert sorted(letters.values()) == [1] * len(letters), "one letter with access data an order"


def demo_play_item(n: int) -> dict[str, Any]:
    from flows.cli.bench_play import item

    return item(f"many-{n}")


def unfinished(demo: Demo) -> int:
    with reading(demo.sessions) as session:
        query = select(func.count()).select_from(InboxEvent).where(InboxEvent.state != InboxState.DONE)
        return session.scalar(query) or 0


def letters_by_order(outbox: Path) -> dict[str, int]:
    """How many letters with an attached file of access data there are, by order."""
    found: dict[str, int] = {}
    for path in outbox.glob("*.eml"):
        content = path.read_bytes()
        marker = b'filename="access-'
        if marker in content:
            number = content.split(marker)[1].split(b".zip")[0].decode()
            found[number] = found.get(number, 0) + 1
    return found


def picture(page: Page, path: Path, url: str) -> str:
    """Open a page, keep its picture, and give its HTML."""
    page.goto(url)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=path, full_page=True)
    return page.content()


@pytest.mark.clause("KS-3.7", "OCP-P3.2.5", "OCP-P3.2.6")
def test_ks_3_7_a_saturday_is_planned_agreed_in_the_ui_and_run_under_a_forced_clock(
    stack: DemoStack, demo: Demo, tmp_path: Path
) -> None:
    today = datetime.now(ZoneInfo("Europe/Moscow")).date()
    saturday = today + timedelta(days=(5 - today.weekday()) % 7 + 21)
    opens = datetime.combine(saturday, time_of_day(9), ZoneInfo("Europe/Moscow"))
    status = f"{stack.gateway_url}/status"
    for runbook in ("upgrade-messages", "replace-storage"):
        run = run_deployment(stack, "queue-work", {"work": {"runbook": runbook, "operator": "О. Петрова"}})
        assert wait_run(stack, run, "Completed") == "Completed"
    asked_on = (opens - timedelta(days=8)).isoformat()
    plan = run_deployment(stack, "plan-maintenance", {"as_of": asked_on})
    assert wait_run(stack, plan, "Completed") == "Completed"
    with reading(demo.sessions) as session:
        window = session.scalars(select(Window)).one()
    assert (window.starts_at, window.needs_agreement) == (opens, True), "a week later than asked: five days' notice"
    title = f"agreement on {window.number}"
    eventually(lambda: len(suspended(stack, title)) == 1, within_s=90)
    waiting = suspended(stack, title)[0]["id"]
    early = run_deployment(stack, "run-maintenance-window", {"window": window.number, "as_of": opens.isoformat()})
    assert wait_run(stack, early, "Completed") == "Failed", "nobody has agreed yet"
    with chromium_page() as page:
        before = picture(page, tmp_path / "status-before.png", status)
        assert window.number in before
        assert "запланированы" in before
        picture(page, tmp_path / "approval.png", f"{stack.prefect_url.removesuffix('/api')}/runs/flow-run/{waiting}")
        answer = {"operator": "О. Петрова", "who": "Дежурный Оператора", "proof": "письмо 17", "agreed": True}
        eventually(lambda: resume(stack, waiting, answer) == "ACCEPT", within_s=60)
        assert wait_run(stack, waiting, "Completed") == "Completed"
        run = run_deployment(stack, "run-maintenance-window", {"window": window.number, "as_of": opens.isoformat()})
        eventually(lambda: "идут работы" in httpx.get(status, trust_env=False).text, within_s=90)
        assert "Идут работы" in picture(page, tmp_path / "status-during.png", status)
        assert wait_run(stack, run, "Completed") == "Completed"
        after = picture(page, tmp_path / "status-after.png", status)
    assert "Обновление сервера сообщений: выполнено" in after
    assert "возвращено в прежнее состояние" in after
    calendar = httpx.get(f"{status}.ics", trust_env=False)
    assert f"UID:{window.number}@dogovor" in calendar.text
    with reading(demo.sessions) as session:
        kinds = session.scalars(select(Notice.kind).where(Notice.about == window.number)).all()
        states = session.scalars(select(Work.state).order_by(Work.id)).all()
    assert Counter(kinds)["works_planned"] == Counter(kinds)["works_done"] >= 2
    assert states == [WorkState.DONE, WorkState.UNDONE]
    assert (stack.home / "messages.version").read_text().strip() == "2"
