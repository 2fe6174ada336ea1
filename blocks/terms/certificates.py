"""What is said of certificates: kinds of keys, and a certificate's public facts."""

from __future__ import annotations

from enum import StrEnum

from blocks.terms.base import Frozen, Moment


class KeyKind(StrEnum):
    """The key under a certificate."""

    EC_P256 = "ec-p256"
    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"


class LeafFacts(Frozen):
    """What anybody can read in a certificate. Hashes are SHA-256 in hex; `key_hash` is that of SubjectPublicKeyInfo."""

    names: tuple[str, ...]
    fingerprint: str
    key_hash: str
    serial: str
    issuer: str
    not_before: Moment
    not_after: Moment
