"""SIP messages are read within bounds, and challenges are answered as phones answer them."""

from __future__ import annotations

import asyncio
import re

import pytest

from blocks.clients.comms.sip_messages import MOST_HEAD, SUITE, Message, compose, digest, read_message, sdp, suites
from blocks.errors import Refused

ANSWER = "SIP/2.0 200 OK\r\nv: SIP/2.0/TLS a;branch=z9hG4bKx\r\nCSeq: 1 REGISTER\r\nContent-Length: {}\r\n\r\n"


def read(data: bytes) -> Message:
    async def reading() -> Message:
        reader = asyncio.StreamReader(limit=MOST_HEAD)
        reader.feed_data(data)
        reader.feed_eof()
        return await read_message(reader)

    return asyncio.run(reading())


def test_an_answer_is_read_with_short_names_folded_lines_and_keep_alives_before_it() -> None:
    message = read(b"\r\n\r\n" + ANSWER.format(4).replace("CSeq: 1", "CSeq: 1\r\n ").encode() + b"bodymore")
    assert (message.code, message.method, message.branch, message.body) == (200, "REGISTER", "z9hG4bKx", "body")


def test_what_we_compose_we_read() -> None:
    message = read(compose("BYE sip:a@b SIP/2.0", [("CSeq", "2 BYE"), ("Call-ID", "x")], "я"))
    assert (message.code, message.method, message.header("call-id"), message.body) == (0, "BYE", "x", "я")


@pytest.mark.parametrize(
    "data",
    [
        ANSWER.format(65_537).encode(),
        ANSWER.format("-1").encode(),
        ANSWER.format("9" * 40).encode(),
        ANSWER.format(0).replace("\r\n\r\n", f"\r\nX: {'x' * MOST_HEAD}\r\n\r\n").encode(),
        b"x" * (MOST_HEAD + 10),
        b"HTTP/1.1 200 OK\r\nCSeq: 1 X\r\n\r\n",
        b"SIP/2.0 200 OK\r\nno colon\r\nCSeq: 1 X\r\n\r\n",
        b"SIP/2.0 200 OK\r\nVia: x\r\n\r\n",
        b"SIP/2.0 999 OK\r\nCSeq: 1 X\r\n\r\n",
    ],
    ids=["long body", "negative", "huge", "long head", "long line", "HTTP", "no colon", "no CSeq", "no code"],
)
def test_what_is_malformed_or_too_long_is_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        read(data)


def test_a_message_cut_short_is_an_end() -> None:
    with pytest.raises(asyncio.IncompleteReadError):
        read(ANSWER.format(10).encode() + b"short")


def test_the_digest_is_that_of_the_standards_example() -> None:
    ha1 = "939e7578ed9e3c518a452acee763bce9"  # RFC 2617, section 3.5: Mufasa, Circle Of Life
    challenge = 'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    answer = digest(challenge, "Mufasa", ha1, "GET", "/dir/index.html")
    ours = re.findall(r'cnonce="([^"]+)"', answer)[0]
    assert ha1 not in answer
    assert 'username="Mufasa", realm="testrealm@host.com"' in answer
    assert len(ours) == 16


@pytest.mark.parametrize(
    "challenge",
    [
        'Digest realm="a", nonce="n"',
        'Digest realm="a", nonce="n", qop="auth-int"',
        'Digest realm="a", nonce="n", qop="auth", algorithm=SHA-256',
        'Digest realm="a", qop="auth"',
    ],
)
def test_a_challenge_that_ha1_cannot_answer_is_refused(challenge: str) -> None:
    with pytest.raises(Refused):
        digest(challenge, "1001", "00", "REGISTER", "sip:a")


@pytest.mark.clause("KS-2.6")
def test_ks_2_6_we_offer_srtp_of_256_bits_alone_with_a_new_key_each_time() -> None:
    first, second = sdp("127.0.0.1"), sdp("::1")
    assert suites(first) == suites(second) == [SUITE]
    assert "RTP/SAVP" in first
    assert "IN IP6 ::1" in second
    assert re.findall("inline:.*", first) != re.findall("inline:.*", second)
