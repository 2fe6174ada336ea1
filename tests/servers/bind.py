"""A BIND of the tests' own: authoritative for example.test, and for guarded.test towards 127.0.0.2 alone."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .processes import NOBODY_ID, RunningProcess, clean_environment, free_port, running, server_directory, wait_tcp
from .requirements import require

ZONE_FOR_ALL = "example.test"
ZONE_GUARDED = "guarded.test"
GUARDED_FOR = "127.0.0.2"
READY_DEADLINE_S = 30.0
# Its answer fits no datagram of 1232 bytes.
LONG_NAME = f"long.{ZONE_FOR_ALL}"

NAMED_CONF = """\
options {{
  directory "{home}"; pid-file "{home}/named.pid"; session-keyfile "{home}/session.key";
  managed-keys-directory "{home}";
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion no; dnssec-validation no; notify no; allow-transfer {{ none; }}; empty-zones-enable no;
  max-cache-size 16m;
}};
controls {{ }};
logging {{ category default {{ default_stderr; }}; }};
zone "{for_all}" {{ type primary; file "zone"; }};
zone "{guarded}" {{ type primary; file "zone"; allow-query {{ {guarded_for}; }}; }};
"""

ZONE = """\
$TTL 60
@ SOA ns hostmaster 1 3600 600 86400 1
@ NS ns
ns A 127.0.0.1
"""


@dataclass(frozen=True)
class BindServer:
    """A server that answers; `ready_s` is what its start took."""

    host: str
    port: int
    process: RunningProcess
    ready_s: float


@contextmanager
def bind_server() -> Iterator[BindServer]:
    """Run BIND; as root, run it as nobody."""
    started = time.monotonic()
    named = require("named", "bind9")
    user_id = NOBODY_ID if os.geteuid() == 0 else None
    with server_directory("dg-dns-", user_id) as home:
        port = free_port()
        zones = {"for_all": ZONE_FOR_ALL, "guarded": ZONE_GUARDED, "guarded_for": GUARDED_FOR}
        (home / "named.conf").write_text(NAMED_CONF.format(home=home, port=port, **zones))
        (home / "zone").write_text(ZONE + f'long TXT "{"x" * 250}" ' + f'"{"y" * 250}" ' * 8)
        args: list[str | Path] = [named, "-g", "-n", "1", "-U", "1", "-c", home / "named.conf"]
        env = clean_environment(home)
        with running(args, log=home / "log", env=env, cwd=home, user_id=user_id) as process:
            wait_tcp("127.0.0.1", port, READY_DEADLINE_S, process)
            yield BindServer("127.0.0.1", port, process, time.monotonic() - started)
