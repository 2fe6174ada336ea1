"""A site's certificates as a person reads them: what stands, what comes, what happened."""

from __future__ import annotations

from blocks.terms.base import Frozen, Moment
from blocks.terms.certificate_facts import Replacement


class CertificateLine(Frozen):
    """A certificate of a site; `emergency` is why it came unplanned, empty for a planned one."""

    fingerprint: str
    state: str
    not_before: Moment
    not_after: Moment
    published_at: Moment | None = None
    announced_at: Moment | None = None
    swap_at: Moment | None = None
    in_service_at: Moment | None = None
    emergency: str = ""


class JournalLine(Frozen):
    """Something that happened."""

    at: Moment
    kind: str
    who: str
    why: str
    clause: str = ""


class CertificateStory(Frozen):
    """All of a site; `order` is how its newest order at a CA stands, with what went wrong there."""

    slug: str
    names: tuple[str, ...]
    authority: str
    consumers: tuple[str, ...]
    retired: bool
    order: str
    certificates: tuple[CertificateLine, ...]
    lines: tuple[JournalLine, ...]
    plan: Replacement | None = None
