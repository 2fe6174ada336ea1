"""A certificate goes into service: put on every server that shows its site, seen there, and only then written down.

Where one server does not come to show it, all of them get the certificate of before, unless that is worth nothing any
more: then every server that takes the new one keeps it. The ledger names one certificate
in service from one transaction to the next, after the proof: whoever is killed on the way begins again, and every step
may be made twice.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Select, select

from blocks.clients.ca.pem import facts_of
from blocks.clients.certificates import Bundle
from blocks.clients.consumers import ComplexConsumer, Consumer, DirectoryConsumer
from blocks.clients.endpoints import Seen
from blocks.durable import locked
from blocks.errors import DogovorError, Refused, Transient
from blocks.issued import key_purpose
from blocks.ledger import Certificate, CertificateState, Order, Site, one_at_a_time, reading, transaction
from blocks.office import Office
from blocks.sealing import Sealer
from blocks.terms.certificate_facts import KS_PLAN
from blocks.terms.certificates import LeafFacts
from tasks.ca_orders import note
from tasks.certificate_revocation import DISTRUSTED
from tasks.complexes import complex_at, complex_of
from tasks.sites import COMPLEX

_TRIES, _PAUSE_SECONDS = 5, 0.1
_MAY = (
    CertificateState.ISSUED,
    CertificateState.PUBLISHED,
    CertificateState.ANNOUNCED,
    CertificateState.IN_SERVICE,
)


@dataclass(frozen=True)
class Installed:
    """How an installation ended: in plain words, with what the endpoints showed at last.

    `put_back` is whether every server was seen to show the certificate of before after a failure; it is False too where
    there was none.
    """

    ok: bool
    why: str
    seen: tuple[Seen, ...] = ()
    put_back: bool = False


@dataclass(frozen=True)
class _Piece:
    """A certificate to be shown."""

    bundle: Bundle
    facts: LeafFacts


@dataclass(frozen=True)
class _Work:
    """What is to be done for a site; `number` is its order.

    `former` is the certificate in service, where it is to be put back after a failure; else `stays` says why it is not.
    """

    certificate: int
    slug: str
    new: _Piece
    former: _Piece | None
    stays: str
    consumers: Sequence[str]
    number: str


def install(office: Office, certificate_id: int, *, now: datetime) -> Installed:
    """Put a certificate into service on every server of its site, or leave everything as it was.

    What servers do wrong is told in the outcome. Raises Refused where this certificate cannot go into service at all
    (`state`, `key`, `consumers`), Transient where another does the same just now.
    """
    work = _work(office, certificate_id, now=now)
    with _alone(office.settings.home, work.slug):
        seen: list[Seen] = []
        faults: list[str] = []
        for name in work.consumers:
            if why := _put(office, work, name, work.new, seen):
                faults.append(why)
                if work.former is not None:
                    break
        if faults:
            return _failed(office, work, "; ".join(faults), seen, now=now)
        if not _in_service(office, work, seen, now=now):
            return _failed(office, work, "it was revoked or retired meanwhile", seen, now=now)
        return Installed(ok=True, why=_proof(seen), seen=tuple(seen))


def consumer_of(office: Office, name: str, number: str) -> Consumer:
    """The consumer of that name; `complex` is the one that serves the order `number`. Raises NotFound, Refused."""
    if name != COMPLEX:
        return DirectoryConsumer(office.certificates_at.consumer_at(name))
    if not number:
        raise Refused("consumers", "a complex shows the certificates of orders alone")
    return ComplexConsumer(complex_of(office, number), complex_at(office, number))


def being_installed(office: Office, slug: str) -> bool:
    """Whether somebody installs a certificate of that site on this machine just now."""
    place = office.settings.home / "installing" / slug
    if not place.exists():
        return False
    try:
        with locked(place, fcntl.LOCK_SH | fcntl.LOCK_NB):
            return False
    except BlockingIOError:
        return True


def _work(office: Office, certificate_id: int, *, now: datetime) -> _Work:
    with reading(office.sessions) as session:
        row = session.get_one(Certificate, certificate_id)
        site = session.get_one(Site, row.site_id)
        if row.state not in _MAY or site.retired_at is not None:
            raise Refused("state", f"{row.fingerprint} of {site.slug} is {row.state}: it does not go into service")
        if not row.not_before <= now < row.not_after:
            raise Refused("state", f"{row.fingerprint} of {site.slug} is not valid at {now.isoformat()}")
        if not site.consumers:
            raise Refused("consumers", f"nobody here shows certificates of {site.slug}")
        former = session.scalar(_others_in_service(row))
        stays = _worthless(row, former, now)
        order = session.get(Order, site.order_id) if site.order_id is not None else None
        return _Work(
            certificate=row.id,
            slug=site.slug,
            new=_piece(office.sealer, row),
            former=_piece(office.sealer, former) if former is not None and not stays else None,
            stays=stays,
            consumers=site.consumers,
            number=order.number if order is not None else "",
        )


def _worthless(row: Certificate, former: Certificate | None, now: datetime) -> str:
    """Why nothing is put back where a server does not come to show `row`; empty where `former` is."""
    if former is None:
        return "none was in service before"
    if former.sealed_key is None:
        return "the key of the one before is not here"
    if former.not_after <= now + KS_PLAN.least_margin:
        return f"the one before ends on {former.not_after.isoformat()}"
    if row.emergency in DISTRUSTED:
        return f"nobody is to trust the one before ({row.emergency})"
    return ""


def _others_in_service(row: Certificate) -> Select[tuple[Certificate]]:
    others = select(Certificate).where(Certificate.site_id == row.site_id, Certificate.id != row.id)
    return others.where(Certificate.state == CertificateState.IN_SERVICE)


def _piece(sealer: Sealer, row: Certificate) -> _Piece:
    if row.sealed_key is None:
        raise Refused("key", f"the key of {row.fingerprint} is not here: its customer installs it")
    key = sealer.open(row.sealed_key, key_purpose(row.fingerprint)).decode()
    return _Piece(Bundle(chain=row.chain, key=key), facts_of(row.chain))


@contextmanager
def _alone(home: Path, slug: str) -> Iterator[None]:
    """One installation of a site at a time on this machine; the kernel ends that of a killed process."""
    places = home / "installing"
    places.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        for left in reversed(range(_TRIES)):
            try:
                held.enter_context(locked(places / slug, fcntl.LOCK_EX | fcntl.LOCK_NB))
                break
            except BlockingIOError:
                if not left:
                    raise Transient(f"another installs a certificate of {slug} just now") from None
                time.sleep(_PAUSE_SECONDS)  # a watch that looks whether anybody installs is gone at once
        yield


def _put(office: Office, work: _Work, name: str, piece: _Piece, seen: list[Seen]) -> str:
    """Have one server show a certificate, and add to `seen` what it shows; tells what went wrong, "" if nothing."""
    try:
        consumer = consumer_of(office, name, work.number)
        consumer.install(work.slug, piece.bundle)
        shown = consumer.prove(work.slug, piece.facts.names, piece.facts.fingerprint)
    except DogovorError as error:
        return str(error)
    seen += shown
    return "; ".join(f"{each.endpoint} ({each.name}): {each.detail}" for each in shown if not each.ok)


def _in_service(office: Office, work: _Work, seen: Sequence[Seen], *, now: datetime) -> bool:
    """Write down that it is in service, and that no other is. False where it must not be any more."""
    with transaction(office.sessions) as session:
        one_at_a_time(session, f"site {work.slug}")
        row = session.get_one(Certificate, work.certificate)
        site = session.get_one(Site, row.site_id)
        if row.state not in _MAY:
            return False
        for former in session.scalars(_others_in_service(row)):
            row.replaces_id = former.id
            former.state, former.retired_at, former.sealed_key = CertificateState.RETIRED, now, None
            note(session, site, "retired", f"{row.fingerprint} is in its place", now=now, certificate=former)
        if row.state is not CertificateState.IN_SERVICE:
            row.state, row.in_service_at = CertificateState.IN_SERVICE, now
            note(session, site, "installed", _proof(seen), now=now, certificate=row)
    return True


def _failed(office: Office, work: _Work, why: str, seen: Sequence[Seen], *, now: datetime) -> Installed:
    """Every server gets the certificate of before, those too that nothing was seen to be wrong with."""
    back: list[Seen] = []
    faults = []
    if work.former is not None:
        told = [(name, _put(office, work, name, work.former, back)) for name in work.consumers]
        faults = [f"{name}: {fault}" for name, fault in told if fault]
    with transaction(office.sessions) as session:
        row = session.get_one(Certificate, work.certificate)
        site = session.get_one(Site, row.site_id)
        note(session, site, "install_failed", why, now=now, certificate=row)
        if work.former is not None:
            kind = "put_back_failed" if faults else "put_back"
            note(session, site, kind, "; ".join(faults) or _proof(back), now=now, certificate=row)
    if work.former is None:
        return Installed(ok=False, why=f"{why}; {work.stays}, so it stays where it was put", seen=tuple(seen))
    if faults:
        why = f"{why}; the certificate of before could not be put back: {'; '.join(faults)}"
    return Installed(ok=False, why=why, seen=tuple(back), put_back=not faults)


def _proof(seen: Sequence[Seen]) -> str:
    if not seen:
        return "put where its servers read it; there is no endpoint to see it at"
    return f"shown at {', '.join(f'{each.endpoint} ({each.name})' for each in seen)}"
