"""SCRAM-SHA-256 (RFC 5802, 7677) from the client's side, keyed by what the password makes instead of the password."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from binascii import Error as NotBase64

from blocks.errors import Refused

MECHANISM = "SCRAM-SHA-256"
_HEADER = "n,,"  # no channel binding: Python's ssl has none for TLS 1.3
_NONCE_BYTES = 24


class ScramClient:
    """One login as `user`: `first`, `final`, `check`, in this order, each once. Messages are as before base64.

    `client_key` and `server_key` are base64, as AccountHashes has them: salt and iterations of the server are not
    used, so that a server which changes them cannot make us work. All raise Refused.
    """

    def __init__(self, user: str, client_key: str, server_key: str) -> None:
        self._client_key = b64decode(client_key)
        self._server_key = b64decode(server_key)
        self._nonce = secrets.token_urlsafe(_NONCE_BYTES)
        self._bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={self._nonce}"
        self._agreed = b""

    def first(self) -> str:
        """The client's first message."""
        return _HEADER + self._bare

    def final(self, server_first: str) -> str:
        """The client's answer to the server's challenge. Raises Refused where the challenge is not for us."""
        fields = _fields(server_first)
        nonce = fields.get("r", "")
        if "m" in fields or nonce == self._nonce or not nonce.startswith(self._nonce):
            raise Refused("scram", "the server's challenge is not an answer to us")
        unproven = f"c={b64encode(_HEADER.encode()).decode()},r={nonce}"
        self._agreed = f"{self._bare},{server_first},{unproven}".encode()
        stored = hashlib.sha256(self._client_key).digest()
        signature = hmac.digest(stored, self._agreed, "sha256")
        proof = bytes(ours ^ theirs for ours, theirs in zip(self._client_key, signature, strict=True))
        return f"{unproven},p={b64encode(proof).decode()}"

    def check(self, server_final: str) -> None:
        """Take the server's last message. Raises Refused unless it proves that the server knows the account too."""
        fields = _fields(server_final)
        if "e" in fields:
            raise Refused("login", "the server refused the login")
        expected = hmac.digest(self._server_key, self._agreed, "sha256")
        try:
            said = b64decode(fields.get("v", ""), validate=True)
        except NotBase64:
            said = b""
        if not self._agreed or not hmac.compare_digest(said, expected):
            raise Refused("server", "the server does not know the account's server key")


def _fields(message: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in message.split(",")]
    return {name: value for name, _, value in pairs}
