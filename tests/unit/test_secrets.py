"""Sealing, tokens, passwords and their hashes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import string
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.clients.password_hashes import SCRAM_ITERATIONS, cram_md5, hash_account, md5_compress
from blocks.errors import Refused
from blocks.sealing import Sealer, random_password, token_hash

KEY = bytes(range(32))


def test_what_is_sealed_opens_for_its_purpose_and_key_alone() -> None:
    sealed = Sealer(KEY).seal(b"secret", "access:KS-1")
    assert Sealer(KEY).open(sealed, "access:KS-1") == b"secret"
    assert b"secret" not in sealed
    for sealer, purpose, content in (
        (Sealer(KEY), "access:KS-2", sealed),
        (Sealer(KEY[::-1]), "access:KS-1", sealed),
        (Sealer(KEY), "access:KS-1", sealed[:-1] + bytes([sealed[-1] ^ 1])),
    ):
        with pytest.raises(Refused, match="does not open"):
            sealer.open(content, purpose)


def test_page_tokens_are_stable_distinct_and_kept_as_hashes() -> None:
    tokens = {Sealer(KEY).page_token(f"access:KS-{n}") for n in range(100)}
    assert len(tokens) == 100
    assert {len(token) for token in tokens} == {43}
    assert Sealer(KEY).page_token("access:KS-1") in tokens
    assert len(token_hash("x")) == 64


def test_passwords_are_long_random_and_free_of_look_alikes() -> None:
    passwords = {random_password() for _ in range(200)}
    assert len(passwords) == 200
    assert all(len(password) == 20 and not set(password) & set("0OlI1") for password in passwords)
    assert set("".join(passwords)) <= set(string.ascii_letters + string.digits)


def test_scram_is_what_rfc_7677_says_for_its_own_example(monkeypatch: pytest.MonkeyPatch) -> None:
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    monkeypatch.setattr("os.urandom", lambda _: salt)
    hashed = hash_account("user", "example.net", "1001", "pencil")
    client_first, server_first = (
        "n=user,r=rOprNGfwEbeRWgbNEkqO",
        ("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
    )
    final = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    message = f"{client_first},{server_first},{final}".encode()
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    signature = hmac.digest(base64.b64decode(hashed.scram_stored), message, "sha256")
    client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
    assert hashlib.sha256(client_key).digest() == base64.b64decode(hashed.scram_stored)
    server_signature = hmac.digest(base64.b64decode(hashed.scram_server), message, "sha256")
    assert base64.b64encode(server_signature).decode() == "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    assert SCRAM_ITERATIONS == 4096


def test_ha1_is_the_digest_of_number_domain_and_password() -> None:
    hashed = hash_account("c001", "k1.example.net", "1001", "pw")
    assert hashed.ha1 == hashlib.md5(b"1001:k1.example.net:pw", usedforsecurity=False).hexdigest()
    assert hashed.address == "c001@k1.example.net"


@given(password=st.text(min_size=1, max_size=100), challenge=st.binary(max_size=200))
def test_cram_md5_states_answer_a_challenge_like_hmac_md5(password: str, challenge: bytes) -> None:
    states = bytes.fromhex(cram_md5(password).removeprefix("{CRAM-MD5}"))
    outer, inner = (struct.unpack("<4I", states[at : at + 16]) for at in (0, 16))
    digest = finish(outer, finish(inner, challenge))
    assert digest == hmac.digest(password.encode(), challenge, "md5")


def finish(state: tuple[int, ...], message: bytes) -> bytes:
    """MD5 of 64 bytes that led to `state`, and then the message."""
    bits = (64 + len(message)) * 8
    padded = message + b"\x80" + b"\0" * (-(len(message) + 9) % 64) + struct.pack("<Q", bits)
    for at in range(0, len(padded), 64):
        state = md5_compress(state, padded[at : at + 64])
    return struct.pack("<4I", *state)
