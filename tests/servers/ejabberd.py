"""An ejabberd of the tests' own, without accounts: it speaks up to where a password would be needed.

It runs as a single Erlang node without a name, so neither epmd nor a cookie is involved.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .certificates import Authority
from .processes import NOBODY_ID, RunningProcess, clean_environment, free_port, running, server_directory, wait_tcp
from .requirements import lacking, require

DOMAIN = "example.test"
READY_DEADLINE_S = 60.0

EJABBERD_YML = """\
loglevel: warning
hosts: [{domain}]
certfiles: [{certificate}]
acme: {{auto: false}}
listen:
  - {{port: {port}, ip: 127.0.0.1, module: ejabberd_c2s, starttls: true, starttls_required: true}}
  - {{port: {tls_port}, ip: 127.0.0.1, module: ejabberd_c2s, tls: true}}
modules: {{}}
"""


@dataclass(frozen=True)
class EjabberdServer:
    """A server that answers: STARTTLS at `port`, TLS at `tls_port`; `ready_s` is what its start took."""

    host: str
    port: int
    tls_port: int
    domain: str
    process: RunningProcess
    ready_s: float


@contextmanager
def ejabberd_server(authority: Authority) -> Iterator[EjabberdServer]:
    """Run ejabberd; as root, run it as nobody."""
    started = time.monotonic()
    erl = require("erl", "ejabberd")
    libraries = next(Path("/usr/lib").glob("*/ejabberd-*"), None)
    if libraries is None:
        lacking("ejabberd is missing: run tests/servers/install.sh (Debian package ejabberd)")
    user_id = NOBODY_ID if os.geteuid() == 0 else None
    with server_directory("dg-xmpp-", user_id) as home:
        ports = free_port(), free_port()
        certificate = authority.issue(DOMAIN, f"*.{DOMAIN}").both
        text = EJABBERD_YML.format(domain=DOMAIN, certificate=certificate, port=ports[0], tls_port=ports[1])
        (home / "ejabberd.yml").write_text(text)
        env = clean_environment(home) | {
            "EJABBERD_CONFIG_PATH": str(home / "ejabberd.yml"),
            "EJABBERD_LOG_PATH": str(home / "ejabberd.log"),
            "ERL_CRASH_DUMP": "/dev/null",
            "ERL_LIBS": str(libraries.parent),
        }
        args = [erl, "+S", "1", "+sbwt", "none", "-noinput", "-mnesia", "dir", f'"{home}/db"', "-s", "ejabberd"]
        with running(args, log=home / "log", env=env, cwd=home, user_id=user_id) as process:
            for port in ports:
                wait_tcp("127.0.0.1", port, READY_DEADLINE_S, process)
            yield EjabberdServer("127.0.0.1", *ports, DOMAIN, process, time.monotonic() - started)
