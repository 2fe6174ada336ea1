"""KS-3.8: why a replacement of a certificate may come without a notice a month ahead."""

from __future__ import annotations

from enum import StrEnum


class Emergency(StrEnum):
    """Why a certificate is replaced at once: a recorded exception from KS-3.8, told of by a notice of its own."""

    KEY_COMPROMISE = "key_compromise"
    REVOKED_BY_CA = "revoked_by_ca"
    CA_ADVICE = "ca_advice"
