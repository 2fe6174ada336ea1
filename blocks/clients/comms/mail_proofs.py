"""Proofs of mail: each contact logs in, and sends a letter to the next, who finds it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import EmailMessage

from blocks.clients.comms.mail_login import HEADER, Doors, Facts, Mailbox, mailbox, submit
from blocks.clients.password_hashes import AccountHashes
from blocks.errors import Refused
from blocks.terms.ks_complex import Proof, ProofKind, Want

KINDS = (ProofKind.IMAP, ProofKind.SUBMISSION, ProofKind.MAIL)
THREADS = 6
ARRIVAL_S, POLL_S = 20.0, 0.05


@dataclass(frozen=True)
class _Sent:
    sender: str
    reader: str
    message_id: str
    outcome: Facts | Refused


@dataclass(frozen=True)
class _Read:
    outcome: Facts | Refused
    arrived: frozenset[str] = frozenset()


def prove(doors: Doors, domain: str, accounts: Sequence[AccountHashes], wants: Collection[Want]) -> list[Proof]:
    """A proof for each want of ours. A letter goes to the next contact of the list, and is removed once it is found.

    Raises Transient where a server does not answer.
    """
    ours = [want for want in wants if want.kind in KINDS]
    senders = {want.contact for want in ours if want.kind is not ProofKind.IMAP}
    peers = {account.name: accounts[(at + 1) % len(accounts)] for at, account in enumerate(accounts)}
    by_name = {account.name: account for account in accounts}
    with ThreadPoolExecutor(THREADS) as threads:
        sent = list(
            threads.map(lambda name: _send(doors, domain, by_name[name], peers[name]), sorted(senders & by_name.keys()))
        )
        readers = {letter.reader for letter in sent} | {want.contact for want in ours if want.kind is ProofKind.IMAP}
        names = sorted(readers & by_name.keys())
        read = dict(zip(names, threads.map(lambda name: _read(doors, domain, by_name[name], sent), names), strict=True))
    letters = {letter.sender: letter for letter in sent}
    return [_proof(want, letters, read) for want in ours]


def _send(doors: Doors, domain: str, account: AccountHashes, peer: AccountHashes) -> _Sent:
    letter = EmailMessage()
    letter["From"], letter["To"] = account.address, peer.address
    letter["Message-ID"] = f"<{secrets.token_hex(16)}@{domain}>"
    letter["Auto-Submitted"] = "auto-generated"
    letter[HEADER] = domain
    letter["Subject"] = "Проверка почтового ящика"
    letter.set_content("Письмо проверки: оно удаляется само.\n")
    try:
        outcome: Facts | Refused = submit(doors, account, letter)
    except Refused as refusal:
        outcome = refusal
    return _Sent(account.name, peer.name, letter["Message-ID"], outcome)


def _read(doors: Doors, domain: str, account: AccountHashes, sent: Sequence[_Sent]) -> _Read:
    expected = [
        letter.message_id
        for letter in sent
        if letter.reader == account.name and not isinstance(letter.outcome, Refused)
    ]
    try:
        with mailbox(doors, account) as (inbox, facts):
            arrived = frozenset(message_id for message_id in expected if _comes(inbox, message_id))
            inbox.remove(inbox.find(HEADER, domain))
            return _Read(facts, arrived)
    except Refused as refusal:
        return _Read(refusal)


def _comes(inbox: Mailbox, message_id: str) -> bool:
    end = time.monotonic() + ARRIVAL_S
    while not inbox.find("Message-ID", message_id):
        if time.monotonic() > end:
            return False
        time.sleep(POLL_S)
    return True


def _proof(want: Want, letters: Mapping[str, _Sent], read: Mapping[str, _Read]) -> Proof:
    outcome: Facts | Refused
    if want.kind is ProofKind.IMAP:
        outcome = read[want.contact].outcome if want.contact in read else _unknown()
        return _of(want, outcome, "logged in by IMAP")
    letter = letters.get(want.contact)
    if letter is None or want.kind is ProofKind.SUBMISSION or isinstance(letter.outcome, Refused):
        return _of(want, letter.outcome if letter else _unknown(), "handed a letter in")
    at_peer = read[letter.reader]
    if letter.message_id in at_peer.arrived or isinstance(at_peer.outcome, Refused):
        return _of(want, at_peer.outcome, "a letter came to the next contact")
    return _of(want, Refused("lost", f"a letter did not come to the next contact in {ARRIVAL_S:.0f} s"), "")


def _unknown() -> Refused:
    return Refused("unknown", "there is no such contact")


def _of(want: Want, outcome: Facts | Refused, done: str) -> Proof:
    if isinstance(outcome, Refused):
        return Proof(contact=want.contact, kind=want.kind, ok=False, detail=str(outcome)[:300])
    return Proof(contact=want.contact, kind=want.kind, ok=True, detail=done, facts=outcome)
