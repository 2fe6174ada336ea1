"""Name servers for proofs in the DNS: a primary that takes updates, a second server of the same zones, a resolver.

Zones: `example.test` and `acme.test` take updates and are shown by both; `stale.test` takes them at the primary, and
the second server never hears of it; `closed.test` takes none; the answers for `broken.test` are SERVFAIL.
"""

from __future__ import annotations

import os
import secrets
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from blocks.clients.ca.addresses import ZoneAt
from blocks.clients.comms.name_server import NameServer
from blocks.clients.comms.names_outside import Resolver
from blocks.terms.ks_zone import Record

from .processes import NOBODY_ID, clean_environment, free_port, running, server_directory, wait_tcp
from .requirements import require

KEY_NAME = "acme-key"
UPDATED = ("example.test", "acme.test", "stale.test")
READY_DEADLINE_S = 30.0

OPTIONS = """\
options {{
  directory "{home}"; pid-file none; session-keyfile "{home}/session.key"; managed-keys-directory "{home}";
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion {recursion}; allow-recursion {{ 127.0.0.1; }}; dnssec-validation no; empty-zones-enable no;
  notify no; notify-delay 0; notify-rate 1000; serial-query-rate 1000; allow-transfer {{ 127.0.0.1; }};
  qname-minimization off; max-cache-size 16m; max-cache-ttl 0; max-ncache-ttl 0; servfail-ttl 0;
}};
controls {{ }};
logging {{ category default {{ default_stderr; }}; category update {{ null; }}; category notify {{ null; }};
  category xfer-in {{ null; }}; category xfer-out {{ null; }}; }};
key "{key_name}" {{ algorithm hmac-sha256; secret "{secret}"; }};
"""
PRIMARY = """\
zone "." {{ type primary; file "root"; }};
zone "closed.test" {{ type primary; file "zone"; }};
zone "broken.test" {{ type forward; forward only; forwarders {{ 127.0.0.1 port {nowhere}; }}; }};
"""
UPDATED_ZONE = """\
zone "{name}" {{ type primary; file "{name}"; journal "{name}.jnl"; notify explicit;
  also-notify {{ 127.0.0.1 port {second}; }}; update-policy {{ grant {key_name} zonesub ANY; }}; }};
"""
SECOND_ZONE = 'zone "{name}" {{ type secondary; file "{name}"; primaries {{ 127.0.0.1 port {first}; }}; }};\n'
STALE_ZONE = 'zone "stale.test" {{ type primary; file "zone"; }};\n'
ZONE = """\
$TTL 60
@ SOA ns hostmaster 1 3600 600 86400 1
@ NS ns
ns A 127.0.0.1
"""
ROOT = "$TTL 60\n@ SOA ns.invalid. h.invalid. 1 3600 600 86400 1\n@ NS ns.invalid.\nns.invalid. A 127.0.0.1\n"
BROKEN = "broken.test. NS ns.invalid.\n"


@dataclass(frozen=True)
class AcmeDns:
    """Where they stand: the primary resolves as well. `secret` signs updates."""

    port: int
    second_port: int
    secret: str

    @property
    def server(self) -> str:
        """The primary, as settings name it."""
        return f"127.0.0.1#{self.port}"

    @property
    def second(self) -> str:
        """The second server."""
        return f"127.0.0.1#{self.second_port}"

    @property
    def keys(self) -> dict[str, SecretStr]:
        return {KEY_NAME: SecretStr(self.secret)}

    def zone(self, name: str = "example.test", *servers: str) -> ZoneAt:
        """A zone as settings name it; shown by the primary alone unless servers are given."""
        return ZoneAt(name=name, primary=self.server, tsig_name=KEY_NAME, servers=servers or (self.server,))

    def add(self, zone: str, *records: Record) -> None:
        """Put records into a zone."""
        NameServer("127.0.0.1", self.port, KEY_NAME, self.secret).change(zone, add=records)

    def drop(self, zone: str, *records: Record) -> None:
        """Take records away."""
        NameServer("127.0.0.1", self.port, KEY_NAME, self.secret).change(zone, drop=records)

    @staticmethod
    def proof(domain: str, text: str) -> Record:
        """A proof of a domain as a record."""
        return Record(f"_acme-challenge.{domain}", 10, "TXT", f'"{text}"')

    def texts(self, name: str) -> set[str]:
        """The values of a name's TXT records."""
        found = Resolver("127.0.0.1", self.port).look_up(name, "TXT")
        return {str(rdata).strip('"') for rdata in found}


@contextmanager
def acme_dns_servers() -> Iterator[AcmeDns]:
    """Run both; as root, run them as nobody."""
    named = require("named", "bind9")
    user_id = NOBODY_ID if os.geteuid() == 0 else None
    secret = b64encode(secrets.token_bytes(32)).decode()
    at = AcmeDns(free_port(), free_port(), secret)
    with server_directory("dg-acme-", user_id) as first, server_directory("dg-acme-", user_id) as second:
        _files(first, second, at, user_id)
        with _named(named, first, at.port, user_id), _named(named, second, at.second_port, user_id):
            yield at


@contextmanager
def _named(named: str, home: Path, port: int, user_id: int | None) -> Iterator[None]:
    args: list[str | Path] = [named, "-g", "-n", "1", "-U", "1", "-c", home / "named.conf"]
    with running(args, log=home / "log", env=clean_environment(home), cwd=home, user_id=user_id) as process:
        wait_tcp("127.0.0.1", port, READY_DEADLINE_S, process)
        yield


def _files(first: Path, second: Path, at: AcmeDns, user_id: int | None) -> None:
    values = {"key_name": KEY_NAME, "secret": at.secret, "first": at.port, "second": at.second_port}
    conf = OPTIONS.format(home=first, port=at.port, recursion="yes", **values)
    conf += PRIMARY.format(nowhere=free_port())
    conf += "".join(UPDATED_ZONE.format(name=name, **values) for name in UPDATED)
    (first / "named.conf").write_text(conf)
    conf = OPTIONS.format(home=second, port=at.second_port, recursion="no", **values)
    conf += STALE_ZONE.format()
    conf += "".join(SECOND_ZONE.format(name=name, **values) for name in UPDATED if name != "stale.test")
    (second / "named.conf").write_text(conf)
    (first / "root").write_text(ROOT + BROKEN)
    for home in (first, second):
        (home / "zone").write_text(ZONE)
    for name in UPDATED:
        (first / name).write_text(ZONE)
        if user_id is not None:
            os.chown(first / name, user_id, user_id)
