"""ARI (RFC 9773) against a real server: when to renew, and what a certificate replaces."""

from __future__ import annotations

from collections.abc import MutableMapping
from datetime import timedelta
from unittest.mock import patch

import pytest
import requests

from blocks.clients.ca.acme_ari import certificate_id
from blocks.clients.ca.pem import facts_of
from blocks.errors import Refused, Transient
from tests.acme_work import acme_ca, issued, name_below, now, request, tapped
from tests.servers.acme2certifier import RETRY_AFTER_S, Acme2Certifier, acme2certifier_server
from tests.servers.acme_dns import AcmeDns
from tests.servers.certificates import Authority
from tests.servers.pebble import PebbleServer


def test_what_a_certificate_replaces_is_told_to_a_ca_with_ari_alone(
    pebble: PebbleServer, acme2certifier: Acme2Certifier, acme_dns: AcmeDns
) -> None:
    for at, told in ((pebble.at, False), (acme2certifier.at, True)):
        ca, wanted = acme_ca(at, acme_dns), request(name_below())
        old = issued(ca, wanted)
        with tapped() as tap:
            ca.place(wanted.model_copy(update={"replaces": old}), now=now())
        [body] = [body for _, _, body in tap.sent if "identifiers" in body]
        assert body.get("replaces") == (certificate_id(old) if told else None)


@pytest.mark.parametrize(
    ("status", "code"), [(409, "alreadyReplaced"), (400, "malformed"), (403, "unauthorized"), (404, "malformed")]
)
def test_an_order_goes_out_anew_where_a_ca_does_not_take_what_it_replaces(
    acme2certifier: Acme2Certifier, acme_dns: AcmeDns, status: int, code: str
) -> None:
    ca, wanted = acme_ca(acme2certifier.at, acme_dns), request(name_below())
    old = issued(ca, wanted)
    with tapped() as tap:
        body = {"type": f"urn:ietf:params:acme:error:{code}", "detail": "no such certificate of yours"}
        tap.instead_of("/acme/neworders", status, body)
        with patch.object(tap, "sent", Forgetful(tap.answers)):
            assert ca.place(wanted.model_copy(update={"replaces": old}), now=now()).url


def test_a_ca_that_always_speaks_of_what_is_replaced_is_asked_twice_and_no_more(
    acme2certifier: Acme2Certifier, acme_dns: AcmeDns
) -> None:
    ca, wanted = acme_ca(acme2certifier.at, acme_dns), request(name_below())
    old = issued(ca, wanted)
    with tapped() as tap:
        tap.instead_of("/acme/neworders", 409, {"type": "urn:ietf:params:acme:error:alreadyReplaced", "detail": "no"})
        with pytest.raises(Refused):
            ca.place(wanted.model_copy(update={"replaces": old}), now=now())
    assert sum("identifiers" in body for _, _, body in tap.sent) == 2


class Forgetful(list[object]):
    """Takes answers away once the second request with identifiers goes out."""

    def __init__(self, answers: MutableMapping[str, requests.Response]) -> None:
        super().__init__()
        self._answers = answers

    def append(self, sent: object) -> None:
        super().append(sent)
        if sum("identifiers" in str(each) for each in self) > 1:
            self._answers.clear()


def test_ari_tells_when_to_renew_and_when_to_ask_again(acme2certifier: Acme2Certifier, acme_dns: AcmeDns) -> None:
    ca = acme_ca(acme2certifier.at, acme_dns)
    chain, at = issued(ca, request(name_below())), now()
    with tapped() as tap:
        advice = ca.advice(chain, now=at)
    assert [method for method, url, _ in tap.sent if "renewal-info" in url] == ["GET"]
    assert advice is not None
    said = facts_of(chain)
    assert said.not_before + timedelta(days=55) < advice.start < advice.end <= said.not_after
    assert advice.ask_at == at + timedelta(seconds=RETRY_AFTER_S)


def test_ari_that_says_now_has_a_window_in_the_past(authority: Authority, acme_dns: AcmeDns) -> None:
    with acme2certifier_server(authority, acme_dns, force=True) as server:
        ca = acme_ca(server.at, acme_dns)
        advice = ca.advice(issued(ca, request(name_below())), now=now())
    assert advice is not None
    assert advice.start < now() - timedelta(days=300)


def test_nobody_asks_when_to_renew_what_has_ended(acme2certifier: Acme2Certifier, acme_dns: AcmeDns) -> None:
    ca = acme_ca(acme2certifier.at, acme_dns)
    chain = issued(ca, request(name_below()))
    with tapped() as tap:
        assert ca.advice(chain, now=facts_of(chain).not_after + timedelta(seconds=1)) is None
    assert not any("renewal-info" in url for _, url, _ in tap.sent)


@pytest.mark.parametrize(("retry_after", "meant"), [("", 6 * 3600), ("1", 60), ("999999", 86400)])
def test_ari_is_asked_again_between_a_minute_and_a_day_later(
    acme2certifier: Acme2Certifier, acme_dns: AcmeDns, retry_after: str, meant: int
) -> None:
    ca = acme_ca(acme2certifier.at, acme_dns)
    chain, at = issued(ca, request(name_below())), now()
    window = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}
    with tapped() as tap:
        tap.instead_of("renewal-info", 200, {"suggestedWindow": window}, Retry_After=retry_after)
        advice = ca.advice(chain, now=at)
        assert advice is not None
        assert advice.ask_at == at + timedelta(seconds=meant)
        window["end"] = window["start"]
        tap.instead_of("renewal-info", 200, {"suggestedWindow": window})
        with pytest.raises(Transient, match="ends before"):
            ca.advice(chain, now=at)
        tap.instead_of("renewal-info", 404, {})
        assert ca.advice(chain, now=at) is None
