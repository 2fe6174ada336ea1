"""The state of the reseller's stand-in: orders, what a CA decides about them, what is to go wrong."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from cryptography import x509
from fastapi import HTTPException

from blocks.clients.ca.pem import names_asked
from blocks.clients.ca.records import Proof
from blocks.clients.certificates import LocalAuthority
from blocks.errors import Refused
from blocks.terms.ssl_prices import PRODUCTS, Product

Outcome = Literal["issue", "refuse", "fraud", "documents", "unknown"]
Fault = Literal["before", "after", "silent", "limit", "key", "garbage"]
_LIFE = timedelta(days=199)
_SAID = {
    "refuse": "The certificate authority rejected the order",
    "fraud": "Rejected: the application was found to be fraudulent",
    "documents": "Please provide a registration document of the organization",
}
_NEEDED = ("admin_firstname", "admin_lastname", "admin_phone", "admin_title", "admin_email")


@dataclass
class Order:
    """An order at the stand-in. `form` is what it was placed with."""

    id: int
    product: Product
    form: dict[str, str]
    outcome: Outcome = "issue"
    status: str = "processing"
    said: str = ""
    chain: str = ""
    seen: set[Proof] = field(default_factory=set)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its request."""
        return names_asked(self.form["csr"])

    def proof(self, name: str) -> Proof:
        """The record that proves a name: a CNAME for Sectigo's products, a TXT for others."""
        domain = name.removeprefix("*.")
        word = hashlib.sha256(f"{domain} {self.form['csr']} {self.form.get('unique_code', '')}".encode()).hexdigest()
        if self.product.brand == "Sectigo":
            return Proof(f"_{word[:32]}.{domain}", "CNAME", f"{word[32:]}.proof.example")
        return Proof(domain, "TXT", f"sandbox-verification={word}")

    def told(self, *, reference: bool, csr: bool) -> dict[str, Any]:
        """Its state as the API tells it."""
        leading, *others = self.names
        contacts = {name: value for name, value in self.form.items() if name.startswith(("admin_", "tech_", "org_"))}
        if not reference:
            contacts.pop("tech_addressline3", None)
        done = all(self.proof(name) in self.seen for name in self.names)
        return contacts | {
            "order_id": str(self.id),
            "status": self.status,
            "status_description": self.said,
            "dcv_status": "2" if done else "1",
            "domain": leading,
            "csr_code": self.form["csr"] if csr else "",
            "crt_code": self.chain[: self.chain.index("-----END CERTIFICATE-----") + 26] if self.chain else "",
            "ca_code": self.chain[self.chain.index("-----END CERTIFICATE-----") + 26 :] if self.chain else "",
            "approver_method": {"dns": {"record": _line(self.proof(leading))}},
            "san": [
                {
                    "san_name": name,
                    "status": "2" if self.proof(name) in self.seen else "1",
                    "validation": {"dns": {"record": _line(self.proof(name))}},
                }
                for name in others
            ],
            "success": True,
        }


class Sandbox:
    """The stand-in's state. `proven` says whether a record is in the DNS; `clock` is the CA's own."""

    def __init__(
        self,
        user: str,
        password: str,
        authority: LocalAuthority,
        environment: str,
        *,
        proven: Callable[[Proof], bool] = lambda _: True,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if environment == "production":
            raise Refused("sandbox", "the reseller's sandbox does not run in production")
        self.user = user
        self.password = password
        self.orders: dict[int, Order] = {}
        self.keys: set[str] = set()
        self.faults: Counter[str] = Counter()
        """How many of the next calls go wrong: before or after the work, without any answer, by limit, with garbage."""
        self.next_outcome: Outcome = "issue"
        self.balance = Decimal("5000.00")
        self.keeps_reference = True
        self.shows_csr = True
        self._authority = authority
        self._proven = proven
        self._clock = clock

    def fault(self, name: Fault) -> bool:
        """Whether one is to be played now."""
        if self.faults[name] <= 0:
            return False
        self.faults[name] -= 1
        return True

    def add(self, form: dict[str, str]) -> Order:
        """Take an order in, as the API checks it."""
        product = ids().get(form.get("product_id", ""))
        if product is None:
            raise no("Product is not found")
        if missing := [name for name in _NEEDED if not form.get(name)]:
            raise no(f"Missing {', '.join(missing)}")
        if product.validation != "DV" and not form.get("org_name"):
            raise no("Missing org_name")
        names = _csr_names(form)
        if product.wildcard != names[0].startswith("*."):
            raise no(f"CSR does not fit the product {product.title}")
        if self.balance < price(product):
            raise no("Insufficient balance")
        self.balance -= price(product)
        order = Order(id=1_000_001 + len(self.orders), product=product, form=form, outcome=self.next_outcome)
        self.next_outcome = "issue"
        self.orders[order.id] = order
        return order

    def known(self, number: int) -> Order:
        """An order, or a no."""
        if number not in self.orders:
            raise no("Order not found")
        return self.orders[number]

    def look(self, order: Order) -> None:
        """The CA looks at the proofs, and decides once it has seen all of them."""
        if order.status not in {"processing", "reissue", "manual_review"}:
            return
        order.seen |= {order.proof(name) for name in order.names if self._proven(order.proof(name))}
        if not all(order.proof(name) in order.seen for name in order.names):
            return
        order.said = _SAID.get(order.outcome, "")
        if order.outcome == "issue":
            key = x509.load_pem_x509_csr(order.form["csr"].encode()).public_key()
            order.chain = self._authority.signed(key, order.names, _LIFE, self._clock())
            order.status = "active"
        elif order.outcome == "unknown":
            order.status = "manual_review"
        elif order.outcome != "documents":
            order.status = "rejected"

    def reissue(self, order: Order, form: Mapping[str, str]) -> None:
        """Have an order issue again, for another request."""
        if order.status not in {"active", "reissue"}:
            raise no("Order status does not allow a reissue")
        _csr_names(form)
        order.form |= form
        order.status, order.chain, order.seen = "reissue", "", set()


def no(message: str) -> HTTPException:
    """A no, as the API says it."""
    return HTTPException(400, message)


def _line(proof: Proof) -> str:
    return f"{proof.name} CNAME {proof.value}" if proof.kind == "CNAME" else f'{proof.name} IN   TXT "{proof.value}"'


def _csr_names(form: Mapping[str, str]) -> tuple[str, ...]:
    try:
        return names_asked(form.get("csr", ""))
    except Refused as refused:
        raise no(f"CSR is not valid: {refused}") from None


def ids() -> dict[str, Product]:
    """Products by their numbers here."""
    return {str(45 + 7 * place): found for place, found in enumerate(PRODUCTS.values())}


def price(product: Product) -> Decimal:
    """What a year costs here, in euros."""
    return Decimal("8.50") if product.validation == "DV" else Decimal("61.25")
