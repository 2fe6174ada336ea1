"""A pass over all sites without Prefect: each turned on its own, what was found written down, letters sent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial

from blocks.errors import DogovorError
from blocks.office import Office
from blocks.terms.watching import ROTATED, Flaw, Kind
from flows.fulfilment import send_due
from tasks.certificate_publication import announce
from tasks.certificate_rotation import Turn, rotate_site, tell_of_emergency
from tasks.certificate_sites import keep_sites
from tasks.certificate_state import site_of
from tasks.findings import Looked, record

log = logging.getLogger("dogovor.rotating")


def rotate_all(office: Office, *, worker: str, clock: Callable[[], datetime]) -> list[Turn]:
    """Turn every site at its own moment, for a window may close meanwhile; one that fails stops no other.

    A CA that did not answer is not waited for again with renewals of this pass: `advance-ca-orders` brings them on.
    Raises Refused where the file of certificates is wrong.
    """
    slugs = keep_sites(office, now=clock())
    away: set[str] = set()
    turns = [turn_site(office, slug, worker=worker, now=clock(), away=away) for slug in slugs]
    looked = [Looked(turn.slug, _judged(turn), _flaws(turn)) for turn in turns]
    record(office, looked, kinds=ROTATED, now=clock())
    send_due(office, now=clock())
    return turns


def _judged(turn: Turn) -> frozenset[Kind]:
    """A turn that met something before there was a plan says nothing of the promise."""
    return ROTATED if turn.plans or not turn.faults else ROTATED - {Kind.PROMISE}


def _flaws(turn: Turn) -> list[Flaw]:
    broken = [plan.finding for plan in turn.plans if not plan.kept]
    told = [Flaw(kind=Kind.PROMISE, detail="; ".join(broken))] if broken else []
    return told + ([Flaw(kind=Kind.ROTATION, detail="; ".join(turn.faults))] if turn.faults else [])


def turn_site(office: Office, slug: str, *, worker: str, now: datetime, away: set[str] | None = None) -> Turn:
    """Turn one site, send its letters, and see whether everybody was told. `away` as `rotate_site`."""
    turn = Turn(slug)
    try:
        turn = rotate_site(office, slug, worker=worker, now=now, away=away)
        for tell in _letters(office, slug, now):
            tell()
            send_due(office, now=now)
            tell()
    except DogovorError as error:
        turn.faults.append(str(error))
    except Exception as error:
        log.exception("the turn of %s", slug)
        turn.faults.append(type(error).__name__)
    return turn


def _letters(office: Office, slug: str, now: datetime) -> Iterator[Callable[[], object]]:
    seen = site_of(office, slug)
    if seen.current is not None and seen.current.emergency and seen.current.announced_at is None:
        yield lambda: tell_of_emergency(office, slug, now=now)
    for each in seen.coming:
        if each.published_at is not None and not each.emergency:
            yield partial(announce, office, each.id, now=now)
