"""The pages of certificates as the gateway serves them: to anybody, and for 90 days after a certificate's end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import ConsoleMessage, Page
from sqlalchemy import select

from blocks.clients.ca.addresses import AuthorityAt, CertificatesAt, ConsumerAt, EndpointAt
from blocks.clients.ca.pem import facts_of
from blocks.errors import NotFound
from blocks.ledger import CertificateState, Order, Site, reading, transaction
from blocks.office import Office
from tasks.certificate_pages import SHOWN_FOR, chain_of, site_index, site_page
from tests.certificates import HOST, a_certificate, change, coming, in_service, row_of
from tests.gateway_server import gateway
from tests.work import NOW, ks, ordered

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


@pytest.fixture
def http(office: Office) -> Iterator[httpx.Client]:
    with gateway(office) as client:
        yield client


def with_front(office: Office) -> Office:
    """The same office with a server of ours that shows certificates."""
    ends = (
        EndpointAt(host=HOST, port=443),
        EndpointAt(host="192.0.2.1", port=5061, name=f"sip.{HOST}"),
        EndpointAt(host="192.0.2.1", port=5062),
        EndpointAt(host="elsewhere.example.org", port=443),
        EndpointAt(host=f"deep.sip.{HOST}", port=443),
    )
    front = ConsumerAt(name="front", directory=Path("/nonexistent"), endpoints=ends)
    local = AuthorityAt(name="local", kind="local")
    vars(office)["certificates_at"] = CertificatesAt(authority=(local,), consumer=(front,))
    return office


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_anybody_fetches_the_coming_certificate_without_logging_in(office: Office, http: httpx.Client) -> None:
    old, new = in_service(office), coming(office)
    row = row_of(office, new)
    page = http.get(f"/certificates/{HOST}")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    for part in (row.fingerprint, row.key_hash, row_of(office, old).fingerprint, "09.01.2027 09:00–11:00 МСК"):
        assert part in page.text
    assert page.headers["cache-control"] == "no-store"
    assert "script" not in page.headers["content-security-policy"]
    chain = http.get(f"/certificates/{HOST}/{row.fingerprint}.pem")
    assert chain.headers["content-type"] == "application/pem-certificate-chain"
    assert chain.headers.get_list("cache-control") == ["public, max-age=31536000, immutable"]
    assert facts_of(chain.text).fingerprint == row.fingerprint
    assert chain.text == row.chain
    told = http.get(f"/certificates/{HOST}.json").json()
    assert [each["state"] for each in told["certificates"]] == ["coming", "current"]
    assert told["certificates"][0]["swap_at"] == "2027-01-09T06:00:00Z"
    assert f'href="/certificates/{HOST}"' in http.get("/certificates").text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/certificates/nobody.example.net", 404),
        ("/certificates/nobody.example.net.json", 404),
        (f"/certificates/{HOST}/{'0' * 64}.pem", 404),
        (f"/certificates/other.example.net/{'0' * 64}.pem", 404),
        (f"/certificates/{HOST}/%2e%2e.pem", 422),
        ("/certificates/%00", 422),
        ("/certificates/a'b", 422),
    ],
)
def test_what_is_not_there_is_not_found(office: Office, http: httpx.Client, path: str, status: int) -> None:
    in_service(office)
    assert http.get(path).status_code == status


def test_a_chain_is_found_under_its_own_site_alone(office: Office, http: httpx.Client) -> None:
    row = row_of(office, in_service(office))
    in_service(office, "other.example.net")
    assert http.get(f"/certificates/{HOST}/{row.fingerprint}.pem").status_code == 200
    assert http.get(f"/certificates/other.example.net/{row.fingerprint}.pem").status_code == 404


@pytest.mark.parametrize(
    ("state", "shown"), [(CertificateState.RETIRED, "former"), (CertificateState.REVOKED, "revoked")]
)
def test_a_certificate_that_is_over_is_shown_for_90_days(
    sqlite_office: Office, state: CertificateState, shown: str
) -> None:
    office = sqlite_office
    made = a_certificate(office, state=state)
    change(office, made, **{"retired_at" if shown == "former" else "revoked_at": NOW})
    row = row_of(office, made)
    last = NOW + SHOWN_FOR - SECOND
    [line] = site_page(office, HOST, now=last).certificates
    assert (line.state, line.ended_at, line.tlsa) == (shown, NOW, ())
    assert chain_of(office, HOST, row.fingerprint, now=last) == row.chain
    assert site_page(office, HOST, now=last + SECOND).certificates == ()
    with pytest.raises(NotFound):
        chain_of(office, HOST, row.fingerprint, now=last + SECOND)


def test_a_site_that_is_over_has_a_page_as_long_as_it_has_something_to_show(sqlite_office: Office) -> None:
    office = sqlite_office
    a_certificate(office, state=CertificateState.RETIRED, retired_at=NOW)
    with transaction(office.sessions) as session:
        session.scalars(select(Site)).one().retired_at = NOW
    assert len(site_page(office, HOST, now=NOW + 89 * DAY).certificates) == 1
    assert site_index(office, now=NOW).sites == ()
    with pytest.raises(NotFound):
        site_page(office, HOST, now=NOW + SHOWN_FOR)


def test_the_index_lists_our_own_hosts_and_no_customer(office: Office) -> None:
    number = ordered(office, "A-1", ks())
    with reading(office.sessions) as session:
        order_id = session.scalars(select(Order.id).where(Order.number == number)).one()
    in_service(office, "shop.example.net", consumers=("complex",), order_id=order_id)
    coming(office)
    [line] = site_index(office, now=NOW).sites
    assert (line.slug, line.not_after) == (HOST, None)
    assert line.swap_at is not None
    page = site_page(office, "shop.example.net", now=NOW)
    text = json.dumps(page.model_dump(mode="json"), ensure_ascii=False)
    for private in (number, "Примерова", "customer@example.test"):
        assert private not in text


def test_what_was_sold_to_a_customer_has_no_page(sqlite_office: Office) -> None:
    made = in_service(sqlite_office, agreement="SSL")
    assert site_index(sqlite_office, now=NOW).sites == ()
    with pytest.raises(NotFound):
        site_page(sqlite_office, HOST, now=NOW)
    with pytest.raises(NotFound):
        chain_of(sqlite_office, HOST, row_of(sqlite_office, made).fingerprint, now=NOW)


def test_the_page_tells_the_records_of_every_port_that_shows_the_certificate(sqlite_office: Office) -> None:
    office = with_front(sqlite_office)
    made = in_service(office)
    [line] = site_page(office, HOST, now=NOW).certificates
    key = row_of(office, made).key_hash
    assert line.tlsa == (f"_443._tcp.{HOST}. IN TLSA 3 1 1 {key}", f"_5061._tcp.sip.{HOST}. IN TLSA 3 1 1 {key}")


def test_the_page_of_a_customers_domain_tells_the_records_of_its_complex(sqlite_office: Office) -> None:
    in_service(sqlite_office, "shop.example.net", consumers=("complex",))
    [line] = site_page(sqlite_office, "shop.example.net", now=NOW).certificates
    places = [record.partition(". IN ")[0] for record in line.tlsa]
    assert places == [
        "_5222._tcp.shop.example.net",
        "_5223._tcp.shop.example.net",
        "_5061._tcp.shop.example.net",
        "_5444._tcp.upload.shop.example.net",
    ]


@pytest.mark.parametrize("width", [390, 1_280])
def test_the_pages_are_read_in_a_browser_without_a_word_from_its_console(
    sqlite_office: Office, page: Page, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    office = with_front(sqlite_office)
    in_service(office)
    coming(office)
    a_certificate(office, state=CertificateState.RETIRED, retired_at=NOW)
    monkeypatch.setattr("flows.runtime.now", lambda: NOW)
    said: list[str] = []

    def note(message: ConsoleMessage) -> None:
        said.append(message.text)

    page.on("console", note)
    page.set_viewport_size({"width": width, "height": 844})
    with gateway(office) as http:
        page.goto(str(http.base_url.join("/certificates")))
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.get_by_role("link", name=HOST).click()
        assert page.locator("h1").inner_text() == HOST
        assert page.locator(".certificate").count() == 3
        assert page.locator("h2").first.inner_text() == "Вступит в действие"
        border = "getComputedStyle(document.querySelector('.certificate')).borderLeftWidth"
        assert page.evaluate(border) == "4px"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert said == []
