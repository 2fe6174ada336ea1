"""What is probed, and what a probe saw."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import dns.exception
import dns.rdatatype
from pydantic import Field, field_validator, model_validator

from blocks.terms.base import Frozen

DETAIL_LENGTH = 300
Transport = Literal["tcp", "udp", "tls"]


class ProbeKind(StrEnum):
    """The protocol that is spoken to a target."""

    DNS = "dns"
    TCP = "tcp"
    TLS = "tls"
    XMPP = "xmpp"
    IMAP = "imap"
    SUBMISSION = "submission"
    SIP = "sip"


# The first is the usual one.
TRANSPORTS: Mapping[ProbeKind, tuple[Transport, ...]] = {
    ProbeKind.DNS: ("udp", "tcp"),
    ProbeKind.TCP: ("tcp",),
    ProbeKind.TLS: ("tls",),
    ProbeKind.XMPP: ("tcp", "tls"),
    ProbeKind.IMAP: ("tcp", "tls"),
    ProbeKind.SUBMISSION: ("tcp", "tls"),
    ProbeKind.SIP: ("tls", "tcp", "udp"),
}


def _usual_transport(validated: dict[str, Any]) -> Transport:
    return TRANSPORTS[validated["kind"]][0]


class ProbeTarget(Frozen):
    """One service at one address.

    `name` is the domain that is asked for: in DNS the name to look up; under TLS the name that the certificate must
    hold, in XMPP and SIP also the domain addressed; where it is empty, the host is meant. `expect` is the DNS record
    type that must be there, SOA where it is empty. For XMPP, IMAP and submission the transport tcp means STARTTLS and
    tls means TLS from the first byte. `ca_file` holds the authorities to trust in place of the system's.
    """

    kind: ProbeKind
    host: Annotated[str, Field(pattern=r"^[\w.:%-]+$", max_length=253)]
    port: Annotated[int, Field(ge=1, le=65535)]
    name: Annotated[str, Field(pattern=r"^[\w.-]*$", max_length=253)] = ""
    expect: str = ""
    transport: Transport = Field(default_factory=_usual_transport)
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> ProbeTarget:
        if self.transport not in TRANSPORTS[self.kind]:
            raise ValueError(f"{self.kind} is not probed over {self.transport}")
        if self.kind is ProbeKind.DNS and not self.name:
            raise ValueError("a DNS probe names what it asks for")
        if self.expect and self.kind is not ProbeKind.DNS:
            raise ValueError("only a DNS probe expects a record type")
        try:
            dns.rdatatype.from_text(self.expect or "SOA")
        except dns.exception.DNSException:
            raise ValueError(f"{self.expect} is no DNS record type") from None
        return self

    @field_validator("host", "name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        try:
            name.encode("idna")
        except UnicodeError:
            raise ValueError("a label of the name is empty, too long or not for IDNA") from None
        return name

    @property
    def domain(self) -> str:
        """The domain that is addressed."""
        return self.name or self.host


class Seen(Frozen):
    """What one probe saw. `detail` says on one line what answered, or why the service counts as down."""

    up: bool
    detail: Annotated[str, Field(max_length=DETAIL_LENGTH)]
    milliseconds: int


class Down(Exception):  # noqa: N818 - it names what was seen
    """Raised inside a probe when a target's answer shows that it does not serve; the text is the detail."""


def one_line(text: str) -> str:
    """The text as a detail: printable, on one line, not too long."""
    line = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line)[:DETAIL_LENGTH]
