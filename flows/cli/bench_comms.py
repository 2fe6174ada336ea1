"""What a complex costs: accounts written and proven, orders a minute, and the next domain among many."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from blocks.clients.certificates import LocalAuthority
from blocks.clients.comms.opened import Keys, open_complex
from blocks.clients.comms.protocol import Complex
from blocks.clients.directory import Directory
from blocks.clients.password_hashes import AccountHashes, hash_account
from blocks.errors import Transient
from blocks.ledger import open_engine
from blocks.terms.ks_complex import CALL_SECONDS, MAIL_MB, Proof, Want, wanted
from flows.cli.comms_local import local_complex

OWN_ZONE = "example.net"
Row = tuple[str, str]
Say = Callable[[str], None]


def bench_comms(contacts: int, orders: int, domains: int, say: Say) -> Iterator[Row]:
    """Figures by name: one customer of many contacts, `orders` of six one after another, and `domains` on one complex.

    Raises Transient where an account is not proven: a figure of what did not work is none.
    """
    with _running() as (started, complex_):
        yield "the complex is up", f"{started:.1f} s"
        say(f"{contacts} contacts in three services")
        yield from _one_customer(complex_, contacts)
        say(f"{orders} orders of 6 contacts, one after another")
        began = time.perf_counter()
        for order in range(orders):
            _activate(complex_, f"o{order:06d}.{OWN_ZONE}", _accounts(f"o{order:06d}.{OWN_ZONE}", 6))
        yield "orders of 6 contacts a minute, proven", f"{orders / (time.perf_counter() - began) * 60:.1f}"
        say(f"domains up to {domains}")
        yield from _many_domains(complex_, domains)


@contextmanager
def _running() -> Iterator[tuple[float, Complex]]:
    with tempfile.TemporaryDirectory(prefix="dogovor-bench-") as folder:
        Path(folder).chmod(0o755)
        authority = LocalAuthority(Path(folder) / "authority", _now)
        began = time.perf_counter()
        with local_complex(
            Path(folder) / "complex", authority, OWN_ZONE, mail_bytes=MAIL_MB * 2**20, call_seconds=CALL_SECONDS
        ) as local:
            took = time.perf_counter() - began
            directory = Directory(open_engine(local.environment["DOGOVOR_DIRECTORY_URL"]))
            keys = Keys(doveadm=local.plan.doveadm_key, dns=local.environment["DOGOVOR_DNS_KEY"])
            yield (
                took,
                open_complex(local.at, local.dns, keys=keys, directory=directory, certificates=authority, clock=_now),
            )
            directory.close()


def _one_customer(complex_: Complex, contacts: int) -> Iterator[Row]:
    domain = f"many.{OWN_ZONE}"
    accounts = _accounts(domain, contacts)
    yield "names and certificate of a domain", _timed(lambda: complex_.prepare(domain))
    yield f"{contacts} contacts x 3 provisioned", _timed(lambda: complex_.provision(domain, accounts))
    yield f"{contacts} contacts x 3 verified", _timed(lambda: _proven(complex_, domain, accounts))
    yield f"{contacts} contacts x 3 provisioned again", _timed(lambda: complex_.provision(domain, accounts))
    yield f"{contacts} contacts suspended", _timed(lambda: complex_.suspend(domain))
    yield f"{contacts} contacts resumed", _timed(lambda: complex_.resume(domain))
    yield f"{contacts} contacts deleted", _timed(lambda: complex_.delete(domain))


def _many_domains(complex_: Complex, domains: int) -> Iterator[Row]:
    for place in range(1, domains + 1):
        domain = f"d{place:06d}.{OWN_ZONE}"
        accounts = _accounts(domain, 2)
        try:
            prepared = _timed(partial(complex_.prepare, domain))
        except Transient as error:
            yield f"customer {place} of the complex", f"not taken: {error}"
            return
        provisioned = _timed(partial(complex_.provision, domain, accounts))
        if place in {2, 50, domains}:
            verified = _timed(partial(_proven, complex_, domain, accounts))
            figures = f"prepared in {prepared}, 2 contacts provisioned in {provisioned}, verified in {verified}"
            yield f"customer {place} of the complex", figures


def _activate(complex_: Complex, domain: str, accounts: list[AccountHashes]) -> None:
    complex_.prepare(domain)
    complex_.provision(domain, accounts)
    _proven(complex_, domain, accounts)


def _proven(complex_: Complex, domain: str, accounts: list[AccountHashes]) -> None:
    wants: list[Want] = wanted([account.name for account in accounts])
    bad: list[Proof] = [proof for proof in complex_.verify(domain, accounts, wants) if not proof.ok]
    if bad:
        raise Transient(f"{len(bad)} of {len(wants)} are not proven: {bad[0].contact} {bad[0].kind}: {bad[0].detail}")


def _accounts(domain: str, contacts: int) -> list[AccountHashes]:
    return [
        hash_account(f"c{place:03d}", domain, str(1000 + place), secrets.token_urlsafe(12))
        for place in range(1, contacts + 1)
    ]


def _timed(work: Callable[[], None]) -> str:
    began = time.perf_counter()
    work()
    return f"{time.perf_counter() - began:.2f} s"


def _now() -> datetime:
    return datetime.now(UTC)
