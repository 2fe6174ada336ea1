"""The YooKassa client over httpx's mock wire: every kind of answer, and what it becomes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from blocks.clients.yookassa import PaymentStatus, YooKassa
from blocks.errors import NotFound, Refused, Transient
from blocks.terms.money import Money
from tests.conftest import PaymentSandbox

PAYMENT = {
    "id": "2a-1",
    "status": "pending",
    "amount": {"value": "13989.00", "currency": "RUB"},
    "metadata": {"order": "KS-2026-000001"},
    "confirmation": {"type": "redirect", "confirmation_url": "https://pay.example.net/1"},
    "something_new": {"a": 1},
}


def client(answer: Callable[[httpx.Request], httpx.Response]) -> YooKassa:
    return YooKassa("https://api.example.net/v3", "shop", "secret", transport=httpx.MockTransport(answer))


def test_a_payment_is_asked_for_with_its_key_and_credentials() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=PAYMENT)

    made = client(answer).create_payment(
        key="key-1",
        amount=Money.of("13989", "RUB"),
        description="Заказ",
        return_url="https://x.example.net/",
        metadata={"order": "KS-2026-000001"},
    )
    assert (made.id, made.status, str(made.amount)) == ("2a-1", PaymentStatus.PENDING, "13989.00 RUB")
    [request] = seen
    assert request.url == "https://api.example.net/v3/payments"
    assert request.headers["idempotence-key"] == "key-1"
    assert request.headers["authorization"].startswith("Basic ")
    assert b'"capture":true' in request.content


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_server_trouble_is_transient(status: int) -> None:
    with pytest.raises(Transient):
        client(lambda _: httpx.Response(status)).payment("1")


def test_a_wait_that_is_asked_for_is_passed_on() -> None:
    with pytest.raises(Transient) as caught:
        client(lambda _: httpx.Response(429, headers={"Retry-After": "17"})).payment("1")
    assert caught.value.retry_after == timedelta(seconds=17)


def test_a_broken_wire_and_a_broken_answer_are_transient() -> None:
    def broken(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("late")

    for answer in (broken, lambda _: httpx.Response(200, text="<html>"), lambda _: httpx.Response(200, json=[])):
        with pytest.raises(Transient):
            client(answer).payment("1")


def test_what_is_not_there_and_what_is_refused_are_final() -> None:
    with pytest.raises(NotFound):
        client(lambda _: httpx.Response(404)).payment("1")
    body = {"code": "invalid_request", "description": "no such currency"}
    with pytest.raises(Refused, match="no such currency"):
        client(lambda _: httpx.Response(400, json=body)).payment("1")


@pytest.mark.parametrize(
    "change",
    [
        {"amount": {"value": "1.005", "currency": "RUB"}},
        {"amount": {"value": "1", "currency": "XXX"}},
        {"status": "odd"},
    ],
)
def test_a_payment_that_does_not_read_is_refused_not_guessed(change: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="does not read"):
        client(lambda _: httpx.Response(200, json={**PAYMENT, **change})).payment("1")


def test_the_real_client_and_the_sandbox_speak_the_same(sandbox: PaymentSandbox) -> None:
    shop = YooKassa(f"{sandbox.url}/v3", "shop", "secret")
    ask = {
        "amount": Money.of("10.50", "RUB"),
        "description": "x",
        "return_url": "https://x.example.net/",
        "metadata": {"order": "1"},
    }
    first, again = shop.create_payment(key="conform-1", **ask), shop.create_payment(key="conform-1", **ask)  # type: ignore[arg-type]
    assert first == again
    assert shop.payment(first.id) == first
    sandbox.pay(first.id)
    assert shop.payment(first.id).status is PaymentStatus.SUCCEEDED
    with pytest.raises(NotFound):
        shop.payment("nothing")
    sandbox.fail("before", 1)
    with pytest.raises(Transient):
        shop.create_payment(key="conform-2", **ask)  # type: ignore[arg-type]
    assert "test" in shop.check()
    shop.close()
    stranger = YooKassa(f"{sandbox.url}/v3", "shop", "wrong")
    with pytest.raises(Refused, match="401"):
        stranger.check()
    stranger.close()
