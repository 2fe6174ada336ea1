"""Probes (placeholder until the clients land)."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Literal

from blocks.terms.base import Frozen


class ProbeKind(StrEnum):
    """The protocols that are probed."""

    DNS = "dns"
    TCP = "tcp"
    TLS = "tls"
    XMPP = "xmpp"
    IMAP = "imap"
    SUBMISSION = "submission"
    SIP = "sip"


class ProbeTarget(Frozen):
    """What is probed."""

    kind: ProbeKind
    host: str
    port: int
    name: str = ""
    expect: str = ""
    transport: Literal["tcp", "udp", "tls"] = "tcp"
    ca_file: Path | None = None


class Seen(Frozen):
    """What a probe saw."""

    up: bool
    detail: str
    milliseconds: int


async def probe_all(
    targets: list[ProbeTarget], *, timeout_s: float, source: str = "", at_once: int = 100
) -> list[Seen]:
    """Probe them."""
    raise NotImplementedError
