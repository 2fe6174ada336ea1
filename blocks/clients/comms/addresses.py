"""Where complexes stand: the file `DOGOVOR_COMPLEXES_FILE` (TOML). It holds no secret."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import Field, HttpUrl, ValidationError, model_validator

from blocks.errors import Refused
from blocks.terms.base import Frozen
from blocks.terms.ks_complex import CALL_SECONDS, MAIL_MB
from blocks.terms.ks_zone import ServicePorts

Port = Annotated[int, Field(ge=1, le=65535)]
HostName = Annotated[str, Field(pattern=r"^[a-z0-9.:-]+$", max_length=253)]
OrderNumber = Annotated[str, Field(pattern=r"^KS-\d{4}-\d{6,}$")]


class XmppAt(Frozen):
    """ejabberd: client ports, upload port, its API, and the files of it that we write: domains and certificates."""

    port: Port = 5222
    tls_port: Port = 5223
    upload_port: Port = 5444
    proxy_port: Port = 7777
    api_url: HttpUrl
    hosts_file: Path
    certificates: Path


class MailAt(Frozen):
    """Postfix and Dovecot: client ports, the port of incoming mail, Dovecot's doveadm API, Postfix' management port."""

    imap_port: Port = 143
    imaps_port: Port = 993
    submission_port: Port = 587
    submissions_port: Port = 465
    smtp_port: Port = 25
    doveadm_url: HttpUrl
    management_port: Port = 10025


class SipAt(Frozen):
    """Kamailio: its TLS port, its JSON-RPC, and the files of it that we write: TLS domains and certificates."""

    tls_port: Port = 5061
    rpc_url: HttpUrl
    tls_file: Path
    certificates: Path


class ComplexAt(Frozen):
    """One complex. `orders` are those it is dedicated to (KS-4.3); without any it is the shared one.

    `addresses` are published for customers' domains; `ca_file` holds the authorities to trust in place of the system's.
    `mail_bytes` and `call_seconds` are the limits that its servers are configured with (KS-3.5).
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]
    orders: tuple[OrderNumber, ...] = ()
    host: HostName
    addresses: tuple[str, ...] = Field(min_length=1)
    jurisdiction: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = "EU"
    ca_file: Path | None = None
    mail_bytes: int = Field(default=MAIL_MB * 2**20, ge=2**20)
    call_seconds: int = Field(default=CALL_SECONDS, ge=0)
    xmpp: XmppAt
    mail: MailAt
    sip: SipAt

    @property
    def ports(self) -> ServicePorts:
        """The ports that clients find by the DNS."""
        return ServicePorts(
            xmpp=self.xmpp.port,
            xmpps=self.xmpp.tls_port,
            upload=self.xmpp.upload_port,
            imap=self.mail.imap_port,
            imaps=self.mail.imaps_port,
            submission=self.mail.submission_port,
            submissions=self.mail.submissions_port,
            sips=self.sip.tls_port,
        )


class DnsAt(Frozen):
    """Our name servers: the primary takes zones by `rndc` and records by RFC 2136; all of them publish the catalog.

    `servers` are their names as NS records, the primary first; `resolvers` are asked from outside, `ADDRESS` or
    `ADDRESS#PORT`. `zones` is the primary's directory of zone files; `own_zone` the zone of shared customers' names.
    """

    primary: str
    port: Port = 53
    control_port: Port = 953
    rndc_key: Path
    tsig_name: str = "dogovor"
    zones: Path
    catalog: str = "catalog.invalid"
    own_zone: str
    servers: tuple[HostName, ...] = Field(min_length=1)
    hostmaster: str
    resolvers: tuple[str, ...] = Field(min_length=1)
    ca: tuple[str, ...] = ("letsencrypt.org",)
    dkim_selector: str = "mail"
    dkim_public_key: str = ""
    """The public key (base64, as in `p=`) by which the mail servers sign; empty: no DKIM record is published."""


class Complexes(Frozen):
    """Every complex, and the name servers where we run them."""

    complexes: tuple[ComplexAt, ...] = Field(alias="complex", min_length=1)
    dns: DnsAt | None = None

    @model_validator(mode="after")
    def _each_is_one(self) -> Complexes:
        names = [at.name for at in self.complexes]
        orders = [order for at in self.complexes for order in at.orders]
        if len(set(names)) < len(names) or len(set(orders)) < len(orders):
            raise ValueError("a complex is named once, and an order has one dedicated complex")
        return self

    def serving(self, order: str, *, dedicated: bool, place: str) -> ComplexAt:
        """The complex of an order: its own where it is dedicated, else the shared one in that jurisdiction.

        Raises Refused where a person must provide one first (KS-2.8, KS-4.3).
        """
        own = self.dedicated_to(order)
        if own is not None:
            return own
        if dedicated:
            raise Refused("dedicated_server", f"no dedicated complex lists {order} in its orders yet (KS-4.3)")
        for at in self.complexes:
            if not at.orders and at.jurisdiction == place:
                return at
        raise Refused("jurisdiction", f"no shared complex stands in {place} (KS-2.8)")

    def dedicated_to(self, order: str) -> ComplexAt | None:
        """The complex that lists the order as its own."""
        return next((at for at in self.complexes if order in at.orders), None)


def read_complexes(text: str) -> Complexes:
    """Read the file. Raises Refused with the line that is wrong."""
    try:
        return Complexes.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise Refused("complexes", str(error)) from None
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise Refused("complexes", faults) from None
