"""The reseller's client beside its stand-in on a real port, with zones that are kept in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import httpx
import uvicorn

from blocks.clients.ca.addresses import AuthorityAt
from blocks.clients.ca.caa import Caa
from blocks.clients.ca.gogetssl import GoGetSsl
from blocks.clients.ca.gogetssl_api import GoGetSslApi
from blocks.clients.ca.gogetssl_sandbox import create_sandbox
from blocks.clients.ca.gogetssl_sandbox_state import Sandbox
from blocks.clients.ca.pem import new_key, request_for
from blocks.clients.ca.protocol import Request
from blocks.clients.ca.records import Proof
from blocks.clients.certificates import LocalAuthority
from blocks.terms.certificates import KeyKind
from tests.servers.processes import free_port, wait_tcp
from tests.work import NOW

USER, PASSWORD = "shop@example.net", "correct horse battery"
PERSON = {
    "firstname": "Anna",
    "lastname": "Primerova",
    "phone": "+375170000000",
    "title": "Director",
    "email": "anna@example.net",
}
ORGANIZATION = {
    "organization": "Primer OOO",
    "addressline1": "Primernaya 1",
    "city": "Minsk",
    "country": "BY",
    "postalcode": "220000",
    "region": "Minsk",
}


class Zones:
    """See `Records`: what is below `ours.example` is in our zones, everything else in a customer's."""

    def __init__(self) -> None:
        self.shown: set[Proof] = set()
        self.published: list[Proof] = []

    def ours(self, name: str) -> bool:
        return name.endswith("ours.example")

    def publish(self, proof: Proof) -> None:
        assert self.ours(proof.name)
        self.published.append(proof)
        self.shown.add(proof)

    def withdraw(self, proof: Proof) -> None:
        assert self.ours(proof.name)
        self.shown.discard(proof)


class Reseller:
    """The stand-in, the zones, and as many clients as are asked for."""

    def __init__(self, url: str, root: Path, proven: Callable[[Proof], bool] | None, now: datetime) -> None:
        self.url = url
        self._proven = proven
        self._now = now
        self._local = LocalAuthority(root / "reseller", lambda: now)
        self.zones = Zones()
        self.sandbox = self._new()
        self.app = create_sandbox(self.sandbox)

    def renew(self) -> None:
        """Begin anew: nothing ordered, nothing in the zones."""
        self.zones = Zones()
        self.app.state.sandbox = self.sandbox = self._new()

    def _new(self) -> Sandbox:
        proven = self._proven or self.zones.shown.__contains__
        return Sandbox(USER, PASSWORD, self._local, "embedded", proven=proven, clock=lambda: self._now)

    def at(self, **more: object) -> AuthorityAt:
        """Where it stands, as the file of an installation says it."""
        return AuthorityAt.model_validate(
            {"name": "shop", "kind": "gogetssl", "url": f"{self.url}/api", "user": USER, "profile": "positivessl"}
            | more
        )

    def client(
        self, *, transport: httpx.BaseTransport | None = None, timeout_s: float = 5, password: str = PASSWORD
    ) -> GoGetSsl:
        """A new client, which knows nothing of what others did."""
        at = self.at()
        api = GoGetSslApi(at.name, str(at.url), USER, password, timeout_s=timeout_s, transport=transport)
        return GoGetSsl(at, api, self.zones, Caa(()))


@contextmanager
def reseller(root: Path, *, proven: Callable[[Proof], bool] | None = None, now: datetime = NOW) -> Iterator[Reseller]:
    """A stand-in that looks for proofs in the zones in memory, or by `proven`; its files are in `root`."""
    port = free_port()
    opened = Reseller(f"http://127.0.0.1:{port}", root, proven, now)
    config = uvicorn.Config(opened.app, port=port, log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_tcp("127.0.0.1", port, 10)
        yield opened
    finally:
        server.should_exit = True
        thread.join(10)


def request(
    *names: str, intent: str = "a" * 32, product: str = "", replaces: str = "", key: str = "", **facts: str
) -> Request:
    """A request for these names, with a new key where none is given."""
    csr = request_for(names, key or new_key(KeyKind.EC_P256))
    return Request(intent=intent, names=names, csr=csr, product=product, replaces=replaces, facts=PERSON | facts)
