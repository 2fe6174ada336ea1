"""The local CA of the embedded default: it issues at once, is trusted by nobody else, and is refused in production."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from blocks.clients.ca.pem import fits, leaf_of, names_asked
from blocks.clients.ca.protocol import Advice, OrderState, Placed, Request
from blocks.clients.certificates import LocalAuthority
from blocks.durable import locked, replace
from blocks.errors import Refused

_AGAIN = timedelta(hours=6)


class LocalCa:
    """See `Authority`. Orders stand in a directory beside the authority's key; certificates last `days` days."""

    def __init__(self, name: str, authority: LocalAuthority, root: Path, days: int) -> None:
        self._name = name
        self._authority = authority
        self._orders = root / "orders"
        self._days = days

    @property
    def name(self) -> str:
        """See Authority.name."""
        return self._name

    def place(self, request: Request, *, now: datetime) -> Placed:
        """See Authority.place. The same intent is the same order."""
        del now
        if set(names_asked(request.csr)) != set(request.names):
            raise Refused("csr", "the request (CSR) is for other names than the order")
        self._orders.mkdir(parents=True, exist_ok=True)
        with locked(self._orders / ".lock"):
            if (found := self.find(request)) is not None:
                return found
            self._write(request.intent, OrderState.READY)
        return Placed(url=request.intent, state=OrderState.READY)

    def find(self, request: Request) -> Placed | None:
        """See Authority.find."""
        return Placed(url=request.intent, state=self._state(request.intent)) if self._known(request.intent) else None

    def advance(self, url: str, request: Request, *, now: datetime) -> Placed:
        """See Authority.advance. A READY order is issued."""
        state = self._state(url)
        with locked(self._orders / ".lock"):
            if state is OrderState.READY:
                key = x509.load_pem_x509_csr(request.csr.encode()).public_key()
                chain = self._authority.signed(key, request.names, timedelta(days=self._days), now)
                if not fits(chain, request.csr):
                    raise Refused("csr", "what was issued does not fit the request")
                replace(self._orders / f"{url}.pem", chain, 0o644)
                self._write(url, state := OrderState.VALID)
        return Placed(url=url, state=state)

    def collect(self, url: str) -> str:
        """See Authority.collect."""
        if self._state(url) is not OrderState.VALID:
            raise Refused("ca", f"the order {url} issued nothing")
        return (self._orders / f"{url}.pem").read_text()

    def cancel(self, url: str) -> None:
        """See Authority.cancel."""
        if self._state(url) is not OrderState.VALID:
            self._write(url, OrderState.INVALID)

    def revoke(self, chain: str, reason: int) -> None:
        """See Authority.revoke. Written down; there is no list that anybody reads."""
        replace(self._orders / f"revoked-{leaf_of(chain).serial_number:x}.json", json.dumps({"reason": reason}))

    def advice(self, chain: str, *, now: datetime) -> Advice | None:
        """See Authority.advice: the last third of a certificate's time, at once where it is revoked."""
        leaf = leaf_of(chain)
        if (self._orders / f"revoked-{leaf.serial_number:x}.json").exists():
            begun = leaf.not_valid_before_utc
            return Advice(start=begun, end=begun, ask_at=now + _AGAIN, why="revoked")
        third = (leaf.not_valid_after_utc - leaf.not_valid_before_utc) / 3
        return Advice(start=leaf.not_valid_after_utc - third, end=leaf.not_valid_after_utc, ask_at=now + _AGAIN)

    def check(self) -> str:
        """See Authority.check."""
        return f"a local authority in {self._authority.ca_file.parent}"

    def _known(self, url: str) -> bool:
        return url.isalnum() and (self._orders / f"{url}.json").exists()

    def _state(self, url: str) -> OrderState:
        if not self._known(url):
            raise Refused("gone", f"no order {url}")
        return OrderState(json.loads((self._orders / f"{url}.json").read_text())["state"])

    def _write(self, url: str, state: OrderState) -> None:
        replace(self._orders / f"{url}.json", json.dumps({"state": state.value}))
