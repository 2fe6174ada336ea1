"""Webhooks: orders, tickets and invoice lines signed as Standard Webhooks, and YooKassa's unsigned notifications."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ValidationError
from standardwebhooks import Webhook, WebhookVerificationError

from blocks.errors import NotFound, Refused
from blocks.ledger import reading, transaction
from blocks.office import Office
from blocks.settings import Settings
from flows import runtime
from flows.gateway.edge import address_of, is_within, read_body
from tasks.inbox import put_event
from tasks.line_forms import LinesForm
from tasks.order_forms import EventKind, OrderForm, YooKassaNotification
from tasks.ticket_acts import is_on_its_way, ticket_of_source
from tasks.ticket_forms import USER_ACTS, TicketAct, TicketForm

router = APIRouter(prefix="/webhooks", tags=["webhooks"])
Form = TypeVar("Form", bound=BaseModel)
_EVENT_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Forged(Refused):
    """Raised when a signature, a timestamp or a source address is not right."""


class Unreadable(Refused):
    """Raised when the content of a genuine event does not read."""


class Unknown(Refused):
    """Raised when an event names something that its source did not send."""


class Acknowledged(BaseModel):
    """The event is stored; `duplicate` says that it was stored before."""

    duplicate: bool


def the_office(request: Request) -> Office:
    """The office of the application."""
    found: Office = request.app.state.office
    return found


InOffice = Annotated[Office, Depends(the_office)]


def verified_source(settings: Settings, body: bytes, headers: Mapping[str, str]) -> str:
    """The source whose secret signed the body (HMAC in constant time, 5 minutes' tolerance). Raises Forged."""
    for source, secrets in settings.order_sources.items():
        for secret in secrets:
            try:
                Webhook(secret.get_secret_value()).verify(body, dict(headers), json_parse=False)
            except (WebhookVerificationError, ValueError):
                continue
            return source
    raise Forged("signature", "no known secret signed this")


def _store(office: Office, source: str, event_id: str, kind: EventKind, payload: Mapping[str, Any]) -> Acknowledged:
    now = runtime.now()
    with transaction(office.sessions) as session:
        stored = put_event(session, source=source, event_id=event_id, kind=kind, payload=payload, now=now)
    return Acknowledged(duplicate=not stored)


def _signed_body(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template="#/$defs/{model}")
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def event_id_of(request: Request) -> str:
    """The id of a signed event. Raises Unreadable."""
    event_id = request.headers.get("webhook-id", "")
    if not _EVENT_ID.fullmatch(event_id):
        raise Unreadable("event_id", "webhook-id is 1 to 128 letters, digits and . _ : -")
    return event_id


async def _read_signed(request: Request, office: Office, model: type[Form]) -> tuple[str, str, Form]:
    """Who signed an event, its id, and its form. Raises Forged, Unreadable and what `read_body` raises."""
    body = await read_body(request)
    source = verified_source(office.settings, body, request.headers)
    event_id = event_id_of(request)
    try:
        return source, event_id, model.model_validate_json(body)
    except ValidationError as error:
        raise Unreadable("content", _where(error)) from None


@router.post("/orders", status_code=202, openapi_extra=_signed_body(OrderForm))
async def orders(request: Request, office: InOffice) -> Acknowledged:
    """An order, signed as Standard Webhooks (webhook-id, webhook-timestamp, webhook-signature). Repeat it freely."""
    source, event_id, form = await _read_signed(request, office, OrderForm)
    return await run_in_threadpool(_store, office, source, event_id, EventKind.ORDER, form.model_dump(mode="json"))


@router.post("/tickets", status_code=202, openapi_extra=_signed_body(TicketForm))
async def tickets(request: Request, office: InOffice) -> Acknowledged:
    """A ticket, signed as an order is. Its number goes to its sender by e-mail."""
    source, event_id, form = await _read_signed(request, office, TicketForm)
    return await run_in_threadpool(_store, office, source, event_id, EventKind.TICKET, form.model_dump(mode="json"))


@router.post("/tickets/acts", status_code=202, openapi_extra=_signed_body(TicketAct))
async def ticket_acts(request: Request, office: InOffice) -> Acknowledged:
    """What its user adds to a ticket of the same source: an answer, or an escalation with its reason (OT-7)."""
    source, event_id, act = await _read_signed(request, office, TicketAct)
    if act.act not in USER_ACTS:
        raise Unreadable("act", "a source may answer and escalate")
    return await run_in_threadpool(_store_act, office, source, event_id, act)


@router.post("/lines", status_code=202, openapi_extra=_signed_body(LinesForm))
async def lines(request: Request, office: InOffice) -> Acknowledged:
    """Invoice lines of services rendered (OCP-3.2.6, SSL-7.6), signed as an order is: taken all together or not at all.

    A line is stated as often as it changes; the latest `stated_at` holds.
    """
    source, event_id, form = await _read_signed(request, office, LinesForm)
    return await run_in_threadpool(_store, office, source, event_id, EventKind.LINES, form.model_dump(mode="json"))


def _store_act(office: Office, source: str, event_id: str, act: TicketAct) -> Acknowledged:
    with reading(office.sessions) as session:
        try:
            ticket_of_source(session, source, act.ticket)
        except NotFound:
            if not is_on_its_way(session, source, act.ticket):
                raise Unknown("ticket", "this source sent no such ticket") from None
    return _store(office, source, event_id, EventKind.TICKET_ACT, act.model_dump(mode="json"))


@router.post("/yookassa")
async def yookassa(request: Request, office: InOffice) -> Acknowledged:
    """A notification of YooKassa: believed only as far as its sender's address, then fetched again from the API."""
    if not is_within(address_of(request), office.settings.yookassa_networks):
        raise Forged("address", "this address is not YooKassa's")
    body = await read_body(request)
    try:
        told = YooKassaNotification.model_validate_json(body)
    except ValidationError as error:
        raise Unreadable("content", _where(error)) from None
    event_id = f"{told.event}:{told.object.id}"
    return await run_in_threadpool(
        _store, office, "yookassa", event_id, EventKind.PAYMENT, told.model_dump(exclude_none=True)
    )


def _where(error: ValidationError) -> str:
    """Which fields do not read and why, without repeating their values."""
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in faults[:10])
