"""A stand-in for YooKassa on this machine, for the demo and the tests: the same wire, no money.

It keeps the parts of API v3 that `YooKassa` uses: Basic authentication, Idempotence-Key, payment states, notifications
with retries. A payer is played by POST /sandbox/payments/{id}/succeed or /cancel. It refuses to run in production.
"""

from __future__ import annotations

import asyncio
import hmac
import uuid
from base64 import b64encode
from collections import Counter
from datetime import UTC, datetime
from html import escape
from typing import Annotated, Any

import httpx
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from blocks.errors import Refused


class Sandbox:
    """The sandbox's state: payments by id, answers by idempotence key, faults to play."""

    def __init__(self, shop: str, secret: str, notify_url: str, environment: str) -> None:
        if environment == "production":
            raise Refused("sandbox", "the payment sandbox does not run in production")
        self.shop = shop
        self.secret = secret
        self.notify_url = notify_url
        self.payments: dict[str, dict[str, Any]] = {}
        self.by_key: dict[str, str] = {}
        self.faults: Counter[str] = Counter()
        """How many of the next calls answer 500 after doing their work ("after") or without ("before")."""
        self.sending: set[asyncio.Task[None]] = set()

    def authorize(self, header: str | None) -> None:
        """Basic authentication, compared in constant time."""
        wanted = "Basic " + b64encode(f"{self.shop}:{self.secret}".encode()).decode()
        if not hmac.compare_digest(wanted.encode(), (header or "").encode()):
            raise HTTPException(401, {"type": "error", "code": "invalid_credentials"})

    def fault(self, when: str) -> None:
        """Answer 500 when one is to be played."""
        if self.faults[when] > 0:
            self.faults[when] -= 1
            raise HTTPException(500, {"type": "error", "code": "internal_server_error"})

    def create(self, key: str, body: dict[str, Any], base_url: str) -> dict[str, Any]:
        """A new payment, or the one made under that key before. Its payer pays at `base_url`, or has (`paid`)."""
        if key not in self.by_key:
            payment_id = str(uuid.uuid4())
            self.by_key[key] = payment_id
            self.payments[payment_id] = {
                "id": payment_id,
                "status": "succeeded" if body.get("paid") else "pending",
                "paid": bool(body.get("paid")),
                "amount": body["amount"],
                "description": body.get("description", ""),
                "metadata": body.get("metadata", {}),
                "created_at": datetime.now(UTC).isoformat(),
                "test": True,
                "confirmation": {
                    "type": "redirect",
                    "return_url": body["confirmation"]["return_url"],
                    "confirmation_url": f"{base_url}sandbox/pay/{payment_id}",
                },
            }
        return self.payments[self.by_key[key]]

    def known(self, payment_id: str) -> dict[str, Any]:
        """A payment, or 404."""
        if payment_id not in self.payments:
            raise HTTPException(404, {"type": "error", "code": "not_found"})
        return self.payments[payment_id]

    def play(self, payment_id: str, status: str) -> dict[str, Any]:
        """The payer pays, or the payment is cancelled; the shop is told."""
        payment = self.known(payment_id)
        if status == "refunded":
            payment["refunded_amount"] = payment["amount"]
            self.notify_soon("refund.succeeded", {"id": str(uuid.uuid4()), "payment_id": payment_id})
            return payment
        if status not in ("succeeded", "canceled"):
            raise HTTPException(404)
        payment["status"], payment["paid"] = status, status == "succeeded"
        self.notify_soon(f"payment.{status}", payment)
        return payment

    async def notify(self, event: str, payment: dict[str, Any]) -> None:
        """Tell the shop, as YooKassa does: repeated until answered 2xx (here for half a minute)."""
        body = {"type": "notification", "event": event, "object": payment}
        async with httpx.AsyncClient(timeout=5) as http:
            for _ in range(30):
                try:
                    if (await http.post(self.notify_url, json=body)).is_success:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(1)

    def notify_soon(self, event: str, payment: dict[str, Any]) -> None:
        """Notify without making the payer wait."""
        task = asyncio.get_running_loop().create_task(self.notify(event, dict(payment)))
        self.sending.add(task)
        task.add_done_callback(self.sending.discard)


def create_sandbox(shop: str, secret: str, notify_url: str, environment: str) -> FastAPI:
    """The sandbox as an ASGI application. Raises Refused in production."""
    app = FastAPI(title="YooKassa sandbox")
    app.state.sandbox = Sandbox(shop, secret, notify_url, environment)
    app.include_router(_api)
    app.include_router(_stage)
    return app


def _state(request: Request) -> Sandbox:
    state: Sandbox = request.app.state.sandbox
    return state


def _authorized(request: Request, authorization: Annotated[str | None, Header()] = None) -> Sandbox:
    state = _state(request)
    state.authorize(authorization)
    return state


Authorized = Annotated[Sandbox, Depends(_authorized)]
_api = APIRouter(prefix="/v3")
_stage = APIRouter(prefix="/sandbox")


@_api.get("/me")
async def _me(state: Authorized) -> dict[str, Any]:
    return {"account_id": state.shop, "test": True, "status": "enabled"}


@_api.post("/payments")
async def _create(
    request: Request, state: Authorized, idempotence_key: Annotated[str | None, Header()] = None
) -> dict[str, Any]:
    if not idempotence_key:
        raise HTTPException(400, {"type": "error", "code": "invalid_request", "parameter": "Idempotence-Key"})
    state.fault("before")
    payment = state.create(idempotence_key, await request.json(), str(request.base_url))
    state.fault("after")
    return payment


@_api.get("/payments/{payment_id}")
async def _fetch(payment_id: str, state: Authorized) -> dict[str, Any]:
    return state.known(payment_id)


@_stage.get("/pay/{payment_id}")
async def _payment_page(payment_id: str, state: Annotated[Sandbox, Depends(_state)]) -> HTMLResponse:
    payment = state.known(payment_id)
    told = f"{payment['description']}: {payment['amount']['value']} {payment['amount']['currency']}"
    return HTMLResponse(
        f"<!doctype html><meta charset=utf-8><title>Песочница</title><h1>{escape(told)}</h1>"
        "<form method=post><button>Оплатить (деньги не списываются)</button></form>"
    )


@_stage.post("/pay/{payment_id}")
async def _pay(payment_id: str, state: Annotated[Sandbox, Depends(_state)]) -> RedirectResponse:
    payment = state.play(payment_id, "succeeded")
    return RedirectResponse(payment["confirmation"]["return_url"], 303)


@_stage.post("/payments/{payment_id}/{outcome}")
async def _play(payment_id: str, outcome: str, state: Annotated[Sandbox, Depends(_state)]) -> dict[str, Any]:
    return state.play(payment_id, {"succeed": "succeeded", "cancel": "canceled", "refund": "refunded"}.get(outcome, ""))


@_stage.post("/faults/{when}/{count}")
async def _set_faults(when: str, count: int, state: Annotated[Sandbox, Depends(_state)]) -> dict[str, int]:
    state.faults[when] = count
    return dict(state.faults)
