"""A CA that speaks ACME (RFC 8555): orders proven in the DNS, looked at by their address alone, finalized once."""

from __future__ import annotations

import logging
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from blocks.clients.ca.acme_account import AcmeAccount
from blocks.clients.ca.acme_ari import advice_of, certificate_id
from blocks.clients.ca.acme_objects import DNS_01, OVER, Authorization, Order, Orders
from blocks.clients.ca.acme_wire import Broken, Problematic, Said, Unanswered, reason_of
from blocks.clients.ca.addresses import AuthorityAt
from blocks.clients.ca.caa import Caa, Issuer
from blocks.clients.ca.dns01 import AtSpots, Dns01, Proofs
from blocks.clients.ca.pem import leaf_of, names_asked
from blocks.clients.ca.protocol import Advice, OrderState, Placed, Request
from blocks.errors import DogovorError, OutcomeUnknown, Refused, Transient

BUDGET_S = 20.0
_FIRST_POLL_S, _LONGEST_POLL_S, _GROWTH = 0.02, 2.0, 1.5
_MOST_PAGES = _MOST_LOOKED_AT = 50
_FRESH_S = 2.0
_SAID_OF_ORDERS = frozenset({"caa", "identifier", "csr"})
_NOT_OURS = frozenset({"orderNotReady", "unauthorized", "malformed"})
_LOG = logging.getLogger(__name__)


class AcmeCa:
    """See `Authority`. `budget_s` is how long one `advance` may wait for name servers and the CA, requests aside.

    One object serves any number of threads. New orders go out one after another, and so do looks at authorizations:
    CAs limit the first anyway, and some lock up where both come at once.
    """

    def __init__(
        self,
        at: AuthorityAt,
        account: AcmeAccount,
        dns01: Dns01,
        caa: Caa,
        *,
        budget_s: float = BUDGET_S,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._at = at
        self._account = account
        self._dns = dns01
        self._caa = caa
        self._budget_s = budget_s
        self._pause = pause
        self._one_by_one = threading.Lock()
        self._just_seen: dict[str, tuple[float, Said]] = {}

    @property
    def name(self) -> str:
        """See Authority.name."""
        return self._at.name

    def place(self, request: Request, *, now: datetime) -> Placed:
        """See Authority.place."""
        del now
        if set(names_asked(request.csr)) != set(request.names):
            raise Refused("csr", "the request (CSR) is for other names than the order")
        at, account = self._account.directory, self._account.account
        names = frozenset(name.lower() for name in (self._at.caa or at.meta.caa_identities))
        if names:
            self._caa.check(request.names, Issuer(names, account.url, DNS_01))
        body: dict[str, Any] = {"identifiers": [{"type": "dns", "value": name} for name in request.names]}
        if profile := self._profile(request):
            if profile not in at.meta.profiles:
                raise Refused("unsupported", f"{self.name} has no profile {profile}")
            body["profile"] = profile
        if request.replaces and at.renewal_info and (replaced := certificate_id(request.replaces)):
            body["replaces"] = replaced
        said = self._ordered(body)
        return _placed(said.location, self._keep(said.location, said))

    def find(self, request: Request) -> Placed | None:
        """See Authority.find. Among the account's orders, where the CA lists them; the last ones are looked at."""
        names = set(request.names)
        for url in list(self._listed())[: -_MOST_LOOKED_AT - 1 : -1]:
            order = self._order(url)
            same = {each.value.lower() for each in order.identifiers} == names
            if same and order.profile == self._profile(request) and order.state in {"pending", "ready"}:
                return _placed(url, order)
        return None

    def advance(self, url: str, request: Request, *, now: datetime) -> Placed:
        """See Authority.advance. Waits for the CA as long as it takes, or as long as the budget lasts."""
        until, wait = time.monotonic() + self._budget_s, _FIRST_POLL_S
        put: AtSpots | None = None
        proven = finalized = False
        said = self._seen(url)
        while True:
            order = said.read(Order)
            if order.state is OrderState.VALID:
                self._keep(url, said)
                self._clean(order, put)
                return _placed(url, order)
            if order.state is OrderState.INVALID:
                return self._judged(url, order, now, put)
            if order.state is OrderState.READY and not finalized and (taken := self._finalize(order, request.csr)):
                said, finalized = taken, True
                continue
            if order.state is OrderState.PENDING and not proven:
                put, proven = self._prove(order, until - time.monotonic()), True
            else:
                wait = self._waited(said, wait, until)
                if not wait:
                    return _placed(url, order)
            said = self._looked_at(url)

    def collect(self, url: str) -> str:
        """See Authority.collect."""
        order = self._seen(url).read(Order)
        if order.state is not OrderState.VALID or not order.certificate:
            raise Refused("ca", f"the order {url} issued nothing")
        chain = self._account.post(order.certificate).text
        leaf_of(chain)
        return chain

    def cancel(self, url: str) -> None:
        """See Authority.cancel. ACME ends no orders: their authorizations are given up, so that they are invalid."""
        try:
            order = self._order(url)
        except Refused as refused:
            if refused.reason != "gone":
                raise
            return
        if order.state not in {OrderState.PENDING, OrderState.READY}:
            return
        self._clean(order)
        for address in order.authorizations:
            self._account.post(address, {"status": "deactivated"})

    def revoke(self, chain: str, reason: int) -> None:
        """See Authority.revoke. By the account that ordered the certificate."""
        content = leaf_of(chain).public_bytes(Encoding.DER)
        body = {"certificate": urlsafe_b64encode(content).decode().rstrip("="), "reason": reason}
        try:
            self._account.post(self._account.directory.revoke_cert, body)
        except Problematic as refused:
            if refused.code != "alreadyRevoked":
                raise

    def advice(self, chain: str, *, now: datetime) -> Advice | None:
        """See Authority.advice. None for a certificate that has ended, or that the CA does not know."""
        at, name = self._account.directory, certificate_id(chain)
        if not at.renewal_info or not name or leaf_of(chain).not_valid_after_utc < now:
            return None
        try:
            return advice_of(self._account.get(f"{at.renewal_info.rstrip('/')}/{name}"), now)
        except Refused as refused:
            if refused.reason != "gone":
                raise
            return None

    def check(self) -> str:
        """See Authority.check."""
        at, account = self._account.directory, self._account.account
        return f"ACME at {self._at.url}, {'with' if at.renewal_info else 'without'} ARI, our account {account.url}"

    def _profile(self, request: Request) -> str:
        return request.product or self._at.profile

    def _ordered(self, body: dict[str, Any]) -> Said:
        try:
            with self._one_by_one:
                return self._account.post(self._account.directory.new_order, body)
        except (Unanswered, Broken) as error:
            raise OutcomeUnknown(str(error), retry_after=error.retry_after) from None
        except Problematic:
            if "replaces" not in body:
                raise
        # A CA may refuse for it alone: another CA's certificate, another account's, one that was replaced before.
        return self._ordered({key: value for key, value in body.items() if key != "replaces"})

    def _listed(self) -> Iterator[str]:
        following = self._account.account.orders
        for _ in range(_MOST_PAGES):
            if not following:
                return
            said = self._account.post(following)
            yield from said.read(Orders).orders
            following = said.following

    def _keep(self, url: str, said: Said) -> Order:
        """Read an order, and remember its answer for the call that comes next."""
        order = said.read(Order)
        self._just_seen[url] = (time.monotonic(), said)
        return order

    def _seen(self, url: str) -> Said:
        """An order's answer: that of the call before, once, while it is fresh; else it is asked for."""
        at, said = self._just_seen.pop(url, (0.0, None))
        return said if said is not None and time.monotonic() - at < _FRESH_S else self._looked_at(url)

    def _looked_at(self, url: str) -> Said:
        """An order's answer. Whatever word a server has for an order that it does not know, it is gone."""
        try:
            return self._account.post(url)
        except Problematic as refused:
            if refused.code in _NOT_OURS:
                raise Refused("gone", str(refused)) from None
            raise

    def _order(self, url: str) -> Order:
        return self._looked_at(url).read(Order)

    def _authorizations(self, order: Order) -> list[Authorization]:
        with self._one_by_one:
            return [self._account.post(url).read(Authorization) for url in order.authorizations]

    def _prove(self, order: Order, patience_s: float) -> AtSpots | None:
        """Answer the challenges that are open, once the DNS shows what they ask for.

        Where the order's proofs stand; None where some may stand from before.
        """
        found = self._authorizations(order)
        pending = [each for each in found if each.status == "pending"]
        for each in pending:
            if each.dns is None:
                raise Refused("unsupported", f"{self.name} does not let {each.identifier.value} be proven in the DNS")
        put = self._dns.publish(self._proofs(pending), patience_s)
        for each in pending:
            if each.dns is not None and each.dns.status == "pending":
                self._account.post(each.dns.url, {})
        return put if pending == found else None

    def _proofs(self, found: Sequence[Authorization]) -> Proofs:
        proofs: dict[str, frozenset[str]] = {}
        for each in found:
            if each.dns is not None and each.dns.token:
                value = self._account.key.proof(each.dns.token)
                domain = each.identifier.value.lower().removeprefix("*.")
                proofs[domain] = proofs.get(domain, frozenset()) | {value}
        return proofs

    def _finalize(self, order: Order, csr: str) -> Said | None:
        """What the CA answers to the request: the order again; None where it is not ready after all."""
        content = x509.load_pem_x509_csr(csr.encode()).public_bytes(Encoding.DER)
        try:
            return self._account.post(order.finalize, {"csr": urlsafe_b64encode(content).decode().rstrip("=")})
        except Problematic as refused:
            if refused.code == "unauthorized":
                raise Refused("csr", str(refused)) from None
            if refused.code != "orderNotReady":
                raise
        return None

    def _waited(self, said: Said, wait: float, until: float) -> float:
        """Wait as the CA says, or as we do where it says nothing; how long the next time, nothing once time is up."""
        if said.retry_after:
            if time.monotonic() + said.retry_after.total_seconds() > until:
                raise Transient(f"{self.name} is at it", retry_after=said.retry_after)
            self._pause(said.retry_after.total_seconds())
            return wait
        if time.monotonic() + wait > until:
            return 0
        self._pause(wait)
        return min(wait * _GROWTH, _LONGEST_POLL_S)

    def _judged(self, url: str, order: Order, now: datetime, put: AtSpots | None) -> Placed:
        """An INVALID order: what did not work out is raised, what the CA decided is returned."""
        found = self._authorizations(order)
        self._clean(order, put, found)
        failed = {
            each.identifier.value: way.error for each in found for way in each.challenges if way.error is not None
        }
        if failed:
            reason = "caa" if any(error.code == "caa" for error in failed.values()) else "challenge"
            raise Refused(reason, "; ".join(f"{name}: {error.text}" for name, error in failed.items()))
        if order.error is not None:
            if (reason := reason_of(order.error)) in _SAID_OF_ORDERS:
                raise Refused(reason, order.error.text)
            return _placed(url, order)
        if any(each.status in OVER for each in found) or (order.expires is not None and order.expires <= now):
            raise Refused("order_expired", f"{self.name} kept the order {url} no longer")
        return _placed(url, order)

    def _clean(self, order: Order, put: AtSpots | None = None, found: Sequence[Authorization] | None = None) -> None:
        """Take an order's proofs away. Where that fails they stay, few at a name: it keeps no certificate back."""
        try:
            if put is None:
                put = self._dns.spots(self._proofs(self._authorizations(order) if found is None else found))
            self._dns.remove(put)
        except DogovorError as error:
            names = ", ".join(each.value for each in order.identifiers)
            _LOG.warning("proofs of %s stay in the DNS: %s", names, error)


def _placed(url: str, order: Order) -> Placed:
    problem = order.error.text if order.error is not None and order.state is OrderState.INVALID else ""
    return Placed(url=url, state=order.state, expires_at=order.expires, problem=problem)
