"""A parent zone and the zones that it delegates, on one port of two addresses, and two resolvers."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from .processes import NOBODY_ID, clean_environment, free_port, running, server_directory, wait_tcp
from .requirements import require

PARENT, CHILD = "127.0.0.1", "::1"
PLAIN, SIGNED, BOGUS, LAME = "plain.test", "signed.test", "bogus.test", "lame.test"
ZONES = (PLAIN, SIGNED, BOGUS)

_OPTIONS = """\
options {{
  directory "{home}"; pid-file none; session-keyfile none; managed-keys-directory "{home}";
  {listen} {{ none; }}; allow-transfer {{ none; }}; notify no;
  recursion {recursion}; dnssec-validation {validation}; empty-zones-enable no;
  qname-minimization off; max-cache-size 16m; max-cache-ttl 0; max-ncache-ttl 0;
}};
controls {{ }};
logging {{ category default {{ default_stderr; }}; }};
"""
_START = "$TTL 60\n@ SOA ns.test. h.test. 1 3600 600 86400 1\n"
_TEST = (
    f"{_START}@ NS ns\nns A {PARENT}\nns1 AAAA {CHILD}\nns2 A {PARENT}\n"
    "plain NS ns1\nsigned NS ns1\nbogus NS ns1\nlame NS ns1\nlame NS ns2\n"
)
_CHILD = f"{_START}@ NS ns1.test.\n@ A 192.0.2.7\n"


@dataclass(frozen=True)
class Delegation:
    """The name servers answer at `port`; who looks names up asks `resolver`, or `careless`, which checks nothing."""

    port: int
    resolver: str
    careless: str


@contextmanager
def dns_delegation() -> Iterator[Delegation]:
    """Run them; as root as nobody."""
    require("named", "bind9")
    require("dnssec-signzone", "bind9-utils")
    user_id = NOBODY_ID if os.geteuid() == 0 else None
    with ExitStack() as stack:
        port = free_port()
        home = stack.enter_context(server_directory("dg-deleg-", user_id))
        anchors = [_signed(home, zone) for zone in (SIGNED, BOGUS)]
        (home / PLAIN).write_text(_CHILD)
        (home / "test").write_text(_TEST)
        _anchor_of_another(home, anchors)
        forwards = "".join(_forward(zone, CHILD, port) for zone in (*ZONES, LAME)) + _forward("test", PARENT, port)
        trust = f"trust-anchors {{ {' '.join(anchors)} }};\n"
        checking, careless = free_port(), free_port()
        parts = (
            (PARENT, port, "no", "no", _primary("test", "test")),
            (CHILD, port, "no", "no", "".join(_primary(zone, zone) for zone in ZONES)),
            (PARENT, checking, "yes", "yes", trust + forwards),
            (PARENT, careless, "yes", "no", forwards),
        )
        for address, own_port, recursion, validation, zones in parts:
            options = _OPTIONS.format(
                home=home, listen=_listen(address, own_port), recursion=recursion, validation=validation
            )
            _run(stack, home, address, own_port, options + zones, user_id)
        yield Delegation(port, f"{PARENT}#{checking}", f"{PARENT}#{careless}")


def _listen(address: str, port: int) -> str:
    if address == CHILD:
        return f"listen-on-v6 port {port} {{ {address}; }}; listen-on"
    return f"listen-on port {port} {{ {address}; }}; listen-on-v6"


def _run(stack: ExitStack, home: Path, address: str, port: int, text: str, user_id: int | None) -> None:
    conf = home / f"{address}-{port}.conf"
    conf.write_text(text)
    args: list[str | Path] = [require("named", "bind9"), "-g", "-n", "1", "-U", "1", "-c", conf]
    log = home / f"{address}-{port}.log"
    process = stack.enter_context(running(args, log=log, env=clean_environment(home), cwd=home, user_id=user_id))
    wait_tcp(address, port, 30.0, process)


def _primary(zone: str, file: str) -> str:
    return f'zone "{zone}" {{ type primary; file "{file}"; }};\n'


def _forward(zone: str, address: str, port: int) -> str:
    return f'zone "{zone}" {{ type forward; forward only; forwarders {{ {address} port {port}; }}; }};\n'


def _key(home: Path, zone: str) -> tuple[str, str]:
    """A new key of a zone: the name of its file, and the text that a resolver trusts it by."""
    name = _tool("dnssec-keygen", "-q", "-K", home, "-a", "ECDSAP256SHA256", "-f", "KSK", zone)
    record = next(line for line in (home / f"{name}.key").read_text().splitlines() if "DNSKEY" in line)
    return name, f'{zone} static-key 257 3 13 "{record.split("257 3 13 ", 1)[1].replace(" ", "")}";'


def _signed(home: Path, zone: str) -> str:
    name, anchor = _key(home, zone)
    source = home / f"{zone}.plain"
    source.write_text(_CHILD + (home / f"{name}.key").read_text())
    _tool("dnssec-signzone", "-q", "-z", "-K", home, "-d", home, "-o", zone, "-f", home / zone, source, home / name)
    return anchor


def _anchor_of_another(home: Path, anchors: list[str]) -> None:
    """The resolver knows the bogus zone by a key that did not sign it."""
    anchors[-1] = _key(home, BOGUS)[1]


def _tool(name: str, *arguments: str | Path) -> str:
    done = subprocess.run([require(name, "bind9-utils"), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()
