"""Certificates of an installation: the file `DOGOVOR_CERTIFICATES_FILE` (TOML). It holds no secret.

Secrets stand in the environment: `DOGOVOR_CA_SECRETS` by authority (ACME: the EAB key, base64url; a reseller: the
password), `DOGOVOR_TSIG_KEYS` by key name (base64).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, HttpUrl, ValidationError, model_validator

from blocks.errors import NotFound, Refused
from blocks.terms.base import Frozen
from blocks.terms.certificates import KeyKind

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
_DOMAIN = r"^(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$"
DomainName = Annotated[str, Field(pattern=_DOMAIN, max_length=253)]
HostName = Annotated[str, Field(pattern=r"^[a-z0-9.:-]+$", max_length=253)]
Port = Annotated[int, Field(ge=1, le=65535)]
Resolver = Annotated[str, Field(pattern=r"^[0-9a-fA-F.:]+(#\d{1,5})?$")]
"""A name server or resolver: `ADDRESS` or `ADDRESS#PORT`."""


class AuthorityAt(Frozen):
    """A CA. `caa` are the names by which CAA records allow it; `ca_file` holds who vouches for its API.

    `kind` is `acme` (`url` is its directory), `gogetssl` (`url` is its API) or `local`. `eab_kid` and `contact` are
    ACME's, `user` is the reseller's; `profile` is the ACME profile or the reseller's product that is ordered (empty:
    the CA's own). `products` are names in the reseller's price list by product of ours, where they differ from those
    that we know. `days` is how long the local one issues for.
    """

    name: Name
    kind: Literal["acme", "gogetssl", "local"]
    url: HttpUrl | None = None
    ca_file: Path | None = None
    caa: tuple[str, ...] = ()
    contact: str = ""
    eab_kid: str = ""
    user: str = ""
    profile: str = ""
    products: Mapping[str, str] = {}
    days: Annotated[int, Field(ge=1, le=825)] = 90

    @model_validator(mode="after")
    def _has_an_address(self) -> AuthorityAt:
        if self.kind != "local" and self.url is None:
            raise ValueError(f"{self.name} needs a url")
        return self


class ZoneAt(Frozen):
    """A zone that takes our updates (RFC 2136) at its primary, and all the name servers that must show them."""

    name: DomainName
    primary: Resolver
    tsig_name: str
    tsig_algorithm: Literal["hmac-sha256", "hmac-sha384", "hmac-sha512"] = "hmac-sha256"
    servers: tuple[Resolver, ...] = Field(min_length=1)


class EndpointAt(Frozen):
    """Where a certificate is shown: a port, how TLS begins there, and the name that is asked for (empty: the host)."""

    host: HostName
    port: Port
    protocol: Literal["tls", "xmpp-client", "xmpp-server", "imap", "smtp"] = "tls"
    name: str = ""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ConsumerAt(Frozen):
    """A server that shows certificates: the directory it reads them from, how it reads them anew, where that is seen.

    In `directory` stands `SITE/fullchain.pem`, `privkey.pem` and `both.pem`. `reload` is a command with its arguments,
    run after each change (empty: none). `ca_file` holds the authorities to trust at its endpoints.
    """

    name: Name
    directory: Path
    reload: tuple[str, ...] = ()
    reload_seconds: Annotated[int, Field(ge=1, le=300)] = 30
    endpoints: tuple[EndpointAt, ...] = ()
    ca_file: Path | None = None


class SiteAt(Frozen):
    """A certificate of our own hosts: its names, its CA, the servers that show it, whose customers are told."""

    slug: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,180}$")]
    names: tuple[DomainName, ...] = Field(min_length=1, max_length=100)
    authority: Name
    key: KeyKind = KeyKind.EC_P256
    consumers: tuple[Name, ...] = Field(min_length=1)
    agreement: Literal["KS", "OCP", "QS", "OT"] = "KS"


class DomainAt(Frozen):
    """A name that is watched (KS-3.2): its name servers as they should be, the end of its registration where known."""

    name: DomainName
    servers: tuple[HostName, ...] = ()
    signed: bool = False
    expires: date | None = None


class CertificatesAt(Frozen):
    """All of it. `resolvers` are asked from outside for CAA, for watched names and for delegated challenges.

    `customers` is the CA of customers' own domains (KS) and `resale` that of certificates that are sold (SSL).
    """

    authority: tuple[AuthorityAt, ...] = Field(min_length=1)
    zone: tuple[ZoneAt, ...] = ()
    consumer: tuple[ConsumerAt, ...] = ()
    site: tuple[SiteAt, ...] = ()
    domain: tuple[DomainAt, ...] = ()
    watch: tuple[EndpointAt, ...] = ()
    resolvers: tuple[Resolver, ...] = ()
    customers: Name | None = None
    resale: Name | None = None

    @model_validator(mode="after")
    def _holds_together(self) -> CertificatesAt:
        authorities = [at.name for at in self.authority]
        consumers = [at.name for at in self.consumer]
        slugs = [at.slug for at in self.site]
        for names in (authorities, consumers, slugs):
            if len(set(names)) < len(names):
                raise ValueError("a name stands once in its list")
        wanted = {at.authority for at in self.site} | {name for name in (self.customers, self.resale) if name}
        if unknown := wanted - set(authorities):
            raise ValueError(f"no authority {', '.join(sorted(unknown))}")
        if unknown := {name for at in self.site for name in at.consumers} - set(consumers):
            raise ValueError(f"no consumer {', '.join(sorted(unknown))}")
        return self

    def authority_at(self, name: str) -> AuthorityAt:
        """The CA of that name. Raises NotFound."""
        for at in self.authority:
            if at.name == name:
                return at
        raise NotFound("authority", name)

    def consumer_at(self, name: str) -> ConsumerAt:
        """The consumer of that name. Raises NotFound."""
        for at in self.consumer:
            if at.name == name:
                return at
        raise NotFound("consumer", name)


def read_certificates(text: str) -> CertificatesAt:
    """Read the file. Raises Refused with the line that is wrong."""
    try:
        return CertificatesAt.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise Refused("certificates", str(error)) from None
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise Refused("certificates", faults) from None


EMBEDDED = CertificatesAt(authority=(AuthorityAt(name="local", kind="local"),), customers="local", resale="local")
"""What stands for the file in the embedded default: the local CA, for customers' domains and for what is sold."""
