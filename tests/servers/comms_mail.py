"""The mail servers of a complex, as its own configuration starts them, with domains of the tests' own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from blocks.clients.comms.launcher import launched, write_files
from blocks.clients.comms.mail_server import files, programs
from blocks.clients.comms.plan import fill

from .comms import Ground, ground
from .postgres import PostgresServer

MANAGERS = ("127.0.0.1/32",)
"""Other addresses of the loopback are customers', who must come from one of them: Dovecot takes whoever has its own
address for safe without TLS."""


@dataclass(frozen=True)
class MailServers:
    """Running servers on their ground."""

    ground: Ground
    running: Mapping[str, subprocess.Popen[bytes]]


@contextmanager
def mail_servers(postgres: PostgresServer) -> Iterator[MailServers]:
    """Run Postfix, Dovecot and OpenDKIM on a directory of their own; needs root."""
    with ground(postgres) as base:
        plan = base.plan.model_copy(update={"managers": MANAGERS})
        base.directory.prepare()
        write_files(plan.home, {"openssl.cnf": fill("openssl.cnf", plan), **files(plan)})
        with launched(plan, programs(plan)) as running:
            yield MailServers(Ground(plan, base.directory, base.directory_url, base.authority), running)
