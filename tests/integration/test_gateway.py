"""The gateway over a real socket."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.orm import sessionmaker

from blocks.ledger import InboxEvent, Refusal, open_engine, reading
from blocks.office import Office, open_office
from blocks.settings import Settings
from flows.gateway.edge import MAX_BODY
from tests.certificates_ordered import FIRM, certificate, csr_of
from tests.conftest import ORDER_SECRET, close_office, eventually
from tests.gateway_server import gateway, order_body, signed
from tests.servers.processes import free_port
from tests.work import inbox_states, ordered, page_token, qs

OLD_SECRET = "whsec_" + "b2xkLXNlY3JldC0t" * 3


@pytest.fixture
def http(office: Office) -> Iterator[httpx.Client]:
    with gateway(office) as client:
        yield client


def stored(office: Office) -> int:
    return len(inbox_states(office))


def refused(office: Office) -> dict[str, int]:
    with reading(office.sessions) as session:
        return {row.reason: row.count for row in session.scalars(select(Refusal))}


def test_a_signed_order_is_stored_before_it_is_acknowledged(office: Office, http: httpx.Client) -> None:
    body = order_body()
    answer = http.post("/webhooks/orders", content=body, headers=signed(body))
    assert (answer.status_code, answer.json()) == (202, {"duplicate": False})
    assert stored(office) == 1
    again = http.post("/webhooks/orders", content=body, headers=signed(body))
    assert (again.status_code, again.json()) == (202, {"duplicate": True})
    assert stored(office) == 1
    with reading(office.sessions) as session:
        assert session.scalars(select(InboxEvent.source)).one() == "shop"


def test_another_order_under_a_known_event_id_is_a_conflict(office: Office, http: httpx.Client) -> None:
    for order, status in (("A-1", 202), ("A-2", 409)):
        body = order_body(order)
        assert http.post("/webhooks/orders", content=body, headers=signed(body)).status_code == status
    assert stored(office) == 1


def forged(body: str) -> dict[str, dict[str, str]]:
    now = datetime.now(UTC)
    good = signed(body)
    return {
        "other body": signed(body + " "),
        "other key": signed(body, secret=OLD_SECRET),
        "other id": good | {"webhook-id": "evt-2"},
        "too old": signed(body, at=now - timedelta(minutes=5, seconds=5)),
        "too new": signed(body, at=now + timedelta(minutes=5, seconds=5)),
        "no headers": {},
        "no comma": good | {"webhook-signature": "nonsense"},
        "bad base64": good | {"webhook-signature": "v1,%%%"},
        "many commas": good | {"webhook-signature": "v1,a,b"},
        "asymmetric": good | {"webhook-signature": "v1a," + good["webhook-signature"][3:]},
        "time is text": good | {"webhook-timestamp": "soon"},
        "time is nan": good | {"webhook-timestamp": "nan"},
        "time is endless": good | {"webhook-timestamp": "1e400"},
    }


def test_whatever_is_forged_or_stale_is_refused_and_only_counted(office: Office, http: httpx.Client) -> None:
    body = order_body()
    cases = forged(body)
    for name, headers in cases.items():
        answer = http.post("/webhooks/orders", content=body, headers=headers)
        assert answer.status_code == 401, name
        assert "Traceback" not in answer.text
    assert stored(office) == 0
    eventually(lambda: refused(office).get("signature", 0) == len(cases), within_s=5)


def test_a_rotated_secret_is_good_as_long_as_it_is_configured(settings_for: Callable[..., Settings]) -> None:
    office = open_office(settings_for(order_sources={"shop": [ORDER_SECRET, OLD_SECRET], "other": [OTHER_SECRET]}))
    with gateway(office) as http:
        for n, secret in enumerate((ORDER_SECRET, OLD_SECRET, OTHER_SECRET)):
            body = order_body(f"A-{n}")
            headers = signed(body, f"evt-{n}", secret=secret)
            assert http.post("/webhooks/orders", content=body, headers=headers).status_code == 202
    with reading(office.sessions) as session:
        assert session.scalars(select(InboxEvent.source).order_by(InboxEvent.id)).all() == ["shop", "shop", "other"]
    close_office(office)


OTHER_SECRET = "whsec_" + "b3RoZXItc2hvcC0t" * 3


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "{",
        "\ufeff{}",
        "[" * 5000,
        '{"order": "A-1"}',
        order_body(order="A 1"),
        order_body(extra=1),
        order_body(item={"agreement": "XX"}),
        order_body(item={"agreement": "KS", "contacts": -1}),
        order_body(item={"agreement": "KS", "contacts": 10**30}),
        order_body(item={"agreement": "QS", "tariff": "start", "months": 2}),
        order_body(customer={"kind": "person", "name": "a\u0000b", "email": "customer@example.test"}),
        order_body(customer={"kind": "person", "name": "a\nBcc: x@example.test", "email": "customer@example.test"}),
        order_body(customer={"kind": "person", "name": "a", "email": "not an address"}),
        order_body(customer={"kind": "company", "name": "a", "email": "customer@example.test"}),
    ],
)
def test_a_genuine_order_that_does_not_read_is_refused(sqlite_office: Office, body: str) -> None:
    with gateway(sqlite_office) as http:
        answer = http.post("/webhooks/orders", content=body.encode(), headers=signed(body))
    assert answer.status_code == 422
    assert stored(sqlite_office) == 0


@pytest.mark.clause("SSL-A1b")
def test_ssl_a1b_an_application_that_nobody_can_carry_out_is_told_so_at_the_door(sqlite_office: Office) -> None:
    item = certificate(product="positivessl", domain="shop.by", csr=csr_of("shop.by"))
    body = order_body(item=item, customer=FIRM)
    with gateway(sqlite_office) as http:
        answer = http.post("/webhooks/orders", content=body.encode(), headers=signed(body))
    assert answer.status_code == 422
    assert "Sectigo PositiveSSL is not sold for shop.by" in answer.text
    assert stored(sqlite_office) == 0


def test_a_body_over_the_limit_is_refused_declared_or_not(office: Office, http: httpx.Client) -> None:
    assert http.post("/webhooks/orders", content=b"x" * (MAX_BODY + 1)).status_code == 413
    endless = (b"x" * 65536 for _ in range(100))
    assert http.post("/webhooks/orders", content=endless).status_code == 413
    assert stored(office) == 0


def test_a_body_that_does_not_come_is_given_up(sqlite_office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.gateway.edge.BODY_SECONDS", 0.3)
    with (
        gateway(sqlite_office) as http,
        socket.create_connection((str(http.base_url.host), http.base_url.port or 0)) as wire,
    ):
        wire.sendall(b"POST /webhooks/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nslow")
        assert b" 408 " in wire.recv(200)


def test_one_address_may_not_ask_too_often(settings_for: Callable[..., Settings]) -> None:
    office = open_office(settings_for(requests_a_minute=5))
    with gateway(office) as http:
        answers = [http.get("/healthz") for _ in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    assert answers[-1].headers["retry-after"] == "60"
    close_office(office)


def test_ten_thousand_bad_requests_leave_nothing_but_counts(settings_for: Callable[..., Settings]) -> None:
    office = open_office(settings_for(requests_a_minute=1_000_000))
    chance = random.Random(7)  # noqa: S311 - noise
    body = order_body()
    variants = [headers for name, headers in forged(body).items() if name != "too new"]  # it would become valid
    codes: set[int] = set()
    with gateway(office) as http:
        for n in range(10_000):
            noise = chance.randbytes(chance.randrange(400))
            headers = variants[n % len(variants)]
            match n % 4:
                case 0:
                    answer = http.post("/webhooks/orders", content=noise, headers=headers)
                case 1:
                    answer = http.post("/webhooks/orders", content=body, headers=headers)
                case 2:
                    answer = http.post("/webhooks/yookassa", content=noise)
                case _:
                    answer = http.get(f"/secrets/{chance.randbytes(8).hex()}")
            codes.add(answer.status_code)
        assert codes <= {401, 404, 422}
        eventually(lambda: sum(refused(office).values()) == 10_000, within_s=5)
    assert stored(office) == 0
    close_office(office)


def test_a_payment_notification_is_believed_from_yookassas_addresses_only(
    settings_for: Callable[..., Settings],
) -> None:
    office = open_office(
        settings_for(yookassa_networks=["185.71.76.0/27"], trusted_proxies=["127.0.0.1/32", "10.0.0.0/8"])
    )
    told = {"type": "notification", "event": "payment.succeeded", "object": {"id": "2a-b", "status": "succeeded"}}
    chains = {
        "185.71.76.5": 200,
        "185.71.76.5, 10.1.2.3": 200,
        "185.71.76.32": 401,
        "185.71.76.5, 203.0.113.9": 401,
        "nonsense": 401,
        "": 401,
    }
    with gateway(office) as http:
        for chain, status in chains.items():
            headers = {"x-forwarded-for": chain} if chain else {}
            assert http.post("/webhooks/yookassa", json=told, headers=headers).status_code == status, chain
    with reading(office.sessions) as session:
        kept = session.scalars(select(InboxEvent)).one()
    assert kept.event_id == "payment.succeeded:2a-b"
    assert kept.payload == {"type": "notification", "event": "payment.succeeded", "object": {"id": "2a-b"}}
    close_office(office)


def test_a_forwarded_address_is_not_believed_without_a_trusted_proxy(settings_for: Callable[..., Settings]) -> None:
    office = open_office(settings_for(yookassa_networks=["185.71.76.0/27"]))
    told = {"type": "notification", "event": "payment.succeeded", "object": {"id": "2a-b"}}
    with gateway(office) as http:
        answer = http.post("/webhooks/yookassa", json=told, headers={"x-forwarded-for": "185.71.76.5"})
    assert answer.status_code == 401
    close_office(office)


@pytest.mark.clause("KS-1.4")
def test_ks_1_4_opening_the_page_shows_nothing_and_pressing_shows_it_once(office: Office, http: httpx.Client) -> None:
    number = ordered(office, "Q-1", qs("free", 0))
    page = f"/secrets/{page_token(office, number)}"
    assert http.head(page).status_code in (200, 405)
    for _ in range(2):
        opened = http.get(page)
        assert opened.status_code == 200
        assert "Показать один раз" in opened.text
    first, second = http.post(page), http.post(page)
    assert (first.status_code, second.status_code) == (200, 410)
    assert "Токен доступа" in first.text
    assert "Токен доступа" not in second.text
    assert "Уже показано" in http.get(page).text
    for answer in (opened, first, second):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_page_before_its_secret_says_so(office: Office, http: httpx.Client) -> None:
    page = f"/secrets/{page_token(office, ordered(office, 'Q-1', qs('start', 1)))}"
    assert "Готовим данные доступа" in http.get(page).text
    assert http.post(page).status_code == 409
    assert http.get(f"/secrets/{'x' * 43}").status_code == 404
    assert http.post(f"/secrets/{'x' * 43}").status_code == 404


def test_health_readiness_and_the_openapi_document(office: Office, http: httpx.Client) -> None:
    assert http.get("/healthz").json() == {"status": "ok"}
    assert http.get("/readyz").json() == {"status": "ok"}
    described = http.get("/openapi.json").json()
    schema = described["paths"]["/webhooks/orders"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["required"]) == {"order", "customer", "item"}
    assert http.get("/nowhere").json() == {"error": "http_404"}


def test_without_its_ledger_the_gateway_says_not_now(settings_for: Callable[..., Settings]) -> None:
    nowhere = f"postgresql+psycopg://postgres@127.0.0.1:{free_port()}/none"
    engine = open_engine(nowhere)
    office = Office(settings_for(ledger_url=nowhere), engine, sessionmaker(engine))
    body = order_body()
    with gateway(office) as http:
        answer = http.post("/webhooks/orders", content=body, headers=signed(body))
        assert (answer.status_code, answer.json()) == (503, {"error": "unavailable"})
        assert http.get("/readyz").status_code == 503
        assert http.get("/healthz").status_code == 200
    close_office(office)
