"""Probes of services that stay silent, talk garbage, break off or keep their customers out."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable, Iterator

import dns.message
import dns.rrset
import pytest

from blocks.clients.probes import ProbeKind, Seen, probe, probe_all
from tests.probing import (
    DOMAIN,
    ENOUGH_S,
    SHORT_S,
    STARTTLS_SCRIPTS,
    STREAM_TARGETS,
    XMPP_OPEN,
    XMPP_STARTTLS,
    bad_targets,
    leaving_nothing,
    saying,
    see_udp,
    server_context,
    serving,
    sip_answer,
    target,
)
from tests.servers.certificates import Authority


@pytest.fixture(autouse=True)
def nothing_left_behind(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with leaving_nothing(caplog):
        yield


@pytest.fixture(scope="session")
def good_tls(authority: Authority) -> ssl.SSLContext:
    return server_context(authority.issue(DOMAIN))


def test_a_service_that_accepts_and_never_speaks_is_down_in_time(authority: Authority) -> None:
    async def see() -> list[Seen]:
        async with serving(saying()) as port:
            return await probe_all(bad_targets(port, authority), timeout_s=SHORT_S)

    seen = asyncio.run(see())
    assert [one.up for one in seen] == [False] * len(STREAM_TARGETS)
    assert {one.detail for one in seen} == {
        f"waited 0.6 s in vain for {what}"
        for what in (
            "the TLS handshake",
            "the stream features",
            "the IMAP greeting",
            "the SMTP greeting",
            "the answer to OPTIONS",
            "the DNS answer",
        )
    }


GARBAGE: dict[str, bytes] = {
    "nothing but hanging up": b"",
    "http": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "zeros": bytes(5000),
    "a line without an end": b"* OK " + b"x" * 200_000,
    "many lines": b"250-x\r\n" * 50_000,
    "other xml": b"<html><body/></html>",
    "doctype": b'<!DOCTYPE a [<!ENTITY a "a">]>' + XMPP_OPEN.encode(),
    "xmpp error": XMPP_OPEN.encode() + b"<stream:error><host-unknown/></stream:error></stream:stream>",
    "xmpp closed": XMPP_OPEN.encode() + b"</stream:stream>",
    "an endless stanza": XMPP_OPEN.encode() + b"<a>" + b"<b/>" * 30_000,
    "refusals": b"* BYE too busy\r\n",
    "busy": b"421 too busy\r\n",
    "not sip": b"SIP/2.0 999 Beyond\r\n\r\n",
    "endless sip": b"SIP/2.0 200 OK\r\n" + b"X: y\r\n" * 30_000,
    "another's sip": b"SIP/2.0 200 OK\r\nCall-ID: other\r\nCSeq: 1 OPTIONS\r\nContent-Length: 3\r\n\r\nabc" * 2_000,
    "sip of no length": b"SIP/2.0 100 Trying\r\nContent-Length: -5\r\n\r\n",
    "dns of no length": b"\x00\x00",
    "dns cut": b"\x00\x0c\x00\x00\x80\x00\x00\x01\x00\x01\x00\x00\x00\x00",
    **{f"random {seed}": random.Random(seed).randbytes(3000) for seed in range(5)},  # noqa: S311
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_down(garbage: bytes, authority: Authority, good_tls: ssl.SSLContext) -> None:
    async def see() -> list[Seen]:
        async with (
            serving(saying(garbage, then="hang up")) as plain,
            serving(saying(garbage, then="hang up"), tls=good_tls) as under_tls,
        ):
            targets = bad_targets(plain, authority)
            targets += [one for one in bad_targets(under_tls, authority) if one.transport == "tls"]
            return await probe_all([one for one in targets if one.kind is not ProbeKind.TLS], timeout_s=2)

    seen = asyncio.run(see())
    assert not any(one.up for one in seen), seen
    assert all(0 < len(one.detail) <= 300 and one.detail.isprintable() for one in seen)
    assert all(one.milliseconds < 1900 for one in seen), seen  # seen for what it is, not waited for


@pytest.mark.parametrize("ending", ["hang up", "garbage", "silent"])
def test_half_tls_is_down(ending: str, authority: Authority) -> None:
    async def see(kind: str) -> Seen:
        script: tuple[str | bytes, ...] = STARTTLS_SCRIPTS[kind]
        if ending == "garbage":
            script += (b"\x16\x03\x03\x00\x04oops",)
        then = "silent" if ending == "silent" else "hang up"
        async with serving(saying(*script, then=then, greets=kind != "xmpp")) as port:
            return await probe(target(kind, port, ca_file=authority.ca_file), timeout_s=SHORT_S)

    async def see_all() -> list[Seen]:
        return await asyncio.gather(*map(see, STARTTLS_SCRIPTS))

    for seen in asyncio.run(see_all()):
        assert not seen.up
        assert "the TLS handshake" in seen.detail, seen
        assert ("in vain" in seen.detail) == (ending == "silent")


@pytest.mark.parametrize(
    ("kind", "script", "detail"),
    [
        ("imap", ("* OK hello\r\n", "* CAPABILITY IMAP4rev1\r\na1 OK\r\n"), "IMAP offers no STARTTLS"),
        ("imap", ("* OK hello\r\n", "a1 BAD no\r\n"), "instead of the capabilities: A1 BAD NO"),
        ("imap", (*STARTTLS_SCRIPTS["imap"][:2], "a2 NO later\r\n"), "instead of the answer to STARTTLS: A2 NO LATER"),
        ("submission", ("220 hello\r\n", "250-hello\r\n250 AUTH PLAIN\r\n"), "SMTP offers no STARTTLS"),
        ("submission", ("220 hello\r\n", "502 what?\r\n"), "instead of the answer to EHLO: 502 what?"),
        (
            "submission",
            (*STARTTLS_SCRIPTS["submission"][:2], "454 not now\r\n"),
            "instead of the answer to STARTTLS: 454 not now",
        ),
        ("xmpp", (XMPP_OPEN + "<stream:features/>",), "XMPP offers no STARTTLS"),
        (
            "xmpp",
            (XMPP_OPEN + XMPP_STARTTLS, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>"),
            "instead of the answer to STARTTLS: failure",
        ),
    ],
)
def test_a_service_that_keeps_its_customers_from_tls_is_down(kind: str, script: tuple[str, ...], detail: str) -> None:
    async def see() -> Seen:
        async with serving(saying(*script, greets=kind != "xmpp")) as port:
            return await probe(target(kind, port), timeout_s=ENOUGH_S)

    seen = asyncio.run(see())
    assert (seen.up, seen.detail) == (False, detail)


@pytest.mark.parametrize(
    ("kind", "script", "detail"),
    [
        ("imap", ("* OK hello\r\n", "* CAPABILITY IMAP2\r\na3 OK\r\n"), "IMAP4rev1 is not among the capabilities"),
        ("submission", ("220 hello\r\n", "550 no\r\n"), "instead of the answer to EHLO: 550 no"),
        ("xmpp", (XMPP_OPEN + "<stream:features/>",), "XMPP offers no SASL mechanism under TLS"),
    ],
)
def test_a_service_that_lets_nobody_log_in_under_tls_is_down(
    kind: str, script: tuple[str, ...], detail: str, authority: Authority, good_tls: ssl.SSLContext
) -> None:
    async def see() -> Seen:
        async with serving(saying(*script, greets=kind != "xmpp"), tls=good_tls) as port:
            return await probe(target(kind, port, transport="tls", ca_file=authority.ca_file), timeout_s=ENOUGH_S)

    seen = asyncio.run(see())
    assert (seen.up, seen.detail) == (False, detail)


@pytest.mark.parametrize(
    ("kind", "garbage", "detail"),
    [
        ("xmpp", "an endless stanza", "instead of the stream features: a stanza without an end"),
        ("xmpp", "doctype", "instead of the stream features: a DOCTYPE, which XMPP forbids"),
        ("xmpp", "other xml", "instead of the stream features: the XML of html"),
        ("imap", "a line without an end", "instead of the IMAP greeting: a line without an end"),
        ("sip", "endless sip", "a SIP answer without an end"),
        ("sip", "another's sip", "much SIP, but no answer to OPTIONS"),
        ("sip", "sip of no length", "a SIP answer of length -5"),
    ],
)
def test_a_service_that_never_comes_to_an_end_is_not_listened_to(kind: str, garbage: str, detail: str) -> None:
    async def see() -> Seen:
        async with serving(saying(GARBAGE[garbage])) as port:
            return await probe(target(kind, port, transport="tcp"), timeout_s=ENOUGH_S)

    seen = asyncio.run(see())
    assert (seen.up, seen.detail) == (False, detail)


def test_what_a_service_says_is_one_short_line() -> None:
    async def see() -> Seen:
        async with serving(saying("* BYE \x1b[31mred\x00\t\x85" + "long " * 200 + "\r\n")) as port:
            return await probe(target("imap", port), timeout_s=ENOUGH_S)

    detail = asyncio.run(see()).detail
    assert detail.startswith(
        "instead of the IMAP greeting: * BYE \N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER} long"
    )
    assert len(detail) == 300


def test_a_lost_datagram_is_sent_again() -> None:
    def deaf_at_first(answer: Callable[[bytes], bytes]) -> Callable[[bytes], list[bytes]]:
        heard: list[bytes] = []

        def hear(data: bytes) -> list[bytes]:
            heard.append(data)
            return [answer(data)] if len(heard) > 1 else []

        return hear

    def dns_answer(data: bytes) -> bytes:
        answer = dns.message.make_response(dns.message.from_wire(data))
        answer.answer.append(dns.rrset.from_text(f"{DOMAIN}.", 60, "IN", "SOA", "ns. me. 1 1 1 1 1"))
        return answer.to_wire()

    for kind, answer in (("sip", sip_answer), ("dns", dns_answer)):
        seen, service = asyncio.run(see_udp(kind, deaf_at_first(answer)))
        assert seen.up, seen
        assert len(service.heard) == 2


def test_a_sip_answer_that_is_not_final_or_not_ours_does_not_count() -> None:
    def other(request: bytes) -> bytes:
        return sip_answer(request).replace(b"Call-ID: ", b"Call-ID: x")

    def other_method(request: bytes) -> bytes:
        return sip_answer(request).replace(b"1 OPTIONS", b"1 INVITE")

    seen, _ = asyncio.run(
        see_udp("sip", lambda data: [sip_answer(data, "100 Trying"), other(data), other_method(data)], timeout_s=0.3)
    )
    assert seen.detail == "waited 0.3 s in vain for the answer to OPTIONS"
    seen, _ = asyncio.run(
        see_udp("sip", lambda data: [sip_answer(data, "100 Trying"), other(data), sip_answer(data, "486 Busy Here")])
    )
    assert (seen.up, seen.detail) == (True, "SIP 486 Busy Here")


@pytest.mark.parametrize("kind", ["sip", "dns"])
def test_garbage_in_datagrams_is_down(kind: str) -> None:
    chance = random.Random(kind)  # noqa: S311

    for size in (0, 1, 11, 12, 40, 600):
        tail = chance.randbytes(size)
        assert not asyncio.run(see_udp(kind, lambda _, tail=tail: [tail], timeout_s=0.1))[0].up  # type: ignore[misc]
        for flags in (b"\x80\x00", b"\x84\x00", b"\x82\x00", b"\xff\xff"):
            rest = flags + bytes([0, 1, 0, 1, 0, 0, 0, 0]) + tail  # with the question's id, a DNS answer so far
            seen, _ = asyncio.run(see_udp(kind, lambda data, rest=rest: [data[:2] + rest], timeout_s=0.1))  # type: ignore[misc]
            assert not seen.up
