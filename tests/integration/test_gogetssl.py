"""The reseller's client against its stand-in: orders, proofs, what is lost and found, noes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from blocks.clients.ca.addresses import CertificatesAt
from blocks.clients.ca.gogetssl import GoGetSsl, reference
from blocks.clients.ca.gogetssl_answers import told as order_told
from blocks.clients.ca.opened import CaKeys, open_authority
from blocks.clients.ca.pem import facts_of, fits, new_key
from blocks.clients.ca.protocol import OrderState, Request
from blocks.clients.certificates import LocalAuthority
from blocks.errors import OutcomeUnknown, Refused, Transient
from blocks.terms.certificates import KeyKind
from blocks.terms.money import Money
from tests.reseller import ORGANIZATION, PASSWORD, Reseller, request, reseller
from tests.work import NOW

OURS, THEIRS = "www.ours.example", "www.theirs.example"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reseller]:
    with reseller(tmp_path_factory.mktemp("reseller")) as opened:
        yield opened


@pytest.fixture
def shop(running: Reseller) -> Reseller:
    """The stand-in as new."""
    running.renew()
    return running


def placed(ca: GoGetSsl, wanted: Request) -> str:
    return ca.place(wanted, now=NOW).url


def refused(shop: Reseller, outcome: Any, wanted: Request) -> Any:
    """How an order ends that the CA decides so about."""
    shop.sandbox.next_outcome = outcome
    ca = shop.client()
    return ca.advance(placed(ca, wanted), wanted, now=NOW)


def test_an_order_for_a_name_of_ours_is_proven_issued_and_cleaned_up(shop: Reseller) -> None:
    ca, wanted = shop.client(), request(OURS)
    first = ca.place(wanted, now=NOW)
    assert first.state is OrderState.PENDING
    assert first.wanted == ""
    assert ca.advance(first.url, wanted, now=NOW).state is OrderState.VALID
    assert [proof.kind for proof in shop.zones.published] == ["CNAME"]
    assert shop.zones.shown == set()
    assert ca.advance(first.url, wanted, now=NOW).state is OrderState.VALID
    chain = ca.collect(first.url)
    assert fits(chain, wanted.csr)
    assert facts_of(chain).not_after == NOW + timedelta(days=199)
    assert chain.count("BEGIN CERTIFICATE") == 2


@pytest.mark.parametrize(
    ("names", "product"),
    [
        (("*.ours.example", "ours.example"), "positivessl-wc"),
        (("*.ours.example", "ours.example"), "alphassl-wc"),
        (tuple(f"n{number}.ours.example" for number in range(20)), "positivessl"),
        (tuple(f"n{number}.ours.example" for number in range(20)), "alphassl"),
    ],
)
def test_wildcards_and_many_names_are_each_proven(shop: Reseller, names: tuple[str, ...], product: str) -> None:
    ca, wanted = shop.client(), request(*names, product=product)
    url = placed(ca, wanted)
    assert ca.advance(url, wanted, now=NOW).state is OrderState.VALID
    assert set(facts_of(ca.collect(url)).names) == set(names)
    assert len(set(shop.zones.published)) == len({name.removeprefix("*.") for name in names})
    assert len(shop.zones.published) == len(set(shop.zones.published))


def test_what_lies_in_a_zone_of_the_customer_is_told_as_records(shop: Reseller) -> None:
    ca, wanted = shop.client(), request(OURS, THEIRS)
    url = placed(ca, wanted)
    waiting = ca.advance(url, wanted, now=NOW)
    assert waiting.state is OrderState.PENDING
    theirs = shop.sandbox.orders[int(url)].proof(THEIRS)
    assert waiting.wanted == f"DNS: {theirs.name} CNAME {theirs.value}"
    assert {proof.name.split(".", 1)[1] for proof in shop.zones.published} == {OURS}
    shop.zones.shown.add(theirs)
    issued = ca.advance(url, wanted, now=NOW)
    assert (issued.state, issued.wanted) == (OrderState.VALID, "")
    assert len(shop.zones.published) == 1


def test_a_txt_proof_is_told_without_its_quotes(shop: Reseller) -> None:
    ca, wanted = shop.client(), request(THEIRS, product="alphassl")
    theirs = shop.sandbox.orders[int(placed(ca, wanted))].proof(THEIRS)
    assert ca.find(wanted) == ca.advance("1000001", wanted, now=NOW)
    assert ca.advance("1000001", wanted, now=NOW).wanted == f"DNS: {THEIRS} TXT {theirs.value}"


@pytest.mark.parametrize(
    "record",
    [
        "ours.example CNAME elsewhere.example",
        "_acme-challenge.ours.example CNAME elsewhere.example",
        "_dmarc.ours.example TXT none",
        'ours.example IN TXT "v=spf1 +all"',
    ],
)
def test_a_record_that_would_do_more_than_prove_is_shown_and_not_published(shop: Reseller, record: str) -> None:
    order = order_told({"order_id": "1", "status": "processing", "approver_method": {"dns": {"record": record}}})
    [proof] = order.waiting
    assert not proof.harmless
    ca, wanted = shop.client(transport=Answering(record)), request(OURS)
    assert ca.advance("1", wanted, now=NOW).wanted == f"DNS: {proof}"
    assert shop.zones.published == []


def test_a_request_for_other_names_is_refused_before_the_reseller_is_asked(shop: Reseller) -> None:
    wanted = request(OURS).model_copy(update={"names": ("other.ours.example",)})
    with pytest.raises(Refused) as error:
        shop.client().place(wanted, now=NOW)
    assert error.value.reason == "csr"
    assert shop.sandbox.orders == {}


def test_collecting_before_anything_is_issued_is_an_error(shop: Reseller) -> None:
    ca, wanted = shop.client(), request(OURS)
    url = placed(ca, wanted)
    with pytest.raises(Refused) as error:
        ca.collect(url)
    assert error.value.reason == "ca"


@pytest.mark.parametrize("url", ["1000042", "", "x", "1/../2"])
def test_an_order_that_nobody_knows_is_gone(shop: Reseller, url: str) -> None:
    ca, wanted = shop.client(), request(OURS)
    for call in (lambda: ca.advance(url, wanted, now=NOW), lambda: ca.collect(url), lambda: ca.cancel(url)):
        with pytest.raises(Refused) as error:
            call()
        assert error.value.reason == "gone"


@pytest.mark.parametrize("fault", ["after", "silent", "garbage"])
def test_an_order_whose_answer_was_lost_is_found_and_not_placed_again(shop: Reseller, fault: str) -> None:
    wanted = request(OURS)
    shop.sandbox.faults[fault] = 1
    with pytest.raises(OutcomeUnknown):
        shop.client(timeout_s=0.4).place(wanted, now=NOW)
    found = shop.client().find(wanted)
    assert found is not None
    assert list(shop.sandbox.orders) == [int(found.url)]
    assert shop.client().advance(found.url, wanted, now=NOW).state is OrderState.VALID
    assert shop.client().find(wanted) is not None


def test_an_order_that_was_not_taken_is_not_found(shop: Reseller) -> None:
    wanted = request(OURS)
    shop.sandbox.faults["before"] = 1
    with pytest.raises(Transient):
        shop.client().place(wanted, now=NOW)
    assert shop.client().find(wanted) is None
    placed(shop.client(), request(OURS, intent="b" * 32))
    assert shop.client().find(wanted) is None


@pytest.mark.parametrize("shows_csr", [True, False])
def test_an_order_without_our_reference_is_found_by_its_key_or_its_open_domain(shop: Reseller, shows_csr: bool) -> None:
    shop.sandbox.keeps_reference, shop.sandbox.shows_csr = False, shows_csr
    ca, wanted = shop.client(), request(OURS)
    placed(ca, request("other.ours.example", intent="b" * 32))
    url = placed(ca, wanted)
    found = ca.find(wanted)
    assert found is not None
    assert found.url == url


def test_an_order_of_another_reference_is_never_ours_even_with_our_key(shop: Reseller) -> None:
    ca, key = shop.client(), new_key(KeyKind.EC_P256)
    old = request(OURS, intent="b" * 32, key=key)
    assert ca.advance(placed(ca, old), old, now=NOW).state is OrderState.VALID
    assert ca.find(request(OURS, key=key)) is None
    assert ca.find(request(OURS, key=key)) is None


def test_orders_of_others_are_looked_at_once(shop: Reseller) -> None:
    seen: list[str] = []
    placed(shop.client(), request(OURS, intent="b" * 32))
    ca = shop.client(transport=Watching(seen))
    for intent in ("c", "d"):
        assert ca.find(request(OURS, intent=intent * 32)) is None
    assert len([path for path in seen if "/status/" in path]) == 1
    assert ca.find(request(OURS, intent="b" * 32)) is not None


def test_the_order_of_the_certificate_that_is_replaced_is_not_its_successor(shop: Reseller) -> None:
    shop.sandbox.keeps_reference = False
    ca, key = shop.client(), new_key(KeyKind.EC_P256)
    old = request(OURS, intent="b" * 32, key=key)
    url = placed(ca, old)
    ca.advance(url, old, now=NOW)
    assert ca.find(request(OURS, key=key, replaces=ca.collect(url))) is None
    assert ca.find(request(OURS, key=key)) is not None


@pytest.mark.parametrize("over", ["rejected", "cancelled", "expired"])
def test_an_order_that_is_over_is_not_found_again(shop: Reseller, over: str) -> None:
    ca, wanted = shop.client(), request(OURS)
    url = placed(ca, wanted)
    shop.sandbox.orders[int(url)].status = over
    assert ca.find(wanted) is None


def test_orders_beyond_the_first_page_are_looked_through(shop: Reseller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blocks.clients.ca.gogetssl._PAGE", 2)
    ca, wanted = shop.client(), request(OURS)
    for number in range(4):
        placed(ca, request(f"n{number}.ours.example", intent=f"{number}" * 32))
    url = placed(ca, wanted)
    found = shop.client().find(wanted)
    assert found is not None
    assert found.url == url


def test_a_fresh_client_goes_on_from_the_number_alone_at_every_state(shop: Reseller) -> None:
    wanted = request(OURS, THEIRS)
    url = placed(shop.client(), wanted)
    assert shop.client().advance(url, wanted, now=NOW).state is OrderState.PENDING
    assert shop.client().advance(url, wanted, now=NOW).state is OrderState.PENDING
    shop.zones.shown.add(shop.sandbox.orders[int(url)].proof(THEIRS))
    assert shop.client().advance(url, wanted, now=NOW).state is OrderState.VALID
    assert fits(shop.client().collect(url), wanted.csr)


def test_a_cancelled_order_is_invalid_its_records_are_gone_and_so_it_stays(shop: Reseller) -> None:
    ca, wanted = shop.client(), request(OURS, THEIRS)
    before = ca.balance()
    url = placed(ca, wanted)
    ca.advance(url, wanted, now=NOW)
    assert shop.zones.shown
    ca.cancel(url)
    assert shop.zones.shown == set()
    ca.cancel(url)
    told = ca.advance(url, wanted, now=NOW)
    assert (told.state, told.problem, told.fraud) == (OrderState.INVALID, "cancelled", False)
    assert ca.balance() == before


def test_what_was_issued_is_not_cancelled(shop: Reseller) -> None:
    ca, wanted = shop.client(), request(OURS)
    url = placed(ca, wanted)
    ca.advance(url, wanted, now=NOW)
    ca.cancel(url)
    assert ca.advance(url, wanted, now=NOW).state is OrderState.VALID


def test_revocation_is_not_offered(shop: Reseller) -> None:
    ca, wanted = shop.client(), request(OURS)
    url = placed(ca, wanted)
    ca.advance(url, wanted, now=NOW)
    with pytest.raises(Refused) as error:
        ca.revoke(ca.collect(url), 1)
    assert error.value.reason == "unsupported"
    ca.advice(ca.collect(url), now=NOW)


@pytest.mark.clause("SSL-4.7")
def test_ssl_4_7_a_refusal_is_the_cas_own_with_its_word(shop: Reseller) -> None:
    told = refused(shop, "refuse", request(OURS))
    assert (told.state, told.fraud) == (OrderState.INVALID, False)
    assert told.problem == "The certificate authority rejected the order"
    assert shop.zones.shown == set()


@pytest.mark.clause("SSL-5.2")
def test_ssl_5_2_a_refusal_for_fraud_is_told_as_one(shop: Reseller) -> None:
    told = refused(shop, "fraud", request(OURS))
    assert (told.state, told.fraud) == (OrderState.INVALID, True)


@pytest.mark.clause("SSL-4.6")
def test_ssl_4_6_documents_that_the_ca_asks_for_are_passed_on(shop: Reseller) -> None:
    wanted = request(OURS, product="instantssl", **ORGANIZATION)
    told = refused(shop, "documents", wanted)
    assert (told.state, told.wanted) == (
        OrderState.PROCESSING,
        "Please provide a registration document of the organization",
    )
    shop.sandbox.orders[int(told.url)].outcome = "issue"
    assert shop.client().advance(told.url, wanted, now=NOW).state is OrderState.VALID


def test_a_state_that_nobody_knows_means_that_it_is_being_worked_on(shop: Reseller) -> None:
    assert refused(shop, "unknown", request(OURS)).state is OrderState.PROCESSING


def test_an_order_that_was_not_paid_waits_for_a_person(shop: Reseller) -> None:
    ca, wanted = shop.client(), request(OURS)
    url = placed(ca, wanted)
    shop.sandbox.orders[int(url)].status = "unpaid"
    with pytest.raises(Refused, match="short") as error:
        ca.advance(url, wanted, now=NOW)
    assert error.value.reason == "account"


def test_too_little_money_at_the_reseller_is_a_matter_of_the_account(shop: Reseller) -> None:
    shop.sandbox.balance = shop.sandbox.balance * 0
    with pytest.raises(Refused, match="balance") as error:
        shop.client().place(request(OURS), now=NOW)
    assert error.value.reason == "account"


@pytest.mark.parametrize("left_out", ["firstname", "phone", "email"])
def test_an_order_without_its_applicant_names_what_is_missing(shop: Reseller, left_out: str) -> None:
    with pytest.raises(Refused, match=f"lacks: {left_out}$"):
        shop.client().place(request(OURS, **{left_out: " "}), now=NOW)


def test_an_organization_is_needed_where_it_is_examined(shop: Reseller) -> None:
    with pytest.raises(Refused, match="lacks: organization, addressline1, city, country, postalcode, region"):
        shop.client().place(request(OURS, product="instantssl"), now=NOW)
    url = placed(shop.client(), request(OURS, product="instantssl", **ORGANIZATION))
    assert shop.sandbox.orders[int(url)].form["org_name"] == ORGANIZATION["organization"]


def test_a_product_is_found_by_its_name_and_not_by_a_number_of_ours(shop: Reseller) -> None:
    with pytest.raises(Refused, match="sells no"):
        shop.client().place(request(OURS, product="letsencrypt"), now=NOW)
    url = placed(shop.client(), request(OURS, product="SECTIGO (Positive) SSL"))
    assert shop.sandbox.orders[int(url)].product.code == "positivessl"


def test_a_renewal_goes_out_as_one(shop: Reseller) -> None:
    ca, wanted = shop.client(), request(OURS)
    url = placed(ca, wanted)
    ca.advance(url, wanted, now=NOW)
    seen: list[str] = []
    renewal = request(OURS, intent="b" * 32, replaces=ca.collect(url))
    shop.client(transport=Watching(seen)).place(renewal, now=NOW)
    assert [path for path in seen if "add_ssl" in path] == ["/api/orders/add_ssl_renew_order/"]


def test_an_order_of_a_paid_year_is_reissued_for_another_key(shop: Reseller) -> None:
    ca, wanted = shop.client(), request(OURS)
    url = placed(ca, wanted)
    ca.advance(url, wanted, now=NOW)
    first, balance = ca.collect(url), ca.balance()
    again = request(OURS, intent="b" * 32)
    assert ca.reissue(url, again).state is OrderState.PENDING
    assert ca.advance(url, again, now=NOW).state is OrderState.VALID
    assert fits(ca.collect(url), again.csr)
    assert not fits(ca.collect(url), wanted.csr)
    assert ca.collect(url) != first
    assert ca.balance() == balance


def test_what_is_not_issued_cannot_be_reissued(shop: Reseller) -> None:
    ca, wanted = shop.client(), request(OURS)
    with pytest.raises(Refused):
        ca.reissue(placed(ca, wanted), request(OURS, intent="b" * 32))


def test_a_key_that_ended_is_renewed_once_and_nothing_is_lost(shop: Reseller) -> None:
    ca, wanted = shop.client(), request(OURS)
    ca.balance()
    shop.sandbox.faults["key"] = 1
    url = placed(ca, wanted)
    assert list(shop.sandbox.orders) == [int(url)]


def test_a_key_that_is_refused_again_and_again_is_a_matter_of_the_account(shop: Reseller) -> None:
    shop.sandbox.faults["key"] = 2
    with pytest.raises(Refused) as error:
        shop.client().balance()
    assert error.value.reason == "account"
    assert shop.sandbox.faults["key"] == 0


def test_many_at_once_share_one_key(shop: Reseller) -> None:
    ca = shop.client()
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: str(ca.balance()), range(16)))) == 1
    assert len(shop.sandbox.keys) == 1


def test_a_wrong_password_is_said_without_saying_it(shop: Reseller) -> None:
    with pytest.raises(Refused, match="does not take user and password") as error:
        shop.client(password="hunter2-hunter2").balance()
    assert error.value.reason == "account"
    assert "hunter2" not in str(error.value)


def test_a_limit_is_kept_for_as_long_as_it_is_asked(shop: Reseller) -> None:
    ca = shop.client()
    ca.balance()
    shop.sandbox.faults["limit"] = 1
    with pytest.raises(Transient) as error:
        ca.place(request(OURS), now=NOW)
    assert error.value.retry_after == timedelta(seconds=7)
    assert not isinstance(error.value, OutcomeUnknown)


def test_a_reseller_that_is_away_is_transient_and_nothing_was_ordered(shop: Reseller) -> None:
    with pytest.raises(Transient, match="not reached") as error:
        shop.client(transport=Failing(httpx.ConnectError("no"))).place(request(OURS), now=NOW)
    assert not isinstance(error.value, OutcomeUnknown)


def test_a_reading_call_that_is_lost_is_merely_transient(shop: Reseller) -> None:
    with pytest.raises(Transient) as error:
        shop.client(transport=Failing(httpx.ReadTimeout("late"))).balance()
    assert not isinstance(error.value, OutcomeUnknown)


def test_neither_password_nor_key_reaches_the_log(shop: Reseller, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ca, wanted = shop.client(), request(OURS)
    ca.advance(placed(ca, wanted), wanted, now=NOW)
    assert shop.sandbox.keys
    written = "\n".join(f"{record.getMessage()} {record.args}" for record in caplog.records)
    assert written
    assert not [secret for secret in (*shop.sandbox.keys, PASSWORD) if secret in written]


def test_the_price_list_is_exact(shop: Reseller) -> None:
    rows = {row.name: row for row in shop.client().products()}
    assert rows["Sectigo PositiveSSL"].prices == {12: Money.of("8.50", "EUR")}
    assert rows["Sectigo PositiveSSL"].prices[12].minor == 850
    assert (rows["AlphaSSL Wildcard"].wildcard, rows["AlphaSSL"].wildcard) == (True, False)
    assert shop.client().balance() == Money.of("5000.00", "EUR")
    assert shop.client().check() == "15 products, balance 5000.00 EUR"


def test_the_reference_goes_with_the_order_in_a_form_that_the_reseller_takes(shop: Reseller) -> None:
    wanted = request(OURS)
    form = shop.sandbox.orders[int(placed(shop.client(), wanted))].form
    assert form["tech_addressline3"] == form["unique_code"] == reference(wanted)
    assert 15 <= len(reference(wanted)) <= 20
    other = shop.sandbox.orders[int(placed(shop.client(), request(OURS, intent="c" * 32, product="alphassl")))].form
    assert "unique_code" not in other


def test_the_settings_open_such_a_client(shop: Reseller, tmp_path: Path) -> None:
    at = shop.at(products={"positivessl": "AlphaSSL"})
    whole = CertificatesAt(authority=(at,))
    keys = CaKeys.model_validate({"authorities": {"shop": PASSWORD}})
    local = LocalAuthority(tmp_path / "unused", lambda: NOW)
    ca = open_authority(at, whole, keys, account_key=lambda: "", local=local)
    url = ca.place(request(THEIRS), now=NOW).url
    assert ca.name == "shop"
    assert shop.sandbox.orders[int(url)].product.code == "alphassl"
    with pytest.raises(Refused) as error:
        open_authority(at, whole, CaKeys(), account_key=lambda: "", local=local)
    assert error.value.reason == "secret"


class Watching(httpx.BaseTransport):
    """The real wire, with the paths that were asked written down."""

    def __init__(self, seen: list[str]) -> None:
        self._seen = seen
        self._real = httpx.HTTPTransport(limits=httpx.Limits(max_keepalive_connections=0))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._seen.append(request.url.path)
        return self._real.handle_request(request)


class Answering(httpx.BaseTransport):
    """A reseller whose one order wants this record."""

    def __init__(self, record: str) -> None:
        self._record = record

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        order = {"order_id": "1", "status": "processing", "approver_method": {"dns": {"record": self._record}}}
        return httpx.Response(200, json={"key": "k"} if request.url.path.endswith("/auth/") else order)


class Failing(httpx.BaseTransport):
    """A wire on which every call fails in the same way."""

    def __init__(self, error: httpx.TransportError) -> None:
        self._error = error

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        del request
        raise self._error


class Odd(httpx.BaseTransport):
    """Takes an order, and answers with something that nobody expects."""

    def __init__(self) -> None:
        self._wire = httpx.HTTPTransport(limits=httpx.Limits(max_keepalive_connections=0))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._wire.handle_request(request)
        if "add_ssl_order" not in str(request.url):
            return answer
        answer.read()
        answer.close()
        return httpx.Response(200, json={"order_id": 7, "san": "no list", "success": True})


def test_an_answer_to_an_order_that_does_not_read_leaves_it_unknown_and_it_is_found(shop: Reseller) -> None:
    wanted = request(OURS)
    with pytest.raises(OutcomeUnknown):
        shop.client(transport=Odd()).place(wanted, now=NOW)
    assert shop.client().find(wanted) is not None
    assert len(shop.sandbox.orders) == 1


def test_no_reseller_makes_us_wait_for_longer_than_a_day(shop: Reseller) -> None:
    class Busy(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(429, headers={"Retry-After": "9" * 30}, request=request)

    with pytest.raises(Transient) as busy:
        shop.client(transport=Busy()).balance()
    assert busy.value.retry_after == timedelta(days=1)
