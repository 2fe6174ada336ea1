"""An acme2certifier of the tests' own: a second ACME CA, which serves ARI (RFC 9773).

`make servers` installs it from `acme2certifier.lock` into an environment of its own, `.cache/acme2certifier`.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from blocks.clients.ca.addresses import AuthorityAt

from .acme_dns import AcmeDns
from .certificates import Authority
from .processes import NOBODY_ID, RunningProcess, clean_environment, free_port, running, server_directory, wait_tcp
from .requirements import lacking

PYTHON = Path(__file__).parents[2] / ".cache" / "acme2certifier" / "bin" / "python"
READY_DEADLINE_S = 60.0
RETRY_AFTER_S = 3600

CONF = """\
[DEFAULT]
debug: False
[Nonce]
nonce_check_disable: False
[CAhandler]
handler_module: acme2certifier.cahandlers.openssl_ca_handler
issuing_ca_key: {home}/issuer.key
issuing_ca_cert: {home}/issuer.pem
issuing_ca_crl: {home}/crl.pem
cert_validity_days: 90
cert_save_path: {home}/certs
ca_cert_chain_list: []
[DBhandler]
handler: wsgi
dbfile: {home}/acme.db
[Certificate]
revocation_reason_check_disable: False
[Challenge]
dns_server_list: ["127.0.0.1"]
dns_validation_pause_timer: 0
[Renewalinfo]
renewalthreshold_pctg: 66
retry_after_timeout: {retry_after}
renewal_force: {force}
[Order]
tnauthlist_support: False
[Directory]
"""
# Its look-ups go to port 53 whatever is said, so the port is set beneath it.
SERVE = """\
import socketserver, ssl, sys
import dns.resolver
port, dns_port, chain, key = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
plain = dns.resolver.BaseResolver.reset
def reset(self):
    plain(self)
    self.port = dns_port
dns.resolver.BaseResolver.reset = reset
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
import acme2certifier.share.acme2certifier_wsgi as app
class Threads(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
class Handler(WSGIRequestHandler):
    def address_string(self):
        return self.client_address[0]
    def get_environ(self):
        return super().get_environ() | {"wsgi.url_scheme": "https", "HTTPS": "on", "HTTP_X_FORWARDED_PROTO": "https"}
server = make_server("127.0.0.1", port, app.application, server_class=Threads, handler_class=Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(chain, key)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
"""
CA_CONF = "[ca]\ndefault_ca=c\n[c]\ndatabase={home}/index.txt\ndefault_md=sha256\ndefault_crl_days=30\n"


@dataclass(frozen=True)
class Acme2Certifier:
    """A server that answers; `at` is how settings name it, `ready_s` what its start took."""

    at: AuthorityAt
    process: RunningProcess
    ready_s: float


@contextmanager
def acme2certifier_server(authority: Authority, dns: AcmeDns, *, force: bool = False) -> Iterator[Acme2Certifier]:
    """Run it; as root, run it as nobody. With `force` it advises to renew everything now."""
    started = time.monotonic()
    if not PYTHON.exists():
        lacking("acme2certifier is missing: run make servers")
    user_id = NOBODY_ID if os.geteuid() == 0 else None
    with server_directory("dg-a2c-", user_id) as home:
        port, shown = free_port(), authority.issue("localhost", "127.0.0.1")
        _files(home, user_id, force=force)
        args: list[str | Path] = [PYTHON, home / "serve.py", str(port), str(dns.port), shown.chain, shown.key]
        env = {
            **clean_environment(home),
            "ACME_SRV_CONFIGFILE": str(home / "acme_srv.cfg"),
            "ACME2CERTIFIER_BASE_DIR": str(home),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        at = AuthorityAt.model_validate(
            {
                "name": "ari",
                "kind": "acme",
                "url": f"https://127.0.0.1:{port}/directory",
                "ca_file": authority.ca_file,
                "contact": "hostmaster@example.test",
            }
        )
        with running(args, log=home / "log", env=env, cwd=home, user_id=user_id) as process:
            wait_tcp("127.0.0.1", port, READY_DEADLINE_S, process)
            yield Acme2Certifier(at, process, time.monotonic() - started)


def _files(home: Path, user_id: int | None, *, force: bool) -> None:
    (home / "certs").mkdir()
    (home / "index.txt").touch()
    (home / "ca.cnf").write_text(CA_CONF.format(home=home))
    (home / "acme_srv.cfg").write_text(CONF.format(home=home, force=force, retry_after=RETRY_AFTER_S))
    (home / "serve.py").write_text(SERVE)
    key, pem = str(home / "issuer.key"), str(home / "issuer.pem")
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", pem, "-days", "30"]
    _quietly([*made, "-subj", "/CN=Tests' second authority"])
    conf = str(home / "ca.cnf")
    _quietly(
        [*("openssl", "ca", "-config", conf, "-gencrl", "-keyfile", key, "-cert", pem, "-out", str(home / "crl.pem"))]
    )
    if user_id is not None:
        for path in (home, *home.rglob("*")):
            os.chown(path, user_id, user_id)


def _quietly(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)
