"""What the reseller's answers mean: products and prices, orders, proofs of domains. Vendor's words stop here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import ValidationError

from blocks.clients.ca.protocol import OrderState, Placed
from blocks.clients.ca.records import Proof
from blocks.errors import Refused, Transient
from blocks.terms.base import Frozen
from blocks.terms.money import Money

_STATES = {"active": OrderState.VALID, "rejected": OrderState.INVALID, "cancelled": OrderState.INVALID}
_WAITING = frozenset({"new_order", "pending", "incomplete"})
_DECIDED = frozenset({OrderState.VALID, OrderState.INVALID})
OVER = frozenset({"rejected", "cancelled", "expired"})
_FRAUD = re.compile(r"\bfraud|\bfalse (data|information)|\bphishing|\bforge(d|ry)\b", re.IGNORECASE)
_RECORD = re.compile(
    r'^(?P<name>\S+?)\.?\s+(?:\d+\s+)?(?:IN\s+)?(?P<kind>CNAME|TXT)\s+"?(?P<value>.+?)"?$', re.IGNORECASE
)
_VALIDATED = "2"


class ProductRow(Frozen):
    """A line of the reseller's price list. `prices` are by months; `own_value`: its proofs may carry a word of ours."""

    id: str
    name: str
    brand: str
    wildcard: bool
    own_value: bool
    prices: Mapping[int, Money]


class Told(Frozen):
    """An order as the reseller tells it. `waiting` are the proofs that it has not seen yet; `csr` may be left out.

    `references` are the words that may be ours: a reseller has one of its own where it takes none.
    """

    id: str
    status: str
    domain: str
    csr: str
    chain: str
    references: frozenset[str]
    proofs: tuple[Proof, ...]
    waiting: tuple[Proof, ...]
    said: str
    unpaid: bool

    @property
    def state(self) -> OrderState:
        """Its state; a word that nobody knows means that it is being worked on."""
        waiting = OrderState.PENDING if self.status in _WAITING or self.waiting else OrderState.PROCESSING
        return _STATES.get(self.status, waiting)

    @property
    def over(self) -> bool:
        """Whether the CA has decided, or nobody waits for it any more."""
        return self.state in _DECIDED or self.status in OVER

    def placed(self, wanted: str) -> Placed:
        """As `Authority` tells it."""
        state = self.state
        if state is not OrderState.INVALID:
            return Placed(url=self.id, state=state, wanted="" if state is OrderState.VALID else wanted)
        problem = self.said or self.status
        return Placed(url=self.id, state=state, problem=problem, fraud=_FRAUD.search(problem) is not None)


def plain(name: str) -> str:
    """A product's name, letters and digits alone: price lists differ in case, spaces and brackets."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def products_in(answer: Mapping[str, Any], prices: Mapping[str, Any]) -> tuple[ProductRow, ...]:
    """The price list; without `prices` its names alone. Raises Transient where it does not read."""
    try:
        by_product: dict[str, dict[int, Money]] = {}
        for row in _rows(prices.get("product_prices", [])):
            amount = Money.model_validate({"amount": _decimal(row["price"]), "currency": row.get("currency", "USD")})
            by_product.setdefault(str(row["id"]), {})[int(row["period"])] = amount
        return tuple(_product(row, by_product) for row in _rows(answer.get("products")))
    except (KeyError, TypeError, ValueError, ArithmeticError, ValidationError):
        raise Transient("the reseller's price list does not read") from None


def money_in(answer: Mapping[str, Any]) -> Money:
    """The account's balance. Raises Transient where it does not read."""
    try:
        return Money.model_validate({"amount": _decimal(answer["balance"]), "currency": answer.get("currency", "USD")})
    except (KeyError, ArithmeticError, ValueError):
        raise Transient("the reseller's balance does not read") from None


def told(answer: Mapping[str, Any]) -> Told:
    """An order. Raises Transient where the answer does not read, or has no number or no state of it."""
    order, status = _text(answer, "order_id"), _text(answer, "status") or _text(answer, "order_status")
    if not order.isdecimal() or not status:
        raise Transient("the reseller's answer about an order does not read")
    status = "reissue" if _yes(answer, "reissue_now") else status.lower().replace(" ", "_")
    chain = "\n".join(part for name in ("crt_code", "ca_code") if (part := _text(answer, name)))
    seen = _text(answer, "dcv_status") == _VALIDATED
    try:
        proofs = [(proof, seen or validated) for proof, validated in _proofs(answer)]
    except TypeError:
        raise Transient("the reseller's answer about an order does not read") from None
    reasons = ("validation_description", "status_description", "admin_msg")
    return Told(
        id=order,
        status=status,
        domain=_text(answer, "domain").lower(),
        csr=_text(answer, "csr_code"),
        chain=f"{chain}\n" if chain else "",
        references=frozenset(said for name in ("unique_code", "tech_addressline3") if (said := _text(answer, name))),
        proofs=tuple(dict.fromkeys(proof for proof, _ in proofs)),
        waiting=tuple(dict.fromkeys(proof for proof, validated in proofs if not validated)),
        said=" ".join(dict.fromkeys(said for name in reasons if (said := _text(answer, name)))),
        unpaid=status in {"unpaid", "payment_needed"},
    )


def listed(answer: Mapping[str, Any]) -> list[tuple[int, str]]:
    """Numbers and states of a page of orders. Raises Transient where it does not read."""
    try:
        return [(int(row["order_id"]), str(row["status"]).lower()) for row in _rows(answer.get("orders"))]
    except (KeyError, TypeError, ValueError):
        raise Transient("the reseller's list of orders does not read") from None


def key_in(csr: str) -> bytes:
    """The public key of a request, DER. Raises Refused `csr`."""
    try:
        key = x509.load_pem_x509_csr(csr.encode()).public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise Refused("csr", "the request (CSR) cannot be read") from None
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _product(row: Mapping[str, Any], prices: Mapping[str, dict[int, Money]]) -> ProductRow:
    number = str(row["id"])
    return ProductRow(
        id=number,
        name=_text(row, "product") or _text(row, "name"),
        brand=_text(row, "brand"),
        wildcard=_yes(row, "wildcard_enabled"),
        own_value=_yes(row, "custom_dcv_random_value"),
        prices=prices.get(number, {}),
    )


def _proofs(answer: Mapping[str, Any]) -> Iterator[tuple[Proof, bool]]:
    """Proofs of the leading name and of the others, and whether each has been seen."""
    method = answer.get("approver_method") or answer.get("validation")
    if (proof := _proof(method)) is not None:
        yield proof, False
    for row in _rows(answer.get("san") or []):
        if (proof := _proof(row.get("validation"))) is not None:
            yield proof, _text(row, "status") == _VALIDATED


def _proof(method: object) -> Proof | None:
    record = method.get("dns") if isinstance(method, Mapping) else None
    text = _text(record, "record") if isinstance(record, Mapping) else ""
    found = _RECORD.match(text)
    if found is None:
        return None
    kind, value = found["kind"].upper(), found["value"].strip()
    return Proof(found["name"].lower(), kind, value.rstrip(".").lower() if kind == "CNAME" else value)


def _rows(value: object) -> list[Mapping[str, Any]]:
    """Rows of a list; PHP writes a list with gaps as an object."""
    rows = list(value.values()) if isinstance(value, Mapping) else value
    if not isinstance(rows, list):
        raise TypeError("no list")
    return [row for row in rows if isinstance(row, Mapping)]


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return str(value).strip() if isinstance(value, str | int | Decimal) else ""


def _yes(row: Mapping[str, Any], name: str) -> bool:
    return _text(row, name).lower() in {"1", "yes", "true"}


def _decimal(value: object) -> str:
    """Money as text: answers have it as a number or as text, with thousands set apart by commas."""
    return str(value).replace(",", "")
