from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from blocks.ledger import *
from flows.fulfilment import advance
from reports.story import order_story
from tasks.events import apply_event
from tasks.inbox import *
from tasks.order_forms import *
from tasks.reveal import *
from tasks.stories import story_of

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


def put(office, source, event_id, kind, payload, now=NOW):
    with transaction(office.sessions) as s:
        put_event(s, source=source, event_id=event_id, kind=kind, payload=payload, now=now)


def drain(office, now):
    n = None
    while evs := claim(office.sessions, owner="t", now=now, limit=10):
        for e in evs:
            r = apply_event(office, e, now=now)
            print(r)
            if r.order:
                advance(office, r.order, now=now)
                n = r.order
            finish(office.sessions, e, owner="t", outcome=r.outcome, now=now)
    return n


def test_smoke(office, sandbox):
    put(
        office,
        "shop",
        "e1",
        "order.created",
        {
            "order": "A1",
            "customer": {"kind": "person", "name": "Мария Иванова", "email": "m@example.test"},
            "item": {"agreement": "KS", "contacts": 2},
        },
    )
    n = drain(office, NOW)
    with office.sessions() as s:
        p = s.scalars(select(Payment)).one()
        pid = p.provider_id
    sandbox.pay(pid)
    put(
        office,
        "yookassa",
        "e2",
        "payment.notification",
        {"type": "notification", "event": "payment.succeeded", "object": {"id": pid}},
    )
    drain(office, NOW + timedelta(minutes=2))
    with office.sessions() as s:
        pass
    tok = office.sealer.page_token(f"access:{n}")
    print(page_of(office, tok))
    print(reveal(office, tok, now=NOW + timedelta(minutes=3)), reveal(office, tok, now=NOW))
    drain(office, NOW + timedelta(minutes=4))
    print(order_story(story_of(office.sessions, n)))
    put(
        office,
        "shop",
        "e3",
        "order.created",
        {
            "order": "A2",
            "customer": {"kind": "person", "name": "Мария Иванова", "email": "m@example.test"},
            "item": {"agreement": "QS", "tariff": "free"},
        },
    )
    n = drain(office, NOW)
    print(order_story(story_of(office.sessions, n)))
