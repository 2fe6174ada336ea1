"""A whole complex on loopback ports of this machine, whose data and ports stay in one directory."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
import subprocess
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from blocks.clients.certificates import LocalAuthority
from blocks.clients.comms import dns_server
from blocks.clients.comms.addresses import ComplexAt, DnsAt
from blocks.clients.comms.cluster import (
    DATABASE,
    ROLE,
    cluster_program,
    database_url,
    make_cluster,
    make_database,
)
from blocks.clients.comms.dns_server import DnsPlan
from blocks.clients.comms.launcher import launched, write_files
from blocks.clients.comms.mail_server import dkim_public
from blocks.clients.comms.plan import DatabaseAt, Plan, Ports, fill
from blocks.clients.comms.toml_text import complexes_text
from blocks.clients.comms.whole import prepare_directory, whole_at, whole_files, whole_programs
from blocks.clients.comms.xmpp_server import host_certificate
from blocks.durable import locked, replace
from blocks.errors import Refused, Transient
from blocks.ledger import open_engine

NAME = "local"
_DNS_KEYS = ("dns_update", "dns_transfer", "dns_control")
_PORTS = range(15_000, 32_000)


@dataclass(frozen=True)
class LocalComplex:
    """A complex that runs here, and what the worker must be told of it: `environment` holds secrets."""

    plan: Plan
    at: ComplexAt
    dns: DnsAt
    complexes_file: Path
    environment: Mapping[str, str]
    running: dict[str, subprocess.Popen[bytes]]

    @property
    def environment_file(self) -> Path:
        """The same as lines for a shell, for nobody else to read."""
        return self.plan.home / "worker.env"

    def ensure_alive(self) -> None:
        """Raises Transient once a server has ended."""
        ended = [name for name, process in self.running.items() if process.poll() is not None]
        if ended:
            raise Transient(f"{', '.join(ended)} ended: see {self.plan.home / 'log'}")


@contextmanager
def local_complex(
    home: Path, authority: LocalAuthority, own_zone: str, *, mail_bytes: int, call_seconds: int
) -> Iterator[LocalComplex]:
    """Run the complex of `home` until the context ends; made there at first, later gone on with.

    `own_zone` is the zone of customers' names; the host is `comms.` in it. Raises Refused where this is not root, a
    program is missing, another one runs it or a port of its is taken.
    """
    _check(home)
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o755)
    try:
        with locked(home / "lock", fcntl.LOCK_EX | fcntl.LOCK_NB):
            limits = {"mail_bytes": mail_bytes, "call_seconds": call_seconds}
            kept = _Kept(_ports(home / "ports.json"), _secrets(home / "secrets.json"))
            plan = _plan(home, authority, kept, own_zone, limits)
            yield from _run(plan, _dns(kept, own_zone), authority)
    except BlockingIOError:
        raise Refused("running", f"the complex of {home} runs already") from None


@dataclass(frozen=True)
class _Kept:
    """What stays from one run to the next."""

    ports: Mapping[str, int]
    secrets: Mapping[str, str] = field(repr=False)


def _run(plan: Plan, dns: DnsPlan, authority: LocalAuthority) -> Iterator[LocalComplex]:
    make_cluster(plan.home, plan.database.password)
    write_files(plan.home, {"openssl.cnf": fill("openssl.cnf", plan)})
    with ExitStack() as stack:
        cluster = stack.enter_context(launched(plan, (cluster_program(plan),)))
        make_database(plan.database)
        engine = open_engine(database_url(plan.database))
        prepare_directory(engine)
        engine.dispose()
        files = {**whole_files(plan), **dns_server.files(plan, dns)}
        # Messengers ask for names below the host too, which the zone's wildcard does not reach.
        files[host_certificate(plan)] = authority.of(plan.host).both
        write_files(plan.home, files)
        stack.enter_context(dns_server.running(plan, dns))
        servers = stack.enter_context(launched(plan, whole_programs(plan)))
        yield _told(plan, dns, {**cluster, **servers})


def _check(home: Path) -> None:
    if os.geteuid() != 0:
        raise Refused("root", "Postfix and Dovecot start as root alone: run this as root")
    closed = [place for place in home.absolute().parents if place.exists() and not place.stat().st_mode & 0o001]
    if closed:
        raise Refused("home", f"the servers, which are not root, cannot enter {closed[0]}: choose another --home")


def _plan(home: Path, authority: LocalAuthority, kept: _Kept, own_zone: str, limits: Mapping[str, int]) -> Plan:
    ports, shown = kept.ports, authority.of(own_zone)  # good for the host and for SIP of every customer in the zone
    write_files(
        home, {"host/chain.pem": shown.chain, "host/key.pem": shown.key, "ca.pem": authority.ca_file.read_text()}
    )
    (home / "ca.pem").chmod(0o644)  # what everybody may know
    return Plan(
        home=home,
        host=f"comms.{own_zone}",
        ports=Ports(**{name: port for name, port in ports.items() if name in Ports.model_fields}),
        database=DatabaseAt(
            host="127.0.0.1", port=ports["database"], database=DATABASE, user=ROLE, password=kept.secrets["database"]
        ),
        doveadm_key=kept.secrets["doveadm"],
        chain=home / "host" / "chain.pem",
        key=home / "host" / "key.pem",
        ca_file=home / "ca.pem",
        **limits,
    )


def _dns(kept: _Kept, own_zone: str) -> DnsPlan:
    return DnsPlan(
        own_zone=own_zone,
        servers=(f"ns1.{own_zone}", f"ns2.{own_zone}"),
        hostmaster=f"hostmaster@{own_zone}",
        port=kept.ports["dns"],
        control_port=kept.ports["dns_control"],
        update_key=kept.secrets["dns_update"],
        transfer_key=kept.secrets["dns_transfer"],
        control_key=kept.secrets["dns_control"],
    )


def _told(plan: Plan, dns: DnsPlan, running: dict[str, subprocess.Popen[bytes]]) -> LocalComplex:
    at = whole_at(plan, NAME, plan.ca_file)
    names = dns_server.at(plan, dns).model_copy(update={"dkim_public_key": dkim_public(plan)})
    file = plan.home / "complexes.toml"
    environment = {
        "DOGOVOR_COMPLEXES_FILE": str(file),
        "DOGOVOR_DIRECTORY_URL": database_url(plan.database),
        "DOGOVOR_DOVEADM_KEYS": json.dumps({NAME: plan.doveadm_key}),
        "DOGOVOR_DNS_KEY": dns.update_key,
    }
    told = LocalComplex(plan, at, names, file, environment, running)
    lines = "".join(f"{name}='{value}'\n" for name, value in environment.items())
    write_files(plan.home, {file.name: complexes_text((at,), names), told.environment_file.name: lines})
    return told


def _ports(path: Path) -> dict[str, int]:
    """The ports of before, or free ones. Raises Refused where one of before is taken."""
    wanted = [*Ports.model_fields, "database", "dns", "dns_control"]
    held: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    taken = [port for port in held.values() if not _is_free(port)]
    if taken:
        raise Refused("port", f"port {taken[0]} of {path} is taken by another program")
    for name in wanted:
        while name not in held:
            port = secrets.choice(_PORTS)
            if port not in held.values() and _is_free(port):
                held[name] = port
    _keep(path, held)
    return held


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _secrets(path: Path) -> dict[str, str]:
    if not path.exists():
        keys = {name: b64encode(secrets.token_bytes(32)).decode() for name in _DNS_KEYS}
        _keep(path, {name: secrets.token_hex(24) for name in ("database", "doveadm")} | keys)
    held: dict[str, str] = json.loads(path.read_text())
    return held


def _keep(path: Path, values: Mapping[str, object]) -> None:
    """Write it as a whole: a file cut short would lose the ports or the passwords of what stands."""
    replace(path, json.dumps(values, indent=2))
