"""A commercial CA by its reseller GoGetSSL: orders of a paid year, proven in the DNS, of which each can be reissued.

An order carries a word of ours (`reference`), where the reseller keeps it: a lost answer is found again by it, or by
the key of its request. Domains are proven by records that the reseller names: they go into our zones, and what lies
in another's zone is told to the customer (`wanted`: `DNS: NAME TYPE VALUE`, one a line).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime

from blocks.clients.ca.addresses import AuthorityAt
from blocks.clients.ca.caa import Caa, Issuer
from blocks.clients.ca.gogetssl_answers import (
    OVER,
    ProductRow,
    Told,
    key_in,
    listed,
    money_in,
    plain,
    products_in,
    told,
)
from blocks.clients.ca.gogetssl_api import GoGetSslApi
from blocks.clients.ca.pem import leaf_of, names_asked
from blocks.clients.ca.protocol import OrderState, Placed, Request
from blocks.clients.ca.records import Proof, Records
from blocks.errors import OutcomeUnknown, Refused, Transient
from blocks.terms.money import Money
from blocks.terms.ssl_prices import PRODUCTS

MONTHS = "12"
_PAGE, _MOST_LOOKED_AT = 1000, 40
_DNS = "dns"
_OTHER_SERVER, _DIGICERT_SERVER = "-1", "18"
_DIGICERT = frozenset({"geotrust", "rapidssl", "digicert", "thawte"})
PERSON = ("firstname", "lastname", "phone", "title", "email")
ORGANIZATION = ("organization", "addressline1", "city", "country", "postalcode", "region", "fax")
"""Facts that are sent where they are given. Those of `PERSON` are needed in any order: `firstname` and so on."""
_NEEDED_OF_ORGANIZATIONS = ("organization", "addressline1", "city", "country", "postalcode", "region")
_LOG = logging.getLogger(__name__)


class GoGetSsl:
    """See `Authority`. An order's address is its number. One object serves any number of threads."""

    def __init__(self, at: AuthorityAt, api: GoGetSslApi, records: Records, caa: Caa) -> None:
        self._at = at
        self._api = api
        self._records = records
        self._caa = caa
        self._shown: dict[str, frozenset[Proof]] = {}
        self._references: dict[int, frozenset[str]] = {}
        """Of orders that were looked at: no other intent needs to look at them again."""

    @property
    def name(self) -> str:
        """See Authority.name."""
        return self._at.name

    def place(self, request: Request, *, now: datetime) -> Placed:
        """See Authority.place. A year is paid from our account there; with `replaces` it is a renewal."""
        del now
        form = {**self._asked(request), **_contacts(request.facts, self._product(request)), "period": MONTHS}
        if self._at.caa:
            self._caa.check(request.names, Issuer(frozenset(self._at.caa), "", _DNS))
        path = "/orders/add_ssl_renew_order/" if request.replaces else "/orders/add_ssl_order/"
        answer = self._api.post(path, form, once=True)
        try:
            placed = told({**answer, "status": "new_order"})
        except Transient:
            raise OutcomeUnknown(f"{self.name} took an order and did not say its number") from None
        return placed.placed(self._wanted(placed))

    def find(self, request: Request) -> Placed | None:
        """See Authority.find. The newest orders that are not over are looked at."""
        key = key_in(request.csr)
        for number in self._newest():
            if number in self._references and reference(request) not in self._references[number]:
                continue
            order = self._told(str(number))
            if order.references:
                self._references[number] = order.references
            if self._is(order, request, key):
                return order.placed(self._wanted(order))
        return None

    def advance(self, url: str, request: Request, *, now: datetime) -> Placed:
        """See Authority.advance. Puts the proofs that are ours to put where they belong, and looks."""
        del request, now
        order = self._told(url)
        if order.unpaid:
            raise Refused("account", f"{self.name} has not been paid for the order {url}: the account there is short")
        if not order.over and (new := frozenset(self._ours(order.waiting)) - self._shown.get(url, frozenset())):
            for proof in new:
                self._records.publish(proof)
            self._shown[url] = frozenset(order.waiting)
            self._look_now(order)
            order = self._told(url)
        if order.over:
            self._withdraw(order)
        return order.placed(self._wanted(order))

    def collect(self, url: str) -> str:
        """See Authority.collect."""
        order = self._told(url)
        if order.state is not OrderState.VALID or not order.chain:
            raise Refused("ca", f"the order {url} issued nothing")
        leaf_of(order.chain)
        return order.chain

    def cancel(self, url: str) -> None:
        """See Authority.cancel. What was issued is not cancelled here: that would revoke it."""
        order = self._told(url)
        if order.over:
            return
        self._api.post("/orders/cancel_ssl_order/", {"order_id": order.id, "reason": "The customer withdrew"})
        self._withdraw(order)

    def revoke(self, chain: str, reason: int) -> None:
        """See Authority.revoke. The reseller's API has no such call."""
        del reason
        serial = leaf_of(chain).serial_number
        raise Refused("unsupported", f"{self.name} revokes by its support alone: ask it to revoke {serial:x}")

    def advice(self, chain: str, *, now: datetime) -> None:
        """See Authority.advice. None: the reseller offers no ARI."""
        del chain, now

    def check(self) -> str:
        """See Authority.check."""
        return f"{len(self.products())} products, balance {self.balance()}"

    def reissue(self, url: str, request: Request) -> Placed:
        """Have an order of a paid year issue again, for another key: public certificates end before the year does.

        To be repeated where the answer is lost: the last request is the one that is issued. `advance` goes on from it.
        Raises Refused `gone`, `csr`, `ca` where the order cannot be reissued.
        """
        form = {name: value for name, value in self._asked(request).items() if name != "product_id"}
        self._api.post(f"/orders/ssl/reissue/{url}", form)
        self._shown.pop(url, None)
        order = self._told(url)
        return order.placed(self._wanted(order))

    def products(self) -> tuple[ProductRow, ...]:
        """The reseller's price list."""
        return products_in(self._api.get("/products/ssl/"), self._api.get("/products/all_prices/"))

    def balance(self) -> Money:
        """What our account there holds."""
        return money_in(self._api.get("/account/balance/"))

    def _told(self, url: str) -> Told:
        if not url.isdecimal():
            raise Refused("gone", f"{self.name} knows no order {url}")
        return told(self._api.get(f"/orders/status/{url}"))

    def _asked(self, request: Request) -> dict[str, str]:
        """What is common to an order and a reissue."""
        if set(names_asked(request.csr)) != set(request.names):
            raise Refused("csr", "the request (CSR) is for other names than the order")
        product = self._product(request)
        others = request.names[1:]
        form = {
            "product_id": product.id,
            "csr": request.csr,
            "server_count": "-1",
            "webserver_type": _DIGICERT_SERVER if product.brand.lower() in _DIGICERT else _OTHER_SERVER,
            "dcv_method": _DNS,
            "signature_hash": "SHA2",
            "tech_addressline3": reference(request),
        }
        if product.own_value:
            form["unique_code"] = reference(request)
        if others:
            form |= {"dns_names": ",".join(others), "approver_emails": ",".join(_DNS for _ in others)}
        return form

    def _product(self, request: Request) -> ProductRow:
        code = request.product or self._at.profile
        name = self._at.products.get(code) or (PRODUCTS[code].reseller if code in PRODUCTS else code)
        for row in products_in(self._api.get("/products/ssl/"), {}):
            if plain(row.name) == plain(name):
                return row
        raise Refused("ca", f"{self.name} sells no {name or 'product that is not named'}")

    def _newest(self) -> list[int]:
        """Numbers of orders that may still be ours, the newest first."""
        found: list[int] = []
        offset = 0
        while True:
            page = listed(self._api.get("/orders/ssl/all", limit=str(_PAGE), offset=str(offset)))
            found += [number for number, status in page if status not in OVER]
            if len(page) < _PAGE:
                return sorted(found, reverse=True)[:_MOST_LOOKED_AT]
            offset += _PAGE

    def _is(self, order: Told, request: Request, key: bytes) -> bool:
        if order.status in OVER:
            return False
        if order.references:
            return reference(request) in order.references
        if not order.csr:
            return order.state is not OrderState.VALID and order.domain == request.names[0]
        if key_in(order.csr) != key:
            return False
        replaced = leaf_of(request.replaces) if request.replaces else None
        return not order.chain or leaf_of(order.chain) != replaced

    def _ours(self, proofs: Iterable[Proof]) -> list[Proof]:
        return [proof for proof in proofs if self._is_ours(proof)]

    def _is_ours(self, proof: Proof) -> bool:
        """Whether to put it there ourselves; what else it might do is for a person to see."""
        return proof.harmless and self._records.ours(proof.name)

    def _wanted(self, order: Told) -> str:
        """What the customer is asked: records of its own zones, and what the CA says."""
        asked = [f"DNS: {proof}" for proof in order.waiting if not self._is_ours(proof)]
        return "\n".join([*asked, order.said] if order.said else asked)

    def _withdraw(self, order: Told) -> None:
        for proof in self._ours(order.proofs):
            self._records.withdraw(proof)
        self._shown.pop(order.id, None)

    def _look_now(self, order: Told) -> None:
        """Ask the CA to look at once; it looks by itself sooner or later, so a no is no matter."""
        try:
            self._api.post(f"/orders/ssl/revalidate/{order.id}", {"domain": order.domain})
        except Refused as refused:
            _LOG.info("%s does not look at order %s at once: %s", self.name, order.id, refused.reason)


def reference(request: Request) -> str:
    """Our word for an order at the reseller: the first 20 letters of its intent, which is random."""
    return request.intent[:20]


def _contacts(facts: Mapping[str, str], product: ProductRow) -> dict[str, str]:
    """The applicant as the API wants it: for the administration, for technical matters, and as an organization.

    Raises Refused `ca` where something is missing; only names of facts are in its text, never what they say.
    """
    known = next((each for each in PRODUCTS.values() if plain(each.reseller) == plain(product.name)), None)
    organization = known is not None and known.validation != "DV"
    needed = (*PERSON, *_NEEDED_OF_ORGANIZATIONS) if organization else PERSON
    if missing := [name for name in needed if not facts.get(name, "").strip()]:
        raise Refused("ca", f"the order lacks: {', '.join(missing)}")
    given = {name: facts[name] for name in (*PERSON, *ORGANIZATION) if facts.get(name)}
    form = {f"{whose}_{name}": value for whose in ("admin", "tech") for name, value in given.items()}
    if organization:
        form |= {f"org_{name}": given[name] for name in _NEEDED_OF_ORGANIZATIONS[1:]}
        form |= {"org_name": given["organization"], "org_phone": given["phone"], "org_division": "IT"}
    return form
