"""One turn of one site: its successor ordered, published, announced and put into service, each when it is due (KS-3.8).

A turn is made as often as one likes and goes on from what the ledger says. What is found to be wrong is told in its
outcome; a finding stands in the ledger until a later turn finds it no more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from blocks.errors import DogovorError, Refused, Transient
from blocks.ledger import (
    CaOrder,
    CaOrderState,
    Certificate,
    Site,
    one_at_a_time,
    reading,
    transaction,
)
from blocks.office import Office
from blocks.terms.certificate_facts import Replacement
from blocks.terms.certificate_notice import Emergency
from tasks.ca_following import follow
from tasks.ca_orders import ALLOWED, OPEN_STATES, UNANSWERED, Wanted, leave, note, order_certificate
from tasks.certificate_dns import Told, note_told, tell_keys, waits_for_dns
from tasks.certificate_install import install
from tasks.certificate_judged import judge
from tasks.certificate_publication import announce, publish
from tasks.certificate_revocation import revoke_known
from tasks.certificate_state import EMERGENCY, SiteNow, look_at, plan_of, plans_of, site_now
from tasks.sites import COMPLEX, drop_leftovers, ended_lately, find_site, issued_by

_PATIENCE = timedelta(seconds=20)
_ASK_AGAIN = timedelta(days=1)
_ORDER_AGAIN, _HURRIED_AGAIN = timedelta(days=1), timedelta(hours=1)


@dataclass
class Turn:
    """What a turn did and found; `plans` are those that hold after it, as `plans_of`."""

    slug: str
    did: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    plans: tuple[Replacement, ...] = ()


@dataclass(frozen=True)
class _Work:
    office: Office
    site_id: int
    worker: str
    now: datetime
    turn: Turn
    away: set[str]

    def look(self) -> SiteNow:
        """The site as it is now."""
        return look_at(self.office, self.site_id)

    def tried(self, what: str, act: Callable[[], object]) -> bool:
        """Whether an act was well; what it met is a fault of this turn and keeps the others back from nothing."""
        try:
            if act():
                self.turn.did.append(what)
        except DogovorError as error:
            self.turn.faults.append(f"{what}: {error}")
            return False
        return True


def rotate_site(office: Office, slug: str, *, worker: str, now: datetime, away: set[str] | None = None) -> Turn:
    """Make the turn of a site. Raises NotFound, Transient where the ledger is away.

    `away` names the CAs whose renewals are not waited for; one that does not answer now joins them.
    """
    with reading(office.sessions) as session:
        site_id = find_site(session, slug).id
    work = _Work(office, site_id, worker, now, Turn(slug), away if away is not None else set())
    seen = work.look()
    if seen.site.retired_at is not None or not seen.site.consumers or not seen.used:
        work.tried("revoked", lambda: revoke_known(office, site_id, now=now))
        if seen.site.retired_at is not None:
            _clear_dns(work)
        return work.turn
    with transaction(office.sessions) as session:
        if drop_leftovers(session, session.get_one(Site, site_id), now=now):
            work.turn.did.append("leftovers dropped")
    seen = work.look()
    if seen.current is None:
        _begin(work, seen)
    else:
        work.tried("advice asked for", lambda: _ask(work, seen))
        _turn(work)
    work.tried("revoked", lambda: revoke_known(office, site_id, now=now))
    _clear_dns(work)
    work.turn.plans = plans_of(work.look(), now=now)
    return work.turn


def _begin(work: _Work, seen: SiteNow) -> None:
    """The first certificate of a site in use: in service as soon as it is issued."""
    if not seen.coming:
        _order(work, seen, "first", work.now + ALLOWED)
    if first := work.look().coming:
        _install(work, first[0])


def _turn(work: _Work) -> None:
    seen = work.look()
    plan = plan_of(seen, now=work.now)
    if plan is None:
        return
    if seen.emergency is None and plan.emergency:
        _declare(work, seen, plan.emergency)
        seen = work.look()
    if seen.emergency is not None:
        _hurry(work, seen, seen.emergency)
        return
    for successor in seen.coming:
        if _bring(work, successor.id):
            return
    last = plans_of(work.look(), now=work.now)[-1]
    if work.now >= last.issue_at:
        _order(work, work.look(), "renewal", max(last.announce_by, work.now + ALLOWED))
        known = {each.id for each in seen.coming}
        for made in work.look().coming:
            if made.id not in known:
                _bring(work, made.id)


def _bring(work: _Work, certificate_id: int) -> bool:
    """Publish and announce one that comes, and put the next one into service in its window; whether it serves now."""
    seen = work.look()
    number = next((place for place, each in enumerate(seen.coming) if each.id == certificate_id), None)
    if number is None:
        return False
    successor = seen.coming[number]
    _set_window(work, successor.id, plans_of(seen, now=work.now)[number])
    published = work.tried("published", lambda: publish(work.office, successor.id, now=work.now))
    told = _tell_dns(work, successor)
    if published:
        work.tried("announced", lambda: _announced(work, successor.id))
    seen = work.look()
    if number >= len(seen.coming) or seen.coming[number].id != successor.id:
        return False
    plan = plans_of(seen, now=work.now)[number]
    _set_window(work, successor.id, plan)
    due = number == 0 and plan.swap.start <= work.now < plan.swap.end
    if due and waits_for_dns(work.office, told, seen.current, successor, plan, now=work.now):
        work.turn.faults.append("the swap waits until the DNS has told of the new key for ten minutes")
    elif due:
        _install(work, successor)
    return due and successor.id not in {each.id for each in work.look().coming}


def _announced(work: _Work, certificate_id: int) -> bool:
    with reading(work.office.sessions) as session:
        before = session.get_one(Certificate, certificate_id).announced_at
    return announce(work.office, certificate_id, now=work.now) and before is None


def _hurry(work: _Work, seen: SiteNow, why: Emergency) -> None:
    """Replace at once, and tell everybody with the certificate there to be fetched."""
    if not seen.coming:
        _order(work, seen, EMERGENCY, work.now + ALLOWED)
    successor = next(iter(work.look().coming), None)
    if successor is None:
        return
    with transaction(work.office.sessions) as session:
        row = session.get_one(Certificate, successor.id)
        row.emergency = why.value
        if row.swap_at is None or row.swap_at > work.now:
            row.swap_at, row.swap_until = work.now, work.now + timedelta(hours=1)
    _tell_dns(work, successor)
    _install(work, successor)


def tell_of_emergency(office: Office, slug: str, *, now: datetime) -> bool:
    """Have the page of what was put into service in an emergency looked at and everybody told; whether all have been.

    True too where there is nothing to tell. Raises Transient where the page cannot be reached: the letters wait for it.
    """
    with reading(office.sessions) as session:
        site = find_site(session, slug)
        current = look_at(office, site.id).current
    if current is None or not current.emergency or current.announced_at is not None:
        return True
    publish(office, current.id, now=now)
    return announce(office, current.id, now=now)


def declare_emergency(office: Office, slug: str, why: Emergency, *, who: str, note_text: str, now: datetime) -> None:
    """Record that what a site shows is replaced at once, as an exception from KS-3.8; said again it changes nothing.

    Raises NotFound, Refused where nothing is in service.
    """
    with transaction(office.sessions) as session:
        site = find_site(session, slug)
        one_at_a_time(session, f"site {slug}")
        seen = look_at(office, site.id)
        if seen.current is None:
            raise Refused("state", f"nothing of {slug} is in service")
        if seen.emergency is None:
            note(
                session,
                site,
                EMERGENCY,
                f"{why.value}: {note_text}",
                now=now,
                who=who,
                clause="KS-3.8",
                certificate=seen.current,
            )


def _declare(work: _Work, seen: SiteNow, why: str) -> None:
    declare_emergency(
        work.office, seen.site.slug, Emergency.CA_ADVICE, who=seen.site.authority, note_text=why, now=work.now
    )
    work.turn.did.append("emergency")


def _ask(work: _Work, seen: SiteNow) -> bool:
    """Ask the CA when to renew (ARI), as often as it wants to be asked; without an answer what it said before holds."""
    row = seen.current
    if row is None or (row.window_ask_at is not None and row.window_ask_at > work.now):
        return False
    with reading(work.office.sessions) as session:
        authority = issued_by(session, seen.site, row)
    try:
        advice = work.office.ca(authority).advice(row.chain, now=work.now)
    except Transient:
        return False
    with transaction(work.office.sessions) as session:
        row = session.get_one(Certificate, row.id)
        row.window_ask_at = advice.ask_at if advice is not None else work.now + _ASK_AGAIN
        moved = advice is not None and (row.window_start, row.window_end) != (advice.start, advice.end)
        if advice is not None and moved:
            row.window_start, row.window_end = advice.start, advice.end
            told = f"{advice.start.isoformat()} to {advice.end.isoformat()}" + (f": {advice.why}" if advice.why else "")
            site = session.get_one(Site, row.site_id)
            note(session, site, "advice", told, now=work.now, who=authority, certificate=row)
    return moved


def _order(work: _Work, seen: SiteNow, purpose: str, give_up_at: datetime) -> None:
    """Have the next after all others ordered and the CA followed for a moment. What is held or was refused waits."""
    order = seen.order
    stands = order is not None and order.replaces == _last_of(seen)
    if order is not None and order.state is CaOrderState.HELD and (why := _no_use(seen, purpose)):
        _give_up(work, order.id, why)
    elif order is not None and stands and order.state is CaOrderState.HELD:
        work.turn.faults.append(f"the order at {order.authority} is held: {order.problem}")
        return
    wait = _HURRIED_AGAIN if purpose == EMERGENCY else _ORDER_AGAIN
    refused = order is not None and stands and order.state is CaOrderState.REFUSED
    if order is not None and refused and (order.ended_at or work.now) + wait > work.now:
        work.turn.faults.append(f"{order.authority} refused: {order.problem}")
        return
    with transaction(work.office.sessions) as session:
        site = session.get_one(Site, work.site_id)
        one_at_a_time(session, f"site {site.slug}")
        replaces = _last_of(site_now(session, site))
        wanted = Wanted(purpose=purpose, give_up_at=give_up_at, replaces=replaces)
        made = order_certificate(session, work.office.sealer, site, wanted, now=work.now)
        if order is None or made.id != order.id:
            work.turn.did.append(f"ordered ({purpose})")
        authority, due, refusals = made.authority, made.try_at <= work.now, made.attempts
    if authority in work.away and purpose == "renewal":
        return
    state = follow(work.office, work.site_id, worker=work.worker, now=work.now, patience=_PATIENCE)
    newest = work.look().order
    open_still = newest is not None and newest.state in OPEN_STATES and newest.attempts == refusals
    if due and newest is not None and open_still and newest.reason in UNANSWERED:
        work.away.add(authority)
    if state is CaOrderState.ISSUED:
        work.turn.did.append("issued")
    elif state not in OPEN_STATES:
        work.turn.faults.append(f"{authority}: the order is {state}")


def _last_of(seen: SiteNow) -> str | None:
    """The fingerprint of what the next one replaces: the last that comes, else what is in service."""
    last = seen.coming[-1] if seen.coming else seen.current
    return last.fingerprint if last is not None else None


def _no_use(seen: SiteNow, purpose: str) -> str:
    """Why a held order is not what is wanted now; empty where it is: then a person has it go on."""
    order = seen.order
    if order is not None and (order.names, order.authority) != (seen.site.names, seen.site.authority):
        return "its site has other names now, or another CA"
    if order is not None and purpose == EMERGENCY and order.purpose != EMERGENCY:
        return "its site is replaced at once, and it was held before"
    return ""


def _give_up(work: _Work, order_id: int, why: str) -> None:
    with transaction(work.office.sessions) as session:
        order = session.get_one(CaOrder, order_id, with_for_update=True)
        if order.state is CaOrderState.HELD:
            leave(session, order, why, now=work.now)
            work.turn.did.append("a held order given up")


def _set_window(work: _Work, certificate_id: int, plan: Replacement) -> None:
    with transaction(work.office.sessions) as session:
        row = session.get_one(Certificate, certificate_id)
        if (row.swap_at, row.swap_until) != (plan.swap.start, plan.swap.end):
            row.swap_at, row.swap_until = plan.swap.start, plan.swap.end
            told = f"{plan.swap.start.isoformat()} to {plan.swap.end.isoformat()}"
            site = session.get_one(Site, row.site_id)
            note(session, site, "swap_planned", told, now=work.now, clause="KS-3.8", certificate=row)


def _tell_dns(work: _Work, row: Certificate) -> Told | None:
    """Have the DNS tell of a key, and write down since when it does where anybody goes by it; None where it failed."""
    came: list[Told] = []

    def tell() -> bool:
        came.append(tell_keys(work.office, work.site_id, now=work.now))
        if came[0].signed:
            note_told(work.office, row, now=work.now)
        return came[0].changed

    return came[0] if work.tried("keys in the DNS", tell) else None


def _clear_dns(work: _Work) -> None:
    """The keys of what ended go from the DNS: when nobody remembers the old records, or at once when it was revoked."""
    with reading(work.office.sessions) as session:
        site = session.get_one(Site, work.site_id)
        lately = ended_lately(session, site, now=work.now)
    if lately and (site.retired_at is None or COMPLEX not in site.consumers):
        work.tried("keys in the DNS", lambda: tell_keys(work.office, work.site_id, now=work.now).changed)


def _install(work: _Work, successor: Certificate) -> None:
    done = work.tried("looked at KS-3.8", lambda: judge(work.office, successor.id, now=work.now))
    if done and work.tried("in service", lambda: _installed(work, successor.id)):
        _tell_dns(work, successor)


def _installed(work: _Work, certificate_id: int) -> bool:
    outcome = install(work.office, certificate_id, now=work.now)
    if not outcome.ok:
        raise Refused("install", outcome.why)
    return True
