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

from sqlalchemy import delete, select

from blocks.clients.comms.protocol import Complex
from blocks.clients.password_hashes import AccountHashes
from blocks.errors import Refused, Transient
from blocks.ledger import AccountProof, SealedAccounts, Step, reading, transaction
from blocks.office import Office
from blocks.terms.deadlines import local_date
from blocks.terms.ks import ZONE
from blocks.terms.ks_complex import Proof, ProofKind, Want, wanted
from blocks.terms.policy import ORDER_POLICY
from tasks.access_data import PREPARED, PROVISIONED, VERIFIED, sealed_accounts
from tasks.complexes import ACTIVE, CHANGING, service_of
from tasks.order_state import find_order, mark_done, note
from tasks.serving_steps import awaited, done, entered, start, waits

BEFORE_THE_LAST = timedelta(minutes=6)
"""Before the last attempt: resolvers remember for five minutes that a name was not there yet."""

_NAMED = 5


def prepare_domain(office: Office, number: str, *, now: datetime) -> None:
    """Publish the domain's names and put its certificate on the servers.

    Raises Refused where a person must provide or configure the complex first.
    """
    complex_ = awaited(office, number, PREPARED)
    if complex_ is None or (domain := start(office, number, PREPARED)) is None:
        return
    complex_.prepare(domain)
    done(office, number, PREPARED, f"{domain} on {complex_.name}", now)


def provision_accounts(office: Office, number: str, *, now: datetime) -> None:
    """Write the accounts to the servers. Repeating it changes nothing."""
    complex_ = awaited(office, number, PROVISIONED)
    if complex_ is None:
        return
    hashes = sealed_accounts(office, number)
    if (domain := start(office, number, PROVISIONED)) is None:
        return
    complex_.provision(domain, hashes)
    done(office, number, PROVISIONED, f"{len(hashes)} accounts in {domain}", now)


def verify_accounts(office: Office, number: str, *, now: datetime) -> None:
    """Log in as every contact that is not proven yet.

    After a verification that saw less than it should, the domain and the accounts are first written again: a server may
    have lost what it took last.
    Raises Transient while attempts are left, Refused("not_proven") after the last; both name contacts and protocols.
    """
    complex_ = awaited(office, number, VERIFIED)
    if complex_ is None:
        return
    hashes = sealed_accounts(office, number)
    if (domain := start(office, number, VERIFIED)) is None:
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
        since = max(written, entered(session, order) or written)
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
        if not waits(session, order, VERIFIED) or written is None or written.done_at != tried.written:
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
