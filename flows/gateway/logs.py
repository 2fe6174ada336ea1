"""Log records over HTTP: JSON Lines, signed as Standard Webhooks, answered only when they are stored."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from blocks.errors import Refused
from blocks.logs.json_lines import inflate
from blocks.office import Office
from blocks.settings import Settings
from flows import runtime
from flows.gateway.edge import TooLarge, read_body
from flows.gateway.webhooks import Forged, InOffice, Unreadable, event_id_of
from tasks.log_intake import take_batch

router = APIRouter(prefix="/webhooks", tags=["webhooks"])

MAX_BATCH = 8 * 1024 * 1024
MAX_INFLATED = 64 * 1024 * 1024
_TOLERANCE = timedelta(minutes=5)
_BODY = {
    "description": "One JSON object a line; content-encoding: gzip is taken, the signature is over the body as sent.",
    "required": True,
    "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
}


class LogsTaken(BaseModel):
    """Records that are stored, records that came when their term was over, and whether the batch was here before."""

    records: int
    dropped: int
    duplicate: bool


def log_source(settings: Settings, body: bytes, headers: Mapping[str, str], now: datetime) -> str:
    """The source whose secret signed the bytes of a body, within 5 minutes. Raises Forged.

    The library of Standard Webhooks signs text alone; a compressed body is none.
    """
    stamp = headers.get("webhook-timestamp", "")
    fresh = (
        stamp.isascii()
        and stamp.isdigit()
        and len(stamp) < 12
        and abs(now.timestamp() - int(stamp)) <= _TOLERANCE.total_seconds()
    )
    signed = b".".join((headers.get("webhook-id", "").encode(), stamp.encode(), body))
    given = [one.removeprefix("v1,") for one in headers.get("webhook-signature", "").split(" ")]
    for source, secrets in settings.order_sources.items() if fresh else ():
        for secret in secrets:
            key = b64decode(secret.get_secret_value().removeprefix("whsec_"))
            right = b64encode(hmac.digest(key, signed, "sha256"))
            if any(hmac.compare_digest(right, one.encode()) for one in given):
                return source
    raise Forged("signature", "no known secret signed this")


@router.post("/logs", status_code=202, openapi_extra={"requestBody": _BODY})
async def logs(request: Request, office: InOffice) -> LogsTaken:
    """Log records, whole or not at all. Repeat a batch freely; under a known id another content is a conflict."""
    body = await read_body(request, MAX_BATCH)
    now = runtime.now()
    source = await run_in_threadpool(log_source, office.settings, body, request.headers, now)
    event_id, coding = event_id_of(request), request.headers.get("content-encoding", "identity")
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-ndjson":
        raise Unreadable("content_type", "log records come as application/x-ndjson")
    if coding not in {"identity", "gzip"}:
        raise Unreadable("content_encoding", "a body is plain, or compressed with gzip")
    return await run_in_threadpool(_take, office, source, event_id, body, zipped=coding == "gzip", now=now)


def _take(office: Office, source: str, event_id: str, body: bytes, *, zipped: bool, now: datetime) -> LogsTaken:
    try:
        content = inflate(body, MAX_INFLATED) if zipped else body
        taken = take_batch(office, source=source, event_id=event_id, content=content, now=now)
    except Refused as error:
        kind = {"too_large": TooLarge, "unreadable": Unreadable, "records": Unreadable, "empty": Unreadable}
        raise kind.get(error.reason, Refused)(error.reason, str(error)) from None
    return LogsTaken(records=taken.records, dropped=taken.dropped, duplicate=taken.duplicate)
