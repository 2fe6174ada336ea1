"""BIND as our name servers: a primary that takes zones and records while it runs, a secondary that follows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

from pydantic import Field

from blocks.clients.comms.addresses import DnsAt
from blocks.clients.comms.launcher import launched
from blocks.clients.comms.plan import Plan, Program, fill
from blocks.terms.base import Frozen
from blocks.terms.ks_zone import mailbox

_USER = "bind"
_HOME = "dns"


class DnsPlan(Frozen):
    """The name servers to be. The primary stands at the plan's address, the secondary at `secondary`, same ports.

    BIND listens at addresses of an interface alone, so that on one machine the secondary's is the loopback of IPv6.

    `servers` are their names, the primary's first. Keys are base64 of 32 bytes: who changes zones, who transfers them,
    and who controls the servers.
    """

    own_zone: str
    servers: tuple[str, str]
    hostmaster: str
    secondary: str = "::1"
    port: int = 53
    control_port: int = 953
    catalog: str = "catalog.invalid"
    tsig_name: str = "dogovor"
    transfer_name: str = "dogovor-transfer"
    control_name: str = "dogovor-control"
    update_key: str = Field(repr=False)
    transfer_key: str = Field(repr=False)
    control_key: str = Field(repr=False)


def files(plan: Plan, dns: DnsPlan) -> dict[str, str]:
    """The configuration of both servers and the key file of `rndc`, by path below the plan's home."""
    control = f'key "{dns.control_name}" {{ algorithm hmac-sha256; secret "{dns.control_key}"; }};\n'
    return {
        f"{_HOME}/rndc.key": control,
        f"{_HOME}/primary/named.conf": _configuration(plan, dns, "primary", [plan.address, plan.management]),
        f"{_HOME}/secondary/named.conf": _configuration(plan, dns, "secondary", [dns.secondary]),
    }


def prepare_zones(plan: Plan, dns: DnsPlan) -> None:
    """Write our own zone and the catalog where they are not there yet; the primary keeps them from then on."""
    start = f"$TTL 3600\n@ SOA {dns.servers[0]}. {mailbox(dns.hostmaster)}. 1 3600 600 1209600 300\n"
    hosts = {dns.servers[0]: plan.address, dns.servers[1]: dns.secondary, plan.host: plan.address}
    own = start + "".join(f"@ NS {server}.\n" for server in dns.servers)
    for host, address in hosts.items():
        if host.endswith(f".{dns.own_zone}"):
            own += f"{host}. {'A' if ip_address(address).version == 4 else 'AAAA'} {address}\n"
    catalog = "$TTL 3600\n@ SOA invalid. invalid. 1 3600 600 1209600 300\n@ NS invalid.\nversion TXT 2\n"
    zones = _zones(plan)
    zones.mkdir(parents=True, exist_ok=True)
    for name, text in (("own.db", own), ("catalog.db", catalog)):
        path = zones / name
        if not path.exists():
            path.write_text(text)
            path.chmod(0o644)


def programs(plan: Plan, dns: DnsPlan) -> tuple[Program, Program]:
    """The primary and the secondary; the latter takes connections at `dns.secondary`."""
    return _program(plan, dns, "primary"), _program(plan, dns, "secondary")


@contextmanager
def running(plan: Plan, dns: DnsPlan) -> Iterator[None]:
    """Run both until the context ends; errors as `launched`. The files must have been written."""
    primary, secondary = programs(plan, dns)
    prepare_zones(plan, dns)
    with launched(plan, [primary]), launched(plan.model_copy(update={"address": dns.secondary}), [secondary]):
        yield


def at(plan: Plan, dns: DnsPlan) -> DnsAt:
    """Where they stand. Resolvers are the servers themselves, which know our zones alone."""
    return DnsAt(
        primary=plan.management,
        port=dns.port,
        control_port=dns.control_port,
        rndc_key=plan.home / _HOME / "rndc.key",
        tsig_name=dns.tsig_name,
        zones=_zones(plan),
        catalog=dns.catalog,
        own_zone=dns.own_zone,
        servers=dns.servers,
        hostmaster=dns.hostmaster,
        resolvers=(f"{plan.address}#{dns.port}", f"{dns.secondary}#{dns.port}"),
    )


def _zones(plan: Plan) -> Path:
    return plan.home / _HOME / "primary" / "zones"


def _configuration(plan: Plan, dns: DnsPlan, role: str, listen: list[str]) -> str:
    return fill(
        f"named-{role}.conf",
        plan,
        dns=dns,
        home=plan.home / _HOME / role,
        listen=list(dict.fromkeys(listen)),
        any_v4=any(ip_address(address).version == 4 for address in listen),
        any_v6=any(ip_address(address).version == 6 for address in listen),
        control=plan.management if role == "primary" else dns.secondary,
        primary=plan.address,
    )


def _program(plan: Plan, dns: DnsPlan, role: str) -> Program:
    home = f"{_HOME}/{role}"
    few = ("-n", "1", "-U", "1") if plan.small else ()
    return Program(
        name=f"named-{role}",
        command=("named", "-g", *few, "-c", str(plan.home / home / "named.conf")),
        ports=(dns.port, dns.control_port) if role == "secondary" or plan.management == plan.address else (dns.port,),
        user=_USER,
        owns=(home, f"{home}/zones"),
        reads=(f"{home}/named.conf",),
    )
