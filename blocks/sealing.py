"""Sealing of secrets at rest, and the tokens of one-time pages. AES-256-GCM under keys derived from the master key."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from blocks.errors import Refused

_NONCE = 12


class Sealer:
    """Seals bytes for a purpose and derives page tokens. The master key never leaves it."""

    def __init__(self, master_key: bytes) -> None:
        self._box = AESGCM(self._derive(master_key, b"dogovor seal v1"))
        self._token_key = self._derive(master_key, b"dogovor page token v1")

    @staticmethod
    def _derive(key: bytes, info: bytes) -> bytes:
        return HKDF(SHA256(), 32, salt=None, info=info).derive(key)

    def seal(self, plain: bytes, purpose: str) -> bytes:
        """Nonce and ciphertext; `purpose` must be given again to open."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._box.encrypt(nonce, plain, purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """The plain bytes. Raises Refused for another key, another purpose or altered bytes."""
        try:
            return self._box.decrypt(sealed[:_NONCE], sealed[_NONCE:], purpose.encode())
        except InvalidTag:
            raise Refused("seal", f"the sealed value of {purpose} does not open under this master key") from None

    def page_token(self, purpose: str) -> str:
        """The token of a one-time page, 256 bits in base64url: the same for the same purpose, so it is never stored."""
        return urlsafe_b64encode(hmac.digest(self._token_key, purpose.encode(), "sha256")).decode().rstrip("=")


def token_hash(token: str) -> str:
    """How a high-entropy token is kept: SHA-256 in hex."""
    return hashlib.sha256(token.encode()).hexdigest()


# Without look-alikes (0 O, 1 l I): people type these.
_ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def random_password(length: int = 20) -> str:
    """A password of letters and digits without look-alikes: 5.8 bits a character, 116 bits at 20."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
