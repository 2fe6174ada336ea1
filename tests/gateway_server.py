"""The gateway on a real port in a thread, and a shop that signs its orders."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import uvicorn
from standardwebhooks import Webhook

from blocks.office import Office
from flows.gateway.app import create_app
from tests.conftest import ORDER_SECRET
from tests.servers.processes import free_port, wait_tcp


@contextmanager
def gateway(office: Office) -> Iterator[httpx.Client]:
    """The gateway of an office; the client talks to it over a real socket."""
    port = free_port()
    config = uvicorn.Config(
        create_app(office),
        port=port,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_tcp("127.0.0.1", port, 10)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as http:
        yield http
    server.should_exit = True
    thread.join(10)


def signed(
    body: str, event_id: str = "evt-1", *, secret: str = ORDER_SECRET, at: datetime | None = None
) -> dict[str, str]:
    """The headers of a signed body."""
    at = at or datetime.now(UTC)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(event_id, at, body),
    }


def order_body(order: str = "A-1", **changes: Any) -> str:
    customer = {"kind": "person", "name": "Анна Примерова", "email": "customer@example.test"}
    return json.dumps({"order": order, "customer": customer, "item": {"agreement": "KS", "contacts": 2}, **changes})
