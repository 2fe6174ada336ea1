"""Our name servers for tests, a primary and its secondary, and a resolver that knows nothing but what they serve."""

from __future__ import annotations

import os
import secrets
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from blocks.clients.certificates import LocalAuthority
from blocks.clients.comms import dns_server
from blocks.clients.comms.addresses import ComplexAt, DnsAt, MailAt, SipAt, XmppAt
from blocks.clients.comms.dns_server import DnsPlan
from blocks.clients.comms.launcher import write_files
from blocks.clients.comms.names import DnsNames
from blocks.clients.comms.plan import DatabaseAt, Plan, fill

from .processes import NOBODY_ID, clean_environment, free_port, running, server_directory, wait_tcp
from .requirements import require

OWN_ZONE = "own.test"
SERVERS = ("ns1.own.test", "ns2.own.test")
HOST = "c1.own.test"
ELSEWHERE = "elsewhere.example"

RESOLVER_CONF = """\
options {{
  directory "{home}"; pid-file none; session-keyfile "{home}/session.key"; managed-keys-directory "{home}";
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion yes; allow-recursion {{ 127.0.0.1; }}; dnssec-validation no; notify no; empty-zones-enable no;
  qname-minimization off; max-cache-size 16m; max-cache-ttl 0; max-ncache-ttl 0;
}};
controls {{ }};
logging {{ category default {{ default_stderr; }}; }};
zone "." {{ type primary; file "root"; }};
zone "test" {{ type forward; forward only; forwarders {{ 127.0.0.1 port {dns}; }}; }};
zone "{elsewhere}" {{ type primary; file "elsewhere"; }};
"""
ROOT = "$TTL 60\n@ SOA ns.invalid. h.invalid. 1 3600 600 86400 1\n@ NS ns.invalid.\n"


@dataclass(frozen=True)
class NameServers:
    """Where the servers stand, the key that changes zones, and what records are made from."""

    plan: Plan
    dns: DnsPlan
    at: DnsAt
    complex_at: ComplexAt
    authority: LocalAuthority

    @property
    def names(self) -> DnsNames:
        return DnsNames(self.at, self.dns.update_key, self.complex_at, self.authority, patience_s=0)


@contextmanager
def name_servers() -> Iterator[NameServers]:
    """Run the three servers."""
    require("named", "bind9")
    require("rndc", "bind9-utils")
    with server_directory("dg-names-") as home:
        authority = LocalAuthority(home / "ca", lambda: datetime.now(UTC))
        plan = _plan(home, authority)
        dns = DnsPlan(
            own_zone=OWN_ZONE,
            servers=SERVERS,
            hostmaster=f"host.master@{OWN_ZONE}",
            port=free_port(),
            control_port=free_port(),
            update_key=_key(),
            transfer_key=_key(),
            control_key=_key(),
        )
        write_files(home, {"openssl.cnf": fill("openssl.cnf", plan), **dns_server.files(plan, dns)})
        with dns_server.running(plan, dns), _resolver(dns.port) as port:
            at = dns_server.at(plan, dns).model_copy(update={"resolvers": (f"127.0.0.1#{port}",)})
            yield NameServers(plan, dns, at, _complex_at(home), authority)


def _key() -> str:
    return b64encode(secrets.token_bytes(32)).decode()


def _plan(home: Path, authority: LocalAuthority) -> Plan:
    nothing = DatabaseAt(host="", port=0, database="", user="", password="")
    chain = home / "ca" / HOST / "fullchain.pem"
    key = home / "ca" / HOST / "privkey.pem"
    return Plan(home=home, host=HOST, database=nothing, doveadm_key="", chain=chain, key=key, ca_file=authority.ca_file)


def _complex_at(home: Path) -> ComplexAt:
    return ComplexAt(
        name="c1",
        host=HOST,
        addresses=("192.0.2.1", "2001:db8::1"),
        xmpp=XmppAt(api_url="http://127.0.0.1:5280", hosts_file=home / "hosts.yml", certificates=home),
        mail=MailAt(doveadm_url="http://127.0.0.1:8889"),
        sip=SipAt(rpc_url="http://127.0.0.1:8580", tls_file=home / "tls.cfg", certificates=home),
    )


@contextmanager
def _resolver(dns_port: int) -> Iterator[int]:
    user_id = NOBODY_ID if os.geteuid() == 0 else None
    with server_directory("dg-resolver-", user_id) as home, nullcontext(free_port()) as port:
        conf = RESOLVER_CONF.format(home=home, port=port, dns=dns_port, elsewhere=ELSEWHERE)
        (home / "named.conf").write_text(conf)
        (home / "root").write_text(ROOT + "ns.invalid. A 127.0.0.1\ntest. NS ns.invalid.\n")
        (home / "elsewhere").write_text(ROOT)
        args: list[str | Path] = [require("named", "bind9"), "-g", "-n", "1", "-U", "1", "-c", home / "named.conf"]
        with running(args, log=home / "log", env=clean_environment(home), cwd=home, user_id=user_id) as process:
            wait_tcp("127.0.0.1", port, 30.0, process)
            yield port
