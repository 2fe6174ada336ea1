"""The certificates bench: how many a minute, beside lego and certbot, from the same CA through the same name server.

Each certificate has a new key and one name, proven in the DNS. Ours are ordered in one process, twice: by the client
alone, which does what the peers do, and as the office does it, every step written down in the ledger. A peer is one
process a certificate, as it is used; its account is made before the clock starts.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from blocks.clients.ca.addresses import AuthorityAt, ZoneAt
from blocks.clients.ca.pem import fits, new_key, request_for
from blocks.clients.ca.protocol import Authority, OrderState, Request
from blocks.errors import Refused, Transient
from blocks.ledger import CaOrderState, transaction
from blocks.office import Office
from blocks.terms.certificates import KeyKind
from tasks.ca_advance import advance
from tasks.ca_orders import Wanted, open_site, order_certificate

_PEER_SECONDS = 300
_TRIES = 30
Say = Callable[[str], None]
Get = Callable[[str], None]


class Row(NamedTuple):
    """One figure. `ratio` is how many times the faster peer that is, of as many at once; None for the peers."""

    who: str
    at_once: int
    certificates: int
    seconds: float
    a_minute: float
    ratio: float | None = None


@dataclass(frozen=True)
class Ground:
    """What all of them are given: the CA, the zone that takes proofs, its key, and a folder for what they write."""

    at: AuthorityAt
    zone: ZoneAt
    secret: str
    folder: Path


def ground(office: Office, folder: Path) -> Ground:
    """The first ACME CA and the first zone of the settings. Raises Refused where one is missing."""
    whole = office.certificates_at
    authorities = [at for at in whole.authority if at.kind == "acme"]
    if not authorities or not whole.zone:
        raise Refused("acme", "DOGOVOR_CERTIFICATES_FILE names no ACME authority with a zone")
    zone = whole.zone[0]
    return Ground(authorities[0], zone, office.settings.tsig_keys[zone.tsig_name].get_secret_value(), folder)


def bench_certificates(
    office: Office, given: Ground, *, ours: int, theirs: int, at_once: int, say: Say
) -> Iterator[Row]:
    """Rows for the peers that are on PATH, then ours; one after another first, then `at_once`.

    Raises Transient where anybody gets no certificate: a figure of what did not work is none.
    """
    peers = {name: made for name in ("lego", "certbot") if (made := _peer(name, given)) is not None}
    ca = office.ca(given.at.name)
    ca.check()
    for together in (1, at_once):
        best = 0.0
        for name, get in peers.items():
            say(f"{name}: {max(theirs, together)} certificates, {together} at once")
            row = _measured(name, get, given, max(theirs, together), together)
            best = max(best, row.a_minute)
            yield row
        for name, get in (("client", partial(_by_client, ca)), ("office", partial(_by_office, office, given.at.name))):
            say(f"dogovor, {name}: {ours} certificates, {together} at once")
            row = _measured(f"dogovor ({name})", get, given, ours, together)
            yield row._replace(ratio=round(row.a_minute / best, 1) if best else None)


def _measured(who: str, get: Get, given: Ground, certificates: int, at_once: int) -> Row:
    names = [f"{secrets.token_hex(8)}.{given.zone.name}" for _ in range(certificates)]
    began = time.perf_counter()
    with ThreadPoolExecutor(at_once) as threads:
        list(threads.map(get, names))
    took = time.perf_counter() - began
    return Row(who, at_once, certificates, round(took, 2), round(certificates / took * 60, 1))


def _by_client(ca: Authority, name: str) -> None:
    csr = request_for((name,), new_key(KeyKind.EC_P256))
    request = Request(intent=uuid4().hex, names=(name,), csr=csr)
    now = datetime.now(UTC)
    url = ca.place(request, now=now).url
    for _ in range(_TRIES):
        if ca.advance(url, request, now=now).state is OrderState.VALID:
            break
    if not fits(ca.collect(url), csr):
        raise Transient(f"no certificate of {name}")


def _by_office(office: Office, authority: str, name: str) -> None:
    now = datetime.now(UTC)
    with transaction(office.sessions) as session:
        site = open_site(
            session, slug=name, agreement="KS", names=(name,), authority=authority, consumers=("bench",), now=now
        )
        wanted = Wanted(purpose="first", give_up_at=now + timedelta(hours=1))
        order = order_certificate(session, office.sealer, site, wanted, now=now).id
    for _ in range(_TRIES):
        if advance(office, order, worker="bench", now=now) is CaOrderState.ISSUED:
            return
    raise Transient(f"no certificate of {name}")


def _peer(name: str, given: Ground) -> Get | None:
    program = shutil.which(name)
    if program is None:
        return None
    return _lego(program, given) if name == "lego" else _certbot(program, given)


def _lego(program: str, given: Ground) -> Get:
    address, _, port = given.zone.primary.partition("#")
    server = f"{address}:{port or 53}"
    env = {
        **os.environ,
        "LEGO_CA_CERTIFICATES": str(given.at.ca_file or ""),
        "RFC2136_NAMESERVER": server,
        "RFC2136_TSIG_ALGORITHM": f"{given.zone.tsig_algorithm}.",
        "RFC2136_TSIG_KEY": given.zone.tsig_name,
        "RFC2136_TSIG_SECRET": given.secret,
        "RFC2136_PROPAGATION_TIMEOUT": "10",
        "RFC2136_POLLING_INTERVAL": "1",
        "RFC2136_TTL": "1",
        "RFC2136_SEQUENCE_INTERVAL": "0",
    }
    place = str(given.folder / "lego")
    common = [program, "--path", place, "--accept-tos", "-m", "bench@example.test", "--server", str(given.at.url)]
    common += ["--dns", "rfc2136", "--dns.resolvers", server, "--dns.disable-cp"]

    def get(name: str) -> None:
        _done([*common, "-d", name, "run"], env)
        if not Path(place, "certificates", f"{name}.crt").exists():
            raise Transient(f"lego got no certificate of {name}")

    get(f"first.{given.zone.name}")
    return get


def _certbot(program: str, given: Ground) -> Get:
    address, _, port = given.zone.primary.partition("#")
    keys = given.folder / "rfc2136.ini"
    keys.touch(0o600)
    facts = {"server": address, "port": port or "53", "name": given.zone.tsig_name, "secret": given.secret}
    facts["algorithm"] = given.zone.tsig_algorithm.upper()
    keys.write_text("".join(f"dns_rfc2136_{key} = {value}\n" for key, value in facts.items()))
    env = {**os.environ, "REQUESTS_CA_BUNDLE": str(given.at.ca_file or "")}
    first = given.folder / "certbot"

    def command(home: Path, *words: str) -> list[str]:
        folders = [f"--{kind}-dir={home / kind}" for kind in ("config", "work", "logs")]
        return [program, *words, *folders, "--server", str(given.at.url), "-n", "--agree-tos", "--no-eff-email"]

    def get(name: str) -> None:
        home = given.folder / f"certbot-{name}"  # one folder each: it locks what it works in
        shutil.copytree(first, home)
        proof = ["--dns-rfc2136", "--dns-rfc2136-credentials", str(keys), "--dns-rfc2136-propagation-seconds", "0"]
        _done([*command(home, "certonly"), *proof, "--max-log-backups", "0", "-d", name], env)
        if not (home / "config" / "live" / name / "fullchain.pem").exists():
            raise Transient(f"certbot got no certificate of {name}")

    _done([*command(first, "register"), "-m", "bench@example.test"], env)
    return get


def _done(command: list[str], env: Mapping[str, str]) -> None:
    ended = subprocess.run(command, env=env, capture_output=True, timeout=_PEER_SECONDS, check=False)
    if ended.returncode != 0:
        raise Transient(f"{Path(command[0]).name} failed: {ended.stderr.decode(errors='replace')[-500:]}")
