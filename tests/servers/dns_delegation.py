"""A parent zone, the zones that it delegates, and a resolver that checks signatures: three name servers on one port."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from .processes import NOBODY_ID, clean_environment, free_port, running, server_directory, wait_tcp
from .requirements import require

PARENT, CHILD, RESOLVER, NOBODY = "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"
PLAIN, SIGNED, BOGUS, LAME = "plain.test", "signed.test", "bogus.test", "lame.test"
ZONES = (PLAIN, SIGNED, BOGUS)

_OPTIONS = """\
options {{
  directory "{home}"; pid-file none; session-keyfile none; managed-keys-directory "{home}";
  listen-on port {port} {{ {address}; }}; listen-on-v6 {{ none; }}; allow-transfer {{ none; }}; notify no;
  recursion {recursion}; allow-recursion {{ any; }}; dnssec-validation {validation}; empty-zones-enable no;
  qname-minimization off; max-cache-size 16m; max-cache-ttl 0; max-ncache-ttl 0;
}};
controls {{ }};
logging {{ category default {{ default_stderr; }}; }};
"""
_START = "$TTL 60\n@ SOA ns.test. h.test. 1 3600 600 86400 1\n"
_TEST = (
    f"{_START}@ NS ns\nns A {PARENT}\nns1 A {CHILD}\nns2 A {NOBODY}\n"
    "plain NS ns1\nsigned NS ns1\nbogus NS ns1\nlame NS ns1\nlame NS ns2\n"
)
_CHILD = f"{_START}@ NS ns1.test.\n@ A 192.0.2.7\n"


@dataclass(frozen=True)
class Delegation:
    """All of them answer at `port`; who looks names up asks `resolver`, or `careless`, which checks nothing."""

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
        parts = {
            PARENT: ("no", "no", _primary("test", "test")),
            CHILD: ("no", "no", "".join(_primary(zone, zone) for zone in ZONES)),
            RESOLVER: ("yes", "yes", trust + forwards),
            "127.0.0.5": ("yes", "no", forwards),
        }
        for address, (recursion, validation, zones) in parts.items():
            options = _OPTIONS.format(home=home, port=port, address=address, recursion=recursion, validation=validation)
            _run(stack, home, address, port, options + zones, user_id)
        yield Delegation(port, f"{RESOLVER}#{port}", f"127.0.0.5#{port}")


def _run(stack: ExitStack, home: Path, address: str, port: int, text: str, user_id: int | None) -> None:
    conf = home / f"{address}.conf"
    conf.write_text(text)
    args: list[str | Path] = [require("named", "bind9"), "-g", "-n", "1", "-U", "1", "-c", conf]
    log = home / f"{address}.log"
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
    _tool("dnssec-signzone", "-q", "-z", "-K", home, "-o", zone, "-f", home / zone, source, home / name)
    return anchor


def _anchor_of_another(home: Path, anchors: list[str]) -> None:
    """The resolver knows the bogus zone by a key that did not sign it."""
    anchors[-1] = _key(home, BOGUS)[1]


def _tool(name: str, *arguments: str | Path) -> str:
    done = subprocess.run([require(name, "bind9-utils"), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()
