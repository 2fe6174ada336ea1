"""The ACME client against real servers: what goes wrong there, and what it asks of them."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest

from blocks.clients.ca.acme_ca import AcmeCa
from blocks.clients.ca.dns01 import AtSpots, Dns01, Proofs
from blocks.clients.ca.pem import facts_of, leaf_of, new_key
from blocks.clients.ca.protocol import OrderState
from blocks.errors import OutcomeUnknown, Refused, Transient
from blocks.terms.certificates import KeyKind
from tests.acme_work import ACCOUNT, KEY, acme_ca, issued, name_below, now, request, tapped
from tests.servers.acme_dns import AcmeDns
from tests.servers.certificates import Authority
from tests.servers.pebble import EAB_KEY, PebbleServer, pebble_server
from tests.servers.processes import free_port

RATE = {"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many new orders"}


class Wrong(Dns01):
    """It shows another proof than the one that is asked for."""

    def publish(self, proofs: Proofs, patience_s: float) -> AtSpots:
        return super().publish({name: frozenset({"x" * 43}) for name in proofs}, patience_s)


def test_every_order_goes_through_where_a_quarter_of_good_nonces_is_refused(
    authority: Authority, acme_dns: AcmeDns
) -> None:
    with pebble_server(authority, acme_dns, nonce_reject=25) as server:
        ca = acme_ca(server.at, acme_dns)
        for _ in range(5):
            name = name_below()
            assert set(facts_of(issued(ca, request(name, f"*.{name}", f"a.{name}"))).names) >= {name}


def test_an_account_needs_its_eab_where_the_ca_asks_for_one(
    authority: Authority, acme_dns: AcmeDns, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pebble_server(authority, acme_dns, eab=True) as server:
        without = server.at.model_copy(update={"eab_kid": ""})
        for at, key in ((without, ""), (server.at, "d3Jvbmc" * 6), (server.at, "no base64url: *")):
            with pytest.raises(Refused) as refused:
                acme_ca(at, acme_dns, eab_key=key).place(request(name_below()), now=now())
            assert refused.value.reason == "account"
            assert not key or key not in str(refused.value)
        assert issued(acme_ca(server.at, acme_dns, eab_key=EAB_KEY), request(name_below()))
    for secret in (EAB_KEY, *ACCOUNT.splitlines()[1:-1], *KEY.splitlines()[1:-1]):
        assert secret not in caplog.text


def test_a_rate_limit_says_when_to_come_back(pebble: PebbleServer, acme_dns: AcmeDns) -> None:
    ca = acme_ca(pebble.at, acme_dns)
    with tapped() as tap:
        tap.instead_of("/order-plz", 429, RATE, Retry_After="7200")
        with pytest.raises(Transient, match="too many new orders") as limited:
            ca.place(request(name_below()), now=now())
    assert limited.value.retry_after == timedelta(hours=2)
    assert not isinstance(limited.value, OutcomeUnknown)


@pytest.mark.parametrize(
    ("said", "date", "meant"),
    [
        ("Wed, 21 Oct 2015 07:30:00 GMT", "Wed, 21 Oct 2015 07:28:00 GMT", timedelta(minutes=2)),
        ("Wed, 21 Oct 2015 07:20:00 GMT", "Wed, 21 Oct 2015 07:28:00 GMT", timedelta(0)),
        ("99999999999999999999", "", timedelta(days=1)),
        ("9" * 5000, "", timedelta(days=1)),
        ("\xb2", "", None),
        ("Wed, 21 Oct 99999999999999999999 07:30:00 GMT", "Wed, 21 Oct 2015 07:28:00 GMT", None),
        ("soon", "", None),
        ("-5", "", None),
    ],
)
def test_a_moment_to_come_back_is_read_by_the_servers_own_clock(
    pebble: PebbleServer, acme_dns: AcmeDns, said: str, date: str, meant: timedelta | None
) -> None:
    ca = acme_ca(pebble.at, acme_dns)
    with tapped() as tap:
        tap.instead_of("/dir", 503, {}, Retry_After=said, Date=date)
        with pytest.raises(Transient) as away:
            ca.check()
    assert away.value.retry_after == meant


def test_a_ca_that_is_down_is_transient_and_nothing_was_asked(pebble: PebbleServer, acme_dns: AcmeDns) -> None:
    ca = acme_ca(pebble.at.model_copy(update={"url": f"https://127.0.0.1:{free_port()}/dir"}), acme_dns)
    with pytest.raises(Transient, match="does not answer") as away:
        ca.place(request(name_below()), now=now())
    assert not isinstance(away.value, OutcomeUnknown)


def test_an_order_whose_answer_was_lost_is_of_unknown_outcome_and_found(
    pebble: PebbleServer, acme_dns: AcmeDns
) -> None:
    ca, wanted = acme_ca(pebble.at, acme_dns), request(name_below())
    with tapped() as tap:
        tap.lost.add("/order-plz")
        with pytest.raises(OutcomeUnknown):
            ca.place(wanted, now=now())
    found = ca.find(wanted)
    assert found is not None
    assert ca.advance(found.url, wanted, now=now()).state is OrderState.VALID
    assert ca.find(wanted) is None


def test_what_answers_in_place_of_a_ca_is_transient(pebble: PebbleServer, acme_dns: AcmeDns) -> None:
    ca = acme_ca(pebble.at, acme_dns)
    with tapped() as tap:
        tap.instead_of("/dir", 200, "welcome to our network")
        with pytest.raises(Transient):
            ca.check()
    assert "without ARI" in ca.check()


def test_an_account_that_the_ca_forgot_is_made_again(pebble: PebbleServer, acme_dns: AcmeDns) -> None:
    ca, wanted = acme_ca(pebble.at, acme_dns), request(name_below())
    with tapped() as tap:
        tap.instead_of("/order-plz", 400, {"type": "urn:ietf:params:acme:error:accountDoesNotExist", "detail": "who?"})
        with pytest.raises(Refused) as refused:
            ca.place(wanted, now=now())
        assert refused.value.reason == "account"
        tap.answers.clear()
        tap.sent.clear()
        ca.place(wanted, now=now())
        assert any("/sign-me-up" in url for _, url, _ in tap.sent)


def test_a_proof_that_the_ca_does_not_find_is_told_in_its_words_and_taken_away(
    pebble: PebbleServer, acme_dns: AcmeDns
) -> None:
    name = name_below()
    wrong = Wrong([acme_dns.zone()], acme_dns.keys, [])
    ca, wanted = acme_ca(pebble.at, acme_dns, dns01=wrong), request(name)
    url = ca.place(wanted, now=now()).url
    with pytest.raises(Refused, match=name) as refused:
        ca.advance(url, wanted, now=now())
    assert refused.value.reason == "challenge"
    assert "Correct value not found" in str(refused.value)
    acme_dns.drop("example.test", acme_dns.proof(name, "x" * 43))
    assert acme_dns.texts(f"_acme-challenge.{name}") == set()


def test_an_order_that_ended_unused_is_expired(pebble: PebbleServer, acme_dns: AcmeDns) -> None:
    ca, wanted = acme_ca(pebble.at, acme_dns), request(name_below())
    url = ca.place(wanted, now=now()).url
    ca.cancel(url)
    with pytest.raises(Refused) as refused:
        ca.advance(url, wanted, now=now())
    assert refused.value.reason == "order_expired"


@pytest.mark.parametrize("year", [2001, 2099])
def test_our_clock_does_not_matter(pebble: PebbleServer, acme_dns: AcmeDns, year: int) -> None:
    ca, wanted, wrong = acme_ca(pebble.at, acme_dns), request(name_below()), datetime(year, 1, 1, tzinfo=UTC)
    url = ca.place(wanted, now=wrong).url
    assert ca.advance(url, wanted, now=wrong).state is OrderState.VALID


def test_a_certificate_of_a_day_is_taken_as_it_is(authority: Authority, acme_dns: AcmeDns) -> None:
    with pebble_server(authority, acme_dns, validity_s=86400) as server:
        said = facts_of(issued(acme_ca(server.at, acme_dns), request(name_below())))
    assert timedelta(hours=23) < said.not_after - said.not_before <= timedelta(days=1)


def test_thirty_two_orders_at_once_by_one_client_all_go_through(pebble: PebbleServer, acme_dns: AcmeDns) -> None:
    ca = acme_ca(pebble.at, acme_dns)
    names, at_once = [name_below() for _ in range(32)], threading.Barrier(32, timeout=60)

    def order(name: str) -> str:
        at_once.wait()
        return issued(ca, request(name))

    with ThreadPoolExecutor(32) as threads:
        chains = list(threads.map(order, names))
    assert [facts_of(chain).names for chain in chains] == [(name,) for name in names]
    assert len({facts_of(chain).serial for chain in chains}) == 32


def test_a_ca_that_wants_more_time_than_there_is_says_when_to_come_back(
    pebble: PebbleServer, acme_dns: AcmeDns
) -> None:
    waited: list[float] = []
    ca = acme_ca(pebble.at, acme_dns, budget_s=10, pause=waited.append)
    placed = ca.place(wanted := request(name_below()), now=now())
    order = {"status": "processing", "finalize": "", "authorizations": []}
    with tapped() as tap:
        tap.instead_of(placed.url, 200, order, Retry_After="11", Replay_Nonce="bm9uY2U")
        with pytest.raises(Transient) as later:
            ca.advance(placed.url, wanted, now=now())
    assert later.value.retry_after == timedelta(seconds=11)
    assert waited == []


def test_a_ca_that_says_to_look_at_once_is_not_looked_at_without_a_pause(
    pebble: PebbleServer, acme_dns: AcmeDns
) -> None:
    waited: list[float] = []
    with tapped() as tap:

        def pause(seconds: float) -> None:
            waited.append(seconds)
            if len(waited) == 3:
                raise Transient("far enough")

        ca = acme_ca(pebble.at, acme_dns, budget_s=10, pause=pause)
        placed = ca.place(wanted := request(name_below()), now=now())
        order = {"status": "processing", "finalize": "", "authorizations": []}
        tap.instead_of(placed.url, 200, order, Retry_After="0", Replay_Nonce="bm9uY2U")
        with pytest.raises(Transient, match="far enough"):
            ca.advance(placed.url, wanted, now=now())
    assert 0 < waited[0] < waited[1] < waited[2]


def test_a_ca_that_says_when_to_look_is_looked_at_then(pebble: PebbleServer, acme_dns: AcmeDns) -> None:
    waited: list[float] = []
    with tapped() as tap:

        def pause(seconds: float) -> None:
            waited.append(seconds)
            tap.answers.clear()

        ca = acme_ca(pebble.at, acme_dns, budget_s=10, pause=pause)
        placed = acme_ca(pebble.at, acme_dns).place(wanted := request(name_below()), now=now())
        order = {"status": "processing", "finalize": "", "authorizations": []}
        tap.instead_of(placed.url, 200, order, Retry_After="7", Replay_Nonce="bm9uY2U")
        with patch.object(AcmeCa, "_prove", side_effect=Transient("far enough")), pytest.raises(Transient):
            ca.advance(placed.url, wanted, now=now())
    assert waited == [7.0]


def test_an_order_that_is_ready_is_finalized_by_another_client(pebble: PebbleServer, acme_dns: AcmeDns) -> None:
    wanted = request(name_below())
    first = acme_ca(pebble.at, acme_dns)
    url = first.place(wanted, now=now()).url
    with patch.object(AcmeCa, "_finalize", side_effect=Transient("killed")), pytest.raises(Transient):
        first.advance(url, wanted, now=now())
    with tapped() as tap:
        assert acme_ca(pebble.at, acme_dns).advance(url, wanted, now=now()).state is OrderState.VALID
        assert not any("/chalZ/" in asked for _, asked, _ in tap.sent)
    assert acme_dns.texts(f"_acme-challenge.{wanted.names[0]}") == set()


def test_a_valid_order_is_collected_though_nobody_knows_its_proofs_any_more(
    pebble: PebbleServer, acme_dns: AcmeDns
) -> None:
    ca, wanted = acme_ca(pebble.at, acme_dns), request(name_below())
    url = ca.place(wanted, now=now()).url
    ca.advance(url, wanted, now=now())
    with tapped() as tap:
        tap.instead_of("/authZ/", 404, {})
        assert acme_ca(pebble.at, acme_dns).advance(url, wanted, now=now()).state is OrderState.VALID


def test_an_order_that_is_not_ready_after_all_is_looked_at_again(pebble: PebbleServer, acme_dns: AcmeDns) -> None:
    waited: list[float] = []
    with tapped() as tap:

        def pause(seconds: float) -> None:
            waited.append(seconds)
            tap.answers.clear()

        ca, wanted = acme_ca(pebble.at, acme_dns, pause=pause), request(name_below())
        url = ca.place(wanted, now=now()).url
        problem = {"type": "urn:ietf:params:acme:error:orderNotReady", "detail": "not yet"}
        tap.instead_of("/finalize-order/", 403, problem)
        assert ca.advance(url, wanted, now=now()).state is OrderState.VALID
    assert waited[0] == 0.02


def test_a_request_that_the_ca_does_not_take_is_refused_as_that(pebble: PebbleServer, acme_dns: AcmeDns) -> None:
    ca, wanted = acme_ca(pebble.at, acme_dns), request(name_below())
    url = ca.place(wanted, now=now()).url
    other = wanted.model_copy(update={"csr": request(name_below()).csr})
    with pytest.raises(Refused) as refused:
        ca.advance(url, other, now=now())
    assert refused.value.reason == "csr"
    assert ca.advance(url, wanted, now=now()).state is OrderState.VALID


def test_a_profile_that_the_ca_does_not_have_is_not_asked_for(pebble: PebbleServer, acme_dns: AcmeDns) -> None:
    ca = acme_ca(pebble.at.model_copy(update={"profile": "shortlived"}), acme_dns)
    with pytest.raises(Refused, match="shortlived") as refused:
        ca.place(request(name_below()), now=now())
    assert refused.value.reason == "unsupported"


def test_a_revoked_certificate_is_revoked_at_the_ca(pebble: PebbleServer, acme_dns: AcmeDns) -> None:
    ca = acme_ca(pebble.at, acme_dns)
    chain = issued(ca, request(name_below()))
    serial = f"{leaf_of(chain).serial_number:x}"
    assert pebble.status(serial) == "Valid"
    ca.revoke(chain, 1)
    assert pebble.status(serial) == "Revoked"


def test_another_accounts_certificate_is_not_ours_to_revoke(pebble: PebbleServer, acme_dns: AcmeDns) -> None:
    chain = issued(acme_ca(pebble.at, acme_dns), request(name_below()))
    with pytest.raises(Refused):
        acme_ca(pebble.at, acme_dns, account_key=new_key(KeyKind.EC_P256)).revoke(chain, 1)
