"""A stand-in for the reseller on this machine, for the demo and the tests: the same wire, certificates nobody trusts.

It keeps the parts of the API that `GoGetSsl` uses. What a CA decides is played by POST /sandbox/next/{outcome} for the
next order and /sandbox/orders/{id}/{outcome} for one that is there; what goes wrong on the wire by
/sandbox/faults/{fault}/{count}. It refuses to run in production.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from blocks.clients.ca.gogetssl_sandbox_state import Fault, Outcome, Sandbox, ids, no, price

_GARBAGE = 200


def create_sandbox(sandbox: Sandbox) -> FastAPI:
    """The stand-in as an ASGI application."""
    app = FastAPI(title="GoGetSSL sandbox")
    app.state.sandbox = sandbox
    app.include_router(_api)
    app.include_router(_stage)
    app.add_exception_handler(HTTPException, _error)
    return app


async def _error(request: Request, error: Exception) -> Response:
    del request
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == _GARBAGE:
        return PlainTextResponse("<html>")
    return JSONResponse({"error": True, "message": error.detail}, error.status_code, error.headers)


def _state(request: Request) -> Sandbox:
    state: Sandbox = request.app.state.sandbox
    return state


async def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode()))


async def _opened(request: Request) -> Sandbox:
    state = _state(request)
    if state.fault("limit"):
        raise HTTPException(429, "Too many requests", {"Retry-After": "7"})
    if state.fault("before"):
        raise HTTPException(500, "Internal error")
    if state.fault("key"):
        state.keys.clear()
    if request.query_params.get("auth_key", "") not in state.keys:
        raise HTTPException(403, "Auth key is not valid")
    return state


Stage = Annotated[Sandbox, Depends(_state)]
Opened = Annotated[Sandbox, Depends(_opened)]
Form = Annotated[dict[str, str], Depends(_form)]
_api = APIRouter(prefix="/api")
_stage = APIRouter(prefix="/sandbox")


async def _finished(request: Request, state: Sandbox) -> None:
    """What goes wrong once the work is done."""
    if state.fault("after"):
        raise HTTPException(500, "Internal error")
    if state.fault("garbage"):
        raise HTTPException(_GARBAGE)
    if state.fault("silent"):
        while (await request.receive())["type"] != "http.disconnect":
            pass


@_api.post("/auth/")
async def _auth(state: Stage, form: Form) -> dict[str, Any]:
    if not hmac.compare_digest(form.get("pass", ""), state.password) or form.get("user") != state.user:
        raise HTTPException(403, "User or password is wrong")
    key = secrets.token_hex(20)
    state.keys.add(key)
    return {"key": key, "success": True}


@_api.get("/products/ssl/")
async def _products(state: Opened) -> dict[str, Any]:
    del state
    rows = [
        {
            "id": number,
            "product": found.reseller,
            "brand": found.brand.lower(),
            "wildcard_enabled": int(found.wildcard),
            "custom_dcv_random_value": int(found.brand == "Sectigo"),
        }
        for number, found in ids().items()
    ]
    return {"products": rows, "success": True}


@_api.get("/products/all_prices/")
async def _prices(state: Opened) -> dict[str, Any]:
    del state
    rows = [
        {"id": number, "period": "12", "price": str(price(found)), "currency": "EUR"} for number, found in ids().items()
    ]
    return {"product_prices": rows, "success": True}


@_api.get("/account/balance/")
async def _balance(state: Opened) -> dict[str, Any]:
    return {"balance": f"{state.balance:,.2f}", "currency": "EUR", "success": True}


@_api.post("/orders/add_ssl_order/")
@_api.post("/orders/add_ssl_renew_order/")
async def _add(request: Request, state: Opened, form: Form) -> dict[str, Any]:
    order = state.add(form)
    await _finished(request, state)
    told = order.told(reference=False, csr=False)
    return {"order_id": order.id, "order_status": order.status, "success": True} | {
        name: told[name] for name in ("approver_method", "san")
    }


@_api.get("/orders/ssl/all")
async def _all(state: Opened, limit: int = 1000, offset: int = 0) -> dict[str, Any]:
    rows = [{"order_id": order.id, "status": order.status} for order in state.orders.values()]
    return {"orders": rows[offset : offset + limit], "limit": limit, "offset": offset, "success": True}


@_api.get("/orders/status/{number}")
async def _status(number: int, state: Opened) -> dict[str, Any]:
    order = state.known(number)
    state.look(order)
    return order.told(reference=state.keeps_reference, csr=state.shows_csr)


@_api.post("/orders/ssl/revalidate/{number}")
async def _revalidate(number: int, state: Opened) -> dict[str, Any]:
    state.look(state.known(number))
    return {"success": True}


@_api.post("/orders/ssl/reissue/{number}")
async def _reissue(number: int, request: Request, state: Opened, form: Form) -> dict[str, Any]:
    state.reissue(state.known(number), form)
    await _finished(request, state)
    return {"order_id": number, "order_status": "reissue", "success": True}


@_api.post("/orders/cancel_ssl_order/")
async def _cancel(state: Opened, form: Form) -> dict[str, Any]:
    order = state.known(int(form.get("order_id", "0")))
    if order.status in {"cancelled", "rejected"}:
        raise no("Order is over already")
    state.balance += price(order.product)
    order.status, order.said = "cancelled", ""
    return {"order_id": order.id, "success": True}


@_stage.post("/next/{outcome}")
async def _play_next(outcome: Outcome, state: Stage) -> dict[str, str]:
    state.next_outcome = outcome
    return {"next": outcome}


@_stage.post("/orders/{number}/{outcome}")
async def _play(number: int, outcome: Outcome, state: Stage) -> dict[str, str]:
    state.known(number).outcome = outcome
    return {str(number): outcome}


@_stage.post("/faults/{fault}/{count}")
async def _set_faults(fault: Fault, count: int, state: Stage) -> dict[str, int]:
    state.faults[fault] = count
    return dict(state.faults)
