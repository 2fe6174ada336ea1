"""What the reseller's answers mean, whatever form they come in."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from blocks.clients.ca.gogetssl_answers import listed, money_in, plain, products_in, told
from blocks.clients.ca.gogetssl_sandbox_state import Sandbox
from blocks.clients.ca.protocol import OrderState
from blocks.clients.ca.records import Proof
from blocks.clients.certificates import LocalAuthority
from blocks.errors import Refused, Transient
from blocks.terms.money import Money
from blocks.terms.ssl_prices import PRODUCTS
from tests.work import NOW

ORDER: dict[str, Any] = {"order_id": "1000001", "status": "processing", "domain": "Shop.Example.com"}


def dns(record: object) -> dict[str, Any]:
    return {"approver_method": {"dns": {"record": record}}}


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("active", OrderState.VALID),
        ("ACTIVE", OrderState.VALID),
        ("rejected", OrderState.INVALID),
        ("cancelled", OrderState.INVALID),
        ("new_order", OrderState.PENDING),
        ("pending", OrderState.PENDING),
        ("incomplete", OrderState.PENDING),
        ("processing", OrderState.PROCESSING),
        ("reissue", OrderState.PROCESSING),
        ("expired", OrderState.PROCESSING),
        ("something new", OrderState.PROCESSING),
    ],
)
def test_each_state_has_its_meaning(status: str, state: OrderState) -> None:
    assert told(ORDER | {"status": status}).state is state


def test_a_certificate_that_is_being_reissued_is_not_valid_yet() -> None:
    assert told(ORDER | {"status": "active", "reissue_now": "1"}).state is OrderState.PROCESSING
    assert told(ORDER | {"status": "active", "reissue_now": "0"}).state is OrderState.VALID


@pytest.mark.parametrize(("status", "unpaid"), [("unpaid", True), ("payment needed", True), ("pending", False)])
def test_an_order_that_waits_for_our_money_says_so(status: str, unpaid: bool) -> None:
    assert told(ORDER | {"status": status}).unpaid is unpaid


@pytest.mark.parametrize(
    ("record", "proof"),
    [
        (
            "_A1B2.Shop.Example.com CNAME C3D4.e5.Sectigo.com",
            Proof("_a1b2.shop.example.com", "CNAME", "c3d4.e5.sectigo.com"),
        ),
        ("_a1.shop.example.com. CNAME c3.sectigo.com.", Proof("_a1.shop.example.com", "CNAME", "c3.sectigo.com")),
        ('shop.example.com IN   TXT "_GlobalSign=Ab+/="', Proof("shop.example.com", "TXT", "_GlobalSign=Ab+/=")),
        ("shop.example.com. 300 IN TXT Ab c", Proof("shop.example.com", "TXT", "Ab c")),
        ("  shop.example.com txt x  ", Proof("shop.example.com", "TXT", "x")),
    ],
)
def test_a_proof_is_read_from_every_way_in_which_it_is_written(record: str, proof: Proof) -> None:
    order = told(ORDER | dns(record))
    assert order.proofs == order.waiting == (proof,)
    assert order.state is OrderState.PENDING


@pytest.mark.parametrize("record", ["", "nothing", None, 7, ["x"], "shop.example.com MX 10 mail"])
def test_what_is_no_record_is_no_proof(record: object) -> None:
    assert told(ORDER | dns(record)).proofs == ()
    assert told(ORDER | {"approver_method": record}).proofs == ()


def test_proofs_that_were_seen_are_waited_for_no_more() -> None:
    names = [("a.example.com", "2"), ("b.example.com", "1")]
    san = [{"status": status, "validation": {"dns": {"record": f"{name} CNAME x.y"}}} for name, status in names]
    order = told(ORDER | dns("shop.example.com CNAME x.y") | {"san": san})
    assert [proof.name for proof in order.proofs] == ["shop.example.com", "a.example.com", "b.example.com"]
    assert [proof.name for proof in order.waiting] == ["shop.example.com", "b.example.com"]
    assert told(ORDER | dns("shop.example.com CNAME x.y") | {"san": san, "dcv_status": 2}).waiting == ()
    as_object = {str(place): row for place, row in enumerate(san)}
    assert told(ORDER | dns("shop.example.com CNAME x.y") | {"san": as_object}) == order


@pytest.mark.parametrize(
    ("said", "fraud"),
    [
        ("Rejected: fraud suspected", True),
        ("The applicant gave FALSE DATA", True),
        ("Phishing", True),
        ("Forged documents", True),
        ("The domain could not be validated", False),
        ("Documents do not match", False),
        ("CAA record forbids", False),
    ],
)
def test_a_refusal_is_for_fraud_where_the_ca_says_so(said: str, fraud: bool) -> None:
    placed = told(ORDER | {"status": "rejected", "status_description": said}).placed("")
    assert (placed.problem, placed.fraud) == (said, fraud)


def test_the_chain_is_the_certificate_and_its_issuers() -> None:
    order = told(ORDER | {"status": "active", "crt_code": "LEAF\n", "ca_code": "\nISSUER"})
    assert order.chain == "LEAF\nISSUER\n"
    assert told(ORDER).chain == ""


@pytest.mark.parametrize("answer", [{}, {"order_id": "1"}, {"status": "active"}, {"order_id": None, "status": {}}])
def test_an_answer_without_number_or_state_is_asked_for_again(answer: dict[str, Any]) -> None:
    with pytest.raises(Transient):
        told(answer)


@pytest.mark.parametrize(("price", "minor"), [("8.50", 850), ("8.5", 850), (9, 900), ("1,208.00", 120_800)])
def test_prices_are_exact_by_months(price: object, minor: int) -> None:
    rows = [{"id": 45, "period": "12", "price": price, "currency": "EUR"}, {"id": 45, "period": "24", "price": "1"}]
    [row] = products_in({"products": [{"id": "45", "product": "X", "brand": "b"}]}, {"product_prices": rows})
    assert row.prices[12].minor == minor
    assert row.prices[24] == Money.of(1, "USD")


def test_a_price_with_a_point_stays_what_it_is() -> None:
    rows = [{"id": 45, "period": 12, "price": Decimal("12.10"), "currency": "EUR"}]
    [row] = products_in({"products": {"0": {"id": 45, "name": "X"}}}, {"product_prices": {"7": rows[0]}})
    assert (row.name, row.prices[12]) == ("X", Money.of("12.10", "EUR"))


@pytest.mark.parametrize(
    ("products", "prices"),
    [
        ({}, {}),
        ({"products": "none"}, {}),
        ({"products": [{"product": "X"}]}, {}),
        ({"products": []}, {"product_prices": [{"id": 1, "period": "x", "price": "1"}]}),
        ({"products": []}, {"product_prices": [{"id": 1, "period": "12", "price": "much"}]}),
        ({"products": []}, {"product_prices": [{"id": 1, "period": "12", "price": "1.234"}]}),
        ({"products": []}, {"product_prices": [{"id": 1, "period": "12", "price": "1", "currency": "XXX"}]}),
    ],
)
def test_a_price_list_that_does_not_read_is_asked_for_again(products: dict[str, Any], prices: dict[str, Any]) -> None:
    with pytest.raises(Transient):
        products_in(products, prices)


@pytest.mark.parametrize("answer", [{}, {"balance": "much"}, {"balance": "1", "currency": "XXX"}, {"balance": None}])
def test_a_balance_that_does_not_read_is_asked_for_again(answer: dict[str, Any]) -> None:
    with pytest.raises(Transient):
        money_in(answer)


@pytest.mark.parametrize("answer", [{}, {"orders": [{"order_id": "x", "status": "active"}]}, {"orders": [{}]}])
def test_a_list_of_orders_that_does_not_read_is_asked_for_again(answer: dict[str, Any]) -> None:
    with pytest.raises(Transient):
        listed(answer)
    assert listed({"orders": []}) == []


def test_names_of_products_are_compared_by_their_letters() -> None:
    assert plain("GeoTrust True BusinessID (EV)") == plain("geotrust truebusinessid-ev")
    assert len({plain(found.reseller) for found in PRODUCTS.values()}) == len(PRODUCTS)


def test_the_resellers_sandbox_refuses_production(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="production"):
        Sandbox("u", "p", LocalAuthority(tmp_path, lambda: NOW), "production")


def test_our_word_is_known_beside_one_of_the_resellers_own() -> None:
    order = told(ORDER | {"unique_code": "theirs", "tech_addressline3": "ours"})
    assert order.references == {"theirs", "ours"}


@pytest.mark.parametrize("more", [{"san": "no list"}, {"order_id": "12/../13"}, {"status": None}])
def test_an_answer_that_does_not_read_is_transient(more: dict[str, object]) -> None:
    with pytest.raises(Transient):
        told(ORDER | more)
