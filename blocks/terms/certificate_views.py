"""Frozen view models of certificates as anybody may see them: nothing of customers but the names that they serve.

Tasks read them from the ledger and reports turn them into pages. Moments are UTC; hashes are SHA-256 in lower-case hex.
"""

from __future__ import annotations

from typing import Literal

from blocks.terms.base import Frozen, Moment


class CertificateShown(Frozen):
    """One certificate: shown now (`current`), to be shown (`coming`), shown until lately (`former`), or revoked.

    `swap_at` to `swap_until` is the window in which it goes into service, if there is one by now. `pem` is the path of
    its chain, which never changes. `tlsa` are whole records for the DNS, one for each port.
    """

    state: Literal["current", "coming", "former", "revoked"]
    fingerprint: str
    key_hash: str
    serial: str
    issuer: str
    names: tuple[str, ...]
    not_before: Moment
    not_after: Moment
    swap_at: Moment | None
    swap_until: Moment | None
    in_service_at: Moment | None
    ended_at: Moment | None
    tlsa: tuple[str, ...]
    pem: str


class SitePage(Frozen):
    """All that is public of a site's certificates: what comes first, then what is in service, then what was."""

    as_of: Moment
    provider: str
    slug: str
    names: tuple[str, ...]
    certificates: tuple[CertificateShown, ...]


class SiteLine(Frozen):
    """A site in the index; without `not_after` nothing is in service there."""

    slug: str
    names: tuple[str, ...]
    not_after: Moment | None
    swap_at: Moment | None


class SiteIndex(Frozen):
    """The sites that are our own hosts."""

    as_of: Moment
    provider: str
    sites: tuple[SiteLine, ...]
