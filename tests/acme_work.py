"""Clients of ACME servers for tests, and faults between them and their servers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import requests
from josepy.json_util import decode_b64jose

from blocks.clients.ca.acme_account import AcmeAccount
from blocks.clients.ca.acme_ca import BUDGET_S, AcmeCa
from blocks.clients.ca.addresses import AuthorityAt, ZoneAt
from blocks.clients.ca.caa import Caa
from blocks.clients.ca.dns01 import Dns01
from blocks.clients.ca.pem import new_key, request_for
from blocks.clients.ca.protocol import Authority, OrderState, Request
from blocks.terms.certificates import KeyKind
from tests.servers.acme_dns import AcmeDns

KEY = new_key(KeyKind.EC_P256)
ACCOUNT = new_key(KeyKind.EC_P256)


def acme_ca(
    at: AuthorityAt,
    dns: AcmeDns,
    *,
    zones: Iterable[ZoneAt] = (),
    caa: bool = False,
    budget_s: float = BUDGET_S,
    eab_key: str = "",
    dns01: Dns01 | None = None,
    account_key: str = ACCOUNT,
    pause: Callable[[float], None] = time.sleep,
) -> AcmeCa:
    """A client that proves names of `example.test`, or of other zones."""
    account = AcmeAccount(at, lambda: account_key, lambda: eab_key)
    proofs = dns01 or Dns01(list(zones) or [dns.zone()], dns.keys, [dns.server])
    return AcmeCa(at, account, proofs, Caa([dns.server] if caa else []), budget_s=budget_s, pause=pause)


def name_below(domain: str = "example.test") -> str:
    """A name that no other test has."""
    return f"{uuid4().hex[:12]}.{domain}"


def request(*names: str) -> Request:
    return Request(intent=uuid4().hex, names=names, csr=request_for(names, KEY))


def now() -> datetime:
    return datetime.now(UTC)


def issued(ca: Authority, wanted: Request) -> str:
    url = ca.place(wanted, now=now()).url
    assert ca.advance(url, wanted, now=now()).state is OrderState.VALID
    return ca.collect(url)


@dataclass
class Wiretap:
    """The requests that went out, answers that come in place of the CA's, and addresses whose answers are lost."""

    sent: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    answers: dict[str, requests.Response] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)

    def instead_of(self, part: str, status: int, body: object, **headers: str) -> None:
        """Whatever is asked of an address with that in it is answered so; the CA never hears of it."""
        said = requests.Response()
        said.status_code = status
        said._content = json.dumps(body).encode()  # noqa: SLF001 - the only way to make one
        said.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
        self.answers[part] = said


@contextmanager
def tapped() -> Iterator[Wiretap]:
    """Stand between every client and its CA."""
    tap, plain = Wiretap(), requests.Session.request

    def asked(session: requests.Session, method: str, url: str, **kwargs: Any) -> requests.Response:
        tap.sent.append((method, url, _payload(kwargs.get("data"))))
        for part, answer in tap.answers.items():
            if part in url:
                return answer
        answered = plain(session, method, url, **kwargs)
        if any(part in url for part in tap.lost):
            raise requests.ConnectionError
        return answered

    with patch.object(requests.Session, "request", asked):
        yield tap


def _payload(data: object) -> dict[str, Any]:
    if not isinstance(data, str):
        return {}
    content = decode_b64jose(json.loads(data)["payload"])
    return dict(json.loads(content)) if content else {}
