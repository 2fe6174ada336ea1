"""What the configuration of a complex is written from, and what a program of it needs to run."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from blocks.terms.base import Frozen
from blocks.terms.ks_complex import CALL_SECONDS, MAIL_MB

_TEMPLATES = Environment(  # noqa: S701 - configuration files, not pages
    loader=PackageLoader("blocks.clients.comms"),
    undefined=StrictUndefined,
    keep_trailing_newline=True,
    trim_blocks=True,
)


class Ports(Frozen):
    """Where the servers listen: the ports that customers must be able to reach (KS-3.13), and those of management."""

    xmpp: int = 5222
    xmpps: int = 5223
    upload: int = 5444
    proxy: int = 7777
    xmpp_api: int = 5280
    imap: int = 143
    imaps: int = 993
    submission: int = 587
    submissions: int = 465
    smtp: int = 25
    doveadm: int = 8889
    mail_management: int = 10025
    sips: int = 5061
    sip_rpc: int = 8580


class DatabaseAt(Frozen):
    """The directory's PostgreSQL as the servers reach it."""

    host: str
    port: int
    database: str
    user: str
    password: str


class Plan(Frozen):
    """One complex to be. Every path of it lies in `home`; `owner` runs what needs no root, "" where that is us.

    `address` is what clients connect to, `management` what we connect to, `managers` who may (networks).
    `chain` and `key` are the certificate of `host`. `call_seconds` 0 is no limit. `outbound` lets mail out.
    `small` is for a developer's machine: few processes, little memory, no reading of the system's resolver.
    """

    home: Path
    host: str
    address: str = "127.0.0.1"
    management: str = "127.0.0.1"
    managers: tuple[str, ...] = ("127.0.0.0/8",)
    ports: Ports = Ports()
    database: DatabaseAt
    doveadm_key: str
    chain: Path
    key: Path
    ca_file: Path
    mail_bytes: int = MAIL_MB * 2**20
    call_seconds: int = CALL_SECONDS
    outbound: bool = False
    small: bool = True

    @property
    def openssl(self) -> Path:
        """The configuration of OpenSSL that every server runs under: it decides on versions and ciphers (KS-2.6)."""
        return self.home / "openssl.cnf"


@dataclass(frozen=True)
class Program:
    """A server to start in the foreground: it is ready once `ports` of `address` take connections.

    As root it runs as `user`, who is given the directories `owns` and may read the files `reads`, both relative to the
    plan's home; directories in `shares` are ours to write, and the user's to read. `stop` is the signal that ends it.
    """

    name: str
    command: tuple[str, ...]
    ports: tuple[int, ...]
    user: str = ""
    owns: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    shares: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    stop: signal.Signals = signal.SIGTERM


def fill(template: str, plan: Plan, **more: object) -> str:
    """A configuration file from `templates/TEMPLATE`, with `plan` and what else it needs."""
    return _TEMPLATES.get_template(template).render(plan=plan, **more)
