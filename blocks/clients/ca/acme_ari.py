"""When an ACME server advises to renew (ARI, RFC 9773): how a certificate is named there, what its answer means."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from datetime import datetime, timedelta

from cryptography import x509

from blocks.clients.ca.acme_objects import RenewalInfo
from blocks.clients.ca.acme_wire import Said
from blocks.clients.ca.pem import leaf_of
from blocks.clients.ca.protocol import Advice
from blocks.errors import Transient

_AGAIN = timedelta(hours=6)
_SOONEST, _LATEST = timedelta(minutes=1), timedelta(days=1)


def certificate_id(chain: str) -> str:
    """The name of a PEM chain's leaf: its issuer's key identifier and its serial; empty where it tells no issuer's key.

    Raises Refused where the chain cannot be read.
    """
    leaf = leaf_of(chain)
    try:
        issuer = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return ""
    serial = leaf.serial_number.to_bytes(leaf.serial_number.bit_length() // 8 + 1, "big")
    return f"{_plain(issuer)}.{_plain(serial)}" if issuer else ""


def advice_of(said: Said, now: datetime) -> Advice:
    """What the CA answered, to be asked again when it says, a minute from now at the soonest and a day at the latest.

    Raises Transient where the window is none.
    """
    info = said.read(RenewalInfo)
    if info.window.end <= info.window.start:
        raise Transient("the CA advises to renew in a window that ends before it starts")
    wait = _AGAIN if said.retry_after is None else min(max(said.retry_after, _SOONEST), _LATEST)
    return Advice(start=info.window.start, end=info.window.end, ask_at=now + wait, why=info.explanation)


def _plain(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")
