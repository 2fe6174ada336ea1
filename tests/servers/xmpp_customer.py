"""A customer's own XMPP client: it knows a password and nothing of ours."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from slixmpp import JID, ClientXMPP

ANSWER_S = 20.0


class Customer(ClientXMPP):
    """A session with presence; `came` holds the texts it received, `refusals` the conditions of error messages."""

    def __init__(self, jid: str, password: str, ca_file: Path) -> None:
        super().__init__(jid, password, ssl_context=ssl.create_default_context(cafile=str(ca_file)))
        self.enable_direct_tls = False
        self.came: asyncio.Queue[str] = asyncio.Queue()
        self.refusals: asyncio.Queue[str] = asyncio.Queue()
        self.started: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.over = asyncio.Event()
        self.add_event_handler("session_start", lambda _: self._settle(""))
        self.add_event_handler("failed_auth", lambda failure: self._settle(failure["condition"]))
        self.add_event_handler("message", self._received)
        self.add_event_handler("message_error", lambda m: self.refusals.put_nowait(m["error"]["condition"]))
        self.add_event_handler("disconnected", lambda _: self.over.set())

    def say(self, to: str, text: str, kind: Any = "chat") -> None:
        """Send a message."""
        self.send_message(mto=JID(to), mbody=text, mtype=kind)

    async def hear(self) -> str:
        """The next text that comes."""
        return await asyncio.wait_for(self.came.get(), ANSWER_S)

    def serial(self) -> bytes:
        """The certificate that this connection was shown."""
        tls: Any = self.socket
        return bytes(tls.getpeercert(binary_form=True))

    async def ask(self, query: Any) -> Any:
        """Send an IQ; its result. Raises IqError as the other side answers."""
        return await query.send(timeout=ANSWER_S)

    def _settle(self, outcome: str) -> None:
        if not self.started.done():
            self.started.set_result(outcome)

    def _received(self, message: Any) -> None:
        if message["type"] != "error" and message["body"]:
            self.came.put_nowait(message["body"])


@asynccontextmanager
async def logged_in(jid: str, password: str, ca_file: Path, port: int) -> AsyncIterator[Customer]:
    """Yield a session that is open. Raises PermissionError with the server's condition where the login is refused."""
    customer = Customer(jid, password, ca_file)
    try:
        customer.connect("127.0.0.1", port)
        if refused := await asyncio.wait_for(customer.started, ANSWER_S):
            raise PermissionError(refused)
        customer.send_presence()
        await customer.get_roster(timeout=ANSWER_S)
        yield customer
    finally:
        customer.cancel_connection_attempt()
        await asyncio.wait_for(customer.disconnect(wait=2), ANSWER_S)
