from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode

import pytest

from blocks.clients.comms.scram import ScramClient
from blocks.errors import Refused

NONCE = "rOprNGfwEbeRWgbNEkqO"
SERVER_FIRST = f"r={NONCE}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
SALTED = hashlib.pbkdf2_hmac("sha256", b"pencil", b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096)
CLIENT_KEY = b64encode(hmac.digest(SALTED, b"Client Key", "sha256")).decode()
SERVER_KEY = b64encode(hmac.digest(SALTED, b"Server Key", "sha256")).decode()


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> ScramClient:
    monkeypatch.setattr("blocks.clients.comms.scram.secrets.token_urlsafe", lambda _bytes: NONCE)
    return ScramClient("user", CLIENT_KEY, SERVER_KEY)


def test_the_conversation_of_rfc_7677_is_spoken_word_for_word(client: ScramClient) -> None:
    assert client.first() == f"n,,n=user,r={NONCE}"
    assert client.final(SERVER_FIRST) == (
        f"c=biws,r={NONCE}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    client.check("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


def test_names_are_escaped() -> None:
    assert ScramClient("a=b,c", CLIENT_KEY, SERVER_KEY).first().startswith("n,,n=a=3Db=2Cc,r=")


def test_no_two_logins_share_a_nonce() -> None:
    firsts = {ScramClient("user", CLIENT_KEY, SERVER_KEY).first() for _ in range(20)}
    assert len(firsts) == 20


@pytest.mark.parametrize(
    "challenge",
    [
        "r=another%nonce,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        f"r={NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        f"m=ext,{SERVER_FIRST}",
        "",
        "e=unknown-user",
    ],
)
def test_a_challenge_that_answers_another_client_is_refused(client: ScramClient, challenge: str) -> None:
    with pytest.raises(Refused, match="not an answer to us"):
        client.final(challenge)


@pytest.mark.parametrize("last", ["", "v=", "v=AAAA", "v=***", "v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="])
def test_a_server_that_does_not_know_the_account_is_refused(client: ScramClient, last: str) -> None:
    client.final(SERVER_FIRST)
    with pytest.raises(Refused) as refused:
        client.check(last)
    assert refused.value.reason == "server"


def test_a_server_that_skips_the_challenge_is_refused(client: ScramClient) -> None:
    nothing = hmac.digest(hmac.digest(SALTED, b"Server Key", "sha256"), b"", "sha256")
    with pytest.raises(Refused):
        client.check(f"v={b64encode(nothing).decode()}")


def test_a_refused_login_is_told_apart(client: ScramClient) -> None:
    client.final(SERVER_FIRST)
    with pytest.raises(Refused) as refused:
        client.check("e=invalid-proof")
    assert refused.value.reason == "login"
