"""Orders of certificates in tests: applications, and a CA whose answers are said beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from blocks.clients.ca.pem import new_key, request_for
from blocks.clients.ca.protocol import Advice, Authority, OrderState, Placed, Request
from blocks.errors import Refused
from blocks.office import Office
from blocks.terms.certificates import KeyKind
from tasks.order_forms import EventKind
from tests.work import NOW, put

DOMAIN = "shop.example.com"
KEY = new_key(KeyKind.EC_P256)
CSR = request_for([DOMAIN, f"www.{DOMAIN}"], KEY)
FIRM = {"kind": "company", "name": "ООО «Василёк»", "email": "customer@example.test", "inn": "190000000"}

APPLICANT = {
    "first_name": "Анна",
    "last_name": "Примерова",
    "position": "Директор",
    "phone": "+375170000000",
    "address": "ул. Примерная, 1",
    "city": "Минск",
    "region": "Минск",
    "postcode": "220000",
    "country": "BY",
}


def csr_of(*names: str) -> str:
    """A sound request for these names."""
    return request_for(names, KEY)


def certificate(**changes: Any) -> dict[str, Any]:
    """An application of a resident, paid by invoice."""
    return {
        "agreement": "SSL",
        "product": "alphassl",
        "residence": "resident",
        "currency": "BYN",
        "years": 1,
        "domain": DOMAIN,
        "csr": CSR,
        "applicant": APPLICANT,
        "authority_stated": True,
        "pay_from": "invoice",
        **changes,
    }


def put_top_up(office: Office, account: str, amount: str, reference: str, at: datetime = NOW, **more: str) -> None:
    """Money at the bank for a personal account, in BYN unless said otherwise."""
    money = {"amount": amount, "currency": more.pop("currency", "BYN")}
    payload = {"account": account, "amount": money, "reference": reference, "payer": more.pop("payer", None)}
    put(office, EventKind.RECEIPT, payload, f"receipt:{reference}:{account}:{payload['payer']}", "operator", at)


class ToldCa:
    """A CA that answers what it is told to, one answer a piece, the last one ever after; VALID issues by `inner`."""

    name = "local"

    def __init__(self, inner: Authority, answers: Sequence[Placed]) -> None:
        self._inner = inner
        self.answers = list(answers)
        self.cancelled: list[str] = []

    def place(self, request: Request, *, now: datetime) -> Placed:
        return self._inner.place(request, now=now)

    def find(self, request: Request) -> Placed | None:
        return self._inner.find(request)

    def advance(self, url: str, request: Request, *, now: datetime) -> Placed:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer.state is OrderState.VALID:
            return self._inner.advance(url, request, now=now)
        return answer

    def collect(self, url: str) -> str:
        return self._inner.collect(url)

    def cancel(self, url: str) -> None:
        self.cancelled.append(url)

    def revoke(self, chain: str, reason: int) -> None:
        raise Refused("unsupported", f"{len(chain)} characters for reason {reason}")

    def advice(self, chain: str, *, now: datetime) -> Advice | None:
        del chain, now
        return None

    def check(self) -> str:
        return "told"


def told(office: Office, *answers: Placed) -> ToldCa:
    """Let the office's CA answer so."""
    ca = ToldCa(office.ca("local"), answers)
    office._authorities["local"] = ca  # noqa: SLF001 - the place where opened CAs stand
    return ca


PENDING = Placed(url="u", state=OrderState.PENDING)
VALID = Placed(url="u", state=OrderState.VALID)
REFUSED = Placed(url="u", state=OrderState.INVALID, problem="the organization is not known")
FRAUD = Placed(url="u", state=OrderState.INVALID, problem="the data are false", fraud=True)


def wants(what: str) -> Placed:
    """The CA asks the customer for something."""
    return Placed(url="u", state=OrderState.PENDING, wanted=what)
