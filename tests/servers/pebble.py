"""A Pebble of the tests' own: an ACME CA (RFC 8555) that proves names by the name servers of `acme_dns`.

`python -m tests.servers.pebble COMMAND...` runs a command beside one, with DOGOVOR_CERTIFICATES_FILE and
DOGOVOR_TSIG_KEYS set: the authority `pebble`, the zone `example.test`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from blocks.clients.ca.addresses import AuthorityAt

from .acme_dns import KEY_NAME, AcmeDns, acme_dns_servers
from .certificates import Authority, new_authority
from .processes import NOBODY_ID, RunningProcess, clean_environment, free_port, running, server_directory, wait_tcp
from .requirements import require

EAB_KID, EAB_KEY = "kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
BLOCKED = "blocked.example"
READY_DEADLINE_S = 60.0


@dataclass(frozen=True)
class PebbleServer:
    """A server that answers; `at` is how settings name it, `ready_s` what its start took."""

    at: AuthorityAt
    management: str
    process: RunningProcess
    ready_s: float

    def status(self, serial: str) -> str:
        """What the CA says of a certificate by its serial in hex: `Valid` or `Revoked`."""
        url = f"{self.management}/cert-status-by-serial/{serial}"
        answer = httpx.get(url, verify=False, trust_env=False)  # noqa: S501 - its certificate is not what is tested
        return str(answer.json()["Status"])


@contextmanager
def pebble_server(
    authority: Authority, dns: AcmeDns, *, validity_s: int = 90 * 86400, nonce_reject: int = 0, eab: bool = False
) -> Iterator[PebbleServer]:
    """Run Pebble; as root, run it as nobody. `nonce_reject` is how many percent of good nonces it refuses."""
    started = time.monotonic()
    pebble = require("pebble", "pebble")
    user_id = NOBODY_ID if os.geteuid() == 0 else None
    with server_directory("dg-pebble-", user_id) as home:
        port, management = free_port(), free_port()
        conf = _conf(authority, port, management, validity_s=validity_s, eab=eab)
        (home / "pebble.json").write_text(json.dumps(conf))
        env = {
            **clean_environment(home),
            "PEBBLE_VA_NOSLEEP": "1",
            "PEBBLE_WFE_NONCEREJECT": str(nonce_reject),
            "PEBBLE_AUTHZREUSE": "0",
            "PEBBLE_WFE_ORDERS_PER_PAGE": "10",
        }
        args: list[str | Path] = [pebble, "-strict", "-config", home / "pebble.json"]
        args += ["-dnsserver", f"127.0.0.1:{dns.port}"]
        at = AuthorityAt.model_validate(
            {
                "name": "pebble",
                "kind": "acme",
                "url": f"https://127.0.0.1:{port}/dir",
                "ca_file": authority.ca_file,
                "caa": ("pebble.example",),
                "contact": "hostmaster@example.test",
                "eab_kid": EAB_KID if eab else "",
            }
        )
        with running(args, log=home / "log", env=env, cwd=home, user_id=user_id) as process:
            wait_tcp("127.0.0.1", port, READY_DEADLINE_S, process)
            wait_tcp("127.0.0.1", management, READY_DEADLINE_S, process)
            yield PebbleServer(at, f"https://127.0.0.1:{management}", process, time.monotonic() - started)


def _conf(authority: Authority, port: int, management: int, *, validity_s: int, eab: bool) -> dict[str, Any]:
    shown = authority.issue("localhost", "127.0.0.1")
    conf: dict[str, Any] = {
        "listenAddress": f"127.0.0.1:{port}",
        "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(shown.chain),
        "privateKey": str(shown.key),
        "httpPort": free_port(),
        "tlsPort": free_port(),
        "ocspResponderURL": "",
        "externalAccountBindingRequired": eab,
        "domainBlocklist": [BLOCKED],
        "certificateValidityPeriod": validity_s,
    }
    if eab:
        conf["externalAccountMACKeys"] = {EAB_KID: EAB_KEY}
    return {"pebble": conf}


def settings_file(at: AuthorityAt, dns: AcmeDns) -> str:
    """The text of DOGOVOR_CERTIFICATES_FILE for this CA and the zone `example.test`."""
    zone = dns.zone()
    return f"""\
resolvers = ["{dns.server}"]

[[authority]]
name = "{at.name}"
kind = "acme"
url = "{at.url}"
ca_file = "{at.ca_file}"
caa = ["pebble.example"]
contact = "{at.contact}"

[[zone]]
name = "{zone.name}"
primary = "{zone.primary}"
tsig_name = "{zone.tsig_name}"
servers = ["{zone.servers[0]}"]
"""


def main(command: list[str]) -> int:
    """Run a command beside a CA; the command's exit status."""
    with (
        new_authority() as authority,
        acme_dns_servers() as dns,
        pebble_server(authority, dns) as server,
        server_directory("dg-pebble-") as home,
    ):
        file = home / "certificates.toml"
        file.write_text(settings_file(server.at, dns))
        env = {
            **os.environ,
            "DOGOVOR_CERTIFICATES_FILE": str(file),
            "DOGOVOR_TSIG_KEYS": json.dumps({KEY_NAME: dns.secret}),
        }
        return subprocess.run(command, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
