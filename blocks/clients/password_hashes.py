"""Passwords in the forms that the servers verify: SCRAM-SHA-256 (RFC 5802), CRAM-MD5, SIP digest HA1 (RFC 2617).

CRAM-MD5, HA1 and the SCRAM client key can be used in place of the password by whoever reads them: they are sealed until
the accounts are proven to work. The client key never leaves us; with it we log in as the contact without its password.
The agreement names CRAM-MD5, and SIP digest knows nothing better than HA1.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import os
import struct
from base64 import b64encode

from pydantic import BaseModel, ConfigDict, Field

SCRAM_ITERATIONS = 4096  # the most that ejabberd 23.01 and Dovecot 2.3 share by default


class AccountHashes(BaseModel):
    """One contact's accounts as servers keep them. `scram_*` are base64 of salt and keys, the client's for us alone."""

    model_config = ConfigDict(frozen=True)

    name: str
    address: str
    number: str
    scram_salt: str
    scram_client: str = Field(repr=False)
    scram_stored: str
    scram_server: str
    cram_md5: str = Field(repr=False)
    ha1: str = Field(repr=False)

    def xmpp_verifier(self, stored: str) -> str:
        """What ejabberd keeps as the password, with that stored key."""
        return f"sha256:{stored}"

    def mail_verifier(self, stored: str) -> str:
        """What Dovecot keeps as the password, with that stored key."""
        return f"{{SCRAM-SHA-256}}{SCRAM_ITERATIONS},{self.scram_salt},{stored},{self.scram_server}"


def hash_account(name: str, domain: str, number: str, password: str) -> AccountHashes:
    """All forms of one contact's password; XMPP and mail share a SCRAM salt, as they share the password."""
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, SCRAM_ITERATIONS)
    client = hmac.digest(salted, b"Client Key", "sha256")
    stored = hashlib.sha256(client).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return AccountHashes(
        name=name,
        address=f"{name}@{domain}",
        number=number,
        scram_salt=b64encode(salt).decode(),
        scram_client=b64encode(client).decode(),
        scram_stored=b64encode(stored).decode(),
        scram_server=b64encode(server).decode(),
        cram_md5=cram_md5(password),
        ha1=hashlib.md5(f"{number}:{domain}:{password}".encode(), usedforsecurity=False).hexdigest(),
    )


_SHIFTS = [7, 12, 17, 22] * 4 + [5, 9, 14, 20] * 4 + [4, 11, 16, 23] * 4 + [6, 10, 15, 21] * 4
_SINES = [int(abs(math.sin(i + 1)) * 2**32) & 0xFFFFFFFF for i in range(64)]
_START = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)


def md5_compress(state: tuple[int, ...], block: bytes) -> tuple[int, ...]:
    """One round of MD5 (RFC 1321) over 64 bytes: hashlib does not give its inner state, and CRAM-MD5 stores it."""
    a, b, c, d = state
    words = struct.unpack("<16I", block)
    for i in range(64):
        if i < 16:
            mixed, word = (b & c) | (~b & d), i
        elif i < 32:
            mixed, word = (d & b) | (~d & c), (5 * i + 1) % 16
        elif i < 48:
            mixed, word = b ^ c ^ d, (3 * i + 5) % 16
        else:
            mixed, word = c ^ (b | (~d & 0xFFFFFFFF)), (7 * i) % 16
        mixed = (mixed + a + _SINES[i] + words[word]) & 0xFFFFFFFF
        rotated = ((mixed << _SHIFTS[i]) | (mixed >> (32 - _SHIFTS[i]))) & 0xFFFFFFFF
        a, d, c, b = d, c, b, (b + rotated) & 0xFFFFFFFF
    return tuple((old + new) & 0xFFFFFFFF for old, new in zip(state, (a, b, c, d), strict=True))


def cram_md5(password: str) -> str:
    """Dovecot's {CRAM-MD5}: the MD5 states after the outer and the inner HMAC key block, in hex."""
    key = password.encode()
    if len(key) > 64:
        key = hashlib.md5(key, usedforsecurity=False).digest()
    key = key.ljust(64, b"\0")
    states = [md5_compress(_START, bytes(byte ^ pad for byte in key)) for pad in (0x5C, 0x36)]
    return "{CRAM-MD5}" + b"".join(struct.pack("<4I", *state) for state in states).hex()
