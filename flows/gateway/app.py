"""The gateway as an ASGI application over an office."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy import text
from starlette.exceptions import HTTPException
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from blocks.errors import Refused, Transient
from blocks.ledger import reading
from blocks.office import Office
from flows.gateway import certificates, logs, pages, public, webhooks
from flows.gateway.edge import Edge, Refusals, Throttle, TooLarge, TooMany, TooSlow, address_of

log = logging.getLogger("dogovor.gateway")

_STATUS: dict[type[Refused], int] = {
    webhooks.Forged: 401,
    webhooks.Unreadable: 422,
    webhooks.Unknown: 404,
    TooLarge: 413,
    TooSlow: 408,
    TooMany: 429,
}


def create_app(office: Office) -> FastAPI:
    """Webhooks, the one-time page, health, OpenAPI (as JSON: the pages load nothing from elsewhere)."""
    refusals, throttle = Refusals(office.sessions), Throttle(office.settings.requests_a_minute)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with refusals.running():
            yield

    app = FastAPI(title="Dogovor gateway", version="1", docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.office = office
    app.include_router(webhooks.router)
    app.include_router(logs.router)
    app.include_router(pages.router)
    app.include_router(public.router)
    app.include_router(certificates.router)
    _add_health(app, office)
    _add_errors(app, refusals)

    @app.middleware("http")
    async def throttled(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        try:
            throttle.check(address_of(request))
        except TooMany as error:
            return _refuse(refusals, request, error)
        return await call_next(request)

    app.add_middleware(Edge, https=office.settings.public_url.scheme == "https")
    trusted = [str(network) for network in office.settings.trusted_proxies]
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=trusted)
    return app


def _add_health(app: FastAPI, office: Office) -> None:
    @app.get("/healthz", tags=["health"])
    async def healthz() -> dict[str, str]:
        """The process is alive."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["health"])
    def readyz() -> dict[str, str]:
        """The ledger answers, so events can be stored."""
        with reading(office.sessions) as session:
            session.execute(text("SELECT 1"))
        return {"status": "ok"}


def _refuse(refusals: Refusals, request: Request, error: Refused) -> JSONResponse:
    route = getattr(request.scope.get("route"), "path", "any")
    refusals.count(route, error.reason)
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 409)
    headers = {"retry-after": "60"} if status == 429 else {}
    return JSONResponse({"error": error.reason, "detail": str(error)}, status, headers)


def _add_errors(app: FastAPI, refusals: Refusals) -> None:
    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> JSONResponse:
        return _refuse(refusals, request, error)

    @app.exception_handler(RequestValidationError)
    async def unreadable(request: Request, _error: RequestValidationError) -> JSONResponse:
        return _refuse(refusals, request, webhooks.Unreadable("request", "the request does not read"))

    @app.exception_handler(HTTPException)
    async def http_error(_request: Request, error: HTTPException) -> JSONResponse:
        refusals.count("any", f"http_{error.status_code}")
        return JSONResponse({"error": f"http_{error.status_code}"}, error.status_code, error.headers)

    @app.exception_handler(Transient)
    async def not_now(_request: Request, error: Transient) -> JSONResponse:
        log.error("not now: %s", error)
        return JSONResponse({"error": "unavailable"}, 503, {"retry-after": "5"})

    @app.exception_handler(Exception)
    async def unexpected(_request: Request, error: Exception) -> JSONResponse:
        log.error("unexpected %s", type(error).__name__, exc_info=error)
        return JSONResponse({"error": "internal"}, 500)
