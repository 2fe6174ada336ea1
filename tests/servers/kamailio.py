"""A Kamailio of the tests' own, without accounts: it answers OPTIONS over TLS, TCP and UDP."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .certificates import Authority
from .processes import NOBODY_ID, RunningProcess, clean_environment, free_port, running, server_directory, wait_tcp
from .requirements import require

DOMAIN = "example.test"
EXPIRED_DOMAIN = "expired.test"
# Domains that are answered with the code in their name; any other is unknown, 404.
ANSWERING = {f"says-{code}.test": code for code in (302, 401, 408, 500, 603)}
READY_DEADLINE_S = 30.0

KAMAILIO_CFG = """\
#!KAMAILIO
debug=1
log_stderror=yes
fork=yes
children=1
tcp_children=1
enable_tls=yes
auto_aliases=no
dns=off
rev_dns=off
listen=tls:127.0.0.1:{tls_port}
listen=tcp:127.0.0.1:{port}
listen=udp:127.0.0.1:{port}
loadmodule "tls.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "sanity.so"
loadmodule "maxfwd.so"
modparam("tls", "config", "{home}/tls.cfg")
request_route {{
  if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
  if (!sanity_check("17895", "7")) exit;
  if ($rm != "OPTIONS" || $ct == $null) {{ sl_send_reply("400", "Bad Request"); exit; }}
  if ($rd == "{domain}" || $rd == "{expired_domain}") {{ sl_send_reply("200", "OK"); exit; }}
  {answers}
  sl_send_reply("404", "Not here");
}}
"""

TLS_CFG = """\
[server:default]
method = TLSv1.2+
verify_certificate = no
certificate = {good.chain}
private_key = {good.key}
[client:default]
method = TLSv1.2+
[server:any]
server_name = {expired_domain}
method = TLSv1.2+
verify_certificate = no
certificate = {expired.chain}
private_key = {expired.key}
"""


@dataclass(frozen=True)
class KamailioServer:
    """A server that answers: UDP and TCP at `port`, TLS at `tls_port`; `ready_s` is what its start took."""

    host: str
    port: int
    tls_port: int
    domain: str
    expired_domain: str
    process: RunningProcess
    ready_s: float


@contextmanager
def kamailio_server(authority: Authority) -> Iterator[KamailioServer]:
    """Run Kamailio; as root, run it as nobody."""
    started = time.monotonic()
    kamailio = require("kamailio", "kamailio-tls-modules")
    user_id = NOBODY_ID if os.geteuid() == 0 else None
    with server_directory("dg-sip-", user_id) as home:
        ports = free_port(), free_port()
        answers = [
            f'if ($rd == "{name}") {{ sl_send_reply("{code}", "As asked"); exit; }}' for name, code in ANSWERING.items()
        ]
        names = {"domain": DOMAIN, "expired_domain": EXPIRED_DOMAIN, "home": home}
        (home / "kamailio.cfg").write_text(
            KAMAILIO_CFG.format(port=ports[0], tls_port=ports[1], answers="\n  ".join(answers), **names)
        )
        good, expired = authority.issue(DOMAIN, *ANSWERING), authority.issue(EXPIRED_DOMAIN, expired=True)
        (home / "tls.cfg").write_text(TLS_CFG.format(good=good, expired=expired, expired_domain=EXPIRED_DOMAIN))
        args: list[str | Path] = [kamailio, "-DD", "-E", "-m", "32", "-M", "4"]
        args += ["-f", home / "kamailio.cfg", "-P", home / "pid", "-Y", home]
        with running(args, log=home / "log", env=clean_environment(home), cwd=home, user_id=user_id) as process:
            for port in ports:
                wait_tcp("127.0.0.1", port, READY_DEADLINE_S, process)
            yield KamailioServer("127.0.0.1", *ports, DOMAIN, EXPIRED_DOMAIN, process, time.monotonic() - started)
