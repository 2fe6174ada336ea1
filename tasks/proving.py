"""A complex made and proven (KS-2.3 to KS-2.7): its domain prepared, its accounts written, each of them logged in to.

What a verification saw goes on record, good or bad. The order goes on when everything that is wanted was seen since
the accounts were written, or since a person let it try again. Only then are the keys let go of with which we log in as
the contacts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from blocks.clients.comms.protocol import Complex
from blocks.clients.password_hashes import AccountHashes
from blocks.errors import Refused, Transient
from blocks.ledger import AccountProof, Order, OrderEvent, OrderState, SealedAccounts, Step, reading, transaction
from blocks.office import Office
from blocks.terms.deadlines import local_date
from blocks.terms.ks import ZONE
from blocks.terms.ks_complex import Proof, ProofKind, Want, wanted
from blocks.terms.policy import ORDER_POLICY
from tasks.access_data import PREPARED, PROVISIONED, VERIFIED, sealed_accounts
from tasks.complexes import ACTIVE, CHANGING, complex_of, service_of
from tasks.order_state import find_order, is_done, mark_done, note

BEFORE_THE_LAST = timedelta(minutes=6)
"""Before the last attempt: resolvers remember for five minutes that a name was not there yet."""

_NAMED = 5


def prepare_domain(office: Office, number: str, *, now: datetime) -> None:
    """Publish the domain's names and put its certificate on the servers.

    Raises Refused where a person must provide or configure the complex first.
    """
    complex_ = _complex(office, number, PREPARED)
    if complex_ is None or (domain := _start(office, number, PREPARED)) is None:
        return
    complex_.prepare(domain)
    _done(office, number, PREPARED, f"{domain} on {complex_.name}", now)


def provision_accounts(office: Office, number: str, *, now: datetime) -> None:
    """Write the accounts to the servers. Repeating it changes nothing."""
    complex_ = _complex(office, number, PROVISIONED)
    if complex_ is None:
        return
    hashes = sealed_accounts(office, number)
    if (domain := _start(office, number, PROVISIONED)) is None:
        return
    complex_.provision(domain, hashes)
    _done(office, number, PROVISIONED, f"{len(hashes)} accounts in {domain}", now)


def verify_accounts(office: Office, number: str, *, now: datetime) -> None:
    """Log in as every contact that is not proven yet.

    After a verification that saw less than it should, the domain and the accounts are first written again: a server may
    have lost what it took last.
    Raises Transient while attempts are left, Refused("not_proven") after the last; both name contacts and protocols.
    """
    complex_ = _complex(office, number, VERIFIED)
    if complex_ is None:
        return
    hashes = sealed_accounts(office, number)
    if (domain := _start(office, number, VERIFIED)) is None:
        return
    tried = _tried(office, number, wanted([account.name for account in hashes]))
    if tried.any:
        complex_.prepare(domain)
        complex_.provision(domain, hashes)
    proofs = _answers(complex_, domain, hashes, [want for want in tried.every if want not in tried.proven])
    missing = [proof for proof in proofs if not proof.ok]
    if not _record(office, number, proofs, tried, now=now) or not missing:
        return
    told = _told(missing)
    most = ORDER_POLICY.on(local_date(now, ZONE)).proof_attempts
    worst = max(tried.failed[proof.want] + 1 for proof in missing)
    if worst >= most:
        raise Refused("not_proven", told)
    raise Transient(f"not proven yet: {told}", retry_after=BEFORE_THE_LAST if worst == most - 1 else None)


@dataclass(frozen=True)
class _Tried:
    """What is wanted, and what of it was seen, or seen to fail, since the accounts were written and the order goes on.

    `any`: there was a verification since the accounts were written.
    """

    every: Sequence[Want]
    written: datetime
    since: datetime
    any: bool
    proven: frozenset[Want]
    failed: Counter[Want]


def _tried(office: Office, number: str, every: Sequence[Want]) -> _Tried:
    with reading(office.sessions) as session:
        order = find_order(session, number)
        written = session.get_one(Step, (order.id, PROVISIONED)).done_at
        entered = session.scalar(
            select(func.max(OrderEvent.at)).where(
                OrderEvent.order_id == order.id, OrderEvent.to_state == OrderState.IN_PROGRESS.value
            )
        )
        since = max(written, entered or written)
        query = select(AccountProof).where(AccountProof.order_id == order.id, AccountProof.at >= written)
        rows = session.scalars(query).all()
        return _Tried(
            every=every,
            written=written,
            since=since,
            any=bool(rows),
            proven=frozenset(_want(row) for row in rows if row.ok and row.at >= since),
            failed=Counter(_want(row) for row in rows if not row.ok and row.at >= since),
        )


def _want(row: AccountProof) -> Want:
    return Want(row.contact, ProofKind(row.kind))


def _answers(complex_: Complex, domain: str, hashes: Sequence[AccountHashes], wants: Sequence[Want]) -> list[Proof]:
    """One proof for each want; what the complex does not answer is not proven."""
    given = {proof.want: proof for proof in complex_.verify(domain, hashes, wants)} if wants else {}
    silent = "the complex gave no proof"
    return [given.get(want) or Proof(contact=want.contact, kind=want.kind, ok=False, detail=silent) for want in wants]


def _record(office: Office, number: str, proofs: Sequence[Proof], tried: _Tried, *, now: datetime) -> bool:
    """Put what was seen on record; with the last proof the keys go. False when the order no longer waits for it.

    So it is when other accounts were written meanwhile: nothing was seen of them.
    """
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        service = service_of(session, order, lock=True)
        written = session.get(Step, (order.id, PROVISIONED))
        if not _waits(session, order, VERIFIED) or written is None or written.done_at != tried.written:
            service.served_state = CHANGING
            return False
        at = max(now, tried.since)  # the clocks of two workers may differ
        for proof in proofs:
            seen = proof.model_dump(mode="json")
            session.add(AccountProof(order_id=order.id, at=at, **seen))
        bad = [proof for proof in proofs if not proof.ok]
        good = tried.proven | {proof.want for proof in proofs if proof.ok}
        if bad:
            note(session, order, kind="accounts.not_proven", why=_told(bad), now=now)
        elif good.issuperset(tried.every):
            contacts = len({want.contact for want in tried.every} - {""})
            why = f"{len(tried.every)} proofs of {contacts} contacts and the whole complex"
            service.served_state = ACTIVE
            session.execute(delete(SealedAccounts).where(SealedAccounts.order_id == order.id))
            note(session, order, kind="accounts.proven", why=why, now=now)
            mark_done(session, order, VERIFIED, result=why, now=now)
        return True


def _told(proofs: Sequence[Proof]) -> str:
    """Which contact fails in which protocol, the first few of them."""
    lines = [f"{proof.contact or 'the complex'} {proof.kind.value}: {proof.detail}" for proof in proofs[:_NAMED]]
    more = len(proofs) - _NAMED
    return "; ".join(lines) + (f"; and {more} more" if more > 0 else "")


def _waits(session: Session, order: Order, step: str) -> bool:
    return order.state is OrderState.IN_PROGRESS and not is_done(session, order, step)


def _complex(office: Office, number: str, step: str) -> Complex | None:
    """The complex that a step waits for; None where the step is done or no longer wanted.

    Raises Refused where a person must provide or configure it first. It is asked for before anything is marked, so
    that an order which nothing serves has no servers to be cleared when it is cancelled.
    """
    with reading(office.sessions) as session:
        if not _waits(session, find_order(session, number), step):
            return None
    complex_ = complex_of(office, number)
    _check_limits(office, number)
    return complex_


def _start(office: Office, number: str, step: str) -> str | None:
    """The domain to work on; None where the step is done or no longer wanted.

    From now on the servers may hold something: whatever becomes of the order, they are brought to its end.
    """
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        if not _waits(session, order, step):
            return None
        service = service_of(session, order, lock=True)
        service.served_state = CHANGING
        return service.name


def _done(office: Office, number: str, step: str, result: str, now: datetime) -> None:
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        if _waits(session, order, step):
            latest = session.scalar(select(func.max(AccountProof.at)).where(AccountProof.order_id == order.id))
            if latest is not None and latest >= now:  # what was seen of former accounts stays before these
                now = latest + timedelta(microseconds=1)
            mark_done(session, order, step, result=result, now=now)
            return
        # The order ended meanwhile, perhaps after its servers were cleared: they are looked at once more.
        service_of(session, order, lock=True).served_state = CHANGING


def _check_limits(office: Office, number: str) -> None:
    at = office.complexes.dedicated_to(number)
    if at is None:
        return
    with reading(office.sessions) as session:
        product = service_of(session, find_order(session, number)).product
    for name, has in (("mail_bytes", at.mail_bytes), ("call_seconds", at.call_seconds)):
        if product.get(name, has) != has:
            told = f"complex {at.name} has {name} = {has}, the order wants {product[name]}: configure it, then resume"
            raise Refused("limits", told)
