"""What the bench does. The outside is played as in the demo; the clock is the wall's."""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import func, select
from sqlalchemy.orm import sessionmaker

from blocks.ledger import Service, ServiceState, Sessions, open_engine, reading, transaction
from flows import runtime
from flows.cli.demo_play import Demo
from flows.cli.demo_stack import DemoStack
from tasks.inbox import put_event
from tasks.order_forms import EventKind

SLOTS = 4
PRICE = "13989.00"


def item(order: str) -> dict[str, Any]:
    """A person's order of the smallest package."""
    customer = {"kind": "person", "name": "Анна Примерова", "email": f"{order}@example.net"}
    return {"customer": customer, "item": {"agreement": "KS", "contacts": 2}}


def latency(stack: DemoStack, secret: str, count: int) -> dict[str, float]:
    """Seconds from the order webhook to the request for payment, and from the payment webhook to the active service."""
    from flows.cli import demo_play

    demo = Demo(stack, secret, stack.say)
    asked, active = [], []
    for n in range(count):
        order = f"single-{n}"
        demo_play.ORDERS[order] = item(order)
        began = time.perf_counter()
        demo.post_order(order)
        demo.wait_state(order, "pending")
        asked.append(time.perf_counter() - began)
        demo.pay_online(order)
        active.append(demo.latency[order])
    demo.close()
    return {
        "order_to_payment_request_p50": round(statistics.median(asked), 2),
        "order_to_payment_request_p95": round(statistics.quantiles(asked, n=20)[-1], 2),
        "payment_to_active_p50": round(statistics.median(active), 2),
        "payment_to_active_p95": round(statistics.quantiles(active, n=20)[-1], 2),
    }


def fill(stack: DemoStack, sessions: Sessions, prefix: str, count: int, *, shuffled: bool = False) -> None:
    """Orders and their paid payments into an inbox, in order or in any."""
    auth = (stack.env["DOGOVOR_YOOKASSA_SHOP"], stack.env["DOGOVOR_YOOKASSA_SECRET"])
    base = f"http://127.0.0.1:{stack.sandbox_port}"

    def pay(order: str) -> str:
        body = {
            "amount": {"value": PRICE, "currency": "RUB"},
            "metadata": {"order": f"shop/{order}"},
            "confirmation": {"type": "redirect", "return_url": "https://shop.example.net/"},
            "paid": True,
        }
        headers = {"Idempotence-Key": f"bench-{order}"}
        with httpx.Client(base_url=base, auth=auth, timeout=15, trust_env=False) as http:
            return str(http.post("/v3/payments", json=body, headers=headers).raise_for_status().json()["id"])

    orders = [f"{prefix}-{n}" for n in range(count)]
    with ThreadPoolExecutor(8) as pool:
        payments = list(pool.map(pay, orders))
    events: list[tuple[str, str, EventKind, dict[str, Any]]] = []
    for order, payment in zip(orders, payments, strict=True):
        told = {"type": "notification", "event": "payment.succeeded", "object": {"id": payment}}
        events.append(("shop", f"o-{order}", EventKind.ORDER, {"order": order, **item(order)}))
        events.append(("yookassa", f"p-{order}", EventKind.PAYMENT, told))
    if shuffled:
        random.Random(count).shuffle(events)  # noqa: S311 - any order will do
    with transaction(sessions) as session:
        for source, event_id, kind, payload in events:
            put_event(session, source=source, event_id=event_id, kind=kind, payload=payload, now=runtime.now())


def active(sessions: Sessions) -> int:
    """How many services are active."""
    with reading(sessions) as session:
        query = select(func.count()).select_from(Service).where(Service.state == ServiceState.ACTIVE)
        return session.scalar(query) or 0


def prefect_backlog(stack: DemoStack, count: int) -> dict[str, float]:
    """A backlog that waits while the dispatcher is stopped, then its draining."""
    engine = open_engine(f"sqlite:///{stack.home / 'ledger.sqlite3'}")
    sessions = sessionmaker(engine)
    dispatcher = stack.children["dispatcher"]
    dispatcher.stop()
    before = active(sessions)
    fill(stack, sessions, "backlog", count)
    dispatcher.start()
    while active(sessions) == before:
        time.sleep(0.05)
    began, first = time.perf_counter(), active(sessions)
    while active(sessions) < before + count:
        time.sleep(0.2)
    took = time.perf_counter() - began
    engine.dispose()
    return {"seconds": round(took, 1), "orders_a_minute": round((before + count - first) / took * 60)}


def plain_backlog(stack: DemoStack, home: Path, count: int) -> dict[str, float]:
    """The same backlog, worked off by plain calls of the same functions in one process with as many threads."""
    home.mkdir(parents=True)
    env = {**stack.env, "DOGOVOR_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli.bench_plain", str(count)],
        env=env,
        input=json.dumps({"sandbox_port": stack.sandbox_port}),
        capture_output=True,
        text=True,
        check=True,
    )
    told: dict[str, float] = json.loads(done.stdout)
    return told


def memory(stack: DemoStack) -> dict[str, int]:
    """Resident memory of each long-running process in MB, with its children."""
    sizes = {}
    for name, child in stack.children.items():
        if child.process is not None:
            status = Path(f"/proc/{child.process.pid}/status").read_text()
            kilobytes = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
            sizes[name] = kilobytes // 1024
    return sizes
