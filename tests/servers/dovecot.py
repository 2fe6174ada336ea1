"""A Dovecot of the tests' own, without accounts: IMAP up to where a password would be needed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .certificates import Authority
from .processes import RunningProcess, clean_environment, free_port, running, server_directory, wait_tcp
from .requirements import require, require_root

DOMAIN = "example.test"
EXPIRED_DOMAIN = "expired.test"
READY_DEADLINE_S = 30.0

DOVECOT_CONF = """\
base_dir = {home}/run
state_dir = {home}/state
log_path = /dev/stderr
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <{good.chain}
ssl_key = <{good.key}
ssl_min_protocol = TLSv1.2
passdb {{
  driver = passwd-file
  args = {home}/passwd
}}
userdb {{
  driver = passwd-file
  args = {home}/passwd
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
local_name {expired_domain} {{
  ssl_cert = <{expired.chain}
  ssl_key = <{expired.key}
}}
"""


@dataclass(frozen=True)
class DovecotServer:
    """A server that answers: STARTTLS at `port`, TLS at `tls_port`; `ready_s` is what its start took."""

    host: str
    port: int
    tls_port: int
    domain: str
    expired_domain: str
    process: RunningProcess
    ready_s: float


@contextmanager
def dovecot_server(authority: Authority) -> Iterator[DovecotServer]:
    """Run Dovecot. Its master runs as root, its services as dovecot and dovenull."""
    started = time.monotonic()
    require_root("Dovecot")
    require("/usr/lib/dovecot/imap", "dovecot-imapd")
    dovecot = require("dovecot", "dovecot-core")
    with server_directory("dg-imap-") as home:
        ports = free_port(), free_port()
        text = DOVECOT_CONF.format(
            home=home,
            port=ports[0],
            tls_port=ports[1],
            good=authority.issue(DOMAIN),
            expired_domain=EXPIRED_DOMAIN,
            expired=authority.issue(EXPIRED_DOMAIN, expired=True),
        )
        (home / "dovecot.conf").write_text(text)
        (home / "passwd").touch()
        args: list[str | Path] = [dovecot, "-F", "-c", home / "dovecot.conf"]
        with running(args, log=home / "log", env=clean_environment(home), cwd=home) as process:
            for port in ports:
                wait_tcp("127.0.0.1", port, READY_DEADLINE_S, process)
            yield DovecotServer("127.0.0.1", *ports, DOMAIN, EXPIRED_DOMAIN, process, time.monotonic() - started)
