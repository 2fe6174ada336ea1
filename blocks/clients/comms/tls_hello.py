"""First messages of TLS that no library of today sends: old versions and weak ciphers, and the server's answer to them.

A server that answers such an offer with a ServerHello would have gone on with it: nothing more needs to be agreed on.
"""

from __future__ import annotations

import os
import ssl
import struct
from collections.abc import Callable
from ipaddress import ip_address
from typing import NamedTuple

TLS_1_3, TLS_1_2, TLS_1_1 = 0x0304, 0x0303, 0x0302
VERSIONS = {0x0300: "SSLv3", 0x0301: "TLSv1", TLS_1_1: "TLSv1.1", TLS_1_2: "TLSv1.2", TLS_1_3: "TLSv1.3"}

# The IANA registry: pairs of even 128-bit and odd 256-bit ciphers, and blocks with exceptions.
_STRONG_OLD = (
    *range(0x35, 0x3B),
    0x3D,
    *range(0x68, 0x6C),
    0x6D,
    *range(0x84, 0x8A),
    0x8D,
    0x91,
    0x95,
    *range(0x9D, 0xAE, 2),
    0xAF,
    0xB3,
    0xB7,
    *range(0xC0, 0xC6),
)
_STRONG_CURVES = (
    0xC005,
    0xC00A,
    0xC00F,
    0xC014,
    0xC019,
    *range(0xC020, 0xC023),
    *range(0xC024, 0xC033, 2),
    0xC036,
    0xC038,
    *range(0xC03D, 0xC0B0, 2),
)
STRONG = (*_STRONG_OLD, *_STRONG_CURVES, *range(0xCCA8, 0xCCAF), 0xD002)
"""Cipher suites of TLS 1.2 and before whose key has 256 bits."""
WEAK = tuple({*range(0x01, 0xC6), *range(0xC001, 0xC0B0), 0xD001, 0xD003, 0xD005} - set(STRONG))
"""All the others: 128 bits and less, 3DES, RC4, export ciphers, none at all."""
WEAK_1_3 = (0x1301, 0x1304, 0x1305, 0x00C6, 0x00C7, 0xC0B4, 0xC0B5)
"""Cipher suites of TLS 1.3 below 256 bits: AES-128, SM4, integrity alone."""

_GROUPS = (0x001D, 0x0017, 0x0018, 0x0019, 0x001E, 0x0100, 0x0101)
_SIGNATURES = (0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201, 0x0202)
_HANDSHAKE, _ALERT, _SERVER_HELLO, _MOST = 22, 21, 2, 1 << 14
_RENEGOTIATION = 0x00FF
_KNOWN: dict[int, tuple[str, int]] = {}


class Answer(NamedTuple):
    """What a server agreed on: the version's name, the cipher's name (its number where OpenSSL has none), its bits."""

    version: str
    cipher: str
    bits: int


def client_hello(version: int, suites: tuple[int, ...], name: str) -> bytes:
    """A ClientHello that offers this version at most (TLS 1.3: alone), these suites, and asks for `name`."""
    extensions = _server_name(name)
    extensions += _extension(10, _listed(_GROUPS)) + _extension(11, b"\x01\x00") + _extension(13, _listed(_SIGNATURES))
    if version == TLS_1_3:  # no key share: a server that takes a suite asks for one
        extensions += _extension(43, b"\x02\x03\x04") + _extension(45, b"\x01\x01") + _extension(51, b"\x00\x00")
    body = struct.pack("!H", min(version, TLS_1_2)) + os.urandom(32) + b"\x20" + os.urandom(32)
    body += _listed((*suites, _RENEGOTIATION)) + b"\x01\x00" + _sized(extensions)
    message = b"\x01" + struct.pack("!I", len(body))[1:] + body
    return struct.pack("!BH", _HANDSHAKE, 0x0301) + _sized(message)


def server_answer(read: Callable[[int], bytes]) -> Answer | None:
    """The server's answer; None where it declined. `read` gives at most so many bytes, none at the end.

    A connection that ends or is reset is a refusal too. Raises ValueError where what comes is no TLS.
    """
    try:
        kind, _, length = struct.unpack("!BHH", _exactly(read, 5))
        if kind == _ALERT:
            return None
        if kind != _HANDSHAKE or not 6 <= length <= _MOST:
            raise ValueError("what it answers is no TLS")
        body = _exactly(read, length)
    except (EOFError, ConnectionError):
        return None
    return _server_hello(body)


def _server_hello(body: bytes) -> Answer:
    if body[0] != _SERVER_HELLO or len(body) < 41:
        raise ValueError("its handshake does not begin with a ServerHello")
    (version,) = struct.unpack_from("!H", body, 4)
    at = 39 + body[38]
    if len(body) < at + 2:
        raise ValueError("its ServerHello is cut short")
    (suite,) = struct.unpack_from("!H", body, at)
    cipher, bits = _known().get(suite, (f"0x{suite:04X}", 0))
    if suite in WEAK_1_3 or suite >> 8 == 0x13:
        version = TLS_1_3  # TLS 1.3 says 1.2 in this place
    return Answer(VERSIONS.get(version, f"0x{version:04X}"), cipher, bits)


def _known() -> dict[int, tuple[str, int]]:
    if not _KNOWN:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
        _KNOWN.update({each["id"] & 0xFFFF: (each["name"], each["alg_bits"]) for each in context.get_ciphers()})
    return _KNOWN


def _server_name(name: str) -> bytes:
    try:
        ip_address(name)
    except ValueError:
        return _extension(0, _sized(b"\x00" + _sized(name.encode())))
    return b""


def _extension(number: int, body: bytes) -> bytes:
    return struct.pack("!H", number) + _sized(body)


def _listed(numbers: tuple[int, ...]) -> bytes:
    return _sized(struct.pack(f"!{len(numbers)}H", *numbers))


def _sized(body: bytes) -> bytes:
    return struct.pack("!H", len(body)) + body


def _exactly(read: Callable[[int], bytes], count: int) -> bytes:
    got = b""
    while len(got) < count:
        part = read(count - len(got))
        if not part:
            raise EOFError
        got += part
    return got
